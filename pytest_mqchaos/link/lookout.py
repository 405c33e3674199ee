"""Whether anybody listens where a link to another service leads: while nobody does, the link refuses as it would.

```
 opened ──► look ──somebody──► listen ──a connection ends without a word from the service──► look
              └──nobody──► refuse, and look again until somebody is there ──► listen
```
Our own faults lie between: the service itself is looked at, past Toxiproxy, so they are never taken for its absence.
A service on this host that listens is seen in the kernel's table: it has not to take a connection for that.
"""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import Callable

from pytest_mqchaos import kernel
from pytest_mqchaos.link.greeting import accepts
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.wire import Wire

__all__ = ["Lookout"]

_AGAIN = 0.02
"""Seconds between two looks at a service that is away: as long a client is refused that has just come up."""
_PATIENCE = 2.0
_LOOPBACK = re.compile(r"localhost|127\.[\d.]+|::1")


class Lookout:
    """Looks after the service behind one link; on the link's thread.

    Args:
        wire: the link's.
        upstream: where the service is.
        thread: of the links.
        note: takes down what a reader of the account should know.
    """

    def __init__(
        self, wire: Wire, upstream: tuple[str, int], *, thread: LoopThread, note: Callable[[str], object]
    ) -> None:
        self._wire = wire
        self._upstream = upstream
        self._thread = thread
        self._note = note
        self._looking = False
        self._told: set[str] = set()
        wire.on_silence = self.doubt

    async def begin(self) -> None:
        """Look for the first time, and let the link listen, or refuse as the service does."""
        if await self._nobody():
            self._away()
        await self._wire.listen()

    def doubt(self) -> None:
        """Look again: a connection has ended without a word from the service."""
        if not self._looking:
            self._looking = True
            self._thread.spawn(self._look())

    async def _look(self) -> None:
        if await self._nobody():
            self._away()
        else:
            self._looking = False

    def _away(self) -> None:
        self._looking = True
        self._tell("nobody answers at {} (connection refused), so it refuses until somebody does")
        self._wire.refuse()
        self._thread.spawn(self._until_it_is_back())

    async def _until_it_is_back(self) -> None:
        while not self._wire.closed:
            await asyncio.sleep(_AGAIN)  # a poll of another's port: nothing tells when somebody listens there
            if not await self._nobody():
                self._tell("somebody answers at {} now")
                await self._wire.welcome()
                break
        self._looking = False

    def _tell(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            host, port = self._upstream
            self._note(f"link({self._wire.name!r}): {words.format(f'{host}:{port}')}")

    async def _nobody(self) -> bool:
        """Whether the service refuses; what is not known for sure (no such host, no answer) is no refusal."""
        host, port = self._upstream
        here = _LOOPBACK.fullmatch(host) is not None
        there = await self._thread.blocking(kernel.tcp) if here else None
        if there and any(one.listens and one.port == port for one in there):
            return False
        try:
            await accepts((host, port), _PATIENCE)
        except (OSError, TimeoutError) as error:
            said = set(re.findall(r"\[Errno (\d+)\]", str(error)))  # of each address of the host
            return said == {str(errno.ECONNREFUSED)}
        return False
