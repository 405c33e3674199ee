"""The two ends of a network under test: a server that takes down what it hears, and its clients' sockets."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from pytest_mqchaos import kernel
from pytest_mqchaos.testing.secure import SecureSocket

__all__ = ["Caller", "Peer", "Upstream", "seconds"]

TIMEOUT = 10.0
"""Seconds within which anything that must come has come."""
BLINK = 0.25
"""Seconds for which nothing must arrive."""
MUCH = random.Random(5).randbytes(3_000_000)
"""More than sockets hold in a moment."""
_GREETING = b"AMQP\x00\x00\x09\x01"
_START = b"\x01"


def seconds(first: Callable[[], object], then: Callable[[], object]) -> float:
    """Return how long two calls took, one after the other."""
    began = time.monotonic()
    first()
    then()
    return time.monotonic() - began


class Peer:
    """A connection as the server has it: what it heard, in which pieces, and how it ended."""

    def __init__(self, own: socket.socket) -> None:
        self.heard = b""
        self.pieces: list[int] = []
        self.ended = ""
        """`FIN` or `RST`, once it is."""
        self.changed = threading.Condition()
        self._own = own

    def say(self, data: bytes) -> None:
        """Send bytes to the client."""
        self._own.sendall(data)

    def hang_up(self) -> None:
        """End our side (FIN)."""
        self._own.shutdown(socket.SHUT_WR)

    def await_bytes(self, data: bytes, *, timeout: float = TIMEOUT) -> None:
        """Wait until exactly these bytes were heard, and assert it."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.heard) >= len(data) or self.ended, timeout)
            seen = self.heard
        assert seen == data, f"{len(data)} bytes awaited for {timeout:g} s, heard {len(seen)}: {seen[:80]!r}"

    def await_end(self, *, timeout: float = TIMEOUT) -> str:
        """Wait until the client's end is felt; return how it ended, `""` if it did not in time."""
        with self.changed:
            self.changed.wait_for(lambda: self.ended, timeout)
            return self.ended

    def listen(self, early: bytes) -> None:
        """Take down what is heard until the end; on a thread of its own."""
        self._took(early)
        try:
            while data := self._own.recv(1 << 16):
                self._took(data)
            how = "FIN"
        except OSError:
            how = "RST"
        with self.changed:
            self.ended = how
            self.changed.notify_all()

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            self._own.shutdown(socket.SHUT_RDWR)
        self._own.close()

    def _took(self, data: bytes) -> None:
        with self.changed:
            self.heard += data
            self.pieces += [len(data)] if data else []
            self.changed.notify_all()


class Upstream:
    """A server; each client says its name and a line feed first. One that greets as AMQP does is greeted."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._peers: dict[bytes, Peer] = {}
        self._known = threading.Condition()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._serve, name="upstream", daemon=True).start()

    def peer(self, name: bytes, *, timeout: float = TIMEOUT) -> Peer:
        """Wait until the client of that name has come through, and return its connection."""
        with self._known:
            assert self._known.wait_for(lambda: name in self._peers, timeout), (
                f"{name!r} did not come through within {timeout:g} s"
            )
            return self._peers[name]

    def knows(self, name: bytes) -> bool:
        """Whether that client has come through."""
        with self._known:
            return name in self._peers

    def close(self) -> None:
        """End it and all of its connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers.values():
            peer.close()
        for own in self._sockets:
            own.close()

    def _serve(self) -> None:
        while True:
            try:
                own, _ = self._listener.accept()
            except OSError:
                return
            own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(own)
            threading.Thread(target=self._meet, args=(own,), daemon=True).start()

    def _meet(self, own: socket.socket) -> None:
        begun = b""
        with suppress(OSError):
            while b"\n" not in begun and begun != _GREETING:
                data = own.recv(1 << 16)
                if not data:
                    own.close()
                    return
                begun += data
        if begun == _GREETING:
            with suppress(OSError):
                own.sendall(_START)
            own.close()
            return
        name, _, rest = begun.partition(b"\n")
        peer = Peer(own)
        with self._known:
            self._peers[name] = peer
            self._known.notify_all()
        peer.listen(rest)


class Caller:
    """A client's socket; with `tls` it speaks TLS."""

    def __init__(self, address: tuple[str, int], name: bytes, tls: ssl.SSLContext | None = None) -> None:
        self.name = name
        first = name + b"\n"
        own = socket.create_connection(address, timeout=TIMEOUT)
        own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._own: socket.socket | SecureSocket = own
        if tls is None:
            own.sendall(first)
        else:
            self._own = SecureSocket(own, tls, first)

    def say(self, data: bytes) -> None:
        """Send bytes."""
        self._own.sendall(data)

    def hear(self, size: int, *, timeout: float = TIMEOUT) -> tuple[bytes, list[int]]:
        """Return so many bytes and the sizes of the pieces they came in; fewer at an end or when time is over."""
        heard, pieces = bytearray(), []
        deadline = time.monotonic() + timeout
        while len(heard) < size and (left := deadline - time.monotonic()) > 0:
            self._own.settimeout(left)
            try:
                data = self._own.recv(size - len(heard))
            except TimeoutError:
                break
            if not data:
                break
            heard += data
            pieces.append(len(data))
        return bytes(heard), pieces

    def expect(self, data: bytes) -> None:
        """Assert that exactly these bytes come next."""
        heard, _ = self.hear(len(data))
        assert heard == data, f"{len(data)} bytes awaited, heard {len(heard)}: {heard[:80]!r}"

    def silent(self, duration: float) -> bool:
        """Whether nothing comes for so many seconds, no end either."""
        return not kernel.readable(self._own.fileno(), duration)

    def end(self, *, timeout: float = TIMEOUT) -> str:
        """Wait for the end, and return how it is felt: `FIN`, `RST`, or `""` if there is none in time."""
        self._own.settimeout(timeout)
        try:
            while self._own.recv(1 << 16):
                pass
        except TimeoutError:
            return ""
        except ConnectionResetError:
            return "RST"
        return "FIN"

    def hang_up(self) -> None:
        """End our side (FIN)."""
        self._own.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the socket."""
        self._own.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
