"""Reordered: the work of one key in the order of publishing, what excuses it, and what cannot be seen."""

from __future__ import annotations

from typing import Any

import pytest
from check_builders import Run, findings, found, name, numbers, queue
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.guarantees import at_least_once, guarantee
from pytest_mqchaos.model.refinements import ordered

PROMISE = at_least_once + ordered("customer")
STRICT = at_least_once + ordered("customer", strict=True)


def keys(count: int, *each: str) -> dict[str, str]:
    """Return the keys of the first messages, all the same unless said."""
    return {name(n): each[n - 1] if each else "a" for n in range(1, count + 1)}


def reordered(run: Run, promise: Any = PROMISE, **fields: Any) -> list[Finding]:
    """Return what was found about the order."""
    fields.setdefault("order_keys", keys(len(run.messages)))
    return [one for one in findings(run, promise, **fields) if one.kind == "reordered"]


def two_files(*, looked: bool) -> Run:
    """Two replicas, the second message worked on first; `looked` in the other file in between, or not."""
    run = Run(2).subscribe().subscribe(link="other").publish()
    one, two = run.deliver(1), run.deliver(2, link="other")
    before = run.events[-1].at
    run.effect(2, link="other", since=before).ack(two)
    run.effect(1, since=run.events[-1].at if looked else before).ack(one)
    return run.settled()


def test_the_overtaken_message_is_named() -> None:
    """One consumer that works on the second before the first: the first was overtaken."""
    run = Run(3).subscribe().publish()
    one, two, three = (run.deliver(n) for n in (1, 2, 3))
    run.effect(2, 1, 3).ack(one, two, three).settled()
    (finding,) = reordered(run)
    assert (finding.name, numbers(finding.messages), finding.violation) == (
        "reordered:by_consumer",
        [1],
        True,
    )
    assert finding.claim == f"was worked on after `{name(2)}` of the same key 'a', which was published later"
    assert finding.cause == "worker had both, in their order, and did not keep it"
    assert finding.how_to_allow == 'allow=("reordered:by_consumer",)'


def test_in_order() -> None:
    """Work in the order of publishing is in order, whatever the acks do."""
    run = Run(3).subscribe().publish()
    hands = [run.deliver(n) for n in (1, 2, 3)]
    run.effect(1, 2, 3).ack(*reversed(hands)).settled()
    assert found(run, PROMISE, order_keys=keys(3)) == {}


def test_other_keys_promise_nothing_to_each_other() -> None:
    """Messages of different keys may be worked on in any order."""
    run = Run(2).subscribe().publish()
    one, two = run.deliver(1), run.deliver(2)
    run.effect(2, 1).ack(one, two).settled()
    assert reordered(run, order_keys=keys(2, "a", "b")) == []


def test_other_queues_promise_nothing_to_each_other() -> None:
    """The same key in two queues has no order."""
    run = Run(2).subscribe().subscribe("bills").publish(1).publish(2, routing_key="bills")
    one, two = run.deliver(1), run.deliver(2, "bills")
    run.effect(2, 1).ack(one, two).settled()
    assert reordered(run) == []


def test_unless_it_is_promised_nothing_is_looked_at() -> None:
    """Without the refinement the order is nobody's business."""
    run = Run(2).subscribe().publish()
    one, two = run.deliver(1), run.deliver(2)
    assert found(run.effect(2, 1).ack(one, two).settled()) == {}


@pytest.mark.parametrize("why", ["requeue", "link", "channel", "cancel", "recover", "reject", "publish"])
def test_what_went_back_is_excused_unless_strict(why: str) -> None:
    """A message that went back to the queue by any means before its first effect is excused, unless strict."""
    run = Run(2).subscribe().publish()
    hand = run.deliver(1)
    if why == "requeue":
        run.nack(hand)
    elif why == "link":
        run.lose()
    elif why == "channel":
        run.on_channel(e.ChannelClosed, by="client").on_channel(e.ChannelOpened)
    elif why == "cancel":
        run.on_channel(e.ConsumerCancelled, consumer_tag="worker-orders", queue="orders")
    elif why == "recover":
        run.on_channel(e.Recovered)
    elif why == "reject":
        run.nack(hand, requeue=False)
    else:
        run.republish(1, "orders").ack(hand)
    run.subscribe().work(2).work(1).settled()
    assert reordered(run) == []
    assert [numbers(one.messages) for one in reordered(run, STRICT)] == [[1]]


