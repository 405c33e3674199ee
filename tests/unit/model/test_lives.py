"""Lives: these events are told as exactly these lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from account_builders import (
    acked,
    confirmed,
    delivered,
    done,
    effected,
    message,
    ms,
    name,
    published,
    workload,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mqchaos.model.events import (
    BrokerStarted,
    BrokerStopped,
    CensusTaken,
    ChannelClosed,
    ConsumerCancelled,
    ConsumerEnded,
    ConsumerFrozen,
    ConsumerStarted,
    ConsumerThawed,
    Event,
    FaultFired,
    LinkLost,
    Nacked,
    PublishFailed,
    PublishNacked,
    QueueDeleted,
    QueuePurged,
    Recovered,
    Rejected,
    Republished,
    Rested,
    Returned,
    RolledBack,
    SettleEnded,
)
from pytest_mqchaos.model.lives import lives, step_lines
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.story import Step
from pytest_mqchaos.model.topology import QueueState, Topology

WORKER: dict[str, Any] = {"link": "worker", "connection": 2, "channel": 1}
PUBLISHER: dict[str, Any] = {"link": "publisher", "connection": 1}
CRASH = "consumer_crash(after=ack(1))"
DROP = "connection_drop(after=delivery(1))"


def fired(at: float, description: str, target: str = "worker", **fields: Any) -> FaultFired:
    """Return a strike."""
    return FaultFired(at=ms(at), fault=0, description=description, target=target, **fields)


def ended(at: float, **fields: Any) -> ConsumerEnded:
    """Return the end of the worker's process."""
    known: dict[str, Any] = {"consumer": "worker", "pid": 7, "exit_code": -9, "by": "fault"}
    return ConsumerEnded(at=ms(at), **(known | fields))


def lost_link(at: float, **fields: Any) -> LinkLost:
    """Return the loss of the worker's link."""
    return LinkLost(at=ms(at), **({"link": "worker", "connection": 2, "by": "fault"} | fields))


def told(*events: Event, of: Message | None = None) -> list[str]:
    """Return the life of message 1 as `text` or `text <- note` lines."""
    one = of or message(1)
    steps = lives(events, {one.id: one})[one.id].events
    return [f"{step.text} {step.margin}".rstrip() for step in steps]


def test_a_good_life_is_told_in_four_lines() -> None:
    """Publish and confirm stand on one line, then delivery, effect and ack with their times."""
    life = lives(done(1), workload(1))[name(1)]

    assert step_lines(life.events) == [
        "     0.000  published, confirmed",
        "     0.002  delivered to worker (tag 1)",
        "     0.003  effect seen (orders.log)",
        "     0.004  acknowledged by worker",
    ]


def test_a_confirm_that_comes_later_keeps_its_place() -> None:
    """A confirm behind the delivery is not moved up to the publish."""
    assert told(published(1), delivered(1, 2), confirmed(1, 3)) == [
        "published",
        "delivered to worker (tag 1)",
        "confirmed",
    ]


def test_what_a_malformed_message_is() -> None:
    """Its kind stands beside its publish; the test's own poison has none, nor has a good message."""
    malformed = message(1, poison=True, kind="byte_order_mark")
    assert told(published(1), confirmed(1), of=malformed) == [
        "published, confirmed <- malformed: byte_order_mark"
    ]
    assert told(published(1), confirmed(1), of=message(1, poison=True, kind="own")) == [
        "published, confirmed"
    ]
    known = lives([published(1)], {malformed.id: malformed, **workload(1)})
    assert lives([published(1)], {malformed.id: malformed})[malformed.id].kind == "byte_order_mark"
    assert known[name(1)].kind == ""


def test_a_message_published_twice() -> None:
    """Both publishes and both confirms are told."""
    assert told(published(1), published(1, 1), confirmed(1, 2), confirmed(1, 2)) == [
        "published",
        "published again",
        "confirmed",
        "confirmed",
    ]


def test_times_count_from_the_first_publish() -> None:
    """What happened to the second message is timed by the publish of the first."""
    life = lives([published(1, 100), published(2, 250)], workload(2))[name(2)]

    assert life.events == (Step(0.15, "published"),)


