"""Panels of what may be promised or declared: these events, exactly these figures, and how they are told."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))

from check_builders import Run, name, queue
from hostile import INJECTIONS
from report_builders import session
from test_html import read
from test_order import recorded

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.faults import consumer_freeze
from pytest_mqchaos.model.guarantees import at_least_once
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.refinements import prefetch, within
from pytest_mqchaos.report.document import schema
from pytest_mqchaos.report.figures.heartbeats import _BROKERS, _CLIENTS, _FRAMES
from pytest_mqchaos.report.html import page
from pytest_mqchaos.report.html.promised import prefetch_bars, within_bars

SOON = at_least_once + within(1.0)
TWO = at_least_once + prefetch(2)
ALL = at_least_once + within(1.0) + prefetch(1)


def figure(run: Run, which: str, promise: Any = at_least_once, **fields: Any) -> Any:
    """Return a figure of a run, whose document obeys the schema."""
    made = recorded(run, promise, order_keys={}, **fields)
    jsonschema.Draft202012Validator(schema()).validate(session(made))
    return made[which]


def told(run: Run, promise: Any = at_least_once, **fields: Any) -> str:
    """Return the text of the page of a run."""
    return read(page(session(recorded(run, promise, order_keys={}, **fields)))).text


def slow(*seconds: float) -> Run:
    """Return a run in which each message is worked on so many seconds after it was published."""
    run = Run(len(seconds)).subscribe()
    for number, pause in enumerate(seconds, 1):
        run.publish(number)
        hand = run.deliver(number)
        run.wait(1000 * pause - 4)
        since = run.events[-1].at + round(1e6 * (1000 * pause - 5))
        run.effect(number, since=since).ack(hand)
    return run


# --- within ---


def test_how_soon_the_work_was_done() -> None:
    """Each message by its time from publish to work; the late ones are told, the latest first."""
    made = figure(slow(0.2, 0.9, 1.7, 9.0).settled(), "within", SOON)
    names = ("seconds", "seen", "until", "messages", "kept", "late", "unsure", "excused")
    assert {key: made[key] for key in names} == {
        "seconds": 1.0, "seen": True, "until": "effect", "messages": 4, "kept": 2, "late": 2, "unsure": 0, "excused": 0,
    }  # fmt: skip
    assert (round(made["p50"], 1), round(made["p95"]), round(made["longest"])) == (0.9, 9, 9)
    assert [(row["number"], row["state"], row["why"]) for row in made["told"]] == [
        (4, "late", "in_hand"), (3, "late", "in_hand"),
    ]  # fmt: skip
    bars = [(bar["until"], bar["kept"], bar["late"]) for bar in made["bars"]]
    assert bars == [
        (0.25, 1, 0), (0.5, 0, 0), (0.75, 0, 0), (1.0, 1, 0), (1.5, 0, 0), (2.0, 0, 1), (4.0, 0, 0), (None, 0, 1),
    ]  # fmt: skip


def test_no_promise_of_a_time_no_figure() -> None:
    """Without `within` there is none, and without `prefetch` neither."""
    run = slow(0.2).settled()
    assert (figure(run, "within"), figure(run, "prefetch")) == (None, None)


def test_what_a_fault_met_is_excused() -> None:
    """A message that waits while its consumer stands still took longer, and is not late."""
    run = Run(1).subscribe()
    run.faults.append(consumer_freeze(duration=3.0))
    run.publish(1)
    hand = run.deliver(1)
    run.add(e.FaultArmed, fault=0, description="consumer_freeze()")
    run.add(e.FaultFired, fault=0, description="consumer_freeze()", target="worker", actor="signal")
    run.wait(3000).add(e.FaultHealed, fault=0)
    run.effect(1).ack(hand).settled()
    made = figure(run, "within", SOON)
    assert (made["late"], made["excused"], made["longest_judged"]) == (0, 1, None)
    assert [row["state"] for row in made["told"]] == ["excused"]
    assert "1 came later and is excused by a fault" in told(run, SOON)


def test_what_nobody_looked_at_in_between_is_unsure() -> None:
    """An effect that was seen late, and may have been there before."""
    run = Run(1).subscribe().publish(1)
    hand = run.deliver(1)
    since = run.events[-1].at
    run.wait(3000).effect(1, since=since).ack(hand).settled()
    assert figure(run, "within", SOON)["unsure"] == 1


def test_work_that_cannot_be_seen() -> None:
    """Without any evidence the figure says so; by the broker's the ack stands for the work."""
    run = slow(0.2, 2.0).settled()
    unseen = figure(run, "within", SOON, evidence="unknown")
    assert (unseen["seen"], unseen["messages"], unseen["bars"], unseen["p50"]) == (False, 0, [], None)
    assert "It cannot be seen" in told(run, SOON, evidence="unknown")
    by_ack = figure(run, "within", SOON, evidence="broker")
    assert (by_ack["until"], by_ack["kept"], by_ack["late"]) == ("ack", 1, 1)


