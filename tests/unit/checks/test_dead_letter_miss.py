"""Dead-letter miss and false positive: who belongs among the dead letters."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from check_builders import Run, found, name, only, queue

from pytest_mqchaos.model import events as e

ORDERS = queue("orders", dead_letter_exchange="", dead_letter_routing_key="orders.dead")
DEAD = frozenset({"orders.dead"})


def one_poison() -> Run:
    """One good message was worked on, one poison message was published."""
    return Run(1, poison=1).subscribe().publish().work(1)


def rejected() -> Run:
    """The poison message was rejected and its queue says where dead letters go."""
    run = one_poison()
    return run.nack(run.deliver(2), requeue=False).settled(ORDERS, queue("orders.dead", ready=1))


def test_in_the_dead_letter_queue() -> None:
    """Poison that is rejected and arrives where the dead-letter exchange leads is right."""
    assert found(rejected().rest(2, "orders.dead", death_reason="rejected", death_queue="orders")) == {}


def test_in_the_queue_that_the_test_named() -> None:
    """Poison that the application itself puts into the named queue is right, whatever it makes of the body."""
    run = one_poison()
    hand = run.deliver(2)
    run.republish(2, "orders.dead", digest="other").ack(hand).settled(
        queue("orders"), queue("orders.dead", ready=1)
    )
    run.rest(2, "orders.dead", digest="other")
    assert found(run, dead_letters=DEAD) == {"(dead_letter_miss:altered)": [2]}


@pytest.mark.parametrize(
    ("wrapped", "kept"),
    [
        (lambda body: b'{"error": "unreadable", "at": 1}', False),
        (lambda body: b'{"error": 1, "body": ' + json.dumps(body.decode()).encode() + b"}", True),
        (lambda body: b'{"error": 1, "body": "' + base64.b64encode(body) + b'"}', True),
        (lambda body: b'{"error": 1, "body": "' + body.hex().encode() + b'"}', True),
        (lambda body: b"prefix" + body, True),
        (lambda body: b"x" * e.RESTED_BODY, True),
    ],
)
def test_a_dead_letter_without_the_body_it_is_about(wrapped: Callable[[bytes], bytes], kept: bool) -> None:
    """Where the test expects dead letters, an envelope of the application's has the message in it, in some form."""
    run = one_poison()
    run.messages[name(2)] = replace(run.messages[name(2)], body=b'{"order": 2')
    hand = run.deliver(2)
    run.republish(2, "orders.dead", digest="other").ack(hand).settled(
        queue("orders"), queue("orders.dead", ready=1)
    )
    run.rest(2, "orders.dead", digest="other", body=wrapped(run.messages[name(2)].body))
    expected = "(dead_letter_miss:altered)" if kept else "dead_letter_miss:altered"
    assert found(run, dead_letters=DEAD, poison="dead-letter") == {expected: [2]}
    assert found(run, dead_letters=DEAD) == {"(dead_letter_miss:altered)": [2]}


def test_swallowed_with_an_ack() -> None:
    """Poison that was acknowledged though a dead-letter queue is there is missing in it."""
    run = one_poison()
    finding = only(run.ack(run.deliver(2)).settled(ORDERS, queue("orders.dead")), "dead_letter_miss")
    assert (finding.name, finding.violation) == ("dead_letter_miss:dropped", True)
    assert finding.claim == "is missing in `orders.dead`: acknowledged by worker and gone"


