"""The account of one run: what became of every message, the verdict, and why.

```
findings ──allow──► verdict (what the guarantee says) ──► failed (what the test does about it)
events ───────────► lives, counts, faults               ──► summary, text, explain
```
The verdict ignores `allow`: what was promised was broken, whatever the test accepts. `failed` heeds it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, overload

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model import account_text
from pytest_mqchaos.model.findings import FINDING_KINDS, Finding, Hazard, Verdict
from pytest_mqchaos.model.lives import Life, Lives
from pytest_mqchaos.model.sequences import FaultRecord, Messages, fault_records
from pytest_mqchaos.model.tally import Tally, tally

if TYPE_CHECKING:
    from pytest_mqchaos.model.case import Case

__all__ = ["Account", "Delivery"]

_VIEWS = {"broker": "broker's view", "effects": "", "unknown": ""}


class _Found:
    """The messages of the findings of one kind, as an attribute of the account by that kind's name."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, account: None, owner: type) -> _Found: ...
    @overload
    def __get__(self, account: Account, owner: type) -> Messages: ...
    def __get__(self, account: Account | None, owner: type) -> Messages | _Found:
        return self if account is None else account.of_kind(self.name)


class Account:
    """What became of every message of one run, judged by its guarantee.

    Args:
        case: the run that was judged; its events are not to grow afterwards.
        findings: what the checks found, violations of the guarantee marked.
        hazards: what the checks saw to be fragile.
        allow: names of findings and hazards that are reported and do not fail the test, with their reasons.
        strict: whether `unknown` fails.
        seed: every random choice of the run followed from it.
        timings: seconds by phase.
        again: the command line that repeats the run.
        scenario: the scenario's id.
        notes: what else a reader should know, a line each.
        evidence_view: how the evidence is to be called where it is not the consumer's own; by default
            `broker's view` if the case rests on the broker's.
    """

    lost = _Found("Confirmed good messages without their effect that are nowhere any more.")
    persistence_loss = _Found("Confirmed messages that were gone after the broker stopped.")
    stranded = _Found("Good messages without effect in a queue that nobody reads and nobody named.")
    duplicated = _Found("Messages with more effects than expected.")
    redelivered = _Found("Messages of which one copy was delivered more often than once, explained or not.")
    unacknowledged = _Found("Messages still open at a consumer when the run was judged.")
    stalled = _Found("Messages that stayed ready in a queue that a consumer was expected to read.")
    acked_before_effect = _Found("Messages whose ack preceded their effect, lost by it or not yet.")
    requeue_storm = _Found("Messages that went round between a queue and a consumer.")
    poison_stuck = _Found("Poison messages that were neither settled nor dead-lettered.")
    poison_effected = _Found("Poison messages that had an effect.")
    dead_letter_miss = _Found("Messages that belong in the dead-letter queue and are not there.")
    dead_letter_false_positive = _Found("Good messages that rest in a dead-letter queue.")
    unexpected = _Found("Ids of this plugin that were delivered or effected and never published in this run.")
    corrupted = _Found("Messages whose body or headers arrived other than they were published.")
    illegal_transition = _Found("Messages with which the broker did what no broker may do.")
    reordered = _Found("Messages that were worked on after later ones of their key.")
    late = _Found("Messages that were worked on later than was promised.")
    prefetch_breach = _Found("Messages that came to a consumer which had enough in hand already.")
    failover_miss = _Found("Messages that a dead consumer held and nobody else got in time.")
    retry_schedule = _Found("Messages whose attempts do not follow the policy that was promised.")
    overflow = _Found("Messages that a queue with a length limit dropped or refused.")
    blind = _Found("Messages that the canary lost or doubled, and the run did not find so.")
    vacuous = _Found("True if the run proves nothing.")

    def __init__(
        self,
        case: Case,
        findings: Sequence[Finding],
        hazards: Sequence[Hazard],
        *,
        allow: tuple[tuple[str, str], ...] = (),
        strict: bool = False,
        seed: int = 0,
        timings: Mapping[str, float] | None = None,
        again: str = "",
        scenario: str = "baseline",
        notes: Sequence[str] = (),
        evidence_view: str | None = None,
    ) -> None:
        self.case = case
        self.allow = allow
        self.strict = strict
        self.seed = seed
        self.timings = dict(timings or {})
        self.again = again
        self.scenario = scenario
        self.notes = tuple(notes)
        view = case.evidence if evidence_view is None else evidence_view
        self.evidence_view = _VIEWS.get(view, view)
        self.findings = tuple(sorted((self._judged(each) for each in findings), key=_rank))
        """Everything found, violations or not, in the order of a report."""
        self.hazards = tuple(hazards)
        """What this run already shows to be fragile."""

    # --- the verdict -----------------------------------------------------------------------------------

    @property
    def verdict(self) -> Verdict:
        """What the guarantee says of the run, whatever is allowed: `pass`, `unknown` or `fail`."""
        if self.violations:
            return "fail"
        return "unknown" if self.undecided else "pass"

    @property
    def failed(self) -> bool:
        """Whether the test fails: by a violation that is not allowed, a vacuous run, or unknown if strict."""
        if any(each.kind == "vacuous" or each.allowed is None for each in self.violations):
            return True
        open_ones = [each for each in self.undecided if each.allowed is None]
        return any(each.kind == "vacuous" or self.strict for each in open_ones)

    @cached_property
    def violations(self) -> tuple[Finding, ...]:
        """The findings that break the guarantee, those that the test allows among them."""
        return tuple(
            each for each in self.findings if each.violation and not each.unknown and each.kind != "vacuous"
        )

    @cached_property
    def undecided(self) -> tuple[Finding, ...]:
        """The findings that make the verdict unknown: what counts and cannot be judged, what is vacuous."""
        return tuple(
            each for each in self.findings if each.kind == "vacuous" or (each.violation and each.unknown)
        )

    @cached_property
    def unmatched_allow(self) -> tuple[str, ...]:
        """Names in `allow` that met no finding and no hazard of this run."""
        met = {name for each in self.findings for name in (each.kind, each.name)}
        met |= {hazard.kind for hazard in self.hazards} | {"*"}
        return tuple(name for name, _ in self.allow if name not in met)

    def reason_to_allow(self, *names: str) -> str | None:
        """Return the reason for allowing one of these names, perhaps empty; None if none is allowed."""
        return next((reason for name, reason in self.allow if name in names), None)

    def _judged(self, finding: Finding) -> Finding:
        if finding.kind == "vacuous":
            return finding
        reason = self.reason_to_allow(finding.name, finding.kind, "*")
        return finding if reason is None else replace(finding, allowed=reason)

    @property
    def canary(self) -> bool:
        """Whether the run lost and doubled messages by the plugin itself, to show that its test can see."""
        return any(fault.kind == "canary" for fault in self.case.faults)

    # --- the messages ----------------------------------------------------------------------------------

    @cached_property
    def lives(self) -> Lives:
        """The life of every message by id."""
        return Lives(self.case.events, self.case.messages, self._ends())

    def _ends(self) -> dict[str, tuple[str, str]]:
        """How the lives of messages end that no event brought to an end: a sentence and its note, by id."""
        ends: dict[str, tuple[str, str]] = {}
        for each in self.findings:
            if each.kind != "lost" or each.unknown:
                continue
            if each.detail == "by_consumer" and each.fault is None:
                ends.update((name, (self._no_effect(name), "")) for name in each.messages)
            elif each.detail == "by_policy":
                why = each.claim.partition(": ")[2].partition(" and ")[0].replace("`", "")
                silent = (name for name in each.messages if not self._rejected(name))
                ends.update((name, ("no queue holds it any more", why)) for name in silent)
        return ends

    def _rejected(self, name: str) -> bool:
        """Whether a consumer gave it up: then its life has its end."""
        record = self.case.ledger.records.get(name)
        return record is not None and any(copy.settlement == "dropped" for copy in record.copies)

    def _no_effect(self, name: str) -> str:
        record = self.case.ledger.records.get(name)
        some = record is not None and record.effects
        return "no more effects until the end" if some else "no effect until the end"

    @cached_property
    def _tally(self) -> Tally:
        return tally(self.case.events, self.case.dead_letters)

    @cached_property
    def published(self) -> Messages:
        """The messages of the workload that were sent, poison included."""
        return self._messages("published", self._tally.published)

    @cached_property
    def confirmed(self) -> Messages:
        """The messages that the broker took responsibility for."""
        return self._messages("confirmed", self._tally.confirmed)

    @cached_property
    def effected(self) -> Messages:
        """The messages whose effect was seen."""
        return self._messages("effected", self._tally.effected)

    @cached_property
    def dead_lettered(self) -> Messages:
        """The messages that rest in a dead-letter queue, or were read from one that the test named."""
        return self._messages("dead_lettered", self._tally.dead_lettered)

    def of_kind(self, kind: str) -> Messages:
        """Return the messages of the findings and hazards of one kind, in the order of their numbers.

        What cannot be judged is not among them.
        """
        ids: dict[str, None] = {}
        unnamed = 0
        for finding in self.findings:
            if finding.kind == kind and (not finding.unknown or kind == "vacuous"):
                ids.update(dict.fromkeys(finding.messages))
                unnamed += max((finding.count or 0) - len(finding.messages), 0)
                unnamed += not finding.messages and not finding.count
        for hazard in self.hazards:
            if hazard.kind == kind:
                ids.update(dict.fromkeys(hazard.messages))
        known = self.case.messages
        # strangers behind them, in the order in which they were found
        ordered = sorted(ids, key=lambda name: known[name].number if name in known else math.inf)
        return self._messages(kind, ordered, unnamed=unnamed)

    @cached_property
    def faults(self) -> tuple[FaultRecord, ...]:
        """What was injected, and whether it struck."""
        return fault_records(self.case.events, self.case.faults, self.lives)

    @cached_property
    def counts(self) -> dict[str, int]:
        """The numbers of the run, by state and finding; `lost` has the losses to persistence in it."""
        return {
            "published": len(self.published),
            "confirmed": len(self.confirmed),
            "effected": len(self.effected),
            "lost": len({*self.lost.ids, *self.persistence_loss.ids}),
            "duplicated": len(self.duplicated),
            "redelivered": len(self.redelivered),
            "unacknowledged": len(self.unacknowledged),
            "dead_lettered": len(self.dead_lettered),
            "poison": self._poison,
        }

    def total(self, kind: str) -> int:
        """Return how many published messages a finding of this kind could be about: good, poison, or all.

        Lost may be, too, what a publisher only said that it sent.
        """
        if kind.startswith("poison"):
            return self._poison
        if kind == "lost":
            return len(self._tally.published) - self._poison + len(self._tally.unsent)
        if kind in ("persistence_loss", "stranded", "dead_letter_false_positive"):
            return len(self._tally.published) - self._poison
        return 0 if kind == "unexpected" else len(self._tally.published)

    @cached_property
    def _poison(self) -> int:
        known = self.case.messages
        return sum(known[name].poison for name in self._tally.published if name in known)

    def _messages(self, name: str, ids: Sequence[str], *, unnamed: int = 0) -> Messages:
        return Messages(name, ids, self.lives, of=self.total(name), unnamed=unnamed)

    # --- in words --------------------------------------------------------------------------------------

    @property
    def guarantee(self) -> str:
        """The name of the guarantee that was promised."""
        return self.case.guarantee.name

    @cached_property
    def summary(self) -> str:
        """One line: `lost: 1 of 200 messages`, with a semicolon between kinds."""
        return account_text.summary(self)

    def text(self, *, summary: bool = False) -> str:
        """Return the account in full: the claims, the lives of the first messages, the way out, and again.

        With `summary` its one line comes first.
        """
        return account_text.text(self, summary=summary)

    def explain(self, message: str | int | Life) -> str:
        """Return the whole life of a message, by id, number or life, and what was found about it.

        Raises:
            UsageError: if the run knows no such message.
        """
        __tracebackhide__ = True
        if isinstance(message, Life):
            return account_text.explain(self, message)
        if isinstance(message, str) and message in self.lives:
            return account_text.explain(self, self.lives[message])
        named = [name for name, each in self.case.messages.items() if message in (each.number, each.key)]
        if not named:
            known = len(self.case.messages)
            raise UsageError(f"explain({message!r}): no such message in this run of {known:,}")
        return "\n".join(account_text.explain(self, self.lives[name]) for name in named)

    def __repr__(self) -> str:
        """One line: the verdict and why."""
        return f"<account: {self.verdict}: {self.summary}>"


Delivery = Account


def _rank(finding: Finding) -> int:
    return FINDING_KINDS.index(finding.kind) if finding.kind in FINDING_KINDS else len(FINDING_KINDS)
