"""What a session leaves: one report, one section of the terminal, also with workers and reruns."""

from __future__ import annotations

import pytest
from chaos_bench import Bench, block

from pytest_mqchaos.report.document import schema

SOURCE = """
@pytest.mark.chaos(baseline(), consumer_crash(after=ack(17)))
def test_it(mqchaos):
    if mqchaos.scenario != "baseline":
        mqchaos.lose(17)

def test_unknown(mqchaos):
    mqchaos.cannot_judge()

def test_own(mqchaos):
    assert mqchaos.settle().lost

def test_error(mqchaos):
    mqchaos.error = "nothing was confirmed"

@pytest.mark.xfail
def test_expected(mqchaos):
    mqchaos.lose(1)

def test_plain(): ...
"""
OUTCOMES = {
    "test_it[baseline]": ("passed", "pass"),
    "test_it[consumer_crash-after-ack-17]": ("failed", "fail"),
    "test_unknown": ("passed", "unknown"),
    "test_own": ("failed", "pass"),
    "test_error": ("failed", None),
    "test_expected": ("xfailed", "fail"),
}


def check_report(bench: Bench) -> None:
    """Check the report of SOURCE, whoever ran it."""
    jsonschema = pytest.importorskip("jsonschema")
    report = bench.report
    jsonschema.validate(report, schema())
    runs = {run["nodeid"].partition("::")[2]: run for run in report["runs"]}
    assert {name: (run["outcome"], run["verdict"]) for name, run in runs.items()} == OUTCOMES
    crash = runs["test_it[consumer_crash-after-ack-17]"]
    assert crash["reproduce"] == (
        "pytest 'test_orders.py::test_it[consumer_crash-after-ack-17]' --mqchaos-seed=0"
    )
    assert (crash["scenario"], crash["attempt"], crash["counts"]["lost"]) == (
        "consumer_crash-after-ack-17",
        1,
        1,
    )
    assert runs["test_error"]["error"] == "nothing was confirmed"
    assert runs["test_own"]["error"].startswith("assert <lost: 0 of 200>")
    assert report["servers"]["version"] == "4.0.5"


def test_report(bench: Bench) -> None:
    """Each chaos test has a run with pytest's outcome, the verdict, and the command that repeats it."""
    bench.run(SOURCE).assert_outcomes(passed=2, failed=3, xfailed=1)
    check_report(bench)


def test_terminal_summary(bench: Bench) -> None:
    """The section names the servers and the report; what it says of the runs is the report's own part."""
    result = bench.run("def test_it(mqchaos): ...")
    lines = block(result, "mqchaos", "=")
    assert lines[0] == "RabbitMQ 4.0.5 (fake), Toxiproxy 2.12.0 (fake)"
    assert lines[1].startswith("1 chaos test, 200 messages")
    assert lines[-1] == "report: mqchaos-report/index.html"


