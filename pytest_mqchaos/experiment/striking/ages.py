"""How old each queue is at least: a broker that is killed may lose a young one.

RabbitMQ writes the declaration of a queue to disk a while after it has confirmed it, so a kill may take a young
queue with all that was confirmed to it (on 3.10 a classic one too). No consumer can help that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import Event
from pytest_mqchaos.model.history import History, now

__all__ = ["Ages"]

_TRACES = (facts.QueueDeclared, facts.Subscribed, facts.Delivered)


class Ages:
    """Since when queues are known to be there: from the history, and from who declares them past every link."""

    def __init__(self, history: History, *, clock: Callable[[], int] = now) -> None:
        self._history = history
        self._clock = clock
        self._read = 0
        self._born: dict[str, int] = {}
        self._lock = threading.Lock()

    def known(self, queue: str, *, at: int | None = None) -> None:
        """Take down that a queue is there, since now at the latest."""
        with self._lock:
            self._born.setdefault(queue, self._clock() if at is None else at)

    def of(self, queue: str) -> float:
        """Seconds for which a queue has been there at least; one without a trace is new from now on."""
        with self._lock:
            fresh = self._history[self._read : len(self._history)]
            self._read += len(fresh)
            for event in fresh:
                self._take(event)
            return (self._clock() - self._born.setdefault(queue, self._clock())) / 1e9

    def _take(self, event: Event) -> None:
        if isinstance(event, _TRACES):
            self._born.setdefault(event.queue, event.at)
        elif isinstance(event, facts.CensusTaken):
            for state in event.queues:
                self._born.setdefault(state.name, event.at)
        elif isinstance(event, facts.QueueDeleted):
            self._born.pop(event.queue, None)
