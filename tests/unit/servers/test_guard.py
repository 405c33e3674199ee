"""The guard: what it finds, what it leaves alone, and that it stands before anything else does."""

import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers import guard as module
from pytest_mqchaos.servers.guard import Guard, new_run, tagged
from pytest_mqchaos.servers.guardian import Guardian

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


def until(fact, seconds=10.0):
    """Wait for a fact."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def sleeper():
    """Return a function that starts a process which sleeps, and is there when it returns."""
    started = []

    def start(*, env=None, **options):
        process = subprocess.Popen(
            SLEEP, env={"PATH": os.defpath, **(env or {})}, stdout=subprocess.PIPE, **options
        )
        started.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def run():
    """The tag of a run."""
    return new_run()


def ended(process):
    """Whether a process was killed."""
    try:
        return process.wait(10) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        return False


def test_what_carries_the_tag_ends(run, sleeper):
    """A process with the tag in its environment is ended, in whatever session and state; others are not."""
    guard = Guard.arm(run)
    plain, own = sleeper(env=tagged(run)), sleeper(env=tagged(run), start_new_session=True, cwd="/")
    frozen = sleeper(env=tagged(run))
    os.kill(frozen.pid, signal.SIGSTOP)
    other = sleeper(env=tagged(new_run()))
    guard.end()
    assert ended(plain)
    assert ended(own)
    assert ended(frozen)
    assert other.poll() is None


def test_what_works_in_its_folder_ends_and_the_folder_goes(run, sleeper, tmp_path):
    """Where a process works, what its environment names and where its output goes mark it as well."""
    guard = Guard.arm(run)
    folder = tmp_path / f"mqchaos-{run}"
    guard.folder(folder)
    folder.mkdir()
    (folder / "log").write_text("")
    works = sleeper(cwd=folder)
    named = sleeper(env={"MQCHAOS_EFFECTS": str(folder / "effects")}, cwd="/")
    child = "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"
    with (folder / "log").open("ab") as log:
        parent = subprocess.Popen(
            [sys.executable, "-c", child, *SLEEP], env={}, stderr=log, start_new_session=True
        )
    guard.end()
    assert ended(works)
    assert ended(named)
    assert ended(parent)
    until(lambda: not folder.exists())


def test_a_folder_of_another_name_stays(run, tmp_path):
    """A folder whose name has not the run's tag is never removed, whoever asks for it."""
    guard = Guard.arm(run)
    folder = tmp_path / "precious"
    folder.mkdir()
    guard.folder(folder)
    guard.end()
    assert folder.is_dir()


@pytest.mark.parametrize("how", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)"])
def test_it_acts_when_its_process_ends(tmp_path, how):
    """However the guarded process ends, what it left is ended, though a child of its own holds the guard's line."""
    code = (
        "import os, subprocess, sys, time; from pathlib import Path\n"
        "from pytest_mqchaos.servers.guard import Guard, new_run, tagged\n"
        "run = new_run(); guard = Guard.arm(run); folder = Path(sys.argv[1]) / f'mqchaos-{run}'\n"
        "guard.folder(folder); folder.mkdir()\n"
        "left = subprocess.Popen(['sleep', '60'], env={**os.environ, **tagged(run)}, start_new_session=True)\n"
        "child = os.fork()\n"
        "if not child: time.sleep(60); os._exit(0)\n"
        f"print(guard.pid, left.pid, child, flush=True)\n{how}"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    guarded = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, stdout=subprocess.PIPE
    )
    with guarded:
        pids = [int(word) for word in guarded.stdout.readline().split()]
        child = pids.pop()
        try:
            guarded.wait(10)
            until(lambda: not any(alive(pid) for pid in pids), 3.0)
            assert list(tmp_path.iterdir()) == []
            assert alive(child)
        finally:
            os.kill(child, signal.SIGKILL)


def alive(pid):
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


