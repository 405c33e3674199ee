"""Frames of ours in the client's stead: an ack that it does not send, an answer that it is not given."""

from __future__ import annotations

from amqp_streams import GREETING, Played, deliver, method, opened, publish, subscribed
from pamqp import commands as c
from pamqp import frame

from pytest_mqchaos.wire.amqp import events as e
from pytest_mqchaos.wire.amqp.protocol import HELD_BODY


def consuming(*more: tuple[str, bytes]) -> Played:
    """Return a scanner with an open channel on which three messages were delivered."""
    played = Played([("client", GREETING), *opened(), *subscribed(), *more])
    played.server(deliver(1), deliver(2), deliver(3))
    return played


def test_the_ack_is_one_of_the_delivery() -> None:
    """The oracle reads its bytes as a basic.ack of that tag alone, and it means what the client's own would."""
    data, event = consuming().scanner.acknowledgement(1, 2)
    used, channel, command = frame.unmarshal(data)
    assert (used, channel, command.name) == (len(data), 1, "Basic.Ack")
    assert (command.delivery_tag, command.multiple) == (2, False)
    assert event == e.Settled(1, "ack", 2, False, False, (2,))


def test_it_is_taken_out_of_what_is_open() -> None:
    """A multiple ack of the client's covers the others only; a second ack of ours is none."""
    played = consuming()
    assert played.scanner.acknowledgement(1, 2) is not None
    assert played.scanner.acknowledgement(1, 2) is None
    (settled,) = played.client(method(c.Basic.Ack(3, True)))
    assert settled.deliveries == (1, 3)


def test_where_there_can_be_none() -> None:
    """On a channel that is not open or is closing, or of a delivery that is settled."""
    played = consuming()
    assert played.scanner.acknowledgement(2, 1) is None
    played.client(method(c.Basic.Ack(1, False)))
    assert played.scanner.acknowledgement(1, 1) is None
    played.client(method(c.Channel.Close(200, "", 0, 0)))
    assert played.scanner.acknowledgement(1, 2) is None


def test_in_a_transaction_it_counts_with_the_commit() -> None:
    """As the client's own acks do; a rollback opens the delivery again."""
    played = consuming(("client", method(c.Tx.Select())), ("server", method(c.Tx.SelectOk())))
    _, event = played.scanner.acknowledgement(1, 2)
    assert event.transactional
    played.client(method(c.Tx.Rollback()))
    played.server(method(c.Tx.RollbackOk()))
    (settled,) = played.client(method(c.Basic.Ack(3, True)))
    assert 2 in settled.deliveries


def test_not_in_the_middle_of_a_message_that_passes_unread() -> None:
    """A body too large to be held is on its way on the channel: no frame of ours may stand in it."""
    played = consuming()
    whole = publish(b"x" * (HELD_BODY + 1))
    played.client(whole[: HELD_BODY // 2])
    assert played.scanner.acknowledgement(1, 1) is None
    played.client(whole[HELD_BODY // 2 :])
    assert played.scanner.acknowledgement(1, 1) is not None


def test_a_get_that_found_nothing() -> None:
    """The oracle reads basic.get-empty."""
    data = consuming().scanner.emptiness(1)
    used, channel, command = frame.unmarshal(data)
    assert (used, channel, command.name) == (len(data), 1, "Basic.GetEmpty")
