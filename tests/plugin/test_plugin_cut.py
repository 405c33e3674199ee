"""What a session leaves that does not come to its end, or loses a worker: all that it knew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chaos_bench import Bench

from pytest_mqchaos.cli import main
from pytest_mqchaos.report.document import schema
from pytest_mqchaos.report.reading import read

KILLED = """
import os, signal

def test_first(mqchaos):
    mqchaos.lose(17)

@pytest.mark.skip(reason="not today")
def test_later(mqchaos): ...

def test_second(mqchaos):
    os.kill(os.getpid(), signal.SIGKILL)

def test_third(mqchaos): ...
"""
CUT = "the session was ended by force while this test ran"


def unfinished(bench: Bench) -> list[Path]:
    """Return what is left of sessions that did not come to their end."""
    return list((bench.path / "mqchaos-report").glob("unfinished-*"))


def test_killed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """After `kill -9` a file has all runs so far and the one under way; `report merge` makes a report of it."""
    jsonschema = pytest.importorskip("jsonschema")
    bench.run(KILLED, subprocess=True)
    assert not (bench.path / "mqchaos-report" / "report.json").exists()
    (left,) = unfinished(bench)
    assert main(["report", "merge", str(left), "-o", str(bench.path / "all")]) == 0
    assert "\n2 of 2 chaos tests failed.\n" in capsys.readouterr().out
    whole = read(bench.path / "all")
    jsonschema.validate(whole, schema())
    told = [(run["test"], run["outcome"], run["verdict"], run["error"]) for run in whole["runs"]]
    assert told == [("test_first", "failed", "fail", None), ("test_second", "error", None, CUT)]
    assert whole["runs"][1]["reproduce"] == "pytest test_orders.py::test_second --mqchaos-seed=0"
    assert [each["reason"] for each in whole["skipped"]] == ["not today"]
    assert whole["servers"]["version"] == "4.0.5"


def test_parts_of_a_cut_session_are_told_as_the_whole(bench: Bench) -> None:
    """What stood on disk just before the report was written is the report."""
    bench.pytester.makeconftest(
        'pytest_plugins = ["fake_mqchaos"]\n'
        "import pathlib, shutil\n"
        "def pytest_sessionfinish():\n"
        "    [path] = pathlib.Path('mqchaos-report').glob('unfinished-*')\n"
        "    shutil.copy(path, 'copy.jsonl')\n"
    )
    bench.run("""
        @pytest.mark.chaos
        def test_it(mqchaos):
            if mqchaos.scenario == "consumer_crash":
                mqchaos.lose(17)

        @pytest.fixture
        def falls(mqchaos):
            yield
            assert 0
        def test_teardown(falls): ...

        @pytest.mark.skip(reason="not today")
        def test_later(mqchaos): ...
    """)
    known = read(bench.path / "copy.jsonl")
    assert {**known, "finished": bench.report["finished"]} == bench.report
    assert unfinished(bench) == []


def test_a_worker_that_dies(bench: Bench) -> None:
    """The test in which an xdist worker died is in the report, as an error that says so."""
    pytest.importorskip("xdist")
    result = bench.run(KILLED, "-n1", plugins=["xdist"], subprocess=True)
    assert result.parseoutcomes()["failed"] == 2
    runs = {run["test"]: run for run in bench.report["runs"]}
    assert sorted(runs) == ["test_first", "test_second", "test_third"]
    died = runs["test_second"]
    assert (died["outcome"], died["state"], died["verdict"]) == ("error", "failed", None)
    assert died["error"].startswith("worker 'gw0' crashed while running")
    assert runs["test_third"]["state"] == "well"
    assert unfinished(bench) == []


def test_interrupted(bench: Bench) -> None:
    """After Ctrl-C there is a report of what was judged, and of the run that was cut short; and nothing beside it."""
    bench.run("def test_it(mqchaos): ...\ndef test_other(mqchaos): raise KeyboardInterrupt", subprocess=True)
    whole, cut = bench.report["runs"]
    assert (whole["test"], cut["test"]) == ("test_it", "test_other")
    assert (cut["outcome"], cut["error"]) == ("error", "interrupted before the run was settled")
    assert cut["counts"]["published"] == whole["counts"]["published"] > 0
    told = "o verdict: interrupted before the run was settled"
    assert (cut["verdict"], cut["happened"]) == (None, f"N{told}")
    assert [each["claim"] for each in bench.report["overview"]["causes"]] == [f"n{told}"]
    assert unfinished(bench) == []


def test_interrupted_while_it_settles(bench: Bench) -> None:
    """A run that does not settle is where people press Ctrl-C: it is told of with its account, too."""
    bench.run("def test_it(mqchaos): mqchaos.error = 'Ctrl-C'", subprocess=True)
    (cut,) = bench.report["runs"]
    assert cut["error"] == "interrupted before the run was settled"
    assert cut["counts"]["published"] > 0


def test_interrupted_in_its_set_up(bench: Bench) -> None:
    """A run that Ctrl-C ends before its test's function is told of, without an account."""
    bench.run(
        "import pytest\n@pytest.fixture\ndef late(mqchaos): raise KeyboardInterrupt\ndef test_it(mqchaos, late): ...",
        subprocess=True,
    )
    (cut,) = bench.report["runs"]
    assert (cut["error"], cut["verdict"]) == ("interrupted before the run was settled", None)


def test_nothing_is_left_of_nothing(bench: Bench) -> None:
    """A session that skips all its chaos tests, or is interrupted before the first, makes no directory."""
    bench.run("@pytest.mark.skip(reason='no')\ndef test_it(mqchaos): ...")
    assert not (bench.path / "mqchaos-report").exists()
    bench.run("def test_it(): raise KeyboardInterrupt\ndef test_other(mqchaos): ...", subprocess=True)
    assert not (bench.path / "mqchaos-report").exists()


def test_no_report_keeps_what_was_kept(bench: Bench) -> None:
    """Where the report itself cannot be written, what was kept so far stays."""
    bench.tests("def test_it(mqchaos): __import__('os').mkdir('mqchaos-report/report.json')")
    result = bench.run()
    assert "no report: " in result.stdout.str()
    (left,) = unfinished(bench)
    head, begun, run = [json.loads(line) for line in left.read_text().splitlines()]
    assert (head["schema"], begun["begun"]["nodeid"]) == (
        schema()["$id"].rpartition(":")[2],
        run["run"]["nodeid"],
    )
