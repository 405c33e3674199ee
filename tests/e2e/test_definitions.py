"""A topology that somebody else keeps: its file of definitions, and delays of minutes that last seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e_kit import COUNT, finding, text, violations

from pytest_mqchaos import ChaosError, UsageError, baseline, call, consumer_crash, transient

FILE = Path(__file__).with_name("definitions.json")
both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])


@pytest.fixture
def file(tmp_path):
    """Write the ops team's file, with queues of a type."""

    def write(queue_type="classic", **more):
        path = tmp_path / "definitions.json"
        said = json.loads(FILE.read_text().replace("QUEUE_TYPE", queue_type))
        path.write_text(json.dumps(said | more))
        return path

    return write


@both
@pytest.mark.chaos(baseline(), consumer_crash(after=call(7)), settle_timeout=10.0)
def test_a_retry_of_five_minutes(scene, mqchaos, file, queue_type):
    """What failed waits in the ops team's queue for a five-thousandth of five minutes, and comes back."""
    loaded = mqchaos.definitions(file(queue_type), vhost="shop", ttl_scale=1 / 1000)
    mqchaos.dead_letters("orders.dead")
    mqchaos.http(key="order", fail=transient(2, share=0.2))
    scene.consumer("calling", "retries")
    mqchaos.publish(exchange="shop", routing_key="order.new", count=COUNT, key="order")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == COUNT
    assert loaded.queues == ("orders", "orders.retry.5m", "orders.retry.1h", "orders.dead")
    assert loaded.policies == ("dead-letters", "retry-in-five-minutes")
    assert loaded.left_out == (
        "2 users", "1 permission", "1 global parameter", "1 shovel", "vhost 'billing' (1 object)",
        "the mirrors (ha-...) of policy 'dead-letters'",
    )  # fmt: skip
    note = next(note for note in account.notes if note.startswith("definitions.json"))
    assert "message-ttl of retry-in-five-minutes from 300,000 to 300 ms" in note
    assert "x-message-ttl of orders.retry.1h from 3,600,000 to 3,600 ms" in note
    assert "policies (dead-letters, retry-in-five-minutes)" in note


@pytest.mark.chaos(baseline(), allow="*")
def test_policies_are_in_force(mqchaos, scene, file):
    """What the account says of a queue is what its policy says: without the exchange it names, a refusal is a loss."""
    said = json.loads(FILE.read_text())
    policy = said["policies"][0] | {"definition": {"dead-letter-exchange": "nowhere"}}
    mqchaos.definitions(file(policies=[policy]), vhost="shop")
    mqchaos.http(key="order", fail=transient(1, share=0.1))
    scene.consumer("calling", "gives_up")
    mqchaos.publish(exchange="shop", routing_key="order.new", count=COUNT, key="order")
    account = mqchaos.settle(timeout=5.0)
    assert violations(account) == {"lost"}, text(account)
    assert finding(account, "lost").detail == "by_policy"
    assert "bind a queue to the dead-letter exchange 'nowhere'" in finding(account, "lost").mend


@pytest.mark.chaos(baseline(), settle_timeout=10.0)
def test_overrides(mqchaos, scene, file):
    """What the test says itself is not scaled; a value can be taken away."""
    override = {
        "orders.retry.*": {"x-message-ttl": 200},
        "retry-in-*": {"message-ttl": None, "max-length": 1000},
    }
    loaded = mqchaos.definitions(file(), vhost="shop", override=override, ttl_scale=0.5)
    assert set(loaded.changed) == {
        "x-message-ttl of orders.retry.1h from 3,600,000 to 1,800,000 ms",
        "message-ttl of retry-in-five-minutes from 300,000 to 150,000 ms",
        "x-message-ttl of orders.retry.5m is 200",
        "x-message-ttl of orders.retry.1h is 200",
        "message-ttl of retry-in-five-minutes taken away",
        "max-length of retry-in-five-minutes is 1000",
    }
    mqchaos.http(key="order", fail=transient(1, share=0.2))
    scene.consumer("calling", "retries")
    mqchaos.publish(exchange="shop", routing_key="order.new", count=COUNT, key="order")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    states = {state.name: state for state in mqchaos._run.ledger.queues()}
    assert states["orders.retry.5m"].message_ttl == pytest.approx(0.2)
    assert states["orders.retry.5m"].max_length == 1000


