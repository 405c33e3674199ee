"""Each fault is what the contract calls it, for the client that feels it, and strikes where it says."""

import json
import os
import subprocess
import sys
import textwrap
import time

import pika
import pytest
from consumers import correct, wrong
from e2e_kit import HERE, numbers, order, text

from pytest_mqchaos import (
    ChaosError,
    DeliveryError,
    UsageError,
    ack,
    baseline,
    broker_restart,
    combine,
    confirm,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_terminate,
    delivery,
    effect,
    lost_ack,
    malformed_payload,
    nack,
    publish,
    refuse,
    seconds,
)
from pytest_mqchaos.model import events as facts

COUNT = 20
QUICK = {"WORK": 0.005}
ALL = list(range(1, COUNT + 1))


both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])


@pytest.fixture
def queue_type():
    """The type of the queue, where a test does not say."""
    return "classic"


@pytest.fixture
def orders(scene, mqchaos, queue_type):
    """A correct consumer of a queue, and the orders for it."""
    scene.queue(queue_type, dead_letter="orders.dead")

    def start(consumer=correct.ack_after_work, env=None, **options):
        started = scene.forked(consumer, env={**QUICK, **(env or {})}, **options)
        scene.publish(count=COUNT)
        return started

    return start


def struck(account, how_many=1):
    """Return the faults that fired, and assert how many."""
    fired = [fault for fault in account.faults if fault.fired]
    assert len(fired) == how_many, account.faults
    return fired


def in_queue(url):
    """Return the numbers of the messages that `orders` really holds, and take them out."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        taken = iter(lambda: channel.basic_get("orders", auto_ack=True), (None, None, None))
        return numbers(properties.message_id for _, properties, _ in taken)


@pytest.mark.chaos(connection_drop(after=delivery(5)), connection_drop(before=ack(5)))
def test_drop_is_an_end_of_stream(scene, mqchaos, orders):
    """A drop is a FIN: the client reads the end of the stream, once, and may reconnect at once."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    (lost,) = scene.diary("lost")
    assert "EOF" in lost or "end of" in lost.lower(), lost
    assert "ECONNRESET" not in lost
    assert "ConnectionResetError" not in lost
    assert len(scene.diary("connected")) == 2
    struck(account)


@pytest.mark.chaos(connection_reset(after=delivery(5)), connection_reset(before=ack(5)))
def test_reset_is_a_reset(scene, mqchaos, orders):
    """A reset is an RST."""
    orders()
    assert mqchaos.settle().verdict == "pass"
    (lost,) = scene.diary("lost")
    assert "ConnectionResetError" in lost or "ECONNRESET" in lost, lost
    assert len(scene.diary("connected")) == 2


@pytest.mark.chaos(baseline())
def test_reset_of_an_idle_connection(scene, mqchaos, orders):
    """A reset by hand is felt at once where nothing is on its way."""
    orders()
    mqchaos.wait(ack(COUNT))
    time.sleep(0.2)
    assert scene.diary("lost") == []
    start = time.monotonic()
    mqchaos.inject(connection_reset())
    while not scene.diary("lost") and time.monotonic() - start < 3:
        time.sleep(0.01)
    assert time.monotonic() - start < 1
    (lost,) = scene.diary("lost")
    assert "ConnectionResetError" in lost or "ECONNRESET" in lost, lost
    scene.publish(count=3)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


@pytest.mark.chaos(refuse(after=delivery(5), duration=0.6))
def test_refuse_refuses(scene, mqchaos, orders):
    """The connection is cut, and new ones are refused until the end."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    lost = scene.diary("lost")
    assert len(lost) >= 3, lost
    assert all("AMQPConnection" in error or "ConnectionRefused" in error for error in lost[1:]), lost
    assert len(scene.diary("connected")) == 2


@pytest.mark.chaos(broker_restart(after=delivery(5)))
def test_restart_says_goodbye(scene, mqchaos, orders):
    """A restart is a clean stop: 320 from the broker, then refused, then the same address."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    lost = scene.diary("lost")
    assert "320" in lost[0], lost
    assert not any("ConnectionReset" in error for error in lost[1:]), lost
    assert len(scene.diary("connected")) == 2


@pytest.mark.chaos(
    consumer_crash(after=delivery(5)), consumer_crash(before=ack(5)), consumer_crash(after=effect(5))
)
def test_crash_starts_it_again(scene, mqchaos, orders):
    """A crash ends the process, and the policy on-fault starts it again on the same address."""
    consumer = orders()
    (before,) = consumer.pids
    link = consumer.link.url
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert scene.diary("lost") == []
    assert len(scene.diary("connected")) == 2
    assert consumer.pids
    assert consumer.pids != [before]
    assert consumer.link.url == link


