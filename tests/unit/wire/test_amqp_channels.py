"""What the scanner remembers of channels: settlements, consumers, queues, transactions, confirms, closing."""

from __future__ import annotations

import pytest
from amqp_streams import GREETING, Played, content, deliver, method, opened, publish, subscribed
from pamqp import commands as c

from pytest_mqchaos.wire.amqp import events as e
from pytest_mqchaos.wire.amqp.events import WireEvent


def consuming(*tags: int, channel: int = 1, no_ack: bool = False) -> Played:
    """Return a scanner with a consumer to which these tags were delivered."""
    played = Played([("client", GREETING), *opened(channel), *subscribed(channel=channel, no_ack=no_ack)])
    played.server(*(deliver(tag, channel=channel) for tag in tags))
    return played


def covered(events: list[WireEvent]) -> list[tuple[int, ...]]:
    """Return the deliveries that each settlement covers."""
    return [event.deliveries for event in events if isinstance(event, e.Settled)]


def test_a_multiple_settlement_covers_what_is_open_up_to_its_tag() -> None:
    """What was settled before is not covered again, and what lies behind stays open."""
    played = consuming(1, 2, 3, 4, 5)
    events = played.client(
        method(c.Basic.Ack(2)), method(c.Basic.Nack(4, True, False)), method(c.Basic.Ack(5, True))
    )
    assert covered(events) == [(2,), (1, 3, 4), (5,)]
    assert [(event.kind, event.multiple, event.requeue) for event in events] == [
        ("ack", False, False),
        ("nack", True, False),
        ("ack", True, False),
    ]


def test_tag_zero_covers_all() -> None:
    """A multiple settlement of tag 0 covers all that is open; a single one covers nothing."""
    played = consuming(1, 2, 3)
    events = played.client(
        method(c.Basic.Ack(0)), method(c.Basic.Ack(0, True)), method(c.Basic.Nack(0, True, True))
    )
    assert covered(events) == [(), (1, 2, 3), ()]


@pytest.mark.parametrize(
    "again", [c.Basic.Ack(2), c.Basic.Ack(2, True), c.Basic.Reject(2, True), c.Basic.Nack(9)]
)
def test_a_second_or_unknown_settlement_covers_nothing(again: object) -> None:
    """RabbitMQ refuses it as a whole, multiple or not, and the scanner says so by covering nothing."""
    played = consuming(1, 2, 3)
    assert covered(played.client(method(c.Basic.Ack(2)), method(again))) == [(2,), ()]
    assert covered(played.client(method(c.Basic.Ack(3, True)))) == [(1, 3)]


def test_automatic_acks_are_never_open() -> None:
    """Deliveries of an automatic-ack consumer cannot be settled, nor do they join a multiple settlement."""
    played = consuming(1, 2, no_ack=True)
    played.play(subscribed("manual"))
    played.server(deliver(3, consumer="manual"))
    assert covered(played.client(method(c.Basic.Ack(1)), method(c.Basic.Ack(3, True)))) == [(), (3,)]


def test_deliveries_by_get_are_open_and_count_on() -> None:
    """A message from a get shares the tags of the channel and is settled like any other."""
    played = consuming(1)
    played.client(method(c.Basic.Get(queue="orders")), method(c.Basic.Get(queue="orders", no_ack=True)))
    played.server(
        content(c.Basic.GetOk(2, False, "", "orders", 0), b"x"),
        content(c.Basic.GetOk(3, False, "", "orders", 0), b"x"),
    )
    assert covered(played.client(method(c.Basic.Ack(0, True)))) == [(1, 2)]


def test_gets_are_answered_in_their_order() -> None:
    """Answers of gets that were sent together belong to the queues in the order of asking."""
    played = Played([("client", GREETING), *opened()])
    played.client(*(method(c.Basic.Get(queue=name)) for name in ("a", "b", "c")))
    events = played.server(
        method(c.Basic.GetEmpty()), content(c.Basic.GetOk(1, False, "", "b", 0)), method(c.Basic.GetEmpty())
    )
    assert [(type(event), event.queue) for event in events] == [
        (e.GotEmpty, "a"),
        (e.Delivered, "b"),
        (e.GotEmpty, "c"),
    ]


@pytest.mark.parametrize("number", [110, 100])
def test_recover_gives_the_open_deliveries_back(number: int) -> None:
    """Recovered deliveries are named and are open no more: they come again under new tags."""
    played = consuming(1, 2, 3)
    played.client(method(c.Basic.Ack(2)))
    recover = (
        b"\x01\x00\x01\x00\x00\x00\x05\x00\x3c\x00" + bytes([number]) + b"\x01\xce"
    )  # 100: recover-async
    assert played.client(recover) == [e.RecoverRequested(1, True, (1, 3))]
    assert covered(played.client(method(c.Basic.Ack(3)))) == [()]


