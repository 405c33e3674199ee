"""Every planted bug is caught, with exactly the messages it cost, on classic and quorum queues."""

import pytest
from e2e_kit import COUNT, HERE, finding, numbers, text, violations

from pytest_mqchaos import (
    ack,
    baseline,
    broker_restart,
    connection_drop,
    connection_reset,
    consumer_crash,
    effect,
    lost_ack,
    malformed_payload,
    poison_message,
)

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
ALL = set(range(1, COUNT + 1))
THREES = [3, 13, 23]


@both
@pytest.mark.parametrize("prefetch", [1, 10])
@pytest.mark.chaos(consumer_crash(after=ack(5)), allow="*")
def test_ack_before_work(scene, mqchaos, queue_type, prefetch):
    """A crash behind the fifth ack, the work not done, loses the fifth message and no other."""
    scene.queue(queue_type)
    scene.consumer("wrong", "ack_first", env={"PREFETCH": prefetch})
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.lost) == [5], text(account)
    assert finding(account, "lost").detail == "by_consumer"
    assert "consumer_crash" in str(finding(account, "lost").cause)
    assert violations(account) == {"lost"}, text(account)
    assert account.verdict == "fail"
    assert set(scene.done()) == ALL - {5}


@both
@pytest.mark.parametrize("prefetch", [1, 10])
@pytest.mark.chaos(consumer_crash(after=ack(5)), allow="*")
def test_ack_right_before_work(scene, mqchaos, queue_type, prefetch):
    """Work that follows its ack at once is not begun when the crash strikes, however busy the machine."""
    scene.queue(queue_type)
    scene.consumer("wrong", "ack_first", env={"PREFETCH": prefetch, "WORK": 0})
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.lost) == [5], text(account)
    assert violations(account) == {"lost"}, text(account)
    assert set(scene.done()) == ALL - {5}


@both
@pytest.mark.chaos(baseline(), allow="*")
def test_ack_before_work_on_a_clean_run(scene, mqchaos, queue_type):
    """Without a fault it loses nothing, and its hazard is named."""
    scene.queue(queue_type)
    scene.consumer("wrong", "ack_first")
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert "acked_before_effect" in {hazard.kind for hazard in account.hazards}, text(account)


@both
@pytest.mark.chaos(consumer_crash(after=effect(5)), allow="*")
def test_automatic_ack(scene, mqchaos, queue_type):
    """A crash behind the fifth effect loses what was delivered and not worked on."""
    scene.queue(queue_type)
    scene.consumer("wrong", "auto_ack")
    scene.publish()
    account = mqchaos.settle()
    done = set(scene.done())
    assert {1, 2, 3, 4, 5} <= done
    assert numbers(account.lost) == sorted(ALL - done), text(account)
    # no frame stands behind an effect here that could be held: a message or two more may be done by then
    assert len(account.lost) >= 15, text(account)
    assert violations(account) == {"lost"}, text(account)
    assert account.verdict == "fail"


@both
@pytest.mark.chaos(lost_ack(before=ack(5)), guarantee="exactly-once", allow="*")
def test_not_idempotent(scene, mqchaos, queue_type):
    """At prefetch 1 a lost fifth ack doubles the fifth message and no other."""
    scene.queue(queue_type)
    scene.consumer("wrong", "not_idempotent", env={"PREFETCH": 1})
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.duplicated) == [5], text(account)
    assert violations(account) == {"duplicated"}, text(account)
    assert account.verdict == "fail"
    assert [n for n, times in scene.done().items() if times > 1] == [5]


@both
@pytest.mark.chaos(lost_ack(before=ack(5)), guarantee="exactly-once", allow="*")
def test_not_idempotent_with_prefetch(scene, mqchaos, queue_type):
    """At prefetch 10 it doubles that one and what the consumer had begun before it noticed."""
    scene.queue(queue_type)
    scene.consumer("wrong", "not_idempotent", env={"PREFETCH": 10})
    scene.publish()
    account = mqchaos.settle()
    twice = sorted(n for n, times in scene.done().items() if times > 1)
    assert numbers(account.duplicated) == twice, text(account)
    assert twice == list(range(5, 5 + len(twice))), "that one, and those begun before it noticed"
    assert violations(account) == {"duplicated"}, text(account)


