"""Contents in several frames and reads: held back, interleaved, streamed, broken off."""

from __future__ import annotations

import random
import time

import pytest
from amqp_streams import (
    GREETING,
    HEARTBEAT,
    Played,
    content_frames,
    deliver,
    method,
    opened,
    publish,
    subscribed,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands as c

from pytest_mqchaos.wire.amqp import digest
from pytest_mqchaos.wire.amqp import events as e
from pytest_mqchaos.wire.amqp.protocol import HELD_BODY, HELD_BYTES

KILO = 1024


def consuming(*channels: int) -> Played:
    """Return a scanner with a consumer `c` on each channel."""
    played = Played()
    for channel in channels or (1,):
        played.play(opened(channel) + subscribed(channel=channel))
    played.segments.clear()
    return played


def reads(data: bytes, size: int) -> list[bytes]:
    """Cut into reads of one size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [100, 4096, 65536, 1 << 30])
@pytest.mark.parametrize("frame_max", [4096, 131072])
def test_a_body_in_many_frames_is_one_event(frame_max: int, size: int) -> None:
    """A body up to 1 MiB is held until complete, then passed in one segment with its event."""
    payload = random.Random(1).randbytes(HELD_BODY)
    data = deliver(1, payload, frame_max=frame_max)
    played = consuming()
    events = played.server(*reads(data, size))
    assert [(event.body == payload, event.digest, event.size) for event in events] == [
        (True, digest(payload), HELD_BODY)
    ]
    assert [segment.data for _, segment in played.segments] == [data]


def test_nothing_of_a_content_passes_before_its_event() -> None:
    """While a content is incomplete, neither it nor anything behind it is passed."""
    *head, last = content_frames(c.Basic.Deliver("c", 1, False, "", "orders"), b"a" * 9000, frame_max=4096)
    played = consuming()
    assert played.server(*head, last[:-1]) == []
    assert played.passed("server") == b""
    assert [type(event) for event in played.server(last[-1:] + HEARTBEAT)] == [e.Delivered]
    assert played.passed("server") == b"".join(head) + last + HEARTBEAT


def test_interleaved_channels_keep_their_order() -> None:
    """Frames of other channels inside a content wait behind it, and every byte keeps its place."""
    one = content_frames(c.Basic.Publish(routing_key="a"), b"1" * 5000, channel=1, frame_max=4096)
    two = content_frames(c.Basic.Publish(routing_key="b"), b"2" * 5000, channel=2, frame_max=4096)
    played = Played([("client", GREETING), *opened(1), *opened(2)])
    played.segments.clear()
    data = [
        one[0],
        two[0],
        one[1],
        HEARTBEAT,
        two[1],
        one[2],
        two[2],
        method(c.Basic.Qos(), 3),
        two[3],
        one[3],
    ]
    events = played.client(*data)
    assert [(event.channel, event.body) for event in events] == [(1, b"1" * 5000), (2, b"2" * 5000)]
    assert played.passed("client") == b"".join(data)
    assert [segment.data for _, segment in played.segments] == [one[0], two[0], b"".join(data[2:])]


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=2**32))
def test_any_interleaving_gives_the_events_of_each_channel(seed: int) -> None:
    """However contents of three channels are mixed and cut, each gives its events, and no byte moves."""
    chance = random.Random(seed)
    queues = {
        channel: [
            frame
            for tag in (1, 2, 3)
            for frame in content_frames(
                c.Basic.Deliver("c", tag, False, "", "orders"),
                chance.randbytes(chance.choice([0, 1, 50, 4088, 9000])),
                channel=channel,
                frame_max=4096,
            )
        ]
        for channel in (1, 2, 3)
    }
    stream = b""
    while any(queues.values()):
        stream += queues[chance.choice([channel for channel, left in queues.items() if left])].pop(0)
    played = consuming(1, 2, 3)
    events = played.server(*reads(stream, chance.choice([7, 500, 4096, 1 << 20])))
    for channel in (1, 2, 3):
        assert [event.delivery_tag for event in events if event.channel == channel] == [1, 2, 3]
    assert all(event.digest == digest(event.body) and event.size == len(event.body) for event in events)
    assert played.passed("server") == stream


@pytest.mark.parametrize("size", [1000, 65536, 1 << 30])
def test_a_larger_body_streams_behind_its_event(size: int) -> None:
    """Over 1 MiB the event comes with the header, without body and digest, and body bytes pass at once."""
    payload = b"z" * (HELD_BODY + 1)
    data = deliver(1, payload) + deliver(2, b"next")
    played = consuming()
    first, passed, second = played.server(*reads(data, size))
    assert (first.body, first.digest, first.size) == (None, None, HELD_BODY + 1)
    assert passed == e.BodyPassed(1, digest(payload))
    assert (second.delivery_tag, second.body) == (2, b"next")
    assert played.passed("server") == data


@pytest.mark.parametrize("frame_max", [4096, 131072, 8 * HELD_BODY])
@pytest.mark.parametrize("size", [999, 65536, 1 << 30])
def test_the_digest_of_a_streaming_body_is_taken_as_it_passes(size: int, frame_max: int) -> None:
    """However it is cut into frames and reads, the digest comes with its last byte."""
    payload = random.Random(2).randbytes(2 * HELD_BODY + 17)
    data = deliver(1, payload, frame_max=frame_max)
    played = consuming()
    head, last = reads(data[:-1], size), data[-1:]
    assert [type(event) for event in played.server(*head)] == [e.Delivered]
    assert played.server(last) == [e.BodyPassed(1, digest(payload))]
    assert played.passed("server") == data


def test_two_streaming_bodies_side_by_side() -> None:
    """Frames of two large bodies take turns; each has its own digest."""
    one, two = (b"1" * (HELD_BODY + 1), b"2" * (HELD_BODY + 1))
    frames = [content_frames(c.Basic.Deliver("c", n, False, "", "orders"), body, channel=n)
              for n, body in ((1, one), (2, two))]  # fmt: skip
    turns = b"".join(part for pair in zip(*frames, strict=True) for part in pair)
    for size in (4096, 1 << 30):
        events = consuming(1, 2).server(*reads(turns, size))
        assert events[2:] == [e.BodyPassed(1, digest(one)), e.BodyPassed(2, digest(two))]


def test_a_streaming_body_that_breaks_off_has_no_digest() -> None:
    """A method in between ends it: what came is not what was sent."""
    frames = content_frames(c.Basic.Deliver("c", 1, False, "", "orders"), b"z" * (2 * HELD_BODY))
    events = consuming().server(*frames[:4], deliver(2, b"next"), *frames[4:])
    assert [type(event) for event in events] == [e.Delivered, e.Delivered]


def test_a_large_publication_has_no_digest() -> None:
    """What is published is known from the plan: only what is delivered is worth its reading."""
    events = Played().client(publish(b"z" * (HELD_BODY + 1)))
    assert [type(event) for event in events] == [e.PublishSent]


def test_a_streaming_body_holds_nothing_back() -> None:
    """Every byte of a large body is passed in the read it came with."""
    data = deliver(1, b"z" * (HELD_BODY + 1))
    head = data.index(b"\xce\x03") + 1
    played = consuming()
    played.server(data[:head])
    assert played.passed("server") == data[:head]
    for at in range(head + 8, len(data), 100_003):
        played.server(data[len(played.passed("server")) : at])
        assert played.passed("server") == data[:at]


def test_other_channels_speak_inside_a_streaming_body() -> None:
    """A settlement between the body frames of a large publication is an event of its own."""
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"z" * (3 * HELD_BODY), channel=1)
    ack = method(c.Basic.Ack(1), 2)
    played = Played([("client", GREETING), *opened(1), *opened(2), *subscribed(channel=2)])
    played.server(deliver(1, channel=2))
    data = b"".join([*frames[:5], ack, publish(b"small", channel=2), *frames[5:]])
    for size in (999, 1 << 30):
        again = Played([("client", GREETING), *opened(1), *opened(2), *subscribed(channel=2)])
        again.server(deliver(1, channel=2))
        again.segments.clear()
        kinds = [type(event) for event in again.client(*reads(data, size))]
        assert kinds == [e.PublishSent, e.Settled, e.PublishSent]
        assert again.passed("client") == data


def test_a_large_body_behind_a_held_one_waits() -> None:
    """A body that would stream waits while an earlier content of another channel is incomplete."""
    small = content_frames(c.Basic.Publish(routing_key="a"), b"1" * 5000, channel=1, frame_max=4096)
    large = publish(b"z" * (HELD_BODY + 1), channel=2)
    played = Played()
    assert played.client(*small[:3], *reads(large, 50_000)) == []
    assert [event.size for event in played.client(small[3])] == [5000, HELD_BODY + 1]
    assert played.passed("client") == GREETING + b"".join(small[:3]) + large + small[3]


def test_a_content_that_breaks_off_gives_no_event() -> None:
    """When a method follows on its channel before the body is complete, the bytes pass and the broker judges."""
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"1" * 9000, frame_max=4096)
    for whole in range(1, 4):
        played = Played()
        data = b"".join(frames[:whole]) + publish(b"second")
        assert [event.body for event in played.client(data)] == [b"second"]
        assert played.passed("client") == GREETING + data


def test_the_end_of_the_connection_frees_an_incomplete_content() -> None:
    """A client that closes in the middle of a publication is heard: its close is passed."""
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"1" * 5000, frame_max=4096)
    close = method(c.Connection.Close(320, "gone", 0, 0), 0)
    played = Played()
    assert played.client(*frames[:3], close) == [e.ConnectionClosing("client", 320, "gone")]
    assert played.passed("client") == GREETING + b"".join(frames[:3]) + close


def test_stray_and_oversized_body_frames_pass() -> None:
    """Body frames without a content, or beyond its size, are bytes of no interest."""
    stray = b"\x03\x00\x01\x00\x00\x00\x02hi\xce"
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"1")
    played = Played()
    data = stray + frames[0] + frames[1] + stray + frames[1] + frames[2]
    assert played.client(data) == []
    assert played.passed("client") == GREETING + data


def test_what_waits_is_bounded() -> None:
    """When too much waits behind an incomplete content, the scanner gives up and lets everything pass."""
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"1" * 5000, channel=1, frame_max=4096)
    large = publish(b"z" * (HELD_BYTES + 1), channel=2)
    played = Played()
    events = played.client(*frames[:3], *reads(large, 1 << 20), frames[3])
    reason = f"more than {HELD_BYTES} bytes wait behind an incomplete content"
    assert events == [e.NotAmqp("client", reason)]
    assert played.passed("client") == GREETING + b"".join(frames[:3]) + large + frames[3]


def test_a_body_in_tiny_reads_costs_linear_time() -> None:
    """A frame of 1 MiB in reads of 64 bytes takes milliseconds; joining at each read would take many seconds."""
    data = deliver(1, b"x" * HELD_BODY, frame_max=2 * HELD_BODY)
    played = consuming()
    pieces = reads(data, 64)
    start = time.process_time()
    events = played.server(*pieces)
    assert len(events) == 1
    assert time.process_time() - start < 1.0


def test_flush_returns_what_is_held_in_both_directions() -> None:
    """At the end of a stream the incomplete bytes of each side come out, and later bytes pass unscanned."""
    played = consuming()
    frames = content_frames(c.Basic.Deliver("c", 1, False, "", "orders"), b"a" * 5000, frame_max=4096)
    played.server(*frames[:3], frames[3][:10])
    played.client(method(c.Basic.Ack(1))[:-1])
    assert played.scanner.flush() == (method(c.Basic.Ack(1))[:-1], b"".join(frames[:3]) + frames[3][:10])
    assert played.scanner.flush() == (b"", b"")
    assert played.server(frames[3][10:], deliver(2)) == []
    assert played.passed("server") == frames[3][10:] + deliver(2)


def test_an_empty_read_is_nothing() -> None:
    """A read of no bytes gives no segment."""
    played = Played()
    assert played.client(b"") == played.server(b"") == []
