"""The application's own publisher is the workload: what it sent arrives, and what it only said it sent is lost."""

import collections

import pytest
from consumers import publishers
from e2e_kit import COUNT, HERE, finding, numbers, text, violations

from pytest_mqchaos import (
    ack,
    baseline,
    broker_restart,
    confirm,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_freeze,
    consumer_terminate,
    delivery,
    lost_confirm,
    malformed_payload,
    publish,
    refuse,
)

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
ALL = list(range(1, COUNT + 1))
FULL = {"x-max-length": 3, "x-overflow": "reject-publish"}


def start(scene, kind, *, name="billing", env=None, **options):
    """Start a publisher of ours."""
    env = {"DIARY": str(scene.folder / "said"), **{k: str(v) for k, v in (env or {}).items()}}
    return scene.mqchaos.producer(
        ["python", "-m", "consumers", "publishers", kind], name=name, cwd=HERE, env=env, **options
    )


def said(scene):
    """Return the numbers that the publisher itself noted as sent."""
    return sorted(int(line) for line in scene.diary("sent", "said"))


@both
@pytest.mark.chaos(baseline())
def test_a_correct_publisher(scene, mqchaos, queue_type):
    """All that a publisher with confirms says it sent is worked on."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    producer = start(scene, "confirmed", count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert violations(account) == set(), text(account)
    assert producer.exit_code == 0
    assert len(producer.ids) == len(account.published) == COUNT
    assert len(account.confirmed) == len(account.effected) == COUNT
    assert len(scene.diary("done")) == len(said(scene)) == COUNT
    life = str(account.published[0])
    assert "published" in life, life
    assert "confirmed" in life, life
    assert "sent, said billing" in life, life


@both
@pytest.mark.parametrize("anonymous", [False, True], ids=["message_id", "key"])
@pytest.mark.chaos(
    connection_drop(after=publish(5)),
    connection_drop(after=confirm(4)),
    connection_reset(before=publish(6)),
    refuse(after=publish(3), duration=0.3),
    lost_confirm(before=confirm(5)),
    lost_confirm(),
    broker_restart(after=publish(8)),
    connection_drop(after=delivery(4)),
    consumer_crash(after=publish(5)),
    consumer_freeze(consumer="billing", after=publish(4), duration=0.3),
)
def test_a_correct_publisher_is_never_blamed(scene, mqchaos, queue_type, anonymous):
    """One that sends again what was not confirmed keeps at-least-once, whatever it is known by."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    start(
        scene, "confirmed", count=COUNT, key="order" if anonymous else None, env={"ANONYMOUS": int(anonymous)}
    )
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert violations(account) == set(), text(account)
    assert len(account.published) == COUNT, text(account)
    assert said(scene) == ALL
    assert len(account.effected) == COUNT, text(account)


@both
@pytest.mark.chaos(lost_confirm(before=confirm(5)), allow="*")
def test_the_copies_of_a_retry_are_the_publishers(scene, mqchaos, queue_type):
    """A message sent again after its confirm was lost is doubled by its publisher, and nobody else."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    start(scene, "confirmed")
    account = mqchaos.settle()
    assert numbers(account.duplicated) == [5], text(account)
    assert finding(account, "duplicated").detail == "by_publisher"
    assert violations(account) == set(), text(account)
    life = str(account.duplicated[0])
    assert "published again" in life, life
    assert "the publisher was not told" in life, life


@both
@pytest.mark.chaos(consumer_crash(consumer="billing", after=publish(5)))
def test_a_publisher_that_is_killed(scene, mqchaos, queue_type):
    """It has ended then, and by a fault: what it had said it sent is there, and the rest was never promised."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    producer = start(scene, "confirmed", count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert producer.exit_code == -9
    assert len(producer.ids) == 5
    assert said(scene) == [1, 2, 3, 4]
    assert any("billing was ended by a fault" in note for note in account.notes), account.notes


@both
@pytest.mark.chaos(
    consumer_crash(consumer="billing", after=confirm(5)),
    consumer_terminate(consumer="billing", after=confirm(5)),
)
def test_a_publisher_that_is_started_again(scene, mqchaos, queue_type):
    """A supervisor starts it again, and it sends all of it under the same ids: they are the same messages."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    producer = start(scene, "confirmed", count=COUNT, restart="on-fault")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(producer.ids) == COUNT
    assert len(account.effected) == COUNT, text(account)
    assert numbers(account.duplicated)[:4] == [1, 2, 3, 4], text(account)


@both
@pytest.mark.chaos(baseline())
def test_a_publisher_that_stays(scene, mqchaos, queue_type):
    """`until="quiet"`: its silence is the end of its publishing, and it is ended with the test."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    producer = start(scene, "steady", until="quiet", quiet=0.5)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == COUNT
    assert producer.pids