def test_a_killed_process_explains_the_delivery_that_came_back() -> None:
    """The kill stands before the link's loss, though the wire saw that first, and names the fault once."""
    assert told(
        published(1),
        confirmed(1),
        delivered(1, 2),
        lost_link(3),
        ended(3.5, restarts=True),
        fired(4, CRASH),
        ConsumerStarted(at=ms(5), consumer="worker", pid=8),
        delivered(1, 6, connection=3, redelivered=True),
    ) == [
        "published, confirmed",
        "delivered to worker (tag 1)",
        f"worker killed <- {CRASH}",
        "came back: worker's link was lost",
        "worker started again",
        "delivered again to worker (tag 1)",
    ]


@pytest.mark.parametrize(
    ("struck", "acknowledged", "at"), [(3, 2.5, 0.003), (3, 3.5, 0.005), (6, 2.5, 0.006)]
)
def test_a_kill_is_told_at_the_time_of_its_strike(struck: float, acknowledged: float, at: float) -> None:
    """The finding and the fault name that moment; where something stands between, the steps keep their order."""
    events = [
        published(1), delivered(1, 2), acked(1, acknowledged), fired(struck, CRASH, message=name(1)), lost_link(5),
        ended(7),
    ]  # fmt: skip
    life = lives(sorted(events, key=lambda event: event.at), workload(1))[name(1)].events

    assert [(step.seconds, step.text) for step in life][-1] == (at, "worker killed")


def test_a_process_that_ends_because_of_a_cut_stands_behind_it() -> None:
    """A cut that the consumer did not survive is told in the order of cause and consequence."""
    assert told(
        published(1),
        delivered(1, 2),
        lost_link(3),
        fired(3.1, DROP),
        ended(3.5, by="itself", exit_code=1),
        SettleEnded(at=ms(9), settled=False),
    ) == [
        "published",
        "delivered to worker (tag 1)",
        f"still open: worker's link was lost <- {DROP}",
    ]


def test_a_crash_that_met_work_already_done_is_not_in_the_life() -> None:
    """A process that dies after effect and ack does not concern the message."""
    assert told(*done(1), ended(10), fired(10, CRASH)) == [
        "published, confirmed",
        "delivered to worker (tag 1)",
        "effect seen (orders.log)",
        "acknowledged by worker",
    ]


def test_a_fault_that_struck_at_this_message_is_always_in_its_life() -> None:
    """The message at whose moment a fault struck shows it, though its work was done."""
    life = told(*done(1), ended(10), fired(10, CRASH, message=name(1)))

    assert life[-1] == f"worker killed <- {CRASH}"


def test_a_strike_that_left_no_other_trace_has_a_line_of_its_own() -> None:
    """A fault that hit the holder is told even where no step speaks of it."""
    life = told(published(1), delivered(1, 2), fired(3, "stall(after=delivery(1))"), effected(1, 4))

    assert life[2:] == ["worker was struck <- stall(after=delivery(1))", "effect seen (orders.log)"]


def test_a_strike_that_changed_nothing_says_so() -> None:
    """A fault at this message's moment that its target did not feel is told as such."""
    life = told(*done(1), fired(9, CRASH, changed=False, message=name(1)))

    assert life[-1] == f"worker was struck, and felt nothing <- {CRASH}"


def test_a_strike_on_somebody_else_is_not_in_the_life() -> None:
    """A fault on another replica does not concern the message."""
    assert len(told(published(1), delivered(1, 2), fired(3, CRASH, target="worker#2"))) == 2


def test_an_ack_after_a_copy_was_published_is_not_early() -> None:
    """A delayed retry acknowledges what it has published again; an ack without a copy of it there is early still."""
    copy = Republished(at=ms(3), message=name(1), exchange="", routing_key="orders.wait", **WORKER)
    life = told(
        published(1),
        delivered(1, 2),
        copy,
        acked(1, 4, effect_seen=False),
        delivered(1, 5, tag=2),
        acked(1, 6, tag=2, effect_seen=False),
    )

    assert life[1:] == [
        "delivered to worker (tag 1)",
        "published by worker to orders.wait",
        "acknowledged by worker",
        "delivered again to worker (tag 2)",
        "acknowledged by worker <- before its effect",
    ]
    gone = told(published(1), delivered(1, 2), replace(copy, passed=False), acked(1, 4, effect_seen=False))
    assert gone[-1] == "acknowledged by worker <- before its effect"


