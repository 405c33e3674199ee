"""The life of a consumer's processes: output, ends, restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from pytest_mqchaos.consumers import commands, policy
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.model import events as facts


def ends(bench: Any) -> list[tuple[int | None, str, bool]]:
    """Return exit code, who ended it and whether it is started again, end by end."""
    return [(e.exit_code, e.by, e.restarts) for e in bench.of(facts.ConsumerEnded)]


def test_output_and_errors_are_kept_in_order(bench: Any) -> None:
    """Both streams go to one text."""
    consumer = bench.shell("echo one; echo two >&2; echo three")
    bench.await_events(facts.ConsumerEnded)
    assert consumer.output == "one\ntwo\nthree\n"


def test_the_last_words_of_each_process(bench: Any) -> None:
    """Of each process its own output, by its pid: of long output the end, and how much went before."""
    consumer = bench.shell("for i in $(seq 60); do echo line $i; done; echo amqp://me:secret@host; sleep 100")
    bench.await_output(consumer, "amqp://me:secret@host\n")
    consumer.crash()
    bench.await_events(facts.ConsumerStarted, 2)
    first, second = consumer.replicas[0].last_words()

    assert [first.pid, second.pid] == [event.pid for event in bench.of(facts.ConsumerStarted)]
    assert (len(first.lines), first.lines[0], first.lines[-1]) == (40, "line 22", "amqp://***@host")
    assert first.left_out == len("".join(f"line {n}\n" for n in range(1, 22)))


def test_a_process_that_wrote_nothing_has_no_last_words(bench: Any) -> None:
    """No line is not one empty line."""
    (words,) = bench.shell("sleep 100").replicas[0].last_words()
    assert (words.lines, words.left_out) == ((), 0)


def test_output_is_kept_across_restarts(bench: Any) -> None:
    """What the first process said is still there when the second speaks."""
    consumer = bench.shell("echo $$; sleep 100")
    first = consumer.pids[0]
    bench.await_output(consumer, f"{first}\n")
    consumer.crash()
    bench.await_events(facts.ConsumerStarted, 2)
    second = consumer.pids[0]
    assert bench.await_output(consumer, f"{second}\n") == f"{first}\n{second}\n"


def test_a_line_that_a_kill_has_cut_is_not_gone_on_with(bench: Any) -> None:
    """What the next process writes first begins a line."""
    consumer = bench.shell("printf 'booked order-1'; sleep 100")
    bench.await_output(consumer, "booked order-1")
    consumer.crash()
    bench.await_events(facts.ConsumerStarted, 2)
    bench.await_output(consumer, "booked order-1\nbooked order-1")


def test_output_that_is_no_text_is_shown_escaped(bench: Any) -> None:
    """Bytes that are not UTF-8 lose nothing else."""
    consumer = bench.start(
        ["python", "-c", "import sys; sys.stdout.buffer.write(b'a\\xff\\xfeb \\xc3\\xa4\\n')"]
    )
    bench.await_events(facts.ConsumerEnded)
    assert consumer.output == "a\\xff\\xfeb ä\n"


def test_each_replica_has_its_own_link_effects_and_process(bench: Any) -> None:
    """Two replicas share nothing but the name."""
    consumer = bench.shell("echo $MQCHAOS_EFFECTS; sleep 100", replicas=2)
    bench.await_output(consumer, ".effects\n", 2)
    assert [link.name for link in consumer.links] == ["worker", "worker#2"]
    assert consumer.link is consumer.links[0]
    assert len(set(consumer.pids)) == 2
    assert [Path(line).name for line in consumer.output.split()] == ["worker.effects", "worker#2.effects"]
    assert [replica.pid for replica in consumer.processes] == consumer.pids
    assert consumer.replica("worker#2").pid == consumer.pids[1]
    with pytest.raises(UsageError, match=r"no replica 'x' of worker; there are: worker, worker#2"):
        consumer.replica("x")


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("exit 0", 0, "exit code 0; it wrote nothing"),
        ("echo bad; exit 3", 3, "exit code 3; its last words: bad"),
        ("kill -SEGV $$", -signal.SIGSEGV, "killed by SIGSEGV; it wrote nothing"),
        ("kill -KILL $$", -signal.SIGKILL, "killed by SIGKILL; it wrote nothing"),
        ("kill -35 $$", -35, "killed by signal 35; it wrote nothing"),
    ],
)
def test_how_it_ended_is_told(bench: Any, script: str, code: int, words: str) -> None:
    """Exit codes and signals are told apart, with the tail of the output."""
    consumer = bench.shell(script)
    bench.await_events(facts.ConsumerEnded)
    assert consumer.exit_code == code
    assert ends(bench) == [(code, "itself", False)]
    assert consumer.replicas[0].over
    assert consumer.replicas[0].describe_failure().removeprefix("Segmentation fault\n") == words


@pytest.mark.parametrize("calls", [1, 40])
def test_the_last_words_of_node_are_its_error(bench: Any, calls: int) -> None:
    """It ends with a stack, perhaps a long one, and its version, which tell nobody what was wrong."""
    stack = "loader:1\n  throw err;\n  ^\n\nError: Cannot find module './x'\n"
    stack += "    at y (z:1)\n" * calls + "\nNode.js v20.20.2"
    consumer = bench.shell(f"printf '%s\n' \"{stack}\"; exit 1")
    bench.await_events(facts.ConsumerEnded)
    told = consumer.replicas[0].describe_failure()
    assert told.startswith("exit code 1; its last words: Error: Cannot find module './x'\n")
    assert told.endswith("Node.js v20.20.2")


def test_the_exit_code_of_several_replicas_is_the_first_that_is_not_zero(bench: Any) -> None:
    """One that failed is not hidden by one that did not."""
    consumer = bench.shell("case $MQCHAOS_EFFECTS in *#2*) exit 4;; *) exit 0;; esac", replicas=2)
    bench.await_events(facts.ConsumerEnded, 2)
    assert consumer.exit_code == 4


def test_there_is_no_exit_code_while_it_runs(bench: Any) -> None:
    """None until its end, and the words say that it runs."""
    consumer = bench.shell("echo up; exec sleep 100")
    bench.await_output(consumer, "up")
    assert consumer.exit_code is None
    told = consumer.describe_failure()
    assert told.startswith(f"worker: it still runs (pid {consumer.pids[0]}, ")
    assert told.endswith("s); its last words: up")


def test_the_tail_masks_credentials_and_control_characters(bench: Any) -> None:
    """A printed URL does not carry its password into a report, nor a colour its escape."""
    consumer = bench.shell("printf 'at %s\\n\\033[31mred\\033[0m\\r50%%\\r100%%\\n' $AMQP_URL; exit 1")
    bench.await_events(facts.ConsumerEnded)
    tail = consumer.replicas[0].describe_failure().partition("\n")[2]
    assert tail == "at amqp://***@127.0.0.1:9/a%2Fb\n100%"


def test_the_tail_is_that_of_the_last_process_and_short(bench: Any) -> None:
    """Fifteen lines at most, and none of an earlier life."""
    consumer = bench.shell(
        "if test -e up; then seq 100; else touch up; echo first; fi; exec sleep 100", cwd=bench.directory
    )
    bench.await_output(consumer, "first")
    consumer.crash()
    bench.await_output(consumer, "\n100\n")
    lines = consumer.replicas[0].describe_failure().splitlines()[1:]
    assert lines == [str(n) for n in range(86, 101)]


def test_a_crash_is_followed_by_a_restart(bench: Any) -> None:
    """The default policy starts it again after a process fault."""
    consumer = bench.shell("exec sleep 100")
    first = consumer.pids[0]
    consumer.crash()
    assert ends(bench) == [(-9, "fault", True)]
    bench.await_events(facts.ConsumerStarted, 2)
    assert consumer.pids != [first]


def test_an_end_by_a_fault_restarts_whatever_the_exit_code(bench: Any) -> None:
    """A consumer that drains on SIGTERM and exits 0 was ended by the fault all the same."""
    consumer = bench.shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.01; done")
    bench.await_output(consumer, "up")
    consumer.terminate()
    assert ends(bench) == [(0, "fault", True)]
    bench.await_events(facts.ConsumerStarted, 2)


def test_an_end_by_itself_is_not_restarted_by_default(bench: Any) -> None:
    """No supervisor was declared."""
    bench.shell("exit 0")
    bench.await_events(facts.ConsumerEnded)
    assert ends(bench) == [(0, "itself", False)]


def test_a_policy_of_never_restarts_nothing(bench: Any) -> None:
    """Not even after a fault."""
    consumer = bench.shell("exec sleep 100", restart="never")
    consumer.crash()
    assert ends(bench) == [(-9, "fault", False)]
    assert consumer.replicas[0].over
    assert consumer.pids == []


def test_a_policy_of_always_restarts_twenty_times(bench: Any) -> None:
    """A consumer that cannot live is given up in the end."""
    consumer = bench.shell("exit 2", restart="always")
    bench.await_events(facts.ConsumerEnded, 21)
    assert [again for _, _, again in ends(bench)] == [True] * 20 + [False]
    assert {by for _, by, _ in ends(bench)} == {"itself"}
    assert len(bench.of(facts.ConsumerStarted)) == 21
    assert consumer.exit_code == 2


def test_an_outage_does_not_use_up_the_restarts(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that ends at each refused connection is there when the broker is back."""
    monkeypatch.setattr(policy, "_MOST_RESTARTS", 2)
    down = threading.Event()
    down.set()
    consumer = bench.shell("exit 1", restart="always", outage=down.is_set)
    bench.await_events(facts.ConsumerEnded, 5)
    assert all(again for _, _, again in ends(bench))
    assert not consumer.replicas[0].over
    down.clear()
    bench.until(lambda: not ends(bench)[-1][2], consumer.describe_failure)
    assert consumer.replicas[0].over


