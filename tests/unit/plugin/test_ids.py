"""Ids of scenarios: unique, stable, and our own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.markers import battery, unique


@given(st.lists(st.sampled_from(["a", "a-2", "a-3", "a-2-2", "b", ""]), max_size=12))
def test_unique(ids: list[str]) -> None:
    """Ids become unique, the first of a name keeps it, and what was unique stays as it was."""
    made = unique(ids)
    assert len(set(made)) == len(made) == len(ids)
    for index, (name, new) in enumerate(zip(ids, made, strict=True)):
        assert new.startswith(name)
        if name not in ids[:index]:
            assert new == name


def test_battery() -> None:
    """The standard battery begins with its baseline, on which the others rest."""
    assert [scenario.id for scenario in battery()] == [
        "baseline",
        "connection_drop",
        "consumer_crash",
        "malformed_payload",
        "broker_restart",
    ]
