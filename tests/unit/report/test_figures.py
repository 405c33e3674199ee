"""The figures: these events, exactly these numbers."""

from __future__ import annotations

from typing import Any

import pytest
from account_builders import (
    account,
    acked,
    case,
    confirmed,
    delivered,
    done,
    effected,
    ms,
    name,
    published,
    workload,
)
from report_builders import REFUSE, eventful, failing, judged

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import (
    CensusTaken,
    ChannelClosed,
    ConsumerFrozen,
    ConsumerStarted,
    ConsumerThawed,
    Event,
    FaultFired,
    FaultHealed,
    LinkLost,
    Nacked,
    Rejected,
    Returned,
    SettleEnded,
)
from pytest_mqchaos.model.topology import QueueState, Topology
from pytest_mqchaos.report.figures import NOTHING, figures
from pytest_mqchaos.report.figures.waits import EDGES, percentile


def of(*events: Event, count: int = 10, **fields: Any) -> dict[str, Any]:
    """Return the figures of a run of these events."""
    return figures(Account(case(events, workload(count), **fields), [], []))


def series(made: dict[str, Any], lane: str, kind: str) -> list[list[float]]:
    """Return the points of one series of the timeline."""
    (found,) = [
        each["points"] for each in made["timeline"]["marks"] if (each["lane"], each["kind"]) == (lane, kind)
    ]
    points: list[list[float]] = found
    return points


def test_marks_keep_their_moments() -> None:
    """Each event of a message is a mark on the lane of its link, at its moment since the first publish."""
    made = of(published(1, 10), confirmed(1, 11), delivered(1, 30), effected(1, 40), acked(1, 45))

    assert made["timeline"]["lanes"] == ["publisher", "worker"]
    assert (made["timeline"]["from"], made["timeline"]["until"], made["timeline"]["step"]) == (
        0.0,
        0.035,
        0.0,
    )
    assert series(made, "publisher", "published") == [[0.0, 1]]
    assert series(made, "publisher", "confirmed") == [[0.001, 1]]
    assert series(made, "worker", "delivered") == [[0.02, 1]]
    assert series(made, "worker", "effected") == [[0.03, 1]]
    assert series(made, "worker", "acked") == [[0.035, 1]]


def test_a_frame_that_was_kept_is_a_mark_of_its_own() -> None:
    """What a fault kept from its receiver is not drawn as if it had arrived."""
    made = of(published(1, 0), delivered(1, 5), acked(1, 9, passed=False), published(2, 10, passed=False))

    assert series(made, "worker", "acked_stopped") == [[0.009, 1]]
    assert series(made, "publisher", "published_stopped") == [[0.01, 1]]


def test_given_back_and_rejected_are_told_apart() -> None:
    """A requeue is not the end of a message."""
    where: dict[str, Any] = {"link": "worker", "connection": 2, "channel": 1, "message": name(1)}
    made = of(
        published(1, 0),
        delivered(1, 5),
        Nacked(at=ms(6), tag=1, requeue=True, **where),
        Rejected(at=ms(8), tag=2, requeue=False, **where),
    )

    assert series(made, "worker", "given_back") == [[0.006, 1]]
    assert series(made, "worker", "rejected") == [[0.008, 1]]


def test_long_quiet_stretches_may_be_cut() -> None:
    """A run that waits for its settle time-out names the stretch in which nothing happened."""
    assert of(*done(1), SettleEnded(at=ms(30_004), settled=False))["timeline"]["quiet"] == [[0.004, 30.004]]
    assert of(*done(1), *done(2, 50))["timeline"]["quiet"] == []


def test_many_marks_are_counted_in_steps() -> None:
    """Above three thousand marks each point counts a 240th of the time, and nothing is dropped."""
    made = of(*(event for n in range(1, 2001) for event in done(n, n)), count=2000)
    timeline = made["timeline"]

    assert timeline["step"] == pytest.approx((timeline["until"] - timeline["from"]) / 240, abs=1e-6)
    for each in timeline["marks"]:
        assert each["step"] == timeline["step"]
        assert len(each["points"]) <= 241
        assert sum(count for _, count in each["points"]) == each["total"] == 2000
    assert len(timeline["depth"]["points"]) <= 241


def test_few_marks_among_many_keep_their_moments() -> None:
    """A storm of deliveries does not blur the one publish before it."""
    storm = [delivered(1, 10 + n, tag=n) for n in range(3100)]
    marks = {each["kind"]: each for each in of(published(1, 0), *storm)["timeline"]["marks"]}

    assert (marks["published"]["step"], marks["published"]["points"]) == (0.0, [[0.0, 1]])
    assert marks["delivered"]["step"] > 0


def test_consumers_beyond_twelve_are_counted() -> None:
    """A thirteenth consumer has no lane, and the timeline says so."""
    started = [ConsumerStarted(at=ms(-1), consumer=f"w{n}", pid=n) for n in range(15)]
    timeline = of(*started, *done(1))["timeline"]

    assert (len(timeline["lanes"]), timeline["lanes_left_out"]) == (13, 4)


