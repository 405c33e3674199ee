"""The port of a holder of servers: each question, and each guest's stay, is a connection with a thread of its own."""

from __future__ import annotations

import hmac
import socket
import socketserver
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.servers.process import LOOPBACK
from pytest_mqchaos.servers.sharing.talk import Refused, read_line, write_line

if TYPE_CHECKING:
    from pytest_mqchaos.servers.sharing.host import Host

__all__ = ["Listener"]


class Listener(socketserver.ThreadingTCPServer):
    """Listens on a port of the loopback interface; whoever has the token is heard."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = False
    request_queue_size = 128  # every question is a connection

    def __init__(self, host: Host, token: str) -> None:
        self.host, self.token = host, token
        super().__init__((LOOPBACK, 0), _Question)


class _Question(socketserver.BaseRequestHandler):
    server: Listener
    request: socket.socket

    def handle(self) -> None:
        with suppress(OSError, ValueError, RecursionError):
            self.request.settimeout(10.0)
            said = read_line(self.request)
            if said is None or not _same(said.get("token"), self.server.token):
                return
            if said.get("do") == "stay":
                self._stay(str(said.get("session")), str(said.get("guest")))
            else:
                write_line(self.request, self._answered(said))

    def _answered(self, said: dict[str, Any]) -> dict[str, object]:
        try:
            return {"value": self.server.host.answer(said)}
        except Exception as error:  # whatever it is, the guest has to hear of it
            return _refusal(said.get("do"), error)

    def _stay(self, session: str, guest: str) -> None:
        try:
            facts = self.server.host.come(session)
        except Exception as error:
            write_line(self.request, _refusal("stay", error))
            return
        try:
            write_line(self.request, {"value": facts})
            self.request.settimeout(None)
            while self.request.recv(65536):
                pass
        finally:
            self.server.host.leave(session, guest)


def _refusal(do: object, error: Exception) -> dict[str, object]:
    if isinstance(error, ChaosError):
        return {error.word if isinstance(error, Refused) else "error": str(error)}
    return {"error": f"{do}: {type(error).__name__}: {error}"}


def _same(given: object, token: str) -> bool:
    return hmac.compare_digest(str(given).encode(errors="replace"), token.encode())
