"""Sessions of pytest that are ended in all ways, and what is left of them: processes, ports, folders, containers."""

import glob
import os
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


LOOPBACK = {"0100007F", f"{1 << 24:032X}", "0000000000000000FFFF00000100007F"}
"""127.0.0.1, ::1, and the former within IPv6, as the kernel writes them."""


def ports(pids):
    """Return the ports at which these processes listen."""
    return {port for _, port in listeners(pids)}


def listeners(pids):
    """Return the addresses and ports at which these processes listen."""
    inodes = set()
    for pid in pids:
        with suppress(OSError):
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    inodes.add(str(entry.readlink()))
    return {(address, port) for address, port, inode in listening() if inode in inodes}


def listening():
    """Yield every address and port of this host that is listened at, with its socket."""
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                address, _, port = fields[1].partition(":")
                yield address, int(port, 16), f"socket:[{fields[9]}]"


def family(pid):
    """Return a process and all that descend from it."""
    return {pid} | {each for child in _children(pid) for each in family(child)}


def children(parent):
    """Return the living children of a process that are no guards."""
    return {pid for pid in _children(parent) if b"guardian.py" not in _command(pid)}


def guards(running):
    """Return the guards of a session."""
    return guards_of(running.process.pid)


def guards_of(parent):
    """Return the guards of a process."""
    return {pid for pid in _children(parent) if b"guardian.py" in _command(pid)}


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


def there(folder, pattern):
    """Return what there is by a pattern; unlike `Path.glob` it does not mind folders that go meanwhile."""
    found = glob.glob(pattern, root_dir=folder, recursive=True, include_hidden=True)  # noqa: PTH207
    return [folder / name for name in found]


def until(what, seconds, fact):
    """Wait for a fact, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return found


def on_engine(tags):
    """Return the containers and networks that there are of runs."""
    found = []
    for tag in tags if DOCKER else ():
        for words in (["ps", "-aq"], ["network", "ls", "-q"]):
            command = ["docker", *words, "--filter", f"label=mqchaos.run={tag}"]
            found += subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return found


class Session:
    """A session of pytest that is about to be ended, in a folder that all it starts has to do with."""

    def __init__(self, folder, phase, *arguments, source=PROJECT, temporary=None, env=None):
        self.folder = folder
        self.temporary = temporary or folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        (folder / "test_it.py").write_text(source)
        (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        environment = {
            **os.environ,
            "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "PHASE": phase,
            "TMPDIR": str(self.temporary),
            **(env or {}),
        }
        environment.pop("CI", None)
        environment.setdefault("PYTEST_MQCHAOS_SERVERS", "process")
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
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
            until(self.output, 30, lambda: there(self.temporary, "mqchaos-*/servers-*"))
        else:
            until(self.output, 60, (self.folder / "reached").exists)
        self.ports = ports({self.process.pid, *traces(self.folder)})
        self.tags = [entry.name.removeprefix("mqchaos-") for entry in there(self.temporary, "mqchaos-*")]

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
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"it does not end\n{self.output()}")

    def nothing_left(self):
        """Assert that soon nothing is left of it."""
        deadline = time.monotonic() + WITHIN
        while left := (
            self.processes(),
            self.ports & {port for _, port, _ in listening()},
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
        return on_engine(self.tags)

    def folders(self):
        """Return what it left in its folder for temporary files."""
        return [entry.name for entry in self.temporary.iterdir() if entry.name.startswith("mqchaos")]
