"""A link with a scripted client and a scripted broker: plain sockets, and AMQP frames built by pamqp."""

from __future__ import annotations

import itertools
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence

from amqp_streams import GREETING, deliver, method, opened, subscribed
from pamqp import commands

from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay, Strike
from pytest_mqchaos.link.wire import Wire
from pytest_mqchaos.model.events import Event, LinkEvent
from pytest_mqchaos.model.history import History

RUN = "k3f9"
TIMEOUT = 5.0
CONNECTED = (
    ("client", method(commands.Connection.Open("/"), 0)),
    ("server", method(commands.Connection.OpenOk(), 0)),
)


def message(number: int) -> str:
    """The id of a message of the run."""
    return f"orders-{RUN}-{number:06d}"


def delivery(tag: int) -> bytes:
    """A delivery of message `tag`."""
    return deliver(tag, b"{}", properties=commands.Basic.Properties(message_id=message(tag)))


def ack(tag: int) -> bytes:
    """The ack of a delivery."""
    return method(commands.Basic.Ack(tag))


class ScriptedTap:
    """Strikes where a test says so."""

    def __init__(self) -> None:
        self.script: Callable[[Relay, Sequence[LinkEvent]], Strike | None] = lambda relay, found: None

    def match(self, relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        """Ask the script."""
        return self.script(relay, found)

    def before_settlement(self, relay: Relay) -> Strike | None:
        """Let nothing strike."""
        return None

    def look(self) -> None:
        """Look at nothing."""


class Stage:
    """A wire between a client and a broker, both sockets of the test."""

    def __init__(self, *, client_tls: ssl.SSLContext | None = None) -> None:
        self.thread = LoopThread()
        self.history = History(RUN)
        self.tap = ScriptedTap()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TIMEOUT)
        self._sockets = [self._listener]
        numbers = itertools.count(1)

        async def make() -> Wire:
            wire = Wire(
                "worker",
                route=lambda: self._listener.getsockname()[:2],
                thread=self.thread,
                history=self.history,
                identity=Identity(RUN),
                look=lambda message: None,
                tap=self.tap,
                numbers=lambda: next(numbers),
                client_tls=client_tls,
            )
            await wire.listen()
            return wire

        self.wire = self.thread.call(make(), timeout=TIMEOUT, what="the wire")

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """Connect a client; return its socket and the broker's."""
        client = self.client()
        broker, _ = self._listener.accept()
        broker.settimeout(TIMEOUT)
        self._sockets.append(broker)
        return client, broker

    def client(self) -> socket.socket:
        """Connect a client and return its socket."""
        client = socket.create_connection((self.wire.host, self.wire.port), timeout=TIMEOUT)
        self._sockets.append(client)
        return client

    def keep(self, own: socket.socket) -> None:
        """Close a socket in the end."""
        self._sockets.append(own)

    def unplug(self) -> None:
        """Let the broker be gone."""
        self._listener.close()

    def consuming(self) -> tuple[socket.socket, socket.socket]:
        """Connect a client that has opened channel 1 and subscribed on it."""
        client, broker = self.connect()
        for side, data in [("client", GREETING), *CONNECTED, *opened(), *subscribed()]:
            sender, receiver = (client, broker) if side == "client" else (broker, client)
            sender.sendall(data)
            assert receive(receiver, len(data)) == data
        return client, broker

    def facts(self, kind: type) -> list[Event]:
        """The events of a kind, so far."""
        return [event for event in self.history.snapshot() if isinstance(event, kind)]

    def await_fact(self, kind: type, count: int = 1) -> list[Event]:
        """Wait until there are that many events of a kind."""
        deadline = time.monotonic() + TIMEOUT
        with self.history.changed:
            while len(self.facts(kind)) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{count} {kind.__name__} awaited, seen: {list(self.history)}"
                self.history.changed.wait(left)
        return self.facts(kind)

    def await_end_of(self, client: socket.socket) -> None:
        """Wait until a client that goes on sending is told by an RST."""
        poll = select.poll()
        poll.register(client, select.POLLERR | select.POLLHUP)
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                client.sendall(ack(1))
            except OSError:
                return
            if poll.poll(20):
                return
        raise AssertionError(f"no RST within {TIMEOUT:g} s")

    def strike_at(self, kind: type, strike: Callable[[Held], object], number: int = 1) -> None:
        """Let the coroutine function `strike` strike at the `number`-th fact of a kind."""
        seen = itertools.count(1)

        def script(relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
            if any(isinstance(fact, kind) for fact in found) and next(seen) == number:
                return strike  # type: ignore[return-value]
            return None

        self.tap.script = script

    def close(self) -> None:
        """End all of it."""

        async def end() -> None:
            self.wire.close()

        self.thread.call(end(), timeout=TIMEOUT, what="closing the wire")
        self.thread.close()
        for own in self._sockets:
            own.close()


def receive(own: socket.socket, size: int) -> bytes:
    """Receive exactly `size` bytes, or what came before the end."""
    found = b""
    while len(found) < size:
        data = own.recv(size - len(found))
        if not data:
            break
        found += data
    return found


def relay_of(stage: Stage) -> Relay:
    """The only connection."""
    (relay,) = stage.wire.connected()
    return relay


def do(stage: Stage, *calls: object) -> None:
    """Call functions on the link's thread."""

    async def work() -> None:
        for call in calls:
            call()  # type: ignore[operator]

    stage.thread.call(work(), timeout=TIMEOUT, what="a call")


def silent(own: socket.socket) -> bool:
    """Whether nothing has arrived."""
    own.setblocking(False)
    try:
        own.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    finally:
        own.settimeout(TIMEOUT)
    return False
