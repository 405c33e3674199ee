"""A Python callable as a consumer: what it keeps of the test, and what it does not."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_mqchaos import probe
from pytest_mqchaos.consumers import forked
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model import events as facts

URL = "amqp://user:secret@127.0.0.1:9/a%2Fb"


def finished(bench: Any, target: Any, **options: Any) -> Any:
    """Run a callable to its end."""
    consumer = bench.start(target, **options)
    bench.await_events(facts.ConsumerEnded)
    return consumer


def test_the_url_comes_first_then_the_arguments(bench: Any) -> None:
    """Text is filled in, other arguments come as they are."""
    seen = object()

    def worker(url: str, *args: object) -> None:
        print(url, args[0], args[1] is seen, args[2])

    assert finished(bench, worker, args=("{host}", seen, 3)).output == f"{URL} 127.0.0.1 True 3\n"


def test_closures_lambdas_partials_methods_and_objects_are_called(bench: Any) -> None:
    """Whatever can be called in the test can be called there."""
    word = "closure"

    class Worker:
        def method(self, url: str) -> None:
            print("method")

        def __call__(self, url: str) -> None:
            print("object")

    def closure(url: str) -> None:
        print(word)

    targets = (
        closure,
        lambda url: print("lambda"),
        functools.partial(print, "partial"),
        Worker().method,
        Worker(),
    )
    said = []
    for number, target in enumerate(targets):
        consumer = bench.start(target, name=f"w{number}")
        bench.await_events(facts.ConsumerEnded, number + 1)
        assert consumer.exit_code == 0, consumer.output
        said.append(consumer.output.split()[0])
    assert said == ["closure", "lambda", "partial", "method", "object"]


def test_async_callables_run_on_a_loop_of_their_own(bench: Any) -> None:
    """An `async def`, and a lambda that returns a coroutine."""

    async def worker(url: str) -> None:
        await asyncio.sleep(0)
        print("on", type(asyncio.get_running_loop()).__name__)

    for number, target in enumerate((worker, lambda url, *_: worker(url))):
        consumer = bench.start(target, name=f"w{number}")
        bench.await_events(facts.ConsumerEnded, number + 1)
        assert consumer.output.startswith("on ")
        assert consumer.exit_code == 0


@pytest.mark.parametrize(
    ("leave", "code", "output"),
    [
        (lambda: None, 0, ""),
        (lambda: "a result", 0, ""),
        (sys.exit, 0, ""),
        (lambda: sys.exit(7), 7, ""),
        (lambda: sys.exit("no broker"), 1, "no broker\n"),
        (lambda: sys.exit(256 + 3), 3, ""),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), -signal.SIGTERM, ""),
        (lambda: os._exit(9), 9, ""),
    ],
)
def test_its_exit_code_is_a_programs(bench: Any, leave: Any, code: int, output: str) -> None:
    """As if the callable were the main program."""
    consumer = finished(bench, lambda url: leave())
    assert (consumer.exit_code, consumer.output) == (code, output)


def test_an_exception_is_a_traceback_of_its_own_code(bench: Any) -> None:
    """No frame of ours, exit code 1."""

    def worker(url: str) -> None:
        raise KeyError("orders")

    consumer = finished(bench, worker)
    assert consumer.exit_code == 1
    assert consumer.output.startswith("Traceback (most recent call last):\n  File ")
    assert consumer.output.endswith("KeyError: 'orders'\n")
    assert "child.py" not in consumer.output


def test_an_interrupt_ends_it_by_its_signal(bench: Any) -> None:
    """As Python does: traceback, and death by SIGINT."""

    def worker(url: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(100)

    consumer = finished(bench, worker)
    assert consumer.exit_code == -signal.SIGINT
    assert consumer.output.endswith("KeyboardInterrupt\n")


def test_its_environment_and_directory_are_its_own(bench: Any, tmp_path: Path) -> None:
    """The test's own stay as they were."""

    def worker(url: str) -> None:
        print(os.environ["AMQP_URL"], os.environ["X"], "HOME" in os.environ, Path.cwd().name)
        subprocess.run(["sh", "-c", "echo $X $MQCHAOS_RUN"], check=True)

    before = dict(os.environ)
    (tmp_path / "there").mkdir()
    consumer = finished(bench, worker, env={"X": "{port}", "HOME": None}, cwd=tmp_path / "there")
    assert consumer.output == f"{URL} 9 False there\n9 abcd\n"
    assert dict(os.environ) == before


