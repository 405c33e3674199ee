"""Texts that say the same of other replicas, or with other sizes, are one; of other consumers they are not."""

from __future__ import annotations

import pytest

from pytest_mqchaos.report.alike import pattern, united

NAMES = ("worker", "worker#2", "worker#3", "worker#10", "billing", "job#7", "email 2")


@pytest.mark.parametrize(
    ("texts", "one"),
    [
        (["worker had it", "worker#2 had it", "worker#10 had it", "worker#3 had it"],
         "each of worker, worker#2, worker#3 and worker#10 had it"),
        (["worker and worker#2 had two", "worker#2 and worker#3 had two"],
         "each of worker, worker#2 and worker#3 had two"),
        (["worker#2 never came, worker did", "worker#2 never came, worker#3 did"],
         "worker#2 never came, each of worker and worker#3 did"),
        ([f"worker read `o` with a prefetch of 8, and had {n} in hand" for n in (12, 7)],
         "worker read `o` with a prefetch of 8, and had 7 to 12 in hand"),
        (["it waited 1,000 s", "it waited 9.5 s"], "it waited 9.5 to 1,000 s"),
        (["billing and worker did", "billing and worker#2 did"], "each of billing, worker and worker#2 did"),
    ],
)  # fmt: skip
def test_replicas_and_sizes_are_one(texts: list[str], one: str) -> None:
    """They have one pattern, and one text that names each replica and how far the sizes go."""
    assert len({pattern(text, NAMES) for text in texts}) == 1
    assert united([(text, NAMES) for text in texts]) == one


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("worker had it", "billing had it"),
        ("worker had it", "job#7 had it"),
        ("worker had it", "email 2 had it"),
        ("worker2 had it", "worker had it"),
        ("nobody reads `orders#2`", "nobody reads `orders`"),
        ("nobody reads `8 messages`", "nobody reads `9 messages`"),
        ("nobody reads `worker`", "nobody reads `worker#2`"),
        ("worker ended with exit code 1", "worker ended with exit code 137"),
        ("worker was killed by signal 9", "worker was killed by signal 11"),
        ("the service said 500", "the service said 404"),
    ],
)
def test_what_is_not_the_same_stays_apart(one: str, other: str) -> None:
    """Other names, and numbers that are names: of queues, exit codes, signals, answers."""
    assert pattern(one, NAMES) != pattern(other, NAMES)


def test_without_consumers_nothing_is_a_replica() -> None:
    """What reads like a replica is one only where the run has its consumer."""
    assert pattern("worker#2 had it", ()) != pattern("worker had it", ())
