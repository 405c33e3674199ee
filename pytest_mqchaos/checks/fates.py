"""What became of a message that has not all its effects: it is nowhere any more, or nobody can say."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mqchaos.checks.hands import moved_on, only_handed_on
from pytest_mqchaos.checks.whereabouts import ASK, Whereabouts
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Publication, Record
from pytest_mqchaos.model.surroundings import Outage
from pytest_mqchaos.model.topology import QueueState

__all__ = [
    "Fate",
    "declared_transient",
    "done",
    "fates",
    "last_stop",
    "missing",
    "own_expiration",
    "queue_facts",
]


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
