"""Where work was to show and does not: of several sources of effects each is judged for itself."""

from __future__ import annotations

from dataclasses import replace

from pytest_mqchaos.checks.causes import listed
from pytest_mqchaos.checks.grouping import Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.names import service_variable

__all__ = ["SILENT", "located", "nothing_shows", "overfull", "silent_for"]

SILENT = "nothing_shows"
"""The detail of what is lost as far as a source tells that shows nothing at all."""
_ENOUGH = 3
"""Acknowledged messages without any effect from which it is likelier that the wrong place was looked at."""
_LOOK = {
    "file": "look whether the consumer writes to another path, or keeps its lines in a buffer",
    "call": "look whether the test asks another database, schema or table than the consumer writes to, and whether "
    "a transaction is still open: the consumer's own, without a commit, or the test's, begun before the work",
    "queue": "look whether the consumer publishes to another queue, vhost or broker",
    "exchange": "look whether the consumer publishes to another exchange, vhost or broker, or with another routing key",
    "http": "look whether the consumer calls the address in ${variable}, and past any proxy",
    "output": "look whether the expression fits a line of the consumer's output, and whether that is flushed",
}


def located(case: Case, record: Record, reason: Reason) -> Reason:
    """Say in which source a message lacks its effect, where there are several that it concerns."""
    lacking = _lacking(record)
    if not case.ledger.sourcing.several or not lacking:
        return reason
    shown = [one for one in record.concern if one not in lacking]
    though = f", though it does in {listed(set(shown))}" if shown else ""
    where = f"it does not show in {listed(set(lacking))}{though}"
    return replace(reason, source=", ".join(lacking), claim=f"{reason.claim}: {where}")


def nothing_shows(case: Case) -> dict[str, Reason]:
    """Return, by its name, why nothing may show in a source that the test named and that showed nothing at all.

    All that it concerns was acknowledged; else the messages tell more than their number.
    """
    sourcing = case.ledger.sourcing
    found: dict[str, Reason] = {}
    for name, named in sourcing.named.items():
        if not sourcing.silent(name):
            continue
        wanted = [
            record
            for record in case.ledger.records.values()
            if record.good
            and record.ok
            and record.message.expect
            and _concerned(record, name, sourcing.several)
        ]
        acked = [one for one in wanted if any(copy.settlement == "acked" for copy in one.copies)]
        if len(wanted) == len(acked) >= _ENOUGH:
            found[name] = Reason(
                detail=SILENT,
                source=name if sourcing.several else "",
                claim=f"has no effect: nothing at all shows in `{name}`, though all {len(acked)} messages were "
                "acknowledged",
                cause=f"no work was done, or `{name}` is not where it shows",
                mend=_LOOK[named.kind].replace("{variable}", service_variable(name)),
            )
    return found


def silent_for(record: Record, silent: dict[str, Reason]) -> Reason | None:
    """Return the reason of the sources that show nothing at all, where these are all that a message lacks."""
    reasons = [silent.get(one) for one in _lacking(record) or silent]
    found = [one for one in reasons if one is not None]
    if not found or len(found) < len(reasons):
        return None
    first = found[0]
    names = listed({one.source for one in found})
    return (
        first
        if len(found) == 1
        else replace(
            first,
            source=", ".join(one.source for one in found),
            claim=first.claim.replace(f"`{first.source}`", names),
            cause=f"no work was done, or it shows in none of {names}",
            mend="; ".join(dict.fromkeys(one.mend for one in found)),
        )
    )


def overfull(case: Case, record: Record) -> str:
    """Return which source shows a message too often, where there are several; else nothing."""
    if record.shares or not case.ledger.sourcing.several:
        return ""
    return next(name for name, count in record.effects_from.items() if count == record.most)


def _lacking(record: Record) -> list[str]:
    expected = record.message.expect
    return [one for one in record.concern if record.effects_from.get(one, 0) < expected]


def _concerned(record: Record, name: str, several: bool) -> bool:
    return name in record.concern if several else True
