"""Correct consumers on a correct broker break no promise, whatever happens to them."""

from __future__ import annotations

from random import Random

from check_builders import Run, found
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