def test_a_swallowed_ack_names_its_fault() -> None:
    """The ack that a fault took, the link that it cut, and what came of it."""
    assert told(
        published(1),
        confirmed(1),
        delivered(1, 2),
        effected(1, 3),
        acked(1, 4, passed=False, effect_seen=True),
        lost_link(4.1),
        fired(4.2, "lost_ack(before=ack(1))", message=name(1), actor="wire"),
        delivered(1, 6, connection=3, redelivered=True),
        effected(1, 7),
        acked(1, 8, connection=3, effect_seen=True),
    ) == [
        "published, confirmed",
        "delivered to worker (tag 1)",
        "effect seen (orders.log)",
        "worker's ack never reached the broker <- lost_ack(before=ack(1))",
        "came back: worker's link was lost",
        "delivered again to worker (tag 1)",
        "effect seen (orders.log) <- 2 of 1 expected",
        "acknowledged by worker",
    ]


def test_two_sources_that_show_it_once_each_are_no_surprise() -> None:
    """Each source of effects is judged for itself, and so it is counted."""
    life = told(
        published(1),
        delivered(1, 2),
        effected(1, 3, source="ledger"),
        effected(1, 4, source="mail"),
        effected(1, 5, source="mail"),
    )

    assert life[2:] == [
        "effect seen (ledger)",
        "effect seen (mail)",
        "effect seen (mail) <- 2 of 1 expected",
    ]


