"""What a finding claims on the page: who and when where the lives tell it, and the plural of several messages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from account_builders import acked, confirmed, delivered, effected, found, ms, name, published, workload
from report_builders import CRASH, LOST, failing, judged

from pytest_mqchaos.model.events import ConsumerEnded, Event, FaultFired
from pytest_mqchaos.report.claims import claimed
from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.states import happened

PLAIN = "lost by the consumer: its ack reached the broker, its work was never done"


def run_of(*events: Event, messages: int = 1) -> dict[str, Any]:
    """Return the record of a run in which these messages were lost by the consumer."""
    lost = replace(LOST, messages=tuple(name(n) for n in range(1, messages + 1)))
    account = judged(lost, events=events, messages=workload(messages))
    return run_record(account, nodeid="t.py::t", attempt=1, outcome="failed", reproduce="")


def killed(at: float = 9) -> tuple[Event, Event]:
    """Return the strike and the end of the worker."""
    struck = FaultFired(at=ms(at), fault=0, description=str(CRASH), target="worker", actor="signal")
    return struck, ConsumerEnded(at=ms(at + 1), consumer="worker", pid=1, exit_code=-9, by="fault")


def taken(n: int) -> tuple[Event, ...]:
    """Return a message that is acknowledged and not worked on."""
    return published(n, 1), confirmed(n, 1.5), delivered(n, 2), acked(n, 3 + n, effect_seen=False)


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (run_of(*taken(1), *killed()),
         "lost by `worker`, which acked at 0.003 s and was killed at 0.008 s before any effect"),
        (run_of(*taken(1), *taken(2), *killed(), messages=2),
         "lost by `worker`, which acked them and was killed at 0.008 s before any effect"),
        (run_of(*taken(1)), PLAIN),
        (run_of(*taken(1), effected(1, 5), *killed()), PLAIN),
        (run_of(*taken(1), *taken(2)[:3], *killed(), messages=2), PLAIN),
    ],
)  # fmt: skip
def test_who_lost_it_and_when(run: dict[str, Any], told: str) -> None:
    """The lives say who acknowledged and was killed; where they do not say so of all, the check's words stand."""
    assert claimed(run["findings"][0], run) == told


def test_only_what_all_lives_say() -> None:
    """A finding of more messages than have their lives told keeps the words of the check."""
    run = failing()
    more = dict(run["findings"][0], count=2)

    assert (claimed(run["findings"][0], run) == PLAIN, claimed(more, run)) == (False, PLAIN)
    assert claimed(dict(more, claim="", kind="dead_letter_miss"), run) == "dead letter miss"


@pytest.mark.parametrize(
    ("claim", "told"),
    [
        ("was worked on more than 0.2 s after it was published, outside",
         "were worked on more than 0.2 s after they were published, outside"),
        ("was acknowledged, but whether its work was done cannot be seen: its source",
         "were acknowledged, but whether their work was done cannot be seen: its source"),
        ("has no effect: it is refused", "have no effect: it is refused"),
        ("came to worker when it was full", "came to worker when it was full"),
        ("lost by policy: it was old", "lost by policy: it was old"),
    ],
)  # fmt: skip
def test_several_messages_are_in_the_plural(claim: str, told: str) -> None:
    """All verbs of the message in the claim's first part, and none of anybody else's."""
    finding = {"kind": "late", "detail": "", "claim": claim, "count": 2, "messages": []}

    assert claimed(finding, {"lives": []}) == told
    assert claimed(dict(finding, count=1), {"lives": []}) == claim


@pytest.mark.parametrize(
    ("kind", "detail", "claim", "of_one"),
    [
        ("reordered", "by_consumer", "was worked on after `order-3` of the same key 'a'", True),
        ("reordered", "", "may have been worked on after `order-3`: two files do not tell", True),
        ("failover_miss", "slow", "was in the hands of worker when it died, and", True),
        (
            "retry_schedule",
            "late",
            "was tried again later than the 1 s that `fixed(1)` says: after 3.2 s",
            True,
        ),
        ("retry_schedule", "too_few", "was given up before the 3 attempts that were promised", False),
        ("reordered", "", "the order of the work cannot be seen", False),
    ],
)
def test_what_is_of_one_message_is_said_of_one(kind: str, detail: str, claim: str, of_one: bool) -> None:
    """A finding gathers by its cause: a key or a time that its claim has of one message is not said of all."""
    finding = {"kind": kind, "detail": detail, "claim": claim, "count": 2, "messages": []}

    assert (claimed(finding, {"lives": []}) == f"one of them {claim}") == of_one
    assert claimed(dict(finding, count=1), {"lives": []}) == claim


def test_what_happened_to_one_of_several() -> None:
    """The sentence of a run that counts several messages tells of one of them."""
    overtaken = found("reordered", 1, 2, claim="was worked on after `order-3`", cause="two at once")
    run = run_record(judged(overtaken), nodeid="t.py::t", attempt=1, outcome="failed", reproduce="")

    assert happened(run).endswith(
        f"messages: one of them, `{name(1)}`, was worked on after `order-3`; behind it: two at once."
    )
