"""Who kept the order and who did not: these events, exactly these places, and how they are drawn."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))

from check_builders import Run, name
from hostile import INJECTIONS
from report_builders import session
from test_html import read

from pytest_mqchaos.checks import judge
from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.guarantees import at_least_once
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.refinements import ordered
from pytest_mqchaos.report.claims import claimed
from pytest_mqchaos.report.document import run_record, schema
from pytest_mqchaos.report.html import page
from pytest_mqchaos.report.html.ranks import ranks

PROMISE = at_least_once + ordered("customer")
STRICT = at_least_once + ordered("customer", strict=True)


def recorded(run: Run, promise: Any = PROMISE, key: str = "a", **fields: Any) -> dict[str, Any]:
    """Return the record of a run whose messages have one key."""
    fields.setdefault("order_keys", dict.fromkeys(run.messages, key))
    case = run.case(promise, **fields)
    account = Account(case, *judge(case))
    return run_record(account, nodeid="t.py::test_it", attempt=1, outcome="failed", reproduce="x")


def order_of(run: Run, promise: Any = PROMISE, **fields: Any) -> dict[str, Any]:
    """Return the figure of the order, which obeys the schema."""
    made = recorded(run, promise, **fields)
    jsonschema.Draft202012Validator(schema()).validate(session(made))
    figure: dict[str, Any] = made["order"]
    return figure


def by_the_consumer() -> Run:
    """Three in order from the broker; the consumer works on the second before the first."""
    run = Run(3).subscribe().publish()
    one, two, three = (run.deliver(n) for n in (1, 2, 3))
    return run.effect(2, 1, 3).ack(one, two, three).settled()


def by_the_broker() -> Run:
    """The broker delivers the second first, and the consumer does as it is told."""
    run = Run(2).subscribe().publish()
    two, one = run.deliver(2), run.deliver(1)
    return run.effect(2, 1).ack(one, two).settled()


def gone_back() -> Run:
    """The first goes back to its queue, and comes again when the second is done."""
    run = Run(2).subscribe().publish()
    one, two = run.deliver(1), run.deliver(2)
    run.nack(one)
    run.effect(2).ack(two)
    again = run.deliver(1, redelivered=True)
    return run.effect(1).ack(again).settled()


def test_no_promise_no_figure() -> None:
    """Without a promise of an order there is none to tell of."""
    assert recorded(by_the_consumer(), at_least_once)["order"] is None


def test_the_order_was_kept() -> None:
    """What was worked on as published is counted, and no key is told."""
    run = Run(2).subscribe().publish()
    one, two = run.deliver(1), run.deliver(2)
    run.effect(1, 2).ack(one, two).settled()
    assert order_of(run) == {
        "strict": False, "seen": True, "keys": 1, "messages": 2, "out_of_order": 0, "overtaken": 0, "unsure": 0,
        "excused": 0, "told": [], "left_out": 0,
    }  # fmt: skip


def test_what_the_consumer_did() -> None:
    """The places as published, as delivered, as worked on; and who changed them, by which messages."""
    figure = order_of(by_the_consumer())
    (key,) = figure["told"]
    assert (figure["out_of_order"], figure["overtaken"], key["key"], key["queue"]) == (1, 1, "a", "orders")
    places = [
        (one["number"], one["published"], one["delivered"], one["worked"], one["state"])
        for one in key["places"]
    ]
    assert places == [(1, 1, 1, 2, "overtaken"), (2, 2, 2, 1, "kept"), (3, 3, 3, 3, "kept")]
    assert key["overtakings"] == [
        {"message": name(1), "number": 1, "by": name(2), "by_number": 2, "state": "overtaken", "why": "by_consumer",
         "broker": "kept", "consumer": "reversed", "consumers": ["worker"], "late": 0.001},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("run", "promise", "doing"),
    [
        (by_the_broker, PROMISE, ("overtaken", "by_broker", "reversed", "kept")),
        (gone_back, STRICT, ("overtaken", "gone_back", "again", "kept")),
        (gone_back, PROMISE, ("excused", "", "again", "kept")),
    ],
)
def test_on_whose_doing(run: Any, promise: Any, doing: tuple[str, ...]) -> None:
    """The broker that delivers the later one first, or again; a message that went back is excused unless strict."""
    (key,) = order_of(run(), promise)["told"]
    (one,) = key["overtakings"]
    assert (one["state"], one["why"], one["broker"], one["consumer"]) == doing


def test_finding_and_panel_name_the_same() -> None:
    """Of several later messages both name the one that was worked on first, whoever published or worked on it.

    So two messages that were overtaken by one mistake are one finding, in the words of the first of them.
    """
    run = Run(4).subscribe().subscribe(link="other").subscribe(link="third").publish()
    one, two = run.deliver(1), run.deliver(2)
    three, four = run.deliver(3, link="other"), run.deliver(4, link="third")
    before = run.events[-1].at
    run.effect(3, link="other", since=before).ack(three)
    run.effect(4, link="third", since=before).ack(four)
    looked = run.events[-1].at
    run.effect(2, 1, since=looked).ack(one, two).settled()
    made = recorded(run)
    (key,) = made["order"]["told"]
    assert [(each["number"], each["by_number"]) for each in key["overtakings"]] == [(1, 3), (2, 3)]
    (finding,) = (each for each in made["findings"] if each["kind"] == "reordered")
    assert finding["messages"] == [name(1), name(2)]
    assert claimed(finding, made).startswith(f"one of them, `{name(1)}`, was worked on after `{name(3)}` of")


def test_two_hands_at_once() -> None:
    """Two consumers that have messages of one key at the same time: both are named."""
    run = Run(2).subscribe().subscribe(link="other").publish()
    one, two = run.deliver(1), run.deliver(2, link="other")
    before = run.events[-1].at
    run.effect(2, link="other", since=before).ack(two)
    run.effect(1, since=run.events[-1].at).ack(one).settled()
    (key,) = order_of(run)["told"]
    (one_,) = key["overtakings"]
    assert (one_["consumer"], one_["consumers"]) == ("apart", ["other", "worker"])


def test_an_order_that_cannot_be_seen() -> None:
    """Where effects tell no order the figure says so, and counts nothing."""
    figure = order_of(by_the_consumer(), ordered_evidence=False)
    assert (figure["seen"], figure["messages"], figure["told"]) == (False, 0, [])


def test_of_many_messages_those_around_the_first_are_told() -> None:
    """Sixteen places and ten overtakings of a key, with the numbers of those left out."""
    run = Run(60).subscribe(prefetch=60).publish()
    hands = [run.deliver(n) for n in range(1, 61)]
    run.effect(*range(1, 21), *range(60, 20, -1)).ack(*hands).settled()
    (key,) = order_of(run)["told"]
    assert (key["overtaken"], key["before"], len(key["places"]), key["after"]) == (39, 18, 16, 26)
    assert (len(key["overtakings"]), key["left_out"]) == (10, 29)
    text = read(page(session(recorded(run)))).text
    assert "16 of 60 messages of this key are drawn; 18 before and 26 after them are not." in text
    assert "29 more of this key are not listed." in text


def test_lines_cross_where_the_order_was_lost() -> None:
    """A line is straight where a message kept its place; the consumer's crossing is below the middle row."""
    (key,) = order_of(by_the_consumer())["told"]
    drawn = ranks(key)
    path, state, _ = drawn.lines[-1]
    above, before, after, below = re.findall(r"([\d.]+) [\d.]+", path)
    assert state == "overtaken"
    assert above == before == after != below
    assert [title for _, title in drawn.rows] == ["published", "delivered", "worked on"]


