"""Findings are made by gathering messages with the same reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding

__all__ = ["Groups", "Reason", "in_order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """All of a finding but its kind and its messages."""

    detail: str = ""
    claim: str = ""
    cause: str = ""
    mend: str = ""
    fault: int | None = None
    source: str = ""
    unknown: bool = False
    information: bool = False


class Groups:
    """Messages by reason, in the order in which the reasons came up.

    What has one cause is one finding, in the words of the message that stands first in it; without a cause the claim
    tells apart.
    """

    def __init__(self, case: Case, kind: str) -> None:
        self._case = case
        self._kind = kind
        self._found: dict[Reason, list[tuple[Reason, list[str]]]] = {}

    def add(self, reason: Reason, *messages: str) -> None:
        """Note messages, or none, for a reason."""
        key = replace(reason, mend="", claim="" if reason.cause else reason.claim)
        self._found.setdefault(key, []).append((reason, list(messages)))

    def findings(self) -> list[Finding]:
        """One finding a reason."""
        return [self.finding(*self._gathered(added)) for added in self._found.values()]

    def _gathered(self, added: list[tuple[Reason, list[str]]]) -> tuple[Reason, list[str]]:
        """The words of the first message, in the order of the workload, and all messages."""
        messages = [name for _, names in added for name in names]
        first = in_order(self._case, messages)[:1]
        return next((reason for reason, names in added if {*first} <= {*names}), added[0][0]), messages

    def finding(self, reason: Reason, messages: list[str], *, count: int | None = None) -> Finding:
        """The finding of a reason."""
        return Finding(
            kind=self._kind,
            detail=reason.detail,
            messages=in_order(self._case, messages),
            count=count,
            claim=reason.claim,
            cause=reason.cause,
            mend=reason.mend,
            fault=reason.fault,
            source=reason.source,
            unknown=reason.unknown,
            information=reason.information,
        )


def in_order(case: Case, messages: list[str]) -> tuple[str, ...]:
    """Return ids, each once, in the order of their numbers; unknown ones come last."""
    last = len(case.messages) + 1
    known = case.messages

    def number(name: str) -> tuple[int, str]:
        return (known[name].number if name in known else last, name)

    return tuple(sorted(set(messages), key=number))
