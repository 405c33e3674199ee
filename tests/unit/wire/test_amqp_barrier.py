"""The barrier: a request of ours between the client's, whose answer only we see."""

from __future__ import annotations

import pytest
from amqp_streams import GREETING, Played, content_frames, deliver, method, opened, publish, subscribed
from pamqp import commands as c
from pamqp import frame

from pytest_mqchaos.wire.amqp import Segment
from pytest_mqchaos.wire.amqp import events as e
from pytest_mqchaos.wire.amqp.protocol import HELD_BODY

OK = method(c.Exchange.DeclareOk())


def declare(name: str, *, nowait: bool = False, channel: int = 1) -> bytes:
    """Return the client's own declaration of an exchange."""
    return method(c.Exchange.Declare(exchange=name, nowait=nowait), channel)


def consuming() -> Played:
    """Return a scanner with an open channel on which two messages were delivered."""
    played = Played([("client", GREETING), *opened(), *subscribed()])
    played.server(deliver(1), deliver(2))
    played.segments.clear()
    return played


def segment_of(played: Played, kind: type) -> Segment:
    """Return the segment of the only event of a kind."""
    (found,) = [segment for _, segment in played.segments if isinstance(segment.event, kind)]
    return found


def answers(played: Played, count: int) -> list[str]:
    """Let the server answer declarations; return whose answer each was."""
    before = played.passed("server")
    events = played.server(OK * count)
    names = ["barrier" if isinstance(event, e.BarrierAnswered) else event.exchange for event in events]
    assert played.passed("server") == before + OK * (count - names.count("barrier"))
    return names


def test_the_barrier_is_a_passive_declaration_of_amq_direct() -> None:
    """The oracle reads the barrier's bytes as a passive exchange.declare on the channel."""
    used, channel, command = frame.unmarshal(consuming().scanner.barrier(1))
    assert (channel, command.name, command.exchange, command.exchange_type) == (
        1,
        "Exchange.Declare",
        "amq.direct",
        "direct",
    )
    assert (command.passive, command.nowait, command.durable, command.arguments) == (True, False, False, {})
    assert used == len(consuming().scanner.barrier(1))


def test_the_answer_is_swallowed() -> None:
    """The client never sees the answer; the relay sees `BarrierAnswered` on a segment without bytes."""
    played = consuming()
    played.client(method(c.Basic.Ack(1)))
    played.scanner.barrier(1)
    assert played.server(deliver(3) + OK + deliver(4))[1] == e.BarrierAnswered(1)
    assert played.passed("server") == deliver(3) + deliver(4)
    assert segment_of(played, e.BarrierAnswered).data == b""


@pytest.mark.parametrize("size", [1, 3, 100])
def test_the_answer_is_swallowed_whatever_the_reads(size: int) -> None:
    """An answer that comes in pieces, or behind a content in pieces, is swallowed whole."""
    played = consuming()
    played.scanner.barrier(1)
    data = deliver(3, b"x" * 50) + OK
    events = played.server(*(data[at : at + size] for at in range(0, len(data), size)))
    assert [type(event) for event in events] == [e.Delivered, e.BarrierAnswered]
    assert played.passed("server") == deliver(3, b"x" * 50)


def test_declarations_of_the_client_before_and_behind_keep_their_answers() -> None:
    """Answers come in the order of the requests, so the barrier's is the one at its place."""
    played = consuming()
    played.client(declare("a"), declare("silent", nowait=True), declare("b"))
    played.scanner.barrier(1)
    played.client(declare("c"))
    played.scanner.barrier(1)
    assert answers(played, 5) == ["a", "b", "barrier", "c", "barrier"]


def test_declarations_held_back_behind_the_frame_come_after_the_barrier() -> None:
    """A request that was scanned in the same read but is still held back is answered after the barrier."""
    played = consuming()
    played.client(declare("a") + method(c.Basic.Ack(1)) + declare("b"))
    played.scanner.barrier(1, behind=segment_of(played, e.Settled))
    played.scanner.barrier(1, behind=segment_of(played, e.Settled))
    assert answers(played, 4) == ["a", "barrier", "barrier", "b"]


