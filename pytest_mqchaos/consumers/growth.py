"""When a file was how long: so it can be told by which moment each line of a consumer's output was there.

```
size    0 ──── 120 ──────── 410 ── 480          one look each; a line was seen by the first look that found its end
at      0.20   0.41         0.43   0.44
                             └ marked: a strike, around which lines are told
```
The consumer writes to the file itself, and nobody stands between: that costs it nothing, and a kill loses none of it.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from pathlib import Path

from pytest_mqchaos.model.history import now

__all__ = ["Growth"]

_LOOKS = 20_000
"""Most looks that are kept; of more, every second one is let go."""
_MARKS = 12
"""Most marks."""


class Growth:
    """How one file grew; safe from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes: list[int] = [0]
        self._moments: list[int] = [0]
        self._marks: list[int] = []
        self._lock = threading.Lock()

    def look(self, at: int | None = None) -> None:
        """See how long the file is; what is new was there by `at`, in nanoseconds of the run's clock, or by now."""
        with self._lock:
            try:
                size = self._path.stat().st_size
            except OSError:
                return  # it went with the run's directory
            if size > self._sizes[-1]:
                self._sizes.append(size)
                self._moments.append(max(now() if at is None else at, self._moments[-1]))
                if len(self._sizes) > _LOOKS:
                    del self._sizes[1:-1:2], self._moments[1:-1:2]

    def mark(self, at: int | None = None) -> None:
        """See how long the file is, and remember the place: lines on either side of it will be told."""
        self.look(at)
        with self._lock:
            if self._sizes[-1] not in self._marks and len(self._marks) < _MARKS:
                self._marks.append(self._sizes[-1])

    @property
    def marks(self) -> list[int]:
        """The places that were marked, in bytes."""
        with self._lock:
            return list(self._marks)

    def when(self, size: int) -> int:
        """Return by which moment the file's first `size` bytes were there; what nobody has seen yet, by now."""
        with self._lock:
            place = bisect_left(self._sizes, size)
            return self._moments[place] if place < len(self._moments) else now()
