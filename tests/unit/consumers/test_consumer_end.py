"""The end of a test: everybody is asked, then killed, and nothing is left."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.model import events as facts

STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.01; done"
DAEMON = (
    "import os, sys, time\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        {shed}\n"
    "        open('daemon', 'w').write(str(os.getpid()))\n"
    "        time.sleep(100)\n"
    "    os._exit(0)\n"
    "while not os.path.exists('daemon') or not open('daemon').read(): time.sleep(0.001)\n"
    "print('up', flush=True)\n"
    "time.sleep(100)\n"
)
"""A program that leaves a daemon behind: forked twice, in a session of its own."""


def notes(bench: Any) -> list[str]:
    """Return what the history notes."""
    return [event.text for event in bench.of(facts.Noted)]


def test_the_end_asks_first(bench: Any) -> None:
    """A consumer that drains is not killed, and its end is ours."""
    consumer = bench.shell("trap 'echo drained; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    bench.await_output(consumer, "up")
    consumer.end_all(10.0)
    assert consumer.output == "up\ndrained\n"
    assert [(e.exit_code, e.by, e.restarts) for e in bench.of(facts.ConsumerEnded)] == [(0, "plugin", False)]
    assert notes(bench) == []


def test_the_end_asks_once(bench: Any) -> None:
    """Many a worker takes a second SIGTERM for "at once", or has a handler that is not made for two."""
    consumer = bench.shell(
        "trap 'echo asked; asked=1' TERM; echo up; until [ $asked ]; do sleep 0.01; done; sleep 0.2"
    )
    bench.await_output(consumer, "up")
    consumer.begin_end()
    bench.await_output(consumer, "asked")
    consumer.begin_end()
    consumer.end_all(10.0)
    assert consumer.output == "up\nasked\n"


def test_the_end_kills_what_ignores_it(bench: Any) -> None:
    """After the grace, and the history says so."""
    consumer = bench.shell(STUBBORN)
    bench.await_output(consumer, "up")
    pid = consumer.pids[0]
    started = time.monotonic()
    consumer.end_all(0.2)
    assert 0.2 <= time.monotonic() - started < 8.0
    assert consumer.exit_code == -signal.SIGKILL
    assert notes(bench) == [f"worker (pid {pid}) ignored SIGTERM and was killed"]


def test_the_grace_counts_from_the_asking(bench: Any) -> None:
    """Several consumers that ignore SIGTERM cost one grace, not one each."""
    made = [bench.shell(STUBBORN, name=name, replicas=2) for name in ("a", "b")]
    for consumer in made:
        bench.await_output(consumer, "up", 2)
    started = time.monotonic()
    for consumer in made:
        consumer.begin_end()
    for consumer in made:
        consumer.end_all(4.0)
    assert time.monotonic() - started < 7.9, "a grace for each consumer is 8 s"
    assert len(notes(bench)) == 4


def test_a_frozen_consumer_hears_the_end(bench: Any) -> None:
    """It goes on, drains and ends by itself."""
    consumer = bench.shell("trap 'echo drained; exit 0' TERM; echo up; while :; do sleep 0.01; done")
    bench.await_output(consumer, "up")
    consumer.freeze()
    consumer.end_all(10.0)
    assert consumer.output == "up\ndrained\n"


def test_the_end_may_be_called_again(bench: Any) -> None:
    """And before any start."""
    consumer = bench.shell("exec sleep 100")
    consumer.end_all(5.0)
    consumer.end_all(5.0)
    consumer.begin_end()
    never = bench.consumer(["true"], name="never")
    never.end_all(1.0)
    assert len(bench.of(facts.ConsumerEnded)) == 1


def test_the_end_takes_what_its_first_process_left(bench: Any) -> None:
    """A program that went to the background stays in the group, and is asked before it is killed."""
    consumer = bench.shell("(trap 'echo drained; exit 0' TERM; echo up; while :; do sleep 0.01; done) &")
    bench.await_output(consumer, "up")
    bench.await_events(facts.ConsumerEnded)
    consumer.end_all(10.0)
    assert "drained\n" in consumer.output
    assert notes(bench) == []


def test_the_end_takes_orphans_of_earlier_processes(bench: Any) -> None:
    """Children that outlived a crash of their main process do not outlive the test."""
    consumer = bench.shell("sleep 100 & echo up; wait")
    bench.await_output(consumer, "up")
    consumer.crash("main")
    bench.await_output(consumer, "up", 2)
    bench.await_events(facts.ConsumerStarted, 2)  # it may speak before we wrote down that it started
    groups = [process.pid for process in consumer.replicas[0].processes]
    assert len(proc.members(groups[0])) == 1
    consumer.end_all(5.0)
    assert [proc.members(group) for group in groups] == [[], []]


def test_no_zombie_stays(bench: Any) -> None:
    """Every exit code is fetched in the end."""
    consumer = bench.shell("sleep 100 & echo up; wait")
    bench.await_output(consumer, "up")
    consumer.crash("main")
    consumer.end_all(5.0)
    assert all(process.cleared for process in consumer.replicas[0].processes)
    assert not any(Path(f"/proc/{process.pid}").exists() for process in consumer.replicas[0].processes)


def test_a_daemon_is_found_by_its_environment(bench: Any) -> None:
    """A process that left its session is killed, and noted, since it would outlive the test."""
    program = DAEMON.format(shed="os.closerange(0, 100)")
    consumer = bench.start(["python", "-c", program], cwd=bench.directory)
    bench.await_output(consumer, "up")
    pid = int((bench.directory / "daemon").read_text())
    assert os.getsid(pid) != consumer.pids[0]
    consumer.end_all(5.0)
    bench.until(lambda: not _lives(pid), lambda: f"{pid} lives")
    name = Path(sys.executable).resolve().name
    (note,) = notes(bench)
    assert note.startswith(f"worker left a process in a session of its own (pid {pid}, ")
    assert name[:6] in note


def test_a_daemon_of_a_callable_is_found_by_its_output(bench: Any) -> None:
    """A fork has the environment of pytest in the kernel's eyes, but holds the output open."""

    def worker(url: str) -> None:
        exec(compile(DAEMON.format(shed="pass"), "daemon", "exec"), {})

    consumer = bench.start(worker, cwd=bench.directory)
    bench.await_output(consumer, "up")
    pid = int((bench.directory / "daemon").read_text())
    consumer.end_all(5.0)
    bench.until(lambda: not _lives(pid), lambda: f"{pid} lives")