def test_what_went_back_after_its_work_is_no_excuse() -> None:
    """Only what happened before its first effect may have moved it."""
    run = Run(2).subscribe().publish()
    one, two = run.deliver(1), run.deliver(2)
    run.effect(2, 1).nack(one).ack(two).ack(run.deliver(1)).settled()
    assert [numbers(each.messages) for each in reordered(run)] == [[1]]


def test_two_files_with_a_look_in_between() -> None:
    """An effect that was not there when another file already showed a later message came after it."""
    (finding,) = reordered(two_files(looked=True))
    assert (finding.name, numbers(finding.messages), finding.unknown) == ("reordered:concurrency", [1], False)


def test_two_files_read_by_one_look() -> None:
    """Two files that were written between the same looks do not tell which was first: unknown, and no violation."""
    (finding,) = reordered(two_files(looked=False))
    assert (finding.name, numbers(finding.messages)) == ("reordered", [1])
    assert (finding.unknown, finding.violation) == (True, True)


def test_two_files_of_which_one_writer_was_dead() -> None:
    """What a consumer did that had ended before the later message was first delivered came before it."""
    run = Run(2).subscribe().subscribe(link="other").publish().start().start("other")
    run.deliver(1)
    before = run.events[-1].at
    run.crash()
    two = run.deliver(2, link="other")
    run.effect(2, link="other", since=before).ack(two)
    run.effect(1, since=before).ack(run.deliver(1, link="other", redelivered=True)).settled()
    assert reordered(run) == []


def test_concurrency_in_one_file() -> None:
    """Two consumers that write to one file, in its order: the cause is that both had messages of one key."""
    run = Run(2).subscribe(link="worker").subscribe(link="other").publish()
    one, two = run.deliver(1), run.deliver(2, link="other")
    run.effect(2, link=None).ack(two).effect(1, link=None).ack(one).settled()
    (finding,) = reordered(run)
    assert (finding.name, numbers(finding.messages)) == ("reordered:concurrency", [1])
    assert finding.cause == "concurrency: other and worker had messages of one key in hand at the same time"


def test_delivered_in_another_order() -> None:
    """What the broker delivers in another order (by priority) is named as such."""
    run = Run(2).subscribe().publish()
    run.work(2).work(1).settled()
    (finding,) = reordered(run)
    assert (finding.name, finding.cause) == ("reordered:by_broker", "`orders` delivered the later one first")


def test_what_was_never_worked_on_has_no_place() -> None:
    """A lost message is lost, not overtaken."""
    run = Run(2).subscribe().publish()
    run.ack(run.deliver(1)).work(2).settled()
    assert reordered(run) == []


@pytest.mark.parametrize(
    "fields", [{"evidence": "broker"}, {"evidence": "unknown"}, {"ordered_evidence": False}]
)
def test_without_a_file_the_order_is_unknown(fields: dict[str, Any]) -> None:
    """Acks, or a database asked at the end, do not tell the order of the work: unknown, never pass."""
    run = Run(2).subscribe().publish().work(1, 2).settled()
    (finding,) = reordered(run, **fields)
    assert (finding.unknown, finding.violation) == (True, True)
    assert "mqchaos.effects(path)" in finding.mend


def test_the_guarantee_counts_it() -> None:
    """Any guarantee can be refined; `exactly-once` alone does not count it."""
    run = Run(2).subscribe().publish()
    one, two = run.deliver(1), run.deliver(2)
    run.effect(2, 1).ack(one, two).settled()
    kept = {"order_keys": keys(2)}
    assert found(run, "exactly-once", **kept) == {}
    for base in ("at-most-once", "at-least-once", "exactly-once"):
        assert found(run, guarantee(base) + ordered("customer"), **kept) == {"reordered:by_consumer": [1]}


