"""What happened around the messages: when faults were in force."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))  # the builders of the checks' tests

from check_builders import Run

from pytest_mqchaos.checks.windows import force
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import (
    Fault,
    connection_drop,
    consumer_freeze,
    latency,
    malformed_payload,
    refuse,
)
from pytest_mqchaos.model.triggers import delivery

DROP = connection_drop(after=delivery(1))


def struck(fault: Fault, heal: dict[str, Any] | None = None, **fields: Any) -> Run:
    """Return a run in which a fault strikes at 3 ms and, with `heal`, is over 10 s later; the run ends after 20 s."""
    run = Run(1).plan(fault).publish(confirm=False).fire(**fields)
    run.wait(10_000)
    if heal is not None:
        run.add(e.FaultHealed, fault=0, **heal)
    run.wait(10_000).add(e.SettleEnded, settled=True)
    return run


@pytest.mark.parametrize(
    ("run", "seconds"),
    [
        (struck(refuse(), heal={}), [10]),
        (struck(DROP), [0]),
        (struck(consumer_freeze()), [20]),  # never healed, though it lasts: until the end
        (struck(latency()), [20]),
        (struck(refuse(), heal={}, changed=False), []),
        (struck(refuse(), heal={"idle": True}), []),
        (struck(malformed_payload(), actor="publisher"), []),
    ],
)
def test_when_a_fault_was_in_force(run: Run, seconds: list[int]) -> None:
    """From strike to heal, if anybody felt it: a moment where nothing lasts, the end where nothing healed it."""
    case = run.case()
    known = [
        (strike.event.at, until)
        for strike, until in case.ledger.surroundings.in_force(case.faults, case.ledger.end.at)
    ]

    assert [round((until - since) / 1e9) for since, until in known] == seconds
    assert [(one.since, one.until) for one in force(case)] == known


def test_a_strike_after_the_end_is_over_at_its_moment() -> None:
    """A window never ends before it begins."""
    run = Run(1).plan(latency()).publish(confirm=False)
    run.add(e.SettleEnded, settled=True)
    case = run.fire().case()
    ((strike, until),) = case.ledger.surroundings.in_force(case.faults, case.ledger.end.at)

    assert until == strike.event.at


def test_the_end_of_a_process() -> None:
    """The second end of a consumer is that of its second start, whatever others did in between."""
    run = Run(1).start("worker").start("worker#2").end("worker#2", pid=2).end("worker", pid=1)
    run.start("worker").end("worker", pid=3).start("worker")
    around = run.ledger().surroundings
    known = {
        (consumer, number): around.end_of(consumer, number)
        for consumer, number in (("worker", 1), ("worker", 2), ("worker", 3), ("worker#2", 1), ("worker", 0))
    }

    assert {key: end and end[1].pid for key, end in known.items()} == {
        ("worker", 1): 1, ("worker", 2): 3, ("worker", 3): None, ("worker#2", 1): 2, ("worker", 0): None,
    }  # fmt: skip
