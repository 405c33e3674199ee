"""The guard's own process: waits until the process it guards has ended, and removes what that left behind.

It is run as a program by itself (`guard.py` starts it), in a session of its own and with every signal ignored
that can be, so that nothing but SIGKILL ends it early; it imports the standard library only.

```
 pytest ──lines of JSON──► guardian
        {"folder": PATH}     a folder to remove; what runs in it is ours
        {"place": PATH}      a folder that goes with the last of the watched processes, not with the others
        {"engine": ADDRESS}  a Docker engine on which containers and networks carry our label
        {"errand": NAME, "module": M, "path": P, "cwd": C, "words": W}  a program that undoes what stands elsewhere;
                             with "first" one that needs what lies in the folders
        {"done": NAME}       which is not needed any more
        {"end": true}        all was ended in order: one last look, and it ends
 pytest ends (its pidfd says so; without one, the lines' end or a new parent) ──► all of it is removed
```

Nothing is ever found by a name that another run could have. A process is ours if the run's tag stands in its
environment, if it works in a folder of ours, reads or writes standard streams there or names it in its arguments
(those of a terminal excepted: somebody looks at our files), or if the leader of its session is ours.
"""

from __future__ import annotations

import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, urlsplit

__all__ = ["LABEL", "VARIABLE", "Guardian", "main"]

VARIABLE = "MQCHAOS_GUARD"
"""Holds the run's tag in the environment of every server."""
LABEL = "mqchaos.run"
_LONGEST = 60.0
_QUIET = 0.15
_ENGINE_QUIET = 0.4
_ENGINE_PATIENCE = 5.0
_FIRST = 2.0
"""Seconds that an errand may take which needs what lies in our folders."""


class Guardian:
    """What is to be removed of one run, and how."""

    def __init__(self, tag: str, watched: list[int]) -> None:
        self.tag = tag
        self.watched = watched
        self.folders: list[str] = []
        self.places: list[str] = []
        self.engines: list[str] = []
        self.errands: dict[str, dict[str, str]] = {}
        self._sessions: set[int] = set()

    def take(self, line: bytes) -> bool:
        """Take a line of what to remove; return whether it was the last one."""
        with suppress(ValueError, AttributeError):
            said: dict[str, Any] = json.loads(line)
            if self.tag in os.path.basename(said.get("folder", "")):  # noqa: PTH119 - a name, not a file
                self.folders.append(said["folder"])
            if os.path.basename(said.get("place", "")).startswith("mqchaos-"):  # noqa: PTH119
                self.places.append(said["place"])
            if "engine" in said:
                self.engines.append(said["engine"])
            if "errand" in said:
                self.errands[said["errand"]] = said
            self.errands.pop(said.get("done", ""), None)
            return bool(said.get("end"))
        return False

    def clean(self, *, orderly: bool, last_words: Callable[[], list[bytes]] = list) -> None:
        """Remove everything. What was just being started is waited for, unless all was ended in order.

        Args:
            orderly: whether all was ended in order.
            last_words: what was said meanwhile: one that we kill may have got to make what it had just told of.
        """
        removing = self._cleaners(self.engines, orderly)
        self._end_all(orderly)
        if not orderly:
            folders, engines = len(self.folders), len(self.engines)
            for line in last_words():
                self.take(line)
            removing += self._cleaners(self.engines[engines:], orderly)
            if self.folders[folders:]:
                self._end_all(orderly)  # what is ours by them only
            urgent = [_started(_run_errand, one) for one in self.errands.values() if "first" in one]
            removing += [_started(_run_errand, one) for one in self.errands.values() if "first" not in one]
            patience = time.monotonic() + _FIRST
            for thread in urgent:
                thread.join(max(patience - time.monotonic(), 0.0))
        with_the_last = [one for one in self.places if not orderly and _gone(self.watched[-1])]
        for folder in self.folders + with_the_last:
            shutil.rmtree(folder, ignore_errors=True)
        for thread in removing:
            thread.join(_LONGEST)

    def _cleaners(self, engines: list[str], orderly: bool) -> list[Thread]:
        return [_started(self._clean_engine, one, orderly) for one in engines]

    def _end_all(self, orderly: bool) -> None:
        spared = {os.getpid(), *(pid for pid in self.watched if orderly or not self._tagged(pid))}
        _until_quiet(lambda: self._kill_all(spared), 0.0 if orderly else _QUIET)

    def _kill_all(self, spared: set[int]) -> bool:
        """Kill every process of ours that there is; return whether there was one.

        Its pidfd is opened before the look at it, so that the one looked at is the one killed.
        """
        killed = False
        for pid in _pids() - spared:
            descriptor = _pidfd(pid)
            with suppress(OSError, IndexError, ValueError):
                if self._ours(pid):
                    killed = True
                    if descriptor is None:
                        os.kill(pid, signal.SIGKILL)
                    else:
                        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            if descriptor is not None:
                os.close(descriptor)
        return killed

    def _ours(self, pid: int) -> bool:
        state, session, terminal = _stat(pid)
        if state in "ZX":
            return False
        if session in self._sessions:
            return True
        if not self._marked(pid, watched_by_a_person=terminal != 0):
            return False
        if session == pid:
            self._sessions.add(session)
        return True

    def _marked(self, pid: int, *, watched_by_a_person: bool) -> bool:
        if self._tagged(pid):
            return True
        environment = _read(pid, "environ")
        folders = [os.fsencode(folder) for folder in self.folders]
        if any(folder in environment for folder in folders):
            return True
        if watched_by_a_person:
            return False
        places = [_read(pid, "cmdline"), *(_link(pid, name) for name in ("cwd", "fd/0", "fd/1", "fd/2"))]
        return any(folder in place for folder in folders for place in places)

    def _tagged(self, pid: int) -> bool:
        """Whether a process was started as one of the run; what merely uses it, as a worker does, is not."""
        return f"{VARIABLE}={self.tag}".encode() in _read(pid, "environ").split(b"\0")

    def _clean_engine(self, address: str, orderly: bool) -> None:
        """Remove our containers and networks; one that was being made may appear a moment later."""
        engine = _Engine(address)
        patience = time.monotonic() + _ENGINE_PATIENCE

        def removed() -> bool:
            try:
                containers = engine.ids("/containers/json?all=1&", self.tag)
                threads = [_started(engine.remove, f"/containers/{one}?force=1&v=1") for one in containers]
                for thread in threads:
                    thread.join(_LONGEST)
                networks = engine.ids("/networks?", self.tag)
                for one in networks:
                    engine.remove(f"/networks/{one}")
            except _NoAnswer:  # says nothing of what is there: asked again
                return time.monotonic() < patience
            return bool(containers or networks)

        _until_quiet(removed, 0.0 if orderly else _ENGINE_QUIET)


