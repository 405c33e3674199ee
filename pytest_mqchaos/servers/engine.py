"""A server as a container of this host's Docker engine, by testcontainers.

Whatever testcontainers guesses of the host's address, ports are bound to 127.0.0.1 by us and reached there.
Its reaper is not used: its image may be missing, and it reports success without being armed. Every
container and network carries the label `mqchaos.run`, by which they are found again.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers.address import cause, engine_address, no_engine, not_pulled
from pytest_mqchaos.servers.framed import STDOUT, FramedStream

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container as DockerContainer
    from testcontainers.core.network import Network

__all__ = ["Container", "Engine", "ExecStream", "engine_errors"]

_LOOPBACK = "127.0.0.1"


class Engine:
    """The Docker engine, and one network of this run; `close` removes all that was started here."""

    def __init__(self, client: docker.DockerClient, run: str, address: str) -> None:
        self.address = address
        self._client = client
        self._run = run
        self._network: Network | None = None
        self._containers: list[Container] = []
        self._lock = threading.Lock()

    @classmethod
    def connect(cls, run: str, *, timeout: float = 15.0) -> Engine:
        """The engine that the environment names, if it answers within `timeout` seconds.

        Raises:
            ServerUnavailable: there is none, it does not answer, or it is not on this host.

        """
        import docker
        from docker.errors import DockerException

        host = engine_address()
        client = None
        try:
            client = docker.from_env(environment={**os.environ, "DOCKER_HOST": host}, timeout=int(timeout))
            client.ping()
        except (DockerException, OSError, ValueError) as error:
            if client is not None:
                client.close()
            raise ServerUnavailable(no_engine(host, error)) from None
        engine = cls(client, run, host)
        client.api.timeout = 120
        return engine

    @property
    def version(self) -> str:
        """The engine's own."""
        return str(self._client.version()["Version"])

    def info(self) -> dict[str, object]:
        """What the engine says of itself.

        Raises:
            ServerUnavailable: it does not answer any more.
        """
        from docker.errors import DockerException

        try:
            return dict(self._client.info())
        except (DockerException, OSError) as error:
            raise ServerUnavailable(no_engine(self.address, error)) from None

    def configuration(self, image: str) -> dict[str, Any]:
        """What an image that is here says of its containers: `Env`, `Cmd`, `WorkingDir`, `User`, `StopSignal`.

        Raises:
            ServerUnavailable: it is not here any more.
        """
        from docker.errors import DockerException

        try:
            return dict(self._client.images.get(image).attrs.get("Config") or {})
        except DockerException as error:
            raise ServerUnavailable(f"the image {image} cannot be looked up ({cause(error)})") from None

    def create(self, **words: Any) -> DockerContainer:
        """Make a container in the words of the engine's library, and do not start it; `close` leaves it alone.

        Raises:
            docker.errors.DockerException: it cannot be made.
        """
        return self._client.containers.create(**words)

    def holds(self, image: str) -> bool:
        """Whether an image is here, and need not be pulled."""
        from docker.errors import DockerException

        try:
            self._client.images.get(image)
        except DockerException:
            return False
        return True

    def pull_trouble(self, image: str) -> str:
        """Why an image cannot be pulled, or an empty text; its registry is asked, and nothing is pulled."""
        from docker.errors import DockerException

        try:
            self._client.images.get_registry_data(image)
        except (DockerException, OSError) as error:
            return not_pulled(image, error)
        return ""

    def have(self, image: str, *, timeout: float = 300.0) -> None:
        """Make sure that an image is there, pulling it if need be.

        Raises:
            ServerUnavailable: it is not there and cannot be pulled within `timeout` seconds.

        """
        from docker.errors import DockerException, ImageNotFound

        try:
            self._client.images.get(image)
        except ImageNotFound:
            pass
        except DockerException as error:
            raise ServerUnavailable(f"the image {image} cannot be looked up ({cause(error)})") from None
        else:
            return
        deadline = time.monotonic() + timeout
        try:
            for line in self._client.api.pull(*_name_and_tag(image), stream=True, decode=True):
                if "error" in line:
                    raise ServerUnavailable(not_pulled(image, line["error"]))
                if time.monotonic() > deadline:
                    raise ServerUnavailable(not_pulled(image, f"no end after {timeout:g} s"))
        except (DockerException, OSError) as error:
            raise ServerUnavailable(not_pulled(image, error)) from None

    def start(
        self,
        image: str,
        *,
        alias: str,
        ports: Mapping[int, int | None],
        env: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> Container:
        """Start a container on the run's network, reachable there as `alias`.

        `ports` maps its ports to ports of 127.0.0.1; None lets the engine choose.

        Raises:
            docker.errors.DockerException: it cannot be made or started, for one because a port is taken.

        """
        from testcontainers.core.container import DockerContainer

        with self._lock, _without_reaper():
            container = DockerContainer(image, network=self._net(), network_aliases=[alias])
            container.ports = {str(inner): (_LOOPBACK, outer) for inner, outer in ports.items()}  # type: ignore[misc]
            container.env = dict(env or {})
            container.with_name(f"mqchaos-{self._run}-{alias}-{secrets.token_hex(3)}")
            container.with_kwargs(labels={"mqchaos.run": self._run, "mqchaos.role": alias})
            if command is not None:
                container.with_command(list(command))
            try:
                container.start()
            except BaseException:
                container.stop()
                raise
            started = Container(container.get_wrapped_container(), container.stop)
            self._containers.append(started)
        return started

    def borrowed(self, name: str) -> DockerContainer:
        """A container that we did not start, by its name or id; `close` leaves it alone.

        Raises:
            docker.errors.DockerException: there is none of that name.
        """
        return self._client.containers.get(name)

    def close(self) -> None:
        """Remove the containers and the network; may be called again."""
        for container in reversed(self._containers):
            container.remove()
        if self._network is not None:
            with suppress(*engine_errors()):
                self._network.remove()
            with suppress(AttributeError):
                self._network._docker.client.close()
            self._network = None
        self._client.close()

    def _net(self) -> Network:
        if self._network is None:
            from testcontainers.core.network import Network

            network = Network(docker_network_kw={"labels": {"mqchaos.run": self._run}})
            network.name = f"mqchaos-{self._run}-{secrets.token_hex(3)}"
            self._network = network
            network.create()
        return self._network


class Container:
    """One container that we started."""

    def __init__(self, container: DockerContainer, stop: Any) -> None:
        self._container = container
        self._stop = stop

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._container.name)

    def join_bridge(self) -> None:
        """Join the engine's default network too, where containers of others mostly are; where it has none, do not."""
        with suppress(*engine_errors()):
            self._container.client.networks.get("bridge").connect(self._container)  # type: ignore[union-attr]

    def running(self) -> bool:
        """Whether its main process runs."""
        with suppress(*engine_errors()):
            self._container.reload()
            return self._container.status == "running"
        return False

    def start_again(self) -> None:
        """Start it after it ended; its file system and its ports are the same."""
        self._container.start()

    def host_ports(self) -> dict[int, int]:
        """Every published port of the container, and the port of 127.0.0.1 that leads to it."""
        self._container.reload()
        published = ((k, v) for k, v in self._container.ports.items() if v and k.endswith("/tcp"))
        return {int(inner.partition("/")[0]): int(outer[0]["HostPort"]) for inner, outer in published}

    def logs(self, lines: int) -> str:
        """The last lines of its output."""
        with suppress(*engine_errors()):
            return self._container.logs(tail=lines).decode("utf-8", "replace").rstrip()
        return ""

    def execute(self, command: Sequence[str], *, env: Mapping[str, str]) -> ExecStream:
        """Start a command inside; its input and output are the stream."""
        api = self._container.client.api  # type: ignore[union-attr]
        made = api.exec_create(
            self._container.id, list(command), stdin=True, user="root", environment=dict(env)
        )
        return ExecStream(api.exec_start(made["Id"], socket=True))

    def remove(self) -> None:
        """Kill it and remove it with its volumes; may be called again."""
        with suppress(*engine_errors()):
            self._stop()


