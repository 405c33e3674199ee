"""Ports of the loopback interface that wires listen at: shared among themselves (`SO_REUSEPORT`), and nobody else.

A port is *reserved* by a socket that never listens, and keeps it while the wire refuses. Two sockets of `SO_REUSEADDR`
share a port as long as neither listens, so a reservation must not have it: an engine that publishes a container's
port, or a server of Go's or Erlang's, would take the port of a wire that refuses, and the wire could not listen again.
The socket that *listens* must have it: connections of the last one may still be ending.
"""

from __future__ import annotations

import socket

__all__ = ["listening", "reserved", "try_port"]


def try_port(port: int) -> None:
    """Raise if somebody listens at a port, or nobody may.

    Wires share their ports with themselves, and would with those of another run.

    Raises:
        OSError: saying why.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(("127.0.0.1", port))


def reserved(port: int) -> socket.socket:
    """Return a socket that keeps a port, 0 for any, and never listens.

    Raises:
        OSError: naming the port.
    """
    try:
        return _bound(port, socket.SO_REUSEPORT)
    except OSError:
        if not port:
            raise
        return listening(port)  # connections of who had it before may still be ending


def listening(port: int) -> socket.socket:
    """Return a socket at a reserved port, to listen with.

    Raises:
        OSError: naming the port.
    """
    return _bound(port, socket.SO_REUSEPORT, socket.SO_REUSEADDR)


def _bound(port: int, *options: int) -> socket.socket:
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        for option in options:
            own.setsockopt(socket.SOL_SOCKET, option, 1)
        own.bind(("127.0.0.1", port))
    except OSError as error:
        own.close()
        raise OSError(error.errno, f"{error.strerror} (127.0.0.1:{port})") from None
    own.setblocking(False)
    return own
