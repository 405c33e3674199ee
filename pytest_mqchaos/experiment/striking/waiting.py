"""The faults of a run that wait for their moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from pytest_mqchaos.experiment.striking.armed import Armed

__all__ = ["Waiting"]


class Waiting:
    """Faults that wait; safe from any thread. Once it is over, nothing strikes any more."""

    def __init__(self) -> None:
        self.over = False
        self._faults: list[Armed] = []
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._faults)

    def __iter__(self) -> Iterator[Armed]:
        return iter(list(self._faults))

    def add(self, armed: Armed) -> None:
        """Let a fault wait."""
        with self._lock:
            self._faults.append(armed)

    def remove(self, armed: Armed) -> None:
        """Let it wait no more; one that did not is left alone."""
        with self._lock:
            if armed in self._faults:
                self._faults.remove(armed)

    def reached(self, reached: Callable[[Armed], bool]) -> list[Armed]:
        """Take out the faults whose moment has come; they strike from now on, unless they are delayed."""
        with self._lock:
            found = [armed for armed in self._faults if reached(armed)]
            for armed in found:
                self._faults.remove(armed)
                armed.striking = not (armed.trigger and armed.trigger.delay)
        return found

    def withdraw(self, armed: Armed) -> bool | None:
        """Let a fault strike no more, as its block was left; None while it strikes, False where it has struck."""
        with self._lock:
            if armed.striking:
                return None
            if armed.fired or armed.withdrawn:
                return False
            armed.withdrawn = True
            if armed in self._faults:
                self._faults.remove(armed)
        return True

    def end(self) -> None:
        """Let nothing strike any more."""
        with self._lock:
            self.over = True
            self._faults.clear()
