"""What versions do with deliveries: counts, order, overdue acks. Importing it registers the measures."""

import contextlib
import time

from evaluating import evaluate
from version_lab import KINDS, got, refused, row

# --- deliveries and their counts ---------------------------------------------------------------------------


@row("limit of a quorum queue, where none is set")
def default_limit(lab):
    """Tell the limit that is in force, by the queue's own state."""
    lab.client().queue("q", "quorum")
    limit = lab.state("q").delivery_limit
    return "none" if limit is None else str(limit)


def recover(one, _tag):
    """Have the broker take back what this channel holds."""
    one.channel.basic_recover(requeue=True)
    one.channel.close()


WAYS_BACK = {
    "two `basic.nack` with requeue": lambda one, tag: one.channel.basic_nack(tag, requeue=True),
    "two `basic.reject` with requeue": lambda one, tag: one.channel.basic_reject(tag, requeue=True),
    "two `basic.recover`": recover,
    "two closed channels": lambda one, _tag: one.channel.close(),
    "two lost connections": lambda one, _tag: one.reset(),
}


def third_reading(lab, kind, give_back):
    """Return a message as it comes after it was taken and given back twice."""
    one = lab.client()
    one.queue("q", kind)
    one.publish("q", 1)
    for _ in range(2):
        other = lab.client()
        give_back(other, got(other, "q")[0].delivery_tag)
    method, properties, _ = got(one, "q")
    assert method.redelivered
    return properties.headers or {}


def delivery_count(lab, give_back):
    """Tell `x-delivery-count` of a message that came back twice."""
    return str(third_reading(lab, "quorum", give_back).get("x-delivery-count", "none"))


for way, how in WAYS_BACK.items():
    row(f"`x-delivery-count` after {way}")(lambda lab, how=how: delivery_count(lab, how))


@row("`x-acquired-count` after two `basic.nack` with requeue")
def acquired_count(lab):
    """Tell the count that 4.3 has beside the other."""
    headers = third_reading(lab, "quorum", WAYS_BACK["two `basic.nack` with requeue"])
    return str(headers.get("x-acquired-count", "none"))


@row("counts in a classic queue after two lost connections")
def classic_counts(lab):
    """Tell whether a classic queue counts at all."""
    headers = third_reading(lab, "classic", WAYS_BACK["two lost connections"])
    return ", ".join(sorted(headers)) or "none"


def returned_for_ever(lab, method, tries=30):
    """Take one message of a quorum queue and give it back, until it is gone or has been read so often."""
    one = lab.client()
    one.queue("q", "quorum")
    one.publish("q", 1)
    for seen in range(1, tries + 1):
        getattr(one.channel, method)(got(one, "q")[0].delivery_tag, requeue=True)
        one.barrier()
        if not lab.state("q").messages:
            return f"gone after {seen} readings"
    return "still there"


for settlement in ("basic_nack", "basic_reject"):
    row(f"given back 30 times by `{settlement.replace('_', '.')}`")(
        lambda lab, settlement=settlement: returned_for_ever(lab, settlement)
    )


# --- order -------------------------------------------------------------------------------------------------


def one_by_one(one, tags):
    """Give messages back, each by itself."""
    for tag in tags:
        one.channel.basic_nack(tag, requeue=True)


ORDERS = {
    "the first three given back one by one": one_by_one,
    "the same, from the last to the first": lambda one, tags: one_by_one(one, tags[::-1]),
    "the same, at once (`multiple`)": lambda one, tags: one.channel.basic_nack(tags[-1], multiple=True),
    "the same, by a lost connection": lambda one, _tags: one.reset(),
}


def order_after(lab, kind, give_back):
    """Take three of six messages, give them back, and tell in which order all six come."""
    one, other = lab.client(), lab.client()
    one.queue("q", kind)
    one.publish("q", 6)
    tags = [got(other, "q")[0].delivery_tag for _ in range(3)]
    give_back(other, tags)
    lab.await_ready("q", 6)
    return " ".join(str(int(got(one, "q")[2]) + 1) for _ in range(6))


for kind in KINDS:
    for way, how in ORDERS.items():
        row(f"{kind}: {way}")(lambda lab, kind=kind, how=how: order_after(lab, kind, how))


# --- ack time-outs -----------------------------------------------------------------------------------------

_LONG = 4.0
_SHORT = "[{consumer_timeout, 1000}, {channel_tick_interval, 300}, {quorum_tick_interval, 300}]"
_SWAP = """
[begin
    Before = application:get_env(rabbit, Name, unset),
    case Value of
        unset -> application:unset_env(rabbit, Name);
        _ -> application:set_env(rabbit, Name, Value)
    end,
    {Name, Before}
end || {Name, Value} <- %s].
"""


@contextlib.contextmanager
def short_ack_timeout(broker):
    """Have an ack time out after a second, for channels and queues made inside; half an hour is the default."""
    before = evaluate(broker, _SWAP % _SHORT)
    try:
        yield
    finally:
        evaluate(broker, _SWAP % before)


def ack_timeout(lab, kind):
    """Take a message, settle nothing, and tell what became of the subscription within four time-outs."""
    one = lab.client()
    one.queue("q", kind)
    one.publish("q", 1)
    cancelled = []
    one.channel.add_on_cancel_callback(cancelled.append)
    one.take("q", 1)
    deadline = time.monotonic() + _LONG
    while one.channel.is_open and not cancelled and time.monotonic() < deadline:
        one.connection.process_data_events(0.05)
    if one.channel.is_open and not cancelled:
        assert lab.state("q").unacknowledged == 1
        return "nothing"
    lab.await_ready("q", 1)
    return "consumer cancelled" if cancelled else refused(one.channel._closing_reason)


for kind in KINDS:

    @row(f"ack overdue, {kind} queue")
    def overdue(lab, kind=kind):
        """Tell what the broker does about it."""
        with short_ack_timeout(lab.broker):
            return ack_timeout(lab, kind)