def test_the_latest_of_many_have_their_lives() -> None:
    """What the panel names is drawn and linked, though it is not among the first that the finding names."""
    made = recorded(slow(*(1.1 + n / 100 for n in range(60))).settled(), SOON, order_keys={})
    lives = {life["id"] for life in made["lives"]}
    assert (len(lives), made["lives_left_out"]) == (40, 20)
    assert {row["message"] for row in made["within"]["told"]} <= lives
    assert name(1) in lives


def test_the_bars_have_a_line_at_the_promise() -> None:
    """Below the last bar that is in time; the widest bar fills the row."""
    drawn = within_bars(figure(slow(0.2, 0.2, 1.7).settled(), "within", SOON))
    assert [(row.name, row.counts) for row in drawn.rows] == [
        ("≤ 250 ms", "2"), ("≤ 500 ms", "0"), ("≤ 750 ms", "0"), ("≤ 1.00 s", "0"),
        ("≤ 1.50 s", "0"), ("≤ 2.00 s", "1"),
    ]  # fmt: skip
    assert drawn.rows[0].parts == [(108.0, 240.0, "good")]
    assert drawn.rows[5].parts == [(108.0, 120.0, "bad")]
    assert drawn.rows[3].y < (drawn.promised or 0) <= drawn.rows[4].y


def test_the_panel_of_a_time() -> None:
    """How many, how long, and the offending message as a link to its life."""
    made = recorded(slow(0.2, 1.7).settled(), SOON, order_keys={})
    text = page(session(made))
    words = read(text).text
    assert "1 of 2 messages came later." in words
    assert re.search(r'<a href="#run-0-life-0">#2</a></th><td>1\.70 s</td><td>in its consumer', text)
    assert words.index("1 of 2 messages came later") < words.index("What happened when")


def test_a_promise_that_was_kept_is_among_the_numbers() -> None:
    """It stands behind the timeline, with its distribution."""
    words = told(slow(0.2, 0.3).settled(), SOON)
    assert words.index("2 of 2 messages came in time") > words.index("Numbers:")


# --- prefetch ---


def crowded() -> Run:
    """Return a run of four messages that are all in hand at once, under a prefetch of ten."""
    run = Run(4).subscribe(prefetch=10).publish()
    hands = [run.deliver(n) for n in range(1, 5)]
    return run.effect(1, 2, 3, 4).ack(*hands, effect_seen=True).settled()


def test_what_was_in_hand() -> None:
    """Each delivery by how many were in hand then, and each subscription with the most it had."""
    made = figure(crowded(), "prefetch", TWO)
    assert {key: made[key] for key in ("count", "most", "deliveries", "beyond", "unlimited")} == {
        "count": 2, "most": 4, "deliveries": 4, "beyond": 2, "unlimited": 0,
    }  # fmt: skip
    assert [(bar["from"], bar["until"], bar["deliveries"]) for bar in made["bars"]] == [
        (1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 4, 1),
    ]  # fmt: skip
    (row,) = made["subscriptions"]
    assert (row["consumer"], row["queue"], row["prefetch"], row["most"], row["beyond"]) == (
        "worker",
        "orders",
        10,
        4,
        2,
    )
    assert [(each["number"], each["why"]) for each in made["told"]] == [(3, "above"), (4, "above")]


def test_a_wide_range_is_told_in_steps() -> None:
    """Of a hundred in hand several numbers share a bar, none of them across the promise."""
    run = Run(100).subscribe(prefetch=0).publish()
    hands = [run.deliver(n) for n in range(1, 101)]
    run.effect(*range(1, 101)).ack(*hands, effect_seen=True).settled()
    made = figure(run, "prefetch", TWO)
    assert len(made["bars"]) <= 31
    assert sum(bar["deliveries"] for bar in made["bars"]) == made["deliveries"] == 100
    assert [bar["until"] for bar in made["bars"]][:2] == [2, 4]
    assert all(
        after["from"] == before["until"] + 1
        for before, after in zip(made["bars"], made["bars"][1:], strict=False)
    )
    assert (made["unlimited"], made["subscriptions"][0]["prefetch"]) == (1, 0)
    assert prefetch_bars(made).rows[0].name == "1 to 2 in hand"