def test_sigterm_is_told_when_it_was_sent() -> None:
    """A consumer that drains shows when it was asked to end, and what it did then."""
    life = told(
        published(1),
        delivered(1, 2),
        fired(3, "consumer_terminate(after=delivery(1))", message=name(1), actor="signal"),
        effected(1, 5),
        acked(1, 6, effect_seen=True),
        lost_link(7, by="client", clean=True),
        ended(8, exit_code=0),
    )

    assert life[2:] == [
        "worker asked to end (SIGTERM) <- consumer_terminate(after=delivery(1))",
        "effect seen (orders.log)",
        "acknowledged by worker",
    ]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Nacked(at=ms(4), message=name(1), tag=1, requeue=True, **WORKER), "requeued by worker"),
        (Rejected(at=ms(4), message=name(1), tag=1, requeue=True, **WORKER), "requeued by worker"),
        (
            Nacked(at=ms(4), message=name(1), tag=1, requeue=False, **WORKER),
            "rejected by worker (nack without requeue)",
        ),
        (
            Rejected(at=ms(4), message=name(1), tag=1, requeue=False, **WORKER),
            "rejected by worker (reject without requeue)",
        ),
        (
            Rejected(at=ms(4), message=name(1), tag=1, requeue=False, passed=False, **WORKER),
            "worker's reject never reached the broker",
        ),
        (acked(1, multiple=True), "acknowledged by worker (multiple)"),
        (acked(1, transactional=True), "acknowledged by worker (transaction)"),
        (acked(1, effect_seen=False), "acknowledged by worker <- before its effect"),
        (acked(1, effect_seen=None), "acknowledged by worker"),
        (effected(1, source="out/worker.effects"), "effect seen (worker.effects)"),
        (effected(1, count=3), "effect seen 3 times (orders.log) <- 3 of 1 expected"),
        (effected(1, consumer="worker#2"), "effect seen (orders.log, worker#2)"),
        (
            Republished(at=ms(4), message=name(1), exchange="retry", routing_key="orders.10s", **WORKER),
            "published by worker to retry orders.10s",
        ),
        (Rested(at=ms(4), message=name(1), queue="orders.parked"), "rests in orders.parked"),
        (
            Rested(at=ms(4), message=name(1), queue="orders.dead", death_reason="rejected"),
            "rests in orders.dead (rejected)",
        ),
        (Recovered(at=ms(4), **WORKER), "still open: worker asked for its deliveries again (recover)"),
        (ChannelClosed(at=ms(4), by="client", **WORKER), "still open: worker closed its channel"),
        (
            ChannelClosed(at=ms(4), by="broker", code=406, text="PRECONDITION_FAILED", **WORKER),
            "still open: the broker closed worker's channel (406 PRECONDITION_FAILED)",
        ),
        (lost_link(4, by="client", clean=True), "still open: worker closed its link"),
        (
            lost_link(4, by="broker", clean=True, code=320, text="CONNECTION_FORCED"),
            "still open: the broker closed worker's link (320 CONNECTION_FORCED)",
        ),
        (
            ConsumerCancelled(at=ms(4), consumer_tag="ctag", **WORKER),
            "the broker cancelled worker's subscription",
        ),
        (ended(4, by="itself", exit_code=3), "worker ended by itself (exit code 3)"),
        (ended(4, by="itself", exit_code=-11), "worker ended by itself (signal 11)"),
        (ended(4, by="plugin", exit_code=-15), "worker ended with the run"),
        (ended(4, exit_code=-15), "worker terminated (signal 15)"),
        (ConsumerFrozen(at=ms(4), consumer="worker"), "worker frozen"),
        (SettleEnded(at=ms(4), settled=False), "still open at worker when the run was judged"),
    ],
)
def test_one_event_after_a_delivery_is_one_sentence(event: Event, line: str) -> None:
    """Each kind of event that meets an open delivery has its sentence."""
    assert told(published(1), delivered(1, 2, consumer_tag="ctag"), event)[2:] == [line]


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ([published(1, passed=False)], ["published, it never reached the broker"]),
        ([published(1), confirmed(1, passed=False)], ["published", "confirmed, the publisher was not told"]),
        (
            [
                published(1),
                Returned(at=ms(1), channel=1, message=name(1), code=312, text="NO_ROUTE", **PUBLISHER),
                confirmed(1, 2),
            ],
            ["published", "returned, no queue took it (312 NO_ROUTE)", "confirmed"],
        ),
        (
            [published(1), PublishNacked(at=ms(1), message=name(1), **PUBLISHER)],
            ["published", "refused by the broker (nack to the publisher)"],
        ),
        (
            [PublishFailed(at=ms(1), message=name(1), reason="no connection")],
            ["never written (no connection)"],
        ),
        (
            [published(1), LinkLost(at=ms(1), by="broker", **PUBLISHER), published(1, 5, connection=4)],
            ["published", "publisher's link was lost, before the confirm", "published again"],
        ),
        (
            [published(1), confirmed(1), LinkLost(at=ms(2), by="broker", **PUBLISHER)],
            ["published, confirmed"],
        ),
        (
            [published(1), confirmed(1), QueuePurged(at=ms(2), queue="orders", count=9, **WORKER)],
            ["published, confirmed", "worker purged orders"],
        ),
        (
            [published(1), confirmed(1), QueueDeleted(at=ms(2), queue="orders", **WORKER)],
            ["published, confirmed", "worker deleted orders"],
        ),
        (
            [published(1), confirmed(1), QueuePurged(at=ms(2), queue="others", **WORKER)],
            ["published, confirmed"],
        ),
    ],
)
def test_what_happens_before_a_delivery(events: list[Event], lines: list[str]) -> None:
    """Publishes, confirms, returns and what was done to the queue are told as they were."""
    assert told(*events) == lines


def test_a_broker_restart_is_in_the_lives_of_what_it_held() -> None:
    """The strike is written down after the restart; the stop carries its name all the same."""
    assert told(
        published(1),
        confirmed(1),
        BrokerStopped(at=ms(2), how="restart"),
        BrokerStarted(at=ms(3000), how="restart"),
        fired(3001, "broker_restart(after=confirm(1))", target="broker", message=name(1), actor="broker"),
        delivered(1, 3100),
        effected(1, 3101),
        acked(1, 3102, effect_seen=True),
    ) == [
        "published, confirmed",
        "broker stopped <- broker_restart(after=confirm(1))",
        "broker started again",
        "delivered to worker (tag 1)",
        "effect seen (orders.log)",
        "acknowledged by worker",
    ]