def test_it_is_a_session_of_its_own(bench: Any) -> None:
    """So that a kill of its group kills nothing else."""
    consumer = finished(bench, lambda url: print(os.getsid(0) == os.getpgrp() == os.getpid()))
    assert consumer.output == "True\n"


def test_output_survives_a_kill(bench: Any) -> None:
    """Nothing is kept back in a buffer, not even half a line."""

    def worker(url: str) -> None:
        print("half a line", end="")
        os.kill(os.getpid(), signal.SIGKILL)

    assert finished(bench, worker).output == "half a line"


def test_a_socket_of_the_tests_process_is_let_go(bench: Any) -> None:
    """A peer sees the FIN when the test closes its end, though the consumer lives on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        consumer = bench.start(lambda url: time.sleep(100))
        ours.close()
        peer.settimeout(10)
        assert peer.recv(1) == b""
        peer.close()
        assert consumer.replicas[0].alive


def test_a_descriptor_that_was_let_go_is_not_given_to_the_consumer(bench: Any) -> None:
    """When an object of the parent's is finalised in the child it closes a number that nobody else has."""
    ours = socket.socket()
    number = ours.fileno()

    def worker(url: str) -> None:
        fresh = [socket.socket() for _ in range(20)]
        assert number not in [one.fileno() for one in fresh]
        ours.close()
        for one in fresh:
            one.getsockname()
        print("sound")

    assert finished(bench, worker).output == "sound\n"
    ours.close()


def test_files_of_the_run_are_let_go(bench: Any) -> None:
    """History, effects and outputs of others are the plugin's."""
    with (bench.directory / "history.jsonl").open("w") as history:
        number = history.fileno()
        consumer = finished(bench, lambda url: print(Path(f"/proc/self/fd/{number}").readlink()))
    assert consumer.output == "/dev/null\n"


def test_what_the_test_gave_to_the_callable_stays(bench: Any, tmp_path: Path) -> None:
    """An open file, a pipe, a queue and an event of the test's work as they do after any fork."""
    context = multiprocessing.get_context("fork")
    queue, event = context.SimpleQueue(), context.Event()
    reader, writer = os.pipe()
    with (tmp_path / "log").open("a", buffering=1) as log:

        def worker(url: str) -> None:
            log.write("worked\n")
            queue.put("queued")
            os.write(writer, b"piped")
            event.set()

        consumer = finished(bench, worker)
    assert consumer.exit_code == 0, consumer.output
    assert (tmp_path / "log").read_text() == "worked\n"
    assert (queue.get(), os.read(reader, 9), event.is_set()) == ("queued", b"piped", True)
    os.close(reader)
    os.close(writer)


def test_it_has_one_thread_which_is_its_main_one(bench: Any) -> None:
    """Signals can be handled in it, as a draining consumer does."""

    def worker(url: str) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        print(
            threading.active_count(),
            threading.current_thread().name,
            threading.current_thread() is threading.main_thread(),
        )
        time.sleep(100)

    consumer = bench.start(worker, restart="never")
    bench.await_output(consumer, "1 MainThread True\n")
    consumer.terminate()
    assert consumer.exit_code == 5


def test_threads_and_exit_functions_of_its_own_are_waited_for(bench: Any) -> None:
    """As at the end of a program; those of the test's process do not run in it."""
    atexit.register(print, "the parent's")

    def worker(url: str) -> None:
        def late() -> None:
            time.sleep(0.05)
            print("thread")

        atexit.register(print, "exit")
        threading.Thread(target=late).start()
        print("main")

    try:
        assert finished(bench, worker).output == "main\nthread\nexit\n"
    finally:
        atexit.unregister(print)


