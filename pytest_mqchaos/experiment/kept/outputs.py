"""When the consumers' output is looked at: each line gets the time of the first look that found it.

Besides now and then, that is at each settlement, before it is passed on, and at each strike, loss and end: what stands
between these in the life of a message stands between them here. Only how long a file is is asked, nothing is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_mqchaos.consumers.replica import Replica
from pytest_mqchaos.model.events import ConsumerEnded, ConsumerFrozen, Event, FaultFired, LinkLost
from pytest_mqchaos.model.surroundings import hits

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
        for replica in self._replicas():
            if _met(event, replica.name):
                replica.growth.mark(event.at)


_MOMENTS = frozenset({ConsumerEnded, ConsumerFrozen, FaultFired, LinkLost})


def _met(event: Event, replica: str) -> bool:
    """Whether an event hit a replica."""
    match event:
        case FaultFired():
            return hits(event, replica)
        case LinkLost(clean=False):
            return event.link == replica
        case ConsumerFrozen() | ConsumerEnded(by="itself" | "fault"):
            return event.consumer == replica
    return False