@pytest.mark.parametrize(
    ("exchange", "key", "cause"),
    [
        ("", "orders.daed", "worker published it to `orders.daed`, and there is no such queue"),
        (
            "dlx",
            "orders.daed",
            "worker published it to exchange 'dlx' with routing key 'orders.daed', and no queue is bound there",
        ),
        ("", "orders.dead", ""),
        ("dlx", "orders.dead", ""),
        ("", "amq.gen-k3f9", ""),
    ],
)
def test_published_to_where_no_queue_is(exchange: str, key: str, cause: str) -> None:
    """A consumer that publishes its dead letters to a name that it misspells did not swallow them."""
    run = one_poison().bind("dlx", "direct", ("orders.dead", "orders.dead"))
    hand = run.deliver(2)
    run.republish(2, key, exchange=exchange).ack(hand).settled(queue("orders"), queue("orders.dead"))
    finding = only(run, "dead_letter_miss", dead_letters=DEAD)
    assert (finding.name, finding.cause) == ("dead_letter_miss:dropped", cause)
    assert ("mandatory=True" in finding.mend) is bool(cause)


def test_discard_needs_no_dead_letter_queue() -> None:
    """Where the test expects a discard, an ack is right though a dead-letter queue is there."""
    run = one_poison()
    assert found(run.ack(run.deliver(2)).settled(ORDERS, queue("orders.dead")), poison="discard") == {}


def test_expected_and_no_queue_to_go_to() -> None:
    """Where the test expects a dead letter and there is no dead-letter queue, rejected poison is a miss."""
    run = one_poison()
    assert found(run.nack(run.deliver(2), requeue=False).settled(), poison="dead-letter") == {
        "dead_letter_miss:dropped": [2]
    }


def test_in_the_wrong_queue() -> None:
    """Poison in another terminal queue than the one named is in the wrong queue."""
    run = one_poison()
    hand = run.deliver(2)
    run.republish(2, "orders.odd").ack(hand)
    run.settled(queue("orders"), queue("orders.odd", ready=1), queue("orders.dead"))
    assert found(run.rest(2, "orders.odd"), dead_letters=DEAD) == {"dead_letter_miss:wrong_queue": [2]}


def test_for_the_wrong_reason() -> None:
    """Poison that only expired was not recognised."""
    run = rejected().rest(2, "orders.dead", death_reason="expired", death_queue="orders")
    assert found(run) == {"dead_letter_miss:wrong_reason": [2]}


def test_with_another_body() -> None:
    """A dead letter whose body changed on the broker's way is altered."""
    run = rejected().rest(2, "orders.dead", death_reason="rejected", death_queue="orders", digest="other")
    assert found(run) == {"dead_letter_miss:altered": [2]}


def test_twice() -> None:
    """Two dead letters of one publication, with no redelivery that explains them, are one too many."""
    run = rejected().rest(2, "orders.dead", death_reason="rejected", death_queue="orders")
    assert found(run.rest(2, "orders.dead")) == {"dead_letter_miss:twice": [2]}


def fanned_out() -> Run:
    """A poison message went to two queues, whose consumers each refused their copy."""
    run = Run(0, poison=1).subscribe().subscribe("bills", link="biller")
    run.bind("sales", "fanout", ("", "orders"), ("", "bills")).publish(exchange="sales", routing_key="")
    run.nack(run.deliver(1), requeue=False)
    run.nack(run.deliver(1, "bills", link="biller"), requeue=False)
    bills = queue("bills", dead_letter_exchange="", dead_letter_routing_key="orders.dead")
    run.settled(ORDERS, bills, queue("orders.dead", ready=2))
    for origin in ("orders", "bills"):
        run.rest(1, "orders.dead", death_reason="rejected", death_queue=origin)
    return run


def test_a_fan_out_leaves_a_dead_letter_for_each_copy() -> None:
    """Two queues that take a message each refuse a copy of it: two dead letters are right, and a third is not."""
    assert found(fanned_out()) == {}
    assert found(fanned_out().rest(1, "orders.dead")) == {"dead_letter_miss:twice": [1]}