class ExecStream:
    """Input and output of a command inside a container, out of Docker's framed stream (see `Stream`)."""

    def __init__(self, raw: Any) -> None:
        self._stream = FramedStream(raw)

    def send(self, data: bytes) -> None:
        """Write all of `data` to its input."""
        self._stream.socket.sendall(data)

    def receive(self) -> bytes:
        """The next bytes of its output; empty when it has ended."""
        while (frame := self._stream.frame()) is not None:
            stream, body = frame
            if stream == STDOUT and body:
                return body
        return b""

    def close(self) -> None:
        """End its input, and the command with it; may be called again."""
        with suppress(OSError):
            self._stream.socket.shutdown(socket.SHUT_RDWR)
        self._stream.close()


@contextmanager
def _without_reaper() -> Iterator[None]:
    """Keep testcontainers from starting its reaper for us; what the user set for his own stays."""
    from testcontainers.core.config import testcontainers_config as config

    before, config.ryuk_disabled = config.ryuk_disabled, True
    try:
        yield
    finally:
        config.ryuk_disabled = before


def engine_errors() -> tuple[type[Exception], ...]:
    """The engine's errors: in clean-up, and in questions about what may be gone, they mean that it is."""
    import requests
    from docker.errors import DockerException

    return (DockerException, requests.RequestException, OSError)


def _name_and_tag(image: str) -> tuple[str, str]:
    name, colon, tag = image.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (image, "latest")
