"""One direction of a connection on one side of the wire, as the weather is there.

```
 client ◄── Passage ◄── Relay ◄── Passage ◄── Toxiproxy, broker
 client ──────────────► Relay ──► Passage ──► Toxiproxy, broker
```

In fair weather bytes go straight through. Else they wait in line until they are due (latency), go as fast as the
line carries them (bandwidth) and in pieces (fragment). An end takes its place in the line, so nothing that was said
before it is lost. When the weather clears, what waits goes at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from pytest_mqchaos.link.weather import Place, Weather

__all__ = ["Passage"]

_HIGH_WATER = 1 << 18
_TICK = 0.02
"""Seconds of a slow line's capacity that go as one piece."""
_PAUSE, _BURST = 0.001, 8
"""Seconds between fragments, so that a receiver reads them one by one; so many bytes may go without one."""


class Passage:
    """Passes bytes on, later.

    Args:
        weather: of the link.
        place: on whose side of the wire it is.
        loop: the link's.
        sink: takes what has come through.
        choke: told whether the sender is to stop, since much of what it said waits.
    """

    def __init__(
        self,
        weather: Weather,
        place: Place,
        *,
        loop: asyncio.AbstractEventLoop,
        sink: Callable[[bytes], None],
        choke: Callable[[bool], None],
    ) -> None:
        self._weather = weather
        self._place: Place = place
        self._loop = loop
        self._sink = sink
        self._choke = choke
        self._line: deque[tuple[float, bytes | Callable[[], None]]] = deque()
        self._waiting = 0
        self._choked = False
        self._last_due = 0.0
        self._free_at = 0.0
        """When the line may carry the next piece."""
        self._since_pause = 0
        self._stands = 0
        self._timer: asyncio.TimerHandle | None = None
        weather.follow(self._on_weather)

    @property
    def empty(self) -> bool:
        """Whether nothing waits here."""
        return not self._line

    @property
    def stands(self) -> bool:
        """Whether it lets nothing through."""
        return self._stands > 0

    def put(self, data: bytes) -> None:
        """Pass bytes on, behind all that came before."""
        if self._clear:
            self._sink(data)
            return
        self._last_due = max(self._last_due, self._loop.time() + self._weather.delay(self._place))
        self._line.append((self._last_due, data))
        self._waiting += len(data)
        if self._waiting > _HIGH_WATER and not self._choked:
            self._choked = True
            self._choke(True)
        self._run()

    def end(self, then: Callable[[], None]) -> None:
        """Call `then` behind all that came before."""
        if not self._line and not self._stands:
            then()
        else:
            self._line.append((self._last_due, then))

    def stand(self) -> None:
        """Let nothing through; each call wants a `go_on`."""
        self._stands += 1

    def go_on(self) -> None:
        """Let it through again, once nobody wants it to stand."""
        self._stands = max(0, self._stands - 1)
        self._run()

    def close(self) -> None:
        """Forget what waits, for good."""
        self._weather.leave(self._on_weather)
        self.forget()

    def forget(self) -> None:
        """Forget what waits."""
        self._line.clear()
        self._waiting = 0
        self._wake_at(None)
        self._let_speak()

    @property
    def _clear(self) -> bool:
        return not self._line and not self._stands and not self._weather.here[self._place]

    def _on_weather(self) -> None:
        """Let what waits go by the new conditions: without latency it is due at once."""
        if not any(each.delay for each in self._weather.here[self._place]):
            self._line = deque((0.0, item) for _, item in self._line)
            self._last_due = 0.0
        self._free_at = 0.0
        self._run()

    def _run(self) -> None:
        """Pass on what is due, and come again for the rest."""
        self._wake_at(None)
        while self._line and not self._stands:
            due, item = self._line[0]
            at = max(due, self._free_at)
            if at > self._loop.time():
                self._wake_at(at)
                break
            self._line.popleft()
            if callable(item):
                item()
                continue
            piece = self._carry(item)
            if len(piece) < len(item):
                self._line.appendleft((due, item[len(piece) :]))
            self._waiting -= len(piece)
            self._sink(piece)
        self._let_speak()

    def _let_speak(self) -> None:
        """Read the sender again, once little waits."""
        if self._choked and self._waiting <= _HIGH_WATER // 2:
            self._choked = False
            self._choke(False)

    def _carry(self, data: bytes) -> bytes:
        """Return what goes of some bytes now, and take down when the line is free again."""
        here = self._weather.here[self._place]
        rate = min((each.rate for each in here if each.rate), default=0.0)
        size = min((each.size for each in here if each.size), default=0)
        piece = data
        if rate:
            piece = piece[: max(1, int(rate * _TICK))]
        if size:
            piece = piece[:size]
        now = self._loop.time()
        if rate:
            # A timer that came late has not cost capacity, a line that was idle has none to catch up on.
            began = self._free_at if now - self._free_at < 5 * _TICK else now
            self._free_at = began + len(piece) / rate
        if size:
            self._since_pause += len(piece)
            if size >= _BURST or self._since_pause >= _BURST:
                self._since_pause = 0
                self._free_at = max(self._free_at, now + _PAUSE)
        return piece

    def _wake_at(self, at: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if at is None else self._loop.call_at(at, self._run)
