"""How often a moment of one message was seen: facts in, a number out."""

from __future__ import annotations

import pytest

from pytest_mqchaos.experiment.striking.sightings import Sightings
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.triggers import Trigger, ack, confirm, delivery, effect, nack, publish

RUN = "k3f9"


def message(number: int) -> str:
    """The id of a message of the run."""
    return f"orders-{RUN}-{number:06d}"


def delivered(number: int, queue: str = "orders", *, tag: int = 1, passed: bool = True) -> facts.Delivered:
    """A delivery on the worker's only channel."""
    return facts.Delivered(
        at=1, link="worker", connection=1, channel=1, message=message(number), tag=tag, queue=queue, passed=passed
    )  # fmt: skip


def acked(number: int, *, tag: int = 1, passed: bool = True) -> facts.Acked:
    """Its ack."""
    return facts.Acked(
        at=2, link="worker", connection=1, channel=1, message=message(number), tag=tag, passed=passed
    )


def rejected(number: int, *, tag: int = 1) -> facts.Rejected:
    """Its reject."""
    return facts.Rejected(
        at=2, link="worker", connection=1, channel=1, message=message(number), tag=tag, requeue=True
    )


@pytest.fixture
def history() -> History:
    """A run that publishes 3, 1 and 2, in this order."""
    made = History(RUN)
    for number in (3, 1, 2):
        made.plan(Message(id=message(number), number=number, body=b"", digest=""))
    return made


@pytest.mark.parametrize(
    ("trigger", "events", "count"),
    [
        (delivery(message=1), [delivered(3), delivered(1)], 1),
        (delivery(message=1), [delivered(3), delivered(3)], 2),
        (delivery(message=1, queue="audit"), [delivered(3), delivered(3, "audit")], 1),
        (delivery(message=1), [delivered(3, passed=False)], 0),
        (delivery(message=4), [delivered(3), delivered(1), delivered(2)], 0),
        (ack(message=2), [delivered(1), acked(1)], 1),
        (ack(message=2, queue="orders"), [delivered(1), acked(1)], 1),
        (ack(message=2, queue="audit"), [delivered(1), acked(1)], 0),
        (ack(message=2, queue="audit"), [delivered(1, tag=1), delivered(1, "audit", tag=2), acked(1, tag=2)], 1),
        (ack(message=2), [delivered(1), acked(1, passed=False)], 1),
        (ack(message=2), [delivered(1), rejected(1)], 0),
        (nack(message=2, queue="orders"), [delivered(1), rejected(1)], 1),
        (publish(message=3), [facts.Published(at=1, link="publisher", connection=2, message=message(2))], 1),
        (confirm(message=3), [facts.Confirmed(at=1, link="publisher", connection=2, message=message(2))], 1),
        (effect(message=3), [facts.Effected(at=1, message=message(2), source="file", name="2")], 1),
    ],
    ids=str,
)  # fmt: skip
def test_what_counts(history: History, trigger: Trigger, events: list[facts.Event], count: int) -> None:
    """A settlement counts when it was sent, a delivery when it arrived; its queue is that of the delivery."""
    for event in events:
        history.append(event)
    assert Sightings(history, trigger).count() == count


def test_it_goes_on_where_it_was(history: History) -> None:
    """What was counted is not counted again, and a message may be planned later than it is asked for."""
    seen = Sightings(history, ack(message=4, queue="orders"))
    assert seen.count() == 0
    history.plan(Message(id=message(9), number=9, body=b"", digest=""))
    history.append(delivered(9))
    assert seen.count() == 0
    history.append(acked(9))
    assert (seen.count(), seen.count()) == (1, 1)