def test_recover_without_requeue_keeps_them_open() -> None:
    """Recover without requeue asks for the same deliveries again."""
    played = consuming(1, 2)
    assert played.client(method(c.Basic.Recover(False))) == [e.RecoverRequested(1, False, (1, 2))]
    assert covered(played.client(method(c.Basic.Ack(2, True)))) == [(1, 2)]


def test_channels_have_tags_of_their_own() -> None:
    """The same tag on two channels is two deliveries."""
    played = consuming(1, 2)
    played.play(opened(2) + subscribed(channel=2))
    played.server(deliver(1, channel=2))
    events = played.client(method(c.Basic.Ack(1), 2), method(c.Basic.Ack(1), 1), method(c.Basic.Ack(1), 2))
    assert covered(events) == [(1,), (1,), ()]


def test_a_rollback_opens_settlements_again() -> None:
    """Settlements in a transaction are marked; a rollback opens them again, a commit ends them."""
    played = consuming(1, 2, 3)
    played.client(method(c.Tx.Select()))
    played.server(method(c.Tx.SelectOk()))
    events = played.client(
        method(c.Basic.Ack(2, True)), method(c.Tx.Rollback()), method(c.Basic.Ack(3, True))
    )
    assert covered(events) == [(1, 2), (1, 2, 3)]
    assert all(event.transactional for event in events)
    assert played.server(method(c.Tx.RollbackOk())) == [e.TxRolledBack(1)]
    played.client(method(c.Tx.Commit()), method(c.Tx.Rollback()))
    assert covered(played.client(method(c.Basic.Ack(0, True)))) == [()]
    assert played.client(publish())[0].transactional


def test_closing_a_channel_forgets_its_deliveries_and_its_number_is_used_again() -> None:
    """On a channel that was opened again, tags and confirm numbers start at 1 and old ones are unknown."""
    played = consuming(1, 2)
    played.client(method(c.Channel.Close(200, "", 0, 0)))
    late = played.server(deliver(3))
    assert [event.delivery_tag for event in late] == [3]
    assert played.server(method(c.Channel.CloseOk())) == [e.ChannelClosed(1, "client")]
    played.play(opened() + subscribed("d"))
    (event,) = played.server(deliver(1, consumer="d"))
    assert (event.delivery_tag, event.queue) == (1, "orders")
    assert covered(played.client(method(c.Basic.Ack(2)), method(c.Basic.Ack(1)))) == [(), (1,)]
    played.client(method(c.Confirm.Select()))
    assert played.client(publish())[0].number == 1


def test_settlements_after_the_server_closed_still_name_their_deliveries() -> None:
    """Until the client consents, its late settlements are told apart from double ones; they count for nothing."""
    played = consuming(1)
    assert played.server(method(c.Channel.Close(406, "bad", 60, 80))) == [
        e.ChannelClosing(1, "server", 406, "bad")
    ]
    assert covered(played.client(method(c.Basic.Ack(1)))) == [(1,)]
    assert played.client(method(c.Channel.CloseOk())) == [e.ChannelClosed(1, "server")]


def test_crossed_closings_close_once() -> None:
    """When both sides ask at once, the first consent closes the channel and the second means nothing."""
    played = consuming()
    played.client(method(c.Channel.Close(200, "", 0, 0)))
    played.server(method(c.Channel.Close(406, "", 0, 0)))
    assert played.client(method(c.Channel.CloseOk())) == [e.ChannelClosed(1, "server")]
    played.play(opened())
    assert played.server(method(c.Channel.CloseOk())) == []
    assert played.scanner.barrier(1) is not None


def test_the_server_closes_the_connection() -> None:
    """A close by the server and the client's consent are both seen."""
    played = consuming(1)
    closing = played.server(method(c.Connection.Close(320, "CONNECTION_FORCED", 0, 0), 0))
    assert closing == [e.ConnectionClosing("server", 320, "CONNECTION_FORCED")]
    assert played.client(method(c.Connection.CloseOk(), 0)) == [e.ConnectionClosed()]
    assert covered(played.client(method(c.Basic.Ack(1)))) == [()]


