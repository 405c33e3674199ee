"""`python -m pytest_mqchaos try`: what it says, what it leaves, and its exit status; without servers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chaos_bench import FAKE
from terminal_screen import on_terminal, screen

STAGED = """
import os, pathlib, sys, time
import fake_mqchaos
from pytest_mqchaos.errors import NotReady
from fake_mqchaos import FakeChaos, pytest_mqchaos_session

def consumer(self, command, **options):
    self.command = command

def publish(self, *queue, **options):
    fake_mqchaos.log(f"publish {queue} {sorted(options)} {self.command} as {self.settings.evidence}")
    if self.scenario in os.environ.get("LOSE", "").split():
        self.lose(17)
    if self.scenario in os.environ.get("VACUOUS", "").split():
        self.prove_nothing()
    if self.scenario in os.environ.get("UNREADY", "").split():
        raise NotReady("worker ended before it consumed: exit code 1")
    if self.scenario in os.environ.get("FAIL", "").split():
        self.error = "the consumer `worker` ended before it read any queue: exit code 1"
    if os.environ.get("LOOK"):
        import pytest_mqchaos.progress as progress
        progress._FIRST = progress._EVERY = 0.01
        assert all(self.glances.acquire(timeout=10) for _ in range(3))
    if os.environ.get("WAIT"):
        pathlib.Path("reached").touch()
        time.sleep(60)

