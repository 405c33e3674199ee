"""One running RabbitMQ: its namespaces, its census, its stops and starts, wherever its VM runs.

```
 RabbitMQ ── Shell (erl, stays open) ──► the broker's VM     namespaces, census, topology, stop, start
     └────── Ground (process, container) ──► the VM itself   kill, freeze, start again, log, end
```
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from pytest_mqchaos.brokers._witness import Witness
from pytest_mqchaos.brokers.rabbitmq.amqp import amqp_lacks
from pytest_mqchaos.brokers.rabbitmq.census import queue_state, topology
from pytest_mqchaos.brokers.rabbitmq.shell import Shell
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.model.topology import Binding, QueueState, Topology
from pytest_mqchaos.servers.process import plain
from pytest_mqchaos.servers.waiting import wait_for

__all__ = ["Ground", "RabbitMQ"]

BOOT_TIMEOUT = 120.0
CALL_TIMEOUT = 5.0
SHELLS = 20


class Ground(Protocol):
    """Where the broker's VM runs: a process of this host or a container."""

    @property
    def kind(self) -> str:
        """`process` or `docker`."""

    @property
    def place(self) -> str:
        """The process or container in words, for the description."""

    @property
    def host(self) -> str:
        """Where clients of this host reach it."""

    @property
    def port(self) -> int:
        """The port for clients."""

    def open_shell(self) -> Shell:
        """A new Erlang shell beside the VM."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the VM's process."""

    def ended(self) -> str | None:
        """How the VM's process ended; None while it runs."""

    def launch(self) -> None:
        """Start the VM that was killed, at the same address; does not wait for it."""

    def log_tail(self, lines: int) -> str:
        """The last lines of the broker's log."""

    def last_words(self) -> str:
        """What it said about its end, in one line."""

    def stop(self) -> None:
        """End everything and remove what it left; may be called again."""


