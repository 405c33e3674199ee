"""A test that is run again: every attempt has its account, and one that passes hides nothing that another lost."""

from __future__ import annotations

import json

import pytest
from chaos_bench import Bench, block

from pytest_mqchaos.report.document import schema
from pytest_mqchaos.report.unfinished import joined

LOSES_ONCE = """
@pytest.mark.chaos(baseline())
def test_it(mqchaos):
    if mqchaos.settings.attempt == 1:
        mqchaos.lose(17)

def test_other(mqchaos): ...
"""
HIDDEN = (
    "test_it[baseline] broke its promise in attempt 1 and passed in attempt 2: lost: 1 of 200 messages; "
    "a rerun hides no loss, so the session fails; to allow it: --mqchaos-allow-reruns"
)
AGAIN = pytest.mark.parametrize(
    ("plugin", "module", "args"),
    [
        ("rerunfailures", "pytest_rerunfailures", ["--reruns=1"]),
        ("flaky.flaky_pytest_plugin", "flaky", ["--force-flaky", "--max-runs=2"]),
        ("pytest_retry.retry_plugin", "pytest_retry", ["--retries=1"]),
    ],
    ids=["rerunfailures", "flaky", "retry"],
)
"""Plugins that run a failed test again: each reports its attempts in another way, or not at all."""


def attempts(bench: Bench) -> list[tuple[str, int, str, str | None]]:
    """Return the attempts of the report: the test, its number, pytest's outcome, the verdict."""
    return [
        (run["test"], run["attempt"], run["outcome"], run["verdict"])
        for run in bench.report["runs"]
        if run["test"] != "test_other"
    ]


def told(result: pytest.RunResult) -> str:
    """Return the section *mqchaos* as one line, however it was broken."""
    return " ".join(line.strip() for line in block(result, "mqchaos", "="))


@AGAIN
def test_a_loss_is_not_hidden(bench: Bench, plugin: str, module: str, args: list[str]) -> None:
    """A test that lost a message and passed when it was run again fails the session, and a line says why."""
    pytest.importorskip(module)
    result = bench.run(LOSES_ONCE, *args, plugins=[plugin], subprocess=True)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes()["passed"] == 2
    assert "failed" not in result.parseoutcomes()
    assert told(result).count(HIDDEN) == 1
    assert attempts(bench) == [("test_it", 1, "failed", "fail"), ("test_it", 2, "passed", "pass")]
    pytest.importorskip("jsonschema").validate(bench.report, schema())


@AGAIN
def test_with_workers(bench: Bench, plugin: str, module: str, args: list[str]) -> None:
    """The same under xdist, where the attempts are a worker's."""
    pytest.importorskip("xdist")
    pytest.importorskip(module)
    result = bench.run(LOSES_ONCE, *args, "-n2", plugins=["xdist", plugin], subprocess=True)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert told(result).count(HIDDEN) == 1
    assert attempts(bench) == [("test_it", 1, "failed", "fail"), ("test_it", 2, "passed", "pass")]


