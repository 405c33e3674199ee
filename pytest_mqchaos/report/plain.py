"""Values as JSON has them: no credentials, nothing infinite, keys that are text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.printable import masked

__all__ = ["plain"]


def plain(value: object) -> Any:
    """Return a value as JSON has it: keys are text, no credentials in any URL, nothing infinite."""
    if isinstance(value, str):
        return masked(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {masked(str(key)): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [plain(each) for each in value]
    return masked(str(value))