class RabbitMQ:
    """A RabbitMQ of this run (see `Broker`); `ground` was launched already.

    Raises:
        ChaosError: it ends, or does not serve in time.

    """

    user = "guest"
    password = "guest"
    tls = None
    shared = False
    policies_refused = ""

    def __init__(self, ground: Ground, shell: Shell) -> None:
        self.untouchable = ""
        self.ground = ground
        self._shell = shell
        self._lock = threading.Lock()
        self._reopened = 0
        self.kind = ground.kind
        self.host = ground.host
        self.port = ground.port
        self._await_serving()
        self.version: str = self.call("about", what="asking for the version")["version"]

    @property
    def description(self) -> str:
        """One line: product, version, process or container, address."""
        return f"RabbitMQ {self.version} ({self.ground.place}, {self.host}:{self.port})"

    def url(
        self, namespace: str, *, host: str | None = None, port: int | None = None, secure: bool = False
    ) -> str:
        """The address of a namespace as clients write it, or that of a link in front of it, which may speak TLS."""
        scheme = "amqps" if secure else "amqp"
        place = f"{host or self.host}:{port or self.port}"
        return f"{scheme}://{self.user}:{self.password}@{place}/{quote(namespace, safe='')}"

    def vhost(self, namespace: str) -> str:
        """The vhost has the namespace's name."""
        return namespace

    def names(self, namespace: str) -> Names:
        """A vhost is the run's own: its names are as they are."""
        del namespace
        return Names()

    def note(self, namespace: str) -> str:
        """Nothing."""
        del namespace
        return ""

    def attend(self, namespace: str, witness: Witness) -> None:
        """The broker itself tells all."""

    def create_namespace(self, name: str) -> None:
        """Make the vhost, with all permissions for `user`; one that exists stays as it is."""
        self.call("create", name, self.user, what=f"creating the vhost {name!r}", timeout=15.0)

    def delete_namespace(self, name: str) -> None:
        """Delete the vhost and all in it; one that is gone is no error."""
        self.call("delete", name, what=f"deleting the vhost {name!r}", timeout=15.0)

    def namespaces(self) -> tuple[str, ...]:
        """The names of all vhosts."""
        return tuple(sorted(self.call("vhosts", what="listing the vhosts")))

    def census(self, namespace: str, *, timeout: float = CALL_TIMEOUT) -> tuple[QueueState, ...]:
        """What every queue holds, sorted by name.

        Each queue answers for itself, and the queues are read until two readings agree; where they never
        do, or a queue's owner does not answer, its `exact` is False.

        Raises:
            ChaosError: the broker does not answer within `timeout` seconds.

        """
        answer = self.call("census", namespace, what=f"the census of {namespace!r}", timeout=timeout)
        return tuple(sorted(map(queue_state, answer), key=lambda state: state.name))

    def topology(self, namespace: str) -> Topology:
        """The exchanges and bindings of the vhost."""
        return topology(self.call("topology", namespace, what=f"the bindings of {namespace!r}"))

    def bindings(self, namespace: str, exchange: str) -> tuple[Binding, ...]:
        """The ways out of one exchange of the vhost."""
        return tuple(one for one in self.topology(namespace).bindings if one.exchange == exchange)

    def set_policy(self, namespace: str, policy: Mapping[str, Any]) -> None:
        """Set a policy in the vhost; it goes with that."""
        what = f"policy {policy['name']!r}"
        answer = self.call(
            "set_policy", namespace, str(policy["name"]), str(policy.get("pattern", "")),
            json.dumps(policy["definition"]), str(policy.get("priority", 0)), str(policy.get("apply-to", "all")),
            what=what)  # fmt: skip
        if answer is not True:
            raise ChaosError(f"{what}: the broker refuses: {' '.join(str(answer).split())}")

    def exists(self, namespace: str, queue: str) -> bool:
        """Whether there is a queue of that name."""
        return bool(self.call("exists", namespace, queue, what=f"looking for the queue {queue!r}"))

    def ready_in(self, namespace: str, queue: str) -> int:
        """How many messages are ready in a queue; none if it is not there."""
        return sum(state.ready for state in self.census(namespace) if state.name == queue)

    def stop_app(self) -> None:
        """Stop RabbitMQ inside its VM: clients get a `connection.close` 320, new ones are refused."""
        self.call("stop", what="stopping RabbitMQ", timeout=60.0)

    def start_app(self) -> None:
        """Start RabbitMQ inside its VM; returns when it serves AMQP at its old address."""
        self.call("start", what="starting RabbitMQ", timeout=BOOT_TIMEOUT)
        self._await_serving()

    def restart(self) -> None:
        """A clean stop and start inside the VM: about a second, the address stays."""
        self.stop_app()
        self.start_app()

    def crash(self) -> None:
        """SIGKILL to the VM; `start_again` brings it back with the same data at the same address."""
        self.ground.signal(signal.SIGKILL)
        wait_for("the killed RabbitMQ to be gone", lambda: "it runs" if self.alive() else None, timeout=15.0)

    def start_again(self) -> None:
        """Start the VM that was killed; returns when it serves AMQP."""
        self.ground.launch()
        self._await_serving()

    def freeze(self) -> None:
        """SIGSTOP to the VM: connections stay open and nothing answers."""
        self.ground.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT to the VM."""
        self.ground.signal(signal.SIGCONT)

    def alive(self) -> bool:
        """Whether the VM's process runs (frozen counts, and so does one whose RabbitMQ was stopped)."""
        return self.ground.ended() is None

    def lacks_at(self, host: str, port: int) -> str | None:
        """What is missing at an address for a client to be served; None if nothing is."""
        return amqp_lacks(host, port)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the broker's log."""
        return plain(self.ground.log_tail(lines))

    def stop(self) -> None:
        """End the broker and its shell, and remove all it left; may be called again."""
        self._shell.close()
        self.ground.stop()

    def _await_serving(self) -> None:
        what = f"RabbitMQ to serve AMQP at {self.host}:{self.port}"
        wait_for(what, self._lacking, timeout=BOOT_TIMEOUT)

    def _lacking(self) -> str | None:
        """What it lacks to serve. Its VM is asked first: at a port that was taken another one may answer."""
        if (how := self.ground.ended()) is not None:
            raise ChaosError(f"it ended ({how}): {self.ground.last_words()}")
        if self._reopened > SHELLS:
            words = self._shell.last_words
            raise ChaosError(f"no Erlang shell stays open beside it; the last one said: {words or 'nothing'}")
        try:
            if not self.call("running", what="its boot", timeout=1.0):
                return "it boots"
        except ChaosError as error:
            return str(error)
        return amqp_lacks(self.host, self.port)

    def call(self, function: str, *arguments: str, what: str, timeout: float = CALL_TIMEOUT) -> Any:
        """Call a function of `mqchaos.erl` in the VM and return its value.

        A shell that ended (with its container, or because epmd was not up) is replaced.

        Raises:
            ChaosError: no answer within `timeout` seconds, or an error; the text begins with `what`.

        """
        with self._lock:
            if self._shell.closed:
                if self.ground.ended() is not None:
                    raise ChaosError(f"{what}: RabbitMQ is down")
                self._reopened += 1
                self._shell = self.ground.open_shell()
            shell = self._shell
        answer = shell.call(function, arguments, timeout=timeout, what=what)
        self._reopened = 0
        return answer