@pytest.mark.parametrize("where", ["command line", "environment", "ini"])
def test_allowed(bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """With `--mqchaos-allow-reruns` the line is still there, and the exit status is pytest's own."""
    pytest.importorskip("pytest_rerunfailures")
    args = ["--mqchaos-allow-reruns"] if where == "command line" else []
    if where == "environment":
        monkeypatch.setenv("PYTEST_MQCHAOS_ALLOW_RERUNS", "1")
    if where == "ini":
        bench.pytester.makeini("[pytest]\nmqchaos_allow_reruns = true\n")
    result = bench.run(LOSES_ONCE, "--reruns=1", *args, plugins=["rerunfailures"])
    assert result.ret == pytest.ExitCode.OK
    assert "broke its promise in attempt 1 and passed in attempt 2" in told(result)
    assert "allowed by --mqchaos-allow-reruns" in told(result)
    assert bench.report["runs"][0]["state"] == "failed"
    assert "--mqchaos-allow-reruns" not in bench.report["runs"][0]["reproduce"]


@pytest.mark.parametrize(
    "reason",
    [
        "assert attempt > 1",
        "if attempt == 1: mqchaos.prove_nothing()",
        "if attempt == 1: mqchaos.error = 'no queue'",
    ],
)
def test_nothing_was_broken(bench: Bench, reason: str) -> None:
    """A test that failed by itself, proved nothing or had no verdict may be run again: nothing is hidden by that."""
    pytest.importorskip("pytest_rerunfailures")
    source = f"def test_it(mqchaos):\n    attempt = mqchaos.settings.attempt\n    {reason}"
    result = bench.run(source, "--reruns=1", plugins=["rerunfailures"])
    assert result.ret == pytest.ExitCode.OK
    assert "broke its promise" not in told(result)
    assert [each[1:3] for each in attempts(bench)] == [(1, "failed"), (2, "passed")]


@pytest.mark.parametrize(
    ("mark", "ret", "hidden"),
    [
        ("@pytest.mark.chaos(baseline(), allow='lost')", 0, False),
        ("@pytest.mark.xfail", 0, False),
        ("@pytest.mark.flaky(reruns=2)", 1, False),
    ],
    ids=["allowed", "xfail", "fails each time"],
)
def test_what_passed_or_failed_openly(bench: Bench, mark: str, ret: int, hidden: bool) -> None:
    """A loss that is allowed, expected, or found in the last attempt too is told as ever."""
    pytest.importorskip("pytest_rerunfailures")
    source = f"{mark}\ndef test_it(mqchaos):\n    mqchaos.lose(17)"
    result = bench.run(source, "--reruns=1", plugins=["rerunfailures"])
    assert result.ret == ret
    assert ("broke its promise" in told(result)) is hidden


def test_without_a_summary(bench: Bench) -> None:
    """Also under `--no-summary` it is said why the session fails."""
    pytest.importorskip("pytest_rerunfailures")
    result = bench.run(LOSES_ONCE, "--reruns=1", "--no-summary", plugins=["rerunfailures"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert " ".join(line.strip() for line in result.outlines).count(HIDDEN) == 1


def test_another_failure_stands(bench: Bench) -> None:
    """A status that is not 0 already stays as it is, and the line is there all the same."""
    pytest.importorskip("pytest_rerunfailures")
    result = bench.run(
        LOSES_ONCE + "\ndef test_plain():\n    pytest.exit('enough', returncode=7)",
        "--reruns=1",
        plugins=["rerunfailures"],
        subprocess=True,
    )
    assert result.ret == 7
    assert [each[1:] for each in attempts(bench)] == [(1, "failed", "fail"), (2, "passed", "pass")]


def test_a_report_that_was_not_made(bench: Bench) -> None:
    """Where the rerun is for a teardown, and the plugin keeps the failed call to itself, its account is there."""
    pytest.importorskip("pytest_rerunfailures")
    result = bench.run(
        """
        @pytest.fixture
        def around(mqchaos):
            yield
            if mqchaos.settings.attempt == 1:
                raise OSError("no such host")

        @pytest.mark.flaky(reruns=1, condition=lambda error: isinstance(error, OSError))
        def test_it(around, mqchaos):
            if mqchaos.settings.attempt == 1:
                mqchaos.lose(17)
        """,
        plugins=["rerunfailures"],
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert attempts(bench) == [("test_it", 1, "failed", "fail"), ("test_it", 2, "passed", "pass")]


def test_a_worker_that_died(bench: Bench) -> None:
    """The death of a worker is an attempt too, and the next one, in another worker, does not take its place."""
    pytest.importorskip("xdist")
    pytest.importorskip("pytest_rerunfailures")
    result = bench.run(
        """
        import os, pathlib
        def test_it(mqchaos):
            number = len(list(pathlib.Path().glob("attempt-*"))) + 1
            pathlib.Path(f"attempt-{number}").touch()
            if number == 1:
                os._exit(3)
            if number == 2:
                mqchaos.lose(17)
        """,
        "-n1",
        "--reruns=2",
        plugins=["xdist", "rerunfailures"],
        subprocess=True,
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert attempts(bench) == [
        ("test_it", 1, "error", None),
        ("test_it", 2, "failed", "fail"),
        ("test_it", 3, "passed", "pass"),
    ]
    assert "broke its promise in attempt 2 and passed in attempt 3" in told(result)


def test_every_form_of_the_report_shows_both(bench: Bench) -> None:
    """The page, the Markdown and the JUnit XML tell of the attempt that failed and of the one that passed."""
    pytest.importorskip("pytest_rerunfailures")
    bench.run(
        LOSES_ONCE,
        "--reruns=1",
        "--mqchaos-report-md=chaos.md",
        "--mqchaos-report-junit=chaos.xml",
        plugins=["rerunfailures"],
    )
    page = (bench.path / "mqchaos-report" / "index.html").read_text(encoding="utf-8")
    assert "attempt 1 of 2" in page
    assert "attempt 2 of 2" in page
    assert "1 of 3 attempts at 2 chaos tests failed." in page
    text = (bench.path / "chaos.md").read_text(encoding="utf-8")
    assert "### ✗ `test_it` under `baseline`, attempt 1 of 2" in text
    assert "✗ failed (2 attempts)" in text
    junit = (bench.path / "chaos.xml").read_text(encoding="utf-8")
    assert 'name="test_orders.py::test_it[baseline]"' in junit
    assert 'name="test_orders.py::test_it[baseline] (attempt 2)"' in junit


def test_attempts_survive_the_end_of_the_process(bench: Bench) -> None:
    """What a killed session leaves has every attempt that was, each once."""
    pytest.importorskip("pytest_rerunfailures")
    bench.run(
        """
        import os
        def test_it(mqchaos):
            if mqchaos.settings.attempt == 2:
                os._exit(3)
            mqchaos.lose(17)
        """,
        "--reruns=1",
        plugins=["rerunfailures"],
        subprocess=True,
    )
    (left,) = (bench.path / "mqchaos-report").glob("unfinished-*.jsonl")
    entries = [json.loads(line) for line in left.read_text().splitlines()]
    assert [next(iter(each)) for each in entries[1:]] == ["begun", "run", "begun"]
    assert [(run["attempt"], run["verdict"]) for run in joined(left.read_text())["runs"]] == [
        (1, "fail"),
        (2, None),
    ]


def test_repeats_are_tests_of_their_own(bench: Bench) -> None:
    """pytest-repeat makes tests of the repetitions: each has its first attempt, its seed, its battery."""
    pytest.importorskip("pytest_repeat")
    result = bench.run(
        """
        @pytest.mark.chaos
        def test_it(mqchaos, request):
            if request.node.name == "test_it[baseline-1-2]":
                mqchaos.lose(17)
        """,
        "--count=2",
        plugins=["pytest_repeat"],
    )
    result.assert_outcomes(passed=5, failed=1, skipped=4)
    assert {run["attempt"] for run in bench.report["runs"]} == {1}
    assert len({run["seed"] for run in bench.report["runs"]}) == 6
    assert {run["scenario"] for run in bench.report["runs"] if run["test"] == "test_it[2-2]"} == {
        "baseline", "connection_drop", "consumer_crash", "malformed_payload", "broker_restart",
    }  # fmt: skip
