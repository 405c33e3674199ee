"""Consumers that are images, on an engine that starts processes of this host: what is signalled, what is asked for."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mqchaos.consumers import afar, proc
from pytest_mqchaos.consumers.addresses import LinkAddress, environment
from pytest_mqchaos.consumers.launching import ImageTarget
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.image import ContainerPlan, ImageFacts, Reach, docker_image

INIT = ["sh", "-c", '"$@"; exit $?', "init"]
HEARS = "import signal, sys, time; signal.signal(signal.{0}, lambda *_: sys.exit(7)); print('up'); time.sleep(100)"
LASTS = "import time; print('up'); time.sleep(100)"


class Contained:
    """A process that stands for a container, and what was asked of it."""

    def __init__(self, plan: ContainerPlan, output: Path, *, pid: int | None) -> None:
        self.name = f"mqchaos-{plan.name}"
        self.asked: list[object] = []
        env = dict(line.split("=", 1) for line in plan.env if "=" in line)
        command = [*(INIT if plan.init else ()), *(plan.command or ())]
        with output.open("ab") as sink:
            self.popen = subprocess.Popen(command, env=env, stdout=sink, stderr=sink, start_new_session=True)
        self.pid = self.popen.pid if pid is None else pid

    def wait(self) -> int:
        """Wait for its first process, and end what is left, as the end of a container does."""
        code = self.popen.wait()
        self._kill()
        return 128 - code if code < 0 else code

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)

    def send(self, number: int) -> None:
        """Note it, and do it."""
        self.asked.append(number)
        os.killpg(self.popen.pid, number)

    def pause(self) -> None:
        """Note it."""
        self.asked.append("pause")

    def resume(self) -> None:
        """Note it."""
        self.asked.append("resume")

    def remove(self) -> None:
        """Note it, and end it."""
        self.asked.append("remove")
        self._kill()
        self.popen.wait()


class Engine:
    """Starts processes for containers, and keeps what was planned."""

    def __init__(self) -> None:
        self.plans: list[ContainerPlan] = []
        self.containers: list[Contained] = []
        self.pid: int | None = None
        """What containers are said to have as their process 1."""

    def start(self, plan: ContainerPlan, output: Path) -> Contained:
        """Start one."""
        self.plans.append(plan)
        self.containers.append(Contained(plan, output, pid=self.pid))
        return self.containers[-1]


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine of which nothing is left."""
    engine = Engine()
    yield engine
    for one in engine.containers:
        one.remove()


NATIVE = Reach(network="host", host="127.0.0.1", native=True)
FACTS = ImageFacts(
    reach=NATIVE,
    env={"PATH": os.environ["PATH"], "OWN": "image's"},
    command=("own", "command"),
    working_dir="/app",
    user=str(os.getuid()),
    stop_signal="",
)


@pytest.fixture
def target(engine: Engine, tmp_path: Path) -> Callable[..., ImageTarget]:
    """Return what makes a target of the words of `docker_image`, and of facts that differ."""

    def make(
        *, files: tuple[Path, ...] = (), known: dict[str, Any] | None = None, **said: Any
    ) -> ImageTarget:
        return ImageTarget(
            image=docker_image("repo/worker:1", **said),
            facts=replace(FACTS, **(known or {})),
            containers=engine,
            folder=tmp_path,
            files=files,
        )

    return make


def python(program: str, *more: str) -> list[str]:
    """Return the command of a program in Python."""
    return [sys.executable, "-uc", program, *more]


# --- what is asked of the engine ---


def test_what_is_planned(bench: Any, engine: Engine, target: Any, tmp_path: Path) -> None:
    """Placeholders are filled in; nothing of our environment is there, and of the image's what nobody removes."""
    book = tmp_path / "elsewhere" / "orders.log"
    book.parent.mkdir()
    bench.consumer(
        target(
            command=["sleep", "100", "{host}:{port}"],
            volumes={str(book.parent): "/data", sys.prefix: "/python:ro"},
            files=(Path("work.log"), book),
            user="0:0",
        ),
        cwd=tmp_path,
        env={"URL": "{url}", "OWN": None},
        args=["--vhost={vhost}", 3],
    )._supervisor.call(lambda: None)
    launch = bench.consumers[0].replicas[0]._launch
    launch()
    (plan,) = engine.plans
    assert plan.command == ("sleep", "100", "127.0.0.1:9", "--vhost=a/b", "3")
    assert plan.entrypoint is None
    assert plan.mounts == (
        (str(tmp_path), str(tmp_path), False),
        (str(book.parent), "/data", False),
        (str(Path(sys.prefix).resolve()), "/python", True),
    )
    given = dict(line.split("=", 1) for line in plan.env if "=" in line)
    assert given["URL"] == given["AMQP_URL"] == "amqp://user:secret@127.0.0.1:9/a%2Fb"
    assert given["MQCHAOS_RUN"] == "abcd"
    assert "HOME" not in given
    assert [line for line in plan.env if "=" not in line] == ["OWN"]
    assert (plan.network, plan.init, plan.user, plan.name) == ("host", os.geteuid() == 0, "0:0", "worker")


