"""From the bytes of one connection to requests.

```
 head ──► body (Content-Length) ─────────────────────────────► request ──► head ...
   └────► size ──► chunk ──► line end ──► size ... ──► trailer ──┘
```
What is ambiguous is broken, and ends the connection: a length and chunks at once, two lengths, a chunk that does not
end where it should. A server that guesses there would count requests that nobody made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from pytest_mqchaos.wire.http.requests import MOST, Headers, Request

__all__ = ["Broken", "Expectation", "RequestParser"]

_HEAD = 1 << 16
"""Bytes of a request's line and headers, of a trailer, or of a chunk's size with its extensions."""
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f]+) HTTP/1\.([0-9])")
_END = re.compile(rb"\r?\n\r?\n")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")
_METHODS_WITHOUT_ANSWER = ("CONNECT",)


@dataclass(frozen=True, slots=True)
class Broken:
    """What cannot be read as a request: the status of its answer, and why. Nothing behind it can be read either."""

    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """A client waits to be told that it may send the body (`Expect: 100-continue`)."""


Found: TypeAlias = Request | Broken | Expectation
_State: TypeAlias = Literal["head", "body", "size", "chunk", "chunk end", "trailer", "over"]


class RequestParser:
    """Reads the requests of one connection; feed it whatever comes."""

    def __init__(self) -> None:
        self._state: _State = "head"
        self._rest = bytearray()
        self._searched = 0
        """Bytes of the rest in which the end of a head was looked for already."""
        self._missing = 0
        self._parts: list[bytes] = []
        self._size = 0
        self._opening: tuple[str, str, str, Headers, bool] = ("", "", "", Headers(), True)
        self._steps = {
            "head": self._head,
            "body": self._body,
            "size": self._chunk_size,
            "chunk": self._body,
            "chunk end": self._chunk_end,
            "trailer": self._trailer,
            "over": self._over,
        }

    @property
    def within(self) -> bool:
        """Whether a request has begun that is not whole."""
        return self._state not in ("head", "over") or bool(self._rest)

    def feed(self, data: bytes) -> list[Found]:
        """Take bytes and return what they complete; behind something broken all is dropped."""
        self._rest += data
        found: list[Found] = []
        try:
            while self._steps[self._state](found):
                pass
        except _BrokenError as error:
            self._state = "over"
            self._rest.clear()
            found.append(Broken(error.status, str(error)))
        return found

    # --- the steps: each takes what it can of the rest, and returns whether another may follow ---

    def _over(self, _found: list[Found]) -> bool:
        self._rest.clear()
        return False

    def _head(self, found: list[Found]) -> bool:
        if self._searched == 0:
            while self._rest.startswith(
                (b"\r", b"\n")
            ):  # RFC 9112, 2.2: empty lines before a request are ignored
                del self._rest[:1]
        end = _END.search(self._rest, max(0, self._searched - 3))
        if end is None:
            self._searched = len(self._rest)
            self._limit("its headers")
            return False
        head = bytes(self._rest[: end.start()])
        self._take(end.end())
        if len(head) > _HEAD:
            raise _BrokenError("its headers are longer than 64 KiB", 431)
        self._begin(head, found)
        return True

    def _begin(self, head: bytes, found: list[Found]) -> None:
        first, *lines = re.split(rb"\r?\n", head)
        line = _LINE.fullmatch(first)
        if line is None:
            raise _BrokenError(f"its first line is no request of HTTP/1: {first[:60]!r}")
        headers = Headers(_header(one) for one in lines)
        method, (path, query) = line[1].decode(), _target(line[2])
        if method in _METHODS_WITHOUT_ANSWER:
            raise _BrokenError(f"{method} is nothing that is answered here", 501)
        minor = int(line[3])
        connection = headers.tokens("connection")
        keep = "close" not in connection and (minor > 0 or "keep-alive" in connection)
        if minor > 0 and "host" not in headers:
            raise _BrokenError("it has no Host header")
        self._opening = method, path, query, headers, keep
        self._parts, self._size = [], 0
        self._state, self._missing = _framing(headers, minor)
        if self._state == "body" and not self._missing:
            self._finish(found)
        elif minor > 0 and "100-continue" in headers.tokens("expect") and not self._rest:
            found.append(Expectation())

    def _body(self, found: list[Found]) -> bool:
        part = bytes(self._rest[: self._missing])
        self._take(len(part))
        self._missing -= len(part)
        if part:
            self._parts.append(part)
        if self._missing:
            return False
        if self._state == "body":
            self._finish(found)
        else:
            self._state = "chunk end"
        return True

    def _chunk_size(self, _found: list[Found]) -> bool:
        size = _SIZE.match(self._rest)
        if size is None:
            if b"\n" in self._rest:
                raise _BrokenError(f"this is no size of a chunk: {bytes(self._rest[:20])!r}")
            self._limit("the size of a chunk")
            return False
        self._missing = int(size[1], 16)
        self._take(size.end())
        self._size += self._missing
        if self._size > MOST:
            raise _BrokenError("its body is longer than 64 MiB", 413)
        self._state = "chunk" if self._missing else "trailer"
        return True

    def _chunk_end(self, _found: list[Found]) -> bool:
        for end in (b"\r\n", b"\n"):
            if self._rest.startswith(end):
                self._take(len(end))
                self._state = "size"
                return True
        if bytes(self._rest) not in (b"", b"\r"):
            raise _BrokenError("a chunk does not end where its size says")
        return False

    def _trailer(self, found: list[Found]) -> bool:
        end = self._rest.find(b"\n")
        if end < 0:
            self._limit("a trailer")
            return False
        line = bytes(self._rest[:end]).rstrip(b"\r")
        self._take(end + 1)
        if line:
            _header(line)  # a trailer is read, and of no use here
        else:
            self._finish(found)
        return True

    def _finish(self, found: list[Found]) -> None:
        method, path, query, headers, keep = self._opening
        body = b"".join(self._parts)
        self._parts, self._state, self._searched = [], "head", 0
        found.append(
            Request(method=method, path=path, query=query, headers=headers, body=body, keep_alive=keep)
        )

    def _take(self, count: int) -> None:
        del self._rest[:count]
        self._searched = 0

    def _limit(self, what: str) -> None:
        if len(self._rest) > _HEAD:
            raise _BrokenError(f"{what} are longer than 64 KiB", 431)


class _BrokenError(Exception):
    """What cannot be read."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


