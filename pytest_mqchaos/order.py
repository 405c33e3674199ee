"""The order of the tests: a battery's baseline runs before its other scenarios, which rest on it.

So they are collected. Plugins that shuffle tests, as pytest-randomly does, put the baseline anywhere: it is taken back
to where the first of its battery stands, and the rest stays as they left it. What runs before its baseline all the
same, in another xdist worker or under `--failed-first`, stands by itself: only what comes after a baseline that failed
is skipped.
"""

from __future__ import annotations

import pytest

from pytest_mqchaos.markers import FIXTURE, Planned, battery_key

__all__ = ["baselines_first"]


def baselines_first(items: list[pytest.Item]) -> None:
    """Put each battery's baseline, where it is among the items, before the other scenarios of its battery."""
    batteries = [_battery(item) for item in items]
    baselines = {
        key: item for item, (key, name) in zip(items, batteries, strict=True) if key and name == "baseline"
    }
    ordered: list[pytest.Item] = []
    moved: set[pytest.Item] = set()
    for item, (key, _) in zip(items, batteries, strict=True):
        baseline = None if key is None else baselines.pop(key, None)
        if baseline is not None and baseline is not item:
            ordered.append(baseline)
            moved.add(baseline)
        if item not in moved:
            ordered.append(item)
    items[:] = ordered


def _battery(item: pytest.Item) -> tuple[tuple[str, str, str] | None, str]:
    """Return which battery an item belongs to, and the id of its scenario; None of one that belongs to none."""
    callspec = getattr(item, "callspec", None)
    scenario = None if callspec is None else callspec.params.get(FIXTURE)
    if not isinstance(scenario, Planned) or not scenario.battery:
        return None, ""
    return battery_key(item, scenario), scenario.id
