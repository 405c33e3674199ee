"""Bytes that are no AMQP, or nearly: nothing raises, nothing is lost, and what is said does not depend on reads."""

from __future__ import annotations

import pytest
from amqp_conversation import STEPS
from amqp_streams import (
    GREETING,
    Played,
    Step,
    content_frames,
    cut,
    deliver,
    joined,
    method,
    opened,
    said,
    subscribed,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands as c

from pytest_mqchaos.wire.amqp import events as e
from pytest_mqchaos.wire.amqp.protocol import LARGEST_METHOD

CONTENT = deliver(1).removeprefix(method(c.Basic.Deliver("c", 1, False, "", "orders")))


def all_bytes(played: Played) -> dict[str, bytes]:
    """Return what came out of each side, with what was still held."""
    client, server = played.scanner.flush()
    return {"client": played.passed("client") + client, "server": played.passed("server") + server}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"AMQP\x00\x01\x00\x00", "the protocol header is that of AMQP 1.0"),
        (b"AMQP\x03\x01\x00\x00more", "the protocol header is that of AMQP 1.0 with SASL"),
        (b"AMQP\x01\x01\x08\x00", "the protocol header is that of another version: 01010800"),
        (b"\x16\x03\x01\x02\x00\x01", "the stream begins with a TLS handshake"),
        (b"GET / HTTP/1.1\r\n", "the stream begins with b'G' instead of an AMQP protocol header"),
        (b"AMxx", "the stream begins with b'AMx' instead of an AMQP protocol header"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_another_protocol_passes_unscanned(data: bytes, reason: str, size: int) -> None:
    """It is named once, and from then on the bytes of both sides pass as they come."""
    steps: list[Step] = [
        ("client", data),
        ("server", b"anything"),
        ("client", b"\x01\x00\x00"),
        ("server", b"x"),
    ]
    played = Played(cut(steps, lambda each: (each[at : at + size] for at in range(0, len(each), size))))
    assert played.events == [e.NotAmqp("client", reason)]
    for side in ("client", "server"):
        assert played.passed(side) == said(steps, side)


def test_a_server_that_answers_with_a_protocol_header_is_not_amqp() -> None:
    """A broker refuses a version by naming its own; its bytes pass."""
    played = Played()
    assert played.server(GREETING) == [e.NotAmqp("server", "a frame has the type 65")]
    assert played.passed("server") == GREETING


def test_a_wrong_end_of_frame_ends_the_scanning() -> None:
    """Events before the broken frame stand; the frame and all behind it, in both directions, pass unscanned."""
    played = Played([("client", GREETING), *opened(), *subscribed()])
    played.segments.clear()
    broken = deliver(2)[:-1] + b"\x00"
    assert [type(event) for event in played.server(deliver(1) + broken + deliver(3))] == [
        e.Delivered,
        e.NotAmqp,
    ]
    assert played.client(method(c.Basic.Ack(1))) == []
    assert played.passed("server") == deliver(1) + broken + deliver(3)
    assert played.passed("client") == method(c.Basic.Ack(1))


def test_what_the_other_side_held_is_passed_with_its_next_bytes() -> None:
    """When one direction turns out broken, an incomplete frame of the other keeps its place."""
    played = Played([("client", GREETING), *opened(), *subscribed()])
    played.segments.clear()
    played.server(deliver(1)[:30])
    assert [type(event) for event in played.client(b"\xff")] == [e.NotAmqp]
    played.server(deliver(1)[30:])
    assert played.passed("server") == deliver(1)


def test_a_wrong_end_of_a_streaming_frame_ends_the_scanning() -> None:
    """The end octet of a body frame that streams is checked when it comes."""
    stray = b"\x03\x00\x01\x00\x00\x00\x04"
    played = Played()
    assert played.server(stray + b"hi") == []
    assert played.server(b"ho\x00") == [e.NotAmqp("server", "a frame does not end with its end octet")]
    assert played.passed("server") == stray + b"hiho\x00"


def test_a_giant_method_frame_is_not_awaited() -> None:
    """A length that no method has is not AMQP: nothing waits for gigabytes."""
    played = Played()
    size = LARGEST_METHOD + 1
    assert played.server(b"\x01\x00\x00" + size.to_bytes(4, "big") + b"x") == [
        e.NotAmqp("server", f"a frame of type 1 has {size} bytes")
    ]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"\x00\x3c\x00\x3c",  # deliver without arguments
        b"\x00\x3c\x00\x3c\x05c",  # a consumer tag that ends behind the frame
        b"\x00\x3c\x00\x50" + bytes(8),  # ack without its bits
        b"\x00\x3c\x00\x50" + bytes(10),  # ack with an octet too many
        b"\x00\x32\x00\x0a\x00\x00\x01q\x00\x00\x00\x00\x09",  # declare with a table that is not there
        b"\x00\x0a\x00\x32",  # close without arguments
        b"\x00\x3c\x00\x15\xff",  # consume-ok with a tag that is not there
    ],
)
def test_malformed_arguments_give_no_event(payload: bytes) -> None:
    """A frame that is whole but senseless passes, and scanning goes on: the broker or the client judges."""
    data = b"\x01\x00\x01" + len(payload).to_bytes(4, "big") + payload + b"\xce"
    for side in ("client", "server"):
        played = Played([("client", GREETING), *opened(), *subscribed()])
        played.segments.clear()
        assert played.play([(side, data)]) == []
        (event,) = played.server(deliver(1))
        assert isinstance(event, e.Delivered)
        assert played.passed("client") + played.passed("server") == data + deliver(1)


