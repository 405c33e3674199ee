"""Correct consumers on a correct broker break no promise, whatever happens to them."""

from __future__ import annotations

import re
from random import Random

from check_builders import Run, findings, found, name, numbers, only, queue
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import Simulation

from pytest_mqchaos.model import events as e

SEEDS = st.integers(0, 2**32)
RELAXED = settings(max_examples=150, deadline=None)


def violations(run: Run, promise: str) -> dict[str, list[int]]:
    """Return what breaks the promise."""
    return {label: numbers for label, numbers in found(run, promise).items() if not label.startswith("(")}


@RELAXED
@given(seed=SEEDS)
def test_a_consumer_that_remembers_keeps_exactly_once(seed: int) -> None:
    """Work, remember, acknowledge: exactly once under requeues, retries, cuts, crashes and broker stops."""
    run = Simulation(Random(seed)).play()
    assert violations(run, "exactly-once") == {}
    assert run.ledger().settled() == (True, "")


@RELAXED
@given(seed=SEEDS)
def test_a_consumer_that_does_not_remember_keeps_at_least_once(seed: int) -> None:
    """Work, then acknowledge: at least once under the same."""
    assert violations(Simulation(Random(seed), remembers=False).play(), "at-least-once") == {}


@RELAXED
@given(seed=SEEDS)
def test_two_working_queues_keep_exactly_once(seed: int) -> None:
    """A fan-out to two working queues with two effects expected keeps exactly once."""
    assert violations(Simulation(Random(seed), fan_out=True).play(), "exactly-once") == {}


@RELAXED
@given(seed=SEEDS)
def test_a_broker_that_loses_is_caught(seed: int) -> None:
    """What a broker loses before its work is done is lost, by whatever name; nothing else is."""
    simulation = Simulation(Random(seed), loses=0.03)
    run = simulation.play()
    confirmed = {each for each, record in run.ledger().records.items() if record.ok}
    said = violations(run, "exactly-once")
    assert all(label.split(":")[0] in ("lost", "persistence_loss") for label in said), said
    lost = sorted(number for numbers in said.values() for number in numbers)
    assert lost == sorted(int(each[-6:]) for each in confirmed - simulation.worked())


@RELAXED
@given(seed=SEEDS)
def test_a_missing_effect_is_always_lost(seed: int) -> None:
    """If one message's work is taken out of such a run, exactly that message is lost."""
    simulation = Simulation(Random(seed))
    run = simulation.play()
    confirmed = [each for each, record in run.ledger().records.items() if record.ok]
    if not confirmed:
        return
    victim = confirmed[seed % len(confirmed)]
    run.events = [
        each for each in run.events if not (isinstance(each, e.Effected) and each.message == victim)
    ]
    said = violations(run, "at-least-once")
    assert said == {"lost:by_consumer": [int(victim[-6:])]}


@RELAXED
@given(seed=SEEDS, remembers=st.booleans(), fan_out=st.booleans())
def test_what_stalls_is_named_only_where_it_surely_is(seed: int, remembers: bool, fan_out: bool) -> None:
    """In a run that is over in the middle, `stalled` counts what is ready and names nothing that is not."""
    simulation = Simulation(Random(seed), remembers=remembers, fan_out=fan_out)
    run = simulation.stand_still()
    held = simulation.held()
    for one in findings(run):
        if one.kind == "stalled" and not one.unknown:
            (where,) = re.findall("ready in `([a-z]+)`", one.claim)
            assert one.count == len(simulation.queues[where])
            assert set(numbers(one.messages)) <= held[where], (one, held)
            assert len(one.messages) <= one.count


@RELAXED
@given(seed=SEEDS)
def test_a_run_that_is_over_in_the_middle_loses_nothing(seed: int) -> None:
    """What is still ready, or was still in hand, is neither lost nor stuck nor missing."""
    run = Simulation(Random(seed)).stand_still()
    assert violations(run, "exactly-once").keys() <= {"unacknowledged:hung", "unacknowledged:leaked"} | {
        "stalled:unsettled?",  # nothing was left
        *(
        f"stalled:{why}" for why in ("not_reconnected", "nobody_consumes", "silent", "behind_unacknowledged",
                                     "waiting_room", "consumer_ended", "not_consuming")
        ),
    }  # fmt: skip


@RELAXED
@given(seed=SEEDS)
def test_what_lost_its_work_in_such_a_run_is_lost_only_if_it_is_nowhere(seed: int) -> None:
    """A message without its work that the broker may still hold is stalled, not lost."""
    simulation = Simulation(Random(seed))
    run = simulation.stand_still()
    names = [name(number) for number in range(1, simulation.count + 1)]
    victim = names[seed % len(names)]
    run.events = [
        each for each in run.events if not (isinstance(each, e.Effected) and each.message == victim)
    ]
    lost = {
        number
        for label, numbers in violations(run, "at-least-once").items()
        if label.startswith(("lost", "persistence_loss")) and not label.endswith("?")
        for number in numbers
    }
    held = set().union(*simulation.held().values(), simulation.in_hand())
    assert lost <= {int(victim[-6:])} - held


@RELAXED
@given(seed=SEEDS)
def test_where_all_that_is_ready_is_known_all_of_it_is_named(seed: int) -> None:
    """With one consumer that left after its acks, nothing foreign and no retries, every name is certain."""
    random = Random(seed)
    count, acked, eaten = random.randint(1, 30), random.randint(0, 10), random.randint(0, 3)
    acked, eaten = min(acked, count), min(eaten, acked, count)
    in_hand = random.randint(0, count - acked)
    run = Run(count).start().subscribe().publish()
    hands = [run.deliver(number) for number in range(1, acked + in_hand + 1)]
    run.effect(*range(1, acked + 1)).ack(*hands[:acked], effect_seen=True).lose()
    left = count - acked + eaten
    if left:
        run.unsettled(queue("orders", ready=left))
        assert numbers(only(run, "stalled").messages) == list(range(acked - eaten + 1, count + 1))
