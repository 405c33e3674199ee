"""When the consumers' output is looked at: each line gets the time of the first look that found it.

Besides now and then, that is at each settlement, before it is passed on, and at each strike, loss and end: what stands
between these in the life of a message stands between them here. Only how long a file is is asked, nothing is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_mqchaos.consumers.replica import Replica
from pytest_mqchaos.model.events import ConsumerEnded, ConsumerFrozen, Event, FaultFired, LinkLost

__all__ = ["Outputs"]


class Outputs:
    """The files that the consumers of a run write to.

    Args:
        replicas: those that there are by now.
    """

    def __init__(self, replicas: Callable[[], Sequence[Replica]]) -> None:
        self._replicas = replicas

    def look(self) -> None:
        """See how long each file is, on any thread."""
        for replica in self._replicas():
            replica.growth.look()

    def saw(self, event: Event) -> None:
        """Mark the place where a consumer is struck, cut off or ended: lines around it will be told."""
        if type(event) not in _MOMENTS:
            return
        struck = isinstance(event, FaultFired)
        names = _names(event)
        for replica in self._replicas():
            if replica.name in names or (struck and names & {replica.name.partition("#")[0], "*", "broker"}):
                replica.growth.mark(event.at)


_MOMENTS = frozenset({ConsumerEnded, ConsumerFrozen, FaultFired, LinkLost})


def _names(event: Event) -> set[str]:
    """Return whom an event hits."""
    match event:
        case FaultFired():
            return {name.strip() for name in event.target.split(",")}
        case LinkLost(clean=False):
            return {event.link}
        case ConsumerFrozen() | ConsumerEnded(by="itself" | "fault"):
            return {event.consumer}
    return set()
