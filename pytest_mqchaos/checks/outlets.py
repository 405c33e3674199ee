"""Where work was to show and does not: of several sources of effects each is judged for itself."""

from __future__ import annotations

from dataclasses import replace

from pytest_mqchaos.checks.causes import end_of_holder, listed
from pytest_mqchaos.checks.grouping import Reason
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.events import SourceNamed
from pytest_mqchaos.model.names import service_variable

__all__ = ["SILENT", "located", "nothing_shows", "overfull", "silent_for"]

SILENT = "nothing_shows"
"""The detail of what is lost as far as a source tells that shows nothing at all."""
_ENOUGH = 3
"""Acknowledged messages without any effect from which it is likelier that the wrong place was looked at."""
_SHOWN = 80
_LOOK = {
    "file": "look whether the consumer writes to another path, or keeps its lines in a buffer",
    "call": "look whether the test asks another database, schema or table than the consumer writes to, and whether "
    "a transaction is still open: the consumer's own, without a commit, or the test's, begun before the work",
    "queue": "look whether the consumer publishes to another queue, vhost or broker",
    "exchange": "look whether the consumer publishes to another exchange, vhost or broker, or with another routing key",
    "http": "look whether the consumer calls the address in ${variable}, and past any proxy",
    "output": "look whether the expression fits a line of the consumer's output, and whether that is flushed",
    "function": "it was wrapped and never called: look whether a decorator has put it into a registry, from where it "
    "is called, and not by its name: name a function that it calls, or probe.effect(id)",
    "probe": "look whether the consumer calls probe.effect(id) after its work, in a process that has $MQCHAOS_EFFECTS",
}
_FOREIGN = "the names there are none of the run's keys, and none of its ids"


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
    """Return, by its name, why nothing may show in a source that showed nothing at all.

    The test named it, or it stands inside of a consumer and nothing else shows anything. All that it concerns was
    acknowledged; else the messages tell more than their number.
    """
    sourcing = case.ledger.sourcing
    found: dict[str, Reason] = {}
    to_show = sourcing.to_show
    several = sourcing.several or len(to_show) > 1
    for name, named in to_show.items():
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
        acked = [one for one in wanted if any(copy.settlement in ("acked", "auto") for copy in one.copies)]
        if len(wanted) != len(acked) or len(acked) < _ENOUGH:
            continue
        if name not in sourcing.named and sum(_untouched(case, one) for one in acked) < _ENOUGH:
            continue  # who did not come to its first work tells more by what ended it
        found[name] = _silence(case, named, len(acked), several=several)
    return found


def _silence(case: Case, named: SourceNamed, acked: int, *, several: bool) -> Reason:
    name = named.source
    count, first = _strays(case, named)
    bare = case.bare.get(name, "")
    though = f"though all {acked} messages were acknowledged"
    if count:
        entries, do_name = ("1 entry", "names") if count == 1 else (f"{count} entries", "name")
        return Reason(
            detail=SILENT,
            source=name if several else "",
            claim=f"has no effect: {entries} in `{name}` {do_name} no message of this run "
            f"(the first: {first[:_SHOWN]!r}), {though}",
            cause=_FOREIGN,
            mend="publish(key=...) says what names a message; without it that is its id, the header x-mqchaos-id",
        )
    return Reason(
        detail=SILENT,
        source=name if several else "",
        claim=f"has no effect: nothing at all shows in `{name}`, {though}",
        cause=f"no work was done, or `{name}` is not where it shows"
        + (f" (looked at {bare})" if bare else ""),
        mend=_LOOK[named.kind].replace("{variable}", service_variable(name)),
    )


def _strays(case: Case, named: SourceNamed) -> tuple[int, str]:
    """How many entries of a source name no message of the run, and the first."""
    return case.strays.get(named.source, (0, ""))


def _untouched(case: Case, record: Record) -> bool:
    """Whether a message was acknowledged where no fault ended the process, or lost what it had not read yet."""
    lost = case.ledger.surroundings.lost_links
    for last in [copy.last for copy in record.copies if copy.settlement in ("acked", "auto")]:
        if last is None or ((ended := end_of_holder(case, last)) is not None and ended[1].by == "fault"):
            continue
        if not last.auto_ack or all(
            one.connection != last.connection or index < last.index for index, one in lost
        ):
            return True
    return False


def silent_for(case: Case, record: Record, silent: dict[str, Reason]) -> Reason | None:
    """Return the reason of the sources that show nothing at all, where these are all that a message lacks."""
    reasons = [silent.get(one) for one in _lacking(record) or silent]
    found = [one for one in reasons if one is not None]
    if not found or len(found) < len(reasons):
        return None
    first = next((one for one in found if one.cause == _FOREIGN), found[0])
    if len(found) == 1:
        return first
    source, mend = ", ".join(one.source for one in found), "; ".join(dict.fromkeys(one.mend for one in found))
    if first.cause == _FOREIGN:
        return replace(first, source=source, mend=mend)
    names = listed({one.source for one in found})
    return replace(
        first,
        source=source,
        claim=first.claim.replace(f"`{first.source}`", names),
        cause=f"no work was done, or it shows in none of {names}",
        mend=mend,
    )


def overfull(case: Case, record: Record) -> str:
    """Return which source shows a message too often, where there are several; else nothing."""
    if record.shares or not case.ledger.sourcing.several:
        return ""
    return next((name for name, count in record.effects_from.items() if count == record.most), "")


def _lacking(record: Record) -> list[str]:
    expected = record.message.expect
    return [one for one in record.concern if record.effects_from.get(one, 0) < expected]


def _concerned(record: Record, name: str, several: bool) -> bool:
    return name in record.concern if several else True
