"""Retry schedule: attempts that came too early, too late, too often or not often enough.

```
attempt k begins ── ends ───────────────────────── attempt k + 1 begins
    └──────────────── at most this was the delay ────────┘      early, if that is shorter than the policy says
                      └── at least this ─────────────────┘      late, if a free consumer waited longer than that
```
A consumer may sleep before it gives a message back, so the longest possible delay counts from the delivery; where
the broker kept the message meanwhile (a dead-letter passage, a copy published elsewhere), from the end of the attempt.

Late is only what no other wait explains: after the delay a consumer of the queue could have taken it, and nothing
came, for longer than the tolerance: a second, a tenth of the delay, and the scheduling delay of the same run (the
longest time that a fresh message took to come to a free consumer, and the longest that our own clockwork came late).
Early has a tolerance of 10 ms and a twentieth of the delay, for the broker's timers. Who polls (`basic.get`) decides by
itself when it comes, and is never late.

A second, since nobody sees how busy the broker is: on an overloaded machine its timers were seen 0.9 s late.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from pytest_mqchaos.checks.attempts import Attempt, chains
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.idleness import Idleness
from pytest_mqchaos.checks.whereabouts import Whereabouts
from pytest_mqchaos.checks.windows import force
from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.refinements import Retry
from pytest_mqchaos.model.roles import Roles

__all__ = ["check", "scheduling_delay", "slack", "soonest"]

_SECOND = 1_000_000_000


def check(case: Case) -> list[Finding]:
    """Find attempts that do not follow the policy. Nothing is looked at unless one is promised.

    What a fault disturbed is no attempt that counts, and starts the counting of a consumer that counts in memory anew.
    A message that was published twice by the workload has no schedule.
    """
    terms = case.guarantee.terms(Retry)
    if terms is None:
        return []
    groups = Groups(case, "retry_schedule")
    schedule = _Schedule(case, terms)
    roles = Whereabouts(case).roles
    others = roles.dead_letter_queues | case.dead_letters
    for record in case.ledger.records.values():
        if record.passed == 1:
            for chain in chains(record, others):
                for reason in (*schedule.gaps(chain), *schedule.number(record, chain, roles)):
                    groups.add(reason, record.id)
    return groups.findings()


def soonest(shortest: float) -> float:
    """Return the seconds after which an attempt is not called early, for the shortest delay that is promised."""
    return shortest - 0.01 - shortest / 20


def slack(longest: float) -> float:
    """Return the seconds after the longest delay in which none is called late; the scheduling delay comes on top."""
    return 1.0 + longest / 10


def scheduling_delay(case: Case) -> float:
    """Return the seconds that this run's own clockwork may have come late; 0 where no retry is promised."""
    terms = case.guarantee.terms(Retry)
    return 0.0 if terms is None else _Schedule(case, terms).scheduling_delay()