def test_depth_follows_every_copy() -> None:
    """Waiting grows with publishes and returns to the queue, in hand with deliveries; a lost link empties hands."""
    made = of(
        published(1, 0, routing_key="orders"),
        published(2, 1, routing_key="orders"),
        delivered(1, 2),
        delivered(2, 3),
        acked(1, 4),
        LinkLost(at=ms(5), link="worker", connection=2, by="fault"),
    )

    depth = made["timeline"]["depth"]
    assert depth["points"] == [
        [0.0, 1, 0],
        [0.001, 2, 0],
        [0.002, 1, 1],
        [0.003, 0, 2],
        [0.004, 0, 1],
        [0.005, 1, 0],
    ]
    assert (depth["most_waiting"], depth["most_in_hand"]) == (2, 2)


def test_depth_of_other_ways_back() -> None:
    """A closed channel gives back, a return takes out, automatic ack is never in hand, a dead-letter queue no queue."""
    closed = ChannelClosed(at=ms(2), link="worker", connection=2, channel=1, by="broker")
    returned = Returned(at=ms(3), link="publisher", connection=1, channel=1, message=name(1))
    last = lambda made: made["timeline"]["depth"]["points"][-1]  # noqa: E731

    assert last(of(published(1, 0), delivered(1, 1), closed)) == [0.002, 1, 0]
    assert last(of(published(1, 0), returned)) == [0.003, 0, 0]
    assert last(of(published(1, 0), delivered(1, 1, auto_ack=True))) == [0.001, 0, 0]
    resting = of(published(1, 0), delivered(1, 1, queue="dead"), dead_letters=frozenset({"dead"}))
    assert last(resting) == [0.0, 1, 0]


@pytest.mark.parametrize(("after", "exact", "points"), [(500, True, 2), (500, False, 1), (20, True, 1)])
def test_a_census_puts_the_depth_right(after: float, exact: bool, points: int) -> None:
    """What a broker forgot is seen by an exact census, taken while nothing moves."""
    queue = QueueState(name="orders", type="classic", ready=0, exact=exact)
    census = CensusTaken(at=ms(after), topology=Topology(), queues=(queue,))
    made = of(published(1, 0, routing_key="orders"), census)

    assert len(made["timeline"]["depth"]["points"]) == points


def test_processes_connections_and_subscriptions() -> None:
    """A crash ends all three of its replica, and what starts again begins anew, each with its last words."""
    worker, second = failing()["consumers"]

    assert [(each["pid"], each["from"], each["until"]) for each in worker["processes"]] == [
        (100, -0.201, 0.072),
        (101, 0.099, None),
    ]
    first = worker["processes"][0]
    assert (first["exit_code"], first["signal"], first["by"], first["restarts"]) == (
        -9,
        "SIGKILL",
        "fault",
        True,
    )
    assert (first["output"], first["output_left_out"]) == (["starting", "Traceback: boom"], 12)
    assert worker["processes"][1]["output"] == ["starting again"]
    assert [(each["from"], each["until"]) for each in worker["connections"]] == [
        (-0.191, 0.071),
        (0.109, None),
    ]
    assert [(each["from"], each["until"]) for each in second["subscriptions"]] == [
        (-0.161, 0.3),
        (0.81, None),
    ]
    assert second["connections"][0]["by"] == "fault"


def test_shares() -> None:
    """Each consumer's deliveries, settlements and effects, and its part of the whole."""
    worker, second = failing()["consumers"]

    assert [worker[what] for what in ("deliveries", "acked", "effected", "share")] == [
        4,
        3,
        2,
        pytest.approx(4 / 11, abs=1e-4),
    ]
    assert [second[what] for what in ("deliveries", "acked", "effected")] == [7, 7, 7]
    assert worker["share"] + second["share"] == pytest.approx(1, abs=1e-3)


def test_a_consumer_that_stood_still() -> None:
    """A freeze is an interval of its own."""
    events = [
        ConsumerStarted(at=ms(0), consumer="worker", pid=1),
        published(1, 0),
        ConsumerFrozen(at=ms(10), consumer="worker"),
        ConsumerThawed(at=ms(30), consumer="worker"),
        ConsumerFrozen(at=ms(40), consumer="worker"),
    ]

    assert of(*events)["consumers"][0]["frozen_at"] == [[0.01, 0.03], [0.04, None]]


def test_latency_inside_and_outside_of_faults() -> None:
    """A message that was on its way while a fault was in force is inside, however short that was."""
    latency = failing()["latency"]

    # 1 and 2 were done before the crash at 71 ms, 3 never; 4 to 7 waited through the crash, 8 to 10 through both
    assert (latency["until"], latency["all"]["messages"]) == ("effect", 9)
    assert latency["outside"] == {"messages": 2, "p50": 0.029, "p95": 0.048, "p99": 0.048, "max": 0.048}
    assert latency["inside"] == {"messages": 7, "p50": 0.12, "p95": 0.822, "p99": 0.822, "max": 0.822}


