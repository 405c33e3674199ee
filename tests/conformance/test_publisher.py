"""The publisher on a real broker: fast, exact about what became of each message, and alive through faults."""

import contextlib
import logging
import struct
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pika
import pytest
from relays import Relay

from pytest_mqchaos.brokers.rabbitmq.publisher import Publisher
from pytest_mqchaos.experiment.workload.plan import plan
from pytest_mqchaos.model.events import PublishFailed
from pytest_mqchaos.model.faults import poison_message, repeated_publish
from pytest_mqchaos.model.history import History


@pytest.fixture
def url(broker, namespace):
    """Return the address of the test's namespace."""
    return broker.url(namespace)


@pytest.fixture
def channel(url):
    """Return a channel of a plain client, with a durable queue `q`."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare("q", durable=True)
    yield channel
    with contextlib.suppress(pika.exceptions.AMQPError):
        connection.close()


@pytest.fixture
def relay(broker):
    """Return a function that makes a relay in front of the broker."""
    made = []

    def make(**options):
        made.append(Relay(broker.host, broker.port, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def publish(url):
    """Return a function that starts a publisher; it is closed at the end, and has left no thread then."""
    made = []

    def start(count=100, *, relay=None, options=None, url=url, **workload):
        workload = {"queue": "q", **workload} if "exchange" not in workload else workload
        history = History("k3f9")
        address = url if relay is None else url.replace(f":{urlsplit(url).port}", f":{relay.port}")
        work = plan(run="k3f9", seed=1, count=count, **workload)
        publisher = Publisher(address, work, history, **{"patience": 5.0, **(options or {})})
        publisher.history = history
        made.append(publisher)
        publisher.start()
        return publisher

    yield start
    for one in made:
        one.close()
    assert not [
        thread.name for thread in threading.enumerate() if thread.name.startswith("mqchaos publisher")
    ]


def ended(publisher, timeout=20.0):
    """Wait for a publisher, and return how many messages had which outcome."""
    assert publisher.wait(timeout), publisher.progress()
    return Counter(publisher.outcomes.values())


def until(fact, timeout=10.0):
    """Wait for a fact."""
    deadline = time.monotonic() + timeout
    while not fact():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


def held(channel, queue="q"):
    """Take all messages out of a queue and return their numbers."""
    numbers = []
    while True:
        _method, properties, _body = channel.basic_get(queue, auto_ack=True)
        if properties is None:
            return numbers
        numbers.append(int(properties.headers["x-mqchaos-id"][-6:]))


def numbered(publisher, outcome):
    """Return the numbers of the messages with this outcome."""
    return {int(name[-6:]) for name, each in publisher.outcomes.items() if each == outcome}


def failures(publisher):
    """Return the events that the publisher wrote."""
    events = publisher.history.snapshot()
    assert all(isinstance(event, PublishFailed) for event in events)
    return events


def test_all_confirmed_in_order(publish, channel):
    """Every message is in the queue once, in order, and known as confirmed; nothing else is in the history."""
    publisher = publish(1000)
    assert ended(publisher) == {"confirmed": 1000}
    assert publisher.error is None
    assert held(channel) == list(range(1, 1001))
    assert failures(publisher) == ()


def test_what_arrives(publish, channel):
    """Body, headers, properties and delivery mode are those of the plan."""
    headers = {
        "n": 1,
        "big": 2**40,
        "text": "größe",
        "list": [1, "x", None, True],
        "deep": {"a": b"\x00\xff"},
    }
    properties = {
        "content_type": "text/x",
        "priority": 3,
        "expiration": 60_000,
        "timestamp": 5,
        "message_id": "own",
    }
    ended(publish(1, body="größe", headers=headers, properties=properties, persistent=False))
    _method, got, body = channel.basic_get("q", auto_ack=True)
    assert body == "größe".encode()
    assert got.headers == {**headers, "x-mqchaos-id": "q-k3f9-000001"}
    assert (got.content_type, got.priority, got.expiration, got.timestamp) == ("text/x", 3, "60000", 5)
    assert (got.message_id, got.delivery_mode) == ("own", 1)
    ended(publish(1))
    _method, got, body = channel.basic_get("q", auto_ack=True)
    assert (got.message_id, got.delivery_mode, got.content_type) == ("q-k3f9-000001", 2, "application/json")


def test_empty_and_large_bodies(publish, channel):
    """No bytes at all, and more than a frame holds."""
    publisher = publish(3, body=lambda n, rng: b"x" * (n * 300_000), faults=[poison_message(b"")])
    assert ended(publisher) == {"confirmed": 4}
    sizes = [len(channel.basic_get("q", auto_ack=True)[2]) for _ in range(4)]
    assert sorted(sizes) == [0, 300_000, 600_000, 900_000]


def test_sent_twice(publish, channel):
    """What a plan repeats is in the queue twice, the same both times; known once, as confirmed or returned."""
    repeats = {"faults": [repeated_publish(share=0.25)], "properties": {"correlation_id": "c"}}
    publisher = publish(200, **repeats)
    assert ended(publisher) == {"confirmed": 200}
    assert publisher.progress() == "200 confirmed"
    found = {}
    for _ in range(250):
        _method, got, body = channel.basic_get("q", auto_ack=True)
        found.setdefault(got.message_id, []).append((got.headers, got.correlation_id, body))
    assert Counter(map(len, found.values())) == {1: 150, 2: 50}
    assert all(one == same for one, *others in found.values() for same in others)
    assert failures(publisher) == ()
    assert ended(publish(20, queue="nobody", **repeats)) == {"returned": 20}


def test_through_an_exchange(publish, channel):
    """The routing key leads; what no binding takes comes back."""
    channel.exchange_declare("events", "topic")
    channel.queue_bind("q", "events", "a.*")
    assert ended(publish(5, exchange="events", routing_key="a.b")) == {"confirmed": 5}
    assert ended(publish(5, exchange="events", routing_key="b.b")) == {"returned": 5}
    assert len(held(channel)) == 5


def test_returned(publish, channel):
    """Without a queue a mandatory message comes back, and that beats its confirm; another is confirmed."""
    assert ended(publish(300, queue="nobody")) == {"returned": 300}
    assert ended(publish(300, queue="nobody", mandatory=False)) == {"confirmed": 300}


def test_nacked(publish, channel):
    """What a full queue refuses is known as nacked, and as not there."""
    channel.queue_declare("full", arguments={"x-max-length": 5, "x-overflow": "reject-publish"})
    publisher = publish(100, queue="full")
    counts = ended(publisher)
    assert counts["nacked"] + counts["confirmed"] == 100
    assert held(channel, "full") == sorted(numbered(publisher, "confirmed"))


@pytest.mark.parametrize("count", [1, 100, 3000])
def test_without_confirms(publish, channel, count):
    """It has ended once the broker has processed all of them."""
    publisher = publish(count, confirm=False)
    assert ended(publisher) == {"sent": count}
    assert held(channel) == list(range(1, count + 1))


def test_without_confirms_returned(publish, channel):
    """What comes back is known without confirms too."""
    assert ended(publish(100, queue="nobody", confirm=False)) == {"returned": 100}


@pytest.mark.parametrize("confirm", [True, False])
def test_a_cut_in_the_middle(publish, channel, relay, confirm):
    """It goes on with the next message that was not sent, and repeats none."""
    between = relay(cut_at=(30_000, 3_000, 60_000))
    publisher = publish(2000, relay=between, confirm=confirm)
    counts = ended(publisher)
    there = held(channel)
    assert publisher.error is None
    assert between.connections == 4
    assert there == sorted(set(there))
    known = {
        int(name[-6:]) for name, outcome in publisher.outcomes.items() if outcome in ("confirmed", "sent")
    }
    unknown = {int(name[-6:]) for name, outcome in publisher.outcomes.items() if outcome == "indeterminate"}
    assert known <= set(there) <= known | unknown
    assert len(known | unknown) == 2000
    assert 0 < counts["indeterminate"] <= 3 * 2000 // 16
    assert failures(publisher) == ()


@pytest.mark.parametrize("reset", [False, True])
def test_lost_confirms_are_indeterminate(publish, channel, relay, reset):
    """Messages that arrived, and whose confirms did not, are not sent again."""
    between = relay()
    publisher = publish(40, relay=between, rate=200.0)
    until(lambda: len(publisher.outcomes) >= 5)
    between.mute()
    until(
        lambda: channel.queue_declare("q", passive=True).method.message_count >= len(publisher.outcomes) + 4
    )
    between.cut(reset=reset)
    counts = ended(publisher)
    there = held(channel)
    numbers = {outcome: numbered(publisher, outcome) for outcome in counts}
    assert publisher.error is None
    assert counts["confirmed"] + counts["indeterminate"] == 40
    assert there == sorted(set(there))
    assert numbers["confirmed"] <= set(there)
    assert len(numbers["indeterminate"] & set(there)) >= 4


def test_few_are_lost_from_sight(publish, relay, channel):
    """A small workload stays mostly judgeable though the publisher's connection is cut early in it."""
    publisher = publish(100, relay=relay(cut_at=(2_000,)))
    counts = ended(publisher)
    assert 1 <= counts["indeterminate"] <= 8
    assert counts["confirmed"] == 100 - counts["indeterminate"]


