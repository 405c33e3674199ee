"""The heading of a cause: what became of how many messages, in how many scenarios, and why."""

from __future__ import annotations

from typing import Any

import pytest
from account_builders import UNKNOWN, VACUOUS, found, name
from report_builders import CRASH, LOST, NODE, judged, session

from pytest_mqchaos.model.findings import Finding, Hazard
from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.headings import heading, proofs

EARLY = Hazard(
    kind="acked_before_effect",
    claim="worker acknowledges before its work shows: a crash in between loses the message",
    messages=(name(3), name(4)),
    consumer="worker",
    confirmed=True,
)
SLOW = "was worked on more than 0.2 s after it was published, outside of the faults"


def record(*findings: Finding, scenario: str = "x", hazards: tuple[Hazard, ...] = ()) -> dict[str, Any]:
    """Return a failed run with these findings."""
    account = judged(*findings, hazards=hazards)
    return run_record(
        account, nodeid=NODE, attempt=1, outcome="failed", reproduce="", scenario=scenario, error=None
    )


def headings(*runs: dict[str, Any]) -> list[str]:
    """Return the headings of a session's causes."""
    made = session(*runs)
    return [heading(cause, made["runs"]) for cause in made["overview"]["causes"]]


@pytest.mark.parametrize(
    ("finding", "told"),
    [
        (LOST, "Lost 1 message: its ack reached the broker, its work was never done"),
        (found("stalled", 1, 2, cause="nobody consumes `orders`"), "Left 2 messages waiting: nobody consumes `orders`"),
        (found("stalled", count=9, claim="stalled: 9 ready in `o`"), "Left 9 messages waiting: 9 ready in `o`"),
        (found("poison_stuck", 1, claim="poison stuck: it stays"), "Stuck on 1 poison message: it stays"),
        (found("duplicated", 1, cause=f"it came again after {CRASH}"),
         "Worked on 1 message more than once: it came again"),
        (found("reordered", 1, claim="was worked on after `a: b`"),
         "Worked on 1 message out of order: was worked on after `a: b`"),
        (UNKNOWN, f"1 message: {UNKNOWN.claim}"),
        (found("lost", 1, claim="was acked", unknown=True), "1 message was acked"),
        (found("lost", 1, 2, claim="was acked", unknown=True), "2 messages were acked"),
        (found("reordered", 1, 2, claim="may have been late: so", unknown=True),
         "2 messages: one of them, `orders-k3f9-000001`, may have been late: so"),
        (found("late", 1, 2, cause="it waited in `o`: too few"),
         "Worked on 2 messages late: each: it waited in `o`: too few"),
        (found("late", 1, cause="it waited in `o`: too few"), "Worked on 1 message late: it waited in `o`: too few"),
        (found("lost", 1, 2, claim="lost: its ack came"), "Lost 2 messages: each: its ack came"),
        (found("acked_before_effect", 1, 2, claim="was acknowledged before its effect"),
         "Acknowledged 2 messages before the work: were acknowledged before their effect"),
        (found("retry_schedule", 1, detail="too_few", cause="x gives up"), "Gave up 1 message too soon: x gives up"),
        (found("retry_schedule", 1, detail="too_many", cause="x does"), "Tried 1 message too often: x does"),
        (found("retry_schedule", 1, detail="early", cause="x does"), "Tried 1 message again off the schedule: x does"),
        (VACUOUS, VACUOUS.claim),
    ],
)  # fmt: skip
def test_what_why_and_how_many(finding: Finding, told: str) -> None:
    """The kind says what was done, the cause why; without a cause the claim does, and of the unknown always."""
    assert headings(record(finding)) == [told]


def test_two_causes_of_one_kind_have_two_headings() -> None:
    """The same claim for different reasons reads differently, the larger first."""
    late = [
        found("late", n, *more, claim=SLOW, cause=why)
        for n, more, why in ((1, (), "held"), (2, (3,), "queued"))
    ]

    assert headings(record(*late)) == ["Worked on 2 messages late: queued", "Worked on 1 message late: held"]


def test_a_hazard_that_the_loss_proves_is_the_reason() -> None:
    """What the worker does wrong says more than what became of the ack; without a proof nothing is said of it."""
    assert headings(record(LOST, hazards=(EARLY,))) == [
        "Lost 1 message: worker acknowledges before its work shows"
    ]
    for other in ({"confirmed": False}, {"messages": (name(4),)}, {"kind": "effect_before_ack"}):
        hazard = Hazard(**{field: getattr(EARLY, field) for field in EARLY.__slots__} | other)
        made = record(LOST, hazards=(hazard,))
        assert list(proofs(made["findings"][0], made)) == []
    assert headings(record(found("lost", 3), hazards=(EARLY,))) == ["Lost 1 message: lost in some way"]


def test_scenarios_that_share_a_cause_are_counted() -> None:
    """All messages, all scenarios, one line."""
    runs = [record(LOST, scenario=scenario, hazards=(EARLY,)) for scenario in ("a", "b")]

    assert headings(*runs) == [
        "Lost 2 messages in 2 scenarios, one cause: worker acknowledges before its work shows"
    ]
    unknown = found("lost", 1, claim="was acked: no source is named", unknown=True)
    assert headings(record(unknown), record(unknown, scenario="y")) == [
        "2 messages were acked: no source is named (2 scenarios, one cause)"
    ]
    assert headings(record(LOST), record(LOST))[0].startswith("Lost 2 messages in 2 runs: each: its ack")