def test_a_subscription_answered_out_of_order_keeps_its_queue() -> None:
    """Answers are matched by tag, so queues that answer late do not swap."""
    played = Played([("client", GREETING), *opened()])
    played.client(*(method(c.Basic.Consume(queue=f"q-{tag}", consumer_tag=tag)) for tag in "abc"))
    events = played.server(*(method(c.Basic.ConsumeOk(tag)) for tag in "bca"))
    assert [(event.consumer_tag, event.queue) for event in events] == [
        ("b", "q-b"),
        ("c", "q-c"),
        ("a", "q-a"),
    ]


@pytest.mark.parametrize("tag", ["mine", ""])
def test_a_delivery_before_the_answer_knows_its_queue(tag: str) -> None:
    """A quorum queue may deliver before consume-ok: the queue is known all the same."""
    played = Played([("client", GREETING), *opened()])
    played.client(method(c.Basic.Consume(queue="orders", consumer_tag=tag, no_ack=True)))
    (early,) = played.server(deliver(1, consumer=tag or "amq.ctag-1"))
    assert (early.consumer_tag, early.queue, early.auto_ack) == (tag or "amq.ctag-1", "orders", True)
    (answer,) = played.server(method(c.Basic.ConsumeOk(tag or "amq.ctag-1")))
    assert answer.consumer_tag == (tag or "amq.ctag-1")


def test_two_consumers_whose_tags_the_server_chooses_get_theirs_in_order() -> None:
    """Answers to subscriptions without a tag belong to them in the order of asking."""
    played = Played([("client", GREETING), *opened()])
    played.client(*(method(c.Basic.Consume(queue=name, consumer_tag="")) for name in ("a", "b")))
    events = played.server(method(c.Basic.ConsumeOk("t1")), method(c.Basic.ConsumeOk("t2")))
    assert [(event.consumer_tag, event.queue) for event in events] == [("t1", "a"), ("t2", "b")]
    assert [event.queue for event in played.server(deliver(1, consumer="t2"), deliver(2, consumer="t1"))] == [
        "b",
        "a",
    ]


def test_a_delivery_to_an_unknown_consumer_has_no_queue() -> None:
    """A consumer tag never seen gives an empty queue, and the delivery counts as open."""
    played = Played([("client", GREETING), *opened()])
    (event,) = played.server(deliver(1, consumer="stranger"))
    assert (event.consumer_tag, event.queue, event.auto_ack) == ("stranger", "", False)
    assert covered(played.client(method(c.Basic.Ack(1)))) == [(1,)]


def test_deliveries_on_their_way_behind_a_cancel_know_their_queue() -> None:
    """Between cancel and its answer deliveries still name the queue; a new consumer of that tag replaces the old."""
    played = consuming()
    assert played.client(method(c.Basic.Cancel("c"))) == [e.Unsubscribed(1, "c")]
    assert played.server(deliver(1))[0].queue == "orders"
    played.client(method(c.Basic.Consume(queue="new", consumer_tag="c")))
    played.server(method(c.Basic.CancelOk("c")), method(c.Basic.ConsumeOk("c")))
    assert played.server(deliver(2))[0].queue == "new"
    played.client(method(c.Basic.Cancel("c", True)), method(c.Basic.Cancel("c")))
    played.server(method(c.Basic.CancelOk("c")))
    assert played.server(deliver(3))[0].queue == ""


def test_the_prefetch_is_the_one_in_force_at_the_request() -> None:
    """A qos behind a subscription changes later subscriptions only."""
    played = Played([("client", GREETING), *opened()])
    played.client(
        method(c.Basic.Qos(prefetch_count=5)),
        method(c.Basic.Consume(queue="orders", consumer_tag="a", arguments={"x-priority": 7})),
        method(c.Basic.Qos(prefetch_count=1)),
        method(c.Basic.Consume(queue="orders", consumer_tag="b")),
    )
    events = played.server(
        method(c.Basic.QosOk()),
        method(c.Basic.ConsumeOk("a")),
        method(c.Basic.QosOk()),
        method(c.Basic.ConsumeOk("b")),
    )
    assert events == [
        e.Prefetched(1, 5, False),
        e.Subscribed(1, "a", "orders", False, False, 5, {"x-priority": 7}),
        e.Prefetched(1, 1, False),
        e.Subscribed(1, "b", "orders", False, False, 1, {}),
    ]


