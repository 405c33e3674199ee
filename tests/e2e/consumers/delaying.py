"""Consumers that declare their own queues with delays of five minutes, or publish with such an expiration."""

import os

from consumers import calling, kit

FIVE_MINUTES = 300_000


def _declare(channel, to_retry):
    back = {
        "x-message-ttl": FIVE_MINUTES,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "orders",
    }
    channel.queue_declare("orders.retry", durable=True, arguments=back)
    later = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"}
    channel.queue_declare("orders.later", durable=True, arguments=later | {"x-expires": 100 * FIVE_MINUTES})
    mine = {"x-queue-type": os.environ["QUEUE_TYPE"]}
    if to_retry:
        mine |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.retry"}
    channel.queue_declare("orders", durable=True, arguments=mine)


def _session(work, *, to_retry):
    def session(url):
        _, channel = kit.connect(url)
        channel.confirm_delivery()
        _declare(channel, to_retry)
        channel.basic_consume("orders", work)
        channel.start_consuming()

    return lambda url: kit.again_and_again(session, url)


def _by_queue(channel, method, _properties, body):
    if calling.done(calling.call(calling.read(body))):
        channel.basic_ack(method.delivery_tag)
    else:
        channel.basic_reject(method.delivery_tag, requeue=False)


def _by_expiration(channel, method, properties, body):
    if not calling.done(calling.call(calling.read(body))):
        properties.expiration = str(FIVE_MINUTES)
        channel.basic_publish("", "orders.later", body, properties)
    channel.basic_ack(method.delivery_tag)


declares = _session(_by_queue, to_retry=True)
expires = _session(_by_expiration, to_retry=False)
