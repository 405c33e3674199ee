"""Scaled delays on the wire: the number changes, and not a byte else, wherever the stream is cut."""

from __future__ import annotations

import itertools
from struct import pack

import pytest
from amqp_streams import GREETING, HEARTBEAT, content, method
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands, frame

from pytest_mqchaos.wire.amqp.scaling import Scaler

FIVE_MINUTES = 300_000


def declare(**arguments: object) -> bytes:
    """A declaration of a queue."""
    return method(commands.Queue.Declare(queue="orders.retry", durable=True, arguments=arguments))


def message(body: bytes = b"{}", **properties: object) -> bytes:
    """A publication with properties."""
    return content(
        commands.Basic.Publish(exchange="", routing_key="orders.retry"), body,
        properties=commands.Basic.Properties(**properties))  # fmt: skip


ARGUMENTS = {
    "x-dead-letter-exchange": "",
    "x-message-ttl": FIVE_MINUTES,
    "x-max-length": 5,
    "x-expires": 3_600_000,
    "x-nested": {"x-message-ttl": 7},
}
SCALED = ARGUMENTS | {"x-message-ttl": 300, "x-expires": 3600}
PROPERTIES = {
    "content_type": "application/json",
    "content_encoding": "utf-8",
    "headers": {"expiration": "1000", "n": 1},
    "delivery_mode": 2,
    "priority": 3,
    "correlation_id": "c",
    "reply_to": "r",
    "message_id": "m",
    "app_id": "a",
}
FRAMES = b"\x01\x00\x01\x00\x00\x00\x04" * 99
SAID = b"".join([
    GREETING, method(commands.Channel.Open()), declare(**ARGUMENTS), HEARTBEAT, declare(),
    message(expiration="60000", **PROPERTIES), message(FRAMES), message(b"", expiration="1"),
    method(commands.Basic.Ack(7)),
])  # fmt: skip
HEARD = b"".join([
    GREETING, method(commands.Channel.Open()), declare(**SCALED), HEARTBEAT, declare(),
    message(expiration="60", **PROPERTIES), message(FRAMES), message(b"", expiration="1"),
    method(commands.Basic.Ack(7)),
])  # fmt: skip


def heard(said: bytes, *cuts: int, scale: float = 0.001) -> bytes:
    """Return what goes on of a stream that is read in pieces."""
    scaler = Scaler(scale)
    return b"".join(scaler.feed(said[a:b]) for a, b in itertools.pairwise([0, *cuts, len(said)]))


def test_the_numbers_alone() -> None:
    """What goes on is what a client would have said with the scaled numbers, by pamqp; the smallest is one."""
    # pamqp writes a smaller number in a smaller type: the values are what is compared there
    assert _meaning(heard(SAID)) == _meaning(HEARD)
    assert heard(message(expiration="60000")) == message(expiration="60000")  # no greeting: no AMQP
    assert heard(GREETING + message(expiration="60000", **PROPERTIES)) == GREETING + message(
        expiration="60", **PROPERTIES
    )


def _meaning(stream: bytes) -> list[object]:
    found: list[object] = []
    stream = stream.removeprefix(GREETING)
    while stream:
        size, channel, value = frame.unmarshal(stream)
        found.append((channel, _plain(value)))
        stream = stream[size:]
    return found


def _plain(value: object) -> object:
    if hasattr(value, "properties"):
        return type(value), dict(value.properties), value.body_size
    return (
        (type(value), dict(value)) if hasattr(value, "attributes") else getattr(value, "value", type(value))
    )


def test_cut_at_every_offset() -> None:
    """Two pieces, wherever the cut is, come out as one does; so does a byte at a time."""
    whole = heard(SAID)
    for cut in range(len(SAID) + 1):
        assert heard(SAID, cut) == whole, cut
    assert heard(SAID, *range(1, len(SAID))) == whole


def test_nothing_waits_but_what_must() -> None:
    """Other frames pass as far as they were read, a body in the middle too."""
    scaler = Scaler(0.001)
    stream = GREETING + message(bytes(1000))
    assert scaler.feed(stream[:-500]) == stream[:-500]
    assert scaler.feed(stream[-500:]) == stream[-500:]
    half = declare(**ARGUMENTS)
    assert scaler.feed(half[:30]) == b""
    assert len(scaler.feed(half[30:])) == len(half)


@pytest.mark.parametrize(
    ("kind", "form"),
    [("b", ">b"), ("B", ">B"), ("s", ">h"), ("u", ">H"), ("I", ">i"), ("i", ">I"), ("l", ">q"), ("L", ">q")],
)
def test_a_number_keeps_its_type(kind: str, form: str) -> None:
    """Whatever integer a client writes it as; one that no longer fits becomes a 64-bit one."""

    def said(letter: str, packed: bytes) -> bytes:
        field = b"\x0dx-message-ttl" + letter.encode() + packed
        table = b"\x01aS\x00\x00\x00\x01b" + field + b"\x01zV"
        payload = pack(">IH", 50 << 16 | 10, 0) + b"\x01q\x02" + pack(">I", len(table)) + table
        return GREETING + b"\x01\x00\x01" + pack(">I", len(payload)) + payload + b"\xce" + HEARTBEAT

    assert heard(said(kind, pack(form, 100)), scale=0.1) == said(kind, pack(form, 10))
    assert heard(said(kind, pack(form, 0)), scale=0.1) == said(kind, pack(form, 0))
    too_much = 100 * 10**9
    fits = too_much < 1 << (8 * len(pack(form, 0)) - form[1].islower())
    expected = said(kind, pack(form, too_much)) if fits else said("l", pack(">q", too_much))
    assert heard(said(kind, pack(form, 100)), scale=1e9) == expected


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "9" * 16, "0", " 60"])
def test_what_is_no_number_stays(value: str) -> None:
    """An expiration that a broker would refuse is for the broker to refuse."""
    stream = GREETING + message(expiration=value)
    assert heard(stream) == stream


def test_what_it_tells() -> None:
    """Each number that was changed, with its queue; a message has none."""
    told: list[tuple[object, ...]] = []
    Scaler(0.001, lambda *each: told.append(each)).feed(SAID)
    assert told == [
        ("orders.retry", "x-message-ttl", 300_000, 300),
        ("orders.retry", "x-expires", 3_600_000, 3600),
        ("", "expiration", 60_000, 60),
    ]


@given(st.binary(max_size=400), st.data())
@settings(max_examples=150, deadline=None)
def test_hostile_bytes_pass(noise: bytes, data: st.DataObject) -> None:
    """Whatever follows a greeting, nothing raises, and nothing of it is held for ever but an unfinished frame."""
    stream = GREETING + declare(**ARGUMENTS)[: data.draw(st.integers(0, 60))] + noise
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    assert heard(stream, *cuts) == heard(stream)


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", GREETING + b"\x09\x00\x00\x00\x00\x00\x00\xce"]
)
def test_another_protocol(start: bytes) -> None:
    """What is no AMQP passes as it is, for good."""
    stream = start + GREETING + declare(**ARGUMENTS)
    for cut in range(len(stream)):
        assert heard(stream, cut) == stream
