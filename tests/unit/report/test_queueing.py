"""The run as a queue: hand-computed cases, and a simulation of a queue whose rates are known."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from account_builders import acked, case, delivered, effected, found, ms, name, published, workload

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import (
    CensusTaken,
    ChannelClosed,
    ConsumerCancelled,
    Event,
    LinkLost,
    Nacked,
    Recovered,
)
from pytest_mqchaos.model.topology import QueueState, Topology
from pytest_mqchaos.report.figures import figures
from pytest_mqchaos.report.figures.queueing import Queueing, erlang_c, wait_in_queue


def of(events: list[Event], windows: Any = (), *, by_effect: bool = True) -> dict[str, Any] | None:
    """Return the figures of some events."""
    queueing = Queueing(ms(0), by_effect=by_effect)
    takers = queueing.handlers()
    for event in events:
        if type(event) in takers:
            takers[type(event)](event)
    return queueing.figure(windows)


def test_by_hand() -> None:
    """Three messages, 10 ms apart, each 20 ms of work: they wait 0, 10 and 20 ms."""
    made = of(
        [
            published(1, 0), delivered(1, 0), published(2, 10), delivered(2, 10), published(3, 20),
            effected(1, 20), delivered(3, 25), effected(2, 40), effected(3, 60),
        ]
    )  # fmt: skip

    assert made is not None
    assert (made["arrival_rate"], made["service_rate"], made["servers"]) == (100.0, 50.0, 1)
    assert made["utilisation"] == 2.0
    assert made["wait_measured"] == pytest.approx(0.010)
    assert made["wait_little"] == pytest.approx(0.010)
    assert made["wait_model"] is None
    assert made["model"] == "M/M/1"
    assert "more came than could be worked on: there is no steady state" in made["words"]
    assert "3 messages are few for a rate" in made["words"]


def test_little_is_the_same_data() -> None:
    """Little's wait is the measured one where all was begun; what never was parts the two, and is counted."""
    worked = [
        published(1, 0),
        delivered(1, 0),
        published(2, 10),
        effected(1, 20),
        delivered(2, 20),
        effected(2, 40),
    ]
    made = of(worked)
    assert made is not None
    assert (made["never_begun"], made["wait_little"]) == (0, made["wait_measured"])
    made = of([*worked[:3], published(3, 15), *worked[3:]])
    assert made is not None
    assert made["never_begun"] == 1
    assert made["wait_little"] > made["wait_measured"]


def test_who_left_without_work_waits_no_more() -> None:
    """What was settled without its work, or dropped by its queue, is in neither wait; what is there parts them."""
    sent = [published(n, n) for n in range(1, 6)]
    hands = [delivered(1, 6), effected(1, 7), acked(1, 8), delivered(2, 9), acked(2, 10)]
    worked = [delivered(3, 11), effected(3, 12), acked(3, 13)]
    state = QueueState(name="orders", type="classic", ready=1, exact=True, max_length=3)
    census = CensusTaken(at=ms(5000), topology=Topology(), queues=(state,))
    dropped = found("overflow", 4, detail="dropped", violation=False)
    run = account_of([*sent, *hands, *worked, census], findings=[dropped])["queueing"]

    assert (run["messages"], run["left_unserved"], run["never_begun"]) == (2, 2, 1), (
        "2 settled, 4 dropped, 5 there"
    )
    run = account_of([*sent[:4], *hands, *worked, census], findings=[dropped])["queueing"]
    assert (run["left_unserved"], run["never_begun"]) == (2, 0)
    assert run["wait_little"] == run["wait_measured"]


def account_of(events: list[Event], findings: Any) -> dict[str, Any]:
    """Return all figures of a run, which has an account."""
    return figures(Account(case(events, workload(5)), findings, []))


def test_several_in_hand() -> None:
    """A consumer that had several messages may be several servers, and the words say so; one at a time says nothing."""
    lost = LinkLost(at=ms(5), link="worker", connection=2, by="fault")
    nacked = Nacked(at=ms(5), link="worker", connection=2, channel=1, tag=1, message=name(1), requeue=True)
    said = "a consumer counts as one server, whatever threads it has: one had 2 messages in hand"
    sent = [published(1, 0), published(2, 1), delivered(1, 2)]
    rest = [delivered(2, 6), effected(2, 20), delivered(1, 21), effected(1, 40)]
    elsewhere = LinkLost(at=ms(5), link="worker", connection=3, by="fault")
    closed = ChannelClosed(at=ms(5), link="worker", connection=2, channel=1, by="broker")
    recovered = Recovered(at=ms(5), link="worker", connection=2, channel=1)
    here = {"at": ms(5), "link": "worker", "connection": 2, "channel": 1}
    cancelled, other = (ConsumerCancelled(**here, consumer_tag=tag) for tag in ("", "other"))
    for between, counted in (
        (None, 2),
        (lost, 1),
        (elsewhere, 2),
        (closed, 1),
        (recovered, 1),
        (cancelled, 1),
        (other, 2),
        (nacked, 1),
        (acked(1, 5), 1),
        (effected(1, 5), 1),
    ):
        made = of([*sent, *([between] if between else []), *rest])
        assert made is not None
        assert (made["most_in_hand"], said in made["words"]) == (counted, counted == 2)