def test_the_panel() -> None:
    """The page says how many keys and messages, what the broker did and what the consumer did, without style."""
    text = page(session(recorded(by_the_consumer())))
    told = read(text).text
    for words in (
        "1 of 1 key out of order: 1 of 3 messages overtaken by a later one of the same key",
        "Key a in orders 1 overtaken, of 3 messages",
        "delivered them as published",
        "worked on the later one first: worker",
    ):
        assert words in told, words
    drawing = re.search(r'<svg[^>]*class="ranks".*?</svg>', text, re.DOTALL)
    assert drawing is not None
    for tag in re.findall(r"<(?:path|rect)[^>]*>", drawing[0]):
        assert " fill=" in tag or " stroke=" in tag, tag


def test_an_order_that_was_kept_is_among_the_numbers() -> None:
    """One line says what was looked at."""
    run = Run(2).subscribe().publish()
    one, two = run.deliver(1), run.deliver(2)
    run.effect(1, 2).ack(one, two).settled()
    assert (
        "Kept: 2 messages of 1 key were worked on as they were published."
        in read(page(session(recorded(run)))).text
    )


@pytest.mark.parametrize("evil", INJECTIONS)
def test_hostile_names_stay_text(evil: str) -> None:
    """A key comes out of a body, a queue and a consumer are anybody's: each is shown, and does nothing."""
    run = Run(2).subscribe(evil, link=evil).publish()
    one, two = (run.deliver(n, evil, link=evil) for n in (1, 2))
    run.effect(2, 1, link=evil).ack(one, two).settled()
    made = recorded(run, key=evil)
    (key,) = made["order"]["told"]
    assert (key["key"], key["queue"], key["overtakings"][0]["consumers"]) == (evil, evil, [evil])
    shown = re.sub(r"\s+", " ", printable(evil))
    assert f"Key {shown} in {shown} " in read(page(session(made))).text


def test_a_document_without_the_figure_has_a_page() -> None:
    """One that was written before there was a figure of the order is rendered without it."""
    old = json.loads(json.dumps(session(recorded(by_the_consumer()))))
    for run in old["runs"]:
        del run["order"]
    assert "The order of the work" not in read(page(old)).text
