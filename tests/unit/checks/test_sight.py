"""The wire's own account of what a broker holds."""

from __future__ import annotations

from check_builders import Run, found, only, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.sight import Held, adrift, sight
from pytest_mqchaos.model.topology import Topology

DEAD = {"dead_letter_exchange": "", "dead_letter_routing_key": "orders.dead"}


def held(run: Run, name: str = "orders", private: dict[str, int] | None = None) -> Held:
    """What the wire has of a queue."""
    topology = Topology(exchanges=dict(run.exchanges), bindings=tuple(run.bindings))
    return sight(run.ledger(), topology, private).of(name)


def test_published_and_not_seen() -> None:
    """Confirmed messages that nobody was handed must be ready where they were published to."""
    run = Run(3).start().subscribe().publish()
    assert held(run) == Held(coming=3, consumers=1)
    run.deliver(1)
    assert held(run) == Held(coming=2, in_hand=1, consumers=1)


def test_settled_and_given_back() -> None:
    """An ack is settling until its barrier; what goes back is to come again, unless it may have been processed."""
    run = Run(2).start().subscribe().publish()
    first, _ = run.deliver(1), run.deliver(2)
    run.ack(first)
    assert held(run) == Held(in_hand=1, settling=1, consumers=1)
    run.lose("worker")
    assert held(run) == Held(coming=1)


def test_every_queue_behind_an_exchange() -> None:
    """A message that nobody saw must be in each of the queues it leads to."""
    run = (
        Run(2, to="")
        .bind("events", "fanout", ("", "a"), ("", "b"))
        .publish(exchange="events", routing_key="k")
    )
    assert (held(run, "a").coming, held(run, "b").coming) == (2, 2)


def test_a_private_queue_is_looked_through() -> None:
    """Of a queue that cannot be asked each message is looked for, though another queue had its copy delivered."""
    run = (
        Run(2, to="")
        .bind("events", "fanout", ("", "a"), ("", "b"))
        .publish(exchange="events", routing_key="k")
    )
    run.start().subscribe("a")
    run.ack(run.deliver(1, "a"))
    assert held(run, "b").coming == 1
    assert held(run, "b", {"b": 0}).coming == 2
    assert held(run, "b", {"b": run.events[-1].at}).coming == 0


def test_dead_letters_between_two_queues() -> None:
    """Rejected, and neither delivered again, nor at rest, nor ready where it leads to."""
    run = Run(3).start().subscribe().publish()
    for number in (1, 2):
        run.settle(e.Rejected, run.deliver(number), requeue=False)
    run.barrier()
    topology = Topology()
    states = (queue("orders", **DEAD), queue("orders.dead"))
    assert adrift(run.ledger(), states, topology) == {"orders": 2}
    states = (queue("orders", **DEAD), queue("orders.dead", ready=1))
    assert adrift(run.ledger(), states, topology) == {"orders": 1}
    states = (queue("orders", **DEAD), queue("orders.dead", ready=2))
    assert adrift(run.ledger(), states, topology) == {}
    assert adrift(run.ledger(), (queue("orders"),), topology) == {}


def test_a_policy_that_nobody_could_ask_for() -> None:
    """What was rejected may lie where a policy put it: unknown, and how to have it known."""
    run = Run(1).start().subscribe().publish()
    run.settle(e.Rejected, run.deliver(1), requeue=False).barrier()
    known = found(run.settled(queue("orders")))
    assert known == {"lost:by_policy": [1]}
    run = Run(1).start().subscribe().publish()
    run.settle(e.Rejected, run.deliver(1), requeue=False).barrier().settled(
        queue("orders", settings_known=False)
    )
    finding = only(run, "lost")
    assert finding.unknown
    assert "the policies of `orders` could not be asked for" in finding.claim
    assert "--mqchaos-management-url" in finding.mend


def test_a_policy_changes_nothing_of_what_was_acknowledged() -> None:
    """Who acknowledged a message and did not work on it has lost it, whatever the policies are."""
    run = Run(1).start().subscribe().publish()
    run.ack(run.deliver(1), effect_seen=False).barrier().settled(queue("orders", settings_known=False))
    assert found(run) == {"lost:by_consumer": [1]}


def test_bindings_that_nobody_could_ask_for() -> None:
    """A message whose queue is not known is not gone because no queue is known to hold it."""
    run = Run(1, to="").publish(exchange="events", routing_key="k")
    for _ in range(2):
        run.add(e.CensusTaken, topology=Topology(complete=False), queues=())
    run.add(e.SettleEnded, settled=True)
    assert only(run, "lost").unknown
    assert "which queues exchange 'events' leads to" in only(run, "lost").claim
