"""Process faults: who is killed, who is stopped, and when that is a fact."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.model import events as facts

FAMILY = "sleep 101 & sh -c 'sleep 102 & echo up; wait' & wait"
"""A shell with a child, another with a grandchild: five processes of one group with the first `sleep`."""


def family(bench: Any, **options: Any) -> Any:
    """Return a consumer of several generations."""
    consumer = bench.shell(FAMILY, **options)
    bench.await_output(consumer, "up")
    return consumer


def test_a_crash_takes_the_whole_group(bench: Any) -> None:
    """Grandchildren die with the rest, and nothing is left when it returns."""
    consumer = family(bench, restart="never")
    own = consumer.replicas[0].process
    assert len(own.members()) == 4
    consumer.crash()
    assert proc.members(own.pid) == []
    assert not Path(f"/proc/{own.pid}").exists()


def test_a_crash_of_the_main_process_leaves_its_children(bench: Any) -> None:
    """As a kill by the kernel does; they end with the test."""
    consumer = family(bench, restart="never")
    own = consumer.replicas[0].process
    consumer.crash("main")
    assert consumer.exit_code == -signal.SIGKILL
    assert len(own.members()) == 3
    consumer.end_all(5.0)
    assert proc.members(own.pid) == []


def test_a_crash_of_a_child_leaves_the_main_process(bench: Any) -> None:
    """The oldest child dies, the rest goes on."""
    consumer = family(bench, restart="never")
    own = consumer.replicas[0].process
    before = own.children()
    consumer.crash("child")
    assert own.children() == before[1:]
    assert own.alive
    assert bench.of(facts.ConsumerEnded) == []


def test_an_end_that_follows_a_childs_crash_is_the_faults(bench: Any) -> None:
    """A consumer that cannot go on without its child is started again."""
    consumer = bench.shell("sleep 101 & echo up; wait $!; exit 7")
    bench.await_output(consumer, "up")
    consumer.crash("child")
    ended = bench.await_events(facts.ConsumerEnded)[0]
    assert (ended.exit_code, ended.by, ended.restarts) == (7, "fault", True)


def test_a_crash_without_a_child_is_told(bench: Any) -> None:
    """Nothing was killed, so nothing was tested."""
    consumer = bench.shell("exec sleep 100")
    with pytest.raises(ChaosError, match=r"crash\(\): worker has no child process; worker: it still runs"):
        consumer.crash("child")
    assert consumer.replicas[0].alive


def test_a_crash_of_what_has_ended_is_told(bench: Any) -> None:
    """With how it ended."""
    consumer = bench.shell("exit 3")
    bench.await_events(facts.ConsumerEnded)
    with pytest.raises(ChaosError, match=r"crash\(\): worker does not run; worker: exit code 3"):
        consumer.crash()


def test_an_unknown_process_is_one_line(bench: Any) -> None:
    """The three that there are stand in it."""
    with pytest.raises(UsageError, match=r"crash\(process='all'\): 'group', 'main' or 'child'"):
        bench.shell("exec sleep 100").crash("all")


def test_an_exit_a_moment_before_the_kill_is_its_own() -> None:
    """An exit code that a SIGKILL cannot give tells that the kill came too late."""
    process = Process(0)
    process.expect_end("fault", code=-signal.SIGKILL)
    process.exit_code = 0
    assert process.ender == "itself"
    process.exit_code = -signal.SIGKILL
    assert process.ender == "fault"


def test_stopping_returns_when_the_whole_group_stands(bench: Any) -> None:
    """No thread of any process runs on after it."""
    counting = (
        "import os, threading, time\n"
        "def count():\n"
        "    while True: pass\n"
        "for _ in range(3): threading.Thread(target=count, daemon=True).start()\n"
        "os.fork()\n"
        "print('up', flush=True)\n"
        "count()\n"
    )
    consumer = bench.start(["python", "-c", counting])
    bench.await_output(consumer, "up", 2)
    replica = consumer.replicas[0]
    replica.stop_and_wait(10.0)
    pids = replica.process.members()
    states = [
        p.read_text().rpartition(")")[2].split()[0]
        for pid in pids
        for p in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    assert len(pids) == 2
    assert set(states) == {"T"}
    assert len(states) == 5
    assert replica.frozen
    replica.cont()
    bench.until(lambda: proc.unstopped(replica.process.pid), lambda: "all still stand")


def test_a_group_that_is_stopped_amid_a_fork_stands(bench: Any) -> None:
    """A parent that waits in `vfork` for a child that was stopped before its `exec` cannot run on."""
    consumer = bench.shell("echo up; while :; do /bin/true; done")
    bench.await_output(consumer, "up")
    for _ in range(50):
        consumer.replicas[0].stop_and_wait(10.0)
        consumer.replicas[0].cont()


def test_a_fault_of_its_own_pause_is_not_in_the_history(bench: Any) -> None:
    """Only `freeze` is a fault; the stop before a kill is part of that kill."""
    consumer = bench.shell("exec sleep 100", restart="never")
    consumer.replicas[0].stop_and_wait(10.0)
    assert consumer.replicas[0].crash()
    assert [type(e).__name__ for e in bench.history.snapshot()] == ["ConsumerStarted", "ConsumerEnded"]


def test_what_does_not_stop_in_time_is_told(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread and its state are named."""
    consumer = bench.shell("exec sleep 100")
    monkeypatch.setattr(proc, "unstopped", lambda group: {group: "D"})
    own = consumer.replicas[0].process
    with pytest.raises(
        ChaosError, match=rf"group {own.pid} did not stop within 0.01 s: {own.pid} is in state D"
    ):
        own.wait_stopped(0.01)


