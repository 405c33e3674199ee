"""Several sources of effects: each is judged for itself, and the finding says which."""

from __future__ import annotations

from dataclasses import replace

import pytest
from check_builders import Run, found, only, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import connection_drop, consumer_crash
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.triggers import ack, delivery


def sources(run: Run, *named: str, kind: str = "file", of: str | None = None) -> Run:
    """Name sources of effects."""
    for one in named:
        run.add(e.SourceNamed, source=one, kind=kind, of=of)
    return run


def booked_and_mailed(*, booked: tuple[int, ...], mailed: tuple[int, ...], count: int = 3) -> Run:
    """Every message is acknowledged; some are booked, some mailed."""
    run = sources(Run(count), "booked", "mailed").start().subscribe().publish()
    for number in range(1, count + 1):
        hand = run.deliver(number)
        run.effect(*[n for n in booked if n == number], source="booked")
        run.effect(*[n for n in mailed if n == number], source="mailed")
        run.ack(hand)
    return run.settled()


def test_an_effect_in_each_is_all_that_is_expected() -> None:
    """One effect in each of two sources is not two effects of one message."""
    assert found(booked_and_mailed(booked=(1, 2, 3), mailed=(1, 2, 3)), "exactly-once") == {}


def test_what_lacks_in_one_is_lost_there() -> None:
    """And the finding says where, and where it is."""
    finding = only(booked_and_mailed(booked=(1, 2, 3), mailed=(1, 3)), "lost")
    assert (finding.name, finding.source) == ("lost:by_consumer", "mailed")
    assert finding.messages == ("orders-k3f9-000002",)
    assert finding.claim == (
        "lost by the consumer: its ack reached the broker, its work was never done: "
        "it does not show in `mailed`, though it does in `booked`"
    )


def test_what_lacks_in_both_is_lost_in_both() -> None:
    """Nobody has it."""
    finding = only(booked_and_mailed(booked=(1, 3), mailed=(1, 3)), "lost")
    assert finding.source == "booked, mailed"
    assert finding.claim.endswith("it does not show in `booked`, `mailed`")


def test_what_is_twice_in_one_is_doubled_there() -> None:
    """Though the other has it once."""
    finding = only(booked_and_mailed(booked=(1, 2, 2, 3), mailed=(1, 2, 3)), "duplicated", "exactly-once")
    assert finding.source == "booked"
    assert finding.messages == ("orders-k3f9-000002",)
    assert finding.claim == "worked on 2 times, expected 1 (in `booked`), though delivered once"


def test_twice_in_one_does_not_make_up_for_the_other() -> None:
    """Both findings, of the same message."""
    assert found(booked_and_mailed(booked=(1, 2, 2, 3), mailed=(1, 3)), "exactly-once") == {
        "lost:by_consumer": [2],
        "duplicated:by_consumer": [2],
    }


def test_two_workloads_with_a_log_each() -> None:
    """A source that showed nothing of a workload does not concern it, once another one shows that."""
    run = sources(Run(4), "orders.log", "refunds.log").start().subscribe()
    for number in (3, 4):
        name = f"orders-k3f9-{number:06d}"
        run.messages[name] = type(run.messages[name])(
            **{field: getattr(run.messages[name], field) for field in run.messages[name].__slots__}
            | {"queue": "refunds", "routing_key": "refunds"}
        )
    run.subscribe("refunds").publish()
    for number in (1, 2):
        run.ack(run.effect(number, source="orders.log").deliver(number))
    for number in (3, 4):
        run.ack(run.effect(number, source="refunds.log").deliver(number, "refunds"))
    run.settled(queue("orders"), queue("refunds"))
    assert found(run, "exactly-once") == {}


def test_a_source_of_one_consumer_concerns_what_that_one_reads() -> None:
    """Of a fan-out to two queues each has its consumer and its source; a loss is that consumer's."""
    run = Run(2)
    sources(run, "billed", of="billing")
    sources(run, "shipped", of="shipping")
    run.start("billing").start("shipping")
    run.subscribe("bills", link="billing").subscribe("parcels", link="shipping")
    run.bind("orders", "fanout", ("bills", ""), ("parcels", "")).publish(exchange="orders", routing_key="")
    for number in (1, 2):
        run.ack(run.deliver(number, "bills", link="billing"))
        run.effect(number, link="billing", source="billed")
        run.ack(run.deliver(number, "parcels", link="shipping"))
    run.effect(1, link="shipping", source="shipped")
    run.settled(queue("bills"), queue("parcels"))
    finding = only(run, "lost", "exactly-once")
    assert (finding.source, finding.messages) == ("shipped", ("orders-k3f9-000002",))
    assert "shipping" in finding.cause
    assert set(found(run, "exactly-once")) == {"lost:by_consumer"}


