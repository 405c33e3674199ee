"""Faults that nobody chose: two or three at once, drawn from a seed.

None undoes another, nothing is left standing, nothing is held against a correct consumer, and what becomes of the
messages of wrong ones is told as a count of their own ledger says.
"""

import collections
import random

import pytest
from consumers import correct, wrong
from e2e_kit import numbers, text, violations

from pytest_mqchaos import (
    ack,
    bandwidth,
    black_hole,
    broker_crash,
    broker_freeze,
    broker_restart,
    combine,
    confirm,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_freeze,
    consumer_terminate,
    delivery,
    fragment,
    latency,
    lost_ack,
    lost_confirm,
    publish,
    refuse,
    stall,
)

COUNT = 30
CORRECT, WRONG = range(80), range(100, 150)
"""Seeds."""
FLAWS = ("acks first", "never settles", "rejects", "skips", "works twice")
PROCESS = (
    consumer_crash,
    lambda **at: consumer_terminate(grace=2.0, **at),
    lambda **at: consumer_freeze(duration=0.5, **at),
)
BROKER = (broker_restart, broker_crash, lambda **at: broker_freeze(duration=0.4, **at))
NETWORK = (
    connection_drop,
    connection_reset,
    lambda **at: refuse(duration=0.3, **at),
    lambda **at: stall(duration=0.4, **at),
    lambda **at: black_hole(duration=0.5, **at),
    lambda **at: latency(delay=0.02, **at),
    lambda **at: bandwidth(20_000, **at),
    lambda **at: fragment(7, **at),
)
SWALLOWED = (
    lambda n: lost_ack(before=ack(n)),
    lambda n: lost_confirm(before=confirm(n)),
)


def composition(seed):
    """Return two or three faults of different families, each at a moment of its own that surely comes."""
    rng = random.Random(seed)
    families = rng.sample((PROCESS, BROKER, NETWORK, SWALLOWED), rng.choice((2, 3)))
    moments = rng.sample(range(1, COUNT // 2), len(families))
    return combine(*(fault(rng, family, n) for family, n in zip(families, moments, strict=True)))


def fault(rng, family, n):
    """Return one fault of a family at the n-th of something."""
    make = rng.choice(family)
    if family is SWALLOWED:
        return make(n)
    return make(**{rng.choice(("before", "after")): rng.choice((delivery, ack, publish))(n)})


@pytest.mark.chaos(*map(composition, CORRECT), guarantee="exactly-once")
def test_a_correct_consumer(scene, mqchaos):
    """Each strikes, and a correct consumer stays correct."""
    scene.queue(("classic", "quorum")[mqchaos.seed % 2])
    scene.forked(correct.dedup, env={"WORK": 0.01, "PREFETCH": 4})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert all(each.fired for each in account.faults), account.faults
    assert set(numbers(account.confirmed)) <= set(numbers(account.effected)), text(account)
    assert set(scene.done().values()) == {1}


@pytest.mark.chaos(*map(composition, WRONG), guarantee="exactly-once", allow="*", settle_timeout=6)
def test_a_wrong_consumer(scene, mqchaos, tmp_path):
    """Each message without work is missed, none with work is called lost, and each doubled one is named."""
    ledger = tmp_path / "ledger"
    ledger.touch()
    scene.queue(("classic", "quorum")[mqchaos.seed % 2])
    flaw = FLAWS[mqchaos.seed // 2 % len(FLAWS)]
    mqchaos.effects(ledger)
    scene.forked(wrong.now_and_then, env={"WORK": 0.01, "PREFETCH": 6, "FLAW": flaw, "LEDGER": ledger})
    scene.publish(count=COUNT)
    account = mqchaos.settle()

    done = collections.Counter(numbers(ledger.read_text().split()))
    undone = {number for number in numbers(account.confirmed) if not done[number]}
    missed = {*numbers(account.lost), *numbers(account.stalled), *numbers(account.unacknowledged)}
    missed |= set(numbers(account.persistence_loss))
    assert undone <= missed, (flaw, text(account))
    assert not [number for number in numbers(account.lost) if done[number]], (flaw, text(account))
    assert numbers(account.duplicated) == sorted(n for n, times in done.items() if times > 1), (
        flaw,
        text(account),
    )
