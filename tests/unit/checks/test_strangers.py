"""Unexpected and corrupted: what was not published, or not like that."""

from __future__ import annotations

import pytest
from check_builders import Run, found, name, only, queue

from pytest_mqchaos.model import events as e


def test_a_delivery_of_an_id_nobody_published() -> None:
    """An id of this run that was delivered and never published is unexpected."""
    run = Run(1).subscribe().publish().work(1)
    run.ack(run.deliver(7))
    assert found(run.settled(), "at-most-once") == {"unexpected": [7]}


def test_an_effect_of_a_message_that_was_never_published() -> None:
    """An effect of a message that was planned and never sent is unexpected."""
    run = Run(2).subscribe().publish(1).work(1).effect(2).settled()
    finding = only(run, "unexpected")
    assert finding.claim == "unexpected: worked on, though it was never published"


def test_an_effect_with_an_id_of_this_run_nobody_published() -> None:
    """A source that names an id of this run which was never published is unexpected."""
    run = Run(1).subscribe().publish().work(1)
    run.add(e.Effected, message=None, source="orders.log", name="orders-k3f9-000099")
    assert found(run.settled()) == {"unexpected": [99]}


def test_leftovers_of_other_runs() -> None:
    """Ids of other runs and lines that are no ids are foreign."""
    run = Run(1).subscribe().publish().work(1)
    run.add(e.Effected, message=None, source="orders.log", name="orders-zzzz-000001")
    run.add(e.Effected, message=None, source="orders.log", name="restarted")
    assert found(run.settled()) == {}


def test_a_changed_body() -> None:
    """A copy of the workload with another body is corrupted, whatever was promised."""
    run = Run(1).subscribe().publish().work(1, digest="other").settled()
    assert found(run, "at-most-once") == {"corrupted": [1]}


def test_an_applications_own_copy() -> None:
    """A copy that the application published may differ: information."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.republish(1, "orders", digest="other").ack(hand, effect_seen=False).work(1, digest="other")
    assert found(run.settled()) == {"(corrupted:own_copy)": [1]}


HEADERS = {"identified_by": "header", "altered": ("content_type", "header tenant")}


def test_changed_headers() -> None:
    """A copy of the workload that lost what its publisher said of it is corrupted, and what it lost is named."""
    run = Run(1).subscribe().publish().work(1, **HEADERS).settled()
    finding = only(run, "corrupted", "at-most-once")
    assert (finding.name, finding.violation) == ("corrupted:headers", True)
    assert finding.claim == (
        "corrupted: its content_type, header tenant delivered from `orders` to worker: not what was published"
    )


def test_changed_headers_at_rest() -> None:
    """What rests is compared too."""
    dead = queue("orders.dead", ready=1)
    run = (
        Run(1).subscribe().publish().work(1).settled(queue("orders"), dead).rest(1, "orders.dead", **HEADERS)
    )
    assert found(run)["corrupted:headers"] == [1]


def test_changed_headers_of_an_applications_own_copy() -> None:
    """Retry code publishes with properties of its own: information."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.republish(1, "orders", altered=HEADERS["altered"]).ack(hand, effect_seen=False).work(1, **HEADERS)
    assert found(run.settled()) == {"(corrupted:own_copy)": [1]}


def test_changed_headers_that_the_application_did_not_change() -> None:
    """An own copy that keeps the headers does not excuse one of the workload that lost them."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1, **HEADERS)
    run.republish(1, "orders").ack(hand, effect_seen=False).work(1)
    assert found(run.settled()) == {"corrupted:headers": [1]}


@pytest.mark.parametrize("how", ["message_id", "key", "digest"])
def test_what_does_not_carry_our_header_was_published_by_somebody_else(how: str) -> None:
    """Brokers drop no header, programs do: a copy without our id is an application's, wherever it published it."""
    run = Run(1).subscribe().publish().work(1, identified_by=how, altered=("header x-mqchaos-id",)).settled()
    assert found(run) == {"(corrupted:own_copy)": [1]}


def test_a_large_body_is_compared_when_it_has_passed() -> None:
    """A body that was too large to be held has its digest later."""
    for digest, said in (("other", {"corrupted": [1]}), (Run(1).messages[name(1)].digest, {})):
        run = Run(1).subscribe().publish()
        hand = run.deliver(1, digest=None)
        run.on_channel(e.Streamed, message=name(1), tag=hand.tag, digest=digest)
        assert found(run.effect(1).ack(hand, effect_seen=True).settled()) == said


def test_a_large_body_of_an_applications_own_copy() -> None:
    """What the application published may be anything where its body was too large to be read."""
    run = Run(1).subscribe().publish()
    hand = run.deliver(1)
    run.republish(1, "orders", digest=None).ack(hand, effect_seen=False)
    hand = run.deliver(1, digest=None)
    run.on_channel(e.Streamed, message=name(1), tag=hand.tag, digest="other")
    assert found(run.effect(1).ack(hand, effect_seen=True).settled()) == {"(corrupted:own_copy)": [1]}


def test_identified_by_its_body() -> None:
    """A message that was recognised by its body cannot be corrupted, nor can one whose body was not seen."""
    run = Run(2).subscribe().publish().work(1, digest="other", identified_by="digest").work(2, digest=None)
    assert found(run.settled()) == {}
