"""Panels of retry and failover: these events, exactly these figures, and how they are told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "checks"))

from check_builders import SECOND, Run, name, queue
from test_failover_miss import PROMISE, two
from test_promised import figure, told
from test_retry_schedule import tries

from pytest_mqchaos.model.guarantees import at_least_once
from pytest_mqchaos.model.refinements import retry
from pytest_mqchaos.model.retries import fixed, linear

LINEAR = at_least_once + retry(linear(1), attempts=4)


def hasty() -> Run:
    """Return a run whose first message came too early again, and whose second was worked on at once."""
    return tries(Run(2).subscribe().publish().work(2), 1.0, 1.0).settled()


def test_tried_again() -> None:
    """Each attempt with its pause, what is promised and what is tolerated; who came too early is told."""
    made = figure(hasty(), "retry", LINEAR)
    names = ("policy", "attempts", "messages", "most", "early", "late", "too_many", "too_few", "left_out")
    assert {key: made[key] for key in names} == {
        "policy": "linear(1)", "attempts": 4, "messages": 1, "most": 3,
        "early": 1, "late": 0, "too_many": 0, "too_few": 0, "left_out": 0,
    }  # fmt: skip
    assert made["told"] == [{"message": name(1), "number": 1, "why": "early", "attempts": 3}]
    second, third = made["rows"]
    assert (second["attempt"], second["due_after"], second["tolerated_after"]) == (2, 1.0, 0.94)
    assert third["tolerated_until"] == pytest.approx(2 + 1 + 0.2 + made["scheduling_delay"], abs=1e-5)
    assert third["shortest"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("last", "delays", "kind"), [("work", (1.0,) * 4, "too_many"), ("reject", (1.0,), "too_few")]
)
def test_how_often(last: str, delays: tuple[float, ...], kind: str) -> None:
    """More attempts than promised, and fewer, are counted each for itself."""
    made = figure(
        tries(Run(1).subscribe().publish(), *delays, last=last).rest(1, "dead").settled(),
        "retry",
        at_least_once + retry(fixed(1), attempts=3),
    )
    assert [each["why"] for each in made["told"]] == [kind]
    assert made[kind] == 1


def test_taken_over() -> None:
    """For each death who took over, and how soon; who was too slow is told with the one that had it."""
    run = two(2)
    run.deliver(1)
    run.crash(fault=0).work(2, link="other").wait(3 * SECOND).work(
        1, link="other", redelivered=True
    ).settled()
    made = figure(run, "failover", PROMISE)
    assert {key: made[key] for key in ("seconds", "held", "taken_over", "slow", "never", "unsure")} == {
        "seconds": 2, "held": 1, "taken_over": 1, "slow": 1, "never": 0, "unsure": 0,
    }  # fmt: skip
    (row,) = made["rows"]
    assert (row["consumer"], row["by"], row["messages"]) == ("worker", "other", 1)
    (one,) = made["told"]
    assert (one["number"], one["why"], one["consumer"], one["by"]) == (1, "slow", "worker", "other")
    assert one["took"] == row["latest"] == made["longest"] == pytest.approx(3, abs=0.1)


def test_never_taken_over() -> None:
    """What nobody got is told as that, and nobody is named."""
    run = two()
    run.deliver(1)
    made = figure(
        run.crash(fault=0).wait(9 * SECOND).unsettled(queue("orders", ready=1)), "failover", PROMISE
    )
    assert (made["held"], made["taken_over"], made["never"], made["longest"]) == (1, 0, 1, None)
    assert (made["rows"][0]["by"], made["told"][0]["why"], made["told"][0]["took"]) == ("", "never", None)


def test_taken_over_by_its_own_successor() -> None:
    """A consumer that was started again and has what it held is named as that, and as nobody else."""
    run = two()
    run.deliver(1)
    run.crash(fault=0).wait(4 * SECOND).start(pid=101).subscribe().work(1, redelivered=True).settled()
    assert told(run, PROMISE).count("worker, started again") == 3


def test_not_promised() -> None:
    """Without the promise there is no figure, and no panel."""
    assert figure(hasty(), "retry") is None
    assert figure(hasty(), "failover") is None
    assert "Tried again as" not in told(hasty())


def test_the_panels_and_their_places() -> None:
    """A broken promise stands above the timeline, its message linked to its life; a kept one among the numbers."""
    run = two(2)
    run.deliver(1)
    run.crash(fault=0).work(2, link="other").wait(3 * SECOND).work(
        1, link="other", redelivered=True
    ).settled()
    panels: list[tuple[Any, Any, str, str]] = [
        (
            hasty(),
            LINEAR,
            "Tried again as linear(1), 4 attempts",
            "1 message too early; 1 message was tried more than once",
        ),
        (
            run,
            PROMISE,
            "Taken over within 2.00 s",
            "1 message taken over too late; of 1 that was held somebody had 1",
        ),
    ]
    for made, promise, title, says in panels:
        said = told(made, promise)
        assert f"{title} {says}" in said
        assert said.index(title) < said.index("Numbers: latency")
        assert "Pause before each attempt" not in said or promise is PROMISE
        assert "What a dead consumer held" not in said or promise is LINEAR
    for made, title in ((hasty(), "Pause before each attempt"), (run, "What a dead consumer held")):
        assert title in told(made)
    kept = tries(Run(1).subscribe().publish(), 1.0, 2.0).settled()
    said = told(kept, LINEAR)
    assert "No attempt was off its schedule" in said
    assert said.index("Tried again as") > said.index("Numbers: latency")
    calm = told(two().work(1, link="other").settled(), PROMISE)
    assert "No process died with a message in hand." in calm


def test_a_told_message_has_its_life() -> None:
    """Of what a panel tells each message is linked to its life on the page."""
    from report_builders import session
    from test_order import recorded

    from pytest_mqchaos.report.html import page

    made = recorded(hasty(), LINEAR, order_keys={})
    assert [life["number"] for life in made["lives"]] == [1]
    panel = page(session(made)).partition('-retry">Tried')[2].partition("</section>")[0]
    assert 'href="#run-0-life-0"' in panel
