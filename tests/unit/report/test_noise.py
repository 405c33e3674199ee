"""The rules of noise, against figures computed elsewhere and against chance itself."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import pytest

from pytest_mqchaos.report.figures.waits import Waits
from pytest_mqchaos.report.noise import chance, percentile_interval, recovers_slower, slower


def bars(**counts: int) -> list[dict[str, float | int | None]]:
    """Return the bars of a distribution: `ms2=5` are five messages of more than 1 and up to 2 ms."""
    edges = {"ms1": (0.0, 0.001), "ms2": (0.001, 0.002), "ms5": (0.002, 0.005), "ms10": (0.005, 0.01),
             "ms20": (0.01, 0.02), "more": (0.02, None)}  # fmt: skip
    return [
        {"from": edges[name][0], "until": edges[name][1], "inside": 0, "outside": count}
        for name, count in counts.items()
    ]


@pytest.mark.parametrize(
    ("n", "ratio", "probability"),
    [(1, 1.0, 0.5), (1, 99.0, 0.01), (5, 1.0, 0.5), (5, 2.978, 0.05), (5, 4.849, 0.01), (10, 2.124, 0.05)],
)
def test_the_chance_of_a_ratio(n: int, ratio: float, probability: float) -> None:
    """The upper points of F(2n, 2n) are those of the printed tables: F(10, 10) has 2.978 and 4.849."""
    assert chance(n, ratio) == pytest.approx(probability, abs=2e-4)


@pytest.mark.parametrize("n", [500, 516, 5000])
def test_the_chance_of_a_ratio_of_many(n: int) -> None:
    """Of many the logarithm of F is normal, with a variance of 2 / n (Fisher's z)."""
    assert chance(n, 1.0) == pytest.approx(0.5)
    assert chance(n, math.exp(1.6449 * math.sqrt(2 / n))) == pytest.approx(0.05, abs=2e-3)
    assert chance(n, 1e6) == pytest.approx(0.0)


def test_recoveries_of_one_sort_are_no_regression() -> None:
    """Of a thousand pairs of equally distributed recoveries at most some one in a hundred is called slower."""
    draw = random.Random(7)
    called = 0
    for _ in range(1000):
        old, new = ([draw.expovariate(0.5) for _ in range(4)] for _ in range(2))
        called += recovers_slower(old, new)
    assert 0 < called <= 20


@pytest.mark.parametrize(
    ("old", "new", "called"),
    [
        ([0.2], [25.0], True),
        ([0.2], [2.0], False),
        ([0.001], [0.5], False),
        ([0.2] * 6, [1.5] * 6, True),
        ([25.0], [0.2], False),
        ([], [], False),
    ],
)
def test_recovery(old: list[float], new: list[float], called: bool) -> None:
    """One fault must be out of all proportion, several need less; below a tenth of a second nothing counts."""
    assert recovers_slower(old, new) is called


def test_the_interval_of_a_percentile() -> None:
    """Of 100 values the median lies between the 38th and the 63rd, with the confidence of 99 %."""
    assert percentile_interval(bars(ms1=37, ms2=26, ms5=37), 0.5) == (0.001, 0.002)
    assert percentile_interval(bars(ms1=38, ms2=24, ms5=38), 0.5) == (0.0, 0.005)
    assert percentile_interval(bars(ms1=3), 0.95)[1] == math.inf
    assert percentile_interval([], 0.5) == (0.0, math.inf)


def latency(made: list[dict[str, float]]) -> dict[str, Any]:
    """Return what a document says of these bars: their percentiles stand at their upper edges."""
    count = sum(bar["outside"] for bar in made)
    ranks = {"p50": 0.5, "p95": 0.95}
    known = {name: percentile_interval(made, share)[1] for name, share in ranks.items()}
    return {"distribution": made, "outside": {"messages": count, **known}}


@pytest.mark.parametrize(
    ("old", "new", "share"),
    [
        (bars(ms1=100), bars(ms5=100), 0.5),
        (bars(ms1=100), bars(ms2=100), None),
        (bars(ms2=100), bars(ms5=100), None),
        (bars(ms2=1000), bars(ms2=800, ms20=200), 0.95),
        (bars(ms1=3), bars(more=3), None),
        (bars(ms5=100), bars(ms1=100), None),
        (bars(ms1=100), [], None),
    ],
)
def test_slower(old: list[dict[str, float]], new: list[dict[str, float]], share: float | None) -> None:
    """Twice as slow beyond doubt is slower; the next bar, or a handful of messages, is noise."""
    assert slower(latency(old), latency(new)) == share


def test_latencies_of_one_sort_are_no_regression() -> None:
    """Of three hundred pairs of runs of the same consumer none is called slower."""
    from pytest_mqchaos.model.events import Effected, Published

    draw = random.Random(11)

    def run() -> Mapping[str, Any]:
        waits = Waits(0, by_effect=True)
        handlers = waits.handlers()
        for n in range(100):
            at = n * 10_000_000
            done = at + int(draw.lognormvariate(0, 0.7) * 5e6)
            handlers[Published](Published(at=at, link="p", connection=1, channel=1, message=str(n)))
            handlers[Effected](Effected(at=done, message=str(n), source="f", name=str(n)))
        made: Mapping[str, Any] = waits.latency([])
        return made

    assert [1 for _ in range(300) if slower(run(), run())] == []
