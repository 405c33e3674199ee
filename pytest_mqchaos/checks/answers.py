"""What a service that we stand in for answered to the calls of a message: why it has no effect."""

from __future__ import annotations

from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.events import Answered

__all__ = ["Answers"]

_GOOD = range(200, 300)


class Answers:
    """The last answers of a run, by message."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._last: dict[str, Answered] | None = None

    def refusal(self, message: str) -> str:
        """Return in words that the last call of a message was refused; empty if it was not, or there was none."""
        last = self._of(message)
        if last is None or last.status in _GOOD:
            return ""
        which = "its only call" if last.attempt == 1 else f"its call {last.attempt}"
        planned = ", a failure that passes" if last.refused else ""
        return f"{last.source} answered {which} with {last.status}{planned}"

    def given_up_early(self, message: str) -> str:
        """Return in words that all calls of a message were among those that were to fail; empty if they were not."""
        last = self._of(message)
        if last is None or not last.refused:
            return ""
        tries = "its only call was" if last.attempt == 1 else f"its {last.attempt} calls were"
        return f"{tries} among those that {last.source} was to refuse"

    def _of(self, message: str) -> Answered | None:
        if self._last is None:
            self._last = {each.message: each for each in self._case.events if isinstance(each, Answered)}
        return self._last.get(message)
