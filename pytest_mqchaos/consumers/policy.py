"""When a consumer is started again."""

from __future__ import annotations

from typing import Literal, get_args

from pytest_mqchaos.consumers.process import Ender
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.waits import seconds

__all__ = ["Policy", "Restart"]

Restart = Literal["on-fault", "always", "never"]

_MOST_RESTARTS = 20
_FIRST_PAUSE, _LONGEST_PAUSE, _DOUBLINGS = 0.02, 0.25, 10


class Policy:
    """The restart policy of one replica, with what it has used up.

    Args:
        kind: `on-fault`: whenever a process fault ended it. `always`: also when it ends by itself, at most 20
            times in a row without progress, not counting where an outage of the test's own making is to blame.
            `never`.
        delay: seconds before a start.
        ends: whether exit code 0 is its normal end, after which nobody starts it again: so it is with a publisher.

    Raises:
        UsageError: if one is out of range.
    """

    def __init__(self, kind: object, delay: object, *, ends: bool = False) -> None:
        __tracebackhide__ = True
        if kind not in get_args(Restart):
            raise UsageError(f"consumer(): restart={kind!r}: 'on-fault', 'always' or 'never'")
        self.kind: Restart = kind  # type: ignore[assignment]
        self.delay = seconds("consumer()", "restart_delay", delay)
        self._normal_end = ends
        self._used = 0
        """How many of the restarts that it has."""
        self._ends = 0
        """How often it ended by itself."""

    def again(
        self, ender: Ender, *, outage: bool = False, worked: bool = False, code: int | None = None
    ) -> bool:
        """Whether it is started again after an end by `ender`; to be asked once an end.

        Args:
            ender: who ended it.
            outage: whether a fault kept the broker out of its reach. How long that lasts is the test's choice,
                and as many ends tell nothing of whether it can live.
            worked: whether the run's messages made progress since its start: one that ends after each of a few is
                no loop.
            code: its exit code.
        """
        if (
            ender == "plugin"
            or self.kind == "never"
            or (self._normal_end and ender == "itself" and code == 0)
        ):
            return False
        if ender == "fault":
            return True
        if self.kind != "always":
            return False
        if worked:
            self._used = self._ends = 0
        self._ends += 1
        if outage:
            return True
        self._used += 1
        return self._used <= _MOST_RESTARTS

    def pause(self, ender: Ender) -> float:
        """Seconds before a start: longer each time it ends by itself, as a supervisor backs off."""
        if ender == "fault":
            return self.delay
        doubled = min(self._ends - 1, _DOUBLINGS)
        return max(self.delay, min(_LONGEST_PAUSE, _FIRST_PAUSE * float(2**doubled)))