FakeChaos.consumer, FakeChaos.publish = consumer, publish
FakeChaos.effects = FakeChaos.dead_letters = FakeChaos.queue = lambda self, *names, **options: None
"""
ROOT = Path(__file__).parents[2]


class Tried:
    """A project's folder, and what `try` made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tmp").mkdir()
        (folder / "staged.py").write_text(STAGED)
        (folder / "fake_mqchaos.py").write_text(FAKE.read_text())
        (folder / "worker.js").write_text("")
        (folder / "order.json").write_text(json.dumps({"id": 17, "total": 2.5}))

    @property
    def env(self) -> dict[str, str]:
        """What lets a session find this package, and the fake one."""
        return {"PYTHONPATH": f"{ROOT}{os.pathsep}{self.folder}", "PYTEST_PLUGINS": "staged"}

    def begin(self, *words: str, **env: str) -> subprocess.Popen[str]:
        """Start it, apart from this session's environment."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        given = {**self.env, "TMPDIR": str(self.folder / "tmp"), **env}
        return subprocess.Popen(
            [sys.executable, "-m", "pytest_mqchaos", "try", *words],
            cwd=self.folder, env={**kept, **given}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str, status: int, **env: str) -> tuple[str, str]:
        """Run it to its end, which has this exit status and leaves no temporary file; returns what it said."""
        process = self.begin(*words, **env)
        out, err = process.communicate(timeout=120)
        assert process.returncode == status, out + err
        assert list((self.folder / "tmp").iterdir()) == []
        return out, err

    @property
    def log(self) -> list[str]:
        """What happened to the fake session."""
        path = self.folder / "fake.log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def tried(tmp_path: Path) -> Tried:
    """A project with a consumer in a language of its own."""
    return Tried(tmp_path)


COMMAND = ("cat worker.js", "--queue", "orders")


def test_the_battery_without_a_test(tried: Tried) -> None:
    """A line for each scenario as it ends, the report here, exit status 0, and nothing else that stays."""
    out, err = tried.run(*COMMAND, status=0)
    lines = out.splitlines()
    assert lines[0] == "cat worker.js: 50 messages to orders, each with a key of its own (`order`)"
    names = ["baseline", "connection_drop", "consumer_crash", "malformed_payload", "broker_restart"]
    assert [line.partition(":")[0] for line in lines[1:6]] == names
    assert all(": 200 messages, 200 effected: at-least-once (" in line for line in lines[1:6])
    assert "5 chaos tests, 1,000 messages: all as promised" in out
    assert err == ""
    report = json.loads((tried.folder / "mqchaos-report" / "report.json").read_text())
    assert [run["verdict"] for run in report["runs"]] == ["pass"] * 5
    assert "publish ('orders',) ['count', 'key'] cat worker.js as any" in tried.log
    assert {one.name for one in tried.folder.iterdir()} == {
        "tmp", "staged.py", "fake_mqchaos.py", "worker.js", "order.json", "fake.log", "mqchaos-report", "__pycache__",
    }  # fmt: skip


def test_a_violation(tried: Tried) -> None:
    """Exit status 1, the account as of a test, and the very command that repeats its scenario."""
    words = [
        *COMMAND,
        "--body",
        "order.json",
        "--effects",
        "my orders.log",
        "--seed",
        "7",
        "--write",
        "test_it.py",
    ]
    scenarios = ["--scenario", "baseline", "--scenario=consumer_crash:before=ack:5:process=main"]
    out, _ = tried.run(*words, *scenarios, status=1, LOSE="consumer_crash-before-ack-5-process-main")
    assert "like order.json, each with a key of its own (`id`, guessed: --key FIELD names another)" in out
    assert "consumer_crash-before-ack-5-process-main: lost: 1 of 200 messages" in out
    assert "  mend: acknowledge after the work" in out
    again = (
        "again: python -m pytest_mqchaos try 'cat worker.js' --queue orders --body order.json --effects 'my orders.log'"
        " --scenario consumer_crash:before=ack:5:process=main --seed=7"
    )
    assert f"  {again}\n" in out
    report = json.loads((tried.folder / "mqchaos-report" / "report.json").read_text())
    assert report["runs"][1]["reproduce"] == again.removeprefix("again: ")
    assert "\nof what a mend says, allow= is --allow here, and restart= is --restart; " in out
    assert out.endswith("written: test_it.py; run it by: pytest test_it.py\n")
    assert "publish ('orders',) ['body', 'count', 'key'] cat worker.js as auto" in tried.log


def test_the_battery_repeats_one_by_its_name(tried: Tried) -> None:
    """A scenario of the battery is named as it is written; the seed of its test is the same then."""
    out, _ = tried.run(*COMMAND, "--mqchaos-seed=3", status=1, LOSE="connection_drop")
    again = "try 'cat worker.js' --queue orders --scenario connection_drop --seed=3"
    assert f"  again: python -m pytest_mqchaos {again}\n" in out
    first = json.loads((tried.folder / "mqchaos-report" / "report.json").read_text())["runs"][1]
    tried.run("cat worker.js", *again.split()[3:], status=1, LOSE="connection_drop")
    second = json.loads((tried.folder / "mqchaos-report" / "report.json").read_text())["runs"][0]
    assert (first["scenario"], first["seed"]) == (second["scenario"], second["seed"])


def test_what_is_written_is_what_ran(tried: Tried) -> None:
    """The file that stays runs by itself, from the same folder; into a folder it goes by its own name."""
    tried.run(*COMMAND, "--write", ".", "--scenario", "lost_ack", status=0)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "mqchaos", "--disable-plugin-autoload", "test_orders.py"],
        cwd=tried.folder, capture_output=True, text=True, check=False,
        env={**os.environ, **tried.env, "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    published = [line for line in tried.log if line.startswith("publish")]
    assert len(published) == 2
    assert len(set(published)) == 1


def test_a_test_that_is_there_is_left_alone(tried: Tried) -> None:
    """Unless it is the same, it is not replaced, and nothing is tried."""
    tried.run(*COMMAND, "--write", "test_it.py", status=0)
    before = (tried.folder / "test_it.py").read_text()
    count = len(tried.log)
    tried.run(*COMMAND, "--write", "test_it.py", "--scenario", "baseline", status=2)
    assert (tried.folder / "test_it.py").read_text() == before
    assert len(tried.log) == count
    tried.run(*COMMAND, "--write", "test_it.py", status=0)


def test_no_server_can_be_had(tried: Tried) -> None:
    """Nothing was tried: that is no pass, and the reason is the last line. In CI it is a failure of its own."""
    out, err = tried.run(*COMMAND, status=3, FAKE_UNAVAILABLE="no RabbitMQ is here")
    assert "baseline: skipped: no RabbitMQ is here" in out
    assert err == "nothing was tried: no RabbitMQ is here\n"
    out, _ = tried.run(*COMMAND, status=3, FAKE_UNAVAILABLE="no RabbitMQ is here", CI="true")
    assert "baseline: not tried: no RabbitMQ is here (CI is set: no server is an error)" in out


def test_a_consumer_that_does_not_start(tried: Tried) -> None:
    """It broke no promise: exit status 3, its reason, and the rest of the battery is not waited for."""
    out, _ = tried.run(*COMMAND, status=3, UNREADY="baseline")
    why = "worker ended before it consumed: exit code 1"
    assert f"baseline: not tried: {why}" in out
    assert "\nconsumer_crash: skipped: the baseline failed\n" in out
    assert "a consumer that takes its broker from elsewhere gets it by --env NAME={url}; a queue " in out


def test_another_error_says_nothing_of_the_address(tried: Tried) -> None:
    """A consumer that was there and ended later has found its broker."""
    out, _ = tried.run(*COMMAND, status=3, FAIL="baseline")
    assert "baseline: not tried: the consumer `worker` ended before it read any queue: exit code 1" in out
    assert "--env NAME={url}" not in out


def test_an_error_after_a_verdict(tried: Tried) -> None:
    """A scenario that could not be judged says why, and nothing of the one before it; a broken promise counts."""
    words = [*COMMAND, "--scenario", "baseline", "--scenario", "lost_ack"]
    out, _ = tried.run(*words, status=3, FAIL="lost_ack")
    assert "\nlost_ack: not tried: the consumer `worker` ended before it read any queue: exit code 1\n" in out
    tried.run(*words, status=1, FAIL="lost_ack", LOSE="baseline lost_ack")
    tried.run(*words, status=3, FAIL="lost_ack", LOSE="lost_ack")


def test_a_fault_that_never_struck(tried: Tried) -> None:
    """It proves nothing, and no promise was broken; a promise that was broken beside it counts."""
    words = [*COMMAND, "--scenario", "consumer_crash:before=ack:900", "--scenario", "baseline"]
    out, _ = tried.run(*words, status=3, VACUOUS="consumer_crash-before-ack-900")
    assert "consumer_crash-before-ack-900: vacuous: consumer_crash never struck (" in out
    tried.run(*words, status=1, VACUOUS="consumer_crash-before-ack-900", LOSE="baseline")


def test_nothing_of_the_project_is_in_its_way(tried: Tried) -> None:
    """Neither its configuration and `conftest.py`, nor options that plugins would take."""
    (tried.folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (tried.folder / "conftest.py").write_text("raise RuntimeError('not for you')\n")
    tried.run(*COMMAND, "--scenario", "baseline", status=0, PYTEST_ADDOPTS="-n 4 --cov")


def test_options_of_the_plugin(tried: Tried) -> None:
    """They stand with and without the prefix; folders are relative to where one is."""
    tried.run(
        *COMMAND,
        "--report",
        "out/a",
        "--mqchaos-report-md=b.md",
        "--no-strict",
        "--scenario",
        "baseline",
        status=0,
    )
    assert (tried.folder / "out" / "a" / "report.json").is_file()
    assert (tried.folder / "b.md").is_file()
    out, err = tried.run(*COMMAND, "--servers=podman", status=2)
    assert (out, err) == ("", "try: --servers: 'podman' is not one of auto, docker, process, external\n")


def test_on_a_terminal(tried: Tried) -> None:
    """How far a scenario is stands there meanwhile, and leaves no trace."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    command = [sys.executable, "-m", "pytest_mqchaos", "try", *COMMAND]
    env = {**kept, **tried.env, "TERM": "xterm", "LOSE": "consumer_crash"}
    live, still = (
        on_terminal(command, cwd=tried.folder, env={**env, **more}, columns=100, rows=20)
        for more in ({"LOOK": "1"}, {"NO_COLOR": "1"})
    )
    assert "12 published, 3 in flight, 8 effected; refuse() armed" in live
    assert "12 published" not in still
    screens = [
        [re.sub(r"\d+\.\d+ ?s", "0 s", line) for line in screen(one, columns=100, rows=20)]
        for one in (live, still)
    ]
    assert screens[0] == screens[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_interrupted(tried: Tried, number: int) -> None:
    """It ends in order, whichever of the two it is, and leaves no temporary file."""
    process = tried.begin(*COMMAND, WAIT="1")
    deadline = time.monotonic() + 60
    while not (tried.folder / "reached").exists():
        assert time.monotonic() < deadline, "the first scenario did not begin within 60 s"
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, out + err
    assert "session closed" in tried.log
    assert list((tried.folder / "tmp").iterdir()) == []


def test_it_is_killed(tried: Tried) -> None:
    """Its guard removes the folder."""
    process = tried.begin(*COMMAND, WAIT="1")
    deadline = time.monotonic() + 60
    while not (tried.folder / "reached").exists():
        assert time.monotonic() < deadline, "the first scenario did not begin within 60 s"
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 20
    while left := list((tried.folder / "tmp").iterdir()):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_its_help(tried: Tried) -> None:
    """It shows the language of scenarios, the exit status, and each option of the plugin."""
    out, _ = tried.run("--help", status=0)
    assert "consumer_crash:before=ack:5" in out
    assert "exit status: 0 every promise was kept, 1 one was not" in out
    assert "--mqchaos-settle-timeout" in out
