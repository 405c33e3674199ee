"""Toxiproxy's server, as a process or a container: where its API is, and where its proxies may listen.

A process listens wherever it is told to. Of a container only a fixed range of ports is published to
127.0.0.1, before anyone knows how many links there will be; they are handed out and taken back.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.servers.address import cause
from pytest_mqchaos.servers.engine import Container, Engine
from pytest_mqchaos.servers.guard import tagged
from pytest_mqchaos.servers.process import LOOPBACK, Child, free_ports, listens, one_line, tail
from pytest_mqchaos.servers.waiting import wait_for

__all__ = ["Broken", "ToxiproxyServer", "start_container", "start_process"]

_PROGRAM = "toxiproxy-server"
_MENDS = (
    "`go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0` or `brew install toxiproxy` gets one, "
    f"as {_PROGRAM} on PATH"
)
_API_PORT = 8474
_POOL = range(8700, 8740)
_START_TIMEOUT = 30.0
_TAKEN = "address already in use"
_TRIES = 3


class Broken(ServerUnavailable):
    """A Toxiproxy is here, and does not start: the user is told even where the wire can stand in for it."""


class _Running(Protocol):
    def alive(self) -> bool: ...

    def listens(self, port: int) -> bool: ...

    def stop(self) -> None: ...

    def words(self) -> str: ...


@dataclass(slots=True, kw_only=True)
class ToxiproxyServer:
    """A Toxiproxy of this run.

    `api` is where its HTTP API answers; `upstream` is the broker's `host:port` as Toxiproxy sees it;
    `version` is what it says of itself (`git` when built from source).
    """

    kind: str
    version: str
    api: tuple[str, int]
    upstream: str
    place: str
    _running: _Running
    _published: dict[int, int] | None = None
    _given: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def description(self) -> str:
        """One line: version, process or container, address."""
        return f"Toxiproxy {self.version} ({self.place}, API {self.api[0]}:{self.api[1]})"

    def listen_address(self) -> tuple[str, tuple[str, int]]:
        """A new address for a proxy: what Toxiproxy is to listen on, and where our side connects.

        Raises:
            ChaosError: every published port of the container is in use.

        """
        with self._lock:
            if self._published is None:
                return self._any_port()
            for inner, outer in self._published.items():
                listen = f"0.0.0.0:{inner}"
                if listen not in self._given:
                    self._given.add(listen)
                    return listen, (LOOPBACK, outer)
        raise ChaosError(
            f"all {len(self._published)} links of the Toxiproxy container are in use: "
            "fewer consumers at a time, or `toxiproxy-server` as a process"
        )

    def release(self, listen: str) -> None:
        """Take back a listen address that no proxy uses any more."""
        self._given.discard(listen)

    def _any_port(self) -> tuple[str, tuple[str, int]]:
        """A port of this host that was not handed out: nobody may listen on those that were, yet."""
        while True:
            [port] = free_ports(1)
            if (listen := f"{LOOPBACK}:{port}") not in self._given:
                self._given.add(listen)
                return listen, (LOOPBACK, port)

    def alive(self) -> bool:
        """Whether it runs."""
        return self._running.alive()

    def stop(self) -> None:
        """End it; may be called again."""
        self._running.stop()


def start_process(*, run: str, upstream: str, directory: Path, tool_folder: Path | None) -> ToxiproxyServer:
    """Start `toxiproxy-server` from PATH or the tool folder.

    Raises:
        ServerUnavailable: there is none, or it does not start; with its last words.

    """
    program = shutil.which(_PROGRAM) or (shutil.which(_PROGRAM, path=tool_folder) if tool_folder else None)
    if program is None:
        where = f" or in {tool_folder}" if tool_folder else ""
        raise ServerUnavailable(f"no {_PROGRAM} on PATH{where} ({_MENDS})")
    program = str(Path(program).absolute())
    for left in reversed(range(_TRIES)):
        [port] = free_ports(1)
        try:
            process = _Process.start(program, port, run, directory)
        except OSError as error:
            raise Broken(f"{program} cannot be started: {error.strerror or error}") from None
        try:
            version = _await_api(process, port)
        except BaseException as error:
            words = process.words()
            process.stop()
            if isinstance(error, ChaosError):
                if left and _TAKEN in words:
                    continue
                raise Broken(f"{program} did not start: {error}; its last words: {words}") from None
            raise
        return ToxiproxyServer(
            kind="process",
            version=version,
            api=(LOOPBACK, port),
            upstream=upstream,
            place=f"process {process.child.pid}",
            _running=process,
        )
    raise AssertionError("unreachable: the last try returns or raises")


def start_container(engine: Engine, *, image: str, upstream: str, bridged: bool = False) -> ToxiproxyServer:
    """Start Toxiproxy in a container on the run's network; `bridged`, on the engine's default network too.

    Raises:
        ServerUnavailable: the image is not to be had, or it does not start; with its last words.

    """
    from docker.errors import DockerException

    engine.have(image)
    try:
        container = engine.start(image, alias="toxiproxy", ports=dict.fromkeys((_API_PORT, *_POOL)))
    except DockerException as error:
        raise ServerUnavailable(f"a container of {image} did not start ({cause(error)})") from None
    running = _Contained(container)
    if bridged:
        container.join_bridge()
    try:
        ports = container.host_ports()
        api = ports.pop(_API_PORT)
        version = _await_api(running, api)
    except (ChaosError, KeyError) as error:
        words = running.words()
        running.stop()
        raise Broken(f"Toxiproxy from {image} did not start: {error}; its last words: {words}") from None
    return ToxiproxyServer(
        kind="docker",
        version=version,
        api=(LOOPBACK, api),
        upstream=upstream,
        place=f"container {container.name}",
        _running=running,
        _published=ports,
    )


@dataclass(frozen=True, slots=True)
class _Process:
    """Toxiproxy as a process of ours."""

    child: Child

    @classmethod
    def start(cls, program: str, port: int, run: str, directory: Path) -> _Process:
        command = [program, "-host", LOOPBACK, "-port", str(port)]
        env = {"PATH": os.environ.get("PATH", os.defpath), **tagged(run)}
        return cls(Child.start(command, env=env, cwd=directory, output=directory / f"toxiproxy-{port}.log"))

    def alive(self) -> bool:
        return self.child.alive()

    def listens(self, port: int) -> bool:
        return listens(self.child.pid, port)

    def stop(self) -> None:
        self.child.end()

    def words(self) -> str:
        return one_line(tail(self.child.output, 3))


@dataclass(frozen=True, slots=True)
class _Contained:
    """Toxiproxy in a container of ours."""

    container: Container

    def alive(self) -> bool:
        return self.container.running()

    def listens(self, port: int) -> bool:
        return True  # the engine published it

    def stop(self) -> None:
        self.container.remove()

    def words(self) -> str:
        return one_line(self.container.logs(3))


def _await_api(running: _Running, port: int) -> str:
    """Wait until the API says its version, and return it."""
    version = ""

    def lacking() -> str | None:
        nonlocal version
        if not running.alive():
            raise ChaosError("it ended")
        if _TAKEN in running.words():
            raise ChaosError(f"its port {port} is taken")
        if not running.listens(port):
            return "nobody, or somebody else, listens there"
        try:
            version = _version(port)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return str(error) or type(error).__name__
        return None

    wait_for(f"Toxiproxy's API at {LOOPBACK}:{port}", lacking, timeout=_START_TIMEOUT)
    return version


def _version(port: int) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2.0)
    try:
        connection.request("GET", "/version")
        text = connection.getresponse().read().decode("utf-8", "replace").strip()
    finally:
        connection.close()
    with suppress(ValueError):
        said = json.loads(text)
        return str(said["version"] if isinstance(said, dict) else said)
    return text or "of unknown version"