def test_a_close_held_back_behind_the_frame_does_not_count() -> None:
    """A channel or connection whose closing was scanned but not passed still takes a barrier before it."""
    for close in (method(c.Channel.Close(200, "", 0, 0)), method(c.Connection.Close(200, "", 0, 0), 0)):
        played = consuming()
        played.client(method(c.Basic.Ack(1)) + close)
        assert played.scanner.barrier(1) is None
        assert played.scanner.barrier(1, behind=segment_of(played, e.Settled)) is not None


def test_channels_do_not_share_barriers() -> None:
    """The answer to another channel's declaration is the client's."""
    played = consuming()
    played.play(opened(2))
    played.client(declare("other", channel=2))
    played.scanner.barrier(1)
    assert [type(event) for event in played.server(method(c.Exchange.DeclareOk(), 2))] == [e.ExchangeDeclared]
    assert answers(played, 1) == ["barrier"]


def test_no_barrier_on_a_channel_that_is_not_open() -> None:
    """Unknown, opening, refused, closing and closed channels take no barrier."""
    played = Played([("client", GREETING)])
    assert played.scanner.barrier(1) is None
    played.client(method(c.Channel.Open()))
    assert played.scanner.barrier(1) is None
    played.server(method(c.Channel.OpenOk()))
    assert played.scanner.barrier(1) is not None
    played.server(method(c.Channel.Close(406, "", 0, 0)))
    assert played.scanner.barrier(1) is None
    played.client(method(c.Channel.CloseOk()))
    assert played.scanner.barrier(1) is None
    played.play(opened())
    played.client(method(c.Channel.Close(200, "", 0, 0)))
    assert played.scanner.barrier(1) is None


def test_a_barrier_whose_channel_the_server_closes_is_forgotten() -> None:
    """`ChannelClosed` tells; on the channel opened again, an answer is the client's again."""
    played = consuming()
    played.scanner.barrier(1)
    played.server(method(c.Channel.Close(406, "", 0, 0)))
    assert played.client(method(c.Channel.CloseOk())) == [e.ChannelClosed(1, "server")]
    played.play(opened())
    played.client(declare("a"))
    assert answers(played, 1) == ["a"]


def test_no_barrier_when_the_connection_is_closing_or_not_amqp() -> None:
    """Closed by either side, flushed or unreadable: there is nobody to answer."""
    for say in (
        lambda played: played.client(method(c.Connection.Close(200, "", 0, 0), 0)),
        lambda played: played.server(method(c.Connection.Close(320, "", 0, 0), 0)),
        lambda played: played.server(b"\x00"),
        lambda played: played.scanner.flush(),
    ):
        played = consuming()
        say(played)
        assert played.scanner.barrier(1) is None


def test_no_barrier_inside_a_streaming_content() -> None:
    """Between the frames of a large publication its own channel takes none; inside a frame no channel does."""
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"z" * (HELD_BODY + 1))
    played = consuming()
    played.play(opened(2))

    def possible() -> tuple[bool, bool]:
        return played.scanner.barrier(1) is not None, played.scanner.barrier(2) is not None

    played.client(frames[0])
    assert possible() == (True, True)  # held back: nothing of it was passed
    played.client(frames[1])
    assert possible() == (False, True)
    played.client(frames[2][:100])
    assert possible() == (False, False)
    played.client(frames[2][100:])
    assert possible() == (False, True)
    played.client(*frames[3:])
    assert possible() == (True, True)


def test_no_barrier_inside_an_interleaved_content() -> None:
    """Behind a settlement that stands inside another channel's content, that channel takes no barrier."""
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"1", channel=2)
    played = consuming()
    played.play(opened(2))
    played.client(frames[0] + frames[1] + method(c.Basic.Ack(1)) + frames[2] + publish(channel=2))
    inside = segment_of(played, e.Settled)
    assert played.scanner.barrier(2, behind=inside) is None
    assert played.scanner.barrier(1, behind=inside) is not None
    assert played.scanner.barrier(2) is not None


def test_a_barrier_goes_before_a_content_that_is_still_held() -> None:
    """While a publication waits for its body, a barrier stands before all of it."""
    frames = content_frames(c.Basic.Publish(routing_key="a"), b"1")
    played = consuming()
    played.client(method(c.Basic.Ack(1)), frames[0], frames[1])
    assert played.scanner.barrier(1) is not None
    assert [type(event) for event in played.client(frames[2])] == [e.PublishSent]
    assert answers(played, 1) == ["barrier"]