def test_files_of_effects_are_inside(bench: Any, engine: Engine, target: Any, tmp_path: Path) -> None:
    """Each is made for anybody to append to; an absolute one is at its own path, a relative one where it works."""
    host, inner = tmp_path / "host", tmp_path / "run"
    host.mkdir()
    made = replace(target(command=python(LASTS), files=(Path("work.log"), host / "book")), folder=inner)
    bench.start(made, cwd=host)
    assert engine.plans[0].mounts[1:] == (
        (str(host / "work.log"), "/app/work.log", False),
        (str(host / "book"), str(host / "book"), False),
    )
    assert [(host / name).stat().st_mode & 0o666 for name in ("work.log", "book")] == [0o666, 0o666]


def test_arguments_follow_the_images_own_command(bench: Any, engine: Engine, target: Any) -> None:
    """Unless it gets another entrypoint, with which an engine drops the image's command."""
    for said in ({}, {"entrypoint": ["run"]}):
        made = bench.consumer(target(**said), name=f"worker{len(bench.consumers)}", args=["-v"])
        with contextlib.suppress(FileNotFoundError):  # there is no such program
            made.replicas[0]._launch()
    assert [plan.command for plan in engine.plans] == [("own", "command", "-v"), ("-v",)]


def test_a_volume_that_is_not_there_is_one_line(bench: Any, target: Any) -> None:
    """Docker would make a folder of it."""
    with pytest.raises(UsageError, match=r"there is no '.*/conf' on this host"):
        bench.consumer(target(volumes={"conf": "/conf"}))


def test_an_engine_in_another_machine(bench: Any, engine: Engine, target: Any) -> None:
    """Nothing there is a process of ours, whatever its number: the program is process 1, and the engine signals."""
    far = Reach(network="bridge", host="host.docker.internal", native=False)
    consumer = bench.start(target(command=python(LASTS), known={"reach": far}), restart="never")
    bench.await_output(consumer, "up")
    assert not engine.plans[0].init
    process = consumer.replicas[0].process
    assert "engine pauses it" in process.blur
    consumer.freeze()
    consumer.thaw()
    with pytest.raises(ChaosError, match="no child of it alone"):
        consumer.crash("child")
    consumer.crash()
    assert engine.containers[0].asked[:3] == ["pause", "resume", signal.SIGKILL]
    assert consumer.exit_code == -signal.SIGKILL


# --- whose processes they are ---


def test_the_program_is_its_first_process(bench: Any, engine: Engine, target: Any) -> None:
    """Docker's init is not what is meant by it, nor stopped."""
    consumer = bench.start(target(command=python(LASTS)))
    bench.await_output(consumer, "up")
    init = engine.containers[0].pid
    assert proc.children(init) == consumer.pids
    assert consumer.replicas[0].process.members() == consumer.pids
    assert consumer.replicas[0].process.blur == ""


def test_without_an_init_it_is_process_1(bench: Any, engine: Engine, target: Any) -> None:
    """And the account can say that some moments are struck late."""
    consumer = bench.start(target(command=python(LASTS), init=False))
    bench.await_output(consumer, "up")
    assert consumer.pids == [engine.containers[0].pid]
    assert "init=False" in consumer.replicas[0].process.blur


@pytest.mark.parametrize("pid", [os.getppid(), 0, 2**22 + 1])
def test_a_number_that_is_not_its_own_is_never_signalled(
    bench: Any, engine: Engine, target: Any, pid: int
) -> None:
    """An engine may count otherwise: what does not bear the container's mark is a stranger."""
    engine.pid = pid
    consumer = bench.start(target(command=python(LASTS)))
    bench.await_output(consumer, "up")
    consumer.freeze()
    consumer.thaw()
    consumer.crash()
    assert engine.containers[0].asked[:3] == ["pause", "resume", signal.SIGKILL]
    consumer.end_all(0)
    bench.consumers.clear()  # what has that number is not to be gone


def test_all_of_it_stands(bench: Any, target: Any) -> None:
    """A child in a session of its own as well, and all of it goes on."""
    program = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'while True: pass'], start_new_session=True)\n"
        "print('up')\n"
        "while True: pass\n"
    )
    consumer = bench.start(target(command=python(program)))
    bench.await_output(consumer, "up")
    process = consumer.replicas[0].process
    consumer.freeze()
    assert [proc.stands(pid) for pid in process.members()] == [True, True]
    consumer.thaw()
    bench.until(lambda: len(process._handle.unstopped()) == 2, lambda: "it stands")


