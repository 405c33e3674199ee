"""The bytes of an answer."""

from __future__ import annotations

from http import HTTPStatus

__all__ = ["answer"]

_WITHOUT_BODY = (204, 205, 304)


def answer(status: int, body: bytes = b"", *, head: bool = False, close: bool = False) -> bytes:
    """Return an answer in one piece.

    Args:
        status: from 200 on.
        body: sent as `application/json`; not where the status allows none.
        head: whether it answers a `HEAD`: its length is told, and it is not sent.
        close: whether the connection ends behind it.
    """
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = ""
    lines = [f"HTTP/1.1 {status} {reason}", "Server: mqchaos"]
    bare = status in _WITHOUT_BODY
    if not bare:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    elif status == HTTPStatus.RESET_CONTENT:
        lines.append("Content-Length: 0")
    if close:
        lines.append("Connection: close")
    text = "\r\n".join([*lines, "", ""]).encode("ascii")
    return text if head or bare else text + body
