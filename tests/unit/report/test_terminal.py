"""The terminal summary: these runs, exactly these lines with this markup."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from account_builders import UNKNOWN, VACUOUS, account, found, one_lost

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.findings import Hazard
from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.terminal import Line, summary_lines

RED, YELLOW, GREEN, PLAIN = {"red": True}, {"yellow": True}, {"green": True}, dict[str, bool]()
EARLY = Hazard(
    kind="acked_before_effect", claim="200 of 200 acks came before their effect", consumer="worker", count=200
)


def run(
    judged: Account | None, scenario: str = "baseline", test: str = "test_orders", **fields: Any
) -> dict[str, Any]:
    """Return the record of a run."""
    nodeid = f"tests/test_orders.py::{test}[{scenario}]"
    known = {"outcome": "passed", "attempt": 1, "reproduce": f"pytest '{nodeid}' --mqchaos-seed=7"}
    return run_record(judged, nodeid=nodeid, scenario=scenario, **(known | fields))


def lines(*runs: dict[str, Any], width: int = 100) -> list[Line]:
    """Return the summary of some runs, without the report's path."""
    return summary_lines(runs, None, width)


def test_nothing_is_said_of_nothing() -> None:
    """A session without chaos tests has no summary."""
    assert summary_lines([], "mqchaos-report/report.json", 80) == []


def test_one_line_when_all_is_well() -> None:
    """Twelve good runs are one line, and the report's path."""
    runs = [run(account(), f"scenario-{n}") for n in range(12)]

    assert summary_lines(runs, "mqchaos-report/report.json", 80) == [
        ("12 chaos tests, 2,400 messages: all as promised", GREEN),
        ("report: mqchaos-report/report.json", PLAIN),
    ]


def test_a_failing_run_says_what_and_how_to_repeat_it() -> None:
    """One line for the claim, one for the command; the others are counted."""
    assert lines(run(one_lost(), "consumer_crash-after-ack-17", outcome="failed"), run(account())) == [
        ("2 chaos tests, 400 messages, 1 fault struck: 1 failed, 1 as promised", RED),
        ("failed test_orders[consumer_crash-after-ack-17]: lost: 1 of 200 messages", RED),
        (
            "    again: pytest 'tests/test_orders.py::test_orders[consumer_crash-after-ack-17]' --mqchaos-seed=7",
            PLAIN,
        ),
    ]


def test_unknown_is_a_state_of_its_own() -> None:
    """Unknown runs are counted and named in yellow; a vacuous one fails."""
    assert lines(run(account(UNKNOWN)), run(account(VACUOUS), "late", outcome="failed")) == [
        ("2 chaos tests, 400 messages: 1 failed, 1 unknown", RED),
        ("failed test_orders[late]: vacuous: consumer_crash(after=ack(900)) never struck", RED),
        ("    again: pytest 'tests/test_orders.py::test_orders[late]' --mqchaos-seed=7", PLAIN),
        ("unknown test_orders[baseline]: lost: 1 of 200 messages cannot be judged", YELLOW),
        ("    mend: name a source", PLAIN),
        ("    again: pytest 'tests/test_orders.py::test_orders[baseline]' --mqchaos-seed=7", PLAIN),
    ]


def test_what_the_test_allows_is_not_as_promised() -> None:
    """A run whose test decides by itself is well, and counted by what it is: with findings that are allowed."""
    everything = (("*", ""),)
    for each in (UNKNOWN, found("lost", 1)):
        assert lines(run(account(each, allow=everything)))[0] == (
            "1 chaos test, 200 messages: 1 with allowed findings",
            GREEN,
        )
    runs = [run(account(found("lost", 1), allow=(("lost", "known"),))), run(account()), run(account())]
    assert lines(*runs)[0] == ("3 chaos tests, 600 messages: 1 with allowed findings, 2 as promised", GREEN)


def test_an_allowance_for_nothing_counts_for_nothing() -> None:
    """Information and what is no violation leave a run as promised."""
    duplicated = replace(found("duplicated", 1), violation=False)
    assert lines(run(account(duplicated, allow=(("duplicated", ""),))))[0][0].endswith(": all as promised")


def test_a_run_without_verdict_shows_its_error() -> None:
    """An error of the test itself stands where the summary would."""
    assert lines(run(None, error="no consumer was started", outcome="failed", reproduce="")) == [
        ("1 chaos test, 0 messages: 1 failed", RED),
        ("failed test_orders[baseline]: no consumer was started", RED),
    ]


def test_a_test_that_fails_by_its_own_assertion() -> None:
    """Where the account is fine and the test failed, the test is at fault, and that is said."""
    assert lines(run(account(), outcome="failed", reproduce=""))[1] == (
        "failed test_orders[baseline]: the test itself failed",
        RED,
    )


def test_an_expected_failure_is_no_failure() -> None:
    """What fails as its mark expects is counted and not named."""
    assert lines(run(account(found("lost", 1)), outcome="xfailed"), run(account())) == [
        ("2 chaos tests, 400 messages: 1 failed as expected, 1 as promised", GREEN)
    ]


def test_a_rerun_does_not_hide_its_first_attempt() -> None:
    """Every attempt is a run of its own, says its number, and is counted as one."""
    said = lines(
        run(account(found("lost", 1)), outcome="rerun", reproduce=""),
        run(account(found("lost", 2)), attempt=2, outcome="failed", reproduce=""),
    )

    assert said == [
        ("2 attempts at 1 chaos test, 400 messages: 2 failed", RED),
        ("failed test_orders[baseline] (attempt 1 of 2): lost: 1 of 200 messages", RED),
        ("failed test_orders[baseline] (attempt 2 of 2): lost: 1 of 200 messages", RED),
    ]