@pytest.mark.parametrize("confirmed", [False, True])
def test_publications_at_the_same_time_have_no_order(confirmed: bool) -> None:
    """What two connections of the publisher sent is in order only if the first was confirmed before the second."""
    run = Run(2).subscribe().publish(1, confirm=confirmed)
    run.add(e.Published, message=name(2), link="publisher", connection=2, channel=1, routing_key="orders")
    if not confirmed:
        run.answer(1)
    run.add(e.Confirmed, message=name(2), link="publisher", connection=2, channel=1)
    run.work(2).work(1).settled()
    assert [numbers(one.messages) for one in reordered(run, STRICT)] == ([[1]] if confirmed else [])


@given(data=st.data())
def test_a_history_made_in_order_is_never_reordered(data: st.DataObject) -> None:
    """Several consumers with files of their own, looked at whenever: keys that stay with one are in order."""
    count = data.draw(st.integers(2, 12))
    who = data.draw(st.lists(st.sampled_from(["worker", "other"]), min_size=count, max_size=count))
    run = Run(count).subscribe().subscribe(link="other").publish()
    hands = [run.deliver(n, link=who[n - 1]) for n in range(1, count + 1)]
    waiting: dict[str, list[int]] = {"worker": [], "other": []}
    looked: dict[str, int | None] = {"worker": None, "other": None}

    def look(link: str) -> None:
        since, looked[link] = looked[link], run.events[-1].at
        run.effect(*waiting[link], link=link, since=since)
        waiting[link].clear()

    for n in range(1, count + 1):
        waiting[who[n - 1]].append(n)
        for link in data.draw(st.lists(st.sampled_from(["worker", "other"]), max_size=2)):
            look(link)
    look("worker")
    look("other")
    run.ack(*hands).settled()
    alike = {name(n): who[n - 1] for n in range(1, count + 1)}
    assert reordered(run, STRICT, order_keys=alike) == []
    one_key = [one for one in reordered(run, STRICT) if not one.unknown]
    assert one_key == [], "two files leave it open at most"


@given(data=st.data())
def test_every_overtaken_message_is_found(data: st.DataObject) -> None:
    """In one file, exactly those are named that come after a later one of their key."""
    order = data.draw(st.permutations(range(1, 9)))
    kinds = data.draw(st.lists(st.sampled_from("ab"), min_size=8, max_size=8))
    run = Run(8).subscribe().publish()
    hands = [run.deliver(n) for n in range(1, 9)]
    run.effect(*order).ack(*hands).settled()
    place = {n: order.index(n) for n in order}
    overtaken = {
        n for n in order for m in order if m > n and kinds[m - 1] == kinds[n - 1] and place[m] < place[n]
    }
    named = {n for one in reordered(run, order_keys=keys(8, *kinds)) for n in numbers(one.messages)}
    assert named == overtaken


def handed_on(*, back: bool) -> Run:
    """Two messages that a first stage hands on, and the second stage works on the second before the first."""
    run = Run(2).subscribe().subscribe("invoices", link="billing").publish()
    for number in (1, 2):
        hand = run.deliver(number)
        if back and number == 1:
            run.republish(1, "orders.wait")
        run.republish(number, "invoices").ack(hand, effect_seen=False)
    one, two = (run.deliver(number, "invoices", link="billing") for number in (1, 2))
    return run.effect(2, 1, link="billing").ack(one, two).settled(queue("orders"), queue("invoices"))


def test_to_be_handed_on_as_all_are_excuses_nothing() -> None:
    """The way from stage to stage that each message of a key takes is no way back to a queue."""
    (finding,) = reordered(handed_on(back=False))
    assert (finding.name, numbers(finding.messages)) == ("reordered:by_consumer", [1])
    assert reordered(handed_on(back=True)) == []


def test_a_message_that_was_refused_has_the_place_of_its_last_publication() -> None:
    """What the broker nacked and the producer published again was published later."""
    run = Run(2, producer="shop").subscribe().publish(1, confirm=False).answer(1, e.PublishNacked)
    run.publish(2).publish(1).work(2).work(1)
    assert reordered(run.settled()) == []
    other = Run(2, producer="shop").subscribe().publish(1).publish(2).publish(1).work(2).work(1).work(1)
    assert [numbers(one.messages) for one in reordered(other.settled())] == [[1]]
