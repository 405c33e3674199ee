"""Where the value of an option came from, in words: for errors that name both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Origins"]


@dataclass(frozen=True, slots=True)
class Origins:
    """How each option was given, by its name: a text with `{}` for the value."""

    words: Mapping[str, str] = field(default_factory=dict)

    def said(self, name: str, value: object) -> str:
        """Return `--mqchaos-url=VALUE`, `PYTEST_MQCHAOS_URL=VALUE`, or `mqchaos_url = VALUE in pytest.ini`."""
        words = self.words.get(name) or f"--mqchaos-{name.replace('_', '-')}={{}}"
        return words.replace("{}", str(value))