def test_what_nobody_felt_is_no_window() -> None:
    """Inside of a fault is what `within` excuses: a strike that changed nothing is told, and no message met it."""
    struck = {"at": ms(2), "fault": 0, "description": "refuse()", "target": "worker", "actor": "wire"}
    for changed, inside in ((True, 1), (False, 0)):
        made = of(
            published(1, 0),
            FaultFired(**struck, changed=changed),
            effected(1, 5),
            FaultHealed(at=ms(8), fault=0),
            effected(2, 9),
            faults=(REFUSE,),
        )
        (fault,) = made["strikes"]
        assert made["latency"]["inside"]["messages"] == inside
        assert fault["recovery"] == (0.001 if changed else None)
        assert [(row["at"], row["until"], row["changed"]) for row in fault["struck"]] == [
            (0.002, 0.008, changed)
        ]


def test_the_distribution_holds_every_message() -> None:
    """Each message is in the bar whose edges hold its time, and a bar's upper edge belongs to it."""
    bars = of(
        *(
            event
            for n, took in enumerate((0, 1, 2, 5, 6), 1)
            for event in (published(n, 0), effected(n, took))
        )
    )["latency"]["distribution"]

    assert [(bar["from"], bar["until"], bar["outside"]) for bar in bars] == [
        (0.0, 0.001, 2),
        (0.001, 0.002, 1),
        (0.002, 0.005, 1),
        (0.005, 0.01, 1),
    ]
    assert tuple(sorted(EDGES)) == EDGES


def test_percentiles_are_nearest_ranks() -> None:
    """Of a hundred values the 95th is the 95th; of one value each is that one."""
    values = [float(n) for n in range(1, 101)]

    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50.0, 95.0, 99.0, 100.0]
    assert percentile([7.0], 0.5) == 7.0
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0


@pytest.mark.parametrize(
    ("evidence", "ordered", "until"),
    [("broker", True, "ack"), ("effects", False, "ack"), ("unknown", True, "ack")],
)
def test_without_effects_as_they_happen_the_ack_ends_the_way(
    evidence: str, ordered: bool, until: str
) -> None:
    """Effects that are asked for at the end say nothing of how long it took."""
    made = of(
        published(1, 0),
        delivered(1, 1),
        acked(1, 5),
        effected(1, 900),
        evidence=evidence,
        ordered_evidence=ordered,
    )

    assert (made["latency"]["until"], made["latency"]["all"]["max"]) == (until, 0.005)


def test_deliveries_per_message() -> None:
    """How many messages were delivered never, once, twice."""
    assert of(
        published(1, 0), published(2, 0), published(3, 0), delivered(1, 1), delivered(2, 1), delivered(2, 2)
    )["deliveries"] == [{"deliveries": n, "messages": 1} for n in (0, 1, 2)]


def test_recovery_is_from_the_end_of_the_fault() -> None:
    """From the heal, or from the strike where nothing lasts, to the next delivery and the next work."""
    crash, refusal = failing()["faults"]

    assert (crash["resumed"], crash["recovery"]) == (pytest.approx(0.042), pytest.approx(0.052))
    assert (refusal["resumed"], refusal["recovery"]) == (pytest.approx(0.02), pytest.approx(0.03))
    assert refusal["struck"][0] == {
        "at": 0.299,
        "until": 0.799,
        "target": "worker#2",
        "changed": True,
        "actor": "toxiproxy",
        "trigger": "",
        "message": None,
        "delay": 0.0,
        "waiting": 3,
        "in_hand": 0,
    }


def test_no_work_after_a_fault_is_no_recovery() -> None:
    """Where nothing follows there is no number."""
    stopped = [event for event in eventful() if event.at < ms(805)]

    assert figures(judged(events=stopped))["strikes"][1]["recovery"] is None


def test_queues_by_the_last_census() -> None:
    """What is in force after arguments and policy, and nothing that is not set."""
    (queue,) = failing()["queues"]

    assert (queue["name"], queue["type"], queue["consumers"]) == ("orders", "quorum", 2)
    assert queue["arguments"] == {"x-queue-type": "quorum"}
    assert queue["in_force"] == {"delivery_limit": 20}


def test_a_run_without_events() -> None:
    """Nothing happened: every figure is there, and empty."""
    made = of()

    assert set(made) == set(NOTHING)
    assert (made["timeline"]["marks"], made["latency"]["all"]["messages"], made["deliveries"]) == ([], 0, [])


def test_a_verdict_is_not_lost_for_want_of_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a figure cannot be made, the record says so and keeps all the rest."""

    def broken(account: Account) -> dict[str, Any]:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("pytest_mqchaos.report.record.figures", broken)
    run = failing()

    assert (run["verdict"], run["timeline"], run["faults"][0]["struck"]) == ("fail", None, [])
    assert run["notes"] == ["a note", "no figures of this run: ZeroDivisionError: boom"]
    assert account().verdict == "pass"