def test_a_reader_of_the_output_is_not_taken_for_a_daemon(bench: Any) -> None:
    """Somebody who follows the output in a terminal is left alone."""
    consumer = bench.shell("echo up; exec sleep 100")
    bench.await_output(consumer, "up")
    reader = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", "exec sleep 100"],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, str(consumer.replicas[0].output_path), os.O_RDONLY, 0)],
    )
    try:
        consumer.end_all(5.0)
        assert _lives(reader)
    finally:
        os.kill(reader, signal.SIGKILL)
        os.waitpid(reader, 0)


def test_an_end_meets_a_start_under_way(bench: Any) -> None:
    """A process that starts while the end begins is ended too."""
    consumer = bench.shell("exec sleep 100", restart="always")
    for _ in range(5):
        consumer.replicas[0].crash()
    consumer.end_all(5.0)
    assert consumer.pids == []
    assert len(bench.of(facts.ConsumerStarted)) == len(bench.of(facts.ConsumerEnded))


def test_a_process_that_cannot_be_killed_is_told(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may keep one (state D): the error names it and nobody waits for ever."""
    from pytest_mqchaos.consumers import ending
    from pytest_mqchaos.errors import ChaosError

    consumer = bench.shell("exec sleep 100")
    monkeypatch.setattr(ending, "_KILL_TIMEOUT", 0.05)
    monkeypatch.setattr(type(consumer.replicas[0].process), "signal_group", lambda self, number: None)
    monkeypatch.setattr(type(consumer.replicas[0].process), "ask", lambda self, number, by: True)
    with pytest.raises(ChaosError, match=rf"processes \[{consumer.pids[0]}\] of worker are still there"):
        consumer.end_all(0.0)
    monkeypatch.undo()


def _lives(pid: int) -> bool:
    return any(stat.pid == pid for stat in proc.snapshot())
