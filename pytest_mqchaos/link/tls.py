"""TLS with one client, without its socket: ciphertext in, what the client said out, and the way back.

The wire reads and writes the client's socket itself, also where it speaks TLS. So whatever faults do to a socket (a
FIN or an RST at once, a look into the kernel's queues, a client that is stopped when it sends) is the same on every
link; asyncio's own TLS would stand between.
"""

from __future__ import annotations

import ssl
from contextlib import suppress

__all__ = ["TlsSession", "trouble"]

_RECORD = 1 << 14
"""Bytes that one record carries at most."""
_PLAIN = b"AMQP"


class TlsSession:
    """The server's side of TLS on one connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.open = False
        """Whether the handshake is done."""
        self.said = False
        """Whether the client has ever said anything."""
        self.ended = False
        """Whether the client says no more (`close_notify`)."""
        self.failure: ssl.SSLError | None = None
        """Why nothing more can be read."""
        self.plain = False
        """Whether the client began in plain text."""
        self._early = b""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._engine = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def read(self, data: bytes) -> bytes:
        """Take what the client's socket brought, and return what the client said by it.

        An answer may be due then (`answer`). A failure is kept in `failure`: what was said before it counts.
        """
        self.plain = self.plain or (not self.open and data.startswith(_PLAIN))
        self._incoming.write(data)
        said: list[bytes] = []
        try:
            if not self.open:
                self._engine.do_handshake()
                self.open = True
            while part := self._engine.read(_RECORD):
                said.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            self.failure = error
        self.said = self.said or bool(said)
        return b"".join(said)

    def answer(self) -> bytes:
        """Return what the client is to be told now, for the sake of TLS alone or by what was sealed early."""
        if self.open and self._early:
            early, self._early = self._early, b""
            return self._outgoing.read() + self.seal(early)
        return self._outgoing.read()

    def seal(self, data: bytes) -> bytes:
        """Return what is to be sent for the client to hear `data`; before the handshake is done that waits."""
        if not self.open:
            self._early += data
            return b""
        rest = memoryview(data)
        with suppress(ssl.SSLError):  # a client that broke TLS off hears no more
            while rest:
                rest = rest[self._engine.write(rest) :]
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        """Return what tells the client that the end is meant (`close_notify`)."""
        with suppress(
            ssl.SSLError
        ):  # it wants the client's own, which nobody waits for; or there was no handshake
            self._engine.unwrap()
        return self._outgoing.read()


def trouble(session: TlsSession) -> str:
    """Return what is wrong with how a client speaks TLS, and the way out; empty as long as nothing is."""
    if session.plain:
        return "it speaks plain text, and this link speaks TLS (tls=True): its address begins with amqps://"
    if session.failure is not None:
        why = str(session.failure.reason or session.failure).replace("_", " ").lower()
        trust = "; the authority to trust is in $MQCHAOS_CA" if "unknown ca" in why else ""
        return f"its TLS failed: {why}{trust}"
    if session.open and not session.said:
        return "it went away right after the TLS handshake: does it trust the authority in $MQCHAOS_CA?"
    return ""
