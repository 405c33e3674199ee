"""Triggers that name whose publishing counts: how they are written, and what is refused."""

from __future__ import annotations

import pytest

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults import connection_drop, consumer_crash
from pytest_mqchaos.model.triggers import Trigger, confirm, publish


@pytest.mark.parametrize(
    ("trigger", "written", "name"),
    [
        (publish(3, by="billing"), "publish(3, by='billing')", "publish-3-by-billing"),
        (confirm(2, by="worker"), "confirm(2, by='worker')", "confirm-2-by-worker"),
        (publish(by="worker"), "publish(by='worker')", "publish-by-worker"),
        (
            publish(1, by="worker", delay=0.5),
            "publish(1, by='worker', delay=0.5)",
            "publish-1-by-worker-delay-0.5",
        ),
    ],
)
def test_whose_publishing_counts_is_told(trigger: Trigger, written: str, name: str) -> None:
    """It stands in the text of a trigger, and in the id of a test."""
    assert (str(trigger), trigger.id) == (written, name)


def test_it_stands_in_the_fault() -> None:
    """A fault is told with its trigger's own words."""
    fault = consumer_crash(after=publish(3, by="worker"))
    assert str(fault) == "consumer_crash(after=publish(3, by='worker'))"
    assert connection_drop(before=confirm(3, by="worker")).trigger == confirm(3, by="worker")


@pytest.mark.parametrize("by", ["", 3, ["billing"]])
def test_by_is_a_name(by: object) -> None:
    """What is no name is refused."""
    with pytest.raises(UsageError, match=r"by is the name of a consumer or a producer"):
        publish(3, by=by)  # type: ignore[arg-type]


def test_one_publisher_or_one_message() -> None:
    """Whose publishing is meant is counted: it cannot be a message's place as well."""
    with pytest.raises(UsageError, match=r"publish\(by='worker', message=3\)"):
        publish(by="worker", message=3)