def test_processes_of_its_own_are_waited_for(bench: Any) -> None:
    """A child started with multiprocessing ends before its parent, as in a program."""
    context = multiprocessing.get_context("fork")

    def child() -> None:
        time.sleep(0.05)
        print("child")

    def worker(url: str) -> None:
        context.Process(target=child).start()
        print("main")

    assert finished(bench, worker).output == "main\nchild\n"


def test_signals_are_as_at_the_start_of_a_program(bench: Any) -> None:
    """No handler of the test's process, nothing blocked, SIGPIPE ignored as Python does."""

    def worker(url: str) -> None:
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGPIPE):
            print(signal.getsignal(number).name)
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.set_wakeup_fd(-1))

    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        assert finished(bench, worker).output == "SIG_DFL\nSIG_DFL\nSIG_IGN\nTrue\nset() -1\n"
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_its_log_goes_to_its_output(bench: Any) -> None:
    """Handlers of pytest are gone; what the application configured goes on, to its own streams."""
    logger = logging.getLogger("orders")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    logger.addHandler(handler)

    def worker(url: str) -> None:
        logger.warning("by its own handler")
        logging.getLogger("other").warning("by the last resort")
        print([type(h).__name__ for h in logging.getLogger().handlers])

    try:
        consumer = finished(bench, worker)
    finally:
        logger.removeHandler(handler)
    assert consumer.output == "orders: by its own handler\nby the last resort\n[]\n"


def test_warnings_are_as_at_the_start_of_a_program(bench: Any) -> None:
    """The tests' `-W error` is not the consumer's; a warning is a line of its output."""

    def worker(url: str) -> None:
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        warnings.warn("mind this", stacklevel=1)
        print("went on")

    with warnings.catch_warnings(record=True):
        warnings.simplefilter("error")
        output = finished(bench, worker).output
    assert "UserWarning: mind this" in output
    assert "old" not in output
    assert output.endswith("went on\n")


def test_reading_its_input_is_the_end_of_a_file(bench: Any) -> None:
    """Nobody types."""
    assert finished(bench, lambda url: print(repr(sys.stdin.read()))).output == "''\n"


def test_the_guard_is_held_around_the_fork_only(bench: Any) -> None:
    """Not while the child sets itself up."""
    seen: list[str] = []

    @contextlib.contextmanager
    def guard() -> Iterator[None]:
        seen.append("in")
        yield
        seen.append("out")

    consumer = bench.start(lambda url: print(*seen), fork_guard=guard)
    bench.await_events(facts.ConsumerEnded)
    assert consumer.output == "in\n"
    assert seen == ["in", "out"]


