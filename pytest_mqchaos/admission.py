"""Which chaos tests come to their set-up: not those with a wrong mark, nor those whose baseline failed."""

from __future__ import annotations

import pytest

from pytest_mqchaos.errors import ChaosError, NoCanary
from pytest_mqchaos.failures import refuse, shown
from pytest_mqchaos.fixtures import ground

__all__ = ["admit", "note_baseline", "skip_an_added_canary", "without_canary"]


def admit(item: pytest.Item) -> None:
    """Let a test that is marked `chaos` come to its set-up, or say in one line why not.

    A wrong mark fails; a scenario of the standard battery whose baseline failed, or that is left out, is skipped.
    """
    from pytest_mqchaos.markers import check

    try:
        check(item)
        reason = _battery_reason(item)
    except ChaosError as error:
        refuse(str(error))
    if reason is not None:
        raise pytest.skip.Exception(shown(reason), _use_item_location=True)


def _battery_reason(item: pytest.Item) -> str | None:
    """Return why the item does not run: its battery's baseline failed, or the session takes but a part of it."""
    from pytest_mqchaos.markers import FIXTURE, battery_key, left_out, planned

    if FIXTURE not in getattr(item, "fixturenames", ()):
        return None
    scenario = planned(item)
    if not scenario.battery or scenario.id == "baseline":
        return None
    why = ground(item.config).failed.get(battery_key(item, scenario))
    return left_out(item.config, scenario) if why is None else f"the baseline failed: {why}"


def note_baseline(item: pytest.Item, report: pytest.TestReport) -> None:
    """Remember that a battery's baseline failed, with its message, or that it passes now."""
    from pytest_mqchaos.markers import battery_key, planned

    scenario = planned(item)
    if not scenario.battery or scenario.id != "baseline":
        return
    failed, key = ground(item.config).failed, battery_key(item, scenario)
    if report.failed:
        from pytest_mqchaos.crossing import first_line

        failed[key] = first_line(report)
    elif report.when == "call":
        failed.pop(key, None)


def skip_an_added_canary(item: pytest.Item, error: BaseException) -> None:
    """Skip a canary that an option added to a test which cannot have one; where its mark names it, that is an error."""
    from pytest_mqchaos.markers import planned

    if isinstance(error, NoCanary) and planned(item).added:
        raise pytest.skip.Exception(shown(str(error)), _use_item_location=True) from None


def without_canary(
    item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]
) -> pytest.ExceptionInfo[BaseException]:
    """Return what a fixture raised, or the skip of a test whose added canary it cannot have."""
    try:
        skip_an_added_canary(item, excinfo.value)
    except pytest.skip.Exception as skipped:
        return pytest.ExceptionInfo.from_exception(skipped)
    return excinfo
