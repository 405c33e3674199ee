"""What one connection leaves in the history: its facts, passed on or not, and how it ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from pytest_mqchaos.link.observer import Observer
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.events import LinkEvent
from pytest_mqchaos.model.history import History, now

__all__ = ["End", "Record"]

End = Literal["client", "broker", "fault"]


class Record:
    """Writes what an observer saw on its connection into the history."""

    def __init__(self, history: History, observer: Observer) -> None:
        self._history = history
        self._observer = observer

    def take(self, found: Sequence[LinkEvent], *, passed: bool = True) -> None:
        """Write facts down; `passed` is False for what never reached its receiver."""
        for fact in found:
            self._history.append(fact if passed else _withheld(fact))

    def take_withheld(self, found: Sequence[LinkEvent]) -> None:
        """Write down what died on its way; facts that are true whether they were passed on or not are left out."""
        self.take([fact for fact in found if hasattr(fact, "passed")], passed=False)

    def processed(self, channel: int, *, asked: int) -> None:
        """Write down that the broker has processed what was passed on on a channel until it was asked."""
        own = self._observer
        self._history.append(
            facts.Processed(at=now(), link=own.link, connection=own.connection, channel=channel, asked=asked)
        )

    def ended(self, by: End) -> None:
        """Write down that the connection ended, and how; of one that was never opened nothing is known."""
        own = self._observer
        if not own.opened:
            return
        own.ended()
        closing = own.closing
        self._history.append(
            facts.LinkLost(
                at=now(),
                link=own.link,
                connection=own.connection,
                by=by if closing is None else ("client" if closing.by == "client" else "broker"),
                clean=closing is not None,
                code=0 if closing is None else closing.code,
                text="" if closing is None else closing.text,
            )
        )


def _withheld(fact: LinkEvent) -> LinkEvent:
    return dataclasses.replace(fact, passed=False) if hasattr(fact, "passed") else fact  # type: ignore[call-arg]
