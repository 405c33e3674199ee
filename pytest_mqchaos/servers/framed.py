"""Docker's framed stream: what a container, or a command inside one, says on its two outputs.

```
 ┌────────┬─────────┬────────────────┬────────────┐
 │ stream │ 0, 0, 0 │ size, 4 bytes, │    size    │   stream: 1 its output, 2 its errors
 │ 1 byte │         │ the high first │   bytes    │
 └────────┴─────────┴────────────────┴────────────┘
```
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

__all__ = ["STDOUT", "FramedStream"]

STDOUT = 1
_HEADER = 8


class FramedStream:
    """One such stream, as the engine's library returns its socket."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.socket = getattr(raw, "_sock", raw)
        self.socket.settimeout(None)

    def frame(self) -> tuple[int, bytes] | None:
        """The next frame's stream and bytes, fewer than it said where the engine is gone; None at the end."""
        header = self._exactly(_HEADER)
        if len(header) < _HEADER:
            return None
        return header[0], self._exactly(int.from_bytes(header[4:], "big"))

    def close(self) -> None:
        """Close all that it is made of; may be called again."""
        # The answer before its socket: left to the garbage collector it would flush one that is closed.
        for part in (getattr(self._raw, "_response", None), self._raw, self.socket):
            if part is not None:
                with suppress(OSError, ValueError):
                    part.close()

    def _exactly(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size and (part := self.socket.recv(min(size - len(found), 65536))):
            found += part
        return bytes(found)