def test_the_panel_of_a_prefetch() -> None:
    """How many came beyond it, the most in hand, the messages as links to their lives."""
    made = recorded(crowded(), TWO, order_keys={})
    text = page(session(made))
    assert (
        "2 of 4 deliveries came when as many as may be were in hand; the most in hand were 4."
        in read(text).text
    )
    assert 'Came beyond it: <a href="#run-0-life-0">#3</a>, <a href="#run-0-life-1">#4</a>.' in text
    kept = told(Run(2).subscribe(prefetch=2).publish().work(1, 2).settled(), TWO)
    assert "None of 2 deliveries came beyond it; the most in hand were 1." in kept


# --- overflow ---


def test_what_a_bounded_queue_could_not_hold() -> None:
    """The queue with its limit and policy, and each message that was too many with what became of it."""
    run = Run(3).subscribe().publish().work(2, 3).settled(queue("orders", max_length=2))
    made = figure(run, "overflow")
    assert (made["messages"], made["too_many"], made["dropped"], made["refused"]) == (3, 1, 1, 0)
    (row,) = made["queues"]
    assert (row["name"], row["max_length"], row["policy"], row["dead_letter_exchange"]) == (
        "orders",
        2,
        "drop-head",
        None,
    )
    assert [(each["number"], each["fate"]) for each in made["told"]] == [(1, "dropped")]
    words = told(run)
    assert "1 of 3 messages was too many: 1 dropped." in words
    assert "orders2 messagesdrop-headnowhere00" in words


def test_a_queue_that_held_all() -> None:
    """A limit that nothing met is a line among the numbers; without a limit there is no figure."""
    run = Run(1).subscribe().publish().work(1)
    assert figure(run.settled(queue("orders")), "overflow") is None
    words = told(Run(1).subscribe().publish().work(1).settled(queue("orders", max_length=5)))
    assert "None of 1 message was too much for them." in words
    assert words.index("None of 1 message") > words.index("Numbers:")


def test_refused_ones_are_the_publishers() -> None:
    """Under reject-publish they are told as refused."""
    run = Run(3).subscribe().publish(1, 2).publish(3, confirm=False).answer(3, e.PublishNacked)
    run.work(1, 2).settled(queue("orders", max_length=2, overflow="reject-publish"))
    made = figure(run, "overflow")
    assert (made["refused"], made["told"][0]["number"]) == (1, 3)


# --- mandatory returns ---


def returned(*, again: bool) -> Run:
    """Return a run whose second message no queue takes, at first or at all."""
    run = Run(2).subscribe().publish(1).publish(2, confirm=False, routing_key="nowhere")
    run.answer(2, e.Returned, code=312, text="NO_ROUTE").answer(2)
    run.work(1)
    if again:
        run.publish(2).work(2)
    return run.settled()


def test_what_no_queue_took() -> None:
    """Where it had been published to, what the broker said, and whether it was taken later."""
    made = figure(returned(again=False), "returns")
    assert (made["returned"], made["messages"], made["of"], made["taken"]) == (1, 1, 2, 0)
    (place,) = made["places"]
    assert (place["routing_key"], place["code"], place["text"], place["returned"]) == (
        "nowhere",
        312,
        "NO_ROUTE",
        1,
    )
    assert [(row["number"], row["taken"]) for row in made["told"]] == [(2, False)]
    later = figure(returned(again=True), "returns")
    assert (later["taken"], later["told"][0]["taken"]) == (1, True)
    assert "1 of 2 messages came back to the publisher; none was taken by a queue later." in told(
        returned(again=False)
    )
    assert "1 was taken by a queue when sent again, 0 never" in told(returned(again=True))


def test_without_a_return_no_figure() -> None:
    """A run in which every message found a queue has none."""
    assert figure(Run(1).subscribe().publish().work(1).settled(), "returns") is None


# --- heartbeats ---