def test_who_has_no_source_cannot_be_judged() -> None:
    """Where the only source is another consumer's, a loss is unknown, with what mends it."""
    run = sources(Run(2), "billed", of="billing").start().subscribe().publish()
    run.ack(run.deliver(1)).ack(run.deliver(2)).settled()
    finding = only(run, "lost")
    assert finding.unknown
    assert "no source of effects is named for its consumer" in finding.claim


@pytest.mark.parametrize("kind", ["file", "call", "queue", "exchange", "output"])
def test_a_source_that_shows_nothing_at_all_says_what_to_check(kind: str) -> None:
    """All was acknowledged: that says more than the number of all messages."""
    run = sources(Run(3), "booked", kind=kind).start().subscribe().publish()
    for number in (1, 2, 3):
        run.ack(run.deliver(number))
    finding = only(run.settled(), "lost")
    assert finding.name == "lost:nothing_shows"
    assert finding.violation
    assert finding.claim == (
        "has no effect: nothing at all shows in `booked`, though all 3 messages were acknowledged"
    )
    assert finding.mend.startswith("look whether")
    if kind == "call":
        assert "another database" in finding.mend
        assert "transaction is still open" in finding.mend


def test_a_silent_file_says_which_was_looked_at() -> None:
    """A relative path may be taken from another folder than the test's author thought."""
    run = sources(all_acked(), "orders.log").settled()
    finding = only(run, "lost", bare={"orders.log": "/shop/orders.log: not there"})
    assert finding.cause == (
        "no work was done, or `orders.log` is not where it shows (looked at /shop/orders.log: not there)"
    )


def test_a_silent_service_says_where_its_address_stands() -> None:
    """In the variable of its own name: that without a name may be another service's."""
    run = sources(Run(3), "pay.v2", kind="http").start().subscribe().publish()
    for number in (1, 2, 3):
        run.ack(run.deliver(number))
    assert "$MQCHAOS_PAY_V2_URL" in only(run.settled(), "lost").mend


def test_a_silent_source_beside_one_that_speaks() -> None:
    """It alone is looked at."""
    finding = only(booked_and_mailed(booked=(1, 2, 3), mailed=()), "lost")
    assert (finding.name, finding.source) == ("lost:nothing_shows", "mailed")


def test_two_sources_that_are_both_silent() -> None:
    """Both are looked at; that the work was never done is not said of all messages one by one."""
    finding = only(booked_and_mailed(booked=(), mailed=()), "lost")
    assert (finding.name, finding.source) == ("lost:nothing_shows", "booked, mailed")
    assert finding.claim == (
        "has no effect: nothing at all shows in `booked`, `mailed`, though all 3 messages were acknowledged"
    )


def test_a_few_messages_that_a_crash_took_are_lost_as_ever() -> None:
    """Two are too few to doubt the place."""
    run = sources(Run(2), "booked").start().subscribe().publish().plan(consumer_crash(after=ack(2)))
    run.ack(run.deliver(1), run.deliver(2)).barrier().crash(fault=0)
    assert only(run.start().subscribe().settled(), "lost").name == "lost:by_consumer"


def test_one_that_was_not_acknowledged_is_evidence_enough() -> None:
    """Where not all was acknowledged, the messages are named as ever."""
    run = sources(Run(4), "booked").start().subscribe().publish()
    for number in (1, 2, 3):
        run.ack(run.deliver(number))
    run.nack(run.deliver(4), requeue=False)
    assert "lost:nothing_shows" not in found(run.settled(queue("orders")))


def test_missing_work_is_waited_for_in_each_source() -> None:
    """What shows in one only may still come in the other."""
    run = sources(Run(1), "booked", "mailed").start().subscribe().publish()
    run.ack(run.deliver(1)).barrier().effect(1, source="booked")
    assert Ledger.of(run.events, run.messages).missing_effects() == ["orders-k3f9-000001"]
    run.effect(1, source="mailed")
    assert Ledger.of(run.events, run.messages).missing_effects() == []


INSIDE = [("consumers.shop:book", "function", "registry"), ("$MQCHAOS_EFFECTS", "probe", "probe.effect(id)")]


