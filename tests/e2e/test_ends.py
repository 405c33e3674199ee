"""However a session of pytest ends, within three seconds nothing of ours is left: no process, port or folder."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from e2e_kit import HERE

DOCKER = os.environ.get("PYTEST_MQCHAOS_SERVERS") == "docker"
WITHIN = 10.0 if DOCKER else 3.0  # the engine takes two seconds and more to take the published ports down
PROJECT = """
import os, pathlib, subprocess, sys, threading, time
import pytest
from pytest_mqchaos import *
from consumers import correct

PHASE = os.environ["PHASE"]

def reached(name):
    if PHASE == name:
        pathlib.Path("reached").touch()
        time.sleep(60)

reached("collection")

@pytest.fixture
def around(mqchaos):
    if PHASE == "setup":
        mqchaos.queue("orders")
        mqchaos.consumer(correct.ack_after_work)
    reached("setup")
    yield
    reached("teardown")

@pytest.mark.chaos(baseline(), evidence="broker", allow="*")
def test_it(mqchaos, around):
    mqchaos.queue("orders")
    mqchaos.consumer(correct.ack_after_work, name="forked", env={"WORK": "0.2" if PHASE == "settle" else "0"})
    mqchaos.consumer([sys.executable, "-c", FAMILY], name="family", ready_timeout=10)
    mqchaos.publish("orders", count=60 if PHASE == "settle" else 5, body=lambda n, rng: {"n": n})
    reached("call")
    if PHASE == "settle":
        threading.Timer(0.5, pathlib.Path("reached").touch).start()
    if PHASE == "other":
        pathlib.Path("reached").touch()
        while not pathlib.Path("go on").exists():
            time.sleep(0.02)
        mqchaos.publish("orders", count=5, body=lambda n, rng: {"n": n})
    if PHASE == "_exit":
        pathlib.Path("reached").touch()
        time.sleep(0.2)
        os._exit(3)

# A consumer with a child in a session of its own, which hides its environment's mark as best it can.
FAMILY = '''
import os, subprocess, sys, time, pika
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True, cwd="/")
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], env={}, cwd="/")
connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
channel = connection.channel()
channel.queue_declare("family")
channel.basic_consume("family", lambda *a: None)
channel.start_consuming()
'''
"""


def traces(folder):
    """Return the processes that have to do with a folder, by whatever shows it: pid and command."""
    name, found = os.fsencode(folder), {}
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        seen = []
        for part in ("environ", "cmdline"):
            with suppress(OSError):
                seen.append((process / part).read_bytes())
        for part in ("cwd", "exe", "fd/0", "fd/1", "fd/2"):
            with suppress(OSError):
                seen.append(os.fsencode((process / part).readlink()))
        if any(name in each for each in seen):
            found[int(process.name)] = seen[1][:100] if len(seen) > 1 else b""
    return found


def ports(pids):
    """Return the ports at which these processes listen."""
    inodes = set()
    for pid in pids:
        with suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(str(entry.readlink()))
    return {port for port, inode in listening() if inode in inodes}


def listening():
    """Yield every port of this host that is listened at, with its socket."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            yield int(fields[1].rpartition(":")[2], 16), f"socket:[{fields[9]}]"


def children(parent):
    """Return the living children of a process that are no guards."""
    return {pid for pid in _children(parent) if b"guardian.py" not in _command(pid)}


def guards(running):
    """Return the guards of a session."""
    return {pid for pid in _children(running.process.pid) if b"guardian.py" in _command(pid)}


def _children(parent):
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                yield int(stat.parent.name)


def _command(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def until(what, seconds, fact):
    """Wait for a fact, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return found


class Session:
    """A session of pytest that is about to be ended, in a folder that all it starts has to do with."""

    def __init__(self, folder, phase, *arguments):
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        (folder / "test_it.py").write_text(PROJECT)
        (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        environment = {
            **os.environ,
            "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "PHASE": phase,
            "TMPDIR": str(self.temporary),
        }
        environment.pop("CI", None)
        environment.setdefault("PYTEST_MQCHAOS_SERVERS", "process")
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *arguments],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.ports = set()
        self.workers = set()
        self.tags = []

    def await_phase(self, phase):
        """Wait until it has come to its phase."""
        if phase == "server start":
            until(self.output, 30, lambda: list(self.temporary.glob("mqchaos-*/servers-*")))
        else:
            until(self.output, 60, (self.folder / "reached").exists)
        self.ports = ports({self.process.pid, *traces(self.folder)})
        self.tags = [entry.name.removeprefix("mqchaos-") for entry in self.temporary.glob("mqchaos-*")]

    def output(self):
        """Return what it said."""
        return (self.folder / "output").read_text(errors="replace")

    def send(self, *numbers):
        """Send signals a moment apart, and wait for its end."""
        for number in numbers:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)
            if len(numbers) > 1:
                time.sleep(0.3)
        self.wait()

    def wait(self):
        """Wait for its end."""
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"it does not end\n{self.output()}")

    def nothing_left(self):
        """Assert that soon nothing is left of it."""
        deadline = time.monotonic() + WITHIN
        while left := (
            self.processes(),
            self.ports & dict(listening()).keys(),
            self.folders(),
            self.on_engine(),
        ):
            if not any(left):
                return
            assert time.monotonic() < deadline, f"{left}\n{self.output()}"
            time.sleep(0.02)

    def processes(self):
        """Return what is left of its processes; xdist's workers are not ours."""
        return {pid: what for pid, what in traces(self.folder).items() if pid not in self.workers}

    def on_engine(self):
        """Return the containers and networks that are left of it."""
        if not DOCKER:
            return []
        found = []
        for tag in self.tags:
            for words in (["ps", "-aq"], ["network", "ls", "-q"]):
                command = ["docker", *words, "--filter", f"label=mqchaos.run={tag}"]
                found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return found

    def folders(self):
        """Return what it left in its folder for temporary files."""
        return [entry.name for entry in self.temporary.iterdir() if entry.name.startswith("mqchaos")]


@pytest.fixture
def session(tmp_path):
    """Return a function that starts a session in a phase and waits for it."""
    started = []

    def start(phase, *arguments):
        folder = tmp_path / phase.replace(" ", "-")
        folder.mkdir()
        started.append(Session(folder, phase, *arguments))
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
