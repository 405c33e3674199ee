"""Late: the first effect after the declared bound, outside of the faults."""

from __future__ import annotations

from typing import Any

import pytest
from check_builders import SECOND, Run, findings, found, numbers
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import ConsumerFacts
from pytest_mqchaos.model.faults import Fault, connection_drop, consumer_crash, malformed_payload, refuse
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.guarantees import at_least_once
from pytest_mqchaos.model.refinements import within
from pytest_mqchaos.model.triggers import delivery

PROMISE = at_least_once + within(5)


def late(run: Run, **fields: Any) -> list[Finding]:
    """Return what was found to be late."""
    return [one for one in findings(run, PROMISE, **fields) if one.kind == "late"]


def done(run: Run, number: int, seconds: float, *, looked: bool = True) -> Run:
    """Deliver, and show the work so many seconds later; `looked` shortly before that, or never."""
    hand = run.deliver(number)
    run.wait(seconds * SECOND)
    run.effect(number, since=run.events[-1].at + round((seconds - 0.1) * 1e9) if looked else None)
    return run.ack(hand, effect_seen=True)


def test_late_in_hand() -> None:
    """Six seconds in a consumer's hands are late, by the time that is left when we had looked last."""
    run = done(Run(2).subscribe().publish(), 1, 1)
    (finding,) = late(done(run, 2, 6).settled())
    assert (finding.name, numbers(finding.messages), finding.violation) == ("late:in_hand", [2], True)
    assert finding.claim == "was worked on more than 5 s after it was published, outside of the faults"
    assert finding.cause == "worker had it in hand for most of that"
    assert finding.how_to_allow == 'allow=("late:in_hand",)'


def test_late_in_the_queue() -> None:
    """A message that waited in its queue is the consumers' lack."""
    run = Run(1).subscribe().publish().wait(6 * SECOND)
    (finding,) = late(run.work(1).settled())
    assert (finding.name, finding.cause) == (
        "late:in_queue",
        "it waited in `orders` for most of that: its consumers are too slow or too few",
    )


def test_late_by_another_try() -> None:
    """A message that came again is late through its retry."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1)).wait(6 * SECOND)
    hand = run.deliver(1, redelivered=True)
    run.effect(1, since=run.events[-1].at).ack(hand)
    assert [one.name for one in late(run.settled())] == ["late:in_retry"]


def test_in_time_and_without_the_promise() -> None:
    """Within the bound nothing is late, and without the refinement nothing ever is."""
    assert late(done(Run(1).subscribe().publish(), 1, 4.9).settled()) == []
    slow = done(Run(1).subscribe().publish(), 1, 60).settled()
    assert found(slow) == {}
    assert found(slow, "exactly-once") == {}


def test_an_effect_that_was_looked_for_late_is_unknown() -> None:
    """Where nobody looked within the bound, the work may have been done in time: unknown, never pass."""
    (finding,) = late(done(Run(1).subscribe().publish(), 1, 6, looked=False).settled())
    assert (finding.name, finding.unknown, finding.violation) == ("late", True, True)


def test_without_effects() -> None:
    """By the broker's evidence the ack stands for the work; without any nobody can say."""
    run = Run(2).subscribe().publish()
    run.ack(run.deliver(1)).wait(6 * SECOND).ack(run.deliver(2)).settled()
    (finding,) = late(run, evidence="broker")
    assert (numbers(finding.messages), finding.unknown) == ([2], False)
    (finding,) = late(run, evidence="unknown")
    assert (finding.messages, finding.unknown, finding.violation) == ((), True, True)


def struck(fault: Fault, *, heal: float | None) -> Run:
    """A fault strikes between two messages of which the second waits for the consumer to come back."""
    run = done(Run(4).subscribe().publish(1).plan(fault), 1, 1)
    run.publish(2).deliver(2)
    run.fire().lose()
    if heal is not None:
        run.wait(heal * SECOND).add(e.FaultHealed, fault=0)
    run.publish(3).wait(6 * SECOND)
    return run.subscribe().work(2, 3)


@pytest.mark.parametrize(
    ("fault", "heal"), [(connection_drop(after=delivery(2)), None), (refuse(after=delivery(2)), 1.0)]
)
def test_in_a_fault_and_its_backlog_nothing_is_late(fault: Fault, heal: float | None) -> None:
    """What met the fault, or was published before work went on after it, is not judged; what came later is."""
    run = struck(fault, heal=heal)
    run.publish(4).wait(SECOND)
    assert late(done(run, 4, 4.5).settled())[0].messages[0].endswith("4")
    assert numbers(late(run)[0].messages) == [4]
    assert late(struck(fault, heal=heal).publish(4).work(4).settled()) == []


def test_an_absent_process_is_a_fault_in_force() -> None:
    """From the end of a killed process to the start of the next nothing is held against it."""
    run = Run(2).subscribe().start().publish(1).plan(consumer_crash(after=delivery(1)))
    run.deliver(1)
    run.crash(fault=0).wait(SECOND).publish(2).wait(6 * SECOND).start().subscribe().work(1, 2)
    assert late(run.settled()) == []


def test_a_process_that_ends_by_itself_is_no_excuse() -> None:
    """Nobody struck it: what it left lying is late."""
    run = Run(1).subscribe().start().publish()
    run.deliver(1)
    run.end(by="itself", exit_code=1).lose(by="client").wait(6 * SECOND).start().subscribe().work(1)
    assert [numbers(one.messages) for one in late(run.settled())] == [[1]]


def test_a_broker_that_is_down() -> None:
    """A stop of the broker by hand is in force until it answers again."""
    run = Run(1).subscribe().publish()
    run.add(e.BrokerStopped, how="freeze")
    run.wait(6 * SECOND).add(e.BrokerStarted, how="freeze")
    assert late(run.work(1).settled()) == []


def test_what_was_never_healed_excuses_to_the_end() -> None:
    """A fault that lasts and whose heal nobody saw is in force until the end of the run."""
    run = Run(2).subscribe().plan(refuse(after=delivery(1))).publish(1).fire().work(1).publish(2)
    assert late(run.wait(6 * SECOND).work(2).settled()) == []


def test_what_nobody_felt_excuses_nothing() -> None:
    """A fault that nobody came to while it lasted kept nobody from any work."""
    run = Run(1).subscribe().plan(refuse(after=delivery(1), link="pg")).publish().fire(target="pg")
    run.wait(6 * SECOND).add(e.FaultHealed, fault=0, idle=True)
    assert [numbers(one.messages) for one in late(run.work(1).settled())] == [[1]]


def test_payload_faults_excuse_nothing() -> None:
    """Malformed messages among the good ones disturb nobody's time."""
    run = Run(1, poison=1).subscribe().plan(malformed_payload()).publish()
    run.fire(actor="publisher")
    run.ack(run.deliver(2))
    assert [numbers(one.messages) for one in late(done(run, 1, 6).settled())] == [[1]]


@given(st.lists(st.floats(0.001, 4.8), min_size=1, max_size=6))
def test_what_is_done_in_time_is_never_late(takes: list[float]) -> None:
    """Whenever the looks fall, work within the bound is at most unknown."""
    run = Run(len(takes)).subscribe()
    for number, seconds in enumerate(takes, 1):
        done(run.publish(number), number, seconds, looked=number % 2 == 0)
    assert late(run.settled(), consumers=(ConsumerFacts(name="worker", alive=True),)) == []