@both
@pytest.mark.parametrize("target", ["declares", "expires"])
@pytest.mark.chaos(baseline(), consumer_crash(after=call(7)), settle_timeout=10.0)
def test_delays_that_the_consumer_says(scene, mqchaos, queue_type, target):
    """Its own queues and expirations of five minutes are scaled on its link, as `mqchaos.queue` in the test is."""
    mqchaos.http(key="order", fail=transient(1, share=0.2))
    arguments = {"x-message-ttl": 300, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"}
    mqchaos.queue("orders.retry", arguments=arguments)  # as the consumer declares it, scaled: no 406
    scene.consumer(
        "delaying", target, ttl_scale=0.001, env={"QUEUE_TYPE": queue_type}, name="worker", ready_timeout=20
    )
    mqchaos.publish("orders", count=COUNT, key="order")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    (note,) = [note for note in account.notes if note.startswith("worker: ttl_scale=0.001")]
    assert "x-message-ttl of orders.retry from 300,000 to 300 ms" in note
    assert ("expiration of 6 messages" in note) == (target == "expires"), note


@pytest.mark.chaos(baseline(), settle_timeout=10.0)
def test_delays_inside_of_tls(scene, mqchaos):
    """A link that speaks TLS scales what is inside of it."""
    mqchaos.http(key="order", fail=transient(1, share=0.2))
    scene.consumer("delaying", "declares", tls=True, ttl_scale=0.001, env={"QUEUE_TYPE": "quorum"})
    mqchaos.publish("orders", count=COUNT, key="order")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert any("x-message-ttl of orders.retry from 300,000 to 300 ms" in note for note in account.notes)


@pytest.mark.chaos(baseline(), allow="*")
def test_what_is_wrong_is_one_line(mqchaos, file, tmp_path):
    """A path, JSON, vhost, glob or policy that is wrong says so, and what there is."""
    odd = tmp_path / "odd.json"

    def error(path, written=None, **options):
        if written is not None:
            path.write_text(written)
        with pytest.raises((UsageError, ChaosError)) as caught:
            mqchaos.definitions(path, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value).replace(str(tmp_path), "")

    assert error(tmp_path / "none.json").startswith("definitions('/none.json'): there is no such file")
    assert error(tmp_path) == "definitions(''): cannot be read: Is a directory"
    assert error(odd, "{") == (
        "definitions('/odd.json'): is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
        "(char 1)"
    )
    assert "has no queues, exchanges, bindings or policies" in error(odd, "{}")
    assert error(odd, '{"queues": 3}') == "definitions('/odd.json'): its queues are no list of objects"
    assert error(odd, '{"queues": [{"vhost": "/"}]}') == "definitions('/odd.json'): queues[0] has no name"
    there = "definitions('/definitions.json')"
    assert error(file(), vhost="shp") == f"{there}: has nothing of vhost 'shp'; it has: 'shop', 'billing'"
    assert error(file()) == f"{there}: is of 2 vhosts ('shop', 'billing'): say which, vhost='shop'"
    assert error(file(), vhost="shop", override={"ordrs.*": {"x-message-ttl": 1}}) == (
        f"{there}: override: no queue matches 'ordrs.*'; there are: orders, orders.retry.5m, orders.retry.1h, "
        "orders.dead"
    )
    assert error(file(), vhost="shop", override={"orders": {"message-ttl": 1}}) == (
        f"{there}: override: no policy matches 'orders'; 'message-ttl' is a policy's, an argument of a queue is "
        "'x-message-ttl'; there are: dead-letters, retry-in-five-minutes"
    )
    assert "override=3: a dict of globs to values" in error(file(), vhost="shop", override=3)
    assert "ttl_scale=0: a factor above 0" in error(file(), vhost="shop", ttl_scale=0)
    bad = [{"vhost": "shop", "name": "p", "pattern": "^a", "definition": {"message-ttl": "soon"}}]
    assert error(file(policies=bad), vhost="shop").startswith(f"{there}: policy 'p': the broker refuses: ")
    exchange = [{"vhost": "shop", "name": "later", "type": "x-delayed-message"}]
    assert error(file(exchanges=exchange), vhost="shop").startswith(
        f"{there}: exchange 'later': the broker refuses: "
    )
    mqchaos.queue("orders")
    mqchaos.consumer(_reads, queues="orders")
    mqchaos.publish("orders", count=1)


def _reads(url):
    import pika

    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.basic_consume("orders", lambda ch, method, _p, _b: ch.basic_ack(method.delivery_tag))
    channel.start_consuming()