def test_a_queue_named_by_the_server_is_known_to_what_was_sent_before_its_name() -> None:
    """Requests that mean "the last one declared" learn its name with the answer."""
    played = Played([("client", GREETING), *opened()])
    played.client(
        method(c.Queue.Declare(queue="")),
        method(c.Queue.Bind(queue="", exchange="shop", routing_key="k")),
        method(c.Basic.Consume(queue="", consumer_tag="c")),
        method(c.Queue.Purge(queue="")),
        method(c.Queue.Delete(queue="")),
    )
    events = played.server(
        method(c.Queue.DeclareOk("amq.gen-x", 0, 0)),
        method(c.Queue.BindOk()),
        method(c.Basic.ConsumeOk("c")),
        deliver(1),
        method(c.Queue.PurgeOk(1)),
        method(c.Queue.DeleteOk(0)),
    )
    assert [event.queue for event in events] == ["amq.gen-x"] * 6
    assert [event.routing_key for event in events if isinstance(event, e.QueueBound)] == ["k"]


def test_a_passive_declaration_says_nothing_of_the_queue() -> None:
    """The client of Java sets exclusive and auto-delete in each of them: the broker does not look, and nor do we."""
    played = Played([("client", GREETING), *opened()])
    asked = c.Queue.Declare(
        queue="q", passive=True, durable=True, exclusive=True, auto_delete=True, nowait=True
    )
    (event,) = played.client(method(asked))
    assert isinstance(event, e.QueueDeclared)
    assert (event.passive, event.durable, event.exclusive, event.auto_delete) == (True, False, False, False)


def test_requests_without_an_answer_are_events_at_once() -> None:
    """With nowait, the request itself is the event and no answer is awaited."""
    played = Played([("client", GREETING), *opened()])
    events = played.client(
        method(c.Exchange.Declare(exchange="x", passive=True, nowait=True)),
        method(c.Queue.Bind(queue="q", exchange="x", routing_key="k", nowait=True)),
        method(c.Queue.Purge(queue="q", nowait=True)),
        method(c.Queue.Delete(queue="q", nowait=True)),
        method(c.Confirm.Select(nowait=True)),
    )
    assert events == [
        e.ExchangeDeclared(1, "x", "direct", False, False, False, True, {}),
        e.QueueBound(1, "q", "x", "k", {}),
        e.QueuePurged(1, "q", None),
        e.QueueDeleted(1, "q", None),
        e.ConfirmSelected(1),
    ]
    assert played.server(method(c.Exchange.DeclareOk()), method(c.Queue.BindOk())) == []


def test_confirms_are_resolved_to_numbers() -> None:
    """Single and multiple confirms name the publications that waited for them, once."""
    played = Played([("client", GREETING), *opened()])
    assert played.client(publish())[0].number is None
    played.client(method(c.Confirm.Select()), method(c.Confirm.Select()))
    played.server(method(c.Confirm.SelectOk()), method(c.Confirm.SelectOk()))
    assert [event.number for event in played.client(*[publish()] * 6)] == [1, 2, 3, 4, 5, 6]
    events = played.server(
        method(c.Basic.Ack(2)),
        method(c.Basic.Ack(4, True)),
        method(c.Basic.Ack(4)),
        method(c.Basic.Nack(5)),
        method(c.Basic.Ack(0, True)),
    )
    assert [(event.nack, event.numbers) for event in events] == [
        (False, (2,)),
        (False, (1, 3, 4)),
        (False, ()),
        (True, (5,)),
        (False, (6,)),
    ]


@pytest.mark.parametrize(
    ("mechanism", "response", "user"),
    [
        ("PLAIN", "\0guest\0a\0b", None),
        ("PLAIN", "\0guest\0pw", "guest"),
        ("AMQPLAIN", "\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x02pw", "guest"),
        ("AMQPLAIN", "\x05LOGINt\x01", None),
        ("AMQPLAIN", "\x05LOGINS\0\0\0\x7fguest", None),
        ("EXTERNAL", "\0guest\0pw", None),
    ],
)
def test_the_user_is_read_where_the_mechanism_shows_it(
    mechanism: str, response: str, user: str | None
) -> None:
    """Other mechanisms and odd responses leave the user unknown."""
    played = Played()
    start_ok = c.Connection.StartOk({}, mechanism, response, "en_US")
    played.client(method(start_ok, 0), method(c.Connection.Open(), 0))
    assert played.server(method(c.Connection.OpenOk(), 0)) == [e.Opened("/", user)]


def test_frames_on_channels_never_opened_are_no_trouble() -> None:
    """Answers and settlements out of nowhere give what can be said, and never raise."""
    played = Played()
    assert covered(played.client(method(c.Basic.Ack(5), 9))) == [()]
    assert played.server(method(c.Queue.BindOk(), 8), method(c.Channel.CloseOk(), 7)) == []
    assert played.server(method(c.Basic.Ack(1), 6)) == [e.ConfirmReceived(6, False, 1, False, ())]
