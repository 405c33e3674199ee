"""Findings are made by gathering messages with the same reason."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding

__all__ = ["Groups", "Reason", "in_order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """All of a finding but its kind and its messages: those with equal reasons stand in one finding."""

    detail: str = ""
    claim: str = ""
    cause: str = ""
    mend: str = ""
    fault: int | None = None
    unknown: bool = False
    information: bool = False


class Groups:
    """Messages by reason, in the order in which the reasons came up."""

    def __init__(self, case: Case, kind: str) -> None:
        self._case = case
        self._kind = kind
        self._messages: dict[Reason, list[str]] = {}

    def add(self, reason: Reason, *messages: str) -> None:
        """Note messages, or none, for a reason."""
        self._messages.setdefault(reason, []).extend(messages)

    def findings(self) -> list[Finding]:
        """One finding a reason."""
        return [self.finding(reason, messages) for reason, messages in self._messages.items()]

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
