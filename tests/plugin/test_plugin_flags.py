"""The plugin under pytest's flags: what starts nothing, what fails nothing, and what costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from chaos_bench import Bench

import pytest_mqchaos

MIXED = """
@pytest.mark.chaos
def test_it(mqchaos):
    mqchaos.lose(17)
def test_unknown(mqchaos):
    mqchaos.cannot_judge()
def test_plain(): ...
"""


@pytest.mark.parametrize(
    "flag", ["--collect-only", "--fixtures", "--markers", "--setup-plan", "--help", "--version"]
)
def test_starts_nothing(bench: Bench, flag: str) -> None:
    """Flags that only show something start no session and leave no report."""
    result = bench.run(MIXED, flag)
    assert result.ret == 0
    assert bench.log == []
    assert not [path for path in bench.path.iterdir() if path.name.startswith("mqchaos")]


def test_setup_only_fails_nothing(bench: Bench) -> None:
    """`--setup-only` sets chaos up and ends it, without a verdict."""
    result = bench.run(MIXED, "--setup-only")
    assert result.ret == 0
    assert "conclude" not in bench.log
    assert bench.log.count("close") == 6
    assert "SETUP    F mqchaos[connection_drop]" in result.stdout.str()


def test_markers_and_fixtures(bench: Bench) -> None:
    """`--markers` and `--fixtures` say enough to begin with."""
    assert (
        "@pytest.mark.chaos(*scenarios, guarantee='at-least-once', "
        in bench.run("", "--markers").stdout.str()
    )
    shown = bench.run("", "--fixtures").stdout.str()
    assert "mqchaos" in shown
    assert "Your own consumer on a real broker, broken at an exact moment" in shown


@pytest.mark.parametrize(
    "flags",
    [
        ["-p", "no:terminal"],
        ["-p", "no:cacheprovider"],
        ["-p", "no:xdist"],
        ["-p", "no:logging"],
        ["-s"],
        ["-p", "no:doctest", "-p", "no:unittest", "-p", "no:junitxml"],
        ["-p", "no:skipping", "--strict-markers"],
        ["-W", "error"],
        ["-q", "-q"],
        ["-vv"],
        ["--no-summary"],
        ["--strict-markers", "--strict-config"],
        ["--import-mode=importlib"],
        ["--full-trace"],
        ["-o", "console_output_style=count"],
        ["--show-capture=no", "-rA"],
        *([["-o", "strict=true"]] if pytest.version_tuple >= (9,) else []),
    ],
    ids=" ".join,
)
def test_flags_change_no_verdict(bench: Bench, flags: list[str]) -> None:
    """Whatever else is on or off, the verdicts are the same, and the report is written."""
    result = bench.run(MIXED, *flags, subprocess=flags[0] in ("-W", "-s", "--import-mode=importlib"))
    assert result.ret == pytest.ExitCode.TESTS_FAILED, result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
    outcomes = [(run["outcome"], run["verdict"]) for run in bench.report["runs"]]
    assert outcomes == [("failed", "fail"), ("passed", "unknown")]


def run_python(
    bench: Bench, *words: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in the bench's directory, with the package on its path."""
    source = str(Path(pytest_mqchaos.__file__).parents[1])
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=bench.path,
        env={**kept, "PYTHONPATH": source, "PYTHONPYCACHEPREFIX": str(bench.path / "pyc"), **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def test_optimized(bench: Bench) -> None:
    """`python -O` takes asserts away, and no verdict."""
    bench.tests(MIXED)
    done = run_python(bench, "-O", "-m", "pytest", "-p", "pytest_mqchaos.plugin")
    assert done.returncode == 1, done.stdout
    assert "FAILED test_orders.py::test_it[baseline] - lost: 1 of 200 messages" in done.stdout
    assert ", 1 unknown in " in done.stdout


INSTALLED = any(entry.name == "mqchaos" for entry in entry_points(group="pytest11"))


@pytest.mark.skipif(not INSTALLED, reason="the plugin is not installed here: make setup")
def test_entry_point(bench: Bench) -> None:
    """Installed, the plugin is there by itself, can be named as `-p mqchaos`, and blocked by `-p no:mqchaos`."""
    bench.tests("def test_it(mqchaos): ...")
    env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}
    found = run_python(bench, "-m", "pytest", "-W", "error", "-p", "no:asyncio", env=env)
    assert (found.returncode, "1 passed" in found.stdout) == (0, True), found.stdout + found.stderr
    named = run_python(bench, "-m", "pytest", "-p", "mqchaos")
    assert (named.returncode, "1 passed" in named.stdout) == (0, True)
    bench.tests("@pytest.mark.chaos\ndef test_it(): ...")
    bench.pytester.makeconftest("")
    blocked = run_python(
        bench, "-m", "pytest", "-p", "no:mqchaos", "-p", "no:asyncio", "--strict-markers", env=env
    )
    assert "'chaos' not found in `markers` configuration option" in blocked.stdout


def test_silent(bench: Bench) -> None:
    """A session without chaos tests prints what it would print without the plugin, and leaves nothing."""
    bench.tests("def test_plain(): ...\ndef test_other(tmp_path): ...")
    bench.pytester.makeconftest("")
    with_it = run_python(
        bench, "-m", "pytest", "-p", "pytest_mqchaos.plugin", "-p", "no:cacheprovider", "--durations=0"
    )
    assert "2 passed" in with_it.stdout
    assert "chaos" not in with_it.stdout.replace(str(bench.path), "")
    assert not [path for path in bench.path.iterdir() if path.name.startswith("mqchaos")]


def test_imports_only_pytest(bench: Bench) -> None:
    """The plugin and a session that uses nothing of it load no module but pytest's, Python's and a few of ours."""
    (bench.path / "look.py").write_text(
        "import sys, pytest, _pytest.junitxml\n"
        "before = set(sys.modules)\n"
        "code = pytest.main(['-q', '-p', 'pytest_mqchaos.plugin', '-p', 'no:cacheprovider', 'test_plain.py'])\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "new -= {*sys.stdlib_module_names, 'pytest', '_pytest', 'pluggy', 'iniconfig', 'packaging', 'pygments'}\n"
        "ours = {name for name in sys.modules if name.startswith('pytest_mqchaos')}\n"
        "print('code', int(code), 'new', sorted(new), 'ours', len(ours), [n for n in ours if n.count('.') > 1])\n"
    )
    (bench.path / "test_plain.py").write_text("def test_plain(): ...\n")
    (bench.path / "conftest.py").unlink()
    done = run_python(bench, "look.py")
    last = done.stdout.splitlines()[-1]
    assert last.startswith("code 0 new ['pytest_mqchaos', 'test_plain'] ours"), done.stdout + done.stderr
    assert last.endswith(" []")


def test_import_is_light(bench: Bench) -> None:
    """To import the plugin takes less than 15 ms of processor time (the best of some tries, compiled before)."""
    code = (
        "import time, pytest, argparse, datetime, hashlib, shlex\n"
        "start = time.process_time()\n"
        "import pytest_mqchaos.plugin\n"
        "print(time.process_time() - start)\n"
    )
    best = min(float(run_python(bench, "-c", code).stdout) for _ in range(4))
    assert best < 0.015
