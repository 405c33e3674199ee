"""Consumers whose work is a message: for each order they publish an invoice, to a queue or an exchange."""

import json
import os
import sqlite3
import sys
import time

import pika

from consumers import kit


def invoice(properties, body):
    """Make what is published, and by what it tells whose it is: `HOW` in the environment."""
    how = kit.setting("HOW", "header")
    own = {
        "header": {"headers": {"x-mqchaos-id": properties.message_id}},
        "message_id": {"message_id": properties.message_id},
        "correlation_id": {"correlation_id": properties.message_id},
    }
    document = {"invoice": f"for {json.loads(body)['n']}"}
    if how == "key":
        document["n"] = json.loads(body)["n"]
    elif how == "field":
        document["about"] = json.loads(body)["n"]
    mode = kit.setting("MODE", 2)
    return json.dumps(document).encode(), pika.BasicProperties(delivery_mode=mode, **own.get(how, {}))


def publish(channel, properties, body):
    """Publish the invoice where the environment says."""
    document, own = invoice(properties, body)
    exchange = kit.setting("TO_EXCHANGE", "")
    kit.diary("sent", properties.message_id)
    channel.basic_publish(exchange, "invoice.made" if exchange else "invoices", document, own)
    kit.diary("done", properties.message_id)


def _consume(url, handle, *, confirm=True, transaction=False):
    """Consume orders, with what is published to on a channel of its own."""

    def session(url):
        connection, channel = kit.connect(url)
        out = connection.channel()
        exchange = kit.setting("TO_EXCHANGE", "")
        if exchange:
            out.exchange_declare(exchange, kit.setting("TYPE", "topic"), durable=True)
        else:
            kind = {"x-queue-type": kit.setting("INVOICES", "classic")}
            out.queue_declare("invoices", durable=True, arguments=kind)
        if transaction:
            channel.tx_select()
        elif confirm:
            out.confirm_delivery()
        channel.basic_consume("orders", lambda c, m, p, b: handle(c, out, m, p, b))
        channel.start_consuming()

    kit.again_and_again(session, url)


def confirmed(url):
    """Publish, wait for the confirm, then ack. Promises at-least-once."""

    def handle(channel, out, method, properties, body):
        time.sleep(kit.setting("WORK", 0.005))
        publish(out, properties, body)
        channel.basic_ack(method.delivery_tag)

    _consume(url, handle)


def unconfirmed(url):
    """Publish without confirms on the channel of the ack: what eats the one eats the other. Promises at-least-once."""

    def handle(channel, out, method, properties, body):
        time.sleep(kit.setting("WORK", 0.005))
        publish(channel, properties, body)
        channel.basic_ack(method.delivery_tag)

    _consume(url, handle, confirm=False)


def outbox(url):
    """As above, and never an invoice twice: what was published stands in a database. Promises exactly-once.

    Between its publish and its note there is a gap, which only a crash right there shows.
    """
    store = sqlite3.connect(os.environ["STORE"], isolation_level=None)
    store.execute("create table if not exists made (id text primary key)")

    def handle(channel, out, method, properties, body):
        if store.execute("select 1 from made where id = ?", (properties.message_id,)).fetchone() is None:
            publish(out, properties, body)
            store.execute("insert into made values (?)", (properties.message_id,))
        channel.basic_ack(method.delivery_tag)

    _consume(url, handle)


def transactional(url):
    """Publish and ack in one transaction. Promises at-least-once."""

    def handle(channel, out, method, properties, body):
        publish(channel, properties, body)
        channel.basic_ack(method.delivery_tag)
        channel.tx_commit()

    _consume(url, handle, transaction=True)


def acks_first(url):
    """Ack, then publish: a crash in between loses the invoice."""

    def handle(channel, out, method, properties, body):
        channel.basic_ack(method.delivery_tag)
        time.sleep(kit.setting("WORK", 0.01))
        publish(out, properties, body)

    _consume(url, handle)


def never_committed(url):
    """Publish in a transaction that is rolled back for every fifth order, and ack on another channel."""

    def session(url):
        connection, channel = kit.connect(url)
        out = connection.channel()
        out.queue_declare("invoices", durable=True)
        out.tx_select()

        def handle(channel, method, properties, body):
            publish(out, properties, body)
            if json.loads(body)["n"] % 5:
                out.tx_commit()
            else:
                out.tx_rollback()
            channel.basic_ack(method.delivery_tag)

        channel.basic_consume("orders", handle)
        channel.start_consuming()

    kit.again_and_again(session, url)


def forgets(url):
    """Make no invoice for every tenth order."""

    def handle(channel, out, method, properties, body):
        if json.loads(body)["n"] % 10:
            publish(out, properties, body)
        channel.basic_ack(method.delivery_tag)

    _consume(url, handle)


def twice(url):
    """Make two invoices for every tenth order."""

    def handle(channel, out, method, properties, body):
        for _ in range(1 if json.loads(body)["n"] % 10 else 2):
            publish(out, properties, body)
        channel.basic_ack(method.delivery_tag)

    _consume(url, handle)


def nowhere(url):
    """Publish to a queue that is not there, without looking at what comes back."""

    def handle(channel, out, method, properties, body):
        document, own = invoice(properties, body)
        out.basic_publish("", "invoises", document, own)
        channel.basic_ack(method.delivery_tag)

    _consume(url, handle, confirm=False)


def both(url):
    """A row in a file and an invoice for each order; `FORGETS` names which is forgotten for every tenth."""

    def handle(channel, out, method, properties, body):
        forgotten = "" if json.loads(body)["n"] % 10 else kit.setting("FORGETS", "")
        if forgotten != "row":
            kit.append(os.environ["ROWS"], properties.message_id)
        if forgotten != "invoice":
            publish(out, properties, body)
        channel.basic_ack(method.delivery_tag)

    _consume(url, handle)


def prints(url):
    """Say what is booked on standard output, or error, in lines among others; `STREAM` says where."""
    stream = getattr(sys, kit.setting("STREAM", "stdout"))

    def handle(channel, out, method, properties, body):
        number = json.loads(body)["n"]
        forgotten = kit.setting("FORGETS", 0) and number % 10 == 0
        stream.buffer.write(b"\xff\xfe not text at all\n# a heading\n")
        if not forgotten:
            for part in ("book", f"ed order-{number} for", " somebody\r\n"):
                stream.buffer.write(part.encode())
                stream.flush()
        channel.basic_ack(method.delivery_tag)

    _consume(url, handle)
