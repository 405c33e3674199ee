"""The wire's own account of what a broker holds: for one that tells how much is ready, and not what is in hand.

A number of messages that a queue itself says is ready, joined with these, is as much as a census by the broker: where
the two agree nothing is on its way. Where they do not, something is, or is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pytest_mqchaos.model.events import CensusTaken
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.topology import QueueState, Topology

__all__ = ["Held", "Sight", "adrift", "sight"]


@dataclass(frozen=True, slots=True)
class Held:
    """One queue, as the wire has it."""

    coming: int = 0
    """Messages that it must still have ready: given back, or confirmed and never seen anywhere."""
    in_hand: int = 0
    """Deliveries that are open on our links, those of other messages too."""
    settling: int = 0
    """Settlements that were passed on and are not known to be processed."""
    consumers: int = 0
    """Subscriptions that are open on our links."""


@dataclass(frozen=True, slots=True)
class Sight:
    """All queues at one moment; two sights that are equal had nothing move in between."""

    queues: Mapping[str, Held] = field(default_factory=dict)
    mark: tuple[int, ...] = ()

    def of(self, queue: str) -> Held:
        """What the wire has of a queue."""
        return self.queues.get(queue, _NOTHING)


_NOTHING = Held()


def sight(ledger: Ledger, topology: Topology, private: Mapping[str, int] | None = None) -> Sight:
    """Return the wire's account now; the history must not change meanwhile.

    Args:
        ledger: of the run.
        topology: where publications lead.
        private: queues that only their own connection may ask, and since when messages come to them: of these
            every message is looked for.
    """
    table, connections = ledger._table, ledger._connections
    coming: Counter[str] = Counter()
    for (exchange, key), ids in table.undelivered.items():
        for queue in _lead(topology, exchange, key):
            coming[queue] += len(ids)
    for queue, since in (private or {}).items():
        coming[queue] = _unseen(ledger, topology, queue, since)
    consumers = Counter(one.queue for one in connections.subscriptions())
    found = {}
    for queue in {*coming, *consumers, *table.standing}:
        standing = table.at(queue)
        back = sum(copy.settlement not in ("acked", "dropped") for copy in standing.ready)
        found[queue] = Held(
            coming=coming[queue] + back,
            in_hand=len(standing.in_hand) + standing.foreign,
            settling=len(standing.settling),
            consumers=consumers[queue],
        )
    return Sight(found, (ledger.traffic, ledger.progress, connections.deliveries, len(connections.links)))


def _lead(topology: Topology, exchange: str, key: str) -> Iterable[str]:
    return (key,) if exchange == "" else topology.leads_to(exchange, key)


def _unseen(ledger: Ledger, topology: Topology, queue: str, since: int) -> int:
    """How many publications lead to a queue since a moment and were not seen there."""
    missing = 0
    for record in ledger.records.values():
        if record.ok:
            wanted = sum(
                one.passed and one.at > since and queue in _lead(topology, one.exchange, one.routing_key)
                for one in (*record.publications, *record.republications)
            )
            missing += max(0, wanted - sum(copy.queue == queue for copy in record.copies))
    return missing


def adrift(ledger: Ledger, queues: tuple[QueueState, ...], topology: Topology) -> dict[str, int]:
    """Return how many dead letters are nowhere yet, by the queue that gave them up.

    A dead letter between two queues is in none of them. Those that came are counted where they can be: delivered
    once more, at rest, or ready in a queue that they lead to.
    """
    given_up: Counter[str] = Counter()
    came: Counter[str] = Counter()
    back: Counter[str] = Counter()
    for record in ledger.records.values():
        for copy in record.copies:
            given_up[copy.queue] += copy.settlement == "dropped"
            came[copy.queue] += copy.deaths is not None or copy.death_reason is not None
            back[copy.queue] += copy.state == "ready"
    if not any(given_up.values()):
        return {}
    roles = ledger.roles(census=CensusTaken(at=0, topology=topology, queues=queues))
    sources = [name for name in given_up if given_up[name] and roles.reach(name)]
    targets = {target for name in sources for target in roles.reach(name)}
    ready = {state.name: state.ready for state in queues}
    there = sum(came[name] + max(0, ready.get(name, 0) - back[name]) for name in targets)
    missing = sum(given_up[name] for name in sources) - there
    found: dict[str, int] = {}
    for name in sorted(sources):
        if missing > 0:
            found[name] = min(missing, given_up[name])
            missing -= found[name]
    return found
