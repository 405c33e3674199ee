"""Where a message may still be at the end of a run.

The wire tells where each copy was seen last, the census how many a queue still holds. A message is nowhere if no
queue that one of its copies may stand in has room for it.
"""

from __future__ import annotations

from collections import Counter

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Record
from pytest_mqchaos.model.topology import QueueState

__all__ = ["ASK", "Whereabouts"]

ASK = "let the broker be asked for its policies and bindings: --mqchaos-management-url=http://host:15672"


class Whereabouts:
    """What the last census of the run leaves room for."""

    def __init__(self, case: Case) -> None:
        self._case = case
        ledger = case.ledger
        self.end = ledger.end
        self.census = self.end.census
        self.roles = ledger.roles(dead_letters=case.dead_letters, expected=case.expected, census=self.census)
        self.open = {one.copy for one in self.end.open}
        self._known = Counter(one.queue for one in self.end.open) + Counter(self.end.foreign)

    @property
    def streams(self) -> frozenset[str]:
        """Streams that messages of the run were published to, or read from."""
        return frozenset(
            name for name in self.roles.work if (state := self.roles.queues.get(name)) and state.stream
        )

    def unread(self, queue: str) -> int:
        """How many messages rest in a terminal queue that nobody could read."""
        state = self.roles.queues.get(queue)
        return 0 if state is None else max(0, state.ready - self._case.ledger.rested_in(queue))

    def room(self, queue: str) -> bool | str:
        """Whether a queue may hold a message that was not seen there; a text if that cannot be told."""
        if self.census is None:
            return "no census was taken"
        state = self.roles.queues.get(queue)
        if state is None:
            return False
        if state.stream:
            return f"`{queue}` is a stream, and keeps what was read"
        if not state.exact:
            return f"`{queue}` could not be counted exactly{state.doubt and f': {state.doubt}'}"
        if queue not in self.roles.terminal:
            return state.ready + state.transit + max(0, state.unacknowledged - self._known[queue]) > 0
        if state.transit:
            return True
        if self.unread(queue) and not self._may_have_expired(state):
            return f"what rests in `{queue}` could not be read"
        return False

    def _may_have_expired(self, state: QueueState) -> bool:
        """Whether what was counted may have been too old when it was to be read, and is gone for good by that."""
        events = self._case.events
        lasted = (events[-1].at - events[0].at) / 1e9 if events else 0.0
        return (
            state.message_ttl is not None
            and state.message_ttl < lasted
            and state.dead_letter_exchange is None
        )

    def still_there(self, record: Record) -> int:
        """How many copies of a message are in hand, at rest, or dead letters that no queue took yet."""
        return sum(
            copy in self.open or copy.state == "resting" or self.in_transit(copy) for copy in record.copies
        )

    def in_transit(self, copy: Copy) -> bool:
        """Whether a copy may be in dead-letter transit: given up, and its queue still keeps some that were."""
        state = self.roles.queues.get(copy.queue)
        given_up = state is not None and state.transit > 0 and copy.settlement == "dropped"
        return given_up and self.passing(copy.record, copy.queue) > 0

    def passing(self, record: Record, queue: str) -> int:
        """How many copies of a message were given up in a queue and not seen to arrive anywhere."""
        here = sum(copy.queue == queue and copy.settlement == "dropped" for copy in record.copies)
        return max(0, min(here, _passages(record)))

    def possible(self, record: Record, *, doubts: bool = True) -> set[str]:
        """Queues where a copy of a message may stand that was not seen settled there.

        With `doubts` also where its settlement may have been eaten, or forgotten.
        """
        found: set[str] = set()
        for copy in record.copies:
            if doubts and (copy.doubtful or self._forgotten(copy)):
                found.add(copy.queue)
            if copy in self.open or copy.state == "resting" or copy.settlement in ("acked", "auto"):
                continue
            if copy.settlement != "dropped" and copy.state != "gone":
                found |= {copy.queue} | self.roles.reach(copy.queue)
        if _passages(record) > 0 or self._fanned_out(record):
            for copy in record.copies:
                found |= self.roles.reach(copy.queue)
        for queue in self.unseen(record):
            found |= {queue} | self.roles.reach(queue)
        return found

    def _fanned_out(self, record: Record) -> bool:
        """Whether more copies may have come of its dead letters than were given up: passages tell nothing then."""
        return any(
            copy.settlement == "dropped" and len(self.roles.targets(copy.queue)) > 1 for copy in record.copies
        )

    def _forgotten(self, copy: Copy) -> bool:
        """Whether a broker that was killed may have forgotten that it was settled."""
        settled = None if copy.last is None else copy.last.settled_index
        return settled is not None and any(
            one.after(settled) and one.event.how in ("crash", "itself")
            for one in self._case.ledger.surroundings.outages
        )

    def unasked(self, record: Record) -> str:
        """Why a message that no consumer took may be where nobody looked; empty if it cannot.

        A broker that cannot be asked for policies and bindings may have put it into a queue that is not known.
        """
        for one in (*record.publications, *record.republications):
            known = self.roles.topology.complete or self.roles.leads_to(one.exchange, one.routing_key)
            if one.passed and not known:
                return f"which queues exchange {one.exchange!r} leads to could not be asked for"
        for queue in sorted({copy.queue for copy in record.copies} | self.unseen(record)):
            state = self.roles.queues.get(queue)
            if state is not None and not state.settings_known:
                return (
                    f"the policies of `{queue}` could not be asked for, and one may have moved or dropped it"
                )
        return ""

    def unseen(self, record: Record) -> set[str]:
        """Queues that publications led to and where fewer copies were seen."""
        if record.straight:
            return set()
        wanted: Counter[str] = Counter()
        for one in (*record.publications, *record.republications):
            if one.passed:
                wanted.update(self.roles.leads_to(one.exchange, one.routing_key))
        seen = Counter(copy.queue for copy in record.copies)
        return {queue for queue, count in wanted.items() if count > seen[queue]}


def _passages(record: Record) -> int:
    """How many more of its copies were given up, or vanished, than were seen to arrive as dead letters.

    A copy that the application published with the headers of a dead letter is no passage.
    """
    given_up = sum(
        copy.settlement == "dropped" or (copy.state == "gone" and copy.settlement not in ("acked", "auto"))
        for copy in record.copies
    )
    arrived = sum(copy.deaths is not None or copy.death_reason is not None for copy in record.copies)
    published = sum(one.deaths is not None and one.passed for one in record.republications)
    return given_up - (arrived - published)
