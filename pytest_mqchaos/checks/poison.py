"""What is expected of a message that cannot be processed, and where it went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pytest_mqchaos.checks.whereabouts import Whereabouts
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery, Record

__all__ = ["Expected", "poison"]


@dataclass(frozen=True, slots=True)
class Expected:
    """A poison message that the broker took, and what should have become of it."""

    record: Record
    required: bool
    """Whether it should be in one of `targets`."""
    targets: frozenset[str]
    arrived: tuple[Copy, ...]
    """Copies at rest in a target, or read from one by a consumer."""
    where: Whereabouts

    @property
    def held(self) -> bool:
        """Whether a copy may still be in hand, ready, waiting or in transit."""
        return self._held(doubts=True)

    @property
    def stuck(self) -> bool:
        """Whether a copy is, as far as anybody saw."""
        return self._held(doubts=False)

    def _held(self, *, doubts: bool) -> bool:
        if any(copy in self.where.open or self.where.in_transit(copy) for copy in self.record.copies):
            return True
        possible = self.where.possible(self.record, doubts=doubts)
        return any(self.where.room(queue) is True for queue in possible)

    @property
    def deliveries(self) -> list[Delivery]:
        """Its deliveries from queues where it was to be worked on."""
        return [one for one in self.record.deliveries if one.queue not in self.targets]


def poison(case: Case) -> Iterator[Expected]:
    """Yield every poison message that is confirmed or was delivered.

    Under `auto` it belongs into the dead-letter queue where one is named, or where the dead-letter exchange of
    its queue leads to a terminal one; else it is to be settled. A named queue that leads back is a waiting room:
    messages come through it, none belongs there. One that only dead letters of other queues come to is theirs.
    """
    records = [one for one in case.ledger.records.values() if not one.good and (one.ok or one.copies)]
    if not records:
        return
    where = Whereabouts(case)
    for record in records:
        targets = _targets(case, where, record)
        yield Expected(
            record=record,
            required=case.poison == "dead-letter" or (case.poison == "auto" and bool(targets)),
            targets=targets,
            arrived=tuple(copy for copy in record.copies if copy.queue in targets),
            where=where,
        )


def _targets(case: Case, where: Whereabouts, record: Record) -> frozenset[str]:
    """Queues that a message may be dead-lettered into."""
    roles, origins = where.roles, _origins(where, record)
    named = case.dead_letters - roles.waiting_rooms
    own = frozenset(target for queue in origins for target in roles.dead_letter_targets(queue))
    others = frozenset(
        target for queue in roles.work - origins for target in roles.dead_letter_targets(queue)
    )
    return (named - (others - own)) or own or named


def _origins(where: Whereabouts, record: Record) -> set[str]:
    """Queues that it was published to."""
    found = {copy.queue for copy in record.copies if copy.deaths is None and copy.state != "resting"}
    for one in record.publications:
        found |= where.roles.leads_to(one.exchange, one.routing_key)
    return found