def test_a_broker_that_stops_when_all_is_done_is_not_in_the_life() -> None:
    """A message that is settled and done has no business with the broker any more."""
    assert (
        len(told(*done(1), BrokerStopped(at=ms(9), how="crash"), BrokerStarted(at=ms(10), how="crash"))) == 4
    )


def test_automatic_ack_leaves_the_work_to_the_process() -> None:
    """A crash after a delivery with automatic ack concerns the message until its effect is there."""
    assert told(
        published(1),
        delivered(1, 2, auto_ack=True),
        lost_link(3),
        ended(3.1),
        fired(3.2, "consumer_crash(after=delivery(1))"),
    )[1:] == ["delivered to worker (automatic ack)", "worker killed <- consumer_crash(after=delivery(1))"]


def test_an_ack_that_came_to_nothing_shows_the_link_that_took_it() -> None:
    """Where a message comes again after its ack was passed on, the loss of the link in between is told."""
    assert told(
        published(1),
        delivered(1, 2),
        effected(1, 3),
        acked(1, 4, effect_seen=True),
        lost_link(5),
        fired(5.1, DROP),
        delivered(1, 6, connection=3, redelivered=True),
    )[4:] == [f"worker's link was lost <- {DROP}", "delivered again to worker (tag 1)"]


def test_two_queues_are_two_first_deliveries() -> None:
    """A fan-out is not told as a redelivery, and a queue that is not the message's own is named."""
    one = message(1, queue="", exchange="events", expect=2)
    assert told(
        published(1),
        delivered(1, 2, queue="audit"),
        delivered(1, 3, queue="mail", link="mailer", connection=5),
        effected(1, 4),
        effected(1, 5, consumer="mailer"),
        of=one,
    )[1:] == [
        "delivered to worker from audit (tag 1)",
        "delivered to mailer from mail (tag 1)",
        "effect seen (orders.log)",
        "effect seen (orders.log)",
    ]


def test_an_effect_of_poison_is_noted() -> None:
    """Work on a message that cannot be processed stands out."""
    life = told(published(1), delivered(1, 2), effected(1, 3), of=message(1, poison=True))

    assert life[-1] == "effect seen (orders.log) <- though it cannot be processed"


def test_an_early_ack_of_poison_is_not_noted() -> None:
    """Poison is settled without an effect, and rightly so."""
    life = told(published(1), delivered(1, 2), acked(1, effect_seen=False), of=message(1, poison=True))

    assert life[-1] == "acknowledged by worker"


def test_basic_get_is_named() -> None:
    """A polled message says so."""
    assert told(published(1), delivered(1, 2, get=True))[-1] == "delivered to worker (basic.get, tag 1)"


def test_a_rollback_opens_the_delivery_again() -> None:
    """A settlement in a transaction that is rolled back is none."""
    assert told(
        published(1),
        delivered(1, 2),
        acked(1, 3, transactional=True),
        RolledBack(at=ms(4), **WORKER),
        SettleEnded(at=ms(5), settled=False),
    )[2:] == [
        "acknowledged by worker (transaction)",
        "worker rolled its settlement back",
        "still open at worker when the run was judged",
    ]


def test_a_freeze_and_a_thaw() -> None:
    """A consumer that stands still with the message in hand shows both ends of it."""
    assert told(
        published(1),
        delivered(1, 2),
        ConsumerFrozen(at=ms(3), consumer="worker"),
        ConsumerThawed(at=ms(4), consumer="worker"),
    )[2:] == ["worker frozen", "worker goes on"]


def test_channels_that_are_used_again_do_not_mix() -> None:
    """A later close of a channel with the same number is not told of a delivery on the earlier one."""
    life = told(
        published(1),
        delivered(1, 2),
        ChannelClosed(at=ms(3), by="client", **WORKER),
        ChannelClosed(at=ms(8), by="broker", code=406, **WORKER),
    )

    assert life[2:] == ["still open: worker closed its channel"]