def test_report_elsewhere(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report goes to the root directory, whatever the current one is, and is named as seen from there."""
    bench.tests("def test_it(mqchaos): ...")
    sub = bench.pytester.mkdir("sub")
    monkeypatch.chdir(sub)
    result = bench.run(None, f"--rootdir={bench.path}", "..")
    assert block(result, "mqchaos", "=")[-1] == f"report: {bench.path}/mqchaos-report/index.html"
    assert bench.report["runs"][0]["reproduce"] == (
        f"pytest ../test_orders.py::test_it --rootdir={bench.path} --mqchaos-seed=0"
    )


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("test_orders.py", "File exists"),
        ("test_orders.py/below", "Not a directory"),
        ("/proc/nowhere", ""),
        ("/dev/full", "File exists"),
    ],
)
def test_report_cannot_be_written(bench: Bench, place: str, why: str) -> None:
    """Where the report cannot be written, a line says where and why, and nothing else changes."""
    result = bench.run("def test_it(mqchaos): ...", f"--mqchaos-report={place}")
    assert result.ret == 0
    last = block(result, "mqchaos", "=")[-1]
    assert last.startswith(f"no report: {bench.path / place} cannot be written: {why}")


def test_page(bench: Bench) -> None:
    """Beside the document stands a page that tells the same."""
    bench.run(SOURCE)
    text = (bench.path / "mqchaos-report" / "index.html").read_text(encoding="utf-8")
    assert "3 of 6 chaos tests failed, 1 could not be judged." in text
    assert sorted(each.name for each in (bench.path / "mqchaos-report").iterdir()) == [
        "failed",
        "index.html",
        "report.json",
    ]


def test_page_cannot_be_made(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the page cannot be made, the document stands all the same, and a line says why."""

    def broken(document: object) -> str:
        raise RuntimeError("boom")

    monkeypatch.setattr("pytest_mqchaos.report.html.pages.page", broken)
    result = bench.run("def test_it(mqchaos): ...")
    assert result.ret == 0
    assert bench.report["runs"]
    assert block(result, "mqchaos", "=")[-2:] == [
        "report: mqchaos-report/report.json",
        "no index.html: RuntimeError: boom",
    ]


def test_summary_of_a_ci_job(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where GitHub names a file for the summary of a step, the report is added to it as Markdown."""
    summary = bench.path / "summary.md"
    summary.write_text("before")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    bench.run(SOURCE)
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n\n## ✗ 3 of 6 chaos tests failed, 1 could not be judged.\n")
    assert text.endswith(
        "\nThe whole report, with timelines and all lives, is `mqchaos-report/index.html`.\n"
    )
    assert "pytest 'test_orders.py::test_it[consumer_crash-after-ack-17]' --mqchaos-seed=0" in text


def test_markdown_elsewhere(bench: Bench) -> None:
    """`--mqchaos-report-md` names a file for the Markdown, relative to the root directory; `again` leaves it out."""
    result = bench.run("def test_it(mqchaos): mqchaos.lose(17)", "--mqchaos-report-md=out/chaos.md")
    assert (
        (bench.path / "out" / "chaos.md")
        .read_text(encoding="utf-8")
        .startswith("## ✗ The chaos test failed.")
    )
    assert "again: pytest test_orders.py::test_it --mqchaos-seed=0" in result.stdout.str()


def test_markdown_cannot_be_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A summary that cannot be written costs nothing else."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(bench.path))
    result = bench.run("def test_it(mqchaos): ...")
    assert result.ret == 0
    assert block(result, "mqchaos", "=")[-1].startswith("no Markdown: IsADirectoryError")


def test_what_was_skipped_and_why(bench: Bench) -> None:
    """A scenario that rests on a failed baseline, and a test that its author skips, are told with their reasons."""
    bench.run("""
        @pytest.mark.chaos
        def test_it(mqchaos):
            mqchaos.lose(17)

        @pytest.mark.skip(reason="not today")
        def test_later(mqchaos): ...

        def test_inside(mqchaos):
            pytest.skip("no queue")

        @pytest.mark.skip(reason="none of ours")
        def test_plain(): ...
    """)
    skipped = {each["nodeid"].partition("::")[2]: each["reason"] for each in bench.report["skipped"]}
    assert skipped == {
        **{
            f"test_it[{name}]": "the baseline failed: lost: 1 of 200 messages"
            for name in ("connection_drop", "consumer_crash", "malformed_payload", "broker_restart")
        },
        "test_later": "not today",
    }
    inside = bench.report["runs"][-1]
    assert (inside["test"], inside["state"], inside["reason"]) == ("test_inside", "skipped", "no queue")
    assert (inside["guarantee"], inside["happened"]) == ("at-least-once", "Skipped: no queue")


@pytest.mark.parametrize(
    ("given", "told"), [((), (16, "")), (("--mqchaos-report-bodies=full",), (16, '{"order": 17}'))]
)
def test_bodies_are_told_as_wanted(bench: Bench, given: tuple[str, ...], told: tuple[int, str]) -> None:
    """A body may hold what is nobody's business: by default there is a digest of it."""
    bench.run("def test_it(mqchaos): mqchaos.lose(17)", *given)
    (life,) = bench.report["runs"][0]["lives"]
    assert (len(life["digest"]), life["body"]) == told


def test_settings_in_the_report(bench: Bench) -> None:
    """What the session and each test were set to, and where that came from."""
    bench.run(
        "@pytest.mark.chaos(baseline(), settle_timeout=6)\ndef test_it(mqchaos): ...",
        "--mqchaos-servers=process",
    )
    settings = {each["name"]: (each["value"], each["origin"]) for each in bench.report["settings"]}
    assert settings["servers"] == ("process", "command line")
    assert settings["settle_timeout"] == (30.0, "default")
    assert bench.report["runs"][0]["settings"]["settle_timeout"] == 6.0
    assert bench.report["environment"]["pytest"] == pytest.__version__
    assert bench.report["finished"] >= bench.report["started"]


def test_error_of_the_teardown(bench: Bench) -> None:
    """A run whose teardown fails has the outcome `error`."""
    bench.run("""
        @pytest.fixture
        def falls(mqchaos):
            yield
            assert 0
        def test_it(falls): ...
    """).assert_outcomes(passed=1, errors=1)
    assert bench.report["runs"][0]["outcome"] == "error"


@pytest.mark.parametrize("workers", ["2", "1"])
def test_xdist(bench: Bench, workers: str) -> None:
    """Under xdist each worker has a session, the controller writes one report and the same statuses."""
    pytest.importorskip("xdist")
    result = bench.run(SOURCE, "-n", workers, plugins=["xdist"], subprocess=True)
    assert result.parseoutcomes() == {"passed": 2, "failed": 3, "xfailed": 1, "unknown": 1}
    check_report(bench)
    assert "FAILED test_orders.py::test_own - assert <lost: 0 of 200>" in result.stdout.str()
    assert sorted(each.name for each in (bench.path / "mqchaos-report").iterdir()) == [
        "failed",
        "index.html",
        "report.json",
    ]
    assert {line for line in bench.log if "session of" in line} <= {"session of gw0", "session of gw1"}
    assert bench.log.count("session closed") == len([line for line in bench.log if "session of" in line])
    assert len(block(result, "mqchaos", "=")) > 3


def test_xdist_random_seed(bench: Bench) -> None:
    """Under xdist all workers follow the one random number that the controller drew."""
    pytest.importorskip("xdist")
    bench.run(
        "@pytest.mark.chaos\ndef test_it(mqchaos): ...",
        "-n2",
        "--mqchaos-seed=random",
        plugins=["xdist"],
        subprocess=True,
    )
    numbers = {run["reproduce"].rpartition("=")[2] for run in bench.report["runs"]}
    assert len(bench.report["runs"]) == 5
    assert len(numbers) == 1
    assert numbers != {"0"}


def test_reruns(bench: Bench) -> None:
    """A rerun is an attempt of its own, with a run of its own: it does not hide what was lost before."""
    pytest.importorskip("pytest_rerunfailures")
    result = bench.run(
        """
        @pytest.mark.chaos
        def test_it(mqchaos):
            if mqchaos.settings.attempt == 1 and mqchaos.scenario == "baseline":
                mqchaos.lose(17)
        """,
        "--reruns=1",
        plugins=["rerunfailures"],
    )
    assert result.parseoutcomes() == {"passed": 5, "rerun": 1}
    runs = [(run["scenario"], run["attempt"], run["outcome"], run["verdict"]) for run in bench.report["runs"]]
    assert runs[:3] == [
        ("baseline", 1, "failed", "fail"),
        ("baseline", 2, "passed", "pass"),
        ("connection_drop", 1, "passed", "pass"),
    ]


def test_no_report_without_a_run(bench: Bench) -> None:
    """A session without chaos tests, or in which none was set up, writes nothing and prints nothing."""
    result = bench.run("@pytest.mark.chaos(17)\ndef test_it(mqchaos): ...\ndef test_other(): ...")
    assert not (bench.path / "mqchaos-report").exists()
    assert "= mqchaos =" not in result.stdout.str()
