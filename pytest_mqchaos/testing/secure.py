"""A client's socket that speaks TLS and shows how its TCP connection ends.

Python's own says "end of stream" of an RST too.
"""

from __future__ import annotations

import socket
import ssl
import threading

__all__ = ["SecureSocket"]

_OPENING = 10.0
"""Seconds that a handshake may take once something is wanted of it."""


class SecureSocket:
    """TLS on a connected socket; what it has of `socket.socket` means the same here.

    The handshake and the first words go on by themselves: a connection may not come through for a while.
    """

    def __init__(self, own: socket.socket, context: ssl.SSLContext, first: bytes) -> None:
        self._own = own
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = own.getpeername()[0]
        self._engine = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._failure: OSError | None = None
        self._opening = threading.Thread(target=self._open, args=(first,), name="handshake", daemon=True)
        self._opening.start()

    def sendall(self, data: bytes) -> None:
        """Send bytes, each call as records of its own."""
        self._await_open()
        self._seal(data)

    def recv(self, size: int) -> bytes:
        """Return what comes next, of one record at most; nothing at an end, meant or not."""
        self._await_open()
        while True:
            try:
                return self._engine.read(size)
            except ssl.SSLWantReadError:
                if not self._receive():
                    return b""

    def settimeout(self, seconds: float) -> None:
        """Set how long each of its calls may take."""
        self._own.settimeout(seconds)

    def fileno(self) -> int:
        """The socket's own: readable when ciphertext has come."""
        return self._own.fileno()

    def shutdown(self, how: int) -> None:
        """End a side of the TCP connection; TLS says nothing."""
        self._own.shutdown(how)

    def close(self) -> None:
        """Close the socket."""
        self._own.close()

    def _open(self, first: bytes) -> None:
        try:
            while True:
                try:
                    self._engine.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self._own.sendall(self._outgoing.read())
                    if not self._receive():
                        raise ConnectionAbortedError("it ended within the handshake") from None
            self._seal(first)
        except OSError as error:
            self._failure = error

    def _await_open(self) -> None:
        self._opening.join(_OPENING)
        if self._opening.is_alive():
            raise TimeoutError(f"no TLS handshake within {_OPENING:g} s")
        if self._failure is not None:
            raise self._failure

    def _receive(self) -> bytes:
        data = self._own.recv(1 << 16)
        self._incoming.write(data)
        return data

    def _seal(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._engine.write(rest) :]
        self._own.sendall(self._outgoing.read())