def test_a_dead_letter_exchange_that_fans_out() -> None:
    """One refused message that goes to two dead-letter queues is there twice by design; twice in one is too much."""
    orders = queue("orders", dead_letter_exchange="dead", dead_letter_routing_key="")
    run = one_poison().bind("dead", "fanout", ("", "orders.dead"), ("", "orders.audit"))
    run.nack(run.deliver(2), requeue=False)
    run.settled(orders, queue("orders.dead", ready=1), queue("orders.audit", ready=1))
    for target in ("orders.dead", "orders.audit"):
        run.rest(2, target, death_reason="rejected", death_queue="orders")
    assert found(run) == {}
    assert found(run.rest(2, "orders.dead")) == {"dead_letter_miss:twice": [2]}


def test_twice_after_a_lost_ack_is_at_least_once() -> None:
    """An application that publishes dead letters itself repeats them when its ack is lost: information."""
    run = one_poison()
    run.deliver(2)
    run.republish(2, "orders.dead").lose().subscribe()
    hand = run.deliver(2, redelivered=True)
    run.republish(2, "orders.dead").ack(hand).settled(queue("orders"), queue("orders.dead", ready=2))
    run.rest(2, "orders.dead").rest(2, "orders.dead")
    said = found(run, dead_letters=DEAD)
    assert [each for each in said if not each.startswith("(")] == []


def test_there_and_effected_too() -> None:
    """Poison that is both dead-lettered and worked on is a miss where the test says dead-letter."""
    run = rejected().rest(2, "orders.dead", death_reason="rejected", death_queue="orders").effect(2)
    assert found(run, poison="dead-letter") == {"poison_effected": [2], "dead_letter_miss:effected_too": [2]}


def test_dead_letters_that_no_queue_takes() -> None:
    """Dead letters that are still in transit at the end have no target."""
    run = one_poison()
    run.nack(run.deliver(2), requeue=False)
    orders = queue("orders", type="quorum", transit=1, dead_letter_exchange="gone")
    assert found(run.unsettled(orders)) == {"dead_letter_miss:no_target": [2]}


def test_dead_letters_that_their_full_target_does_not_take() -> None:
    """Dead letters in transit to a queue that is there, good or bad, are neither dropped nor lost."""
    run = Run(1, poison=1).subscribe().publish()
    run.nack(run.deliver(1), run.deliver(2), requeue=False)
    orders = queue(
        "orders", type="quorum", transit=2, dead_letter_exchange="", dead_letter_routing_key="orders.dead"
    )
    assert found(run.unsettled(orders, queue("orders.dead"))) == {"dead_letter_miss:no_target": [1, 2]}


def test_what_could_not_be_read_is_unknown() -> None:
    """Where the dead-letter queue could not be read, a missing poison message is unknown."""
    run = one_poison()
    run.nack(run.deliver(2), requeue=False).settled(ORDERS, queue("orders.dead", ready=1))
    assert found(run) == {"dead_letter_miss:dropped?": [2]}


def test_read_off_the_wire_where_the_queue_has_a_consumer() -> None:
    """A dead-letter queue with a consumer of its own is read off the wire."""
    run = one_poison().subscribe("orders.dead", link="mortician")
    run.nack(run.deliver(2), requeue=False)
    run.ack(run.deliver(2, "orders.dead", link="mortician", deaths="rejected"))
    assert found(run.settled(ORDERS, queue("orders.dead")), dead_letters=DEAD) == {}


def test_a_good_message_among_the_dead() -> None:
    """A good message at rest in a dead-letter queue is a false positive, and not lost."""
    run = Run(2).subscribe().publish().work(1)
    run.nack(run.deliver(2), requeue=False).settled(ORDERS, queue("orders.dead", ready=1))
    run.rest(2, "orders.dead", death_reason="rejected", death_queue="orders")
    finding = only(run, "dead_letter_false_positive")
    assert (finding.name, finding.violation) == ("dead_letter_false_positive:rejected", True)
    assert finding.claim == "good, and at rest in the dead-letter queue `orders.dead`: rejected by worker"
    assert set(found(run)) == {"dead_letter_false_positive:rejected"}