@both
@pytest.mark.chaos(baseline())
def test_one_that_leaves_at_once(scene, mqchaos, queue_type):
    """One that ends without a goodbye has lost nothing that was confirmed."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    start(scene, "exits_at_once", count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == COUNT


@both
@pytest.mark.chaos(malformed_payload(share=0.2))
def test_bad_copies_of_what_it_sent(scene, mqchaos, queue_type):
    """Malformed copies are sent the way it sends, and none of them is taken for a message of its own."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.consumer("correct", "ack_after_work")
    start(scene, "confirmed", count=COUNT, key="order")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    bad = [life for life in account.published if life.poison]
    assert len(bad) == 6, text(account)
    assert len(account.published) == COUNT + 6
    accepted = [life for life in bad if life in account.poison_effected]
    assert sorted(numbers(account.dead_lettered) + numbers(accepted)) == numbers(bad), text(account)
    assert len(account.dead_lettered) >= 4, text(account)


@both
@pytest.mark.chaos(
    baseline(),
    connection_drop(after=publish(5)),
    connection_reset(before=publish(6)),
    connection_drop(before=confirm(5)),
    lost_confirm(before=confirm(5)),
)
def test_many_in_the_air(scene, mqchaos, queue_type):
    """A publisher that does not wait for one confirm before the next publish is not blamed either."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    start(scene, "pipelined", count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.published) == len(account.effected) == COUNT, text(account)
    assert sorted(said(scene)) == ALL


@pytest.mark.chaos(connection_drop(after=publish(5)))
def test_a_callable(scene, mqchaos):
    """A publisher may be a function, called with the address in a process of its own."""
    scene.queue("classic")
    scene.consumer("correct", "ack_after_work")
    producer = mqchaos.producer(publishers.confirmed, count=COUNT)
    assert producer.name == "confirmed"
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == COUNT


@pytest.mark.chaos(baseline())
def test_one_that_connects_late(scene, mqchaos):
    """`ready_timeout=0` waits for nothing: its first message may come when it likes."""
    scene.queue("classic")
    scene.consumer("correct", "ack_after_work")
    start(scene, "lazy", until="quiet", quiet=0.4, ready_timeout=0)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == COUNT


@pytest.mark.chaos(baseline())
def test_events_that_nobody_listens_to(scene, mqchaos):
    """They are named, and no loss: who publishes them may not know who listens."""
    scene.queue("classic")
    scene.consumer("correct", "ack_after_work")
    start(scene, "events")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not account.lost
    said = "30 messages of billing to exchange 'events' with key 'order.sent' were led to no queue"
    assert said in account.notes


@pytest.mark.chaos(connection_drop(after=publish(4, by="second")), consumer_crash(after=delivery(20)))
def test_beside_others(scene, mqchaos):
    """Two producers and our own publisher are one workload, each on a link of its own."""
    scene.queue("classic")
    scene.queue("classic", name="bills")
    scene.consumer("correct", "ack_after_work")
    scene.consumer("correct", "ack_after_work", name="other", env={"QUEUE": "bills"})
    start(scene, "confirmed", name="first", count=COUNT)
    start(scene, "confirmed", name="second", env={"QUEUE": "bills", "DIARY": "", "FIRST": 101})
    scene.publish(count=20)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.published) == len(account.effected) == 2 * COUNT + 20


@both
@pytest.mark.chaos(baseline())
def test_a_fault_by_hand(scene, mqchaos, queue_type):
    """A fault by hand strikes the publisher that it names, now."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    producer = start(scene, "confirmed", count=COUNT)
    mqchaos.wait(publish(5))
    mqchaos.inject(connection_reset(consumer="billing"))
    producer.wait(20.0)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == COUNT
    (fault,) = account.faults
    assert "billing" in str(fault), fault


# --- planted bugs -------------------------------------------------------------------------------------------


