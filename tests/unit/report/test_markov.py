"""The chain: hand-computed cases, a simulation with known probabilities, and intervals out of a textbook."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.report.figures.markov import Chain, wilson


def test_a_gambler() -> None:
    """Of the gambler's ruin with p = 1/2 and a goal of 3 the textbook has every figure."""
    chain = Chain({("1", "0"): 1, ("1", "2"): 1, ("2", "1"): 1, ("2", "3"): 1})

    assert chain.ends == ["0", "3"]
    assert chain.absorption("1", "0") == pytest.approx(2 / 3)
    assert chain.absorption("1", "3") == pytest.approx(1 / 3)
    assert chain.visits("1", "1") == pytest.approx(4 / 3)
    assert chain.visits("1", "2") == pytest.approx(2 / 3)
    assert chain.visits("3", "3") == 1.0
    assert chain.visits("1", "never") == 0.0


def test_tries_until_the_first_success() -> None:
    """With one success in four the expected number of tries is four, whatever the counts."""
    for times in (1, 25):
        chain = Chain({("try", "try"): 3 * times, ("try", "done"): times})
        assert chain.visits("try", "try") == pytest.approx(4.0)
        assert chain.absorption("try", "done") == pytest.approx(1.0)


def test_no_end() -> None:
    """A chain that never ends has no figures."""
    with pytest.raises(ValueError, match="no way leads from"):
        Chain({("a", "b"): 1, ("b", "a"): 1})


def test_a_simulation() -> None:
    """Counted in 20,000 simulated lives, the figures are those of the probabilities that were drawn from."""
    rng = random.Random(4711)
    steps: Counter[tuple[str, str]] = Counter()
    for _ in range(20_000):
        state = "ready"
        while state in ("ready", "in_flight", "requeued"):
            if state == "in_flight":
                after = rng.choices(("acked", "requeued", "dropped"), (0.7, 0.2, 0.1))[0]
            else:
                after = "in_flight"
            steps[state, after] += 1
            state = after
    chain = Chain(steps)

    assert chain.visits("ready", "in_flight") == pytest.approx(1 / 0.8, rel=0.01)
    assert chain.absorption("ready", "acked") == pytest.approx(0.7 / 0.8, rel=0.01)
    low, high = wilson(steps["in_flight", "requeued"], chain.left("in_flight"))
    assert low < 0.2 < high


@given(st.dictionaries(st.tuples(st.sampled_from("abc"), st.sampled_from("abcxy")), st.integers(1, 50)))
def test_ends_add_up(steps: dict[tuple[str, str], int]) -> None:
    """From every state that leads to an end the probabilities of the ends add up to one."""
    try:
        chain = Chain(steps)
    except ValueError:
        return
    for state in chain.transient:
        assert sum(chain.absorption(state, end) for end in chain.ends) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("count", "of", "interval"),
    [(0, 0, (0.0, 1.0)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0)), (5, 10, (0.2366, 0.7634)),
     (81, 263, (0.2553, 0.3662))],
)  # fmt: skip
def test_wilson(count: int, of: int, interval: tuple[float, float]) -> None:
    """The last one is Newcombe's example (Statistics in Medicine 17, 1998, table I)."""
    assert wilson(count, of) == pytest.approx(interval, abs=5e-5)
