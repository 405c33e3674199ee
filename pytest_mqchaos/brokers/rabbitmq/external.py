"""A RabbitMQ that somebody else runs (see `Broker`): counted without an Erlang shell, and never disturbed."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pytest_mqchaos.brokers._protocol import Borrowed
from pytest_mqchaos.brokers._witness import Witness
from pytest_mqchaos.brokers.rabbitmq.address import BrokerAddress
from pytest_mqchaos.brokers.rabbitmq.amqp import amqp_lacks
from pytest_mqchaos.brokers.rabbitmq.clearing import clear
from pytest_mqchaos.brokers.rabbitmq.counter import Counter
from pytest_mqchaos.brokers.rabbitmq.leftovers import Leftovers
from pytest_mqchaos.brokers.rabbitmq.management import Management
from pytest_mqchaos.brokers.rabbitmq.place import Place, own_name
from pytest_mqchaos.brokers.rabbitmq.reading import Reading
from pytest_mqchaos.errors import ChaosError, NotPossible
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.model.topology import Binding, QueueState, Topology
from pytest_mqchaos.servers.process import plain
from pytest_mqchaos.servers.waiting import wait_for

__all__ = ["ExternalRabbitMQ"]

_LOOK_EVERY = 1.0
_BOOT, _STOP = 120.0, 60.0


class ExternalRabbitMQ:
    """A broker of somebody else's.

    Args:
        address: where it is.
        isolation: `vhost`, `prefix` or `none`.
        version: the broker's own.
        tls: how it is spoken to.
        management: the API, if there is one that we may use.
        lacks: what there is not, and why, for the account.
        old: what seems to be left there by runs of long ago, and how it is deleted.
        container: what may be disturbed, if anything.
        leftovers: is told what there is of runs, and sees to it if this process dies.
    """

    kind = "external"

    def __init__(
        self,
        address: BrokerAddress,
        *,
        isolation: str,
        version: str,
        tls: tuple[ssl.SSLContext, str] | None = None,
        management: Management | None = None,
        lacks: str = "",
        old: str = "",
        container: Borrowed | None = None,
        leftovers: Leftovers | None = None,
    ) -> None:
        self.host, self.port = address.host, address.port
        self.user, self.password = address.user, address.password
        self.version = version
        self.isolation = isolation
        self.tls = tls
        self._address = address
        self._management = management
        self._lacks = lacks
        self._old = f"; {old}" if old else ""
        self._container = container
        self._leftovers = leftovers
        self._places: dict[str, Place] = {}
        self._looked, self._answers = 0.0, True

    @property
    def description(self) -> str:
        """One line: product, version, where, how runs are kept apart, what is left of old ones."""
        place = f"{self.user}@{self._address.place}{' by TLS' if self.tls else ''}"
        return f"RabbitMQ {self.version} (external, {place}, isolation: {self.isolation}{self._old})"

    @property
    def untouchable(self) -> str:
        """Why it must not be disturbed; empty where its container was named."""
        if self._container is not None:
            return ""
        return (
            f"the broker at {self._address.place} is external, and not ours to disturb: "
            "--mqchaos-container=ID permits it on exactly that container"
        )

    @property
    def shared(self) -> bool:
        """Whether queues of others are used as they are."""
        return self.isolation == "none"

    @property
    def policies_refused(self) -> str:
        """Why no policy can be set; empty where each run has a vhost of its own."""
        if self.isolation == "vhost":
            return ""
        return f"need a vhost of the run's own, --mqchaos-isolation=vhost (here: {self.isolation})"

    # --- namespaces ---

    def url(
        self, namespace: str, *, host: str | None = None, port: int | None = None, secure: bool = False
    ) -> str:
        """The address of the namespace's vhost, or that of a link in front of it, which is `secure` or not."""
        return self._address.url(self.vhost(namespace), host=host, port=port, secure=secure)

    def vhost(self, namespace: str) -> str:
        """The vhost of the namespace."""
        return self._place(namespace).vhost

    def names(self, namespace: str) -> Names:
        """How names become names of the namespace."""
        return self._place(namespace).names

    def note(self, namespace: str) -> str:
        """How the run is kept apart, and what is not known for want of the management API."""
        place = self._place(namespace)
        how = {
            "vhost": f"vhost, {place.vhost!r}",
            "prefix": f"prefix, each name begins with {place.names.prefix!r} ($MQCHAOS_PREFIX) and is shown without",
            "none": f"none, names as they are in vhost {place.vhost!r}",
        }[self.isolation]
        return f"external broker {self._address}, isolation: {how}{self._lacks and f'; {self._lacks}'}"

    def attend(self, namespace: str, witness: Witness) -> None:
        """Join each census with what the wire has seen."""
        place = self._place(namespace)
        place.witness = witness
        if self._leftovers is not None:
            self._leftovers.follow(namespace, place)

    def create_namespace(self, name: str) -> None:
        """Make a vhost, or choose a prefix; one that exists stays as it is."""
        if name in self._places:
            return
        if self.isolation == "vhost":
            while not self._create_vhost(name, own_name(name)):
                pass  # somebody has that one
        else:
            names = Names(f"{own_name(name)}.") if self.isolation == "prefix" else Names()
            self._know(name, self._address.vhost, names)

    def _create_vhost(self, name: str, vhost: str) -> bool:
        """Make a vhost for a namespace, and return whether it was not there before.

        It is known here and to the guard before it is there: where this process is killed meanwhile, or the answer
        does not come, it is deleted all the same.
        """
        assert self._management is not None
        self._know(name, vhost, Names())
        try:
            ours = self._management.create_vhost(vhost, self.user)
        except ChaosError:
            with suppress(ChaosError):  # `stop` tries it again
                self.delete_namespace(name)
            raise
        if not ours:
            self._forget(name)
        return ours

    def _know(self, name: str, vhost: str, names: Names) -> None:
        self._places[name] = Place(
            vhost,
            names,
            whole=self.isolation == "vhost",
            url=self._address.url(vhost),
            management=self._management,
        )
        if self._leftovers is not None:
            self._leftovers.tell(name, self._places[name])

    def _forget(self, name: str) -> None:
        del self._places[name]
        if self._leftovers is not None:
            self._leftovers.done(name)

    def delete_namespace(self, name: str) -> None:
        """Remove all that the run made; one that is gone is no error."""
        place = self._places.get(name)
        if place is None:
            return
        clear(place)
        if place.whole and self._management is not None:
            self._management.delete_vhost(place.vhost)
        self._forget(name)

    def namespaces(self) -> tuple[str, ...]:
        """The names of the namespaces that were made here."""
        return tuple(sorted(self._places))

    def _place(self, namespace: str) -> Place:
        place = self._places.get(namespace)
        if place is None:
            raise ChaosError(f"there is no namespace {namespace!r} on {self._address.place}")
        return place

    # --- what is there ---

    def census(self, namespace: str) -> tuple[QueueState, ...]:
        """What every queue of the run holds, sorted by name."""
        place = self._place(namespace)
        with place.lock:
            return Reading(place, self._major).take()

    def topology(self, namespace: str) -> Topology:
        """The exchanges and bindings."""
        return self._place(namespace).topology()

    def bindings(self, namespace: str, exchange: str) -> tuple[Binding, ...]:
        """The ways out of one exchange."""
        return tuple(one for one in self.topology(namespace).bindings if one.exchange == exchange)

    def set_policy(self, namespace: str, policy: Mapping[str, Any]) -> None:
        """Set a policy in a vhost that is the run's own; elsewhere it would be everybody's."""
        place = self._place(namespace)
        if not place.whole or self._management is None:
            raise NotPossible(f"policy {policy['name']!r}: policies {self.policies_refused}")
        self._management.set_policy(place.vhost, policy)

    def exists(self, namespace: str, queue: str) -> bool:
        """Whether there is a queue of that name."""
        place = self._place(namespace)
        return bool(place.counter.count([place.names.full(queue)]))

    def ready_in(self, namespace: str, queue: str) -> int:
        """How many messages are ready in a queue; none if it is not there."""
        place = self._place(namespace)
        full = place.names.full(queue)
        answer = place.counter.count([full]).get(full)
        return 0 if answer is None else answer.ready

    @property
    def _major(self) -> int:
        first = self.version.partition(".")[0]
        return int(first) if first.isdigit() else 0

    # --- what is done to it, on a container that the user named ---

    def stop_app(self) -> None:
        """Stop RabbitMQ inside its VM."""
        self._control("stop_app")

    def start_app(self) -> None:
        """Start it inside its VM; returns when clients are served again."""
        self._control("start_app")
        self._await_login()

    def restart(self) -> None:
        """A clean stop and start inside the VM."""
        self.stop_app()
        self.start_app()

    def crash(self) -> None:
        """Kill the container."""
        self._permitted("crash").kill()

    def start_again(self) -> None:
        """Start the container that was killed; returns when clients are served again."""
        self._permitted("start").start()
        self._await_login()

    def freeze(self) -> None:
        """Pause the container."""
        self._permitted("freeze").pause()

    def thaw(self) -> None:
        """Let it go on."""
        self._permitted("thaw").unpause()

    def _permitted(self, verb: str) -> Borrowed:
        if self._container is None:
            raise NotPossible(f"{verb}: {self.untouchable}")
        return self._container

    def _control(self, command: str) -> None:
        container = self._permitted(command)
        code, said = container.run(["rabbitmqctl", command], timeout=_BOOT)
        if code:
            words = " ".join(said.split())[-300:]
            raise ChaosError(f"rabbitmqctl {command} in {container.name}: exit code {code}: {words}")

    def _await_login(self) -> None:
        def lacking() -> str | None:
            if (lacks := amqp_lacks(self.host, self.port, tls=self.tls)) is not None:
                return lacks
            counter = Counter(self._address.url(self._address.vhost))
            try:
                counter.properties()
            except ChaosError as error:
                return str(error)
            finally:
                counter.close()
            return None

        wait_for(f"RabbitMQ to serve AMQP at {self._address.place}", lacking, timeout=_BOOT)
        for place in list(self._places.values()):
            wait_for(f"the queues of {place.vhost!r} to be served", place.leaderless, timeout=_BOOT)

    # --- its life, as far as it is our concern ---

    def alive(self) -> bool:
        """Whether its container runs, or else whether it answers; looked at once a second."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            if self._container is not None:
                self._answers = self._container.running()
            else:
                self._answers = any(
                    amqp_lacks(self.host, self.port, timeout=t, tls=self.tls) is None for t in (1.0, 4.0)
                )
            self._looked = time.monotonic()
        return self._answers

    def lacks_at(self, host: str, port: int) -> str | None:
        """What is missing at an address for a client to be served; None if nothing is."""
        return amqp_lacks(host, port, timeout=5.0, tls=self.tls)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log, where its container was named."""
        return "" if self._container is None else plain(self._container.logs(lines))

    def stop(self) -> None:
        """Remove what runs left, and let the broker be; may be called again."""
        for name in self.namespaces():
            with suppress(ChaosError):
                self.delete_namespace(name)
        if self._management is not None:
            self._management.close()