def silent(*, by: str = "broker", seconds: float = 5.0, end: e.Event | None = None, **fields: Any) -> Run:
    """Return a run whose consumer has one message in hand, is silent, and loses its connection."""
    run = Run(2)
    run.add(e.LinkOpened, link="worker", connection=50, heartbeat=2)
    run._connections["worker"] = 50
    run.subscribe().publish()
    run.deliver(1)
    run.add(e.FaultFired, fault=0, description="consumer_freeze()", target="worker", actor="signal")
    run.wait(1000 * seconds)
    run.add(e.LinkLost, **({"link": "worker", "connection": 50, "by": by} | fields))
    del run._connections["worker"]
    if end is not None:
        run.events.append(replace(end, at=run.events[-1].at + 1_000_000))
        run.clock += 2
    run.deliver(1, redelivered=True)
    return run.effect(1).settled()


def test_a_connection_that_timed_out() -> None:
    """Who gave it up after how much silence, what had struck it, and what was in hand."""
    made = figure(silent(), "heartbeats")
    assert made["agreed"] == [{"heartbeat": 0, "connections": 1}, {"heartbeat": 2, "connections": 1}]
    assert (made["timeouts"], made["held"]) == (1, 1)
    (row,) = made["told"]
    assert (row["consumer"], row["by"], row["heartbeat"], row["fault"], row["held"]) == (
        "worker",
        "broker",
        2,
        0,
        1,
    )
    assert round(row["silent"], 1) == 5.0
    assert row["messages"] == [{"message": name(1), "number": 1}]
    words = told(silent())
    assert "1 connection timed out, with 1 message in hand that went back to the queue." in words
    assert "the broker, which heard nothing of it" in words


ENDED = {"at": 0, "consumer": "worker", "pid": 1, "exit_code": -9}


@pytest.mark.parametrize(
    ("what", "timeouts"),
    [
        ({"by": "client"}, 1),
        ({"seconds": 1.0}, 0),
        ({"clean": True}, 0),
        ({"by": "fault"}, 0),
        ({"by": "client", "end": e.ConsumerEnded(by="itself", **ENDED)}, 0),
        ({"by": "broker", "end": e.ConsumerEnded(by="itself", **ENDED)}, 1),
        ({"by": "broker", "end": e.ConsumerEnded(by="fault", **ENDED)}, 0),
    ],
)
def test_what_counts_as_one(what: dict[str, Any], timeouts: int) -> None:
    """Not a close, a cut by a fault, a loss after a short silence, or one that a process took along with it.

    A process that ends by itself right after the broker had given its connection up did so for that.
    """
    assert figure(silent(**what), "heartbeats")["timeouts"] == timeouts


@pytest.mark.parametrize(("how", "timeouts"), [("restart", 0), ("crash", 0), ("freeze", 1)])
def test_a_stop_of_the_broker_is_none(how: str, timeouts: int) -> None:
    """Connections that end with the broker did not time out; one that is frozen is not heard."""
    run = Run(1)
    run.add(e.LinkOpened, link="worker", connection=50, heartbeat=2)
    run.publish().wait(5000)
    run.add(e.BrokerStopped, how=how)
    run.wait(5000).add(e.LinkLost, link="worker", connection=50, by="client")
    run.add(e.BrokerStarted, how=how)
    assert figure(run.settled(), "heartbeats")["timeouts"] == timeouts


def busy(kind: type[e.LinkEvent], by: str, **fields: Any) -> int:
    """Return how many connections timed out of one that has such a frame every second, and is then lost."""
    run = Run(1)
    run.add(e.LinkOpened, link="worker", connection=50, heartbeat=2)
    for _ in range(10):
        run.wait(1000).add(kind, link="worker", connection=50, channel=1, **fields)
    run.add(e.LinkLost, link="worker", connection=50, by=by)
    count: int = figure(run.publish().settled(), "heartbeats")["timeouts"]
    return count


@pytest.mark.parametrize(
    ("kind", "fields", "broker", "client"),
    [
        (e.Polled, {"queue": "orders"}, 0, 0),
        (e.QueueDeclared, {"queue": "orders", "passive": True}, 0, 0),
        (e.Emitted, {"routing_key": "x"}, 0, 1),
        (e.Emitted, {"routing_key": "x", "passed": False}, 1, 1),
        (e.Processed, {}, 0, 1),
        (e.OwnConfirmed, {}, 1, 0),
        (e.Delivered, {"message": None, "tag": 1, "queue": "orders"}, 1, 0),
        (e.Delivered, {"message": None, "tag": 1, "queue": "orders", "passed": False}, 1, 1),
    ],
)
def test_who_was_sent_a_frame_has_heard_something(
    kind: type[e.LinkEvent], fields: dict[str, Any], broker: int, client: int
) -> None:
    """A consumer that polls an empty queue is not silent; one that is handed messages, and answers none, is."""
    assert (busy(kind, "broker", **fields), busy(kind, "client", **fields)) == (broker, client)


