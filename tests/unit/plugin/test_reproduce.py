"""Seeds: the same for the same test and number, for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.reproduce import test_seed as seed_of


def test_seeds_never_change() -> None:
    """The seed of a test is part of what its reports say: these numbers hold over versions and machines."""
    assert seed_of("tests/test_orders.py::test_orders[consumer_crash-after-ack-17]", 0) == 3113589280
    assert seed_of("tests/test_orders.py::test_orders[consumer_crash-after-ack-17]", 4711) == 3838415230


@given(st.text(), st.text(), st.integers(0, 2**40), st.integers(0, 2**40))
def test_seeds_differ(one: str, other: str, number: int, another: int) -> None:
    """Other tests and other numbers have other seeds, and every seed fits into 32 bits."""
    seed = seed_of(one, number)
    assert 0 <= seed < 2**32
    if (one, number) != (other, another):
        assert seed != seed_of(other, another)