def test_freeze_and_thaw_are_facts_of_the_history(bench: Any) -> None:
    """Each once, however often it is asked for."""
    consumer = bench.shell("exec sleep 100")
    for call in (consumer.freeze, consumer.freeze, consumer.thaw, consumer.thaw):
        call()
    names = [type(event).__name__ for event in bench.history.snapshot()]
    assert names == ["ConsumerStarted", "ConsumerFrozen", "ConsumerThawed"]
    assert consumer.describe_failure().startswith("worker: it still runs")


def test_a_frozen_consumer_counts_as_alive(bench: Any) -> None:
    """And is described as frozen."""
    consumer = bench.shell("exec sleep 100")
    consumer.freeze()
    assert consumer.replicas[0].alive
    assert consumer.replicas[0].frozen
    assert consumer.describe_failure().startswith(f"worker: it is frozen (pid {consumer.pids[0]}")


def test_a_frozen_consumer_can_be_crashed(bench: Any) -> None:
    """SIGKILL needs nobody to go on, and the next process is not frozen."""
    consumer = family(bench)
    consumer.freeze()
    consumer.crash()
    bench.await_events(facts.ConsumerStarted, 2)
    assert not consumer.replicas[0].frozen


def test_a_freeze_means_one_process(bench: Any) -> None:
    """One that was started in its place runs on, and so does one that ended before it stood."""
    consumer = family(bench)
    replica = consumer.replicas[0]
    meant = replica.process
    consumer.crash()
    bench.await_events(facts.ConsumerStarted, 2)
    assert not replica.freeze(meant)
    assert not replica.frozen
    replica.process.wait_stopped = lambda _timeout: (
        consumer.crash(),
        bench.await_events(facts.ConsumerStarted, 3),
    )
    assert not replica.freeze(replica.process)
    assert not replica.frozen
    assert bench.of(facts.ConsumerFrozen) == []


def test_a_stopped_group_goes_on_after_the_crash_of_its_main_process(bench: Any) -> None:
    """Orphans are not left standing."""
    consumer = family(bench, restart="never")
    replica = consumer.replicas[0]
    replica.stop_and_wait(10.0)
    replica.crash("main")
    bench.until(
        lambda: len(proc.unstopped(replica.process.pid)) == 3,
        lambda: f"running: {proc.unstopped(replica.process.pid)}",
    )


def test_terminate_waits_for_the_drain(bench: Any) -> None:
    """The seconds are those that it took."""
    consumer = bench.shell(
        "trap 'sleep 0.2; exit 0' TERM; echo up; while :; do sleep 0.01; done", restart="never"
    )
    bench.await_output(consumer, "up")
    assert 0.2 <= consumer.terminate() < 8.0
    assert consumer.exit_code == 0


def test_terminate_kills_after_the_grace(bench: Any) -> None:
    """A consumer that ignores SIGTERM is gone all the same."""
    consumer = bench.shell("trap '' TERM; echo up; while :; do sleep 0.01; done", restart="never")
    bench.await_output(consumer, "up")
    assert 0.1 <= consumer.terminate(grace=0.1) < 8.0
    assert consumer.exit_code == -signal.SIGKILL
    assert [e.by for e in bench.of(facts.ConsumerEnded)] == ["fault"]


def test_terminate_reaches_a_consumer_behind_a_shell(bench: Any) -> None:
    """Once the shell has died of its SIGTERM, the program that it started is asked, not killed."""
    worker = "trap 'echo drained; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    consumer = bench.shell(f'sh -c "{worker}"; true', restart="never")
    bench.await_output(consumer, "up")
    consumer.terminate()
    assert "drained" in consumer.output
    assert consumer.replicas[0].process.cleared


