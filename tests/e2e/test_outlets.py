"""Where work shows as messages or lines: invoices in a queue, events at an exchange, what is printed."""

import collections
import json
import os
import re

import pytest
from consumers import kit
from e2e_kit import finding, numbers, text, violations

from pytest_mqchaos import (
    ack,
    baseline,
    broker_crash,
    broker_restart,
    combine,
    connection_drop,
    connection_reset,
    consumer_crash,
    delivery,
    lost_ack,
)

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 30
ALL = list(range(1, COUNT + 1))
TENTHS = [10, 20, 30]
FAULTS = (
    baseline(),
    connection_drop(after=delivery(7)),
    connection_reset(after=delivery(8)),
    consumer_crash(before=ack(5)),
    consumer_crash(after=delivery(7)),
    lost_ack(before=ack(5)),
    broker_restart(after=delivery(9)),
    combine(connection_drop(after=delivery(4)), consumer_crash(before=ack(9))),
)
OUTLETS = pytest.mark.parametrize("outlet", ["queue", "exchange"])


def invoices(scene, outlet, kind, env=None, **options):
    """Start a consumer that publishes to a queue or an exchange, and name that as where its work shows."""
    env = dict(env or {})
    if outlet == "queue":
        scene.mqchaos.effects(queue="invoices", **options)
    else:
        env["TO_EXCHANGE"] = "events"
        scene.mqchaos.effects(exchange="events", routing_key="invoice.*", **options)
    return scene.consumer("publishing", kind, env=env)


