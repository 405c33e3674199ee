"""A process that uses servers which another one holds: it brings the holder up, or finds it, and asks it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from pytest_mqchaos import kernel
from pytest_mqchaos.brokers import launcher
from pytest_mqchaos.brokers._protocol import Broker
from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.servers.guard import new_run, tagged
from pytest_mqchaos.servers.process import one_line
from pytest_mqchaos.servers.settings import ServerSettings
from pytest_mqchaos.servers.sharing.place import Place
from pytest_mqchaos.servers.sharing.stopping import end, present
from pytest_mqchaos.servers.sharing.talk import Address, Ending, Gone, Silent, stay

__all__ = ["SharedToxiproxy", "join"]

IDLE = 8 * 3600.0
"""Seconds after which kept servers that nobody uses end by themselves."""
_BROKER = "rabbitmq"
_STARTING = 400.0
_LAST_WORDS = 4096
_MARGIN = 5.0
_JOINING = 60.0
"""Seconds for a holder to answer: the machine may be busy, and it may have to delete what a session left."""
_AGAIN = 0.1


@dataclass(frozen=True, slots=True)
class _Far:
    """The process that holds the broker (see `Far`)."""

    address: Address

    def ask(self, name: str, *arguments: object, timeout: float) -> Any:
        return self.address.ask(
            "broker", name=name, arguments=list(arguments), patience=timeout, timeout=timeout + _MARGIN
        )

    def facts(self) -> Mapping[str, Any]:
        return dict(self.address.ask("facts")["broker"])


class SharedToxiproxy:
    """A Toxiproxy that another process holds: its addresses are handed out there, so that no two guests share one."""

    def __init__(self, said: Mapping[str, Any], address: Address, guest: str) -> None:
        self.kind = str(said["kind"])
        self.version = str(said["version"])
        host, port = said["api"]
        self.api = (str(host), int(port))
        self.upstream = str(said["upstream"])
        self.description = str(said["description"])
        self._address = address
        self._guest = guest

    def listen_address(self) -> tuple[str, tuple[str, int]]:
        """A new address for a proxy: what Toxiproxy is to listen on, and where our side connects.

        Raises:
            ChaosError: every one is in use, or the holder is gone.
        """
        listen, host, port = self._address.ask("listen", guest=self._guest)
        return str(listen), (str(host), int(port))

    def release(self, listen: str) -> None:
        """Give back an address that no proxy uses any more."""
        with suppress(ChaosError):
            self._address.ask("release", listen=listen)

    def alive(self) -> bool:
        """Whether it runs."""
        try:
            return bool(self._address.ask("toxiproxy"))
        except ChaosError:
            return False


def join(
    settings: ServerSettings, place: Place, ending: ExitStack, *, session: str, untouchable: str = ""
) -> tuple[Broker, SharedToxiproxy | str]:
    """Become a guest of the servers at a place, which are started if there are none; `ending` is the leave.

    Returns the broker, and the Toxiproxy or words on why there is none.

    Args:
        settings: from which they are started, `watched` included.
        place: where they are found.
        ending: is given what is to be done when they are not needed any more.
        session: a name for all the guests that may be there at a time where servers are kept.
        untouchable: why the broker must not be disturbed, if so.

    Raises:
        Taken: another session uses them.
        ServerUnavailable: they cannot be started.
        ChaosError: they do not serve.
    """
    guest = secrets.token_hex(4)
    with place.alone():
        found = _found(place, session, guest)
        if found is None:
            _start(settings, place)
            found = _found(place, session, guest)
    if found is None:
        raise ServerUnavailable("the process that holds the servers ended as soon as they were up")
    address, connection, facts = found
    ending.callback(_leave, connection)
    broker = launcher(_BROKER).attach(facts["broker"], _Far(address), untouchable=untouchable)
    if facts["toxiproxy"] is None:
        return broker, str(facts["without"])
    return broker, SharedToxiproxy(facts["toxiproxy"], address, guest)


def _found(place: Place, session: str, guest: str) -> tuple[Address, socket.socket, Any] | None:
    """The servers' holder, whose guest we are now, if it is there and they run; what is left of others is removed.

    Raises:
        Taken: another session uses them, who also sees to it that they run.
        ChaosError: the holder is there and does not answer; on a busy machine others may be at work on its servers.
    """
    state = place.state()
    if state is None:
        return None
    address = Address(state["port"], state["token"])
    deadline = time.monotonic() + _JOINING
    while True:
        try:
            found = _joined(address, session, guest, deadline)
            if found is not None:
                return address, *found
            break
        except (Gone, Ending) as error:
            if not isinstance(error, Silent) or present(state["pid"]) is None:
                break
            if time.monotonic() >= deadline:
                raise ChaosError(
                    f"waited {_JOINING:g} s for process {state['pid']}, which holds {state['description']}, to take in "
                    f"a guest; last seen: {error}. It is left alone: others may use its servers; {_way_out(place)}"
                ) from None
        time.sleep(_AGAIN)  # it may close each connection at once
    end(place, force=True)
    return None


def _joined(address: Address, session: str, guest: str, deadline: float) -> tuple[socket.socket, Any] | None:
    """The connection of a guest and what the holder says of its servers; None if they do not serve any more.

    Raises:
        Refused: no guest is taken in.
        Gone: nobody is there, or nobody answers before the deadline.
        ChaosError: the holder cannot tell.
    """
    with ExitStack() as failing:
        connection, facts = stay(address, session=session, guest=guest, timeout=_left(deadline))
        failing.callback(_leave, connection)
        if not address.ask("whole", timeout=_left(deadline)):
            return None
        failing.pop_all()
    return connection, facts


def _left(deadline: float) -> float:
    """The seconds until a deadline; time-outs are above 0."""
    return max(deadline - time.monotonic(), 0.1)


def _way_out(place: Place) -> str:
    if place.kept:
        return "`python -m pytest_mqchaos stop --force` ends them"
    return "fewer workers (-n) leave it more of the machine"


def _leave(connection: socket.socket) -> None:
    """Be no guest any more, though a process that was forked from this one may have the connection, too."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _start(settings: ServerSettings, place: Place) -> None:
    """Bring the holder up and wait until its servers are.

    Raises:
        ServerUnavailable: it cannot be started, or there are no servers.
        ChaosError: a server refuses us.
    """
    run = new_run()  # never that of one before: its guard may still be at work
    given = asdict(replace(settings, tool_folder=None, watched=() if place.kept else settings.watched))
    del given["origins"]
    given["tool_folder"] = None if settings.tool_folder is None else str(settings.tool_folder)
    words = {"settings": given, "folder": str(place.folder), "run": run, "kept": place.kept, "idle": IDLE}
    said = _said(_command(), run, json.dumps(words).encode() + b"\n")
    if "unavailable" in said:
        raise ServerUnavailable(said["unavailable"])
    if "up" not in said:
        raise ChaosError(said["error"])