def test_how_long_it_may_be_away_is_its_delay(bench: Any) -> None:
    """From its first end on: settling waits as much longer."""
    consumer = bench.shell("exec sleep 100", restart_delay=0.05)
    replica = consumer.replicas[0]
    assert replica.longest_pause == 0.0
    consumer.crash()
    assert replica.longest_pause == 0.05
    bench.await_events(facts.ConsumerStarted, 2)
    assert replica.longest_pause == 0.05


def test_a_restart_waits_for_its_delay(bench: Any) -> None:
    """Between the end and the next start lie as many seconds."""
    consumer = bench.shell("exec sleep 100", restart_delay=0.15)
    consumer.crash()
    assert consumer.replicas[0].restarting
    assert not consumer.replicas[0].over
    started = bench.await_events(facts.ConsumerStarted, 2)[1]
    ended = bench.of(facts.ConsumerEnded)[0]
    assert (started.at - ended.at) / 1e9 >= 0.15
    assert not consumer.replicas[0].restarting


def test_the_end_of_the_test_cuts_a_restart_delay_short(bench: Any) -> None:
    """Nobody waits for a restart that is not wanted any more."""
    consumer = bench.shell("exec sleep 100", restart_delay=1000.0)
    consumer.crash()
    consumer.end_all(5.0)
    assert len(bench.of(facts.ConsumerStarted)) == 1


