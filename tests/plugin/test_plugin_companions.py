"""At home with other plugins: each alone and all together, with tests that pass and that fail."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from chaos_bench import Bench, block

from pytest_mqchaos.report.document import schema

SOURCE = """
@pytest.mark.chaos(baseline(), refuse())
def test_good(mqchaos): ...

@pytest.mark.chaos(baseline(), refuse())
def test_bad(mqchaos):
    if mqchaos.scenario != "baseline":
        mqchaos.lose(17)

def test_plain(): ...
"""
ASYNC = """
import asyncio

@pytest.mark.asyncio
@pytest.mark.chaos(baseline(), refuse())
async def test_async(mqchaos):
    await asyncio.sleep(0)
    if mqchaos.scenario != "baseline":
        mqchaos.lose(17)
"""
ASYNC_INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"

COMPANIONS = {
    "xdist": ("xdist", "xdist", ["-n2"]),
    "asyncio": ("pytest_asyncio", "pytest_asyncio.plugin", []),
    "timeout": ("pytest_timeout", "timeout", ["--timeout=300"]),
    "rerunfailures": ("pytest_rerunfailures", "rerunfailures", ["--reruns=1"]),
    "repeat": ("pytest_repeat", "repeat", ["--count=2"]),
    "randomly": ("pytest_randomly", "randomly", ["--randomly-seed=4711"]),
    "cov": ("pytest_cov", "pytest_cov", ["--cov=test_orders"]),
}
"""By their name: the module that is there if one is, what `-p` calls it, and what sets it to work."""


def together(*names: str) -> tuple[list[str], list[str]]:
    """Return what `-p` calls these plugins, and their arguments; skip where one is not installed."""
    for name in names:
        pytest.importorskip(COMPANIONS[name][0])
    return [COMPANIONS[name][1] for name in names], [word for name in names for word in COMPANIONS[name][2]]


def told(bench: Bench) -> Counter[tuple[str, str, str, str | None]]:
    """Return how often the report tells of each function and scenario with an outcome and a verdict."""
    pytest.importorskip("jsonschema").validate(bench.report, schema())
    return Counter(
        (run["test"].partition("[")[0], run["scenario"], run["outcome"], run["verdict"])
        for run in bench.report["runs"]
    )


@pytest.mark.parametrize("names", [*((name,) for name in COMPANIONS), tuple(COMPANIONS)], ids="+".join)
def test_counts_report_and_status(bench: Bench, names: tuple[str, ...]) -> None:
    """Each test runs as often as it should, fails where it must, and is told once for each attempt."""
    plugins, args = together(*names)
    bench.pytester.makeini(ASYNC_INI if "asyncio" in names else "[pytest]\n")
    source = SOURCE + (ASYNC if "asyncio" in names else "")
    result = bench.run(source, *args, plugins=plugins, subprocess=True)
    times, tries = 1 + ("repeat" in names), 1 + ("rerunfailures" in names)
    bad = 1 + ("asyncio" in names)
    expected = {"passed": (3 + bad) * times, "failed": bad * times, "rerun": bad * times * (tries - 1)}
    found = result.parseoutcomes()
    assert {name: found.get(name, 0) for name in expected} == expected
    assert "errors" not in found
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    each = {
        ("test_good", "baseline", "passed", "pass"): times,
        ("test_good", "refuse", "passed", "pass"): times,
    }
    for name in ("test_bad", "test_async")[:bad]:
        each[name, "baseline", "passed", "pass"] = times
        each[name, "refuse", "failed", "fail"] = times * tries
    assert told(bench) == each
    assert len(block(result, "mqchaos", "=")) > 3
    assert "broke its promise" not in result.stdout.str()  # nothing passed that had failed
    assert bench.log.count("close") == sum(each.values())


@pytest.mark.parametrize("names", [*((name,) for name in COMPANIONS), tuple(COMPANIONS)], ids="+".join)
def test_green(bench: Bench, names: tuple[str, ...]) -> None:
    """Where all is as promised the session is green, and warnings are errors."""
    plugins, args = together(*names)
    bench.pytester.makeini(ASYNC_INI if "asyncio" in names else "[pytest]\n")
    source = "@pytest.mark.chaos\ndef test_good(mqchaos): ...\ndef test_plain(): ...\n"
    result = bench.run(source, "-W", "error", *args, plugins=plugins, subprocess=True)
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes()["passed"] == 6 * (1 + ("repeat" in names))
    assert sum(told(bench).values()) == 5 * (1 + ("repeat" in names))


def test_a_timeout_by_signal(bench: Bench) -> None:
    """A test that pytest-timeout ends by a signal fails with what that said, is closed, and the next one runs."""
    plugins, _ = together("timeout")
    source = """
        import time
        def test_slow(mqchaos):
            time.sleep(60)
        def test_next(mqchaos): ...
    """
    result = bench.run(source, "--timeout=1", "--timeout-method=signal", plugins=plugins, subprocess=True)
    result.assert_outcomes(passed=1, failed=1)
    slow, after = bench.report["runs"]
    assert (slow["outcome"], slow["state"]) == ("failed", "failed")
    assert "Timeout" in slow["error"]
    assert after["outcome"] == "passed"
    assert bench.log.count("close") == 2


def test_a_timeout_by_thread(bench: Bench) -> None:
    """Where pytest-timeout ends the whole process, what ran before and the test that was cut off are on disk."""
    plugins, _ = together("timeout")
    source = """
        import time
        def test_before(mqchaos): ...
        def test_slow(mqchaos):
            time.sleep(60)
    """
    result = bench.run(source, "--timeout=1", "--timeout-method=thread", plugins=plugins, subprocess=True)
    assert result.ret == 1
    (left,) = (bench.path / "mqchaos-report").glob("unfinished-*.jsonl")
    entries = [json.loads(line) for line in left.read_text().splitlines()]
    assert [next(iter(each)) for each in entries[1:]] == ["begun", "run", "begun"]
    assert entries[3]["begun"]["nodeid"] == "test_orders.py::test_slow"


def seeds(bench: Bench) -> dict[str, Any]:
    """Return the seeds of the report by node id."""
    return {run["nodeid"]: run["seed"] for run in bench.report["runs"]}


def test_seeds_are_ours(bench: Bench) -> None:
    """pytest-randomly seeds the module `random` for each test; our seeds follow from the node ids all the same."""
    plugins, _ = together("randomly")
    bench.run(SOURCE)
    plain = seeds(bench)
    orders = set()
    for number in range(4):
        bench.run(None, f"--randomly-seed={number}", plugins=plugins, subprocess=True)
        assert seeds(bench) == plain
        orders.add(tuple(seeds(bench)))
    assert len(orders) > 1  # they were shuffled


BATTERIES = """
@pytest.mark.chaos
@pytest.mark.parametrize("x", "ab")
def test_one(mqchaos, x):
    if mqchaos.scenario == "baseline" and x == "a":
        mqchaos.lose(17)