DIES_AT_ONCE = """
import os, signal, sys
from pathlib import Path
from pytest_mqchaos.servers import guard as module

real = module._started

def started(run, watched):
    guard = real(run, watched)
    folder = Path(sys.argv[1]) / f"mqchaos-{run}"
    folder.mkdir()
    os.write(guard.stdin.fileno(), b'{"folder": "%s"}' % os.fsencode(folder) + bytes([10]))
    os.kill(os.getpid(), signal.SIGKILL)

module._started = started
module.Guard.arm(module.new_run())
"""


def test_its_process_ends_before_it_stands(tmp_path):
    """What it was told until then goes, though it comes to read it only when nobody is there any more."""
    for _ in range(5):
        subprocess.run([sys.executable, "-c", DIES_AT_ONCE, str(tmp_path)], check=False)
        until(lambda: not list(tmp_path.iterdir()))


def test_a_session_that_has_ended_already_gets_none(run, sleeper):
    """A process whose session has ended before it armed its guard is told so, and makes nothing."""
    controller = sleeper()
    controller.kill()
    controller.wait()
    with pytest.raises(ServerUnavailable, match="the session that it would guard has ended"):
        Guard.arm(run, watched=[controller.pid])


TELLS_LATE = """
import os, signal, sys, time
from pathlib import Path
from pytest_mqchaos.servers.guard import Guard

run, controller, place = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
guard = Guard.arm(run, watched=[controller])
os.kill(controller, signal.SIGKILL)
time.sleep(float(sys.argv[4]))
guard.place(place)
folder = place / f"mqchaos-{run}"
guard.folder(folder)
folder.mkdir(parents=True)
time.sleep(60)
"""


@pytest.mark.parametrize("later", [0.0, 0.001, 0.002, 0.004, 0.008])
def test_what_it_is_told_while_it_kills(run, sleeper, tmp_path, later):
    """A process that dies with its session may have made what it had only just told of: that goes, too."""
    controller = sleeper()
    place = tmp_path / "mqchaos-place"
    words = [run, str(controller.pid), str(place), str(later)]
    environment = {**os.environ, **tagged(run), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", TELLS_LATE, *words], env=environment, check=False, timeout=20
    )
    controller.wait()
    assert done.returncode == -signal.SIGKILL
    until(lambda: not list(tmp_path.iterdir()))


def test_last_words_are_heard(run, sleeper, tmp_path):
    """What is said of a folder while the first processes are killed counts: so does what works there."""
    folder = tmp_path / f"mqchaos-{run}"
    folder.mkdir()
    works = sleeper(cwd=folder)
    guardian = Guardian(run, [os.getpid()])
    guardian.clean(orderly=False, last_words=lambda: [json.dumps({"folder": str(folder)}).encode()])
    assert ended(works)
    assert not folder.exists()


def test_signals_do_not_end_it(run):
    """What ends a terminal's or a container's processes in passing does not end the guard."""
    guard = Guard.arm(run)
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
        signal.SIGQUIT,
        signal.SIGPIPE,
        signal.SIGUSR1,
    ):
        os.kill(guard.pid, number)
    assert os.getsid(guard.pid) == guard.pid
    assert alive(guard.pid)
    guard.end()
    assert not alive(guard.pid)


def test_one_that_was_killed_is_replaced(run, sleeper, tmp_path):
    """The successor knows what the first one was told."""
    guard = Guard.arm(run)
    folder = tmp_path / f"mqchaos-{run}"
    guard.folder(folder)
    folder.mkdir()
    first = guard.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: guard.pid != first)
    left = sleeper(env=tagged(run))
    guard.end()
    assert ended(left)
    assert not folder.exists()


def test_without_a_guard_nothing_starts(monkeypatch, run, tmp_path):
    """A guard that does not stand is an error, in one line."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    for executable, words in ((str(broken), "does not stand"), ("/nowhere/python", "cannot be started")):
        monkeypatch.setattr(module.sys, "executable", executable)
        with pytest.raises(ServerUnavailable, match=f"guard .* {words}"):
            Guard.arm(run)


class Engine(http.server.BaseHTTPRequestHandler):
    """An engine of one container and one network of ours, and one of another run's."""

    def address_string(self):
        return "local"

    def log_message(self, *_):
        pass

    def answer(self, status, said):
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.server.silent:
            self.server.silent -= 1
            return  # and the connection is closed without an answer
        kind = "containers" if "/containers/" in self.path else "networks"
        things = self.server.things[kind]
        self.answer(
            200, [{"Id": name} for name, run in things.items() if f"mqchaos.run%3D{run}%22" in self.path]
        )

    def do_DELETE(self):
        _, kind, name = self.path.partition("?")[0].split("/")
        self.server.asked.append(self.path)
        self.answer(204, self.server.things[kind].pop(name))


