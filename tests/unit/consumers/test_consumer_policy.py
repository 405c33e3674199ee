"""When a consumer is started again, and after how long."""

from __future__ import annotations

import pytest

from pytest_mqchaos.consumers.policy import Policy


@pytest.mark.parametrize(
    ("kind", "ender", "again"),
    [
        ("on-fault", "fault", True),
        ("on-fault", "itself", False),
        ("on-fault", "plugin", False),
        ("always", "fault", True),
        ("always", "itself", True),
        ("always", "plugin", False),
        ("never", "fault", False),
        ("never", "itself", False),
    ],
)
def test_who_ended_it_decides(kind: str, ender: str, again: bool) -> None:
    """The plugin's own ends are never undone."""
    assert Policy(kind, 0).again(ender) is again  # type: ignore[arg-type]


def test_ends_by_itself_are_counted_those_by_faults_are_not() -> None:
    """Twenty at most; a fault may strike as often as the test likes."""
    policy = Policy("always", 0)
    assert [policy.again("itself") for _ in range(21)] == [True] * 20 + [False]
    assert all(policy.again("fault") for _ in range(30))


def test_ends_after_some_work_are_no_loop() -> None:
    """A consumer that ends after each message is started for each; what ends without any progress is counted."""
    policy = Policy("always", 0)
    assert all(policy.again("itself", worked=True) for _ in range(200))
    assert policy.pause("itself") == 0.02
    assert [policy.again("itself") for _ in range(20)] == [True] * 19 + [False]


def test_ends_in_an_outage_are_not_counted() -> None:
    """However long the test lets it last; the twenty are left for what comes after."""
    policy = Policy("always", 0)
    assert all(policy.again("itself", outage=True) for _ in range(2000))
    assert policy.pause("itself") == 0.25
    assert [policy.again("itself") for _ in range(21)] == [True] * 20 + [False]
    assert not Policy("on-fault", 0).again("itself", outage=True)
    assert not Policy("never", 0).again("itself", outage=True)
    assert not policy.again("plugin", outage=True)


def test_the_pause_grows_with_each_end_by_itself() -> None:
    """A quarter of a second at most; a restart after a fault waits for nothing but the declared delay."""
    policy, pauses = Policy("always", 0), []
    for _ in range(6):
        policy.again("itself")
        pauses.append(policy.pause("itself"))
    assert pauses == [0.02, 0.04, 0.08, 0.16, 0.25, 0.25]
    assert policy.pause("fault") == 0.0
    declared = Policy("always", 1.5)
    declared.again("itself")
    assert declared.pause("itself") == declared.pause("fault") == 1.5


def test_a_publisher_that_is_done_is_not_started_again() -> None:
    """Exit code 0 by itself is the normal end of one; any other end is as with a consumer."""
    policy = Policy("always", 0, ends=True)
    assert not policy.again("itself", code=0)
    assert policy.again("itself", code=1)
    assert policy.again("fault", code=0)
    assert Policy("always", 0).again("itself", code=0)
