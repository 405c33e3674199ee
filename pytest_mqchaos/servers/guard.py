"""The guard of a run, as the run sees it: armed before the first server starts, told what is about to be made.

What a run starts has a mark by which the guard's process (`guardian`) finds it: the run's tag in the environment,
a folder named after it, a label. So it need not hear of each process; it hears of folders and of an engine, before
there is anything in them.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pytest_mqchaos import kernel
from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers.guardian import VARIABLE

__all__ = ["Guard", "new_run", "tagged"]

_KEPT = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG")
_ARMING = 20.0
_TOO_LATE = b"too late\n"
_ENDING = 10.0


def new_run() -> str:
    """The tag of a run of servers: like no other's on any host that ever was."""
    return secrets.token_hex(6)


def tagged(run: str) -> dict[str, str]:
    """The environment variable by which a server of a run is found."""
    return {VARIABLE: run}


class Guard:
    """A process that cleans up behind this one, however it ends; `end` when there is nothing left to clean.

    A guard that was killed is replaced at once.
    """

    def __init__(self, run: str, watched: Sequence[int]) -> None:
        self._run = run
        self._watched = tuple(watched)
        self._told: dict[tuple[str, str], bytes] = {}
        self._lock = threading.Lock()
        self._ended = False
        self._process = self._armed()
        threading.Thread(target=self._stand_in, name="mqchaos-guards-the-guard", daemon=True).start()

    @classmethod
    def arm(cls, run: str, *, watched: Sequence[int] = ()) -> Guard:
        """Start the guard of this process; it acts at the end of any of `watched`, too.

        Raises:
            ServerUnavailable: it does not stand; then nothing may be started.

        """
        return cls(run, (os.getpid(), *watched))

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def folder(self, path: Path) -> None:
        """Tell of a folder that is about to be made; its name holds the run's tag."""
        self._tell({"folder": str(path.absolute())}, kept=("folder", str(path)))

    def place(self, path: Path) -> None:
        """Tell of a folder that goes only when the last of the watched processes has ended, not with this one."""
        self._tell({"place": str(path.absolute())}, kept=("place", str(path)))

    def engine(self, address: str) -> None:
        """Tell of a Docker engine on which things are about to be made."""
        self._tell({"engine": address}, kept=("engine", address))

    @property
    def engines(self) -> str:
        """The address of the engine that it was told of; nothing if there was none."""
        return next((address for what, address in self._told if what == "engine"), "")

    def errand(self, name: str, module: str, words: Mapping[str, object], *, first: bool = False) -> None:
        """Have a module run as a program if this process does not end in order.

        It undoes what stands elsewhere, where no process or folder of ours is.

        Args:
            name: of the errand; the same name again replaces it.
            module: of ours; it reads `words` as JSON from its input, and may find nothing left to do.
            words: what it has to know; they are seen by nobody else.
            first: whether it needs what lies in the folders, which are removed when it has ended, or a moment later.
        """
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
        fact = {
            "errand": name,
            "module": module,
            "path": path,
            "cwd": str(Path.cwd()),
            "words": json.dumps(words),
        }
        self._tell(fact | ({"first": "yes"} if first else {}), kept=("errand", name))

    def done(self, name: str) -> None:
        """Tell that an errand is not needed any more."""
        self._tell({"done": name}, kept=("errand", name))

    def end(self) -> None:
        """Let it have its last look and end; may be called again."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            self._write(b'{"end": true}\n')
            process = self._process
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING)

    def _tell(self, fact: dict[str, str], *, kept: tuple[str, str]) -> None:
        line = json.dumps(fact).encode() + b"\n"
        with self._lock:
            if "done" in fact:
                self._told.pop(kept, None)
            else:
                self._told[kept] = line
            self._write(line)

    def _write(self, line: bytes) -> None:
        with suppress(OSError):  # it was killed just now: its successor is told all of it
            _write_all(self._process.stdin.fileno(), line)  # type: ignore[union-attr]

    def _stand_in(self) -> None:
        """Replace it whenever it ends before its time."""
        while True:
            process = self._process
            process.wait()
            with self._lock:
                if self._ended:
                    return
                with suppress(OSError):
                    process.stdin.close()  # type: ignore[union-attr]
                try:
                    self._process = self._armed()
                except ServerUnavailable:
                    return  # one that can no longer be had: the end in order is all there is

    def _armed(self) -> subprocess.Popen[bytes]:
        """A guard that stands. What is to be known it is told at once: we may end before it is ready to listen."""
        process = _started(self._run, self._watched)
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            _write_all(process.stdin.fileno(), b"".join(self._told.values()))
        with process.stdout as words:
            said = words.readline() if kernel.readable(words.fileno(), _ARMING) else b""
        if said == b"armed\n" or (said == _TOO_LATE and self._told):
            return process  # too late: it cleans, and its successor once more, as long as we make something
        process.kill()
        process.wait()
        process.stdin.close()
        why = said.decode(errors="replace").strip() or "it said nothing"
        if said == _TOO_LATE:
            why = "the session that it would guard has ended"
        raise ServerUnavailable(f"the guard that would clean up behind the servers does not stand ({why})")


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _started(run: str, watched: Sequence[int]) -> subprocess.Popen[bytes]:
    program = Path(__file__).with_name("guardian.py")
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(program), run, *map(str, watched)],
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise ServerUnavailable(
            f"the guard that would clean up behind the servers cannot be started: {error.strerror or error}"
        ) from None