def test_a_content_with_malformed_arguments_gives_no_event() -> None:
    """A delivery whose method cannot be read passes with its header and body, in one read or several."""
    bad = b"\x01\x00\x01\x00\x00\x00\x05\x00\x3c\x00\x3c\xff\xce" + CONTENT
    for reads in ([bad + deliver(1)], [bad[:20], bad[20:], deliver(1)]):
        played = Played([("client", GREETING), *opened(), *subscribed()])
        assert [event.delivery_tag for event in played.server(*reads)] == [1]


@pytest.mark.parametrize(
    "command", [c.Basic.Deliver("c", 1, False, "", "orders"), c.Basic.Publish(routing_key="k")]
)
def test_arguments_that_do_not_fill_their_frame_give_no_event(command: object) -> None:
    """An octet too many behind the routing key or the bits makes a content senseless."""
    good = method(command)
    longer = good[:3] + (len(good) - 7).to_bytes(4, "big") + good[7:-1] + b"\x00\xce"
    for side in ("client", "server"):
        assert Played([("client", GREETING), (side, longer + CONTENT)]).events == []


def test_a_senseless_frame_inside_a_content_gives_no_event() -> None:
    """While a content of one channel is incomplete, malformed arguments on another are passed over."""
    senseless = b"\x01\x00\x02\x00\x00\x00\x04\x00\x3c\x00\x50\xce"  # an ack without arguments
    short = b"\x01\x00\x02\x00\x00\x00\x02\x00\x3c\xce"
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"1")
    data = frames[0] + senseless + short + frames[1] + frames[2]
    played = Played()
    assert [type(event) for event in played.client(data)] == [e.PublishSent]
    assert played.passed("client") == GREETING + data


def test_a_wrong_end_of_a_header_frame_ends_the_scanning() -> None:
    """The end octet of the header is checked also where the whole content is at hand."""
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"1")
    data = frames[0] + frames[1][:-1] + b"\x00" + frames[2]
    assert Played().client(data) == [e.NotAmqp("client", "a frame does not end with its end octet")]


def test_names_that_are_no_utf8_are_shown() -> None:
    """Octets that are no text appear escaped in names, and the tag still finds its consumer."""
    tag = b"\xff\xfe"
    consume = b"\x00\x3c\x00\x14\x00\x00\x06orders" + b"\x02" + tag + b"\x00" + bytes(4)
    arguments = b"\x00\x3c\x00\x3c\x02" + tag + bytes(7) + b"\x01" + b"\x00" + b"\x00" + b"\x01\xe9"
    frames = [
        b"\x01\x00\x01" + len(each).to_bytes(4, "big") + each + b"\xce" for each in (consume, arguments)
    ]
    played = Played([("client", GREETING), *opened()])
    played.client(frames[0])
    (event,) = played.server(frames[1] + CONTENT)
    assert (event.consumer_tag, event.queue, event.routing_key) == (r"\xff\xfe", "orders", r"\xe9")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["client", "server"]), st.binary(max_size=60)), max_size=20),
    st.booleans(),
)
def test_random_bytes_never_raise_and_all_come_out(steps: list[Step], greeted: bool) -> None:
    """Whatever either side says, nothing raises and every byte comes out in its order."""
    steps = [("client", GREETING), *steps] if greeted else steps
    played = Played(steps)
    assert all_bytes(played) == {side: said(steps, side) for side in ("client", "server")}


FRAMES = st.builds(
    lambda kind, channel, payload, end: (
        bytes([kind, 0, channel]) + len(payload).to_bytes(4, "big") + payload + bytes([end])
    ),
    st.sampled_from([1, 1, 1, 2, 3, 8]),
    st.integers(0, 2),
    st.one_of(
        st.binary(max_size=30),
        st.builds(
            lambda number, rest: number.to_bytes(4, "big") + rest,
            st.sampled_from(
                [60 << 16 | 60, 60 << 16 | 40, 60 << 16 | 80, 50 << 16 | 10, 10 << 16 | 50, 20 << 16 | 10]
            ),
            st.binary(max_size=20),
        ),
        st.builds(
            lambda size, rest: b"\x00\x3c\x00\x00" + size.to_bytes(8, "big") + b"\x00\x00" + rest,
            st.one_of(st.integers(0, 40), st.just(1 << 40)),
            st.binary(max_size=4),
        ),
    ),
    st.sampled_from([0xCE] * 30 + [0]),
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["client", "server"]), FRAMES), max_size=20),
    st.integers(min_value=1, max_value=40),
)
def test_odd_frames_say_the_same_in_any_reads(frames: list[Step], size: int) -> None:
    """Well-framed nonsense never raises, loses no byte, and gives the same events in reads of any size."""
    steps = joined([("client", GREETING), *frames])
    whole = Played(steps)
    pieces = Played(cut(steps, lambda data: (data[at : at + size] for at in range(0, len(data), size))))
    assert pieces.events == whole.events
    expected = {side: said(steps, side) for side in ("client", "server")}
    assert all_bytes(whole) == all_bytes(pieces) == expected


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 200), st.integers(1, 255)), max_size=4),
    st.integers(min_value=1, max_value=300),
)
def test_a_damaged_conversation_says_the_same_in_any_reads(
    damage: list[tuple[int, int, int]], size: int
) -> None:
    """With some octets changed, nothing raises, no byte is lost, and the sizes of reads make no difference."""
    steps = list(STEPS)
    for index, place, change in damage:
        side, data = steps[index]
        place %= len(data)
        steps[index] = side, data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]
    steps = joined(steps)
    whole = Played(steps)
    pieces = Played(cut(steps, lambda data: (data[at : at + size] for at in range(0, len(data), size))))
    assert pieces.events == whole.events
    assert all_bytes(whole) == all_bytes(pieces) == {side: said(steps, side) for side in ("client", "server")}
