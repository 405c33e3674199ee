"""Thirty texts that would be script, markup or style if anybody let them, and a run that is full of one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from account_builders import AGAIN, found, ms, workload
from report_builders import eventful, judged, session

from pytest_mqchaos.model.case import ConsumerFacts, Line, Output
from pytest_mqchaos.model.events import (
    Acked,
    CensusTaken,
    ConsumerEnded,
    ConsumerStarted,
    Delivered,
    Effected,
    Event,
    FaultFired,
    LinkLost,
    LinkOpened,
    Published,
    Rested,
    Subscribed,
)
from pytest_mqchaos.model.findings import Hazard
from pytest_mqchaos.report.document import run_record

INJECTIONS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "\"><script>alert(1)</script>",
    "'><script>alert(1)</script>",
    "\" onmouseover=\"alert(1)",
    "' onfocus='alert(1)' autofocus='",
    "` onclick=`alert(1)",
    "javascript:alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<body onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<!--<script>alert(1)//-->",
    "--><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<math><mtext></mtext><mglyph><style></math><img src onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "{{ ''.__class__.__mro__ }}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\x00<script\x00>alert(1)</script>",
    "\u202e<script>alert(1)</script>\u2028",
    "<ScRiPt SrC=//x.example/x.js></sCrIpT>",
    "<meta http-equiv=refresh content=0;url=//x.example>",
    "</details></main><form action=//x.example><input autofocus onfocus=alert(1)>`|`\n# x",
)  # fmt: skip


def _poisoned(event: Event, evil: str) -> Event:
    """Return an event of the eventful run with the text in every name that comes from outside."""
    match event:
        case Published():
            return replace(event, routing_key=evil, exchange=evil)
        case Delivered():
            return replace(event, link=evil, queue=evil, routing_key=evil, exchange=evil, consumer_tag=evil)
        case Acked() | LinkOpened():
            return replace(event, link=evil if event.link != "publisher" else event.link)
        case LinkLost():
            return replace(event, link=evil, text=evil)
        case Subscribed():
            return replace(event, link=evil, queue=evil, consumer_tag=evil)
        case ConsumerStarted() | ConsumerEnded():
            return replace(event, consumer=evil)
        case Effected():
            return replace(event, consumer=evil, source=evil, name=evil)
        case FaultFired():
            return replace(event, target=evil, trigger=evil, description=evil, actor=evil)
        case CensusTaken():
            (state,) = event.queues
            named = replace(state, name=evil, type=evil, arguments={evil: evil}, dead_letter_exchange=evil)
            return replace(event, queues=(named,))
    return event


def _said(evil: str) -> Output:
    """Return what a process wrote: the text, also where it lands in a life."""
    return Output(100, (evil, evil), 0, (ms(71), ms(72)), (Line(ms(20), evil),))


def document_full_of(evil: str) -> dict[str, Any]:
    """Return a document with the text in every place that comes from outside."""
    messages = {
        name: replace(
            message, body=evil.encode("utf-8", "surrogatepass"), key=evil, queue=evil, headers=((evil, evil),)
        )
        for name, message in workload(10).items()
    }
    events = [_poisoned(event, evil) for event in eventful()]
    events.insert(
        -1, Rested(at=events[-1].at, message=None, queue=evil, headers=((evil, evil),), body=evil.encode())
    )
    finding = found(
        "lost",
        3,
        detail=evil,
        claim=f"lost in `{evil}` {evil}",
        cause=evil,
        mend=evil,
        fault=0,
        violation=True,
    )
    account = judged(
        replace(finding, messages=(*finding.messages, evil)),
        replace(finding, allowed=None, kind="vacuous", unknown=True),
        replace(finding, violation=False),
        events=events,
        messages=messages,
        hazards=[Hazard(kind="auto_ack", claim=evil, consumer=evil, mend=evil)],
        consumers=(ConsumerFacts(name=evil, alive=False, output=(_said(evil),), queues=(evil,)),),
        notes=[evil],
        allow=((evil, evil),),
        timings={evil: 1.0},
    )
    known: dict[str, Any] = {"attempt": 2, "reproduce": f"{AGAIN} {evil}", "settings": {evil: evil}}
    nodeid = f"tests/{evil}.py::test_{evil}[{evil}]"
    runs = [
        run_record(account, nodeid=nodeid, outcome="failed", scenario=evil, **known),
        run_record(None, nodeid=nodeid, outcome="error", scenario=evil, error=evil, reason=evil, **known),
        run_record(account, nodeid=f"{nodeid}-2", outcome="xfailed", scenario="baseline", **known),
    ]
    return session(
        *runs,
        servers={"description": evil, "version": evil, evil: evil},
        skipped=[{"nodeid": nodeid, "scenario": evil, "reason": evil}],
        settings=[{"name": evil, "value": evil, "origin": evil}],
        environment={evil: evil},
    )
