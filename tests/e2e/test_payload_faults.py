"""Malformed payloads of every kind, and messages published twice: what is sound passes, what is not is caught."""

import json
from collections import Counter

import pytest
from consumers import correct, kit, wrong
from e2e_kit import finding, numbers, text, violations

from pytest_mqchaos import malformed_payload, repeated_publish
from pytest_mqchaos.model.events import Confirmed, Delivered, Published
from pytest_mqchaos.model.faults import DEBATABLE_KINDS, UNREADABLE_KINDS

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 18
POISON = list(range(COUNT + 1, 2 * COUNT + 1))
EVERY_KIND = malformed_payload(share=1.0)
QUICK = {"WORK": 0.002}


def order(n, _rng=None):
    """Return a body with a field of every sort."""
    return {"order": f"order-{n}", "n": n, "price": 2.5, "gift": False, "lines": [{"item": "lamp"}]}


def sound(properties, body):
    """Return an order that is exactly what was agreed on, as a careful consumer reads it.

    Raises:
        PermanentError: for everything else.
    """

    def pairs(fields):
        if len(dict(fields)) < len(fields):
            raise ValueError("a field stands twice")
        return dict(fields)

    def constant(name):
        raise ValueError(f"{name} is no number")

    if len(body) > 1000 or (properties.content_type, properties.content_encoding) != (
        "application/json",
        None,
    ):
        raise kit.PermanentError("too long, or no JSON")
    try:
        value = json.loads(body.decode(), object_pairs_hook=pairs, parse_constant=constant)
        expected = order(value["n"])
    except (ValueError, LookupError, TypeError) as error:
        raise kit.PermanentError(str(error)) from None
    if value != expected or not isinstance(value["n"], int) or not 0 < value["n"] < 1000:
        raise kit.PermanentError("another order")
    return value


def careful(url):
    """Work on exactly what is sound, and reject the rest."""

    def handle(channel, method, properties, body):
        try:
            sound(properties, body)
        except kit.PermanentError:
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            kit.effect(properties.message_id)
            channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def opaque(url):
    """Work on everything: a body is bytes, and nothing but bytes."""

    def handle(channel, method, properties, body):
        kit.effect(properties.message_id)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def lenient(url):
    """Work on what Python reads, by the order's own key; reject the rest."""

    def handle(channel, method, properties, body):
        try:
            name = json.loads(body).get("order", "none")
        except (ValueError, AttributeError, RecursionError):
            channel.basic_reject(method.delivery_tag, requeue=False)
        else:
            kit.effect(name)
            channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def fragile(url):
    """Reject what is no JSON, and die of all else that it cannot work on."""

    def handle(channel, method, properties, body):
        try:
            value = json.loads(body)
        except ValueError:
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        kit.diary("due", value["n"] + 1, value["price"] * 2)
        kit.effect(properties.message_id)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def stubborn(url):
    """Put back at once what is not sound."""

    def handle(channel, method, properties, body):
        try:
            sound(properties, body)
        except kit.PermanentError:
            channel.basic_nack(method.delivery_tag, requeue=True)
        else:
            kit.effect(properties.message_id)
            channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def careless(url):
    """Swallow with an ack what is not sound."""

    def handle(channel, method, properties, body):
        try:
            sound(properties, body)
            kit.effect(properties.message_id)
        except kit.PermanentError:
            kit.diary("swallowed", properties.message_id)
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def kinds_of(account):
    """Return the kind of each malformed message by its number."""
    return {life.number: life.kind for life in account.published if life.poison}


# --- every kind of malformed message -------------------------------------------------------------------------


@both
@pytest.mark.chaos(EVERY_KIND)
def test_all_refused(scene, mqchaos, queue_type):
    """A consumer that sends everything malformed to the dead-letter queue passes; there are all kinds."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(careful)
    scene.publish(count=COUNT, body=order)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert sorted(kinds_of(account).values()) == sorted(UNREADABLE_KINDS + DEBATABLE_KINDS)
    assert numbers(account.dead_lettered) == POISON, text(account)
    assert not account.poison_effected


@both
@pytest.mark.chaos(EVERY_KIND)
@pytest.mark.parametrize("dead_letter", ["orders.dead", None])
def test_all_processed(scene, mqchaos, queue_type, dead_letter):
    """A consumer to which a body is bytes works on everything and passes; what it accepted is reported, by kind."""
    scene.queue(queue_type, dead_letter=dead_letter)
    scene.forked(opaque)
    scene.publish(count=COUNT, body=order)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    accepted = finding(account, "poison_effected")
    assert (accepted.detail, accepted.violation) == ("accepted", False)
    assert numbers(accepted.messages) == POISON
    assert all(kind in accepted.claim for kind in DEBATABLE_KINDS)


@both
@pytest.mark.chaos(EVERY_KIND)
@pytest.mark.parametrize("key", ["order", lambda message: message.json["order"]], ids=["field", "function"])
@pytest.mark.parametrize("body", [order, lambda n, rng: {"order": n}], ids=["wide", "narrow"])
def test_some_processed_under_their_own_keys(scene, mqchaos, queue_type, key, body):
    """A consumer that works on what its reader takes, and names it by its key, doubles no message and misses none."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(lenient)
    scene.publish(count=COUNT, body=body, key=key)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert not account.duplicated, text(account)
    kinds = kinds_of(account)
    accepted = {kinds[number] for number in numbers(account.poison_effected)}
    assert {"oversize", "byte_order_mark", "wrong_content_type", "wrong_content_encoding"} <= accepted
    assert not accepted & {*UNREADABLE_KINDS, "deep_nesting"}


