"""Consumers whose work is a call over HTTP: correct ones, and such with one planted bug each."""

import http.client
import json
import os
import time
import urllib.parse

from consumers import kit

PERSISTENT = 5
"""Tries until the retrying consumer gives up."""


def call(order, **headers):
    """Pay an order at the service, and return the status of its answer; 0 without an answer."""
    address = urllib.parse.urlsplit(os.environ["MQCHAOS_HTTP_URL"])
    connection = http.client.HTTPConnection(address.netloc, timeout=kit.setting("PATIENCE", 10.0))
    try:
        kit.diary("called", order)
        connection.request("POST", "/pay", json.dumps({"order": order, "amount": 17}), headers)
        status = connection.getresponse().status
    except OSError:
        status = 0
    finally:
        connection.close()
    kit.diary("answered", order, status)
    return status


def done(status):
    """Whether an answer says that it was done."""
    return 200 <= status < 300


def read(body):
    """Return the order that a body names."""
    try:
        return json.loads(body)["order"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise kit.PermanentError(str(error)) from None


def _working(work):
    """Return a consumer that reads orders and hands each to `work(channel, tag, order, properties, body)`."""

    def consumer(url):
        def handle(channel, method, properties, body):
            try:
                order = read(body)
            except kit.PermanentError:
                channel.basic_reject(method.delivery_tag, requeue=False)
                return
            work(channel, method.delivery_tag, order, properties, body)

        kit.again_and_again(lambda url: kit.consume(url, handle), url)

    return consumer


# --- correct ---


def _retry(channel, tag, order, properties, body):
    """Reject what failed: it waits in a queue with a TTL and comes back; after five tries it is given up."""
    deaths = (properties.headers or {}).get("x-death") or []
    attempt = 1 + sum(int(each["count"]) for each in deaths if each["queue"] == "orders")
    if done(call(order)):
        channel.basic_ack(tag)
    elif attempt < PERSISTENT:
        channel.basic_reject(tag, requeue=False)
    else:
        channel.basic_publish("", "orders.dead", body, properties)
        channel.basic_ack(tag)


retries = _working(_retry)


def _again(channel, tag, order, _properties, _body):
    while not done(call(order)):
        time.sleep(0.02)
    channel.basic_ack(tag)


stubborn = _working(
    lambda channel, tag, order, _properties, _body: (
        channel.basic_ack(tag) if _known_again(order) else channel.basic_nack(tag, requeue=True)
    )
)
"""Says an idempotency key with each call, and gives back what failed."""


def _known_again(order):
    return done(call(order, **{"Idempotency-Key": order}))


tries_again = _working(_again)
"""Tries again in its own process until it goes well."""

requeues = _working(
    lambda channel, tag, order, _properties, _body: (
        channel.basic_ack(tag) if done(call(order)) else channel.basic_nack(tag, requeue=True)
    )
)


# --- wrong ---

deaf = _working(
    lambda channel, tag, order, _properties, _body: (call(order), channel.basic_ack(tag))  # whatever it says
)
"""Never looks at the answer."""

gives_up = _working(
    lambda channel, tag, order, _properties, _body: (
        channel.basic_ack(tag) if done(call(order)) else channel.basic_reject(tag, requeue=False)
    )
)
"""Gives a message up after one failure."""

ack_first = _working(
    lambda channel, tag, order, _properties, _body: (channel.basic_ack(tag), _until_done(order))
)
"""Acks before it calls."""

impatient = _working(
    lambda channel, tag, order, _properties, _body: (call(order), call(order), channel.basic_ack(tag))
)
"""Waits too short a time for an answer (`PATIENCE`), and calls again, as if nothing had been done."""


def _until_done(order):
    while not done(call(order)):
        time.sleep(0.02)


def misnames(url):
    """Call with a name that nobody published."""

    def handle(channel, method, _properties, body):
        call(f"another-{read(body)}")
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)