def test_the_life_of_an_id_nobody_published() -> None:
    """An unexpected id has a life as well, without a body."""
    table = lives([delivered(9)], workload(1))

    assert (list(table), len(table)) == ([name(1), name(9)], 2)
    life = table[name(9)]
    assert (life.body, life.number, life.key, life.queue, life.poison) == (b"", 0, None, "orders", False)
    assert [step.text for step in life.events] == ["delivered to worker from orders (tag 9)"]


def test_an_id_that_the_run_knows_nothing_of() -> None:
    """The mapping raises as a mapping does; `of` gives an empty life."""
    table = lives([], workload(1))

    with pytest.raises(KeyError):
        table["nothing"]
    assert table.of("nothing").events == ()
    assert repr(table.of("nothing")) == "<nothing: nothing seen>"


def test_a_life_is_equal_to_its_id_and_its_number() -> None:
    """Comparisons in a test may name a message in any of three ways."""
    life = lives(done(1), workload(1))[name(1)]

    assert life == name(1)
    assert life == 1
    assert life == lives((), workload(1))[name(1)]
    assert life != 2
    assert life != 1.5
    assert len({life, lives((), workload(1))[name(1)]}) == 1


def test_a_life_is_short_as_repr_and_whole_as_text() -> None:
    """`repr` says where the life ended; `str` says all of it."""
    life = lives(done(1), workload(1))[name(1)]

    assert repr(life) == "<orders-k3f9-000001: acknowledged by worker>"
    assert str(life).splitlines()[0] == "orders-k3f9-000001"
    assert len(str(life).splitlines()) == 5


def test_the_middle_of_a_long_life_is_left_out() -> None:
    """A storm shows its beginning and its end, and says how much lies between."""
    steps = [Step(n / 1000, f"step {n}") for n in range(100)]

    assert step_lines(steps, most=6) == [
        "     0.000  step 0",
        "     0.001  step 1",
        "     0.002  step 2",
        "       ...  95 steps more",
        "     0.098  step 98",
        "     0.099  step 99",
    ]
    assert len(step_lines(steps[:6], most=6)) == 6


def test_a_storm_of_one_message_is_told_in_good_time() -> None:
    """Twenty thousand requeues of one message are told in linear time, each in its line."""
    storm: list[Event] = [published(1)]
    for n in range(20_000):
        storm.append(delivered(1, n, tag=n))
        storm.append(Nacked(at=ms(n), message=name(1), tag=n, requeue=True, **WORKER))

    assert len(lives(storm, workload(1))[name(1)].events) == 40_001


def test_hostile_text_stays_on_its_line() -> None:
    """Names that a broker or client sent cannot break out of a line or colour a terminal."""
    hostile = "a\x1b[31m\nb\u202e"
    for line in told(
        published(1),
        delivered(1, 2, link=hostile, queue=hostile),
        effected(1, 3, source=hostile),
        Rested(at=ms(4), message=name(1), queue=hostile, death_reason=hostile),
        fired(5, hostile, target=hostile, message=name(1)),
    ):
        assert line.isprintable()