def not_to_work(*, ignored: bool = False, refused: bool = False) -> Run:
    """A message that is to have no effect was rejected; another one, ignored or rejected as well."""
    run = Run(2, expect=0).subscribe().publish()
    first, second = run.deliver(1), run.deliver(2)
    if refused:
        run.add(e.Answered, message=name(2), source="http", consumer="worker", attempt=1, status=500)
    if ignored:
        run.ack(first)
    else:
        run.nack(first, requeue=False)
    run.nack(second, requeue=False).settled(ORDERS, queue("orders.dead", ready=2 - ignored))
    for number in (2,) if ignored else (1, 2):
        run.rest(number, "orders.dead", death_reason="rejected", death_queue="orders")
    return run


def test_a_dead_letter_that_is_to_have_no_effect() -> None:
    """What the test says is not worked on ends where it said that such messages end: reported, and no violation."""
    assert found(not_to_work(), dead_letters=DEAD) == {"(dead_letter_false_positive:rejected)": [1, 2]}
    finding = only(not_to_work(), "dead_letter_false_positive", dead_letters=DEAD)
    assert finding.claim.endswith("rejected by worker; expect=0 says that it is to have no effect")


def test_a_dead_letter_in_a_queue_that_nobody_named() -> None:
    """Nobody said that it may end there."""
    assert found(not_to_work()) == {"dead_letter_false_positive:rejected": [1, 2]}


def test_a_filter_that_dead_letters_what_it_should_ignore() -> None:
    """Others of its kind are acknowledged; that a service refused it is why it may be otherwise."""
    one = not_to_work(ignored=True)
    assert found(one, dead_letters=DEAD) == {"dead_letter_false_positive:rejected": [2]}
    other = not_to_work(ignored=True, refused=True)
    assert found(other, dead_letters=DEAD) == {"(dead_letter_false_positive:rejected)": [2]}


@pytest.mark.parametrize(
    ("dead", "cause"),
    [
        ({"max_length": 1}, "`orders.dead` holds at most 1 messages (drop-head)"),
        ({"max_length_bytes": 99}, "`orders.dead` holds at most 99 bytes (drop-head)"),
        ({"max_length": 3}, ""),
    ],
)
def test_a_limit_that_empties_the_dead_letter_queue(dead: dict[str, int], cause: str) -> None:
    """The consumer rejected it as it should: the limit is named where the queue is full, and no ack is spoken of."""
    run = Run(1, poison=2).subscribe().publish().work(1)
    run.nack(run.deliver(2), run.deliver(3), requeue=False)
    run.settled(ORDERS, queue("orders.dead", ready=1, **dead))
    finding = only(
        run.rest(3, "orders.dead", death_reason="rejected", death_queue="orders"), "dead_letter_miss"
    )
    assert finding.messages == (name(2),)
    assert (finding.name, finding.cause) == ("dead_letter_miss:dropped", cause)
    assert "acknowledging" not in finding.mend
    if cause:
        assert (
            finding.claim == "is missing in `orders.dead`: rejected by worker, and too much for `orders.dead`"
        )
        assert finding.mend == "raise the limit of `orders.dead`"
    else:
        assert finding.claim.endswith("rejected by worker, and its dead letter reached no queue")


def test_a_limit_that_reached_nothing_that_was_acknowledged() -> None:
    """What a consumer swallowed never came there, however full it is."""
    run = Run(1, poison=2).subscribe().publish().work(1)
    run.ack(run.deliver(2)).nack(run.deliver(3), requeue=False)
    run.settled(ORDERS, queue("orders.dead", ready=1, max_length=1))
    finding = only(
        run.rest(3, "orders.dead", death_reason="rejected", death_queue="orders"), "dead_letter_miss"
    )
    assert finding.cause == ""
    assert finding.mend.endswith("instead of acknowledging it")


