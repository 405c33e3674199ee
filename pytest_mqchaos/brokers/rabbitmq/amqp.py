"""Whether a broker serves AMQP at an address: the protocol header sent, `connection.start` seen.

An open port or a line in a log is not enough: Docker's own proxy accepts connections that lead nowhere,
and the log says "started" before the listener is up.
"""

from __future__ import annotations

import socket
import ssl

__all__ = ["amqp_lacks"]

_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = 1
_CONNECTION_START = b"\x00\x0a\x00\x0a"


def amqp_lacks(
    host: str, port: int, *, timeout: float = 1.0, tls: tuple[ssl.SSLContext, str] | None = None
) -> str | None:
    """None if a broker answered with `connection.start`, else what was seen instead; spoken over TLS if need be."""
    try:
        with _connected(host, port, timeout, tls) as client:
            client.settimeout(timeout)
            client.sendall(_HEADER)
            answer = b""
            while len(answer) < 11:
                part = client.recv(4096)
                if not part:
                    return "the connection was accepted and closed"
                answer += part
    except TimeoutError:
        return "the port does not answer"
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted: {error.verify_message}"
    except ssl.SSLError as error:
        return f"it does not speak TLS: {str(error.reason or error).replace('_', ' ').lower()}"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if answer[0] != _METHOD_FRAME or answer[7:11] != _CONNECTION_START:
        return f"something else answers there: {answer[:8]!r}"
    return None


def _connected(host: str, port: int, timeout: float, tls: tuple[ssl.SSLContext, str] | None) -> socket.socket:
    plain = socket.create_connection((host, port), timeout)
    if tls is None:
        return plain
    context, name = tls
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise
