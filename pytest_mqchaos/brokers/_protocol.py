"""What every broker can do for a test, whatever its kind; `brokers/<name>/` holds the implementations."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pytest_mqchaos.model.topology import Binding, QueueState, Topology
from pytest_mqchaos.servers.engine import Engine

__all__ = ["Broker", "Launcher"]


class Launcher(Protocol):
    """How a broker comes to be; a module of the broker's folder is one."""

    @property
    def INNER_ADDRESS(self) -> str:  # noqa: N802 (a constant of the module)
        """Its `host:port` on the network of the run's containers."""

    def start_process(self, *, run: str, directory: Path) -> Broker:
        """Start it as a process; raises `ServerUnavailable`."""

    def start_container(self, engine: Engine, *, image: str) -> Broker:
        """Start it in a container; raises `ServerUnavailable`."""


class Broker(Protocol):
    """One running broker that this run started, at an address that stays while it stops and starts."""

    @property
    def kind(self) -> str:
        """How it came to be: `process` or `docker`."""

    @property
    def host(self) -> str:
        """Where clients of this host reach it."""

    @property
    def port(self) -> int:
        """The port for clients; the same after every restart."""

    @property
    def user(self) -> str:
        """The user that clients log in as."""

    @property
    def password(self) -> str:
        """The password of that user."""

    @property
    def version(self) -> str:
        """The broker's own version."""

    @property
    def description(self) -> str:
        """One line: product, version, process or container, address."""

    def url(self, namespace: str, *, host: str | None = None, port: int | None = None) -> str:
        """The address of a namespace as clients write it, or that of a link in front of it."""

    def create_namespace(self, name: str) -> None:
        """Make the namespace, with all permissions for `user`; one that exists stays as it is."""

    def delete_namespace(self, name: str) -> None:
        """Delete the namespace and all in it; one that is gone is no error."""

    def namespaces(self) -> tuple[str, ...]:
        """The names of all namespaces."""

    def census(self, namespace: str) -> tuple[QueueState, ...]:
        """What every queue holds, sorted by name; raises `ChaosError` if the broker does not answer."""

    def topology(self, namespace: str) -> Topology:
        """The exchanges and bindings of the namespace."""

    def bindings(self, namespace: str, exchange: str) -> tuple[Binding, ...]:
        """The ways out of one exchange."""

    def exists(self, namespace: str, queue: str) -> bool:
        """Whether there is a queue of that name."""

    def stop_app(self) -> None:
        """The first half of `restart`: a clean stop, after which connections are refused."""

    def start_app(self) -> None:
        """The second half: returns when clients are served again."""

    def restart(self) -> None:
        """A clean stop and start at the same address."""

    def crash(self) -> None:
        """Kill the broker where it stands."""

    def start_again(self) -> None:
        """Start a broker that was killed, at the same address; returns when clients are served again."""

    def freeze(self) -> None:
        """Stop the broker's process without ending it."""

    def thaw(self) -> None:
        """Let a frozen broker go on."""

    def alive(self) -> bool:
        """Whether its process runs (frozen counts)."""

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log."""

    def stop(self) -> None:
        """End it and remove all it left; may be called again."""