@pytest.mark.parametrize("silent", [0, 1, 3])
def test_containers_and_networks_go_by_label(run, tmp_path, silent):
    """What carries the run's label goes from the engine, with its volumes, though an answer fails to come at first.

    What another run's does stays.
    """
    path = str(tmp_path / "docker.sock")
    with socketserver.ThreadingUnixStreamServer(path, Engine) as engine:
        engine.things = {"containers": {"c1": run, "c2": "other"}, "networks": {"n1": run, "n2": "other"}}
        engine.asked, engine.silent = [], silent
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        guard = Guard.arm(run)
        guard.engine(f"unix://{path}")
        guard.end()
        engine.shutdown()
    assert engine.things == {"containers": {"c2": "other"}, "networks": {"n2": "other"}}
    assert engine.asked == ["/containers/c1?force=1&v=1", "/networks/n1"]


@pytest.mark.parametrize("slow", [False, True])
def test_an_errand_that_comes_first(run, tmp_path, slow):
    """It finds our folders as they were; one that takes too long does not hold up their removal."""
    (tmp_path / "copies_it.py").write_text(
        "import json, sys, time; from pathlib import Path\n"
        "said = json.load(sys.stdin); time.sleep(said['sleep'])\n"
        "Path(said['to']).write_text(Path(said['of']).read_text())\n"
    )
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from pytest_mqchaos.servers.guard import Guard\n"
        "guard = Guard.arm(sys.argv[1]); folder = Path(sys.argv[2]); guard.folder(folder); folder.mkdir()\n"
        "(folder / 'fact').write_text('seen')\n"
        "words = {'of': str(folder / 'fact'), 'to': sys.argv[3], 'sleep': float(sys.argv[4])}\n"
        "guard.errand('it', 'copies_it', words, first=True)\n"
        "print(guard.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    folder, copied = tmp_path / f"mqchaos-{run}", tmp_path / "copied"
    arguments = [run, str(folder), str(copied), "4" if slow else "0"]
    guarded = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, stdout=subprocess.PIPE, check=False
    )
    since = time.monotonic()
    until(lambda: not folder.exists())
    took = time.monotonic() - since
    guard = int(guarded.stdout)
    until(lambda: not alive(guard))
    assert copied.exists() is not slow
    assert took < 3.5
    assert slow or copied.read_text() == "seen"


@pytest.mark.parametrize("how", ["dies", "ends", "has done it"])
def test_an_errand(tmp_path, how):
    """A module runs as a program with its words on the input if the process died; not if it ended, or had done it."""
    (tmp_path / "writes_words.py").write_text(
        "import json, sys; from pathlib import Path\n"
        "said = json.load(sys.stdin); Path(said['path']).write_text(said['text'])\n"
    )
    code = (
        "import os, sys\n"
        "from pytest_mqchaos.servers.guard import Guard, new_run\n"
        "guard = Guard.arm(new_run()); words = {'path': sys.argv[1], 'text': 'first'}\n"
        "guard.errand('it', 'writes_words', words)\n"
        "guard.errand('it', 'writes_words', {**words, 'text': 'x' * 100_000})\n"
        + {"dies": "", "ends": "guard.end()\n", "has done it": "guard.done('it')\n"}[how]
        + "print(guard.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    written = tmp_path / "written"
    guarded = subprocess.run(
        [sys.executable, "-c", code, str(written)], env=environment, stdout=subprocess.PIPE, check=False
    )
    guard = int(guarded.stdout)
    until(lambda: not alive(guard))
    assert (written.read_text() if written.exists() else "") == ("x" * 100_000 if how == "dies" else "")
