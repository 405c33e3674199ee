"""Unexpected and corrupted: what was not published, or not like that."""

from __future__ import annotations

from check_builders import Run, found, only

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


def test_identified_by_its_body() -> None:
    """A message that was recognised by its body cannot be corrupted, nor can one whose body was not seen."""
    run = Run(2).subscribe().publish().work(1, digest="other", identified_by="digest").work(2, digest=None)
    assert found(run.settled()) == {}