def all_acked(count: int = 3, *, auto: bool = False) -> Run:
    """Every message is acknowledged, and nothing shows."""
    run = Run(count).start().subscribe(auto_ack=auto).publish()
    for number in range(1, count + 1):
        hand = run.deliver(number, auto_ack=auto)
        if not auto:
            run.ack(hand)
    return run


@pytest.mark.parametrize("auto", [False, True])
@pytest.mark.parametrize(("source", "kind", "look"), INSIDE)
def test_a_silent_source_inside_of_a_consumer_says_what_to_check(
    source: str, kind: str, look: str, auto: bool
) -> None:
    """A function that was wrapped and never called, a probe likewise: and the test fails all the same."""
    finding = only(sources(all_acked(auto=auto), source, kind=kind).settled(), "lost")
    assert finding.name == "lost:nothing_shows"
    assert finding.violation
    assert f"nothing at all shows in `{source}`, though all 3 messages" in finding.claim
    assert look in finding.mend


def test_a_function_is_asked_for_before_the_probe_that_came_with_it() -> None:
    """The test knows it by that name."""
    run = sources(all_acked(), "$MQCHAOS_EFFECTS", kind="probe")
    finding = only(sources(run, "consumers.shop:book", kind="function").settled(), "lost")
    assert "`consumers.shop:book`" in finding.claim


def test_a_worker_without_anything_inside_has_done_nothing() -> None:
    """It acknowledges and does nothing: its messages are lost, as ever."""
    assert only(all_acked().settled(), "lost", evidence="effects").name == "lost:by_consumer"


@pytest.mark.parametrize(("source", "kind"), [one[:2] for one in INSIDE])
def test_a_source_inside_of_a_consumer_that_showed_some_work(source: str, kind: str) -> None:
    """Then what lacks there is lost as ever, message by message."""
    run = sources(Run(5), source, kind=kind).start().subscribe().publish()
    for number in range(1, 6):
        run.ack(run.effect(*[1] * (number == 1), source="$MQCHAOS_EFFECTS").deliver(number))
    assert found(run.settled()) == {"lost:by_consumer": [2, 3, 4, 5]}


@pytest.mark.parametrize(("source", "kind"), [one[:2] for one in INSIDE])
def test_a_source_inside_of_a_consumer_beside_one_that_the_test_named(source: str, kind: str) -> None:
    """A test that looks elsewhere need not see it called: the probe may be imported for another path."""
    run = sources(sources(Run(3), "booked"), source, kind=kind).start().subscribe().publish()
    for number in (1, 2, 3):
        run.ack(run.effect(number, source="booked").deliver(number))
    assert found(run.settled(), "exactly-once") == {}


@pytest.mark.parametrize("auto", [False, True])
def test_what_a_crash_took_is_no_silence_of_a_probe(auto: bool) -> None:
    """All was acknowledged in one go before the first work: the crash explains it, the place does not."""
    run = sources(all_acked(auto=auto), "$MQCHAOS_EFFECTS", kind="probe").plan(consumer_crash(after=ack(3)))
    finding = only(run.crash(fault=0).start().subscribe(auto_ack=auto).settled(), "lost")
    assert finding.name == "lost:by_consumer"
    assert finding.fault == 0


def test_what_was_in_a_buffer_is_no_silence_of_a_probe() -> None:
    """Read with automatic ack, and thrown away with its connection."""
    run = sources(all_acked(auto=True), "$MQCHAOS_EFFECTS", kind="probe").plan(
        connection_drop(after=delivery(3))
    )
    finding = only(run.fire(0).lose().subscribe(auto_ack=True).settled(), "lost")
    assert finding.name == "lost:by_consumer"


@pytest.mark.parametrize(
    ("source", "kind", "place"),
    [("booked", "call", "booked"), *((*one[:2], one[0]) for one in INSIDE)],
)
def test_entries_that_name_nothing_are_said_to(source: str, kind: str, place: str) -> None:
    """It is untrue that nothing at all shows; what they name is what is looked at."""
    run = sources(all_acked(), source, kind=kind).settled()
    finding = only(run, "lost", strays={place: (200, "4711")})
    assert finding.name == "lost:nothing_shows"
    assert finding.violation
    assert finding.claim == (
        f"has no effect: 200 entries in `{source}` name no message of this run (the first: '4711'), "
        "though all 3 messages were acknowledged"
    )
    assert "publish(key=...)" in finding.mend