def test_refused_for_a_while(publish, channel, relay):
    """It tries again until it is let in."""
    between = relay()
    publisher = publish(100, relay=between, rate=500.0)
    until(lambda: len(publisher.outcomes) >= 10)
    between.refuse()
    time.sleep(0.4)  # the outage itself
    assert not publisher.done
    between.accept()
    counts = ended(publisher)
    assert counts["confirmed"] + counts["indeterminate"] == 100
    assert publisher.error is None


def test_refused_for_good(publish, channel, relay):
    """After the patience it gives up in one line, and says of each message not sent that it failed."""
    between = relay()
    publisher = publish(500, relay=between, rate=500.0, options={"patience": 0.5})
    until(lambda: len(publisher.outcomes) >= 10)
    between.refuse()
    counts = ended(publisher, 5.0)
    assert str(publisher.error).startswith("publish() to queue 'q' got no further for ")
    assert "connection refused" in str(publisher.error)
    assert len(failures(publisher)) == counts["failed"] > 300
    assert {event.message for event in failures(publisher)} == {
        name for name, outcome in publisher.outcomes.items() if outcome == "failed"
    }


@pytest.mark.parametrize(("trouble", "over"), [("refuse", "accept"), ("mute", "cut")])
def test_an_outage_of_our_own_is_no_time_without_progress(publish, channel, relay, trouble, over):
    """How long a fault keeps the broker away is the test's choice: the patience begins when it is over."""
    between, lasts = relay(), threading.Event()
    options = {"patience": 0.5, "outage": lasts.is_set}
    publisher = publish(200, relay=between, rate=500.0, options=options)
    until(lambda: len(publisher.outcomes) >= 10)
    lasts.set()
    getattr(between, trouble)()
    assert not publisher.wait(1.5)
    assert publisher.error is None
    getattr(between, over)()
    lasts.clear()
    counts = ended(publisher, 5.0)
    assert publisher.error is None
    assert counts["confirmed"] >= 150


