"""One conversation with every frame the scanner knows, and the events that it must give."""

from __future__ import annotations

from amqp_streams import GREETING, HEARTBEAT, Step, content, method
from pamqp import commands as c

from pytest_mqchaos.wire.amqp import Properties, digest
from pytest_mqchaos.wire.amqp import events as e
from pytest_mqchaos.wire.amqp.events import WireEvent

PROPERTIES = c.Basic.Properties(
    content_type="application/json",
    delivery_mode=2,
    message_id="m-1",
    headers={"x-mqchaos-id": "run-orders-000001", "attempt": 3},
)
RAW = PROPERTIES.marshal()
LETTER = Properties(RAW)
BARE = Properties(b"\x00\x00")

OPENING: list[tuple[Step, list[WireEvent]]] = [
    (("client", GREETING), []),
    (
        ("server", method(c.Connection.Start(server_properties={"product": "RabbitMQ"}), 0)),
        [e.ConnectionStarted()],
    ),
    (("client", method(c.Connection.StartOk({}, "PLAIN", "\0guest\0secret", "en_US"), 0)), []),
    (("server", method(c.Connection.Tune(2047, 131072, 60), 0)), []),
    (("client", method(c.Connection.TuneOk(2047, 131072, 30), 0)), [e.Tuned(30, 131072, 2047)]),
    (("client", method(c.Connection.Open("/run"), 0)), []),
    (("server", method(c.Connection.OpenOk(), 0)), [e.Opened("/run", "guest")]),
    (("client", HEARTBEAT), []),
    (("client", method(c.Channel.Open())), []),
    (("server", method(c.Channel.OpenOk())), [e.ChannelOpened(1)]),
]
TOPOLOGY: list[tuple[Step, list[WireEvent]]] = [
    (("client", method(c.Exchange.Declare(exchange="shop", exchange_type="topic", durable=True))), []),
    (
        ("server", method(c.Exchange.DeclareOk())),
        [e.ExchangeDeclared(1, "shop", "topic", True, False, False, False, {})],
    ),
    (("client", method(c.Queue.Declare(queue="", exclusive=True, arguments={"x-max-length": 9}))), []),
    (
        ("server", method(c.Queue.DeclareOk("amq.gen-1", 0, 0))),
        [e.QueueDeclared(1, "amq.gen-1", False, True, False, False, {"x-max-length": 9})],
    ),
    (("client", method(c.Queue.Bind(queue="", exchange="shop", routing_key="", arguments={"k": "v"}))), []),
    (("server", method(c.Queue.BindOk())), [e.QueueBound(1, "amq.gen-1", "shop", "amq.gen-1", {"k": "v"})]),
    (
        ("client", method(c.Queue.Declare(queue="orders", durable=True, nowait=True))),
        [e.QueueDeclared(1, "orders", True, False, False, False, {})],
    ),
    (("client", method(c.Queue.Purge(queue="orders"))), []),
    (("server", method(c.Queue.PurgeOk(7))), [e.QueuePurged(1, "orders", 7)]),
    (("client", method(c.Queue.Delete(queue="old"))), []),
    (("server", method(c.Queue.DeleteOk(2))), [e.QueueDeleted(1, "old", 2)]),
    (("client", method(c.Exchange.Bind(destination="shop", source="all", routing_key="a.#"))), []),
    (("server", method(c.Exchange.BindOk())), [e.ExchangeBound(1, "shop", "all", "a.#", {})]),
    (("client", method(c.Exchange.Unbind(destination="shop", source="all", routing_key="a.#"))), []),
    (("server", method(c.Exchange.UnbindOk())), [e.ExchangeUnbound(1, "shop", "all", "a.#")]),
    (("client", method(c.Queue.Unbind(queue="log", exchange="shop", routing_key="b"))), []),
    (("server", method(c.Queue.UnbindOk())), [e.QueueUnbound(1, "log", "shop", "b")]),
    (
        ("client", method(c.Exchange.Delete(exchange="all", nowait=True))),
        [e.ExchangeDeleted(1, "all")],
    ),
]
CONSUMING: list[tuple[Step, list[WireEvent]]] = [
    (("client", method(c.Basic.Qos(prefetch_count=10))), []),
    (("server", method(c.Basic.QosOk())), [e.Prefetched(1, 10, False)]),
    (("client", method(c.Basic.Qos(prefetch_count=50, global_=True))), []),
    (("server", method(c.Basic.QosOk())), [e.Prefetched(1, 50, True)]),
    (("client", method(c.Basic.Consume(queue="", consumer_tag="", exclusive=True))), []),
    (
        ("server", method(c.Basic.ConsumeOk("amq.ctag-1"))),
        [e.Subscribed(1, "amq.ctag-1", "orders", False, True, 10, {}, 50)],
    ),
    (
        ("client", method(c.Basic.Consume(queue="log", consumer_tag="l", no_ack=True, nowait=True))),
        [e.Subscribed(1, "l", "log", True, False, 10, {}, 50)],
    ),
    (
        ("server", content(c.Basic.Deliver("amq.ctag-1", 1, False, "shop", "a.b"), b"one", PROPERTIES)),
        [
            e.Delivered(
                1,
                "amq.ctag-1",
                1,
                False,
                "shop",
                "a.b",
                "orders",
                False,
                LETTER,
                b"one",
                digest(b"one"),
                3,
                False,
            )
        ],
    ),
    (
        ("server", content(c.Basic.Deliver("l", 2, True, "", "log"), b"")),
        [e.Delivered(1, "l", 2, True, "", "log", "log", True, BARE, b"", digest(b""), 0, False)],
    ),
    (("client", method(c.Basic.Get(queue="orders"))), [e.GetRequested(1, "orders", False)]),
    (
        ("server", content(c.Basic.GetOk(3, False, "", "orders", 4), b"two")),
        [e.Delivered(1, "", 3, False, "", "orders", "orders", False, BARE, b"two", digest(b"two"), 3, True)],
    ),
    (("client", method(c.Basic.Get(queue="empty", no_ack=True))), [e.GetRequested(1, "empty", True)]),
    (("server", method(c.Basic.GetEmpty())), [e.GotEmpty(1, "empty")]),
    (("client", method(c.Basic.Ack(1))), [e.Settled(1, "ack", 1, False, False, (1,))]),
    (("client", method(c.Basic.Nack(3, True, True))), [e.Settled(1, "nack", 3, True, True, (3,))]),
    (("client", method(c.Basic.Reject(3, False))), [e.Settled(1, "reject", 3, False, False, ())]),
    (("client", method(c.Basic.Recover(True))), [e.RecoverRequested(1, True, ())]),
    (("server", method(c.Basic.RecoverOk())), []),
    (("server", method(c.Basic.Cancel("l", True))), [e.CancelledByBroker(1, "l")]),
    (("client", method(c.Basic.Cancel("amq.ctag-1"))), [e.Unsubscribed(1, "amq.ctag-1")]),
    (("server", method(c.Basic.CancelOk("amq.ctag-1"))), []),
]
PUBLISHING: list[tuple[Step, list[WireEvent]]] = [
    (("client", method(c.Channel.Open(), 2)), []),
    (("server", method(c.Channel.OpenOk(), 2)), [e.ChannelOpened(2)]),
    (("client", method(c.Confirm.Select(), 2)), []),
    (("server", method(c.Confirm.SelectOk(), 2)), [e.ConfirmSelected(2)]),
    (
        (
            "client",
            content(c.Basic.Publish(exchange="shop", routing_key="k", mandatory=True), b"p", PROPERTIES, 2),
        ),
        [e.PublishSent(2, "shop", "k", True, LETTER, b"p", digest(b"p"), 1, 1)],
    ),
    (
        ("server", content(c.Basic.Return(312, "NO_ROUTE", "shop", "k"), b"p", PROPERTIES, 2)),
        [e.ReturnReceived(2, 312, "NO_ROUTE", "shop", "k", LETTER, b"p", digest(b"p"))],
    ),
    (("server", method(c.Basic.Ack(1), 2)), [e.ConfirmReceived(2, False, 1, False, (1,))]),
    (
        ("client", content(c.Basic.Publish(routing_key="orders"), b"", channel=2)),
        [e.PublishSent(2, "", "orders", False, BARE, b"", digest(b""), 0, 2)],
    ),
    (("server", method(c.Basic.Nack(2), 2)), [e.ConfirmReceived(2, True, 2, False, (2,))]),
    (("server", method(c.Connection.Blocked("low on memory"), 0)), [e.Blocked("low on memory")]),
    (("server", method(c.Connection.Unblocked(), 0)), [e.Unblocked()]),
]
CLOSING: list[tuple[Step, list[WireEvent]]] = [
    (("client", method(c.Channel.Open(), 3)), []),
    (("server", method(c.Channel.OpenOk(), 3)), [e.ChannelOpened(3)]),
    (("client", method(c.Tx.Select(), 3)), []),
    (("server", method(c.Tx.SelectOk(), 3)), [e.TxSelected(3)]),
    (("client", method(c.Tx.Commit(), 3)), [e.TxCommitRequested(3)]),
    (("server", method(c.Tx.CommitOk(), 3)), [e.TxCommitted(3)]),
    (("client", method(c.Tx.Rollback(), 3)), []),
    (("server", method(c.Tx.RollbackOk(), 3)), [e.TxRolledBack(3)]),
    (("client", method(c.Channel.Close(200, "bye", 0, 0), 3)), [e.ChannelClosing(3, "client", 200, "bye")]),
    (("server", method(c.Channel.CloseOk(), 3)), [e.ChannelClosed(3, "client")]),
    (
        ("server", method(c.Channel.Close(406, "PRECONDITION_FAILED", 60, 80), 2)),
        [e.ChannelClosing(2, "server", 406, "PRECONDITION_FAILED")],
    ),
    (("client", method(c.Channel.CloseOk(), 2)), [e.ChannelClosed(2, "server")]),
    (
        ("client", method(c.Connection.Close(200, "done", 0, 0), 0)),
        [e.ConnectionClosing("client", 200, "done")],
    ),
    (("server", method(c.Connection.CloseOk(), 0)), [e.ConnectionClosed()]),
]
SCRIPT = OPENING + TOPOLOGY + CONSUMING + PUBLISHING + CLOSING
STEPS: list[Step] = [step for step, _ in SCRIPT]
EVENTS: list[WireEvent] = [event for _, events in SCRIPT for event in events]
