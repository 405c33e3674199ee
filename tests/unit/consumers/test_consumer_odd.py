"""Consumers that do what a team would not think of: they are described in few words, and nothing of them is left."""

from __future__ import annotations

import asyncio
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from typing import Any

import pytest

from pytest_mqchaos.consumers import failure, proc
from pytest_mqchaos.consumers.output import last_lines
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model import events as facts

LOUD = "import os, sys; sys.stdout.write(f'to {os.environ[\"AMQP_URL\"]} ' + 'x' * 20_000_000 + '{end}')"


def pid_of(bench: Any, consumer: Any, word: str) -> int:
    """Wait until a consumer has said `word=<pid>` and return the pid."""
    output = bench.await_output(consumer, f"{word}=")
    return int(output.partition(f"{word}=")[2].split()[0])


def gone(bench: Any, pid: int) -> None:
    """Assert that a process is gone, or goes at once."""
    bench.until(lambda: all(stat.pid != pid for stat in proc.snapshot()), lambda: f"{pid} lives")


# --- output ---


@pytest.mark.parametrize("filler", ["x", "a://", "://a:", "\\t", "\\r"])
def test_what_looks_like_an_address_without_end_costs_no_time(bench: Any, filler: str) -> None:
    """A line is looked at once, not once from each of its characters."""
    consumer = bench.start(["python", "-c", f"print('{filler}' * 100_000, 'end')"])
    bench.await_events(facts.ConsumerEnded)
    started = time.process_time()
    assert len(consumer.describe_failure()) < 1000
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize("end", ["", "\\n"])
def test_megabytes_without_a_line_end_are_shown_in_short(bench: Any, end: str) -> None:
    """One line of twenty megabytes is cut, wherever it is shown."""
    consumer = bench.start(["python", "-c", LOUD.replace("{end}", end)])
    bench.await_events(facts.ConsumerEnded)
    assert len(consumer.output) >= 20_000_000
    assert len(consumer.tails["worker"]) < 500
    assert len(consumer.describe_failure()) < 1000


def test_what_is_shown_of_each_replica_is_bounded_and_masked(bench: Any) -> None:
    """The last lines of each that wrote any; no password, no escape of a terminal."""
    script = "case $MQCHAOS_EFFECTS in *#3*) ;; *) seq 1000; printf '\\033[31m%s\\n' $AMQP_URL;; esac"
    consumer = bench.shell(script, replicas=3)
    bench.await_events(facts.ConsumerEnded, 3)
    lines = [*map(str, range(987, 1001)), r"\x1b[31mamqp://***@127.0.0.1:9/a%2Fb"]
    assert {name: tail.splitlines() for name, tail in consumer.tails.items()} == {
        "worker": lines,
        "worker#2": lines,
    }


def test_output_of_all_bytes_is_shown_as_text(bench: Any) -> None:
    """Control characters and what is no UTF-8 are escaped."""
    consumer = bench.start(["python", "-c", r"import os; os.write(1, b'a\0\x1b\x7f\x80\xff\xc3\xa4b')"])
    bench.await_events(facts.ConsumerEnded)
    assert consumer.tails["worker"] == r"a\x00\x1b\x7f\x80\xffäb"


def test_a_line_that_is_torn_is_not_shown(bench: Any) -> None:
    """What is left of an address without its beginning could not be masked; its bytes are counted as left out."""
    path = bench.directory / "output"
    rest = b"x" * ((1 << 16) - len("secret@host/\nlast\n") - 4) + b"\nlast\n"
    path.write_bytes(b"amqp://user:secret@host/\n" + rest)
    assert "secret" not in failure.tail(path)
    lines, left_out = last_lines(path, 0)
    assert "secret" not in "".join(lines)
    assert lines[-1] == "last"
    assert left_out == len(b"amqp://user:secret@host/\n")


# --- commands ---


def test_a_command_that_reads_its_input_is_at_its_end(bench: Any) -> None:
    """It does not wait for somebody to type."""
    consumer = bench.shell("read line || echo end of input")
    bench.await_output(consumer, "end of input")


def test_a_missing_import_is_its_last_word(bench: Any) -> None:
    """With its exit code."""
    consumer = bench.start(["python", "-c", "import no_such_client"])
    bench.await_events(facts.ConsumerEnded)
    assert consumer.describe_failure().splitlines()[0] == (
        "worker: exit code 1; its last words: ModuleNotFoundError: No module named 'no_such_client'"
    )


def test_a_command_that_closes_all_descriptors_is_ended(bench: Any) -> None:
    """It is found by its process, not by what it holds open."""
    program = "import os, time; open('up', 'w').close(); os.closerange(0, 1000); time.sleep(100)"
    consumer = bench.start(["python", "-c", program], cwd=bench.directory)
    bench.until((bench.directory / "up").exists, consumer.describe_failure)
    consumer.end_all(5.0)
    assert consumer.exit_code == -signal.SIGTERM