@pytest.mark.parametrize(("from_then", "servers"), [(100, 1), (10, 2)])
def test_who_takes_over_is_no_second_server(from_then: int, servers: int) -> None:
    """Two consumers count as two if they worked at the same time."""
    events = []
    for number, link, at in ((1, "a", 0), (2, "a", 20), (3, "b", from_then), (4, "b", from_then + 20)):
        events += [
            published(number, at), replace(delivered(number, at), link=link),
            replace(effected(number, at + 15), consumer=link),
        ]  # fmt: skip
    made = of(sorted(events, key=lambda event: event.at))
    assert made is not None
    assert made["servers"] == servers
    assert made["model"] == f"M/M/{servers}"


def test_nothing_to_speak_of() -> None:
    """A run without work, or with one message, has no rates."""
    assert of([]) is None
    assert of([published(1, 0), delivered(1, 1), effected(1, 2)]) is None
    assert of([published(1, 0), published(2, 1), delivered(1, 1)]) is None


@pytest.mark.parametrize(
    ("servers", "load", "probability"), [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (3, 2.0, 4 / 9), (10, 8.0, 0.409180)]
)
def test_erlang_c(servers: int, load: float, probability: float) -> None:
    """The values of textbooks and tables."""
    assert erlang_c(servers, load) == pytest.approx(probability, abs=1e-6)


def test_the_model() -> None:
    """For one server it is ρ / (μ - λ), and without a steady state there is none."""
    assert wait_in_queue(8.0, 10.0) == pytest.approx(0.8 / 2.0)
    assert wait_in_queue(10.0, 10.0) is None
    assert wait_in_queue(30.0, 10.0, 3) is None
    assert wait_in_queue(10.0, 10.0, 2) == pytest.approx(1 / 30)


@pytest.mark.parametrize("servers", [1, 2])
def test_a_simulation(servers: int) -> None:
    """Of a simulated queue the rates are found, and the three waits agree."""
    rng, arrivals, service = random.Random(17), 8.0 * servers, 10.0
    free, at, events = [0.0] * servers, 0.0, []
    for n in range(1, 20_001):
        at += rng.expovariate(arrivals)
        server = min(range(servers), key=free.__getitem__)
        begun = max(at, free[server])
        free[server] = begun + rng.expovariate(service)
        link = f"worker#{server + 1}"
        events += [
            published(n, at * 1e3),
            delivered(n, begun * 1e3, link=link),
            effected(n, free[server] * 1e3, consumer=link),
        ]
    made = of(sorted(events, key=lambda event: event.at))

    assert made is not None
    assert made["servers"] == servers
    assert made["arrival_rate"] == pytest.approx(arrivals, rel=0.03)
    assert made["service_rate"] == pytest.approx(service, rel=0.03)
    assert made["wait_measured"] == pytest.approx(made["wait_little"], rel=1e-3)
    assert made["wait_measured"] == pytest.approx(made["wait_model"], rel=0.15)
    assert made["words"] == []


def test_words_on_bursts_and_faults() -> None:
    """A burst is no Poisson process, even work is not exponential, and a fault's window is named."""
    events: list[Event] = [published(n, n / 100) for n in range(1, 41)]
    for n in range(1, 41):
        events += [delivered(n, 10 * n), effected(n, 10 * n + 10)]
    made = of(events, [(0.1, 0.2)])

    assert made is not None
    assert [each.partition(" (")[0] for each in made["words"]] == [
        "more came than could be worked on: there is no steady state",
        "arrivals were no Poisson process",
        "service was not exponential",
        "31 of 40 messages waited while a fault struck or was in force",
    ]


def test_poison_is_no_customer() -> None:
    """What nobody is to work on waits for nobody."""
    queueing = Queueing(ms(0), by_effect=True, poison={name(2)})
    takers = queueing.handlers()
    for event in [
        published(1, 0),
        published(2, 1),
        published(3, 10),
        delivered(2, 2),
        *_worked(1, 5),
        *_worked(3, 12),
    ]:
        takers[type(event)](event)
    made = queueing.figure(())

    assert made is not None
    assert made["messages"] == 2
    assert made["wait_little"] == made["wait_measured"] == pytest.approx(0.0035)


def _worked(number: int, at: float) -> list[Event]:
    return [delivered(number, at), effected(number, at + 1)]
