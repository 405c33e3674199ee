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

WITHIN = 3.0
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

@pytest.mark.chaos(baseline())
def test_it(mqchaos, around):
    mqchaos.queue("orders")
    mqchaos.consumer(correct.ack_after_work, name="forked", env={"WORK": "0.2" if PHASE == "settle" else "0"})
    mqchaos.consumer([sys.executable, "-c", FAMILY], name="family", ready_timeout=10)
    mqchaos.publish("orders", count=60 if PHASE == "settle" else 5, body=lambda n, rng: {"n": n})
    reached("call")
    if PHASE == "settle":
        threading.Timer(0.5, pathlib.Path("reached").touch).start()
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

    def await_phase(self, phase):
        """Wait until it has come to its phase."""
        if phase == "server start":
            until(self.output, 30, lambda: list(self.temporary.glob("mqchaos-*/servers-*")))
        else:
            until(self.output, 60, (self.folder / "reached").exists)
        self.ports = ports({self.process.pid, *traces(self.folder)})

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
        while left := (traces(self.folder), self.ports & dict(listening()).keys(), self.folders()):
            if not any(left):
                return
            assert time.monotonic() < deadline, f"{left}\n{self.output()}"
            time.sleep(0.02)

    def folders(self):
        """Return what it left in its folder for temporary files."""
        return [entry.name for entry in self.temporary.iterdir() if entry.name.startswith("mqchaos")]


@pytest.fixture
def session(tmp_path):
    """Return a function that starts a session in a phase and waits for it."""
    started = []

    def start(phase, *arguments):
        started.append(Session(tmp_path, phase, *arguments))
        started[-1].await_phase(phase)
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


SIGNALS = {
    "INT": (signal.SIGINT,),
    "INT INT": (signal.SIGINT, signal.SIGINT),
    "TERM": (signal.SIGTERM,),
    "KILL": (signal.SIGKILL,),
}


@pytest.mark.parametrize("phase", ["collection", "server start", "setup", "call", "settle", "teardown"])
@pytest.mark.parametrize("name", SIGNALS)
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