def test_the_group_is_of_who_talks_on_the_link(bench: Any, target: Any) -> None:
    """An init of the image's own may put its program into another group than its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        talks = f"import socket, time; s = socket.create_connection(('127.0.0.1', {port})); time.sleep(100)"
        program = (
            "import subprocess, sys, time\n"
            "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], process_group=0)\n"
            "print(child.pid)\n"
            "time.sleep(100)\n"
        )
        consumer = bench.consumer(target(command=python(program, talks)))
        consumer.replicas[0]._launch.keywords["port"] = port
        consumer.start()
        server.settimeout(20)
        with server.accept()[0]:
            process = consumer.replicas[0].process
            child = int(consumer.output)
            assert process.group == child != process.pid
            process.halt()
            bench.until(lambda: proc.stands(child), lambda: "it runs on")
            assert process.stands


# --- its end ---


@pytest.mark.parametrize(("program", "code"), [("exit 3", 3), ("kill -KILL $$", -9), ("exit 255", 255)])
def test_exit_codes(bench: Any, target: Any, program: str, code: int) -> None:
    """An engine says 137 of what a SIGKILL ended."""
    consumer = bench.start(target(command=["sh", "-c", program]))
    bench.await_events(facts.ConsumerEnded)
    assert consumer.exit_code == code


def test_a_restart_is_another_container(bench: Any, engine: Engine, target: Any) -> None:
    """What a crash left is removed."""
    consumer = bench.start(target(command=python(LASTS)))
    bench.await_output(consumer, "up")
    consumer.crash()
    bench.await_events(facts.ConsumerStarted, 2)
    first, second = engine.containers
    assert first.asked[-1] == "remove"
    assert consumer.pids == proc.children(second.pid)


@pytest.mark.parametrize(
    ("said", "number"), [("", "SIGTERM"), ("SIGQUIT", "SIGQUIT"), ("quit", "SIGQUIT"), ("3", "SIGQUIT")]
)
def test_it_is_asked_by_its_images_signal(bench: Any, target: Any, said: str, number: str) -> None:
    """Whichever way the image names it."""
    consumer = bench.start(
        target(command=python(HEARS.format(number)), known={"stop_signal": said}), restart="never"
    )
    bench.await_output(consumer, "up")
    assert consumer.terminate() < 10
    assert consumer.exit_code == 7


def test_what_process_1_would_not_hear_is_not_sent(bench: Any, target: Any) -> None:
    """As in earnest it goes on to the end of the grace, and the account says why."""
    consumer = bench.start(target(command=python(LASTS)), restart="never")
    bench.await_output(consumer, "up")
    assert consumer.terminate(grace=0.3) >= 0.3
    assert consumer.exit_code == -signal.SIGKILL
    (note,) = [event.text for event in bench.history.snapshot() if isinstance(event, facts.Noted)]
    assert note.startswith("worker: its program has no handler for SIGTERM")


def test_at_the_tests_end_nobody_waits_for_the_deaf(bench: Any, target: Any) -> None:
    """What would not hear it is killed at once."""
    consumer = bench.start(target(command=python(LASTS)))
    bench.await_output(consumer, "up")
    consumer.end_all(60)
    assert consumer.exit_code == -signal.SIGKILL


def test_unknown_stop_signals_are_sigterm() -> None:
    """An engine would do the same."""
    assert afar.stop_signal("SIGNOTHING") == afar.stop_signal("999") == signal.SIGTERM


# --- what it is called there ---


def test_an_address_as_another_machine_has_it() -> None:
    """The link and the services that we stand in for are on our loopback interface, by whatever name."""
    own = LinkAddress(
        name="worker", url="amqp://127.0.0.1:x@127.0.0.1:9/v", host="127.0.0.1", port=9, user="127.0.0.1", password="x",
        vhost="v", services={"pay": "http://127.0.0.1:8/127.0.0.1:8"})  # fmt: skip
    seen = own.seen_from("host.docker.internal")
    assert seen.url == "amqp://127.0.0.1:x@host.docker.internal:9/v"
    assert (
        seen.fill("{host}:{port} {http}")
        == "host.docker.internal:9 http://host.docker.internal:8/127.0.0.1:8"
    )
    assert own.seen_from("127.0.0.1") is own
    found = environment(seen, effects=Path("/e"), run="abcd", env=None, base={"no_proxy": "corp"})
    assert found["no_proxy"] == "corp,host.docker.internal"
    assert "HOME" not in found