def test_terminate_of_a_stopped_consumer_lets_it_hear(bench: Any) -> None:
    """A fault stops it first."""
    consumer = bench.shell(
        "trap 'echo drained; exit 0' TERM; echo up; while :; do sleep 0.01; done", restart="never"
    )
    bench.await_output(consumer, "up")
    consumer.replicas[0].stop_and_wait(10.0)
    consumer.terminate()
    assert consumer.output == "up\ndrained\n"


def test_who_was_asked_to_end_is_waited_for_not_its_successor(bench: Any) -> None:
    """A consumer that ends and is started again before anybody waits costs no grace, and its successor lives on."""
    consumer = bench.shell("exec sleep 100")
    replica = consumer.replicas[0]
    replica.begin_end()
    bench.await_events(facts.ConsumerStarted, 2)
    bench.until(lambda: replica.alive, consumer.describe_failure)
    successor = replica.pid
    assert replica.finish_end(10.0) < 5.0
    assert replica.pid == successor
    assert [e.exit_code for e in bench.of(facts.ConsumerEnded)] == [-signal.SIGTERM]


def test_a_slow_drain_beside_it_does_not_let_a_successor_be_killed(bench: Any) -> None:
    """The second replica is back before the first has drained: it was not asked, so it is not waited for."""
    slow = "trap 'sleep 0.5; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    script = f"case $MQCHAOS_EFFECTS in *#2*) echo up; exec sleep 100;; *) {slow};; esac"
    consumer = bench.shell(script, replicas=2)
    bench.await_output(consumer, "up", 2)
    assert consumer.terminate() < 5.0
    bench.await_events(facts.ConsumerStarted, 4)
    assert sorted(e.exit_code for e in bench.of(facts.ConsumerEnded)) == [-signal.SIGTERM, 0]


def test_nobody_asked_is_nobody_waited_for(bench: Any) -> None:
    """What had ended before it could be asked costs nothing."""
    consumer = bench.shell("exit 0")
    bench.await_events(facts.ConsumerEnded)
    consumer.replicas[0].begin_end()
    assert consumer.replicas[0].finish_end(10.0) == 0.0


@pytest.mark.parametrize("grace", [-1, "1", True, None])
def test_a_wrong_grace_is_one_line(bench: Any, grace: Any) -> None:
    """It names the value."""
    with pytest.raises(UsageError, match=r"^terminate\(\): grace=.*: seconds, 0 or more$"):
        bench.consumer(["true"]).terminate(grace)


def test_two_replicas_are_terminated_at_once(bench: Any) -> None:
    """The second does not wait for the first."""
    script = "trap 'sleep 1; exit 0' TERM; echo up; while :; do sleep 0.01; done"
    consumer = bench.shell(script, replicas=2, restart="never")
    bench.await_output(consumer, "up", 2)
    assert consumer.terminate() < 1.95
    assert [replica.exit_code for replica in consumer.replicas] == [0, 0]


def test_faults_from_many_threads_at_once_do_no_harm(bench: Any) -> None:
    """Crashes, freezes and restarts that meet leave one process or none, and no error but ours."""
    consumer = bench.shell("exec sleep 100")
    errors: list[BaseException] = []

    def shake(call: Any) -> None:
        try:
            for _ in range(10):
                try:
                    call()
                except ChaosError as error:
                    assert "does not run" in str(error)  # noqa: PT017 - in a thread
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=shake, args=(call,))
        for call in (consumer.crash, consumer.freeze, consumer.thaw, consumer.terminate, consumer.restart)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    started, ended = len(bench.of(facts.ConsumerStarted)), len(bench.of(facts.ConsumerEnded))
    assert started - ended <= 1


def test_no_signal_meets_a_stranger(bench: Any) -> None:
    """Once nothing of a group is left its number is not used again, whoever has it by then."""
    consumer = bench.shell("exit 0")
    own = consumer.replicas[0].process
    bench.until(lambda: own.cleared, lambda: f"members {own.members()}")
    number, own.pid = own.pid, os.getpid()  # as if the number had been given to another
    own.signal_group(signal.SIGTERM)
    assert not own.signal_main(signal.SIGTERM)
    own.cont()
    own.pid = number


def test_a_child_that_another_took_over_is_not_killed() -> None:
    """A number that is no child of the consumer any more is left alone."""
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exec sleep 100"], os.environ)
    try:
        assert not proc.kill(pid, parent=pid, timeout=1.0)
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_process_that_somebody_else_waited_for_has_no_exit_code() -> None:
    """A test that waits for any child takes the code; the end is noticed all the same."""
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], os.environ)
    os.waitpid(pid, 0)
    process, told = Process(pid), threading.Event()
    process.watch(lambda _: told.set())
    assert told.wait(10)
    assert process.exit_code is None
    assert not process.alive
