"""One HTTP request, as a test may look at it."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

__all__ = ["MOST", "Headers", "Request"]

MOST = 1 << 26
"""Bytes of a body that are kept, 64 MiB; a longer one is refused."""


class Headers(Mapping[str, str]):
    """Headers by their names, whatever the case; those that came twice are joined by a comma."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            lower = name.lower()
            self._values[lower] = f"{self._values[lower]}, {value}" if lower in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def tokens(self, name: str) -> list[str]:
        """The elements of a list in a header, in lower case: `keep-alive`, `chunked`."""
        return [part.strip().lower() for part in self.get(name, "").split(",") if part.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, whole.

    Attributes:
        method: `POST`, as it was sent.
        path: of its target, as it was sent (percent signs too), without the query.
        query: what stands behind the question mark; empty without one.
        headers: by name, whatever the case.
        body: without the framing of chunks.
        keep_alive: whether its connection is to stay open.
    """

    method: str
    path: str
    query: str = ""
    headers: Headers
    body: bytes = b""
    keep_alive: bool = True

    @property
    def json(self) -> object:
        """The body as JSON; one that is compressed (gzip, deflate) is opened first.

        Raises:
            ValueError: if it is none.
        """
        return json.loads(self._plain())

    def _plain(self) -> bytes:
        if self.headers.get("content-encoding", "").lower() not in ("gzip", "x-gzip", "deflate"):
            return self.body
        opener = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: by the header, gzip or zlib
        try:
            return opener.decompress(self.body, MOST)
        except zlib.error as error:
            raise ValueError(f"its content-encoding is not what it says: {error}") from error

    def __str__(self) -> str:
        """Its first line: `POST /pay`."""
        return f"{self.method} {self.path}"