def test_a_directory_that_vanished_is_one_line(bench: Any, tmp_path: Path) -> None:
    """What the child could not do comes back as our error, and no process stays."""
    (tmp_path / "gone").mkdir()
    consumer = bench.consumer(lambda url: None, cwd=tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(
        ChaosError, match=r"the forked process could not be set up: FileNotFoundError: .*gone"
    ):
        consumer.start()
    assert consumer.pids == []


def test_a_child_that_says_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait for it is bounded, and it is killed."""
    monkeypatch.setattr(forked, "_SETUP_TIMEOUT", 0.05)
    reader, writer = os.pipe()
    silent = subprocess.Popen(["sleep", "100"])
    with pytest.raises(ChaosError, match=r"could not be set up: it said nothing within 0.05 s"):
        forked._await_setup(reader, silent.pid)
    silent.returncode = 0
    os.close(writer)
    os.close(reader)


def test_a_warning_that_became_an_error_in_the_parent_loses_no_child(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.12 raises after the fork where another thread brings its filters in at that moment."""
    fork = os.fork

    def warned() -> int:
        pid = fork()
        if pid:
            raise DeprecationWarning("This process is multi-threaded, use of fork() may lead to deadlocks")
        return pid

    monkeypatch.setattr(os, "fork", warned)
    consumer = bench.start(lambda url: print("alive"))
    bench.await_output(consumer, "alive")
    bench.await_events(facts.ConsumerEnded)
    assert consumer.exit_code == 0


def test_filters_of_warnings_are_as_before(bench: Any) -> None:
    """Nothing stays of the one that silences the fork's warning."""
    before = list(warnings.filters)
    finished(bench, lambda url: None)
    assert list(warnings.filters) == before


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_fork_amid_threads_is_silent_under_error(tmp_path: Path, version: str) -> None:
    """`-W error`, eight busy threads, fifteen forks: no warning, no deadlock, on every Python there is."""
    program = textwrap.dedent(
        f"""
        import contextlib, sys, threading
        from pathlib import Path
        from pytest_mqchaos.consumers.consumer import Consumer, LinkAddress
        from pytest_mqchaos.model.history import History

        def busy():
            while not over.is_set():
                [str(n) for n in range(100)]

        over = threading.Event()
        threads = [threading.Thread(target=busy) for _ in range(8)]
        for thread in threads:
            thread.start()
        link = LinkAddress(name="w", url="u", host="h", port=1, user="u", password="p", vhost="v")
        made = Consumer(lambda url: print("hello"), name="w", links=[link], directory=Path({str(tmp_path)!r}),
                        history=History("abcd"), fork_guard=contextlib.nullcontext)
        try:
            for _ in range(15):
                made.start()
                assert made.replicas[0].process.handled.wait(30)
        finally:
            over.set()
        made.end_all(5)
        assert made.output == "hello\\n" * 15, made.output
        print("done")
        """
    )
    python = sys.executable if version == "{}.{}".format(*sys.version_info) else _python(version)
    if python is None:
        pytest.skip(f"there is no Python {version}")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [Path(probe.__file__).parents[1]]))}
    command = [python, "-B", "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=env)
    assert (done.stdout, done.stderr) == ("done\n", "")


def _python(version: str) -> str | None:
    """Return an interpreter of that version: one of pyenv's, or on PATH."""
    found = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    candidates = [*map(str, found), f"python{version}"]
    for candidate in candidates:
        with contextlib.suppress(OSError):
            shown = subprocess.run([candidate, "-V"], capture_output=True, text=True, check=False)
            if shown.stdout.startswith(f"Python {version}."):
                return candidate
    return None


def test_the_probe_announces_itself_where_the_code_names_it(bench: Any) -> None:
    """No effect at all is then no work at all, though the probe was imported before the fork."""

    def silent(url: str) -> None:
        if url == "never":
            probe.effect("x")

    finished(bench, silent)
    assert (bench.directory / "worker.effects").read_text() == "#probe\n"


def test_the_light_probe_announces_itself_as_well(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of its own distribution, whether it is the module that the code names or what it takes from it."""
    light = ModuleType("mqchaos_probe")
    exec(Path(probe.__file__).read_text(), light.__dict__)
    monkeypatch.setitem(sys.modules, "mqchaos_probe", light)
    effect = light.effect

    def silent(url: str) -> None:
        if url == "never":
            effect("x")

    finished(bench, silent)
    assert (bench.directory / "worker.effects").read_text() == "#probe\n"


def test_the_probe_keeps_still_where_the_code_does_not_name_it(bench: Any) -> None:
    """That the test's module imports it says nothing of this consumer."""
    finished(bench, lambda url: None)
    assert (bench.directory / "worker.effects").read_text() == ""


def test_the_probe_writes_from_the_fork(bench: Any) -> None:
    """To the replica's own file, also after a restart, announced once a process."""

    def worker(url: str) -> None:
        probe.effect(str(os.getpid()))
        print("worked")
        time.sleep(100)

    consumer = bench.start(worker)
    bench.await_output(consumer, "worked")
    consumer.crash()
    bench.await_output(consumer, "worked", 2)
    bench.await_events(facts.ConsumerStarted, 2)  # a child may work before we wrote down that it started
    lines = (bench.directory / "worker.effects").read_text().splitlines()
    pids = [str(process.pid) for process in consumer.replicas[0].processes]
    assert [line for line in lines if line != "#probe"] == pids


def test_a_crash_of_the_interpreter_is_in_its_own_output(bench: Any) -> None:
    """What faulthandler says goes to the consumer's output, not to the tests'."""

    def worker(url: str) -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    consumer = finished(bench, worker)
    assert consumer.exit_code == -signal.SIGSEGV
    if sys.modules["faulthandler"].is_enabled():
        assert "Fatal Python error: Segmentation fault" in consumer.output
