"""What a publisher loses: what it said it sent and nobody has. What was confirmed or worked on, it sent."""

from __future__ import annotations

from dataclasses import replace

import pytest
from check_builders import Run, found, name, only, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import connection_drop, consumer_crash
from pytest_mqchaos.model.topology import QueueState
from pytest_mqchaos.model.triggers import publish


def producing(good: int = 2, **fields: object) -> Run:
    """A run whose messages come from a producer, with a consumer."""
    return Run(good, **{"producer": "billing", "mandatory": False, **fields}).start().subscribe()


def claim(run: Run, *numbers: int) -> Run:
    """The producer says that it sent messages."""
    for number in numbers:
        run.add(e.Claimed, message=name(number), producer="billing", name=f"order-{number}")
    return run


def test_what_was_confirmed_or_worked_on_was_sent() -> None:
    """A claim that is true is no finding, with confirms or without."""
    run = producing(confirm=False).publish(confirm=False)
    assert found(claim(run, 1, 2).work(1, 2).settled(queue("orders"))) == {}


def test_without_confirms_it_never_came() -> None:
    """A publish that was cut off, and that its publisher calls sent, is lost by the publisher."""
    run = producing(confirm=False).plan(connection_drop(before=publish(2)))
    run.publish(1, confirm=False).publish(2, confirm=False, passed=False).fire(0, "billing")
    finding = only(claim(run, 1, 2).work(1).settled(queue("orders")), "lost")
    assert (finding.name, finding.messages, finding.violation) == ("lost:by_publisher", (name(2),), True)
    assert finding.claim == (
        "lost by the publisher: billing said that it was sent, without confirms, and it never came to the broker"
    )
    assert finding.cause == "connection_drop(before=publish(2))"


def test_what_nobody_called_sent_is_not_lost() -> None:
    """A publish that was not confirmed may be gone, as long as its publisher does not think otherwise."""
    run = producing(confirm=False).publish(1, confirm=False).publish(2, confirm=False, passed=False)
    assert "lost" not in found(claim(run, 1).work(1).settled(queue("orders")))


def test_it_never_left_the_process() -> None:
    """A claim without any publish is a message in a buffer."""
    run = producing(3).publish(1, 2)
    finding = only(claim(run, 1, 2, 3).work(1, 2).settled(queue("orders")), "lost")
    assert finding.messages == (name(3),)
    assert finding.claim.endswith("and it never left the process")


def test_it_was_still_in_its_buffer_when_it_was_killed() -> None:
    """However long that was after it had called it sent."""
    run = producing(2).start("billing").plan(consumer_crash(after=publish(1), consumer="billing")).publish(1)
    claim(run, 1, 2).work(1).wait(20_000).crash("billing", fault=0)
    finding = only(run.settled(queue("orders")), "lost")
    assert (finding.messages, finding.fault) == ((name(2),), 0)
    assert finding.claim.endswith("and it was never seen on its link")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (e.PublishNacked, "and the broker refused it (basic.nack)"),
        (e.Returned, "and the broker returned it: no queue took it"),
        (None, "before the broker confirmed it, and it is nowhere"),
    ],
)
def test_an_answer_that_it_took_no_notice_of(answer: type[e.Event] | None, words: str) -> None:
    """The claim says what the publisher was told, and what it made of that."""
    run = producing().publish(1).publish(2, confirm=False)
    if answer is not None:
        run.answer(2, answer)
    if answer is e.Returned:
        run.answer(2)  # the confirm that follows a return
    if answer is None:
        run.add(e.LinkLost, link="publisher", connection=1, by="fault")
    finding = only(claim(run, 1, 2).work(1).settled(queue("orders")), "lost")
    assert finding.messages == (name(2),)
    assert finding.claim.endswith(words)


def unbound(**fields: object) -> Run:
    """Our own publisher's message to an exchange that leads nowhere with its key."""
    run = Run(1, to="", exchange="tk", **fields).subscribe().bind("tk", "topic", ("new.*", "orders"))
    number = name(1)
    run.messages[number] = replace(run.messages[number], routing_key="old.eu")
    return run.publish(exchange="tk", routing_key="old.eu")


def test_our_own_message_that_no_queue_took() -> None:
    """Published without mandatory=True it was confirmed all the same: the words name the exchange and the key."""
    finding = only(unbound(mandatory=False).settled(), "lost")
    assert finding.name == "lost:by_publisher"
    assert finding.claim == (
        "lost by the publisher: exchange 'tk' with routing key 'old.eu' led to no queue, so the broker confirmed it "
        "and threw it away"
    )
    assert "mandatory=True" in finding.mend


def test_our_own_message_that_a_queue_took() -> None:
    """Where the exchange leads to a queue, the broker had it."""
    run = unbound(mandatory=False).bind("tk", "topic", ("old.*", "orders"))
    assert found(run.settled()) == {"lost:by_broker": [1]}


def test_what_the_queue_still_holds_is_not_lost_by_its_publisher() -> None:
    """A message that may stand in its queue came to the broker."""
    run = producing(confirm=False).publish(confirm=False)
    assert "lost" not in found(claim(run, 1, 2).work(1).unsettled(queue("orders", 1)))


def test_a_queue_that_cannot_be_counted_tells_nothing() -> None:
    """Where the census is not exact, whether it is there is unknown."""
    run = producing(confirm=False).publish(1, confirm=False).publish(2, confirm=False, passed=True)
    vague = QueueState(name="orders", type="quorum", ready=0, unacknowledged=0, exact=False)
    finding = only(claim(run, 1, 2).work(1).settled(vague), "lost")
    assert finding.unknown
    assert "cannot be told" in finding.claim


def test_a_consumer_loses_what_an_unconfirmed_publish_brought_it() -> None:
    """What a consumer took for good did come to the broker: its work is owed."""
    run = producing(confirm=False).publish(confirm=False).work(1)
    run.ack(run.deliver(2), effect_seen=False)
    finding = only(run.settled(queue("orders")), "lost")
    assert (finding.name, finding.messages) == ("lost:by_consumer", (name(2),))


def test_a_queue_that_is_not_there() -> None:
    """The broker confirms what it throws away, unless it was published as mandatory."""
    run = producing().publish(1).publish(2, routing_key="ordres")
    finding = only(run.work(1).settled(queue("orders")), "lost")
    assert (finding.name, finding.messages) == ("lost:by_publisher", (name(2),))
    assert "so the broker confirmed it and threw it away" in finding.claim


def test_an_event_that_nobody_listens_to() -> None:
    """What goes to an exchange, and no queue is bound for it, is lost only where it was called sent."""
    run = producing(1, exchange="events", queue="").publish(exchange="events").settled(queue("orders"))
    assert "lost" not in found(run)
    run = producing(1, exchange="events", queue="").publish(exchange="events")
    assert only(claim(run, 1).settled(queue("orders")), "lost").detail == "by_publisher"