def _started(work: Callable[..., object], *arguments: object) -> Thread:
    """Do something on a thread of its own."""
    thread = Thread(target=work, args=arguments)
    thread.start()
    return thread


def _run_errand(said: dict[str, str]) -> None:
    """Run a module as a program, with its words on the input: what stands there is not for other users' eyes."""
    with suppress(OSError, KeyError, subprocess.SubprocessError):
        subprocess.run(
            [sys.executable, "-m", said["module"]],
            env={**os.environ, "PYTHONPATH": said["path"]},
            cwd=said["cwd"],
            input=said["words"].encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_LONGEST,
            check=False,
        )


class _NoAnswer(Exception):
    """The engine is there, and did not say what it has."""


class _Engine:
    """The few requests to a Docker engine that removing takes; by its program where it is not asked plainly."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._parts = urlsplit(address)
        self._plain = self._parts.scheme in ("unix", "http+unix") or (
            self._parts.scheme in ("tcp", "http") and not os.environ.get("DOCKER_TLS_VERIFY")
        )

    def ids(self, path: str, tag: str) -> list[str]:
        """The ids of what carries our label; none where no engine is any more. Raises _NoAnswer."""
        kind = "ps" if path.startswith("/containers") else "network"
        try:
            if self._plain:
                filters = quote(json.dumps({"label": [f"{LABEL}={tag}"]}))
                return [one["Id"] for one in json.loads(self._request("GET", f"{path}filters={filters}"))]
            words = ["ps", "-aq", "--no-trunc"] if kind == "ps" else ["network", "ls", "-q", "--no-trunc"]
            return self._program(*words, "--filter", f"label={LABEL}={tag}").split()
        except (FileNotFoundError, ConnectionRefusedError):
            return []
        except (OSError, LookupError, TypeError, ValueError, http.client.HTTPException) as error:
            raise _NoAnswer from error
        except subprocess.SubprocessError:
            return []

    def remove(self, path: str) -> None:
        """Remove one container or network; one that is gone is gone."""
        kind, _, rest = path.lstrip("/").partition("/")
        with suppress(OSError, http.client.HTTPException, subprocess.SubprocessError):
            if self._plain:
                self._request("DELETE", path)
            else:
                words = ["rm", "-f", "-v"] if kind == "containers" else ["network", "rm"]
                self._program(*words, rest.partition("?")[0])

    def _request(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPConnection(
            self._parts.hostname or "localhost", self._parts.port or 2375, timeout=_LONGEST
        )
        if self._parts.scheme in ("unix", "http+unix"):
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(_LONGEST)
            connection.sock.connect(self._parts.path)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        finally:
            connection.close()

    def _program(self, *words: str) -> str:
        command = ["docker", "-H", self._address, *words]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST, check=False
        ).stdout.decode("ascii", "replace")


def _until_quiet(found: Callable[[], bool], quiet: float) -> None:
    """Repeat until nothing was found for `quiet` seconds."""
    deadline = time.monotonic() + _LONGEST
    since = time.monotonic()
    while time.monotonic() < deadline:
        if found():
            since = time.monotonic()
        elif time.monotonic() - since >= quiet:
            return
        time.sleep(0.02)


def _stat(pid: int) -> tuple[str, int, int]:
    """The state, session and terminal of a process."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return fields[0].decode(), int(fields[3]), int(fields[4])


