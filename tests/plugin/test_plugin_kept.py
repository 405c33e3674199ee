"""Directories of failed runs are kept with the report: of failed ones only, the newest, and named where one looks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from chaos_bench import Bench

from pytest_mqchaos.experiment.kept.shelf import MOST, safe_name
from pytest_mqchaos.report.document import schema

SOURCE = """
@pytest.mark.chaos(baseline(), consumer_crash(after=ack(17)))
def test_it(mqchaos):
    if mqchaos.scenario != "baseline":
        mqchaos.lose(17)

def test_own(mqchaos):
    assert 0

@pytest.fixture
def around(mqchaos):
    raise OSError("no file")

def test_setup(around): ...

def test_unknown(mqchaos):
    mqchaos.cannot_judge()

@pytest.mark.xfail
def test_expected(mqchaos):
    mqchaos.lose(17)

def test_skips(mqchaos):
    pytest.skip("no")
"""
FAILED = [
    "test_orders.py_test_it_consumer_crash-after-ack-17-1",
    "test_orders.py_test_own-1",
    "test_orders.py_test_setup-1",
]


def folder(bench: Bench) -> Path:
    """Return where the directories stand."""
    return bench.path / "mqchaos-report" / "failed"


def kept(bench: Bench) -> list[str]:
    """Return their names, also of hidden ones."""
    return sorted(path.name for path in folder(bench).iterdir()) if folder(bench).exists() else []


def older(bench: Bench, name: str, age: int, size: int = 0) -> Path:
    """Make a directory as an earlier session left it."""
    path = folder(bench) / name
    path.mkdir(parents=True)
    (path / "kept.json").write_text(json.dumps({"nodeid": f"test_{name}", "attempt": 1}))
    with (path / "history.jsonl").open("wb") as file:
        file.truncate(size)
    os.utime(path / "kept.json", (1_000_000_000 - age, 1_000_000_000 - age))
    return path


@pytest.mark.parametrize("workers", [0, 2])
def test_of_failed_runs_only(bench: Bench, workers: int) -> None:
    """A broken promise, the test's own failure and a set-up that failed leave a directory; the rest leaves none."""
    args = ["-n", str(workers)] if workers else []
    if workers:
        pytest.importorskip("xdist")
    result = bench.run(SOURCE, *args, plugins=["xdist"] if workers else [], subprocess=bool(workers))
    assert kept(bench) == FAILED
    pytest.importorskip("jsonschema").validate(bench.report, schema())
    told = {run["kept"] for run in bench.report["runs"] if "kept" in run}
    assert told == {f"failed/{name}" for name in FAILED}
    for path in told:
        assert (bench.path / "mqchaos-report" / path / "history.jsonl").is_file()
    result.stdout.fnmatch_lines(["-* kept -*", f"mqchaos-report/failed/{FAILED[1]}: history.jsonl"])
    page = (bench.path / "mqchaos-report" / "index.html").read_text(encoding="utf-8")
    assert f'<a href="./failed/{FAILED[0]}/"><code>failed/{FAILED[0]}</code></a>' in page


def test_nothing_of_a_session_that_passes(bench: Bench) -> None:
    """Where nothing fails there is no folder, and nothing is copied."""
    bench.run("def test_it(mqchaos): ...")
    assert not folder(bench).exists()
    assert "kept" not in bench.report["runs"][0]


def test_bodies_are_kept_as_they_are_told(bench: Bench) -> None:
    """What the report tells of bodies holds for what is kept."""
    bench.run("def test_it(mqchaos): mqchaos.lose(17)", "--mqchaos-report-bodies=none")
    (history,) = folder(bench).glob("*/history.jsonl")
    assert history.read_text() == "bodies none, at most 200000000 bytes\n"


def test_each_attempt(bench: Bench) -> None:
    """Each attempt that failed has a directory of its own, and the next session replaces it."""
    pytest.importorskip("pytest_rerunfailures")
    source = "def test_it(mqchaos): mqchaos.lose(17)"
    for _ in range(2):
        bench.run(source, "--reruns=1", plugins=["rerunfailures"])
        assert kept(bench) == ["test_orders.py_test_it-1", "test_orders.py_test_it-2"]