def test_a_limit_reached_by_faults_names_them() -> None:
    """A delivery limit that injected faults used up names the last of them as the cause."""
    from pytest_mqchaos.model.faults import connection_drop
    from pytest_mqchaos.model.triggers import delivery

    run = Run(1).subscribe().publish().plan(connection_drop(after=delivery(1)))
    run.deliver(1)
    run.fire(0, at=1).lose().subscribe()
    limited = queue(
        "orders", delivery_limit=1, dead_letter_exchange="", dead_letter_routing_key="orders.dead"
    )
    run.settled(limited, queue("orders.dead", ready=1))
    run.rest(1, "orders.dead", death_reason="delivery_limit", death_queue="orders")
    finding = only(run, "dead_letter_false_positive")
    assert (finding.detail, finding.cause) == ("delivery_limit", "connection_drop(after=delivery(1))")


def test_published_there_with_the_headers_of_an_older_death() -> None:
    """Who gives up after delayed retries hands on what the waiting room wrote: that is not how it came there."""
    run = Run(1).subscribe().publish()
    run.republish(1, "orders.wait").ack(run.deliver(1), effect_seen=False)
    hand = run.deliver(1, deaths="1")
    run.republish(1, "orders.dead", deaths="1").ack(hand, effect_seen=False)
    run.settled(queue("orders"), queue("orders.dead", ready=1))
    run.rest(1, "orders.dead", deaths="1", death_reason="expired", death_queue="orders.wait")
    finding = only(run, "dead_letter_false_positive", dead_letters=DEAD)
    assert finding.detail == "published"
    assert finding.claim.endswith("published there by the application")


def test_handed_on_with_the_headers_of_a_delayed_retry() -> None:
    """What was worked on after a wait, and handed on with all its headers, is a result and no dead letter."""
    run = Run(1).subscribe().publish()
    run.nack(run.deliver(1), requeue=False).wait(100)
    hand = run.deliver(1, deaths="1")
    run.effect(1).republish(1, "results", deaths="1").ack(hand, effect_seen=True)
    orders = queue("orders", dead_letter_exchange="", dead_letter_routing_key="wait")
    wait = queue("wait", message_ttl=0.1, dead_letter_exchange="", dead_letter_routing_key="orders")
    run.settled(orders, wait, queue("results", ready=1))
    run.rest(1, "results", deaths="1", death_reason="expired", death_queue="wait")
    assert found(run) == {}


@pytest.mark.parametrize(
    ("rests", "said"), [("mails.dead", {}), ("orders.dead", {"dead_letter_miss:wrong_queue": [3]})]
)
@pytest.mark.parametrize("both", [False, True])
def test_each_work_queue_has_a_dead_letter_queue_of_its_own(
    rests: str, said: dict[str, list[int]], both: bool
) -> None:
    """Poison belongs into the queue that its own dead letters come to, though the test names another one's."""
    run = (
        Run(1, poison=2).subscribe().subscribe("mails").publish(1, 2).publish(3, routing_key="mails").work(1)
    )
    run.nack(run.deliver(2), requeue=False)
    hand = run.deliver(3, "mails")
    if rests == "mails.dead":
        run.nack(hand, requeue=False)
    else:
        run.republish(3, rests).ack(hand)
    dead = {"orders": 0, "mails": 0, "orders.dead": 1, "mails.dead": 0}
    dead[rests] += 1
    run.settled(
        *(
            queue(name, dead[name], dead_letter_exchange="", dead_letter_routing_key=f"{name}.dead")
            for name in ("orders", "mails")
        ),
        *(queue(name, dead[name]) for name in ("orders.dead", "mails.dead")),
    )
    run.rest(2, "orders.dead", death_reason="rejected", death_queue="orders")
    reason = {"death_reason": "rejected", "death_queue": "mails"} if rests == "mails.dead" else {}
    run.rest(3, rests, **reason)
    named = frozenset({"orders.dead", "mails.dead"}) if both else frozenset({"orders.dead"})
    assert found(run, dead_letters=named) == said