@both
@pytest.mark.chaos(connection_drop(before=publish(5)), connection_reset(before=publish(5)), allow="*")
def test_without_confirms(scene, mqchaos, queue_type):
    """What a publisher without confirms wrote into a connection that breaks is lost, by itself."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    start(scene, "no_confirms", count=None)
    account = mqchaos.settle()
    missing = sorted(set(said(scene)) - {_order(life) for life in account.effected})
    lost = sorted(map(_order, account.lost))
    assert lost == missing, text(account)
    assert 5 in lost
    found = finding(account, "lost")
    assert found.detail == "by_publisher"
    assert "connection_" in found.cause
    assert violations(account) == {"lost"}, text(account)


def _order(life):
    """The number of an order that a life is of, by what the publisher calls it."""
    return int((life.message.message_id or life.key).rpartition("-")[2])


@both
@pytest.mark.chaos(baseline(), allow="*")
@pytest.mark.parametrize("kind", ["ignores_failures", "polite"])
def test_refused_by_a_full_queue(scene, mqchaos, queue_type, kind):
    """A message that the broker refused is lost by a publisher that calls it sent, and by no other."""
    scene.queue(queue_type, arguments=FULL)
    scene.consumer("correct", "ack_after_work", env={"PREFETCH": 1, "WORK": 0.05})
    start(scene, kind, count=COUNT)
    account = mqchaos.settle()
    failed = sorted(int(line.split()[0]) for line in scene.diary("failed", "said"))
    assert failed, text(account)
    if kind == "polite":
        assert not account.lost, text(account)
        assert account.verdict == "pass"
        return
    assert sorted(map(_order, account.lost)) == failed, text(account)
    assert finding(account, "lost").detail == "by_publisher"
    assert "refused" in finding(account, "lost").claim


@pytest.mark.chaos(baseline(), allow="*")
@pytest.mark.parametrize(
    ("kind", "words"), [("ignores_failures", "returned"), ("not_mandatory", "threw it away"), ("polite", "")]
)
def test_to_where_no_queue_is(scene, mqchaos, kind, words):
    """A message that no queue took is lost by a publisher that does not look, or does not ask."""
    scene.queue("classic")
    scene.consumer("correct", "ack_after_work")
    start(scene, kind, count=COUNT, env={"QUEUE": "ordres"})
    account = mqchaos.settle()
    assert numbers(account.lost) == (ALL if words else []), text(account)
    if words:
        assert finding(account, "lost").detail == "by_publisher"
        assert words in finding(account, "lost").claim


@both
@pytest.mark.chaos(baseline(), allow="*")
def test_not_flushed(scene, mqchaos, queue_type):
    """What stays in a buffer at the end of the process was never sent, whatever it said."""
    scene.queue(queue_type)
    scene.consumer("correct", "ack_after_work")
    start(scene, "not_flushed")
    account = mqchaos.settle()
    assert sorted(_order(life) for life in account.lost) == ALL[24:], text(account)
    found = finding(account, "lost")
    assert found.detail == "by_publisher"
    assert "never left the process" in found.claim
    assert "sent, said billing" in str(account.lost[0])


@both
@pytest.mark.chaos(consumer_crash(consumer="worker", after=ack(5)), allow="*")
@pytest.mark.parametrize("kind", ["confirmed", "no_confirms"])
def test_a_consumer_that_loses_them(scene, mqchaos, queue_type, kind):
    """What a consumer loses of a producer's messages is the consumer's, with confirms or without."""
    scene.queue(queue_type)
    scene.consumer("wrong", "ack_first", env={"PREFETCH": 1})
    start(scene, kind, count=COUNT)
    account = mqchaos.settle()
    lost = {each.detail: numbers(each.messages) for each in account.findings if each.kind == "lost"}
    assert lost.pop("by_consumer") == [5], text(account)
    # A quorum queue that is behind when a channel without confirms is closed may lose what that had sent last: seen on
    # RabbitMQ 3.10, on a busy machine, after a clean close. Nobody ever confirmed it, so it is the publisher's.
    broker_drops = kind == "no_confirms" and queue_type == "quorum"
    last = lost.pop("by_publisher", []) if broker_drops else []
    assert last == ALL[COUNT - len(last) :], text(account)
    assert not lost, text(account)


# --- a consumer's own publishing ----------------------------------------------------------------------------


@both
@pytest.mark.chaos(
    consumer_crash(after=publish(3, by="worker")),
    consumer_crash(before=confirm(3, by="worker")),
    connection_drop(after=publish(3, by="worker")),
)
def test_between_its_publish_and_its_ack(scene, mqchaos, queue_type):
    """`by=` counts what a consumer publishes: a fault strikes behind its third bill, before the ack of that order."""
    scene.queue(queue_type)
    scene.queue(queue_type, name="bills")
    scene.consumer("correct", "bills", env={"PREFETCH": 1})
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    billed = collections.Counter(map(int, scene.diary("billed")))
    assert numbers(account.redelivered) == [3], text(account)
    assert billed[3] in (1, 2)
    assert sum(billed.values()) in (COUNT, COUNT + 1)


@pytest.mark.chaos(baseline())
def test_two_relays_of_one_outbox(scene, mqchaos):
    """Each counts what it has published; what both have sent is one message of the workload."""
    scene.queue("classic")
    scene.consumer("correct", "ack_after_work")
    first = start(scene, "confirmed", name="one", count=COUNT)
    second = start(scene, "confirmed", name="two", count=COUNT)
    account = mqchaos.settle()
    assert len(first.ids) == len(second.ids) == len(account.published) == COUNT
    assert account.verdict == "pass", text(account)
