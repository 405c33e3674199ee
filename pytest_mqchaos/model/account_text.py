"""The account in words: claim, evidence, cause, way out, how to reproduce it.

```
  orders-k3f9-000017 lost by the consumer: its ack reached the broker, its work was never done
     0.412  published, confirmed
     0.431  delivered to worker (tag 17)
     0.431  acknowledged by worker         <- before its effect
     0.433  worker killed                  <- consumer_crash(after=ack(17))
  mend: acknowledge after the work. To allow just this: allow=("lost:by_consumer",)
  again: pytest 'tests/test_orders.py::test_orders[consumer_crash-after-ack-17]' --mqchaos-seed=4711
```
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pytest_mqchaos.model.findings import Finding, Hazard
from pytest_mqchaos.model.lives import Life, step_lines
from pytest_mqchaos.model.printable import body_text, cut, printable
from pytest_mqchaos.model.sequences import SHOWN, plural

if TYPE_CHECKING:
    from pytest_mqchaos.model.account import Account

__all__ = ["explain", "summary", "text"]

_STEPS = 16
_LINE = 400
_NOTES = 10


def summary(account: Account) -> str:
    """Return the account in one line."""
    parts = _kinds(account, [each for each in account.violations if each.allowed is None])
    for each in account.undecided:
        if each.allowed is None:
            parts.append(_undecided(account, each))
    if not parts:
        allowed = _kinds(account, [each for each in account.violations if each.allowed is not None])
        counts = account.counts
        parts.append(
            f"{plural(counts['published'], 'message')}, {counts['effected']:,} effected: {account.guarantee}"
        )
        if account.canary:
            parts[0] += "; canary: not found" if account.blind else "; canary: found"
        parts += [f"allowed: {each}" for each in allowed]
    if account.evidence_view:
        parts[-1] += f" ({account.evidence_view})"
    return printable("; ".join(dict.fromkeys(parts)), _LINE)


def _kinds(account: Account, findings: Iterable[Finding]) -> list[str]:
    """Return one phrase per kind: `lost: 1 of 200 messages`."""
    by_kind: dict[str, list[Finding]] = {}
    for each in findings:
        by_kind.setdefault(each.kind, []).append(each)
    return [_of_kind(account, kind, found) for kind, found in by_kind.items()]


def _of_kind(account: Account, kind: str, found: Sequence[Finding]) -> str:
    for each in found:
        if each.detail == "nothing_shows":  # it says what to look at, where the number of all says nothing
            return f"{kind}: {printable(each.claim.partition(': ')[2], 160)}"
    named = len({name for each in found for name in each.messages})
    count = named + sum(max((each.count or 0) - len(each.messages), 0) for each in found)
    if not count:
        return f"{kind}: {printable(found[0].claim or found[0].cause or found[0].detail, 160)}"
    total = account.total(kind)
    noun = "poison message" if kind.startswith("poison") else "message"
    if count > total:
        return f"{kind}: {plural(count, noun)}"
    return f"{kind}: {count:,} of {plural(total, noun)}"


def _undecided(account: Account, finding: Finding) -> str:
    if finding.kind == "vacuous":
        return f"vacuous: {printable(finding.claim, 200)}"
    if finding.messages or finding.count:
        return f"unknown: {_of_kind(account, finding.kind, [finding])} cannot be judged"
    return f"unknown: {finding.kind} cannot be judged: {printable(finding.claim, 200)}"


def text(account: Account, *, summary: bool = False) -> str:
    """Return the account in full, for a failing test or a section of its report."""
    lines = [account.summary] if summary else []
    open_ones = [each for each in account.violations if each.allowed is None]
    told: set[str] = set()
    for each in open_ones:
        lines += _violation(account, each, told)
    for each in account.undecided:
        if each.allowed is None:
            lines += _not_judged(each, told=account.summary if summary else "")
    lines += _asides(account)
    if account.again:
        lines.append(f"  again: {printable(account.again)}")
    return "\n".join(lines)


def _violation(account: Account, finding: Finding, told: set[str]) -> list[str]:
    """Return one finding: the first messages with their lives, each life once, the cause and the way out."""
    lines = []
    claim = printable(finding.claim or finding.name, _LINE)
    shown = [account.lives.of(name) for name in finding.messages[:SHOWN]]
    for life in shown:
        if life.id not in told:
            lines.append(f"  {printable(life.id, 120)} {claim}")
            lines += step_lines(life.events, most=_STEPS)
    if above := [printable(life.id, 120) for life in shown if life.id in told]:
        lines.append(
            f"  {', '.join(above)} {claim} ({'its life stands' if len(above) == 1 else 'lives stand'} above)"
        )
    told.update(life.id for life in shown)
    count = max(finding.count or 0, len(finding.messages))
    if not shown:
        many = f"{plural(count, 'message')}: " if count else ""
        lines.append(f"  {finding.name}: {many}{printable(finding.claim, _LINE)}")
    elif count > len(shown):
        lines.append(f"  ... and {count - len(shown):,} more (see the report)")
    notes = {step.note for life in shown for step in life.events}
    if finding.cause and not any(finding.cause in note for note in notes):
        lines.append(f"  cause: {printable(finding.cause, _LINE)}")
    return [*lines, *_mend(finding)]


def _not_judged(finding: Finding, *, told: str) -> list[str]:
    """Return why a finding cannot be judged; what the summary has `told` of it, where it names no message, but once."""
    claim = printable(finding.claim, _LINE)
    if finding.kind == "vacuous":
        lines = [f"  this run proves nothing: {claim}"]
    elif finding.messages:
        lines = [f"  {printable(finding.messages[0], 120)} {claim}"]
        more = max(finding.count or 0, len(finding.messages)) - 1
        lines += [f"  ... and {more:,} more (see the report)"] if more else []
    elif claim and claim in told:
        lines = []
    else:
        lines = [f"  {finding.name} cannot be judged: {claim}"]
    lines += [f"  cause: {printable(finding.cause, _LINE)}"] if finding.cause else []
    lines += [f"  mend: {printable(finding.mend, _LINE)}"] if finding.mend else []
    return lines


def _mend(finding: Finding) -> list[str]:
    allow = f"To allow just this: {finding.how_to_allow}" if finding.how_to_allow else ""
    mend = printable(finding.mend, _LINE)
    if mend:
        mend = f"mend: {mend}" if mend.endswith((".", "?", "!")) else f"mend: {mend}."
    return [f"  {' '.join(filter(None, (mend, allow)))}"] if mend or allow else []


def _asides(account: Account) -> list[str]:
    """Return what is no violation and worth a line: what is allowed, hazards not proved yet, notes."""
    lines = []
    for each in (*account.violations, *account.undecided):
        if each.allowed is not None:
            why = f" ({printable(each.allowed, 160)})" if each.allowed else ""
            lines.append(f"  allowed{why}: {_of_kind(account, each.kind, [each])}")
    lines += [
        f"  hazard: {_hazard(account, hazard)}"
        for hazard in account.hazards
        if not hazard.confirmed and account.reason_to_allow(hazard.kind, "*") is None
    ]
    lines += [
        f'  allow names "{printable(name, 80)}", which this run did not find'
        for name in account.unmatched_allow
    ]
    lines += [f"  note: {printable(note, _LINE)}" for note in account.notes[:_NOTES]]
    if len(account.notes) > _NOTES:
        lines.append(f"  ... and {plural(len(account.notes) - _NOTES, 'note')} more (see the report)")
    if account.evidence_view:
        lines.append(f"  {account.evidence_view}: an acknowledged message counts as worked on")
    return lines


def _hazard(account: Account, hazard: Hazard) -> str:
    claim = printable(hazard.claim or hazard.kind, _LINE)
    facts = [] if hazard.consumer in claim else [printable(hazard.consumer, 80)]
    if hazard.messages:
        count = max(hazard.count, len(hazard.messages))
        facts.append(f"{count:,} of {plural(len(account.published), 'message')}")
    about = f" ({', '.join(facts)})" if facts else ""
    return f"{claim}{about}" + (f"; mend: {printable(hazard.mend, 160)}" if hazard.mend else "")


def explain(account: Account, life: Life) -> str:
    """Return one message's whole life and every finding and hazard that names it."""
    facts = [f"key {printable(life.key, 80)}"] if life.key is not None else []
    if life.message is not None and life.poison:
        facts.append(f"poison {life.message.kind}".rstrip())
    if life.message is None:
        facts.append("never published in this run")
    lines = [printable(life.id, 120) + (f" ({', '.join(facts)})" if facts else "")]
    if life.message is not None:
        lines.append(f"  body: {body_text(life.body)}")
    lines += step_lines(life.events) or ["  nothing was seen of it"]
    for each in account.findings:
        if life.id in each.messages:
            weight = "cannot be judged" if each.unknown else "violation" if each.violation else "information"
            lines.append(f"  {each.name} ({weight}): {printable(each.claim, _LINE)}")
            lines += [f"  cause: {printable(each.cause, _LINE)}"] if each.cause else []
            lines += _mend(each) if each.violation else []
    lines += [f"  hazard: {_hazard(account, each)}" for each in account.hazards if life.id in each.messages]
    return "\n".join(cut(line, 2 * _LINE) for line in lines)
