"""The panels of a run on the page: each figure stands there, and what is cut off is counted where it is."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from account_builders import acked, delivered, found, ms, published, workload
from report_builders import NODE, failing, judged, passing, session
from test_figures import of
from test_html import read

from pytest_mqchaos.model.events import (
    CensusTaken,
    ConsumerEnded,
    ConsumerStarted,
    Event,
    LinkLost,
    LinkOpened,
    Subscribed,
)
from pytest_mqchaos.model.topology import QueueState, Topology
from pytest_mqchaos.report.document import run_record, schema
from pytest_mqchaos.report.html import MOST, page


def text(*runs: Any, **fields: Any) -> str:
    """Return what the page of these runs says, without its marks."""
    return read(page(session(*runs, **fields))).text


@pytest.mark.parametrize(
    ("kept", "link"),
    [
        ("failed/it-1", "./failed/it-1/"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29/"),
        ("//evil.example/x", ".///evil.example/x/"),
        ('"><b>', "./%22%3E%3Cb%3E/"),
        ("\ud800", "./%3F/"),
    ],
)
def test_what_was_kept_is_a_link(kept: str, link: str) -> None:
    """The directory of a failed run is a link beside the page, and whatever a document says there stays a path."""
    assert link in read(page(session({**failing(), "kept": kept}))).attributes["href"]


def test_persistence_is_a_product() -> None:
    """Stored by retrieved has a row of its own, and what cannot be judged is counted beside it."""
    run = passing()
    share = {"count": 8, "of": 10, "share": 0.8, "low": 0.4, "high": 0.9}
    product = {"share": 0.64, "low": 0.3, "high": 0.85}
    run["endurance"] |= {"stored": share, "retrieved": share, "persistence": product, "undecided": 2}
    said = text(run)
    assert "persistence: stored × retrieved–64.0 %30.0 % and 85.0 %" in said
    assert (
        "2 messages that the broker held when it stopped cannot be judged, and are left out of both." in said
    )


def test_what_parts_the_broker_from_its_clients() -> None:
    """Where the broker's numbers and those of its clients differ the page says by what, and else nothing."""
    run = passing()
    said = text(run)
    assert "taken by the broker, of what reached it10 of 10" in said
    assert "acknowledged, of what was handed out10 of 10" in said
    assert "As the broker saw it." not in said
    run["endurance"] |= {"cut_off": 4, "unheard": 1, "undelivered": 5}
    assert (
        "As the broker saw it. 4 messages more were published and never reached it. Of 1 message that it took the "
        "publisher was not told. 5 messages that it handed out never came to a consumer."
    ) in text(run)


def test_little_is_called_what_it_is() -> None:
    """The page says that Little's law is no second measurement, and what parts it from the measured wait."""
    run = passing()
    assert "Little's law reads the same moments another way: it is a check, no second measurement." in text(
        run
    )
    run["queueing"] |= {"never_begun": 3, "left_unserved": 1, "words": ["a word"]}
    assert (
        "The two differ by 3 messages that nobody began to work on. 1 message that left the queue without any work, "
        "dropped or settled, is in neither."
    ) in text(run)
    assert "Why M/M/1 may not fit here: a word." in text(run)


def test_deliveries_of_a_fan_out() -> None:
    """Where a message has several copies the page says whose deliveries it expects, and how many that makes."""
    run = passing()
    run["lifecycle"] |= {"deliveries": 1.25, "copies_per_message": 2.0, "deliveries_per_message": 2.5}
    said = text(run)
    assert "Expected deliveries of a copy until its end: 1.250" in said
    assert "A message had 2.000 copies in the mean, so it was delivered 2.500 times." in said
    assert "copies in the mean" not in text(failing())


def test_what_is_cut_off_is_counted() -> None:
    """Each panel that tells the first of many says how many more there are, and a short one says nothing."""
    run = failing()
    consumer = {
        **run["consumers"][0],
        "left_out": {"processes": 7, "connections": 8, "subscriptions": 0, "frozen_at": 1},
    }
    source = {"name": "s", "kind": "file", "of": None, **dict.fromkeys(SOURCE, 0)}
    pause = {
        "attempt": 2,
        "messages": 1,
        **dict.fromkeys(("shortest", "p50", "longest", "due_after", "due_until")),
    }
    takeover = {"consumer": "w", "at": 1.0, "held": 1, **pause}
    many = {
        **run,
        "consumers": [consumer] + [{**run["consumers"][1], "name": f"w{n}"} for n in range(44)],
        "sources": [source] * 43,
        "pauses": [pause], "pauses_left_out": 2,
        "takeovers": [takeover], "takeovers_left_out": 1_002,
        "queues_left_out": 1,
    }  # fmt: skip
    caps = (
        "5 more consumers are in report.json", "3 more sources are in report.json", "2 attempts more are not listed",
        "1,002 more ends of processes are not listed", "1 queue more, by name, is not listed",
        "7 earlier processes are not listed", "8 earlier connections are not listed",
        "1 earlier time that it stood still is not listed", "Process 8, pid 100",
    )  # fmt: skip
    said, short = text(many), text(run)
    assert [cap for cap in caps if cap not in said] == []
    assert [cap for cap in caps if cap in short] == []
    jsonschema.validate(session(many), schema())