def event_of(kind: int, at: int, tag: int, connection: int, flag: bool) -> Event:
    """Return one of many events, by number."""
    where: dict[str, Any] = {"link": f"worker#{connection}", "connection": connection, "channel": 1}
    stamp = ms(at)
    made: list[Event] = [
        published(1, at, passed=flag),
        confirmed(1, at, passed=flag),
        delivered(1, at, tag=tag, passed=flag, **where),
        delivered(1, at, tag=tag, auto_ack=True, **where),
        acked(1, at, tag=tag, passed=flag, effect_seen=flag, **where),
        Nacked(at=stamp, message=name(1), tag=tag, requeue=flag, **where),
        effected(1, at, count=tag),
        LinkLost(at=stamp, by="fault" if flag else "client", **where),
        ChannelClosed(at=stamp, by="broker" if flag else "client", **where),
        Recovered(at=stamp, **where),
        RolledBack(at=stamp, **where),
        ConsumerEnded(
            at=stamp, consumer=where["link"], pid=1, exit_code=-tag, by="fault" if flag else "itself"
        ),
        ConsumerStarted(at=stamp, consumer=where["link"], pid=1),
        fired(at, CRASH if flag else DROP, target=where["link"], message=name(tag), changed=flag),
        BrokerStopped(at=stamp, how="crash"),
        BrokerStarted(at=stamp, how="crash"),
        Rested(at=stamp, message=name(1), queue="dead"),
        SettleEnded(at=stamp, settled=flag),
    ]
    return made[kind % len(made)]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.builds(
            event_of,
            st.integers(0, 17),
            st.integers(0, 2000),
            st.integers(1, 3),
            st.integers(1, 3),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_any_history_can_be_told(events: list[Event]) -> None:
    """Whatever order events come in, every life is told: printable, in the order of time, no fault named twice."""
    life = lives(events, workload(1))[name(1)].events

    assert all(step.text.isprintable() and step.note.isprintable() for step in life)
    assert [step.seconds for step in life] == sorted(step.seconds for step in life)
    strikes = sum(isinstance(event, FaultFired) for event in events)
    assert sum(step.note.count("(after=") for step in life) <= strikes


def test_a_link_that_goes_down_with_the_broker_is_told_shortly() -> None:
    """While the broker is down nobody needs its word for closing the connection."""
    goodbye = lost_link(
        3, by="broker", clean=True, code=320, text="CONNECTION_FORCED - broker forced connection closure"
    )

    assert told(
        published(1), delivered(1, 2), BrokerStopped(at=ms(2.5), how="restart"), goodbye, delivered(1, 9)
    )[2:4] == [
        "broker stopped",
        "came back: worker's link was lost",
    ]


def test_long_sentences_leave_the_margin_where_it_is() -> None:
    """Notes stand in one column; a sentence longer than all that has its note right behind it."""
    steps = [Step(0, "short", "one"), Step(1, "x" * 60, "two"), Step(2, "a little longer")]

    assert step_lines(steps) == [
        "     0.000  short             <- one",
        f"     1.000  {'x' * 60}   <- two",
        "     2.000  a little longer",
    ]
    assert step_lines([]) == []


@pytest.mark.parametrize(
    ("ready", "unacknowledged", "at", "said"),
    [(20, 0, 9, "came back"), (20, 1, 9, "still open"), (0, 0, 9, "still open"), (20, 0, 2, "still open")],
)
def test_what_was_never_delivered_again_came_back_too(
    ready: int, unacknowledged: int, at: float, said: str
) -> None:
    """Of a stalled message the last census knows that it is in its queue again, and in nobody's hand."""
    state = QueueState(name="orders", type="classic", ready=ready, unacknowledged=unacknowledged, exact=True)
    census = CensusTaken(at=ms(at), topology=Topology(), queues=(state,))
    events = sorted([published(1), delivered(1, 2), lost_link(3), census], key=lambda event: event.at)

    assert told(*events)[2:] == [f"{said}: worker's link was lost"]


def test_a_crash_loop_is_told_crash_by_crash() -> None:
    """Each end of the process stands before the loss of its own link, however fast they follow each other."""
    loop: list[Event] = [published(1)]
    for n in range(3):
        loop += [
            ConsumerStarted(at=ms(100 * n + 1), consumer="worker", pid=n),
            delivered(1, 100 * n + 2, connection=n + 2, redelivered=n > 0),
            lost_link(100 * n + 3, connection=n + 2, by="client"),
            ended(100 * n + 4, by="itself", exit_code=1),
        ]

    assert told(*loop)[1:8] == [
        "delivered to worker (tag 1)",
        "worker ended by itself (exit code 1)",
        "came back: worker's link was lost",
        "worker started again",
        "delivered again to worker (tag 1)",
        "worker ended by itself (exit code 1)",
        "came back: worker's link was lost",
    ]
    assert told(*loop)[-2:] == ["worker ended by itself (exit code 1)", "still open: worker's link was lost"]