class _Schedule:
    """Judges the attempts of one message after the other."""

    def __init__(self, case: Case, terms: Retry) -> None:
        self._case = case
        self._terms = terms
        self._idle: Callable[[str, int, int], int] | None = None
        self._delay = 0
        self._windows = force(case)

    def gaps(self, chain: list[Attempt]) -> list[Reason]:
        """What is to be said of the times between attempts."""
        found = []
        for place, (before, after) in enumerate(pairwise(chain), 1):
            if before.end == "disturbed" and before.copy is not None:
                break  # there are two of it now: which comes when nobody can say
            if before.end != "failed":
                continue
            counted = range(1 if self._anew(chain[:place], after) else place, place + 1)
            shortest, longest = self._terms.policy.range(counted)
            whole = (after.delivery.at - _earliest(before, after)) / _SECOND
            if whole < soonest(shortest):
                found.append(self._early(before, whole, shortest))
            elif self._late(before, after, longest):
                found.append(self._too_late(before, after, longest))
        return found

    def _anew(self, before: list[Attempt], after: Attempt) -> bool:
        """Whether a consumer that counts in memory may have begun anew: a fault disturbed it, or a process ended."""
        return any(each.end == "disturbed" for each in before) or self._died(before[0], after)

    def _died(self, one: Attempt, other: Attempt) -> bool:
        """Whether a process ended between two attempts."""
        first, last = one.delivery.index, other.delivery.index
        return any(first < index < last for index, _ in self._case.ledger.surroundings.ends)

    def _late(self, before: Attempt, after: Attempt, longest: float) -> bool:
        due = before.over + round(longest * _SECOND)
        at, queue = after.delivery.at, after.delivery.queue
        if at <= due or after.delivery.get or self._disturbed(before.over, at):
            return False
        idle = self._idleness()
        return idle(queue, due, at) > slack(longest) * _SECOND + self._delay

    def _disturbed(self, begin: int, end: int) -> bool:
        return any(one.meets(begin, end) for one in self._windows)

    def _idleness(self) -> Callable[[str, int, int], int]:
        """Idle stretches, and the scheduling delay of this run: made when first needed."""
        if self._idle is None:
            self._idle = Idleness(self._case).longest
            fresh = max(map(self._fresh, self._case.ledger.records.values()), default=0)
            lags = (round(one.seconds * _SECOND) for one in self._case.events if isinstance(one, e.Lagged))
            self._delay = fresh + max(lags, default=0)
        return self._idle

    def scheduling_delay(self) -> float:
        """In seconds."""
        self._idleness()
        return self._delay / _SECOND

    def _fresh(self, record: Record) -> int:
        """How long a message waited for its first delivery though a consumer was free."""
        if self._idle is None or not record.straight:
            return 0
        sent, first = record.publications[0].at, record.deliveries[0]
        if self._disturbed(sent, first.at):
            return 0
        return self._idle(first.queue, sent, first.at)

    def number(self, record: Record, chain: list[Attempt], roles: Roles) -> list[Reason]:
        """What is to be said of how many attempts there were."""
        most = self._terms.attempts
        if most is None:
            return []
        whole = len(chain)
        doubled = next((i for i, one in enumerate(chain) if one.end == "disturbed" and one.copy), whole)
        row = self._in_a_row(chain[:doubled])  # then there are two of it, and each is tried
        who, tries = base_name(chain[-1].delivery.link), f"{most} attempts"
        if row > most:
            claim = f"was tried more often than the {tries} that were promised"
            return [Reason(detail="too_many", claim=claim, cause=f"{who} tries again too often",
                           mend="count the attempts, and give up after the last")]  # fmt: skip
        if doubled < whole or whole >= most or not self._given_up(record, chain, roles):
            return []
        refused = record.message.poison and whole == 1
        claim = f"was given up before the {tries} that were promised"
        cause = f"{who} refused it at once" if refused else f"{who} gives up too soon"
        return [Reason(detail="too_few", claim=claim, cause=cause, information=refused,
                       mend="" if refused else "try as often as was promised before giving up")]  # fmt: skip

    def _in_a_row(self, chain: list[Attempt]) -> int:
        """The most attempts with no disturbance and no end of a process between."""
        most = row = 0
        for place, each in enumerate(chain):
            fresh = place == 0 or self._died(chain[place - 1], each)
            row = 0 if each.end == "disturbed" else 1 if fresh else row + 1
            most = max(most, row)
        return most

    def _given_up(self, record: Record, chain: list[Attempt], roles: Roles) -> bool:
        """Whether no other attempt is to come, by the consumer's own will."""
        last = chain[-1]
        if record.most or not self._case.settled or self._case.interrupted:
            return False
        if last.end == "done":
            return record.message.poison
        if last.end != "failed" or last.copy is not None:
            return _at_rest(record)
        comes_back = roles.reach(last.delivery.queue) & (roles.work | roles.waiting_rooms)
        return _at_rest(record) or (last.delivery.settlement == "dropped" and not comes_back)

    def _early(self, before: Attempt, whole: float, shortest: float) -> Reason:
        claim = f"was tried again sooner than the {shortest:g} s that `{self._terms.policy}` says: after {whole:.3f} s"
        cause = f"{base_name(before.delivery.link)} does not wait long enough"
        return Reason(
            detail="early", claim=claim, cause=cause, mend="wait before the next attempt as was promised"
        )

    def _too_late(self, before: Attempt, after: Attempt, longest: float) -> Reason:
        took = (after.delivery.at - before.over) / _SECOND
        claim = f"was tried again later than the {longest:g} s that `{self._terms.policy}` says: after {took:.3f} s"
        cause = f"a consumer of `{after.delivery.queue}` was free, and it did not come"
        return Reason(detail="late", claim=claim, cause=cause,
                      mend="shorten the wait; in a queue of mixed expirations one waits behind another")  # fmt: skip


def _earliest(before: Attempt, after: Attempt) -> int:
    """The moment after which the delay can have begun."""
    held, copy = before.delivery, before.copy
    if copy is not None:
        return copy.at if copy.exchange or copy.routing_key != held.queue else held.at
    ours, theirs = (None if one.copy is None else one.copy.deaths for one in (held, after.delivery))
    return before.over if ours != theirs else held.at


def _at_rest(record: Record) -> bool:
    return any(copy.state == "resting" for copy in record.copies)