def _gone(pid: int) -> bool:
    """Whether a process has ended, though perhaps nobody has asked for its end yet."""
    try:
        return _stat(pid)[0] in "ZX"
    except (OSError, IndexError, ValueError):
        return True


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_bytes()
    return b""


def _link(pid: int, name: str) -> bytes:
    with suppress(OSError):
        return os.readlink(os.fsencode(f"/proc/{pid}/{name}"))  # noqa: PTH115 - bytes, whatever the locale
    return b""


def _pids() -> set[int]:
    with suppress(OSError):
        return {int(name) for name in os.listdir("/proc") if name.isdecimal()}  # noqa: PTH208
    return set()


def _pidfd(pid: int) -> int | None:
    """A descriptor that stays with the process whatever becomes of its number; None where the kernel has none."""
    with suppress(AttributeError, OSError):
        return os.pidfd_open(pid)
    return None


def _ended(pid: int) -> bool:
    """Whether a process that is to be watched has ended before we could."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class _Lines:
    """The lines on our standard input."""

    def __init__(self) -> None:
        self._rest = b""

    def read(self) -> list[bytes] | None:
        """Wait for some, and return those that are whole; None at the end."""
        said = os.read(0, 65536)
        *lines, self._rest = (self._rest + said).split(b"\n")
        return lines if said else None

    def there(self) -> list[bytes]:
        """Return those that can be read without waiting."""
        found: list[bytes] = []
        while select.select([0], [], [], 0)[0] and (lines := self.read()) is not None:
            found += lines
        return found


def _watch(guardian: Guardian, lines: _Lines) -> bool:
    """Take lines until one of the watched processes ends; return whether all was ended in order."""
    parent = guardian.watched[0]
    gone = any(map(_ended, guardian.watched))  # what it said before its end is read first, too
    poll = select.poll()
    poll.register(0, select.POLLIN)
    for descriptor in map(_pidfd, guardian.watched):
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
    with suppress(OSError):  # our parent has ended meanwhile: there is the more to do
        os.write(1, b"too late\n" if gone else b"armed\n")
    while True:
        ready = {descriptor for descriptor, _ in poll.poll(0 if gone else 200)}
        if 0 in ready:
            said = lines.read()
            if said is None:
                return False
            last = [guardian.take(line) for line in said]  # every one of them
            if any(last):
                return True
        elif gone or ready or os.getppid() != parent:  # what it said before its end was read first
            return False


def main() -> None:
    """Guard the processes named in the arguments, our parent first: `guardian.py TAG PID...`."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    guardian = Guardian(sys.argv[1], [int(pid) for pid in sys.argv[2:]])
    lines = _Lines()
    orderly = _watch(guardian, lines)
    guardian.clean(orderly=orderly, last_words=lines.there)


if __name__ == "__main__":
    main()
