"""What versions do with dead letters, channels and queues. Importing it registers the measures."""

import pika
from evaluating import evaluate
from version_lab import KINDS, got, refused, row

from pytest_mqchaos.servers.waiting import wait_for

# --- dead letters ------------------------------------------------------------------------------------------


@row("`count` in `x-death`, published again with its headers by the consumer, thrice")
def x_death_published_again(lab):
    """Tell the counts of a message that is rejected, and comes back by a publish of its dead letter."""
    one = lab.client()
    one.queue("dead", "classic")
    one.queue("q", "classic", dead_letter_exchange="", dead_letter_routing_key="dead")
    one.publish("q", 1)
    counts = []
    for _ in range(3):
        one.channel.basic_reject(got(one, "q")[0].delivery_tag, requeue=False)
        method, properties, body = got(one, "dead")
        counts.append(str(properties.headers["x-death"][0]["count"]))
        one.channel.basic_publish("", "q", body, pika.BasicProperties(headers=properties.headers))
        one.channel.basic_ack(method.delivery_tag)
    return " ".join(counts)


@row("the same, sent round by the broker (a queue with a TTL)")
def x_death_round(lab):
    """Tell the counts of a message that is rejected, waits, and comes back by its dead letter's own TTL."""
    one = lab.client()
    one.queue("wait", "classic", dead_letter_exchange="", dead_letter_routing_key="q", message_ttl=10)
    one.queue("q", "classic", dead_letter_exchange="", dead_letter_routing_key="wait")
    one.publish("q", 1)
    counts = []
    for _ in range(4):
        method, properties, _ = got(one, "q")
        deaths = (properties.headers or {}).get("x-death", [])
        counts += [str(int(death["count"])) for death in deaths if death["queue"] == "q"]
        one.channel.basic_reject(method.delivery_tag, requeue=False)
    return " ".join(counts)


def dead_letters_nowhere(lab, kind, **arguments):
    """Reject three messages whose dead letters no queue takes, and tell where they are."""
    one = lab.client()
    one.queue("q", kind, dead_letter_exchange="", dead_letter_routing_key="nowhere", **arguments)
    one.publish("q", 3)
    one.take("q", 3)
    one.settle("basic_reject", requeue=False)
    one.barrier()
    state = lab.state("q")
    assert state.exact
    assert state.messages == state.transit
    return "in transit" if state.transit == 3 else "gone" if state.transit == 0 else str(state)


NOWHERE = {
    "no target, classic": ("classic", {}),
    "no target, quorum": ("quorum", {}),
    "no target, quorum, `at-least-once` and `overflow=reject-publish`": (
        "quorum",
        {"dead_letter_strategy": "at-least-once", "overflow": "reject-publish"},
    ),
    "no target, quorum, `at-least-once` alone": ("quorum", {"dead_letter_strategy": "at-least-once"}),
}
for name, (kind, arguments) in NOWHERE.items():
    row(name)(lambda lab, kind=kind, arguments=arguments: dead_letters_nowhere(lab, kind, **arguments))


def first_reading(lab, source, target):
    """Tell how a dead letter looks to its first reader."""
    one = lab.client()
    one.queue("dead", target)
    one.queue("q", source, dead_letter_exchange="", dead_letter_routing_key="dead")
    one.publish("q", 1)
    one.channel.basic_reject(got(one, "q")[0].delivery_tag, requeue=False)
    return "redelivered" if got(one, "dead")[0].redelivered else "new"


for source in KINDS:
    for target in KINDS:
        row(f"first reading of a dead letter, {source} to {target}")(
            lambda lab, source=source, target=target: first_reading(lab, source, target)
        )


# --- channels, queues, the rest ----------------------------------------------------------------------------


def shared_prefetch(lab, kind):
    """Tell what a prefetch of 3 for the whole channel allows two consumers of it."""
    one = lab.client()
    one.queue("q", kind)
    one.publish("q", 9)
    came = []
    try:
        one.channel.basic_qos(prefetch_count=3, global_qos=True)
        for _ in range(2):
            one.channel.basic_consume("q", lambda *_: came.append(1))
        one.barrier()
    except pika.exceptions.AMQPError as error:
        return refused(error)
    in_hand = lab.state("q").unacknowledged
    wait_for(
        f"{in_hand} deliveries",
        lambda: (
            one.connection.process_data_events(0.05) or (None if len(came) == in_hand else str(len(came)))
        ),
        timeout=5,
    )
    return {3: "3 for both", 6: "3 for each"}.get(in_hand, str(in_hand))


for kind in KINDS:
    row(f"prefetch of 3 with `global`, two consumers, {kind}")(
        lambda lab, kind=kind: shared_prefetch(lab, kind)
    )


@row("transient queue that is not exclusive")
def transient_queue(lab):
    """Tell whether it can be declared."""
    one = lab.client()
    try:
        one.channel.queue_declare("q", durable=False)
    except pika.exceptions.AMQPError as error:
        return refused(error)
    return "allowed" if not lab.state("q").durable else "durable"


@row("metadata store")
def metadata_store(lab):
    """Tell where the broker keeps its queues and bindings."""
    khepri = evaluate(lab.broker, "rabbit_feature_flags:is_enabled(khepri_db).")
    return {"true": "Khepri", "false": "Mnesia"}[khepri]


@row("body of 16 MiB and one byte")
def large_body(lab):
    """Tell whether it is taken, where one of 16 MiB is."""
    one = lab.client()
    one.queue("q", "classic")
    one.channel.basic_publish("", "q", bytes(16 * 2**20))
    try:
        one.channel.basic_publish("", "q", bytes(16 * 2**20 + 1))
    except pika.exceptions.AMQPError as error:
        return refused(error)
    assert lab.state("q").ready == 2
    return "taken"


@row("`basic.get` from a quorum queue with a single active consumer")
def get_refused(lab):
    """Tell whether what rests there can be looked at."""
    one = lab.client()
    one.queue("q", "quorum", single_active_consumer=True)
    try:
        one.channel.basic_get("q")
    except pika.exceptions.AMQPError as error:
        return refused(error)
    return "allowed"


def at_once(lab, kind):
    """Take half of what was published, and tell what the census says of it in that moment."""
    one = lab.client()
    one.queue("q", kind)
    one.publish("q", 20)
    one.take("q", 10, prefetch=10)
    state = lab.state("q")
    return f"{state.ready} + {state.unacknowledged}, {'exact' if state.exact else 'not exact'}"


for kind in KINDS:
    row(f"census of 10 ready and 10 in hand, {kind}")(lambda lab, kind=kind: at_once(lab, kind))


@row("stream of five, read and acknowledged")
def stream(lab):
    """Tell what comes of a stream, and what the census makes of it."""
    one = lab.client()
    one.queue("s", "stream")
    one.publish("s", 5)
    one.channel.basic_qos(prefetch_count=10)
    came = []

    def read(channel, method, _properties, body):
        came.append(int(body))
        channel.basic_ack(method.delivery_tag)

    one.channel.basic_consume("s", read, arguments={"x-stream-offset": "first"})
    wait_for(
        "what the stream holds",
        lambda: one.connection.process_data_events(0.05) or (None if len(came) == 5 else str(came)),
        timeout=10,
    )
    one.barrier()
    assert came == [0, 1, 2, 3, 4]
    return f"all read, {'exact' if lab.state('s').exact else 'not exact'}"
