"""Faults of processes, brokers and protocols: what they say of themselves, and the line that a wrong argument gets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import pytest_mqchaos
from pytest_mqchaos import UsageError
from pytest_mqchaos.model import faults
from pytest_mqchaos.model.faults import (
    Fault,
    broker_crash,
    broker_freeze,
    broker_restart,
    connection_drop,
    consumer_crash,
    consumer_freeze,
    consumer_terminate,
    lost_ack,
    lost_confirm,
)
from pytest_mqchaos.model.triggers import ack, confirm, delivery, seconds


@pytest.mark.parametrize(
    ("fault", "family", "identity", "text"),
    [
        (consumer_freeze(), "process", "consumer_freeze", "consumer_freeze()"),
        (consumer_freeze(duration=2), "process", "consumer_freeze", "consumer_freeze()"),
        (
            consumer_freeze(after=ack(3), duration=0.5, consumer="a"),
            "process",
            "consumer_freeze-after-ack-3-consumer-a-duration-0.5",
            "consumer_freeze(after=ack(3), consumer='a', duration=0.5)",
        ),
        (broker_crash(before=ack(3)), "broker", "broker_crash-before-ack-3", "broker_crash(before=ack(3))"),
        (broker_freeze(duration=1), "broker", "broker_freeze-duration-1", "broker_freeze(duration=1.0)"),
        (
            lost_confirm(before=confirm(3)),
            "protocol",
            "lost_confirm-before-confirm-3",
            "lost_confirm(before=confirm(3))",
        ),
        (
            connection_drop(after=delivery(5), times=3, every=10),
            "network",
            "connection_drop-after-delivery-5-times-3-every-10",
            "connection_drop(after=delivery(5), times=3, every=10)",
        ),
        (lost_ack(times=2), "protocol", "lost_ack-times-2", "lost_ack(times=2)"),
        (
            broker_restart(after=seconds(1), times=2, every=0.5),
            "broker",
            "broker_restart-after-seconds-1-times-2-every-0.5",
            "broker_restart(after=seconds(1), times=2, every=0.5)",
        ),
        (consumer_terminate(times=1), "process", "consumer_terminate", "consumer_terminate()"),
    ],
    ids=lambda value: value.id if isinstance(value, Fault) else "",
)
def test_ids_and_texts(fault: Fault, family: str, identity: str, text: str) -> None:
    """The id holds what differs from the defaults; the text is what a user would write."""
    assert (fault.family, fault.id, str(fault)) == (family, identity, text)


@pytest.mark.parametrize(
    "name", ["consumer_freeze", "broker_crash", "broker_freeze", "broker_restart", "lost_confirm"]
)
def test_they_are_public(name: str) -> None:
    """Each is imported from the package, and none without its parentheses."""
    assert getattr(pytest_mqchaos, name) is getattr(faults, name)
    with pytest.raises(UsageError) as caught:
        getattr(faults, name)(len)
    assert str(caught.value) == f"{name}(): forgotten parentheses: write {name}(), not {name}"


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: consumer_freeze(duration=0), "consumer_freeze(): duration=0: a number above 0"),
        (lambda: consumer_freeze(duration="2 s"), "consumer_freeze(): duration='2 s': a number above 0"),
        (
            lambda: broker_freeze(duration=float("inf")),
            "broker_freeze(): duration=inf: a number above 0",
        ),
        (
            lambda: consumer_crash(times=0),
            "consumer_crash(): times=0: how often it strikes, a whole number, at least 1",
        ),
        (
            lambda: consumer_crash(times=True),
            "consumer_crash(): times=True: how often it strikes, a whole number, at least 1",
        ),
        (
            lambda: consumer_crash(times=2.0),  # type: ignore[arg-type]
            "consumer_crash(): times=2.0: how often it strikes, a whole number, at least 1",
        ),
        (lambda: lost_ack(every=3), "lost_ack(): every=3: say how often as well, times=3"),
        (
            lambda: lost_ack(times=2, every=1.5),
            "lost_ack(): every=1.5: a whole number of events, at least 1",
        ),
        (
            lambda: lost_ack(times=2, every=0),
            "lost_ack(): every=0: a whole number of events, at least 1",
        ),
        (
            lambda: broker_crash(after=seconds(1), times=2),
            "broker_crash(): times=2 at seconds(1): say how far apart, every=0.5 (seconds)",
        ),
        (
            lambda: broker_crash(after=seconds(1), times=2, every=-1),
            "broker_crash(): every=-1: a number of seconds above 0",
        ),
        (
            lambda: consumer_crash(after=delivery(message=7), times=2, every=3),
            "consumer_crash(): every=3: delivery(message=7) is of one message, and it strikes at each of its next "
            "events",
        ),
        (
            lambda: lost_confirm(before=seconds(1)),
            "lost_confirm(): before=seconds(1): nothing can be held before a time; write after=seconds(1)",
        ),
    ],
)
def test_what_is_wrong_is_one_line(call: Callable[[], object], line: str) -> None:
    """It begins with the fault's name, and says what would be right."""
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value) == line
