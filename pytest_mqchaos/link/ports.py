"""Ports of the loopback interface that wires listen at: shared among themselves (`SO_REUSEPORT`), and nobody else."""

from __future__ import annotations

import socket

__all__ = ["bound", "try_port"]


def try_port(port: int) -> None:
    """Raise if somebody listens at a port, or nobody may.

    Wires share their ports with themselves, and would with those of another run.

    Raises:
        OSError: saying why.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(("127.0.0.1", port))


def bound(port: int) -> socket.socket:
    """Return a socket at a port, 0 for any, which does not listen yet.

    Raises:
        OSError: naming the port.
    """
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.bind(("127.0.0.1", port))
    except OSError as error:
        own.close()
        raise OSError(error.errno, f"{error.strerror} (127.0.0.1:{port})") from None
    own.setblocking(False)
    return own
