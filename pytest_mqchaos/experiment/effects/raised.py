"""How often a function of the test's raised, and what: what it meets may be malformed, so that alone is no error."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mqchaos.model.printable import printable

__all__ = ["Raised"]

_LONGEST = 120


@dataclass(slots=True)
class Raised:
    """What one `key=` raised; the first error stands for all."""

    count: int = 0
    first: str = ""

    def note(self, error: Exception) -> None:
        """Take down an error."""
        self.count += 1
        text = printable(" ".join(str(error).split()), _LONGEST)
        self.first = self.first or f"{type(error).__name__}: {text}".rstrip(": ")

    def said(self, total: int, noun: str) -> str:
        """Say it of so many: `key raised KeyError: 'x' for all 10 requests`; empty if it never did."""
        if not self.count:
            return ""
        things = f"{total:,} {noun}{'' if total == 1 else 's'}"
        share = (
            things
            if total == 1
            else f"all {things}"
            if self.count >= total
            else f"{self.count:,} of {things}"
        )
        return f"key raised {self.first} for {share}"
