"""Where a message is that has not all its effects: still somewhere, nowhere, or nobody can say.

The wire tells where each copy was seen last, the census how many a queue still holds. A message is nowhere if no
queue that one of its copies may stand in has room for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pytest_mqchaos.checks.hands import moved_on, only_handed_on
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Publication, Record
from pytest_mqchaos.model.surroundings import Outage
from pytest_mqchaos.model.topology import QueueState

__all__ = [
    "ASK",
    "Fate",
    "Whereabouts",
    "declared_transient",
    "done",
    "fates",
    "last_stop",
    "missing",
    "own_expiration",
    "queue_facts",
]

ASK = "let the broker be asked for its policies and bindings: --mqchaos-management-url=http://host:15672"


@dataclass(frozen=True, slots=True)
class Fate:
    """A good, confirmed message without all its effects that is nowhere any more, as far as can be told."""

    record: Record
    unsure: str
    """Why it cannot be told, empty if it can."""
    stop: Outage | None
    """The broker's stop that it did not outlive, None if that is not what ended it."""
    mend: str = ""
    """What would make it tell."""
    own: Publication | None = None
    """The application's own copy that the stop took away; whoever published it had acknowledged what it stands for."""

    @property
    def accepted(self) -> list[Copy]:
        """Copies that a consumer took for good and that arrived there, if there are more of them than effects.

        None where it handed the message on, and the broker had its copy.
        """
        if self.own is not None:
            return []
        found = [copy for copy in self.record.copies if copy.settlement in ("acked", "auto")]
        if len(found) <= self.record.effects:
            return []
        return [
            copy for copy in found if copy.last is not None and (copy.last.passed or not copy.last.auto_ack)
        ]


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


def done(case: Case, record: Record, where: Whereabouts | None = None) -> int:
    """How much work was done for a message, by the evidence of the case; who knows `where` things are, says it."""
    if case.evidence != "broker":
        return record.effects
    took = [copy for copy in record.copies if copy.settlement in ("acked", "auto")]
    if took and record.republications:
        roles = (where or Whereabouts(case)).roles
        took = [copy for copy in took if not only_handed_on(copy, roles)]
    return max(record.effects, len(took))


def fates(case: Case) -> list[Fate]:
    """Return every good, confirmed message that lacks an effect and is nowhere, or may be."""
    where = Whereabouts(case) if case.evidence == "broker" else None
    wanting = [
        record for record in case.ledger.records.values()
        if record.good and record.owed and done(case, record, where) < record.message.expect
    ]  # fmt: skip
    if not wanting:
        return []
    where = where or Whereabouts(case)
    found = []
    for record in wanting:
        if done(case, record, where) + where.still_there(record) >= record.message.expect or _unheard(
            where, record
        ):
            continue
        rooms = [where.room(queue) for queue in sorted(where.possible(record))]
        if any(room is True for room in rooms):
            continue
        unsure = next((room for room in rooms if isinstance(room, str)), "")
        mend = ""
        if where.census is None:
            unsure = "no census was taken"
        elif not unsure and not record.accepted and (unsure := where.unasked(record)):
            mend = ASK
        stop, own = _stop(case, where, record), None
        if record.accepted and (ended := _stop_of_own(case, where, record)) is not None:
            own, stop = ended
        found.append(Fate(record, unsure, stop, mend, own))
    return found


def _unheard(where: Whereabouts, record: Record) -> bool:
    """Whether a producer told an exchange what no queue there wants, asked nobody about it, and claimed nothing."""
    message = record.message
    told = bool(message.producer and message.exchange) and not (message.mandatory or record.claimed)
    return told and not any(
        where.roles.leads_to(one.exchange, one.routing_key) for one in record.publications
    )


def missing(case: Case) -> list[tuple[str, int]]:
    """Return queues that hold fewer messages in the end than they must, and how many fewer."""
    return [(queue, one.short) for queue, one in case.ledger.end.reckoned.items() if one.short]


def last_stop(case: Case) -> e.BrokerStopped | None:
    """Return the last stop of the broker that can take messages away."""
    stops = [one.event for one in case.ledger.surroundings.outages if one.event.how != "freeze"]
    return stops[-1] if stops else None