@both
@pytest.mark.chaos(
    malformed_payload(share=0.5, kinds=DEBATABLE_KINDS, name="debatable"), poison="dead-letter", allow="*"
)
def test_processed_where_the_test_forbids_it(scene, mqchaos, queue_type):
    """Where the test says that all of it belongs among the dead letters, to work on any is a violation."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(opaque)
    scene.publish(count=COUNT, body=order)
    account = mqchaos.settle()
    assert account.verdict == "fail", text(account)
    assert violations(account) == {"poison_effected", "dead_letter_miss"}, text(account)
    assert len(account.poison_effected) == 9
    assert all(kind in finding(account, "poison_effected").claim for kind in kinds_of(account).values())


@both
@pytest.mark.chaos(malformed_payload(share=0.5), poison="dead-letter")
def test_by_default_unreadable_where_the_test_says_what_becomes_of_it(scene, mqchaos, queue_type):
    """A consumer that reads leniently is not asked to refuse what may rightly be processed."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(lenient)
    scene.publish(count=COUNT, body=order, key="order")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert set(kinds_of(account).values()) == set(UNREADABLE_KINDS)
    assert len(account.dead_lettered) == 9


@both
@pytest.mark.chaos(
    *(malformed_payload(share=0.1, kinds=kind) for kind in ("deep_nesting", "wrong_type")),
    malformed_payload(share=0.1, kinds="null_field", name="null"),
    allow="*",
    settle_timeout=3,
)
def test_dies_of_one(scene, mqchaos, queue_type, request):
    """A consumer that dies of a message, is started, and dies of it again is in a crash loop; its life says of what."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(fragile, restart="always", restart_delay=0.05, env={"PREFETCH": 1})
    scene.publish(count=COUNT, body=lambda n, rng: {"n": n, "price": 1} if "null" not in request.node.name
                  else {"price": n, "n": n})  # fmt: skip
    account = mqchaos.settle()
    assert account.verdict == "fail", text(account)
    stuck = finding(account, "poison_stuck")
    assert stuck.detail == "crash_loop", text(account)
    (number,) = numbers(stuck.messages)[:1]
    kind = kinds_of(account)[number]
    told = account.explain(number)
    assert f"poison {kind}" in told
    assert f"<- malformed: {kind}" in told


@both
@pytest.mark.chaos(
    malformed_payload(share=0.2, kinds=DEBATABLE_KINDS, name="debatable"), allow="*", settle_timeout=3
)
def test_puts_it_back_for_ever(scene, mqchaos, queue_type):
    """A consumer that puts back what it does not like is a requeue storm, for each kind of message."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(stubborn)
    scene.publish(count=COUNT, body=order)
    account = mqchaos.settle()
    assert account.verdict == "fail", text(account)
    assert numbers(account.requeue_storm) == POISON[:4], text(account)
    assert violations(account) <= {"requeue_storm", "poison_stuck", "dead_letter_miss"}, text(account)
    assert f"malformed: {kinds_of(account)[POISON[0]]}" in str(account.requeue_storm[0])


@both
@pytest.mark.chaos(EVERY_KIND, allow="*")
def test_swallows_it(scene, mqchaos, queue_type):
    """A consumer that acks what it did not work on is found out, though a dead-letter queue is there."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(careless)
    scene.publish(count=COUNT, body=order)
    account = mqchaos.settle()
    assert account.verdict == "fail", text(account)
    assert violations(account) == {"dead_letter_miss"}, text(account)
    assert numbers(finding(account, "dead_letter_miss").messages) == POISON


@both
@pytest.mark.chaos(malformed_payload(share=1.0, kinds=DEBATABLE_KINDS, name="debatable"), evidence="broker")
def test_an_ack_may_be_work(scene, mqchaos, queue_type):
    """Where no work can be seen, a consumer that acks what is debatable is not accused of dropping it."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(wrong.does_nothing)
    scene.publish(count=COUNT, body=order)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert finding(account, "dead_letter_miss").detail == "perhaps_accepted"