def test_a_program_that_is_gone_at_the_restart_is_told(bench: Any, tmp_path: Path) -> None:
    """The trouble is one line, and nobody waits for it to come back."""
    script = tmp_path / "worker.sh"
    script.write_text("#!/bin/sh\nexec sleep 100\n")
    script.chmod(0o755)
    consumer = bench.start([str(script)])
    (tmp_path / "cwd").mkdir()
    consumer.cwd = tmp_path
    replica = consumer.replicas[0]
    replica._launch = lambda: (_ for _ in ()).throw(ChaosError("it is gone"))
    consumer.crash()
    with bench.history.changed:
        assert bench.history.changed.wait_for(lambda: replica.trouble is not None, 10)
    assert str(replica.trouble) == "it is gone"
    assert replica.over


def test_restart_by_hand_starts_what_ended(bench: Any) -> None:
    """Whatever the policy."""
    consumer = bench.shell("echo up; exec sleep 100", restart="never")
    consumer.crash()
    consumer.restart()
    assert len(consumer.pids) == 1
    assert len(bench.of(facts.ConsumerStarted)) == 2


def test_restart_by_hand_ends_what_runs_first(bench: Any) -> None:
    """Its end is the test's doing, not a fault's, and it is started once."""
    consumer = bench.shell("exec sleep 100", restart="always")
    first = consumer.pids[0]
    consumer.restart()
    assert consumer.pids != [first]
    assert ends(bench) == [(-15, "plugin", False)]
    assert len(bench.of(facts.ConsumerStarted)) == 2


def test_after_the_end_nothing_is_started(bench: Any) -> None:
    """A restart by hand then says so."""
    consumer = bench.shell("exec sleep 100")
    consumer.end_all(5.0)
    with pytest.raises(ChaosError, match=r"restart\(\): worker was ended for good"):
        consumer.restart()


def test_a_killed_parent_leaves_no_consumer(bench: Any, tmp_path: Path) -> None:
    """SIGKILL of the process that runs the tests takes commands and callables along."""
    program = textwrap.dedent(
        f"""
        import contextlib, os, signal, sys, time
        from pathlib import Path
        from pytest_mqchaos.consumers.consumer import Consumer, LinkAddress
        from pytest_mqchaos.model.history import History

        def worker(url):
            while True:
                time.sleep(100)

        pids = []
        for n, target in enumerate((["sleep", "100"], worker)):
            link = LinkAddress(name=f"w{{n}}", url="u", host="h", port=1, user="u", password="p", vhost="v")
            made = Consumer(target, name=f"w{{n}}", links=[link], directory=Path({str(tmp_path)!r}),
                            history=History("abcd"), fork_guard=contextlib.nullcontext)
            made.start()
            pids += made.pids
        print(*pids, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    if not commands._tied():
        pytest.skip("nothing here can tie a command to its parent")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2, done.stderr
    bench.until(
        lambda: not any(_lives(pid) for pid in pids), lambda: f"{[pid for pid in pids if _lives(pid)]} live"
    )


def test_a_command_is_tied_when_its_start_is_done(tmp_path: Path) -> None:
    """The program that ties it to us has made room for it: before that, our death would leave it behind."""
    tie = commands._tied()
    if not tie:
        pytest.skip("nothing here can tie a command to its parent")
    for _ in range(10):
        pid = commands.spawn(["sleep", "100"], env=dict(os.environ), cwd=tmp_path, output=tmp_path / "out")
        try:
            assert Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] == b"sleep"
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