def test_nobody_answers(publish, channel, relay):
    """A server that accepts and is silent is given up after the patience."""
    publisher = publish(10, relay=relay(answers=False), options={"patience": 0.5})
    assert ended(publisher, 5.0) == {"failed": 10}
    assert "no answer while connecting; 10 not sent" in str(publisher.error)


def test_no_confirm_ever(publish, channel, relay):
    """A broker that stops confirming is given up after the patience, with what was unanswered."""
    between = relay()
    publisher = publish(100, relay=between, rate=100.0, options={"patience": 0.7})
    until(lambda: len(publisher.outcomes) >= 5)
    between.mute()
    counts = ended(publisher, 5.0)
    assert "got no further for 1 s: no answer to" in str(publisher.error)
    assert counts["confirmed"] >= 5
    assert counts["indeterminate"] >= 1


def test_a_broker_restart(publish, channel, broker):
    """A clean stop and start in the middle: it goes on afterwards."""
    publisher = publish(600, rate=300.0, options={"patience": 20.0})
    until(lambda: len(publisher.outcomes) >= 30)
    broker.restart()
    counts = ended(publisher)
    assert counts["confirmed"] + counts["indeterminate"] == 600
    assert counts["confirmed"] >= 500
    assert publisher.error is None


@pytest.mark.parametrize("lifted", [True, False])
def test_a_blocked_connection(publish, channel, relay, lifted):
    """While the broker blocks publishers nothing is sent; it goes on after, or gives up and says why."""
    between = relay()
    publisher = publish(200, relay=between, rate=200.0, options={"patience": 0.6})
    until(lambda: len(publisher.outcomes) >= 5)
    between.say(connection_method(60, b"\x0alow memory"))
    time.sleep(0.2)  # the blockade itself
    sent = len(publisher.outcomes)
    time.sleep(0.1)
    assert len(publisher.outcomes) == sent
    if lifted:
        between.say(connection_method(61))
        assert ended(publisher) == {"confirmed": 200}
    else:
        ended(publisher, 5.0)
        assert "the broker blocks publishers: low memory" in str(publisher.error)


