"""A small TCP relay for tests: it cuts, holds back, refuses, and can speak in the broker's name."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress

__all__ = ["Relay"]


class Relay:
    """An address in front of a server. `cut_at` bytes from a client cut its connection, each entry once."""

    def __init__(self, host: str, port: int, *, cut_at: tuple[int, ...] = (), answers: bool = True) -> None:
        self.connections = 0
        self._answers = answers
        self._muted: list[socket.socket] = []
        self._upstream = (host, port)
        self._cut_at = list(cut_at)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._accepting = self._serve()

    def cut(self, *, reset: bool = False) -> None:
        """Cut every connection, by FIN or by RST."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            self._end(pair, reset=reset)

    def mute(self) -> None:
        """Keep from the clients connected now what the server answers."""
        self._muted += [client for client, _server in self._pairs]

    def refuse(self) -> None:
        """Cut every connection, and accept no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self.cut()

    def accept(self) -> None:
        """Accept again, at the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accepting = self._serve()

    def say(self, frame: bytes) -> None:
        """Send bytes to the clients as if the server had."""
        for client, _server in self._pairs:
            client.sendall(frame)

    def close(self) -> None:
        """End it; may be called after `refuse`."""
        with suppress(OSError):
            self.refuse()

    def _serve(self) -> threading.Thread:
        thread = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        thread.start()
        return thread

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            pair = (client, socket.create_connection(self._upstream))
            self._pairs.append(pair)
            limit = self._cut_at.pop(0) if self._cut_at else None
            threading.Thread(target=self._forward, args=(pair, limit), daemon=True).start()
            threading.Thread(target=self._back, args=(pair,), daemon=True).start()

    def _forward(self, pair: tuple[socket.socket, socket.socket], limit: int | None) -> None:
        client, server = pair
        seen = 0
        with suppress(OSError):
            while data := client.recv(65536):
                if limit is not None and seen + len(data) >= limit:
                    server.sendall(data[: limit - seen])
                    break
                seen += len(data)
                server.sendall(data)
        self._end(pair)

    def _back(self, pair: tuple[socket.socket, socket.socket]) -> None:
        client, server = pair
        with suppress(OSError):
            while data := server.recv(65536):
                if self._answers and client not in self._muted:
                    client.sendall(data)
        self._end(pair)

    @staticmethod
    def _end(pair: tuple[socket.socket, socket.socket], *, reset: bool = False) -> None:
        for end in pair:
            with suppress(OSError):
                if reset:  # the RST is sent once no thread reads from it any more
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
        for end in pair:
            end.close()
