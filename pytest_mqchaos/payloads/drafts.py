"""Messages before they are planned: what a test's own functions make of a number, and what they see."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import CoroutineType
from typing import Any

from pytest_mqchaos.errors import UsageError

__all__ = ["Draft", "made", "rng", "told", "whole"]


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as `key(message)` and `expect(message)` see it."""

    number: int
    """Its number in the run, from 1."""
    id: str
    body: bytes
    headers: dict[str, object]
    properties: dict[str, object]
    key: str | None = None
    """Known to `expect` only."""

    @property
    def json(self) -> Any:
        """The body read as JSON; raises ValueError if it is none."""
        return json.loads(self.body)


def rng(seed: int, purpose: str, number: int = 0) -> Random:
    """Return a generator of its own for a purpose and number, so that no other choice shifts its draws."""
    key = f"{seed}/{purpose}/{number}".encode()
    return Random(int.from_bytes(hashlib.blake2b(key, digest_size=8).digest()))


def made(name: str, value: object, number: int, seed: int) -> tuple[object, str]:
    """Return what the argument `name` says for a message, and what that is, for an error about it.

    Args:
        name: `body`, `headers` or `properties`.
        value: the argument: a function of number and generator, or what holds for every message.
        number: the message's number in the run.
        seed: of the workload.

    Raises:
        UsageError: if the function raises.
    """
    __tracebackhide__ = True
    if not callable(value):
        return value, f"{name}="
    return told(
        f"{name}({number}, rng)", value, number, rng(seed, name, number)
    ), f"{name}({number}, rng) returned "


def told(call: str, function: Callable[..., object], *arguments: object) -> object:
    """Return what the test's own function returns.

    Raises:
        UsageError: if it raises (the original exception is the cause), or is async.
    """
    __tracebackhide__ = True
    try:
        result = function(*arguments)
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise UsageError(f"publish(): {call} raised {type(error).__name__}{text and f': {text}'}") from error
    if isinstance(result, CoroutineType):
        result.close()
        raise UsageError(f"publish(): {call} is async: a plain function is needed here")
    return result


def whole(value: object, where: str, *, least: int) -> int:
    """Return `value` if it is a whole number, at least `least`.

    Raises:
        UsageError: if it is not; `where` says what it is.
    """
    __tracebackhide__ = True
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"publish(): {where}{value!r}: a whole number, at least {least}")
    return value
