"""The gate: while a fault waits for an effect that is about to be, the probe asks here before it writes.

```
 probe.effect(id) ── is there a file `gate` beside $MQCHAOS_EFFECTS? ── no ──► write
                        │ yes: its port and token
                        └──► token, effects file, id ──► Gate ──► asked() ... ──► one byte back ──► write
                                                           └──► ended() ◄── the connection's end ◄────┘
```
Whoever asks is let go when `asked` returns, and when the gate's connection ends for any other reason. It keeps its
connection until it has written: when that ends, the effect is there, or will never be.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from pytest_mqchaos.effects.http import Closable, Listen

__all__ = ["Gate"]

_LINE = 1 << 16


class Gate:
    """Answers the probes of one run; on the link's thread only.

    Args:
        directory: where the effects files are.
        asked: called with the name of the effects file, what is to be written to it, and the asker's port.
        ended: called with the first two when it has been written, or its process has ended.
        listen: accepts connections on a bound socket.
    """

    def __init__(
        self,
        directory: Path,
        asked: Callable[[str, str, int], Awaitable[None]],
        ended: Callable[[str, str], None],
        *,
        listen: Listen,
    ) -> None:
        self._file = directory / "gate"
        self._asked = asked
        self._ended = ended
        self._token = secrets.token_hex(8)
        self._listen = listen
        self._listener: Closable | None = None
        self._port = 0

    @property
    def is_open(self) -> bool:
        """Whether probes ask."""
        return self._file.exists()

    def open(self) -> None:
        """Let probes ask from now on."""
        if self._listener is None:
            own = socket.create_server(("127.0.0.1", 0))
            self._port = own.getsockname()[1]
            self._listener = self._listen(own, self._asker)
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{self._port} {self._token}")
        draft.replace(self._file)

    def shut(self) -> None:
        """Let probes write without asking; those that have asked are answered."""
        self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Shut it for good, and let go of its port."""
        self.shut()
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _asker(self) -> asyncio.BaseProtocol:
        loop = asyncio.get_running_loop()
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(_LINE, loop), self._answer, loop)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            token, name, entry = [(await reader.readline())[:-1] for _ in range(3)]
            if token.decode("ascii", "replace") != self._token:
                return
            about = os.fsdecode(name), entry.decode("utf-8", "backslashreplace")
            try:
                await self._asked(*about, writer.get_extra_info("peername")[1])
                writer.write(b"\n")
                with suppress(OSError):
                    await writer.drain()
                    await reader.read(1)
            finally:
                self._ended(*about)
        except (OSError, ValueError):
            return  # it ended meanwhile, or said more than a line
        finally:
            writer.close()