def test_skipped_runs_are_not_counted_among_the_others() -> None:
    """A session whose chaos tests were all skipped says so; else only those that ran are counted."""
    skipped = run(None, outcome="skipped")

    assert lines(skipped, skipped) == [("2 chaos tests skipped", GREEN)]
    assert lines(skipped, run(account()))[0][0] == "1 chaos test, 200 messages: all as promised"


def test_a_hazard_on_a_clean_run_is_named() -> None:
    """What one clean run shows to be fragile is the line that sells."""
    assert lines(run(account(hazards=[EARLY]))) == [
        ("1 chaos test, 200 messages: all as promised", GREEN),
        ("hazard in test_orders[baseline]: 200 of 200 acks came before their effect (worker)", YELLOW),
    ]


def test_a_hazard_says_how_many_messages_show_it() -> None:
    """The numbers stand behind the claim, the consumer only where the claim does not name it."""
    early = replace(EARLY, claim="worker acknowledges before its work shows", messages=("a", "b"), count=2)

    assert lines(run(account(hazards=[early])))[1][0] == (
        "hazard in test_orders[baseline]: worker acknowledges before its work shows (2 of 200 messages)"
    )


def test_a_test_that_fails_by_itself_under_an_unknown_verdict() -> None:
    """The test's own error is what failed it, not the verdict."""
    said = lines(run(account(UNKNOWN), outcome="failed", error="assert 1 == 2", reproduce=""))

    assert said[1] == ("failed test_orders[baseline]: assert 1 == 2", RED)


def test_a_hazard_is_named_once_for_a_test_with_its_proof() -> None:
    """The same hazard in other scenarios of the test is not repeated; the one that proves it is named."""
    proved = account(found("lost", 1), hazards=[replace(EARLY, confirmed=True)])
    runs = [
        run(account(hazards=[EARLY])),
        run(account(hazards=[EARLY]), "connection_drop"),
        run(proved, "consumer_crash", outcome="failed"),
        run(account(hazards=[EARLY]), test="test_refunds"),
    ]

    assert [text for text, _ in lines(*runs, width=200) if "hazard" in text] == [
        "hazard in test_orders[baseline]: 200 of 200 acks came before their effect (worker), "
        "proved by test_orders[consumer_crash]",
        "hazard in test_refunds[baseline]: 200 of 200 acks came before their effect (worker)",
    ]


def test_a_hazard_that_only_failing_runs_show_needs_no_line() -> None:
    """Where each run with the hazard fails by it, the failure says it already."""
    proved = run(account(found("lost", 1), hazards=[replace(EARLY, confirmed=True)]), outcome="failed")

    assert not [text for text, _ in lines(proved) if "hazard" in text]


def test_an_allowed_hazard_needs_no_line() -> None:
    """A hazard that the test allows is in the report only."""
    assert len(lines(run(account(hazards=[EARLY], allow=(("acked_before_effect", "by design"),))))) == 1


def test_allowances_are_shown() -> None:
    """An allowed violation is named with its reason, an allowance that met nothing as such."""
    judged = account(
        found("duplicated", 1, 2, detail="by_redelivery"),
        allow=(("duplicated", "deduplicated later"), ("lost", "")),
    )

    assert lines(run(judged)) == [
        ("1 chaos test, 200 messages: 1 with allowed findings", GREEN),
        (
            "allowed in test_orders[baseline]: duplicated:by_redelivery, 2 messages (deduplicated later)",
            PLAIN,
        ),
        ('test_orders[baseline] allows "lost", which was not found', PLAIN),
    ]


def test_the_brokers_view_is_said() -> None:
    """A pass that rests on acks alone says so, for all runs or for some."""
    by_broker = run(account(evidence="broker"))

    assert lines(by_broker)[0][0] == "1 chaos test, 200 messages: all as promised (the broker's view)"
    assert lines(by_broker, run(account()))[0][0].endswith("(1 in the broker's view)")


def test_long_lines_go_on_below() -> None:
    """A claim is wrapped between words, its node id and the commands stay whole."""
    judged = account(found("stalled", claim="nobody consumes `orders` " + "and so on " * 8))
    said = [text for text, _ in lines(run(judged, "x" * 50, outcome="failed"), width=60)]

    assert said[1] == f"failed test_orders[{'x' * 50}]:"
    assert all(len(line) <= 60 for line in said[2:] if "again" not in line)
    assert all(line.startswith("    ") for line in said[2:])


def test_many_failures_are_capped() -> None:
    """Twenty are named, the rest is a number."""
    runs = [run(account(found("lost", 1)), f"s{n}", outcome="failed", reproduce="") for n in range(25)]
    said = lines(*runs)

    assert len(said) == 1 + 20 + 1
    assert said[-1] == ("... and 5 more (see the report)", RED)


def test_hostile_names_stay_on_their_lines() -> None:
    """Node ids, claims and paths cannot reach the terminal as they please."""
    bad = "a\x1b[31m\nb\u202e"
    judged = account(
        replace(found("lost", 1), claim=bad),
        hazards=[replace(EARLY, claim=bad, consumer=bad)],
        allow=((bad, bad),),
    )

    for text, _ in summary_lines([run(judged, bad, outcome="failed", error=bad)], bad, 80):
        assert text.isprintable()