def _command() -> Sequence[str]:
    return [sys.executable, "-P", "-m", "pytest_mqchaos.servers.sharing.host"]


def _path() -> str:
    """Where this process finds modules, the standard library's first: a project may have a `queue.py` of its own."""
    library = Path(sysconfig.get_path("stdlib"))
    entries = [Path(entry).absolute() for entry in sys.path]
    entries.sort(key=lambda entry: entry not in (library, library / "lib-dynload"))
    return os.pathsep.join(map(str, entries))


def _said(command: Sequence[str], run: str, words: bytes) -> dict[str, str]:
    """Run the holder with its words, and return the line that it says when its servers are up or cannot be.

    Where it says none, its last words stand for it: what fails while its modules are loaded it cannot say itself.
    """
    try:
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed below, and what fails there is no want of it
    except OSError as error:
        raise ServerUnavailable(f"no file for the holder's errors: {error.strerror or error}") from None
    with errors:
        line = _line_of(command, run, words, errors)
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and said.keys() & {"up", "unavailable", "error"}:
                return said
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - _LAST_WORDS))
        last = one_line(errors.read().decode("utf-8", "replace"))
    return {"error": f"the process that would hold the servers said nothing; its last words: {last}"}


def _line_of(command: Sequence[str], run: str, words: bytes, errors: IO[bytes]) -> bytes:
    """The first line of the holder's output; nothing if it ends, or hangs, before that."""
    try:
        process = subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": _path(), **tagged(run)},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    except OSError as error:
        raise ServerUnavailable(
            f"the process that would hold the servers cannot be started: {error.strerror or error}"
        ) from None
    assert process.stdin is not None
    assert process.stdout is not None
    line = b""
    try:
        with process.stdout as output:
            with suppress(OSError), process.stdin as given:
                given.write(words)
            process.wait()  # it leaves a child of its own behind, at once
            line = output.readline() if kernel.readable(output.fileno(), _STARTING) else b""
        return line
    finally:
        if not line:  # it hangs, or Ctrl-C was pressed
            process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
