"""Hazards: what a run already shows to be fragile, though nothing broke. Each is named by consumer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeAlias

from pytest_mqchaos.checks.blame import Progress, lived_on
from pytest_mqchaos.checks.grouping import in_order
from pytest_mqchaos.checks.hands import moved_on
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Delivery, Record
from pytest_mqchaos.model.events import Effected
from pytest_mqchaos.model.findings import Finding, Hazard
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.roles import Roles
from pytest_mqchaos.model.sequences import plural

__all__ = [
    "HAZARDS",
    "HazardCheck",
    "acked_before_effect",
    "auto_ack",
    "double_settlement",
    "effect_before_ack",
    "late_effect",
    "unlimited_prefetch",
]

HazardCheck: TypeAlias = Callable[[Case, list[Finding]], list[Hazard]]

_LATE = 1_000_000_000
"""Nanoseconds after its ack from which an effect counts as late."""


def acked_before_effect(case: Case, findings: list[Finding]) -> list[Hazard]:
    """The wire saw acks whose effects were not there yet. An effect that was there proves nothing."""
    if not case.ordered_evidence or case.evidence != "effects":
        return []
    found: dict[str, list[str]] = {}
    proved = _proved(findings, "acked_before_effect")
    progress: Progress | None = None
    roles = case.ledger.roles(dead_letters=case.dead_letters, expected=case.expected)
    for record in case.ledger.records.values():
        if not (record.good and record.message.expect and _timed(case, record)):
            continue
        for one in record.deliveries:
            if (
                one.settlement != "acked"
                or not _ack_first(case, record, one)
                or _elsewhere(case, record, one, roles)
            ):
                continue
            if not record.most and record.id not in proved and not case.interrupted:
                progress = progress or Progress(case)
                if lived_on(case, progress, one):
                    continue  # it dropped the message: there is no work that the ack could precede
            found.setdefault(base_name(one.link), []).append(record.id)
    return _by_consumer(
        case, "acked_before_effect", found, proved,
        claim="{consumer} acknowledges before its work shows: a crash in between loses the message",
        mend="acknowledge after the work",
    )  # fmt: skip


def _timed(case: Case, record: Record) -> bool:
    """Whether its work, if it shows, shows where the order is known: not in what is asked at the end only."""
    effect = None if record.effect_index is None else case.events[record.effect_index]
    return not isinstance(effect, Effected) or effect.in_order


def _ack_first(case: Case, record: Record, delivery: Delivery) -> bool:
    """Whether an ack came before its work.

    Before a consumer has shown any work nobody knows where to look. Afterwards it is known when that file was looked
    at last without the effect: what was acknowledged until then came first.
    """
    if delivery.effect_seen is not None:
        return not delivery.effect_seen
    if record.effect_index is None:
        return False  # that is a loss, and tells nothing of an order
    effect, acked = case.events[record.effect_index], delivery.settled_at
    since = effect.since if isinstance(effect, Effected) else None
    return since is not None and acked is not None and acked < since


def _elsewhere(case: Case, record: Record, delivery: Delivery, roles: Roles) -> bool:
    """Whether the work may rightly be done for another copy: one handed on before, or in another queue."""
    if delivery.copy is not None and moved_on(case, delivery.copy, roles, until=delivery.settled_index or 0):
        return True
    own = {copy.queue for copy in record.copies if not moved_on(case, copy, roles, until=_settled(copy))}
    return len(own) > record.message.expect


def _settled(copy: Copy) -> int | None:
    """The number of the event that settled a copy last, None if none did."""
    return None if copy.last is None else copy.last.settled_index


def auto_ack(case: Case, findings: list[Finding]) -> list[Hazard]:
    """Deliveries with automatic ack: the broker forgets them as soon as they are sent."""
    found: dict[str, list[str]] = {}
    if case.ledger.auto_acks:
        for record in case.ledger.records.values():
            for one in record.deliveries:
                if one.auto_ack:
                    found.setdefault(base_name(one.link), []).append(record.id)
    return _by_consumer(
        case, "auto_ack", found, _proved(findings, "lost"),
        claim="{consumer} reads with automatic ack: what it has in hand when it dies is lost",
        mend="acknowledge by hand, after the work",
    )  # fmt: skip


def effect_before_ack(case: Case, findings: list[Finding]) -> list[Hazard]:
    """Work that was done twice proves that it is not idempotent; a clean run cannot show it."""
    twice = {
        name for one in findings if one.kind == "duplicated" and not one.unknown for name in one.messages
    }
    found: dict[str, list[str]] = {}
    for name in twice:
        record = case.ledger.records.get(name)
        if record is not None and any(len(copy.deliveries) > 1 for copy in record.copies):
            found.setdefault(base_name(record.deliveries[-1].link), []).append(name)
    return _by_consumer(
        case, "effect_before_ack", found, twice,
        claim="{consumer} does its work again when a delivery comes again",
        mend="remember the ids that were worked on, in one transaction with the work",
    )  # fmt: skip


def double_settlement(case: Case, findings: list[Finding]) -> list[Hazard]:
    """Settlements that named no open delivery: a broker closes the channel for them."""
    counts = Counter(base_name(event.link) for _, event in case.ledger.surroundings.unknown_settlements)
    return [
        Hazard(
            kind="double_settlement",
            claim=f"{consumer} settled deliveries that were not open, {plural(count, 'time')}: "
            "the broker closes the channel",
            consumer=consumer,
            count=count,
            mend="settle each delivery once, on the channel it came on",
        )
        for consumer, count in sorted(counts.items())
    ]


def late_effect(case: Case, findings: list[Finding]) -> list[Hazard]:
    """Effects that came long after the ack: work in another thread, a commit on a timer."""
    if not case.ordered_evidence or case.evidence != "effects":
        return []
    found: dict[str, list[str]] = {}
    for record in case.ledger.records.values():
        done = record.effect_at
        had = [one for one in record.deliveries if done is not None and one.at <= done]
        if done is None or not had or not _timed(case, record):
            continue
        # An earlier copy may rightly be acked long before: it was published again for a delayed retry.
        last = max(had, key=lambda one: one.at)
        acked = last.settled_at if last.settlement in ("acked", "auto") else None
        if acked is not None and done - acked > _LATE:
            found.setdefault(base_name(last.link), []).append(record.id)
    return _by_consumer(
        case, "late_effect", found, set(),
        claim="the work of {consumer} shows more than a second after its ack",
        mend="acknowledge after the work is done",
    )  # fmt: skip


def unlimited_prefetch(case: Case, findings: list[Finding]) -> list[Hazard]:
    """Subscriptions without a prefetch: the broker hands out all it has, to one consumer."""
    queues = {one.queue for record in case.ledger.records.values() for one in record.deliveries}
    consumers = Counter(
        base_name(event.link)
        for _, event in case.ledger.surroundings.subscribed
        if event.prefetch == 0 and not event.auto_ack and event.queue in queues
    )
    return [
        Hazard(
            kind="unlimited_prefetch",
            claim=f"{consumer} subscribes without a prefetch: it is handed everything at once",
            consumer=consumer,
            count=count,
            mend="set a prefetch (basic.qos) before subscribing",
        )
        for consumer, count in sorted(consumers.items())
    ]


def _proved(findings: Iterable[Finding], kind: str) -> set[str]:
    """Messages of the findings of a kind that a fault explains."""
    return {name for one in findings if one.kind == kind and one.fault is not None for name in one.messages}


def _by_consumer(
    case: Case, kind: str, found: dict[str, list[str]], proved: set[str], *, claim: str, mend: str
) -> list[Hazard]:
    return [
        Hazard(
            kind=kind,
            claim=claim.format(consumer=consumer),
            messages=in_order(case, messages),
            consumer=consumer,
            count=len(set(messages)),
            confirmed=not proved.isdisjoint(messages),
            mend=mend,
        )
        for consumer, messages in sorted(found.items())
    ]


HAZARDS: tuple[tuple[str, HazardCheck], ...] = (
    ("acked_before_effect", acked_before_effect),
    ("effect_before_ack", effect_before_ack),
    ("auto_ack", auto_ack),
    ("double_settlement", double_settlement),
    ("late_effect", late_effect),
    ("unlimited_prefetch", unlimited_prefetch),
)
"""Every hazard by its kind; they see the findings, which may prove them."""