@pytest.mark.parametrize("prefetch", [1, 4, 30])
@both
@pytest.mark.chaos(consumer_crash(before=ack(5)), allow="*", settle_timeout=1)
def test_crash_without_a_restart(scene, mqchaos, orders, queue_type, prefetch):
    """With restart="never" it stays down, and the rest is stalled: exactly what it had not acknowledged."""
    consumer = orders(restart="never", env={"PREFETCH": prefetch})
    account = mqchaos.settle()
    assert numbers(account.stalled) == list(range(5, COUNT + 1)), text(account)
    assert numbers(account.stalled) == in_queue(mqchaos.url)
    assert not account.lost, text(account)
    assert not consumer.pids
    assert len(scene.diary("connected")) == 1


@both
@pytest.mark.chaos(
    connection_drop(after=delivery(9)),
    connection_reset(after=delivery(9)),
    connection_reset(before=ack(9)),
    consumer_crash(after=delivery(9)),
    allow="*",
    settle_timeout=1,
)
def test_stalled_after_a_cut(scene, mqchaos, orders, queue_type):
    """What a consumer had acknowledged when it was cut for good is stalled only where its ack was eaten."""
    orders(wrong.ends_after_loss, restart="never")
    account = mqchaos.settle()
    assert not account.lost, text(account)
    (stalled,) = [each for each in account.findings if each.kind == "stalled"]
    assert len(stalled.messages) == stalled.count, text(account)
    assert numbers(account.stalled) == in_queue(mqchaos.url), text(account)


@pytest.mark.chaos(consumer_terminate(after=delivery(5)))
def test_terminate_lets_it_drain(scene, mqchaos, orders):
    """A SIGTERM lets the consumer end by itself; it is started again."""
    orders(correct.drains)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(scene.diary("drained")) == 1
    assert len(scene.diary("connected")) == 2


@pytest.mark.chaos(lost_ack(before=ack(5)), lost_ack(after=ack(4)))
def test_lost_ack_comes_back(scene, mqchaos, orders):
    """The swallowed ack's message, and no earlier one, is delivered again."""
    orders(env={"PREFETCH": 1})
    account = mqchaos.settle()
    assert numbers(account.redelivered) == [5], text(account)
    assert numbers(account.duplicated) == [5], text(account)
    (lost,) = scene.diary("lost")
    assert "ConnectionReset" in lost or "ECONNRESET" in lost, lost


@pytest.mark.chaos(
    combine(connection_drop(after=delivery(4)), consumer_crash(before=ack(9)), name="cut_then_kill")
)
def test_combination(scene, mqchaos, orders, request):
    """Both parts of a combination strike, and its name is the scenario's."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert "cut_then_kill" in request.node.name
    assert {fault.kind for fault in struck(account, 2)} == {"connection_drop", "consumer_crash"}
    assert len(scene.diary("connected")) == 3


@pytest.mark.chaos(combine(malformed_payload(share=0.5), connection_drop(after=delivery(message=7))))
def test_a_message_by_its_place(scene, mqchaos, orders):
    """`message=7` is the seventh that was published, whatever its number is: poison stands between."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    drop = struck(account, 2)[1]
    published = [event.message for event in mqchaos.history if isinstance(event, facts.Published)]
    assert drop.message == published[6]
    assert numbers(published[:7]) != list(range(1, 8))


@pytest.mark.chaos(malformed_payload(share=0.2))
def test_waiting_for_one_message(scene, mqchaos, orders):
    """A wait for a settlement of one message, from one queue; and what is past is no moment for a fault."""
    orders(env={"WORK": 0.02})
    planned = list(mqchaos.history.messages.values())
    third = next(place for place, message in enumerate(planned, 1) if place > 2 and not message.poison)
    mqchaos.wait(ack(message=third, queue="orders"))
    mqchaos.wait(ack(5, queue="orders"))
    with pytest.raises(ChaosError, match=r"queue='audit'\)\): not within 0.2 s, 0 so far$"):
        mqchaos.wait(ack(message=third, queue="audit"), timeout=0.2)
    with pytest.raises(UsageError, match=rf"ack\(message={third}, queue='orders'\) has already happened$"):
        mqchaos.inject(connection_drop(after=ack(message=third, queue="orders")))
    mqchaos.inject(connection_drop(before=ack(message=len(planned) + 5, queue="orders")))
    late = mqchaos.publish("orders", count=5, body=order).ids[4]
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert struck(account, 2)[1].message == late


