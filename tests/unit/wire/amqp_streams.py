"""Conversations for the scanner: built with pamqp (the oracle), cut into reads of any size, and played."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from pamqp import body, commands, frame, header

from pytest_mqchaos.wire.amqp import ConnectionScanner, Segment
from pytest_mqchaos.wire.amqp.events import WireEvent

Side = Literal["client", "server"]
Step = tuple[Side, bytes]
GREETING = b"AMQP\x00\x00\x09\x01"
HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"


def method(command: object, channel: int = 1) -> bytes:
    """Return one method frame."""
    return frame.marshal(command, channel)


def content_frames(
    command: object,
    payload: bytes = b"",
    properties: commands.Basic.Properties | None = None,
    channel: int = 1,
    frame_max: int = 131072,
) -> list[bytes]:
    """Return the method, header and body frames of a content."""
    parts = [payload[at : at + frame_max - 8] for at in range(0, len(payload), frame_max - 8)]
    head = header.ContentHeader(0, len(payload), properties or commands.Basic.Properties())
    return [method(command, channel), method(head, channel)] + [
        method(body.ContentBody(part), channel) for part in parts
    ]


def content(*args: object, **kwargs: object) -> bytes:
    """Return the frames of a content, joined."""
    return b"".join(content_frames(*args, **kwargs))  # type: ignore[arg-type]


def deliver(
    tag: int, payload: bytes = b"x", *, consumer: str = "c", channel: int = 1, **kwargs: object
) -> bytes:
    """Return a delivery from the queue's default binding."""
    return content(
        commands.Basic.Deliver(consumer, tag, False, "", "orders"), payload, channel=channel, **kwargs
    )


def publish(payload: bytes = b"x", *, channel: int = 1, **kwargs: object) -> bytes:
    """Return a publication to the default exchange."""
    return content(
        commands.Basic.Publish(exchange="", routing_key="orders"), payload, channel=channel, **kwargs
    )


def opened(channel: int = 1) -> list[Step]:
    """Return how a channel comes to be open."""
    return [
        ("client", method(commands.Channel.Open(), channel)),
        ("server", method(commands.Channel.OpenOk(), channel)),
    ]


def subscribed(tag: str = "c", *, channel: int = 1, no_ack: bool = False) -> list[Step]:
    """Return how a consumer comes to read `orders`."""
    return [
        ("client", method(commands.Basic.Consume(queue="orders", consumer_tag=tag, no_ack=no_ack), channel)),
        ("server", method(commands.Basic.ConsumeOk(tag), channel)),
    ]


class Played:
    """A scanner and all that came out of it."""

    def __init__(self, steps: Iterable[Step] = ((("client", GREETING)),)) -> None:
        self.scanner = ConnectionScanner()
        self.segments: list[tuple[Side, Segment]] = []
        self.play(steps)

    def play(self, steps: Iterable[Step]) -> list[WireEvent]:
        """Feed reads; return the events they gave."""
        before = len(self.segments)
        for side, data in steps:
            feed = self.scanner.from_client if side == "client" else self.scanner.from_server
            self.segments += [(side, segment) for segment in feed(data)]
        return [segment.event for _, segment in self.segments[before:] if segment.event is not None]

    def client(self, *data: bytes) -> list[WireEvent]:
        """Feed reads from the client."""
        return self.play(("client", each) for each in data)

    def server(self, *data: bytes) -> list[WireEvent]:
        """Feed reads from the server."""
        return self.play(("server", each) for each in data)

    @property
    def events(self) -> list[WireEvent]:
        """All events so far."""
        return [segment.event for _, segment in self.segments if segment.event is not None]

    def passed(self, side: Side) -> bytes:
        """Return all bytes passed on from one side."""
        return b"".join(segment.data for each, segment in self.segments if each == side)


def joined(steps: Sequence[Step]) -> list[Step]:
    """Join what one side says without a word of the other in between."""
    turns: list[Step] = []
    for side, data in steps:
        if turns and turns[-1][0] == side:
            turns[-1] = (side, turns[-1][1] + data)
        else:
            turns.append((side, data))
    return turns


def said(steps: Iterable[Step], side: Side) -> bytes:
    """Return all that one side says."""
    return b"".join(data for each, data in steps if each == side)


def cut(steps: Iterable[Step], cutter: Callable[[bytes], Iterable[bytes]]) -> list[Step]:
    """Return the conversation in other reads."""
    return [(side, piece) for side, data in steps for piece in cutter(data)]