def test_stranded() -> None:
    """A good message in a queue that nobody reads is stranded; once named, that is a dead-letter queue."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.republish(1, "orders.odd").ack(hand, effect_seen=False).settled(
        queue("orders"), queue("orders.odd", ready=1)
    )
    run.rest(1, "orders.odd")
    assert found(run) == {"stranded": [1]}
    assert only(run, "stranded").messages == (name(1),)
    assert found(run, dead_letters=frozenset({"orders.odd"})) == {"dead_letter_false_positive:published": [1]}


def test_stranded_where_a_source_shows_nothing_at_all() -> None:
    """What the consumer published is no excuse for an empty source: both are said, and what to look at."""
    run = Run(3)
    run.add(e.SourceNamed, source="booked", kind="call")
    run.subscribe().publish()
    for number in (1, 2, 3):
        hand = run.deliver(number)
        run.republish(number, "invoices").ack(hand, effect_seen=False)
    run.settled(queue("orders"), queue("invoices", ready=3))
    for number in (1, 2, 3):
        run.rest(number, "invoices")
    finding = only(run, "stranded")
    assert finding.cause == "nothing at all shows in `booked`, though all 3 messages were acknowledged"
    assert finding.mend.startswith("look whether the test asks another database")
    assert finding.mend.endswith('if it is what the work makes, mqchaos.effects(queue="invoices")')


def test_handed_on_after_its_work() -> None:
    """A message that was worked on and handed on to a queue that nobody reads is right."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.effect(1).republish(1, "results").ack(hand, effect_seen=True)
    assert found(run.settled(queue("orders"), queue("results", ready=1)).rest(1, "results")) == {}


def test_a_named_queue_that_leads_back_is_a_waiting_room() -> None:
    """A retry queue that was declared as dead-letter queue is passed through: no message belongs there."""
    run = Run(1, poison=1).subscribe().publish()
    for number in (1, 2):
        run.nack(run.deliver(number), requeue=False)
    run.work(1, deaths="one")
    run.ack(run.deliver(2, deaths="one"))
    orders = queue("orders", dead_letter_exchange="", dead_letter_routing_key="wait")
    wait = queue("wait", message_ttl=0.1, dead_letter_exchange="", dead_letter_routing_key="orders")
    assert found(run.settled(orders, wait), dead_letters=frozenset({"wait"})) == {}


def test_what_rests_from_an_earlier_settle_hides_nothing() -> None:
    """Dead letters read at the first settle do not stand for those that could not be read at the second."""
    run = Run(0, poison=2).subscribe().publish(1)
    run.nack(run.deliver(1), requeue=False).settled(ORDERS, queue("orders.dead", ready=1))
    run.rest(1, "orders.dead", death_reason="rejected", death_queue="orders").publish(2)
    run.nack(run.deliver(2), requeue=False).settled(ORDERS, queue("orders.dead", ready=1))
    assert found(run) == {"dead_letter_miss:dropped?": [2]}


@pytest.mark.parametrize(
    ("reason", "words"),
    [("expired", "expired in `orders`"), ("maxlen", "pushed out of `orders`, which was full")],
)
def test_good_messages_that_nobody_rejected(reason: str, words: str) -> None:
    """A good message that expired, or was pushed out, into a dead-letter queue says so."""
    run = Run(1).subscribe().publish().settled(ORDERS, queue("orders.dead", ready=1))
    finding = only(
        run.rest(1, "orders.dead", death_reason=reason, death_queue="orders"), "dead_letter_false_positive"
    )
    assert (finding.detail, finding.claim.endswith(words)) == (reason, True)


def test_rejected_and_its_dead_letter_is_nowhere() -> None:
    """Poison that was rejected and never arrived is dropped on the way."""
    run = one_poison()
    run.nack(run.deliver(2), requeue=False).settled(ORDERS, queue("orders.dead"))
    assert only(run, "dead_letter_miss").claim.endswith(
        "rejected by worker, and its dead letter reached no queue"
    )


