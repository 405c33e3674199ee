"""Real conversations: pika, aio-pika and py-amqp with RabbitMQ 4.0 and 4.3, as their reads came in.

Each line of a capture is a side and the bytes of one read. pamqp reads the same bytes and is compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from amqp_streams import GREETING, Played, Side, Step, cut, said
from pamqp import frame

from pytest_mqchaos.wire.amqp import events as e

CAPTURES = sorted((Path(__file__).parent / "captures").glob("*.txt"))
COUNTERPARTS = {
    "Basic.Publish": e.PublishSent,
    "Basic.Deliver": e.Delivered,
    "Basic.GetOk": e.Delivered,
    "Basic.GetEmpty": e.GotEmpty,
    "Basic.Return": e.ReturnReceived,
    "Basic.ConsumeOk": e.Subscribed,
    "Basic.QosOk": e.Prefetched,
    "Queue.DeclareOk": e.QueueDeclared,
    "Queue.BindOk": e.QueueBound,
    "Queue.PurgeOk": e.QueuePurged,
    "Queue.DeleteOk": e.QueueDeleted,
    "Exchange.DeclareOk": e.ExchangeDeclared,
    "Channel.OpenOk": e.ChannelOpened,
    "Channel.Close": e.ChannelClosing,
    "Channel.CloseOk": e.ChannelClosed,
    "Confirm.SelectOk": e.ConfirmSelected,
    "Tx.CommitOk": e.TxCommitted,
    "Tx.RollbackOk": e.TxRolledBack,
    "Connection.OpenOk": e.Opened,
}
every_capture = pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)


def steps_of(capture: Path) -> list[Step]:
    """Read a capture."""
    lines = (line.split() for line in capture.read_text().splitlines())
    return [("client" if side == "client" else "server", bytes.fromhex(data)) for side, data in lines]


def oracle(steps: list[Step], side: Side) -> list[object]:
    """Return what pamqp reads from one side."""
    data, found = said(steps, side).removeprefix(GREETING), []
    while data:
        used, _, unmarshalled = frame.unmarshal(data)
        found.append(unmarshalled)
        data = data[used:]
    return found


def play(capture: Path, cutter: Callable[[bytes], list[bytes]] = lambda data: [data]) -> Played:
    """Play a capture and check that its bytes come out as they came in."""
    steps = steps_of(capture)
    played = Played(cut(steps, cutter))
    assert (played.passed("client"), played.passed("server")) == (
        said(steps, "client"),
        said(steps, "server"),
    )
    return played


@every_capture
def test_every_frame_of_interest_gives_its_event(capture: Path) -> None:
    """Pamqp counts as many frames of each kind as the scanner gives events."""
    steps = steps_of(capture)
    names = [each.name for side in ("client", "server") for each in oracle(steps, side)]
    frames = Counter(COUNTERPARTS[name] for name in names if name in COUNTERPARTS)
    events = Counter(type(event) for event in play(capture).events)
    assert {kind: events[kind] for kind in COUNTERPARTS.values()} == {
        kind: frames[kind] for kind in COUNTERPARTS.values()
    }


@every_capture
@pytest.mark.parametrize("size", [1, 5, 64, 1000])
def test_other_reads_say_the_same(capture: Path, size: int) -> None:
    """The events are those of the reads as they came."""
    pieces = play(capture, lambda data: [data[at : at + size] for at in range(0, len(data), size)])
    assert pieces.events == play(capture).events


@every_capture
def test_messages_are_what_the_oracle_reads(capture: Path) -> None:
    """Tags, names, ids and bodies of deliveries are pamqp's."""
    expected = []
    for each in oracle(steps_of(capture), "server"):
        if each.name in ("Basic.Deliver", "Basic.GetOk"):
            expected.append([each.delivery_tag, each.redelivered, each.exchange, each.routing_key])
        elif each.name == "ContentHeader" and expected:
            expected[-1] += [each.properties.message_id, sorted(each.properties.headers or {})]
        elif each.name == "ContentBody" and expected:
            expected[-1].append(each.value)
    delivered = [event for event in play(capture).events if isinstance(event, e.Delivered)]
    assert expected == [
        [
            event.delivery_tag,
            event.redelivered,
            event.exchange,
            event.routing_key,
            event.properties.message_id,
            sorted(event.properties.headers()),
            event.body,
        ]
        for event in delivered
    ]


@every_capture
def test_all_is_resolved(capture: Path) -> None:
    """Each delivery names its queue, each settlement (but the deliberate one) its deliveries."""
    events = play(capture).events
    assert all(event.queue for event in events if isinstance(event, e.Delivered))
    assert all(event.numbers for event in events if isinstance(event, e.ConfirmReceived))
    assert [
        event.delivery_tag for event in events if isinstance(event, e.Settled) and not event.deliveries
    ] in (
        [],
        [99],
    )
    assert [event.user for event in events if isinstance(event, e.Opened)] == ["guest"]


@pytest.mark.parametrize("version", ["4.0", "4.3"])
def test_a_dead_lettered_message_shows_its_death(version: str) -> None:
    """What RabbitMQ writes into a rejected message is read from its real encoding."""
    events = play(Path(__file__).parent / "captures" / f"pika-rabbitmq-{version}.txt").events
    (dead,) = [event for event in events if isinstance(event, e.Delivered) and event.properties.deaths]
    found = dead.properties
    assert (dead.queue, dead.get, found.mqchaos_id, found.death_count) == ("orders-dlq", True, "run-2", 1)
    assert (found.first_death_reason, found.last_death_reason, found.first_death_queue) == (
        "rejected",
        "rejected",
        "orders",
    )
    (again,) = [
        event for event in events if isinstance(event, e.Delivered) and event.redelivered and not event.get
    ]
    counts = (again.properties.delivery_count, again.properties.acquired_count)
    assert counts == ((1, None) if version == "4.0" else (None, 1))


@pytest.mark.parametrize("version", ["4.0", "4.3"])
def test_a_rolled_back_settlement_is_sent_again(version: str) -> None:
    """RabbitMQ takes the same tag again after a rollback, and so does the scanner."""
    events = play(Path(__file__).parent / "captures" / f"pika-rabbitmq-{version}.txt").events
    settled = [event for event in events if isinstance(event, e.Settled) and event.transactional]
    assert [event.deliveries for event in settled] == [(1,), (1,)]
