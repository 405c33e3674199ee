"""What every broker can do for a test, whatever its kind; `brokers/<name>/` holds the implementations."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pytest_mqchaos.brokers._witness import Witness
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.model.origins import Origins
from pytest_mqchaos.model.topology import Binding, QueueState, Topology
from pytest_mqchaos.servers.engine import Engine

__all__ = ["Borrowed", "Broker", "Errands", "External", "Far", "Launcher"]


class Borrowed(Protocol):
    """A container of somebody else's that the user permits to disturb."""

    @property
    def name(self) -> str:
        """Its name."""

    def running(self) -> bool:
        """Whether it runs; a paused one does."""

    def run(self, command: list[str], *, timeout: float) -> tuple[int, str]:
        """Run a command inside; return its exit code and its output."""

    def kill(self) -> None:
        """Kill all of it (SIGKILL); raises `ChaosError` where it would not come back as it was."""

    def start(self) -> None:
        """Start it again."""

    def pause(self) -> None:
        """Stop all its processes where they stand."""

    def unpause(self) -> None:
        """Let them go on."""

    def logs(self, lines: int) -> str:
        """The last lines of its output."""


class Errands(Protocol):
    """Who undoes what this process has done elsewhere, if it dies (the guard)."""

    def errand(self, name: str, module: str, words: Mapping[str, object], *, first: bool = False) -> None:
        """Have a module of ours run with these words (JSON, on its input); the same name again replaces it.

        What is to be done `first` comes before our folders are removed, and has little time.
        """

    def done(self, name: str) -> None:
        """An errand is not needed any more."""


class Far(Protocol):
    """The process of ours that holds a broker, as its guests see it."""

    def ask(self, name: str, *arguments: object, timeout: float) -> Any:
        """Have `Launcher.serve` done there, and return its value; raises `ChaosError`."""

    def facts(self) -> Mapping[str, Any]:
        """What `Launcher.facts` says there now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class External:
    """What the user says of a broker that runs already."""

    url: str = field(repr=False)
    isolation: str = "auto"
    """`auto`, `vhost`, `prefix` or `none`."""
    management_url: str = field(repr=False, default="")
    allow_remote: bool = False
    container: Borrowed | None = None
    origins: Origins = field(default_factory=Origins)
    """Where each of these came from."""
    errands: Errands | None = field(repr=False, default=None)


class Launcher(Protocol):
    """How a broker comes to be; a module of the broker's folder is one."""

    @property
    def INNER_ADDRESS(self) -> str:  # noqa: N802 (a constant of the module)
        """Its `host:port` on the network of the run's containers."""

    def start_process(self, *, run: str, directory: Path) -> Broker:
        """Start it as a process; raises `ServerUnavailable`."""

    def start_container(self, engine: Engine, *, image: str) -> Broker:
        """Start it in a container; raises `ServerUnavailable`."""

    def facts(self, broker: Broker) -> dict[str, object]:
        """What a guest must know of a broker that this process started."""

    def serve(self, broker: Broker, name: str, arguments: Sequence[Any], *, timeout: float) -> object:
        """Do for a guest what it asks by name, with a broker that this process started; raises `ChaosError`."""

    def attach(self, said: Mapping[str, Any], far: Far, *, untouchable: str) -> Broker:
        """Use a broker that another process started, by its facts; raises `ChaosError` if it does not serve."""

    def external_place(self, external: External) -> tuple[str, int, str]:
        """Host and port that its address names, and the place that a lock is for; raises `UsageError`."""

    def open_external(self, external: External) -> Broker:
        """Use one that runs already; raises `ChaosError` if nobody answers there, or it refuses us."""


class Broker(Protocol):
    """One running broker, at an address that stays while it stops and starts."""

    @property
    def kind(self) -> str:
        """How it came to be: `process` or `docker`, or `external` if somebody else runs it."""

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

    def url(
        self, namespace: str, *, host: str | None = None, port: int | None = None, secure: bool = False
    ) -> str:
        """The address of a namespace as clients write it, or that of a link in front of it, which may speak TLS."""

    @property
    def tls(self) -> tuple[ssl.SSLContext, str] | None:
        """How it is spoken to if not in plain text: the context, and the name in its certificate."""

    @property
    def untouchable(self) -> str:
        """Why it must not be disturbed, stopped or frozen; empty if it may be."""

    @property
    def shared(self) -> bool:
        """Whether namespaces hold queues of others, whose messages must stay where they are."""

    def ready_in(self, namespace: str, queue: str) -> int:
        """How many messages are ready in a queue; none if it is not there."""

    def vhost(self, namespace: str) -> str:
        """The namespace as clients name it."""

    def names(self, namespace: str) -> Names:
        """How names of a run become names in the namespace."""

    def note(self, namespace: str) -> str:
        """What a reader of the account should know of the namespace; mostly nothing."""

    def attend(self, namespace: str, witness: Witness) -> None:
        """Take the wire's account into each census of the namespace, where the broker itself tells too little."""

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

    @property
    def policies_refused(self) -> str:
        """Why no policy can be set in a namespace, as the end of a sentence; empty if one can."""

    def set_policy(self, namespace: str, policy: Mapping[str, Any]) -> None:
        """Set a policy (`name`, `pattern`, `apply-to`, `priority`, `definition`) that ends with the namespace.

        Raises `NotPossible` where it would be in force for others too, and `ChaosError` if the broker refuses.
        """

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

    def lacks_at(self, host: str, port: int) -> str | None:
        """What is missing at an address for a client to be served by such a broker; None if nothing is."""

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log."""

    def stop(self) -> None:
        """End it and remove all it left; may be called again."""
