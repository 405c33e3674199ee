"""The ledger of open numbers: against a list that does the same slowly."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mqchaos.wire.amqp.ledgers import Ledger

STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "add", "add"]), st.integers(1, 3)),
        st.tuples(st.sampled_from(["take", "take_up_to"]), st.integers(-1, 40)),
        st.tuples(st.sampled_from(["take_all", "rollback"]), st.just(0)),
    ),
    max_size=60,
)

CHOICES = {
    "take": lambda each, value: each == value,
    "take_up_to": lambda each, value: each <= value,
    "take_all": lambda each, value: True,
}


@settings(deadline=None)
@given(STEPS)
def test_it_settles_what_a_list_settles(steps: list[tuple[str, int]]) -> None:
    """Any order of additions and settlements names the same numbers, in order, as the naive list."""
    ledger, naive, last = Ledger(), [], 0
    taken: tuple[int, ...] = ()
    for step, value in steps:
        if step == "add":
            last += value
            ledger.add(last)
            naive.append(last)
        elif step == "rollback":
            ledger.restore(taken)
            naive = sorted([*naive, *taken])
            taken = ()
        else:
            chosen = tuple(each for each in naive if CHOICES[step](each, value))
            taken = ledger.take_all() if step == "take_all" else getattr(ledger, step)(value)
            assert taken == chosen
            naive = [each for each in naive if each not in chosen]
        assert ledger.all() == tuple(naive)
        assert len(ledger) == len(naive)
        assert all(each in ledger for each in naive)


def test_many_open_numbers_cost_linear_time() -> None:
    """Half a million open numbers, settled ten at a time behind singles, take well under a second or two."""
    ledger = Ledger()
    start = time.process_time()
    for number in range(500_000):
        ledger.add(number)
    for number in range(250_000):
        ledger.take(number)
    total = sum(len(ledger.take_up_to(number)) for number in range(250_009, 500_000, 10))
    assert total == 250_000
    assert time.process_time() - start < 5.0


def test_a_giant_number_costs_nothing() -> None:
    """A multiple settlement up to 2**63 looks at what is open, not at the numbers in between."""
    ledger = Ledger()
    ledger.add(3)
    ledger.add(2**62)
    assert ledger.take_up_to(2**63) == (3, 2**62)
    assert ledger.take_up_to(5) == ()