def test_every_frame_is_of_a_side() -> None:
    """What the two sides send unasked is known of each kind of frame, and nothing is both."""
    assert not _BROKERS & _CLIENTS
    assert {kind for kind in _FRAMES if hasattr(kind, "passed")} <= _BROKERS | _CLIENTS


def test_a_broker_that_is_seen_to_die_late_is_no_silence() -> None:
    """The connections of a broker that dies by itself end before anybody has noticed."""
    run = Run(1)
    run.add(e.LinkOpened, link="worker", connection=50, heartbeat=2)
    run.publish().wait(5000).add(e.LinkLost, link="worker", connection=50, by="broker")
    run.wait(500).add(e.BrokerStopped, how="itself")
    run.add(e.BrokerStarted, how="itself")
    assert figure(run.settled(), "heartbeats")["timeouts"] == 0


@pytest.mark.parametrize(("healed", "fault"), [(True, None), (False, 0)])
def test_a_fault_explains_the_silence_that_it_was_in(healed: bool, fault: int | None) -> None:
    """One that was over before the last frame has nothing to do with it."""
    run = Run(1)
    run.add(e.LinkOpened, link="worker", connection=50, heartbeat=2)
    run.add(e.FaultFired, fault=0, description="consumer_freeze()", target="worker", actor="signal")
    if healed:
        run.wait(100).add(e.FaultHealed, fault=0)
    run.wait(100).add(e.Polled, link="worker", connection=50, channel=1, queue="orders")
    run.wait(5000).add(e.LinkLost, link="worker", connection=50, by="broker")
    if not healed:
        run.add(e.FaultHealed, fault=0)
    (row,) = figure(run.publish().settled(), "heartbeats")["told"]
    assert row["fault"] == fault


def test_heartbeats_that_were_heard_are_among_the_numbers() -> None:
    """One line says what was agreed on."""
    run = Run(1)
    run.add(e.LinkOpened, link="worker", connection=50, heartbeat=60)
    words = told(run.publish().settled())
    assert "Agreed on: 60 s on 1 connection. None of them timed out." in words


# --- all of them ---


def everything(evil: str = "orders") -> Run:
    """Return a run that has all of the panels, with a text in each name."""
    run = Run(3)
    run.add(e.LinkOpened, link=evil, connection=50, heartbeat=2)
    run._connections[evil] = 50
    run.subscribe(evil, link=evil, prefetch=0).publish(1, 2).publish(
        3, confirm=False, exchange=evil, routing_key=evil
    )
    run.answer(3, e.Returned, code=312, text=evil)
    for number in (1, 2):
        run.deliver(number, evil, link=evil)
    run.wait(5000)
    run.add(e.LinkLost, link=evil, connection=50, by="broker", text=evil)
    del run._connections[evil]
    run.effect(1, link=evil, since=run.events[-1].at)
    return run.settled(replace(queue(evil, max_length=1), overflow=evil, dead_letter_exchange=evil))


@pytest.mark.parametrize("evil", INJECTIONS)
def test_hostile_names_stay_text(evil: str) -> None:
    """Queues, consumers, exchanges, keys and what a broker says: each is shown, and does nothing."""
    made = recorded(everything(evil), ALL, order_keys={})
    assert all(made[each] for each in ("within", "prefetch", "overflow", "returns", "heartbeats"))
    assert read(page(session(made))).text.count(re.sub(r"\s+", " ", printable(evil))) > 12


def test_the_drawings_need_no_style() -> None:
    """Every shape carries its own colours, and every row its name and number."""
    made = recorded(everything(), ALL, order_keys={})
    drawings = re.findall(r'<svg[^>]*class="bars".*?</svg>', page(session(made)), re.DOTALL)
    assert len(drawings) >= 2
    for tag in re.findall(r"<(?:path|rect)[^>]*>", "".join(drawings)):
        assert " fill=" in tag or " stroke=" in tag, tag


def test_the_same_document_is_the_same_page() -> None:
    """Rendered twice, and after a way through JSON; one of before there were such figures has a page."""
    made = session(recorded(everything(), ALL, order_keys={}))
    assert page(made) == page(json.loads(json.dumps(made)))
    old = json.loads(json.dumps(made))
    for run in old["runs"]:
        for each in ("within", "prefetch", "overflow", "returns", "heartbeats"):
            del run[each]
    assert "Heartbeats" not in read(page(old)).text