def test_the_newest_are_kept(bench: Bench) -> None:
    """Of more than may be the oldest go, of ours only."""
    for age in range(MOST + 3):
        older(bench, f"old-{age:02}", age)
    (folder(bench) / "mine").mkdir()
    (folder(bench) / "mine.txt").touch()
    (folder(bench) / "link").symlink_to(older(bench, "elsewhere", -10))
    bench.run("def test_it(mqchaos): mqchaos.lose(17)")
    old = [f"old-{age:02}" for age in range(MOST - 2)]
    assert kept(bench) == sorted(["test_orders.py_test_it-1", "elsewhere", *old, "link", "mine", "mine.txt"])


def test_a_run_names_what_is_still_there(bench: Bench) -> None:
    """Of more failures in one session than may be the oldest directories go, and their runs no longer name them."""
    source = f"@pytest.mark.parametrize('n', range({MOST + 2}))\ndef test_it(mqchaos, n): assert 0"
    bench.run(source)
    told = [run.get("kept") for run in bench.report["runs"]]
    assert [each is None for each in told] == [True, True, *[False] * MOST]
    assert all((bench.path / "mqchaos-report" / each).is_dir() for each in told if each)


def test_what_a_killed_process_began(bench: Bench) -> None:
    """What a process had begun to keep when it was killed goes with the next one; what another is at stays."""
    older(bench, ".test_x-1-999999999", 0)
    older(bench, f".test_y-1-{os.getppid()}", 0)
    bench.run("def test_it(mqchaos): mqchaos.lose(17)")
    assert kept(bench) == [f".test_y-1-{os.getppid()}", "test_orders.py_test_it-1"]


def test_no_more_than_may_be(bench: Bench) -> None:
    """Of more bytes than may be the oldest directories go; the newest stays whatever it has."""
    for age in range(4):
        older(bench, f"old-{age}", age, size=60_000_000)
    bench.run("def test_it(mqchaos): mqchaos.lose(17)")
    assert kept(bench) == ["old-0", "old-1", "old-2", "test_orders.py_test_it-1"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        ("folder.parent.mkdir(); folder.touch()", "Not a directory"),
        ("(folder / 'test_orders.py_test_it-1' / 'mine').mkdir(parents=True)", "Directory not empty"),
    ],
)
def test_what_cannot_be_kept(bench: Bench, spoil: str, why: str) -> None:
    """Where it cannot be written, a line of the failure says why, and all else is as it was."""
    exec(spoil, {"folder": folder(bench)})
    result = bench.run("def test_it(mqchaos): mqchaos.lose(17)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"not kept: {folder(bench)}/test_orders.py_test_it-1: {why}"])
    assert "kept" not in bench.report["runs"][0]
    assert not list(folder(bench).parent.glob("**/.*"))


def test_a_full_disk(bench: Bench) -> None:
    """A disk that is full while it is copied leaves half of nothing, and a line."""
    result = bench.run(
        """
        import errno, os
        def test_it(mqchaos):
            def keep(directory, **options):
                (directory / "half").touch()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            mqchaos.keep = keep
            mqchaos.lose(17)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["not kept: */failed/test_orders.py_test_it-1: No space left on device"])
    assert kept(bench) == []


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("tests/test_orders.py::TestIt::test_it[refuse-1]", "tests_test_orders.py_TestIt_test_it_refuse-1"),
        ("../../etc/test_x.py::test_it[../..]", "etc_test_x.py_test_it"),
        ("t.py::test[\x1b[31m\n\u202e é]", "t.py_test_31m"),
        ("t.py::test_it" + "x" * 300, "t.py_test_it" + "x" * 108 + "-da0dad18"),
        ("[::]", "687e2630"),
    ],
)
def test_safe_names(nodeid: str, name: str) -> None:
    """A directory's name leads nowhere else, hides nothing, and is short enough for every file system."""
    made = safe_name(nodeid)
    assert made == name
    assert "/" not in made
    assert made.isascii()
    assert made.isprintable()
    assert len(made) <= 140


def test_names_that_read_alike(bench: Bench) -> None:
    """Two tests whose names read alike have a directory each."""
    bench.run(
        "@pytest.mark.parametrize('x', ['a'])\ndef test_it(mqchaos, x): mqchaos.lose(1)\n"
        "def test_it_a(mqchaos): mqchaos.lose(1)"
    )
    assert len(kept(bench)) == 2
    assert len({run["kept"] for run in bench.report["runs"]}) == 2