def test_entries_of_others_beside_work_of_the_run_are_no_finding() -> None:
    """A table outlives a scenario."""
    run = booked_and_mailed(booked=(1, 2, 3), mailed=(1, 2, 3))
    assert found(run, "exactly-once", strays={"booked": (200, "4711")}) == {}


def test_entries_that_name_nothing_beside_a_source_that_is_silent() -> None:
    """Of two sources the one with entries is spoken of."""
    run = booked_and_mailed(booked=(), mailed=())
    finding = only(run, "lost", strays={"mailed": (1, "x")})
    assert finding.source == "booked, mailed"
    assert finding.claim.startswith("has no effect: 1 entry in `mailed` names no message of this run")


@pytest.mark.parametrize(
    ("shown", "kinds"),
    [
        (((1, 1), (1, 1)), []),
        (((2, 2), (2, 2)), []),
        (((1, 0), (1, 1)), ["lost"]),
        (((2, 0), (1, 1)), ["lost"]),
        (((2, 1), (1, 1)), ["lost"]),
        (((3, 2), (1, 1)), ["duplicated"]),
    ],
)
def test_two_effects_of_a_fan_out_in_two_logs(shown: tuple[tuple[int, int], ...], kinds: list[str]) -> None:
    """Where two are expected, one in each of two logs is all of them; two in one and none in the other is not."""
    run = sources(Run(2, expect=2), "booked", "mailed").start().subscribe().publish()
    for number, (booked, mailed) in enumerate(shown, 1):
        hand = run.deliver(number)
        run.effect(*[number] * booked, source="booked").effect(*[number] * mailed, source="mailed").ack(hand)
    assert [kind.split(":")[0] for kind in found(run.settled(), "exactly-once")] == kinds


@pytest.mark.parametrize("logs", [("mail.log", "bill.log"), ("all.log", "all.log")])
@pytest.mark.parametrize(
    ("billed", "least", "exactly"),
    [
        (1, {}, {"duplicated:by_redelivery": [1]}),
        (0, {"lost:by_consumer": [1]}, {"lost:by_consumer": [1], "duplicated:by_redelivery": [1]}),
    ],
)
def test_one_reader_of_a_fan_out_that_works_twice_does_no_part_of_anothers(
    logs: tuple[str, str], billed: int, least: dict[str, list[int]], exactly: dict[str, list[int]]
) -> None:
    """Each of two readers has one piece to do: two of the one are doubled, and none of the other is a loss."""
    run = Run(2, to="", expect=2).bind("events", "fanout", ("", "mail"), ("", "bill"))
    sources(run, *dict.fromkeys(logs))
    run.subscribe("mail", link="mailer").subscribe("bill", link="biller#2")
    run.publish(exchange="events", routing_key="")
    for number in (1, 2):
        hand = run.deliver(number, "bill", link="biller#2")
        run.effect(*[number] * (billed if number == 1 else 1), link="biller#2", source=logs[1])
        run.ack(hand, effect_seen=bool(billed) or number == 2)
        hand = run.deliver(number, "mail", link="mailer")
        run.effect(number, link="mailer", source=logs[0]).ack(hand, effect_seen=True, passed=number == 2)
        if number == 1:
            run.lose("mailer").subscribe("mail", link="mailer")
            hand = run.deliver(1, "mail", link="mailer", redelivered=True)
            run.effect(1, link="mailer", source=logs[0]).ack(hand, effect_seen=True)
    run.settled(queue("mail"), queue("bill"))
    assert {name: got for name, got in found(run).items() if name[0] != "("} == least
    assert {name: got for name, got in found(run, "exactly-once").items() if name[0] != "("} == exactly


def test_a_reader_that_never_shows_work_has_none_to_show() -> None:
    """Where two effects are the work of one of two readers, the other one is only listening."""
    run = Run(2, to="", expect=2).bind("events", "fanout", ("", "orders"), ("", "audit"))
    run.subscribe("orders").subscribe("audit", link="auditor").publish(exchange="events", routing_key="")
    for number in (1, 2):
        run.ack(run.deliver(number, "audit", link="auditor"), effect_seen=False)
        hand = run.deliver(number)
        run.effect(number, number).ack(hand, effect_seen=True)
    assert found(run.settled(queue("orders"), queue("audit")), "exactly-once") == {}