def connection_method(number, arguments=b""):
    """Return the frame of a method of class connection."""
    payload = struct.pack(">HH", 10, number) + arguments
    return struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce"


def test_a_queue_that_comes_later(publish, channel, broker, namespace):
    """It waits for the queue before its first publish."""
    options = {"target_ready": lambda: broker.exists(namespace, "late")}
    publisher = publish(10, queue="late", options=options)
    assert not publisher.wait(0.3)
    assert publisher.progress() == "10 not sent"
    channel.queue_declare("late")
    assert ended(publisher) == {"confirmed": 10}


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (
            {"queue": "never"},
            "publish(): there is no queue 'never' after 0.2 s: declare it with mqchaos.queue('never'), "
            "or start the consumer that declares it first",
        ),
        (
            {"exchange": "never"},
            "publish(): no queue is bound to exchange 'never' after 0.2 s: bind one with "
            "mqchaos.queue(..., exchange='never'), or start the consumer that does it first",
        ),
    ],
)
def test_a_target_that_never_comes(publish, target, line):
    """The error names both mends, and no message is unaccounted for."""
    publisher = publish(10, **target, options={"target_ready": lambda: False, "appear_timeout": 0.2})
    assert ended(publisher, 5.0) == {"failed": 10}
    assert str(publisher.error) == line
    assert {event.reason for event in failures(publisher)} == {line}


@pytest.mark.parametrize("again", [True, False])
def test_an_exchange_that_vanishes(publish, channel, again):
    """It waits for the exchange to come back, and else says that it is gone."""
    channel.exchange_declare("events", "fanout")
    channel.queue_bind("q", "events")
    there = threading.Event()
    there.set()
    options = {"target_ready": there.is_set, "appear_timeout": 10.0 if again else 0.3}
    publisher = publish(400, exchange="events", rate=400.0, options=options)
    until(lambda: len(publisher.outcomes) >= 20)
    there.clear()
    channel.exchange_delete("events")
    time.sleep(0.1)  # some messages meet nothing
    if again:
        channel.exchange_declare("events", "fanout")
        channel.queue_bind("q", "events")
        there.set()
        counts = ended(publisher)
        assert counts["confirmed"] + counts["indeterminate"] == 400
        assert publisher.error is None
    else:
        assert ended(publisher, 5.0)["failed"] > 300
        line = "publish(): exchange 'events' is gone, and not back after 0.3 s: 404 NOT_FOUND - no exchange 'events'"
        assert str(publisher.error).startswith(line)


@pytest.mark.parametrize("confirm", [True, False])
def test_a_message_that_the_broker_refuses(publish, channel, confirm):
    """A channel closed for what was sent is the test's mistake: one line with the broker's words."""
    counts = ended(publish(20, properties={"user_id": "somebody else"}, confirm=confirm))
    publisher = publish(1, properties={"user_id": "somebody else"}, confirm=confirm)
    ended(publisher)
    assert counts["indeterminate"] >= 1
    assert counts["failed"] == 20 - counts["indeterminate"]
    assert str(publisher.error).startswith(
        "publish() to queue 'q': the broker refuses: 406 PRECONDITION_FAILED - user_id property set to 'somebody else'"
    )


