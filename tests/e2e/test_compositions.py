"""Faults that nobody chose: two or three at once, drawn from a seed, on a consumer that keeps exactly-once.

None undoes another, nothing is left standing, and nothing is held against the consumer.
"""

import random

import pytest
from consumers import correct
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
SEEDS = range(80)
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


@pytest.mark.chaos(*map(composition, SEEDS), guarantee="exactly-once")
def test_compositions(scene, mqchaos):
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