@pytest.mark.chaos
def test_two(mqchaos): ...

@pytest.mark.chaos(refuse(), baseline(), connection_drop())
def test_named(mqchaos): ...

def test_plain(): ...
"""


@pytest.mark.parametrize("number", range(5))
def test_a_shuffled_battery_begins_with_its_baseline(bench: Bench, number: int) -> None:
    """However the tests are shuffled: a baseline stands before its battery, the rest as it was shuffled."""
    plugins, _ = together("randomly")
    args = (f"--randomly-seed={number}", "-p", "randomly")
    ordered = bench.ids(BATTERIES, *args)
    (bench.path / "unordered.py").write_text(
        "import pytest_mqchaos.order as order\norder.baselines_first = lambda items: None\n"
    )
    bench.pytester.syspathinsert()
    shuffled = bench.ids(None, *args, "-p", "unordered")
    baselines = [each for each in ordered if "[baseline" in each and "named" not in each]
    assert len(baselines) == 3
    for baseline in baselines:
        battery = [each for each in ordered if each.replace(scenario(each), "baseline", 1) == baseline]
        assert battery[0] == baseline
        assert len(battery) == 5
    assert [each for each in ordered if each not in baselines] == [
        each for each in shuffled if each not in baselines
    ]
    result = bench.run(None, *args[:1], plugins=plugins, subprocess=True)
    result.assert_outcomes(passed=5 + 5 + 3 + 1, failed=1, skipped=4)


def scenario(name: str) -> str:
    """Return the scenario of a test's name, which stands first among its parameters."""
    return name.partition("[")[2].rstrip("]").removesuffix("-a").removesuffix("-b")


def test_a_battery_before_its_baseline(bench: Bench) -> None:
    """Where `--failed-first` brings a scenario before its baseline, it stands by itself; what follows is skipped."""
    bench.run(
        """
        import pathlib
        @pytest.mark.chaos
        def test_it(mqchaos):
            second = pathlib.Path("second").exists()
            if mqchaos.scenario == ("baseline" if second else "consumer_crash"):
                mqchaos.lose(17)
        """
    ).assert_outcomes(passed=4, failed=1)
    (bench.path / "second").touch()
    result = bench.run(None, "--failed-first", "-v")
    result.assert_outcomes(passed=1, failed=1, skipped=3)
    runs = [(run["scenario"], run["outcome"]) for run in bench.report["runs"]]
    assert runs == [("consumer_crash", "passed"), ("baseline", "failed")]


@pytest.mark.parametrize(
    ("plugin", "mark"), [("pytest_asyncio.plugin", "asyncio"), ("anyio.pytest_plugin", "anyio")]
)
def test_an_async_test_is_known_as_one(bench: Bench, plugin: str, mark: str) -> None:
    """Its run is told that a loop runs its function, and the verdict is given when the function is done."""
    result = bench.run(
        f"""
        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.chaos(baseline())
        @pytest.mark.{mark}
        async def test_async(mqchaos):
            assert mqchaos.settings.asynchronous

        @pytest.mark.chaos(baseline())
        def test_plain(mqchaos):
            assert not mqchaos.settings.asynchronous
            mqchaos.lose(3)
        """,
        plugins=(plugin,),
    )
    result.assert_outcomes(passed=1, failed=1)
    assert [line for line in bench.log if line in ("conclude", "close")] == ["conclude", "close"] * 2
