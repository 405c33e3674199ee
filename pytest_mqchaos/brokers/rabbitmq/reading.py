"""A census of a RabbitMQ that has no Erlang shell for us: read until what it says stands still.

```
 census ──► Counter: passive declare ──► ready, consumers ─┐
        ──► Witness: the wire's account ──► in hand ───────┴─► joined, and read until both stand still
```
Where both agree that nothing is missing, a census is exact at once. Where something is, it may be on its way: then
it is read again until nothing has changed for a while, a barrier on every channel of ours answered.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from pytest_mqchaos.brokers.rabbitmq.counter import Answer
from pytest_mqchaos.brokers.rabbitmq.joined import Joined, join, with_drift
from pytest_mqchaos.brokers.rabbitmq.place import Config, Place
from pytest_mqchaos.model.sight import Sight
from pytest_mqchaos.model.topology import QueueState

__all__ = ["CALM", "LONGEST", "PATIENCE", "Reading"]

PATIENCE = 1.5
"""Seconds that nothing must change until what is missing counts as gone."""
CALM = 0.25
"""Seconds that a quorum queue has to take in what was acknowledged in front of a barrier that was answered."""
LONGEST = 4.0
"""Seconds for one census."""
_READINGS = 4
"""Readings in which something moved, after which a census is not exact."""
_PAUSE = 0.02
_FENCE = 1.0


class Reading:
    """One census of one place."""

    def __init__(self, place: Place, major: int) -> None:
        self._place = place
        self._major = major
        self._config = Config()

    def take(self) -> tuple[QueueState, ...]:
        """Read until two readings agree and nothing is missing, or all has stood still for long enough."""
        place = self._place
        self._config = place.config()
        deadline = time.monotonic() + LONGEST
        last: object = None
        fenced: object = None
        moved = 0
        while True:
            waited = time.monotonic() - place.since
            decide = place.picture is not None and waited >= place.patience
            before, answers = self._sight(), self._count()
            loose: frozenset[str] = frozenset()
            if _fence_needed(before, answers) and (decide or before != fenced):
                loose = self._fence()
                before, answers = self._sight(), self._count()
                fenced = before
            after = self._sight()
            joined = self._join(answers, after, loose)
            picture = (answers, after)
            if before != after:
                moved += 1
                if moved >= _READINGS:
                    return _not_exact(joined, "its counts moved while they were read", all_of_it=True)
                continue
            if not joined.pending:
                place.picture = None
                if picture == last:
                    return joined.queues
                last = picture
                continue
            if picture != place.picture:
                place.picture, place.since = picture, time.monotonic()
                place.patience = CALM if joined.settling else PATIENCE
            elif decide:
                return joined.queues
            if time.monotonic() >= deadline:
                return _not_exact(joined, "it did not come to rest")
            if place.witness is not None:
                place.witness.meanwhile()
            time.sleep(_PAUSE)  # between two readings: nothing tells when a broker has done what it was told

    def _join(self, answers: Mapping[str, Answer], sight: Sight, loose: frozenset[str]) -> Joined:
        joined = join(answers, sight, self._config.queues, loose=loose, major=self._major)
        witness = self._place.witness
        if witness is None:
            return joined
        return with_drift(joined, witness.adrift(joined.queues, self._config.topology))

    def _fence(self) -> frozenset[str]:
        witness = self._place.witness
        return frozenset() if witness is None else witness.fence(_FENCE)

    def _sight(self) -> Sight:
        witness = self._place.witness
        return Sight() if witness is None else witness.sight(self._config.topology)

    def _count(self) -> dict[str, Answer]:
        names = self._place.names
        full = {names.full(name): name for name in self._config.queues}
        return {full[name]: answer for name, answer in self._place.counter.count(full).items()}


def _fence_needed(sight: Sight, answers: Mapping[str, Answer]) -> bool:
    """Whether deliveries or settlements may be between the wire and the broker."""
    return any(
        held.settling or held.coming > (answers[name].ready if name in answers else 0)
        for name, held in sight.queues.items()
    )


def _not_exact(joined: Joined, why: str, *, all_of_it: bool = False) -> tuple[QueueState, ...]:
    return tuple(
        replace(state, exact=False, doubt=state.doubt or joined.pending.get(state.name) or why)
        if all_of_it or state.name in joined.pending
        else state
        for state in joined.queues
    )