@pytest.mark.parametrize("handler", ["signal.SIG_IGN", "lambda *_: None"])
def test_a_command_with_a_mind_of_its_own_on_its_children_is_ended_with_them(
    bench: Any, handler: str
) -> None:
    """A worker that ignores SIGCHLD, or handles it, leaves no child behind."""
    program = (
        f"import signal, subprocess, time; signal.signal(signal.SIGCHLD, {handler})\n"
        'print(f\'child={subprocess.Popen(["sleep", "100"]).pid} \', flush=True)\n'
        "while True: time.sleep(100)"
    )
    consumer = bench.start(["python", "-c", program])
    child = pid_of(bench, consumer, "child")
    consumer.end_all(5.0)
    gone(bench, child)


def test_a_command_that_goes_to_the_background_is_known(bench: Any) -> None:
    """What is left is named, in its own group or not, until the end."""
    program = (
        "import os, time\n"
        "if between := os.fork():\n"
        "    os.waitpid(between, 0)\n"
        "    while not os.path.exists('up'): time.sleep(0.001)\n"
        "    os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "open('up', 'w').close()\n"
        "time.sleep(100)"
    )
    consumer = bench.start(["python", "-c", program], cwd=bench.directory)
    replica = consumer.replicas[0]
    assert replica.left_behind() == [] or not replica.alive
    bench.await_events(facts.ConsumerEnded)
    (daemon,) = replica.left_behind()
    consumer.end_all(5.0)
    assert replica.left_behind() == []
    gone(bench, daemon)


# --- callables ---


def test_a_callable_that_closes_all_descriptors_is_ended(bench: Any) -> None:
    """As a program is."""

    def worker(url: str) -> None:
        (bench.directory / "up").touch()
        os.closerange(0, 1000)
        time.sleep(100)

    consumer = bench.start(worker)
    bench.until((bench.directory / "up").exists, consumer.describe_failure)
    consumer.end_all(5.0)
    assert consumer.exit_code == -signal.SIGTERM


def test_a_callable_waits_in_threads_and_hears_the_end(bench: Any) -> None:
    """Its main thread stands in a join, as a pool of workers does."""

    def worker(url: str) -> None:
        thread = threading.Thread(target=time.sleep, args=(100,))
        thread.start()
        print("up")
        thread.join()

    consumer = bench.start(worker)
    bench.await_output(consumer, "up")
    assert consumer.terminate() < 5.0


def test_a_callable_may_handle_signals_on_its_loop(bench: Any) -> None:
    """It drains, since the forked thread is the main one of its process."""

    async def worker(url: str) -> None:
        ending = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ending.set)
        print("up")
        await ending.wait()
        print("drained")

    consumer = bench.start(worker, restart="never")
    bench.await_output(consumer, "up")
    consumer.terminate()
    assert consumer.output == "up\ndrained\n"
    assert consumer.exit_code == 0


@pytest.fixture
def used_forkserver() -> Iterator[None]:
    """A test process that has used the fork server itself."""
    process = multiprocessing.get_context("forkserver").Process(target=abs, args=(1,))
    process.start()
    process.join()
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.usefixtures("used_forkserver")
def test_a_callables_processes_end_with_it(bench: Any, method: str) -> None:
    """However they were started; also where the test process has a fork server, whose children they must not be."""

    def worker(url: str) -> None:
        child = multiprocessing.get_context(method).Process(target=time.sleep, args=(100,))
        child.start()
        print(f"child={child.pid} ")
        child.join()

    consumer = bench.start(worker)
    child = pid_of(bench, consumer, "child")
    assert child in consumer.replicas[0].process.members()
    consumer.end_all(5.0)
    gone(bench, child)


def yields(url: str) -> Iterator[int]:
    """A generator where a function was meant."""
    yield 1


async def yields_async(url: str) -> Any:
    """One that is async."""
    yield 1


@pytest.mark.parametrize("target", [yields, yields_async, functools.partial(yields)])
def test_a_generator_is_refused(bench: Any, target: Callable[..., object]) -> None:
    """Called, it would do nothing and end with exit code 0."""
    with pytest.raises(
        UsageError, match=r"^consumer\(yields\w*\): it has a yield, so nothing of it runs when"
    ):
        bench.start(target)
    assert bench.of(facts.ConsumerStarted) == []


def test_a_callable_that_takes_no_address_is_told_without_our_frames(bench: Any) -> None:
    """The error is all there is: none of its own code was reached."""

    def worker() -> None:
        raise AssertionError

    consumer = bench.start(worker)
    bench.await_events(facts.ConsumerEnded)
    assert consumer.output.endswith("worker() takes 0 positional arguments but 1 was given\n")
    assert consumer.output.startswith("TypeError: ")
    assert len(consumer.output.splitlines()) == 1


def test_no_such_module_of_pythons_own_is_a_problem_here() -> None:
    """These tests lean on what the standard library keeps to itself."""
    assert hasattr(forkserver._forkserver, "_preload_modules"), sys.version  # type: ignore[attr-defined]