@both
@pytest.mark.chaos(EVERY_KIND)
@pytest.mark.parametrize(
    "body", [lambda n, rng: f"order {n} of lamps", lambda n, rng: b"\xff%d" % n, "hello", {"order": 1}]
)
def test_bodies_of_any_sort(scene, mqchaos, queue_type, body):
    """Bodies that are no JSON, or all the same, are malformed in the ways that they can be."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(opaque)
    scene.publish(count=COUNT, body=body)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert len(set(kinds_of(account).values())) >= 8
    assert numbers(account.effected) == [*range(1, COUNT + 1), *POISON]


@both
@pytest.mark.chaos(malformed_payload(share=1.0, kinds="oversize"))
def test_two_hundred_that_are_too_large(scene, mqchaos, queue_type):
    """As many large bodies as good ones pass through broker, wire and dead-letter queue."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(careful)
    scene.publish(count=200, body=order)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.dead_lettered) == list(range(201, 401)), text(account)


# --- messages that are published twice -----------------------------------------------------------------------


def twice(mqchaos):
    """Return the numbers of the messages that were published twice, and assert that both copies were confirmed."""
    sent, confirmed, delivered = (
        Counter(event.message for event in mqchaos.history if isinstance(event, kind) and event.message)
        for kind in (Published, Confirmed, Delivered)
    )
    assert sent == confirmed
    assert set(sent.values()) == {1, 2}
    again = numbers(name for name, count in sent.items() if count == 2)
    assert all(delivered[name] >= count for name, count in sent.items())
    return again


@both
@pytest.mark.chaos(repeated_publish(), repeated_publish(share=0.5), guarantee="exactly-once")
def test_published_twice_and_noticed(scene, mqchaos, queue_type):
    """A dedup store notices what was published twice: exactly-once is kept, and nothing is held against anyone."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.dedup, env=QUICK)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert not account.duplicated
    assert not account.redelivered
    assert len(twice(mqchaos)) == (9 if "share" in mqchaos.scenario else 2)
    assert account.counts["published"] == account.counts["confirmed"] == COUNT
    (fault,) = account.faults
    assert (fault.fired, fault.changed, fault.actor) == (True, True, "publisher")


@both
@pytest.mark.chaos(repeated_publish(share=0.3), guarantee="exactly-once", allow="*")
def test_published_twice_and_worked_on_twice(scene, mqchaos, queue_type):
    """A consumer without memory works twice: duplicated, exactly those, by the publisher, with the fault as cause."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "fail", text(account)
    assert violations(account) == {"duplicated"}, text(account)
    doubled = finding(account, "duplicated")
    assert numbers(doubled.messages) == twice(mqchaos)
    assert len(doubled.messages) == 5
    assert (doubled.detail, doubled.cause) == ("by_publisher", "repeated_publish(share=0.3)")
    assert doubled.claim == "worked on 2 times, expected 1: it was published 2 times"
    assert not account.redelivered
    assert {n: count for n, count in scene.done().items() if count > 1} == dict.fromkeys(twice(mqchaos), 2)
    assert "published again" in account.explain(numbers(doubled.messages)[0])


@both
@pytest.mark.chaos(repeated_publish(share=0.3))
@pytest.mark.parametrize("promise", ["at-most-once", "at-least-once"])
def test_published_twice_is_information(scene, mqchaos, queue_type, promise):
    """To work once for each publication breaks neither at-least-once nor at-most-once."""
    scene.queue(queue_type)
    scene.forked(correct.auto_ack if promise == "at-most-once" else correct.ack_after_work, env=QUICK)
    scene.publish(count=COUNT)
    account = mqchaos.verify(promise)
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert numbers(account.duplicated) == twice(mqchaos), text(account)


@both
@pytest.mark.chaos(repeated_publish(share=0.5), guarantee="exactly-once")
def test_published_twice_to_two_queues(scene, mqchaos, queue_type):
    """Four copies, two consumers with a memory each: two effects, as expected."""
    mqchaos.exchange("events", "fanout")
    for name in ("mail", "bill"):
        scene.queue(queue_type, name=name, exchange="events")
        scene.forked(correct.dedup, name=name, diary=name, env={**QUICK, "QUEUE": name})
    scene.publish(None, exchange="events", count=COUNT, expect=2)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert not account.duplicated
    assert len(twice(mqchaos)) == 9
    assert set(scene.done("mail").values()) == set(scene.done("bill").values()) == {1}