@both
@pytest.mark.chaos(baseline(), allow="*", settle_timeout=2)
def test_exception_swallowed(scene, mqchaos, queue_type):
    """What was never settled is unacknowledged, to the message."""
    scene.queue(queue_type)
    scene.consumer("wrong", "swallows", env={"PREFETCH": 20})
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.unacknowledged) == THREES, text(account)
    assert violations(account) == {"unacknowledged"}, text(account)
    assert account.verdict == "fail"


@both
@pytest.mark.chaos(baseline(), allow="*", settle_timeout=2)
def test_ack_forgotten(scene, mqchaos, queue_type):
    """What was worked on and never acked is unacknowledged, and said to be leaked."""
    scene.queue(queue_type)
    scene.consumer("wrong", "leaks", env={"PREFETCH": 20})
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.unacknowledged) == THREES, text(account)
    assert finding(account, "unacknowledged").detail == "leaked"
    assert violations(account) == {"unacknowledged"}, text(account)


@both
@pytest.mark.chaos(
    connection_drop(after=ack(5)), connection_reset(after=ack(5)), allow="*", settle_timeout=2.5
)
@pytest.mark.parametrize("consumer", ["mute_after_reconnect", "hangs_after_loss", "ends_after_loss"])
def test_silent_after_a_cut(scene, mqchaos, queue_type, consumer):
    """A consumer that does not consume again after a cut leaves all the rest ready."""
    scene.queue(queue_type)
    scene.consumer("wrong", consumer, env={"PREFETCH": 1})
    scene.publish()
    account = mqchaos.settle()
    stalled = numbers(account.stalled)
    assert stalled in (list(range(6, COUNT + 1)), list(range(7, COUNT + 1))), text(account)
    assert set(stalled) | set(scene.done()) == ALL
    assert violations(account) == {"stalled"}, text(account)
    assert account.verdict == "fail"
    cause = str(finding(account, "stalled").cause)
    assert cause
    if consumer == "ends_after_loss":
        assert 'restart="always"' in finding(account, "stalled").mend
        assert "3" in cause


@both
@pytest.mark.chaos(baseline(), allow="*", settle_timeout=2)
def test_misspelt_queue(scene, mqchaos, queue_type):
    """A consumer of ``order`` leaves ``orders`` as it is, and the finding says that nobody consumes it."""
    scene.queue(queue_type)
    scene.consumer("wrong", "misspelt")
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.stalled) == sorted(ALL), text(account)
    assert violations(account) == {"stalled"}, text(account)
    assert "nobody consumes" in finding(account, "stalled").cause
    assert "orders" in finding(account, "stalled").cause


@both
@pytest.mark.chaos(
    malformed_payload(share=0.07),
    poison_message(b"\xff{", count=1),
    poison="dead-letter",
    allow="*",
    settle_timeout=3,
)
def test_poison_requeued(scene, mqchaos, queue_type, request):
    """Poison put back at once, for ever, is a requeue storm; the good messages are not part of it."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.consumer("wrong", "requeues_poison")
    scene.publish()
    account = mqchaos.settle()
    poison = range(COUNT + 1, COUNT + 1 + (2 if "malformed" in request.node.name else 1))
    assert numbers(account.requeue_storm) == list(poison), text(account)
    assert not account.lost, text(account)
    assert "requeue_storm" in violations(account)
    assert violations(account) <= {"requeue_storm", "poison_stuck", "dead_letter_miss"}, text(account)
    assert account.verdict == "fail"
    assert set(scene.done()) == ALL


@both
@pytest.mark.chaos(
    malformed_payload(share=0.1), poison_message(b"", count=3), poison="dead-letter", allow="*"
)
def test_poison_acked(scene, mqchaos, queue_type):
    """Poison swallowed with an ack is missed in the dead-letter queue."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.consumer("wrong", "acks_poison")
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.dead_letter_miss) == [31, 32, 33], text(account)
    assert violations(account) == {"dead_letter_miss"}, text(account)
    assert account.verdict == "fail"


