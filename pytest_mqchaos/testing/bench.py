"""A network under test: a link through it, a server behind it, clients before it, and faults by hand."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from pytest_mqchaos.experiment.links import Links
from pytest_mqchaos.experiment.striking.ages import Ages
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.strikes import Strikes
from pytest_mqchaos.link.authority import Authority
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.network import Network
from pytest_mqchaos.link.relay import Relay, Strike
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.history import History
from pytest_mqchaos.testing.peers import TIMEOUT, Caller, Peer, Upstream

__all__ = ["NetworkBench"]

_LINK = "worker"


class NetworkBench:
    """A link of a network, from a client's socket to a server's, as a chaos test has it.

    Args:
        make: makes the network in front of a server at a host and a port; called once.
        authority: signs the link's certificate if clients are to speak TLS to it.

    A context manager; at its end everything is closed.
    """

    def __init__(self, make: Callable[[str, int], Network], *, authority: Authority | None = None) -> None:
        self.upstream = Upstream()
        self.thread = LoopThread()
        history = History("k3f9")
        self._links = Links(
            run="bench",
            network=make(*self.upstream.address),
            thread=self.thread,
            history=history,
            identity=Identity("k3f9"),
            look=lambda message: None,
            tap=_Nothing(),
            authority=authority,
        )
        server: Any = _Server(*self.upstream.address)
        self._strikes = Strikes(
            history=history,
            thread=self.thread,
            links=self._links,
            consumers=_Nobody(),
            broker=server,
            namespace="",
            ages=Ages(history),
        )
        wire = self._links.open(_LINK, tls=authority is not None).wire
        self._tls: ssl.SSLContext | None = None
        if authority is not None:
            self._tls = ssl.create_default_context(cafile=authority.trust()["MQCHAOS_CA"])
        self.address = (wire.host, wire.port)
        self._numbers = itertools.count(1)
        self._callers: list[Caller] = []
        self._faults: list[Armed] = []

    def call(self) -> Caller:
        """Connect a client; it may not come through."""
        caller = Caller(self.address, f"client-{next(self._numbers)}".encode(), self._tls)
        self._callers.append(caller)
        return caller

    def connect(self) -> tuple[Caller, Peer]:
        """Connect a client, and return its end and the server's."""
        caller = self.call()
        return caller, self.upstream.peer(caller.name)

    def works(self) -> None:
        """Assert that a new connection works both ways."""
        client, server = self.connect()
        client.say(b"there")
        server.await_bytes(b"there")
        server.say(b"and back")
        client.expect(b"and back")

    def strike(self, fault: Fault) -> Armed:
        """Let a fault strike the link now."""
        number = len(self._faults)
        armed = Armed(number=number, fault=fault, trigger=None, position="", by_hand=True)
        self._faults.append(armed)
        self.thread.call(self._strikes(armed, None, _LINK, "by hand"), timeout=TIMEOUT, what=f"{fault}")
        self.check()
        return armed

    def heal(self, armed: Armed) -> None:
        """End a fault."""
        if armed.heal is not None and not armed.healed.is_set():
            self.thread.call(armed.heal(), timeout=TIMEOUT, what=f"healing {armed.fault}")
        self.check()

    def await_heal(self, armed: Armed) -> None:
        """Wait until a fault is over by itself."""
        assert armed.healed.wait(TIMEOUT + (armed.fault.duration or 0.0)), f"{armed.fault} does not end"
        self.check()

    def check(self) -> None:
        """Raise what a strike found to be wrong."""
        for armed in self._faults:
            if armed.error is not None:
                raise armed.error

    def close(self) -> None:
        """End all of it."""
        for caller in self._callers:
            caller.close()
        self._links.close()
        self.thread.close()
        self.upstream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Nothing:
    """A tap that lets all pass."""

    def match(self, relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        return None

    def before_settlement(self, relay: Relay) -> Strike | None:
        return None

    def look(self) -> None:
        pass


class _Nobody:
    """No consumers."""

    def replicas(self) -> Sequence[Any]:
        return ()

    def living(self) -> frozenset[str]:
        return frozenset()


class _Server:
    """Where the server is, in the place of a broker."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"no network fault asks a broker for {name}")
