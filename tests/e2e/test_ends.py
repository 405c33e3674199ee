"""However a session of pytest ends, within three seconds nothing of ours is left: no process, port or folder."""

import json
import os
import signal
from contextlib import suppress

import pytest
from ends_kit import DOCKER, Session, children, guards, ports, traces, until

from pytest_mqchaos.cli.keeping import present
from pytest_mqchaos.report.reading import read


@pytest.fixture
def session(tmp_path):
    """Return a function that starts a session in a phase and waits for it."""
    started = []

    def start(phase, *arguments):
        folder = tmp_path / phase.replace(" ", "-")
        folder.mkdir()
        started.append(Session(folder, phase, "-x", *arguments))
        started[-1].await_phase(phase)
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
    for pid in traces(tmp_path):  # of a test that failed
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


SIGNALS = {
    "INT": (signal.SIGINT,),
    "INT INT": (signal.SIGINT, signal.SIGINT),
    "TERM": (signal.SIGTERM,),
    "KILL": (signal.SIGKILL,),
}
PHASES = ("collection", "server start", "setup", "call", "settle", "teardown")
ENDS = [(name, phase) for name in SIGNALS for phase in PHASES]
if DOCKER:
    ENDS = [("KILL", "server start"), ("KILL", "call"), ("TERM", "settle"), ("INT INT", "call")]


@pytest.mark.parametrize(("name", "phase"), ENDS)
def test_nothing_is_left(session, name, phase):
    """A session that is ended by a signal, whatever it was at, leaves nothing."""
    running = session(phase)
    assert running.process.poll() is None, running.output()
    running.send(*SIGNALS[name])
    running.nothing_left()


def test_a_test_that_ends_the_process(session):
    """A test that calls `os._exit` leaves nothing."""
    running = session("_exit")
    running.wait()
    assert running.process.returncode == 3, running.output()
    running.nothing_left()


def test_a_worker_that_ends(session):
    """A worker of xdist whose test calls `os._exit` leaves nothing, and the session goes on to its end."""
    running = session("_exit", "-n1", "--max-worker-restart=0")
    running.wait()
    assert "crashed" in running.output()
    running.nothing_left()


def test_a_controller_that_is_killed(session):
    """Servers go with the controller of xdist, though its workers may take their time."""
    running = session("call", "-n1")
    (worker,) = children(running.process.pid)
    running.workers = {worker}
    running.ports -= ports({worker})
    running.send(signal.SIGKILL)
    running.nothing_left()


def test_what_was_seen_of_a_killed_run_stays(session):
    """The guard keeps the history of a run whose process is killed, and what is left of the report names it."""
    running = session("call")
    running.send(signal.SIGKILL)
    running.nothing_left()
    report = running.folder / "mqchaos-report"
    (left,) = report.glob("unfinished-*.jsonl")
    (run,) = present(read(left), left)["runs"]
    assert (run["outcome"], run["kept"]) == ("error", "failed/test_it.py_test_it_baseline-1-cut")
    seen(report / run["kept"])


def test_what_was_seen_of_a_worker_that_ends_stays(session):
    """Of a worker that ends in a test the history is kept, too."""
    running = session("_exit", "-n1", "--max-worker-restart=0")
    running.wait()
    running.nothing_left()
    seen(running.folder / "mqchaos-report" / "failed" / "test_it.py_test_it_baseline-1-cut")


def seen(kept):
    """Assert that a kept directory holds the history of a run up to its publications, and what consumers wrote."""
    events = [json.loads(line) for line in (kept / "history.jsonl").read_text().splitlines()]
    assert sum(event["event"] == "Published" for event in events) == 5
    assert {"history.jsonl", "kept.json"} <= {path.name for path in kept.iterdir()}


@pytest.mark.parametrize("name", ["INT", "KILL"])
def test_the_guard_is_killed_first(session, name):
    """A guard that was killed is replaced, and its successor cleans as well."""
    running = session("call")
    first = guards(running)
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    assert len(first) == 1
    until("no successor", 5, lambda: guards(running) - first)
    running.send(*SIGNALS[name])
    running.nothing_left()


@pytest.mark.skipif(DOCKER, reason="the broker's process is the engine's")
def test_what_stands_still_is_ended_too(session):
    """Servers and consumers that were stopped by SIGSTOP are no exception."""
    running = session("call")
    for pid in traces(running.temporary):
        if pid != running.process.pid and pid not in guards(running):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
    running.send(signal.SIGKILL)
    running.nothing_left()


def test_another_run_does_not_notice(session):
    """The end of one session disturbs no other one that runs on the same host."""
    other = session("other")
    running = session("call")
    running.send(signal.SIGKILL)
    running.nothing_left()
    (other.folder / "go on").touch()
    other.wait()
    assert other.process.returncode == 0, other.output()
    other.nothing_left()