def own_expiration(record: Record) -> float | None:
    """Return after how many seconds a message leaves any queue by itself, the longest of its publications."""
    texts = [one.expiration for one in (*record.publications, *record.republications)]
    return max((int(text) / 1000 for text in texts if text is not None and text.isdigit()), default=None)


def _stop(case: Case, where: Whereabouts, record: Record) -> Outage | None:
    """Return the broker's stop after which a copy, held by the broker before it, was never seen again."""
    since: list[tuple[int, str]] = []
    if record.confirmed_index is not None:
        since += [(record.confirmed_index, queue) for queue in sorted(where.unseen(record))]
    since += [(copy.deliveries[-1].index, copy.queue) for copy in record.copies if _held(copy)]
    for begin, queue in since:
        for outage in case.ledger.surroundings.outages:
            if outage.after(begin) and outage.event.how != "freeze":
                state = queue_facts(case, queue)
                limited = state is not None and _limited(state)
                if declared_transient(case, record) or not (limited or own_expiration(record) is not None):
                    return outage
    return None


def _stop_of_own(case: Case, where: Whereabouts, record: Record) -> tuple[Publication, Outage] | None:
    """Return the application's copy that the broker had confirmed, and its stop after which nobody saw that again."""
    unseen = where.unseen(record)
    taken = [copy for copy in record.copies if copy.settlement in ("acked", "auto")]
    if not unseen or not all(moved_on(case, copy, where.roles) for copy in taken):
        return None
    for one in reversed(record.republications):
        if not (one.passed and where.roles.leads_to(one.exchange, one.routing_key) & unseen):
            continue
        confirmed = _own_confirm(case, record, one)
        outages = (each for each in case.ledger.surroundings.outages if each.event.how != "freeze")
        stop = next((each for each in outages if confirmed is not None and each.after(confirmed)), None)
        return None if stop is None else (one, stop)
    return None


def _own_confirm(case: Case, record: Record, one: Publication) -> int | None:
    """Return the number of the event by which a consumer's publish was confirmed, None if it never was."""
    for index, event in enumerate(case.events):
        own = isinstance(event, e.OwnConfirmed) and (event.message, event.link) == (record.id, one.link)
        if own and index > one.index:
            return index
    return None


def _limited(state: QueueState) -> bool:
    """Whether a queue takes messages away by itself."""
    return state.message_ttl is not None or state.max_length is not None or state.max_length_bytes is not None


def declared_transient(case: Case, record: Record, own: Publication | None = None) -> str:
    """Return why a message, or the application's own copy of it, need not outlive a stop; empty if it should."""
    if own is None:
        queues = {copy.queue for copy in record.copies if copy.deliveries}
        queues |= {one.routing_key for one in record.publications if one.exchange == ""}
        transient = "" if record.message.persistent else "it was published as transient"
    else:
        queues = {own.routing_key} if own.exchange == "" else set()
        transient = f"{own.link} published its copy as transient" if own.persistent is False else ""
    states = [state for queue in sorted(queues) if (state := queue_facts(case, queue)) is not None]
    for state in states:
        for word, holds in (
            ("not durable", not state.durable),
            ("exclusive", state.exclusive),
            ("auto-delete", state.auto_delete),
        ):
            if holds:
                return f"`{state.name}` is {word}"
    return "" if any(state.type == "quorum" for state in states) else transient


def _held(copy: Copy) -> bool:
    """Whether a copy was the broker's when it was seen last."""
    return bool(copy.deliveries) and copy.settlement not in ("acked", "auto", "dropped")


def queue_facts(case: Case, queue: str) -> QueueState | None:
    """Return the last state of a queue that any census saw, else what its declaration says."""
    for census in reversed(case.ledger.censuses):
        for state in census.queues:
            if state.name == queue:
                return state
    declared = case.ledger.surroundings.declared.get(queue)
    if declared is None:
        return None
    return QueueState(
        name=queue,
        type="",
        durable=declared.durable,
        exclusive=declared.exclusive,
        auto_delete=declared.auto_delete,
    )