def test_never_delivered_and_nowhere() -> None:
    """Poison that no queue holds and nobody was given is missing."""
    run = one_poison().settled(ORDERS, queue("orders.dead"))
    assert only(run, "dead_letter_miss").claim == "is missing in `orders.dead`, and no queue holds it"


def malformed(kind: str, *, legible: bool = True, effect: bool = False) -> Run:
    """Poison of a kind, acknowledged though its queue has a dead-letter queue."""
    run = one_poison()
    run.messages[name(2)] = replace(run.messages[name(2)], kind=kind, key_legible=legible)
    hand = run.deliver(2)
    if effect:
        run.effect(2)
    return run.ack(hand, effect_seen=effect).settled(ORDERS, queue("orders.dead"))


@pytest.mark.parametrize("kind", ["truncated", "byte_order_mark"])
@pytest.mark.parametrize("legible", [True, False])
def test_malformed_and_processed(kind: str, legible: bool) -> None:
    """Under auto an effect is accepted, wherever the message should have gone instead."""
    run = malformed(kind, legible=legible, effect=True)
    assert found(run) == {"(poison_effected:accepted)": [2]}
    assert only(run, "poison_effected").claim == f"malformed ({kind}) and accepted: it had an effect"


def test_malformed_and_swallowed() -> None:
    """An ack without an effect is a message dropped, of every kind, where an effect would be seen."""
    assert found(malformed("truncated")) == {"dead_letter_miss:dropped": [2]}
    assert found(malformed("byte_order_mark")) == {"dead_letter_miss:dropped": [2]}


@pytest.mark.parametrize("evidence", ["broker", "unknown"])
def test_an_ack_of_what_may_be_processed(evidence: str) -> None:
    """Where no effect can be seen, the ack of a debatable message is no drop: it may have been worked on."""
    assert "(dead_letter_miss:perhaps_accepted)" in found(malformed("byte_order_mark"), evidence=evidence)
    assert "dead_letter_miss:dropped" in found(malformed("truncated"), evidence=evidence)
    strict = found(malformed("byte_order_mark"), evidence=evidence, poison="dead-letter")
    assert "dead_letter_miss:dropped" in strict


def test_an_ack_of_what_has_no_key_to_name_it_by() -> None:
    """A message whose key was spoilt may have been worked on under a name that nobody knows."""
    run = malformed("null_field", legible=False)
    assert found(run) == {"(dead_letter_miss:perhaps_accepted)": [2]}
    assert "dead_letter_miss:dropped" in found(run, poison="dead-letter")


def test_a_debatable_message_in_the_wrong_queue() -> None:
    """What rests in a queue that is no dead-letter queue was not processed."""
    run = one_poison()
    run.messages[name(2)] = replace(run.messages[name(2)], kind="null_field", key_legible=False)
    hand = run.deliver(2)
    run.republish(2, "parked").ack(hand).settled(ORDERS, queue("orders.dead"), queue("parked", ready=1))
    run.rest(2, "parked")
    assert "dead_letter_miss:wrong_queue" in found(run)


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        ([True], "(dead_letter_false_positive:given_up)"),
        ([True, False], "dead_letter_false_positive:rejected"),
    ],
)
def test_a_message_that_fails_for_a_while(refused: list[bool], expected: str) -> None:
    """Given up in less tries than were to fail it had no chance; with one more, that only it spoilt, it had."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    for attempt, planned in enumerate(refused, 1):
        run.add(
            e.Answered,
            message=name(1),
            source="http",
            consumer="worker",
            attempt=attempt,
            status=503,
            refused=planned,
        )
    run.nack(hand, requeue=False).settled(ORDERS, queue("orders.dead", ready=1))
    assert found(run.rest(1, "orders.dead", death_reason="rejected", death_queue="orders")) == {expected: [1]}