@both
@pytest.mark.chaos(malformed_payload(share=0.1), allow="*")
def test_poison_acked_without_a_dead_letter_queue(scene, mqchaos, queue_type):
    """The same where no dead-letter queue is there is a discard, and sound."""
    scene.queue(queue_type)
    scene.consumer("wrong", "acks_poison")
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


@both
@pytest.mark.chaos(baseline(), allow="*")
def test_good_rejected(scene, mqchaos, queue_type):
    """Good messages rejected without a dead-letter exchange are lost by policy."""
    scene.queue(queue_type)
    scene.consumer("wrong", "rejects_good")
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.lost) == THREES, text(account)
    assert finding(account, "lost").detail == "by_policy"
    assert violations(account) == {"lost"}, text(account)


@both
@pytest.mark.chaos(baseline(), allow="*")
def test_good_dead_lettered(scene, mqchaos, queue_type):
    """Good messages rejected into a dead-letter queue are its false positives."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.consumer("wrong", "rejects_good")
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.dead_letter_false_positive) == THREES, text(account)
    assert numbers(account.dead_lettered) == THREES
    assert not account.lost, text(account)
    assert violations(account) <= {"dead_letter_false_positive", "stranded"}, text(account)
    assert account.verdict == "fail"


@pytest.mark.chaos(broker_restart(after=ack(5)), allow="*")
def test_transient_messages(scene, mqchaos):
    """Transient messages do not outlive a restart, and their declaration is the cause."""
    scene.queue("classic")
    scene.consumer("wrong", "not_idempotent", env={"PREFETCH": 1})
    scene.publish(persistent=False)
    account = mqchaos.settle()
    missing = sorted(ALL - set(scene.done()))
    assert len(missing) >= 20, missing
    assert numbers(account.persistence_loss) == missing, text(account)
    assert finding(account, "persistence_loss").detail == "by_declaration"
    assert not account.lost, text(account)
    assert violations(account) == {"persistence_loss"}, text(account)


@pytest.mark.chaos(broker_restart(after=ack(5)))
def test_transient_messages_on_a_quorum_queue(scene, mqchaos):
    """On a quorum queue every message is persistent: nothing is lost."""
    scene.queue("quorum")
    scene.consumer("wrong", "not_idempotent", env={"PREFETCH": 1})
    scene.publish(persistent=False)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


@pytest.mark.chaos(broker_restart(after=ack(5)), allow="*")
def test_queue_not_durable(scene, mqchaos):
    """A queue that is not durable takes its messages with it, and its declaration is the cause."""
    mqchaos.queue("orders", durable=False)
    scene.consumer("wrong", "redeclares", env={"PREFETCH": 1})
    published = scene.publish()
    published.wait()
    account = mqchaos.settle()
    missing = sorted(set(numbers(account.confirmed)) - set(scene.done()))
    assert len(missing) >= 20, missing
    assert numbers(account.persistence_loss) == missing, text(account)
    assert finding(account, "persistence_loss").detail == "by_declaration"
    assert violations(account) == {"persistence_loss"}, text(account)


@both
@pytest.mark.chaos(baseline(), consumer_crash(after=ack(5, queue="billing")), allow="*")
def test_one_of_two_queues(scene, mqchaos, queue_type, request):
    """Where two queues each work on a copy, a loss in one of them is a loss."""
    mqchaos.exchange("orders", type="fanout")
    for name in ("billing", "shipping"):
        scene.queue(queue_type, name=name, exchange="orders")
    bug = "ack_first" if "crash" in request.node.name else "skips_some"
    scene.consumer(
        "wrong", bug, name="billing", diary="billing", env={"QUEUE": "billing"}, queues=["billing"]
    )
    scene.consumer(
        "correct", "ack_after_work", name="shipping", env={"QUEUE": "shipping"}, queues=["shipping"]
    )
    scene.publish(None, exchange="orders", expect=2)
    account = mqchaos.settle()
    assert numbers(account.lost) == ([5] if bug == "ack_first" else THREES), text(account)
    assert violations(account) == {"lost"}, text(account)
    causes = " ".join(str(found.cause) for found in account.findings if found.kind == "lost")
    assert "shipping" not in causes, text(account)
    assert ("consumer_crash" if bug == "ack_first" else "billing") in causes, text(account)
    assert set(scene.done("billing")) == ALL - set(numbers(account.lost))
    assert set(scene.done()) == ALL


@both
@pytest.mark.chaos(baseline(), allow="*", evidence="effects", effect_timeout=1)
def test_no_work_at_all(scene, mqchaos, queue_type):
    """A worker that acks everything and does nothing loses everything, where effects are asked for."""
    scene.queue(queue_type)
    scene.consumer("wrong", "does_nothing")
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.lost) == sorted(ALL), text(account)
    assert finding(account, "lost").detail == "by_consumer"
    assert violations(account) == {"lost"}, text(account)
    assert account.verdict == "fail"


@both
@pytest.mark.chaos(baseline(), allow="*", effect_timeout=1)
def test_no_work_and_no_evidence(scene, mqchaos, queue_type):
    """Where nobody ever wrote an effect, a loss by the consumer cannot be judged."""
    scene.queue(queue_type)
    scene.consumer("wrong", "does_nothing")
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "unknown", text(account)
    assert not violations(account) or all(f.kind == "lost" for f in account.findings), text(account)


@both
@pytest.mark.chaos(consumer_crash(after=ack(5)), allow="*")
def test_ack_before_work_in_a_callable(scene, mqchaos, queue_type):
    """A callable consumer is struck as exactly as a command."""
    from consumers import wrong

    scene.queue(queue_type)
    scene.forked(wrong.ack_first, env={"PREFETCH": 10})
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.lost) == [5], text(account)
    assert violations(account) == {"lost"}, text(account)


@both
@pytest.mark.chaos(consumer_crash(after=ack(message=17)), allow="*")
def test_ack_of_a_named_message(scene, mqchaos, queue_type):
    """A fault at the ack of the 17th message loses the 17th, with two replicas too."""
    scene.queue(queue_type)
    scene.consumer("wrong", "ack_first", replicas=2, env={"PREFETCH": 5})
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.lost) == [17], text(account)
    assert violations(account) == {"lost"}, text(account)


@both
@pytest.mark.chaos(consumer_crash(after=ack(5)), allow="*")
def test_effects_of_a_file_by_key(scene, mqchaos, queue_type, tmp_path):
    """Effects may name messages by the application's own key, in a file of its own."""
    log = tmp_path / "orders.log"
    worker = tmp_path / "worker.py"
    worker.write_text(KEYED)
    scene.queue(queue_type)
    mqchaos.effects(log)
    mqchaos.consumer(["python", str(worker)], env={"LOG": str(log)}, cwd=HERE)
    scene.publish(body=None, key="order")
    account = mqchaos.settle()
    assert numbers(account.lost) == [5], text(account)
    assert violations(account) == {"lost"}, text(account)


KEYED = """
import json, os, time, pika

def handle(channel, method, properties, body):
    channel.basic_ack(method.delivery_tag)
    time.sleep(0.02)
    with open(os.environ["LOG"], "a") as log:
        log.write(f"{json.loads(body)['order']}\\n")

connection = pika.BlockingConnection(pika.URLParameters(os.environ["RABBITMQ_URL"]))
channel = connection.channel()
channel.basic_qos(prefetch_count=10)
channel.basic_consume("orders", handle)
channel.start_consuming()
"""