def test_a_body_that_is_too_large(publish, channel, broker):
    """It is confirmed where the broker takes it, and elsewhere an error that names both sizes."""
    publisher = publish(count=1, body=bytes(16 * 2**20 + 1))
    if broker.version.startswith("3."):
        assert ended(publisher) == {"confirmed": 1}
        return
    assert publisher.wait(20)
    refusal = "message size 16777217 is larger than configured max size 16777216"
    assert refusal in str(publisher.error)
    assert channel.queue_declare("q", passive=True).method.message_count == 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [("password", "403 ACCESS_REFUSED - Login was refused"), ("namespace", "530 NOT_ALLOWED - ")],
)
def test_no_access(publish, url, wrong, words):
    """A wrong login is no passing trouble: one line at once, without the password."""
    parts = urlsplit(url)
    old, new = (f":{parts.password}@", ":s3cr3t@") if wrong == "password" else (parts.path, "/nowhere")
    bad = url.replace(old, new)
    publisher = publish(10, url=bad, options={"patience": 30.0})
    assert ended(publisher, 5.0) == {"failed": 10}
    text = str(publisher.error)
    assert text.startswith(f"publish() to queue 'q': the broker refuses: {words}")
    assert "s3cr3t" not in text
    assert "\n" not in text


def test_a_rate(publish, channel):
    """Constant arrivals are on time over the whole, however fine the grid."""
    started = time.monotonic()
    ended(publish(100, rate=200.0))
    took = time.monotonic() - started
    assert 0.49 < took < 1.5


def test_close_in_the_middle(publish, channel):
    """It ends soon, what was not sent is known as such, and a second close is nothing."""
    publisher = publish(1000, rate=100.0)
    until(lambda: len(publisher.outcomes) >= 5)
    started = time.monotonic()
    publisher.close()
    publisher.close()
    assert time.monotonic() - started < 2.0
    counts = Counter(publisher.outcomes.values())
    assert publisher.done
    assert publisher.error is None
    assert sum(counts.values()) == 1000
    assert len(failures(publisher)) == counts["failed"] > 900


@pytest.mark.parametrize("stage", ["waiting", "connecting", "never started"])
def test_close_before_it_began(publish, url, relay, stage):
    """Close is bounded at every stage."""
    started = time.monotonic()
    if stage == "never started":
        publisher = Publisher(url, plan(run="k3f9", seed=1, queue="q", count=5), History("k3f9"))
    elif stage == "waiting":
        publisher = publish(5, options={"target_ready": lambda: False})
    else:
        publisher = publish(5, relay=relay(answers=False))
        time.sleep(0.1)  # it is in the middle of the handshake
    publisher.close()
    assert publisher.done
    assert time.monotonic() - started < 2.0


def test_nothing_is_left_open(publish, channel, relay):
    """Neither descriptors nor threads outlive it, however often it connected."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    publisher = publish(300, relay=(between := relay(cut_at=(3_000, 4_000, 5_000, 6_000))))
    ended(publisher)
    publisher.close()
    between.close()
    until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)


def test_it_is_silent(publish, channel, relay, caplog):
    """Faults that it causes itself are no lines in the user's log; the user's own pika is heard as ever."""
    caplog.set_level(logging.INFO)
    between = relay(cut_at=(3_000, 4_000))
    ended(publish(300, relay=between))
    between.refuse()
    ended(publish(5, relay=between, options={"patience": 0.3}))
    assert [record.getMessage() for record in caplog.records if record.name.startswith("pika")] == []
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", between.port))
    assert [record for record in caplog.records if record.name.startswith("pika")]


def test_two_at_once(publish, channel):
    """Two publications do not wait for each other."""
    channel.queue_declare("r")
    slow = publish(200, rate=200.0)
    fast = publish(200, queue="r")
    assert ended(fast) == {"confirmed": 200}
    assert not slow.done
    assert ended(slow) == {"confirmed": 200}