SOURCE = ("effects", "messages", "wanted", "missing", "doubled")


def test_each_strike_is_told() -> None:
    """A fault that struck more than once tells of each strike, and of more than are told their number."""
    run = failing()
    first = run["faults"][1]["struck"][0]
    struck = [
        {**first, "at": 0.3 + n, "target": f"victim#{n}", "trigger": f"delivery({n})"} for n in range(3)
    ]
    run["faults"][1] |= {"struck": struck, "strikes": 25}
    said = text(run)
    assert "Fault 2 struck 25 times: the others" in said
    assert all(f"victim#{n}" in said and f"delivery({n})" in said for n in range(3))
    assert "22 later strikes are not listed." in said
    assert "the others" not in text(failing())


def test_arguments_that_no_policy_names() -> None:
    """What a queue was declared with stands on the page, also where it is no limit, and nothing twice."""
    run = failing()
    arguments = {
        "x-queue-type": "quorum", "x-single-active-consumer": True, "x-max-priority": 5, "x-message-ttl": 9000,
        "x-odd": {"a": ["<b>"]},
    }  # fmt: skip
    run["queues"][0] |= {"arguments": arguments, "in_force": {"message_ttl": 9.0}}
    said = text(run)
    assert 'x-single-active-consumer: true; x-max-priority: 5; x-odd: {"a": ["<b>"]}' in said
    assert "x-message-ttl" not in said


def test_figures_count_what_they_leave_out() -> None:
    """Of many queues, attempts, deaths and connections the document has the first or last ones, and the number."""
    queues = tuple(QueueState(name=f"q{n:03}", type="classic") for n in range(53))
    events: list[Event] = [published(1, 0)]
    for n in range(103):
        where: dict[str, Any] = {"link": "worker", "connection": n + 2}
        events += [
            ConsumerStarted(at=ms(10 * n + 1), consumer="worker", pid=n),
            LinkOpened(at=ms(10 * n + 2), **where),
            Subscribed(at=ms(10 * n + 3), channel=1, consumer_tag="c", queue="orders", **where),
            delivered(1, 10 * n + 4, redelivered=n > 0, connection=n + 2),
            LinkLost(at=ms(10 * n + 5), by="client", **where),
            ConsumerEnded(at=ms(10 * n + 6), consumer="worker", pid=n, exit_code=-9, by="fault"),
        ]
    made = of(*events, CensusTaken(at=ms(2000), topology=Topology(), queues=queues))
    assert [(len(made[name]), made[f"{name}_left_out"]) for name in ("queues", "pauses", "takeovers")] == [
        (50, 3), (20, 82), (20, 83),
    ]  # fmt: skip
    (worker,) = made["consumers"]
    assert worker["left_out"] == {"processes": 3, "connections": 3, "subscriptions": 3, "frozen_at": 0}
    assert worker["processes"][0]["pid"] == 3


def test_long_reasons_do_not_fill_the_page() -> None:
    """Reasons of skips are cut, the list is part of the page's limit, and both are said."""
    skipped = [{"nodeid": f"t.py::t{n}[a]", "scenario": "a", "reason": "x" * 20_000} for n in range(600)]
    made = page(session(passing(), skipped=skipped))
    said = read(made).text
    assert len(made.encode()) < 1_000_000
    assert "100 more are in report.json." in said
    assert "500 reasons are cut; report.json has all of them." in said
    wide = [{"nodeid": f"t.py::t{n}{'&' * 2500}[a]", "scenario": "a", "reason": "no"} for n in range(600)]
    assert len(page(session(passing(), skipped=wide)).encode()) <= MOST


def test_a_hundred_thousand_messages() -> None:
    """A run of that size is told in full, on a page within its limit."""
    count = 100_000
    events: list[Event] = [published(n, n / 100, routing_key="orders") for n in range(1, count + 1)]
    for n in range(10, count + 1, 10):
        events += [delivered(n, 2000 + n / 100), acked(n, 2000 + n / 100 + 0.01)]
    lost = found("lost", *range(10, count + 1, 10), detail="by_consumer")
    run = run_record(
        judged(lost, events=events, messages=workload(count)),
        nodeid=NODE, attempt=1, outcome="failed", reproduce="x",
    )  # fmt: skip
    made = page(session(run))
    assert run["counts"]["published"] == count
    assert len(made.encode()) <= MOST
    said = read(made).text
    assert "Told in short" not in said
    assert "Which faults struck where" in said
    assert "10,000 of 100,000 messages" in said
