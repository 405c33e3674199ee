"""pika as this plugin uses it: its parameters, its silence, and its errors in one line.

`one_write` and `abort` touch what pika keeps to itself, and nothing else here does. Where a later pika has it no
more, it writes as it likes, and a connection that does not answer is left to the garbage collector.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

    import pika

__all__ = ["abort", "broker_code", "one_write", "parameters", "quiet", "reason", "speak_tls"]

_CLOSED_BY_BROKER = re.compile(r"ByBroker: \((\d{3})\) (.*)", re.DOTALL)
_ours = threading.local()
_tls: dict[tuple[str, int], tuple[ssl.SSLContext, str]] = {}


def speak_tls(host: str, port: int, how: tuple[ssl.SSLContext, str]) -> None:
    """Say how `amqps://` connections to an address are made: the context, and the name in the certificate."""
    _tls[host, port] = how


def parameters(url: str, name: str, *, timeout: float = 5.0) -> pika.URLParameters:
    """Return the parameters of a connection that is tried once.

    Args:
        url: of the link or broker.
        name: what the broker shows the connection as.
        timeout: seconds until it must be open.
    """
    import pika

    made = pika.URLParameters(url)
    made.connection_attempts = 1
    made.socket_timeout = made.stack_timeout = timeout
    made.client_properties = {"connection_name": name}
    if made.ssl_options is not None and (how := _tls.get((made.host, made.port))) is not None:
        made.ssl_options = pika.SSLOptions(*how)
    return made


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what pika logs in this thread meanwhile to ourselves; the user's own use of pika is not touched."""
    import pika  # noqa: F401 - its loggers are there from now on

    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] == "pika":
            logging.getLogger(name).addFilter(_not_ours)
    before = getattr(_ours, "quiet", False)
    _ours.quiet = True
    try:
        yield
    finally:
        _ours.quiet = before


def _not_ours(record: logging.LogRecord) -> bool:
    del record
    return not getattr(_ours, "quiet", False)


@contextmanager
def one_write(connection: Any) -> Iterator[None]:
    """Hand what the connection sends meanwhile to its socket in one piece.

    pika makes three system calls a message, and as many small segments for all that stand between us and the
    broker; in one piece a message costs 12 µs instead of 30.
    """
    emit = getattr(connection, "_adapter_emit_data", None)
    if emit is None:
        yield
        return
    parts: list[bytes] = []
    connection._adapter_emit_data = parts.append
    try:
        yield
    finally:
        del connection._adapter_emit_data
        if parts:
            emit(b"".join(parts))


def abort(connection: Any) -> None:
    """Drop a connection that does not answer: its socket is closed, and its callback told, from the loop."""
    terminate = getattr(connection, "_terminate_stream", None)
    if terminate is not None and not connection.is_closed:
        terminate(ConnectionError("given up"))
    else:
        connection.ioloop.stop()


def broker_code(error: object) -> int | None:
    """Return the reply code with which the broker closed a connection or channel, None if it did not."""
    found = _CLOSED_BY_BROKER.search(repr(error))
    return int(found[1]) if found else None


def reason(error: object) -> str:
    """Return why a connection or channel ended, in one line: `404 NOT_FOUND - no exchange 'events' ...`."""
    if isinstance(error, str):
        return error
    text = repr(error)
    found = _CLOSED_BY_BROKER.search(text)
    if found:
        return f"{found[1]} {_unquoted(found[2])}"
    for known in (
        "Connection refused",
        "Connection reset by peer",
        "Broken pipe",
        "Name or service not known",
    ):
        if known in text:
            return known.lower()
    if "EOF" in text or "Connection lost" in text:
        return "the connection was closed"
    if "Timeout" in text:
        return "no answer while connecting"
    if not isinstance(error, BaseException):
        return "the connection ended"
    said = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _unquoted(text: str) -> str:
    """Return what pika shows as a repr, perhaps within another's repr, in one line as the broker wrote it."""
    text = " ".join(re.sub(r"\\+n", " ", text).replace("\\", "").split())
    quote = text[:1]
    return text[1 : text.rindex(quote)].strip() if quote in ("'", '"') and text.count(quote) > 1 else text