def _header(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        raise _BrokenError(f"this is no header: {line[:60]!r}")
    return name.decode(), value.strip(b" \t").decode("latin-1")


def _target(target: bytes) -> tuple[str, str]:
    """The path and the query of a target, which a client that believes in a proxy writes as a whole address."""
    text = target.decode("latin-1")
    if text.lower().startswith(("http://", "https://")):
        try:
            whole = urlsplit(text)
        except ValueError as error:
            raise _BrokenError(f"its target is no address: {text[:60]!r}") from error
        return whole.path or "/", whole.query
    path, _, query = text.partition("?")
    return path, query


def _framing(headers: Headers, minor: int) -> tuple[_State, int]:
    """How the body is framed: what follows the head, and how many bytes of it."""
    coding, length = headers.tokens("transfer-encoding"), headers.get("content-length")
    if coding:
        if length is not None or minor == 0:
            raise _BrokenError("it says Transfer-Encoding where that may not stand")
        if coding != ["chunked"]:
            raise _BrokenError(f"its Transfer-Encoding is {', '.join(coding)[:60]}", 501)
        return "size", 0
    if length is None:
        return "body", 0
    values = {value.strip() for value in length.split(",")}
    if len(values) != 1 or not (text := values.pop()).isascii() or not text.isdigit() or len(text) > 18:
        raise _BrokenError(f"its Content-Length is {length[:60]!r}")
    if int(text) > MOST:
        raise _BrokenError("its body is longer than 64 MiB", 413)
    return "body", int(text)