def passes(mqchaos):
    """Assert that nothing is held against the consumer, and that all work was seen."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert set(numbers(account.confirmed)) <= set(numbers(account.effected)), text(account)
    return account


@both
@OUTLETS
@pytest.mark.chaos(*FAULTS)
def test_publish_then_ack(scene, mqchaos, queue_type, outlet):
    """A consumer that waits for the confirm of its invoice before it acks keeps at-least-once."""
    scene.queue(queue_type)
    invoices(scene, outlet, "confirmed")
    scene.publish(count=COUNT)
    account = passes(mqchaos)
    assert set(numbers(account.effected)) <= set(ALL)


@both
@OUTLETS
@pytest.mark.chaos(consumer_crash(before=ack(5)), guarantee="exactly-once", allow="duplicated")
def test_a_crash_between_publish_and_ack_doubles(scene, mqchaos, queue_type, outlet):
    """The invoice is there, the ack is not: the next delivery makes another."""
    scene.queue(queue_type)
    invoices(scene, outlet, "confirmed", env={"PREFETCH": 1})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert violations(account) == {"duplicated"}, text(account)
    twice = [number for number, times in scene.done().items() if times > 1]
    assert numbers(account.duplicated) == twice
    assert len(twice) == 1


@both
@OUTLETS
@pytest.mark.chaos(consumer_crash(after=ack(6)), allow="*")
def test_ack_then_publish_is_found(scene, mqchaos, queue_type, outlet):
    """A crash between its ack and its invoice loses the message, and no file has to say so."""
    scene.queue(queue_type)
    invoices(scene, outlet, "acks_first", env={"PREFETCH": 1, "WORK": 0.05})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert numbers(account.lost) == [6], text(account)
    assert finding(account, "lost").detail == "by_consumer"
    assert numbers(account.acked_before_effect) == [6]


@both
@OUTLETS
@pytest.mark.chaos(baseline(), guarantee="exactly-once", allow="*")
def test_orders_without_an_invoice_are_found(scene, mqchaos, queue_type, outlet):
    """Without any fault, too."""
    scene.queue(queue_type)
    invoices(scene, outlet, "forgets")
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert violations(account) == {"lost"}, text(account)
    assert numbers(account.lost) == TENTHS
    lost = [one for one in account.findings if one.kind == "lost"]
    assert all("no fault explains it" in one.cause for one in lost)


@both
@OUTLETS
@pytest.mark.chaos(baseline(), guarantee="exactly-once", allow="*")
def test_two_invoices_for_one_order_are_found(scene, mqchaos, queue_type, outlet):
    """Delivered once, and published twice."""
    scene.queue(queue_type)
    invoices(scene, outlet, "twice")
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert violations(account) == {"duplicated"}, text(account)
    assert numbers(account.duplicated) == TENTHS


@both
@pytest.mark.chaos(baseline(), connection_drop(after=delivery(7)), consumer_crash(after=delivery(7)))
def test_a_transaction_is_work_once_it_is_committed(scene, mqchaos, queue_type):
    """Publish and ack in one transaction is at-least-once."""
    scene.queue(queue_type)
    invoices(scene, "queue", "transactional")
    scene.publish(count=COUNT)
    passes(mqchaos)


@both
@pytest.mark.chaos(baseline(), allow="*")
def test_what_was_rolled_back_is_no_work(scene, mqchaos, queue_type):
    """It was published on the wire and is in no queue: the message is lost."""
    scene.queue(queue_type)
    invoices(scene, "queue", "never_committed")
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert numbers(account.lost) == [5, 10, 15, 20, 25, 30], text(account)


@OUTLETS
@pytest.mark.parametrize("how", ["header", "message_id", "correlation_id", "key", "field"])
@pytest.mark.chaos(baseline(), consumer_crash(before=ack(5)))
def test_each_way_to_say_whose_invoice_it_is(scene, mqchaos, outlet, how):
    """The id handed on, as a header or property, the key of the order, or a field that the test names."""
    scene.queue("classic")
    invoices(scene, outlet, "confirmed", env={"HOW": how}, **({"key": "about"} if how == "field" else {}))
    scene.publish(count=COUNT, key=lambda message: message.json["n"])
    passes(mqchaos)


@pytest.mark.chaos(*FAULTS, broker_crash(after=delivery(9)), guarantee="at-least-once")
def test_a_later_stage_is_only_watched(scene, mqchaos):
    """A queue that another consumer reads is not emptied by us: each of its messages comes to that one."""
    scene.queue("classic")
    scene.queue("classic", "invoices")
    mqchaos.effects(queue="invoices", of="worker")
    scene.consumer("publishing", "confirmed")
    scene.forked(later_stage, diary="later", name="later")
    scene.publish(count=COUNT)
    account = passes(mqchaos)
    assert set(numbers(scene.diary("done", "later"))) >= set(numbers(account.confirmed))


def later_stage(url):
    """Read invoices, and note whose they were."""

    def handle(channel, method, properties, body):
        kit.diary("done", properties.headers["x-mqchaos-id"])
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle, queue="invoices"), url)


@pytest.mark.parametrize("forgets", ["", "row", "invoice"])
@pytest.mark.chaos(baseline(), allow="*")
def test_two_sources_are_judged_each_for_itself(scene, mqchaos, forgets):
    """What shows in one and not in the other is lost there, and the finding says where."""
    rows = scene.folder / "rows"
    scene.queue("classic")
    mqchaos.effects(rows)
    mqchaos.effects(queue="invoices", name="invoices")
    scene.consumer("publishing", "both", env={"ROWS": rows, "FORGETS": forgets})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert numbers(account.lost) == (TENTHS if forgets else []), text(account)
    assert not account.duplicated
    if forgets:
        lacks, has = ("invoices", str(rows)) if forgets == "invoice" else (str(rows), "invoices")
        found = [one for one in account.findings if one.kind == "lost"]
        assert {one.source for one in found} == {lacks}
        assert all(f"it does not show in `{lacks}`, though it does in `{has}`" in one.claim for one in found)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("forgets", [0, 1])
@pytest.mark.chaos(baseline(), consumer_crash(before=ack(5)), allow="*")
def test_lines_of_its_output(scene, mqchaos, stream, forgets):
    """Written in pieces, among bytes that are no text; of several replicas, and of processes one after another."""
    scene.queue("classic")
    mqchaos.effects(output=r"booked order-(\d+)")
    scene.consumer("publishing", "prints", env={"STREAM": stream, "FORGETS": forgets}, replicas=2)
    scene.publish(count=COUNT, key="n")
    account = mqchaos.settle()
    assert numbers(account.lost) == (TENTHS if forgets else []), text(account)
    assert not account.acked_before_effect
    assert not [hazard for hazard in account.hazards if hazard.kind == "acked_before_effect"]


def writes_json(url):
    """Write each order as it came, a line of JSON."""

    def handle(channel, method, properties, body):
        kit.append(os.environ["LOG"], body.decode())
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


@pytest.mark.parametrize("called", [False, True])
@pytest.mark.chaos(baseline(), guarantee="exactly-once")
def test_a_field_of_each_line_or_row(scene, mqchaos, called):
    """As in the body of a message: its name says where the key stands."""
    scene.queue("classic")
    log = scene.folder / "orders.jsonl"
    log.touch()
    mqchaos.effects((lambda: map(json.loads, log.read_text().splitlines())) if called else log, key="n")
    scene.forked(writes_json, env={"LOG": str(log)})
    scene.publish(count=COUNT, key="n")
    passes(mqchaos)


@pytest.mark.chaos(baseline(), guarantee="exactly-once")
def test_a_compiled_expression_with_several_forms(scene, mqchaos):
    """Its flags count, and whichever form a line has."""
    scene.queue("classic")
    mqchaos.effects(output=re.compile(r"sold order-(\d+)|BOOKED order-(\d+)", re.IGNORECASE))
    scene.consumer("publishing", "prints")
    scene.publish(count=COUNT, key="n")
    passes(mqchaos)


@pytest.mark.chaos(baseline(), allow="*")
def test_an_expression_that_fits_nothing_says_so(scene, mqchaos):
    """Everything was acknowledged and nothing shows: the place is wrong, or the work; not "lost 30 of 30"."""
    scene.queue("classic")
    mqchaos.effects(output=r"shipped order-(\d+)")
    scene.consumer("publishing", "prints")
    scene.publish(count=COUNT, key="n")
    account = mqchaos.settle()
    found = finding(account, "lost")
    assert account.verdict == "fail"
    assert "lost: nothing at all shows in `output shipped" in account.summary
    assert "30 of 30" not in account.summary
    assert "look whether the expression fits" in found.mend


@both
@OUTLETS
@pytest.mark.chaos(*FAULTS, broker_crash(after=delivery(9)), broker_crash(before=ack(6)))
def test_publish_then_ack_on_one_channel(scene, mqchaos, queue_type, outlet):
    """Without confirms, too: what a broker keeps of one channel, it keeps in order."""
    scene.queue(queue_type)
    invoices(scene, outlet, "unconfirmed", env={"INVOICES": queue_type})
    scene.publish(count=COUNT)
    passes(mqchaos)


@OUTLETS
@pytest.mark.chaos(
    baseline(), connection_drop(after=delivery(7)), consumer_crash(after=delivery(7)), broker_crash(after=delivery(9)),
    guarantee="exactly-once",
    allow={"duplicated": "what the broker did not confirm is made again"},
)  # fmt: skip
def test_nothing_is_counted_twice(scene, mqchaos, outlet):
    """An invoice that is never made twice shows once, also where the broker hands out again what we had taken."""
    scene.queue("classic")
    invoices(scene, outlet, "outbox", env={"STORE": scene.folder / "store"})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    sent = collections.Counter(numbers(scene.diary("sent")))
    # of what was sent again for want of a confirm, the first may have arrived
    assert all(sent[number] > 1 for number in numbers(account.duplicated)), text(account)
    assert not account.lost, text(account)


@pytest.mark.chaos(baseline(), allow="*")
def test_invoices_to_a_queue_that_is_not_there(scene, mqchaos):
    """They were published, and are nowhere: nothing at all shows."""
    scene.queue("classic")
    invoices(scene, "queue", "nowhere")
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert finding(account, "lost").detail == "nothing_shows", text(account)
    assert numbers(account.lost) == ALL


@both
@pytest.mark.chaos(baseline(), connection_drop(after=delivery(7)), consumer_crash(before=ack(5)))
def test_replicas_publish_to_one_queue(scene, mqchaos, queue_type):
    """What one of them is cut off from, another makes."""
    scene.queue(queue_type)
    mqchaos.effects(queue="invoices", of="worker")
    scene.consumer("publishing", "confirmed", replicas=3)
    scene.publish(count=COUNT)
    passes(mqchaos)


@pytest.mark.chaos(baseline(), allow="*")
def test_a_later_stage_that_died_leaves_work_that_was_done(scene, mqchaos):
    """Its queue is stalled; the stage before it has done what it was to do, and is not said to have lost it."""
    scene.queue("classic")
    scene.queue("classic", "invoices")
    mqchaos.effects(queue="invoices", of="worker")
    scene.consumer("publishing", "confirmed", env={"HOW": "correlation_id"})
    later = scene.forked(reads_three, diary="later", name="later", restart="never")
    scene.publish(count=COUNT)
    account = mqchaos.settle(timeout=3)
    assert later.exit_code == 0
    assert "stalled" in violations(account), text(account)
    assert not account.lost, text(account)


def reads_three(url):
    """Read three invoices, and end."""
    _, channel = kit.connect(url)
    for number, (method, _properties, _body) in enumerate(channel.consume("invoices"), 1):
        channel.basic_ack(method.delivery_tag)
        if number == 3:
            raise SystemExit(0)


@pytest.mark.parametrize("forgets", ["", "row", "invoice"])
@pytest.mark.chaos(baseline(), consumer_crash(before=ack(5)), allow="*")
def test_a_callable_with_counts_beside_a_queue(scene, mqchaos, forgets):
    """A table and a queue: each has to have it all."""
    rows = scene.folder / "rows"
    rows.touch()
    scene.queue("classic")

    def ledger():
        return collections.Counter(rows.read_text().split())

    mqchaos.effects(ledger, of="worker")
    mqchaos.effects(queue="invoices")
    scene.consumer("publishing", "both", env={"ROWS": rows, "FORGETS": forgets})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert numbers(account.lost) == (TENTHS if forgets else []), text(account)
    lacking = {one.source for one in account.findings if one.kind == "lost"}
    assert lacking == ({"": set(), "row": {"ledger"}, "invoice": {"queue invoices"}}[forgets])


@OUTLETS
@pytest.mark.chaos(baseline(), guarantee="exactly-once", allow="*")
def test_what_a_filter_rightly_ignores(scene, mqchaos, outlet):
    """No invoice is expected for every tenth order; one that is made all the same is one too many."""
    scene.queue("classic")
    invoices(scene, outlet, "forgets")
    scene.publish(count=COUNT, expect=lambda message: 0 if message.number % 10 in (0, 5) else 1)
    account = mqchaos.settle()
    assert not account.lost, text(account)
    assert numbers(account.duplicated) == [5, 15, 25], text(account)