@pytest.mark.parametrize(("done", "said"), [((1, 2), {}), ((1,), {"lost:by_consumer": [2]})])
def test_readers_of_a_fan_out_that_show_their_work_in_two_places(
    done: tuple[int, ...], said: dict[str, list[int]]
) -> None:
    """Each source is judged for itself: nothing is doubled by being shown twice, and what lacks in one is missed."""
    run = sources(Run(2, to="", expect=2), "booked", "printed").bind(
        "events", "fanout", ("", "mail"), ("", "bill")
    )
    run.subscribe("mail", link="mailer").subscribe("bill", link="biller").publish(
        exchange="events", routing_key=""
    )
    for number in (1, 2):
        for link, at in (("mailer", "mail"), ("biller", "bill")):
            hand = run.deliver(number, at, link=link)
            run.effect(number, link=link, source="booked")
            if number in done:
                run.effect(number, link=link, source="printed")
            run.ack(hand, effect_seen=True)
    assert found(run.settled(queue("mail"), queue("bill")), "exactly-once") == said


FUNCTION, PROBE = "shop:book", "$MQCHAOS_EFFECTS"


def both(
    *, function: tuple[int, ...] = (1, 2, 3), probe: tuple[int, ...] = (1, 2, 3), twice: bool = False
) -> Run:
    """A consumer whose wrapped function tells by the probe, too; `twice` where message 2 comes again."""
    run = sources(Run(3), FUNCTION, kind="function").start().subscribe().publish()
    for number in (1, 2, 3):
        for again in range(1 + (twice and number == 2)):
            hand = run.deliver(number, redelivered=bool(again))
            run.effect(*[one for one in probe if one == number], source=PROBE)
            run.effect(*[one for one in function if one == number], source=FUNCTION)
            if twice and number == 2 and not again:
                run.nack(hand)
            else:
                run.ack(hand, effect_seen=True)
    return sources(run, PROBE, kind="probe").settled()


def test_the_probe_inside_of_a_wrapped_function() -> None:
    """One piece of work shows in two sources, and is no second one."""
    assert found(both(), "exactly-once") == {}


def test_the_probe_inside_of_a_wrapped_function_that_is_called_twice() -> None:
    """A true duplicate shows twice in both, and one in a single source is named there."""
    assert found(both(twice=True), "exactly-once")["duplicated:by_redelivery"] == [2]
    finding = only(both(function=(1, 2, 2, 3)), "duplicated", "exactly-once")
    assert (finding.messages, finding.source) == (("orders-k3f9-000002",), FUNCTION)


def test_what_lacks_in_the_function_is_lost_there() -> None:
    """It told by the probe and raised, or was never called: the test named the function."""
    finding = only(both(function=(1, 3)), "lost")
    assert finding.messages == ("orders-k3f9-000002",)
    assert finding.claim.endswith(f"it does not show in `{FUNCTION}`, though it does in `{PROBE}`")


def competing(doubled: bool) -> Run:
    """Two consumers of one queue, one with a wrapped function and one with the probe."""
    run = sources(Run(2), FUNCTION, kind="function").start().start("old").subscribe().subscribe(link="old")
    hand = run.publish().deliver(1)
    run.effect(1, source=FUNCTION)
    if doubled:
        run.nack(hand)
        hand = run.deliver(1, link="old", redelivered=True)
        run.effect(1, link="old", source=PROBE)
    run.ack(hand)
    hand = run.deliver(2, link="old")
    run.effect(2, link="old", source=PROBE).ack(hand)
    return run.settled()


def test_consumers_whose_work_shows_by_different_means() -> None:
    """What one of them did need not show where the other's work does; what both did is doubled."""
    assert found(competing(doubled=False), "exactly-once") == {}
    assert found(competing(doubled=True), "exactly-once")["duplicated:by_redelivery"] == [1]


def test_a_function_for_one_queue_and_the_probe_for_another() -> None:
    """Of one consumer: each concerns the workload of which it shows work."""
    run = sources(Run(2), FUNCTION, kind="function").start().subscribe().subscribe("mails")
    second = run.messages["orders-k3f9-000002"]
    run.messages[second.id] = replace(second, queue="mails", routing_key="mails")
    run.publish(1).publish(2, routing_key="mails")
    hand = run.deliver(1)
    run.effect(1, source=FUNCTION).ack(hand)
    hand = run.deliver(2, "mails")
    run.effect(2, source=PROBE).ack(hand)
    assert found(run.settled(queue("orders"), queue("mails")), "exactly-once") == {}