@pytest.mark.chaos(baseline())
def test_by_hand(scene, mqchaos, orders):
    """Faults by hand: armed for a moment, fired, and healed by leaving the block."""
    orders(env={"WORK": 0.02})
    handle = mqchaos.inject(connection_drop(after=ack(4)))
    mqchaos.wait(ack(6))
    assert handle.fired
    with mqchaos.inject(refuse(duration=30)) as refused:
        assert refused.fired
        before = len(scene.diary("connected"))
        time.sleep(0.3)
        assert len(scene.diary("connected")) == before
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert account.timings
    assert len(scene.diary("connected")) == 3
    struck(account, 2)


@pytest.mark.xfail(
    raises=DeliveryError, reason="a fault that never struck fails the test: that is what is tested"
)
@pytest.mark.chaos(baseline())
def test_a_block_left_before_its_moment(scene, mqchaos, orders):
    """What was armed for a block and did not strike in it strikes no more, and the run says that it proves nothing."""
    orders(env={"WORK": 0.01})
    with mqchaos.inject(connection_drop(after=ack(COUNT))) as handle:
        mqchaos.wait(ack(5))
    account = mqchaos.settle()
    assert not handle.fired
    assert len(scene.diary("connected")) == 1
    assert [finding.kind for finding in account.findings] == ["vacuous"], text(account)
    assert account.verdict == "unknown"


@pytest.mark.xfail(raises=DeliveryError, reason="as above")
@pytest.mark.chaos(baseline())
def test_a_payload_fault_whose_block_is_left(scene, mqchaos, orders):
    """What was published behind its block is not spoilt."""
    with mqchaos.inject(malformed_payload()):
        pass
    orders()
    account = mqchaos.settle()
    assert numbers(account.published) == ALL
    assert [finding.kind for finding in account.findings] == ["vacuous"], text(account)


@pytest.mark.chaos(consumer_crash(after=delivery(3, delay=0.3)))
def test_delay(scene, mqchaos, orders):
    """A delayed fault strikes that much later, and the stream flows on."""
    orders(env={"WORK": 0.05, "PREFETCH": 1})
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(scene.diary("connected")) == 2
    begun = numbers(scene.diary("begin"))
    again = [n for n in set(begun) if begun.count(n) == 2]
    assert all(5 <= n <= 12 for n in again), again


@pytest.mark.chaos(consumer_crash(after=seconds(0.1), consumer="worker#2"))
def test_one_replica(scene, mqchaos, orders):
    """A fault on one replica leaves the other alone."""
    consumer = orders(replicas=2, env={"WORK": 0.03, "PREFETCH": 1})
    first, second = consumer.pids
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert first in consumer.pids
    assert second not in consumer.pids


@pytest.mark.chaos(
    connection_drop(before=publish(9)),
    connection_reset(after=publish(9)),
    connection_drop(before=confirm(5)),
    connection_reset(after=confirm(5)),
)
def test_the_publisher_survives(scene, mqchaos, orders):
    """What strikes our publisher makes publishes indeterminate, never lost."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not account.lost
    assert not account.duplicated
    assert scene.diary("lost") == []
    assert set(numbers(account.confirmed)) <= set(scene.done())


@pytest.mark.chaos(
    combine(malformed_payload(share=0.2), connection_drop(after=nack(2))), poison="dead-letter"
)
def test_nack_counts_rejects(scene, mqchaos, orders):
    """A reject is a nack for the triggers, and the events of poison are counted."""
    orders()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.dead_lettered) == [21, 22, 23, 24]
    assert len(scene.diary("connected")) == 2


REPLAY = """
    import pytest
    from pytest_mqchaos import ack, connection_drop, consumer_crash, delivery, lost_ack, malformed_payload
    from consumers import correct, wrong

    @pytest.mark.chaos(connection_drop(), lost_ack(), consumer_crash(before=ack()), connection_drop(after=delivery()),
                       malformed_payload())
    def test_it(mqchaos):
        mqchaos.queue("orders", dead_letter="orders.dead")
        mqchaos.consumer(correct.dedup, env={"WORK": "0.002", "PREFETCH": "1"})
        mqchaos.publish("orders", count=40, body=lambda n, rng: {"n": n, "amount": rng.random()})
        mqchaos.settle()
"""


def test_replay_by_seed(tmp_path):
    """The same seed strikes the same message; another seed, in the end, another."""
    (tmp_path / "test_replay.py").write_text(textwrap.dedent(REPLAY))

    def play(seed):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--mqchaos-seed={seed}"]
        environment = {**os.environ, "PYTHONPATH": str(HERE)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout
        runs = json.loads((tmp_path / "mqchaos-report" / "report.json").read_text())["runs"]
        # a life names its message with the run's token: only its number can be compared
        messages = {run["scenario"]: [fault["message"] for fault in run["faults"]] for run in runs}
        return {scenario: numbers(filter(None, struck)) for scenario, struck in messages.items()}

    first, again, other = play(7), play(7), play(8)
    assert first == again
    assert any(first.values())
    assert first != other
