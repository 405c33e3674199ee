"""Retry policies: how long to wait after which failure, in seconds.

| policy | before attempt k + 1 |
| --- | --- |
| `fixed(d)` | d |
| `linear(d)` | d · k |
| `exponential(base, factor, cap)` | min(cap, base · factor^(k − 1)) |
| `jittered(policy, low, high)` | anything from low to high times what the policy says |

They are functions, not classes, so that `retry(fixed)` without parentheses is told apart from a policy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from pytest_mqchaos.errors import UsageError

__all__ = ["Policy", "exponential", "fixed", "jittered", "linear", "not_a_policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long a consumer waits before it tries again."""

    kind: Literal["fixed", "linear", "exponential"]
    text: str
    """As a user writes it."""
    base: float
    factor: float = 1.0
    cap: float = float("inf")
    low: float = 1.0
    high: float = 1.0
    """The random part: any delay from `low` to `high` times what the policy says."""

    def delay(self, failures: int) -> tuple[float, float]:
        """Return the shortest and the longest delay in seconds after so many failures, from 1 on."""
        said = self._plain(failures)
        return said * self.low, said * self.high

    def range(self, failures: Iterable[int]) -> tuple[float, float]:
        """Return the shortest and the longest delay where it is not known how many failures are counted."""
        delays = [self.delay(each) for each in failures]
        return min(low for low, _ in delays), max(high for _, high in delays)

    def _plain(self, failures: int) -> float:
        if self.kind == "fixed":
            return self.base
        if self.kind == "linear":
            return self.base * failures
        try:
            return min(self.cap, self.base * self.factor ** (failures - 1))
        except OverflowError:
            return self.cap

    def __str__(self) -> str:
        """As a user writes it."""
        return self.text


_NOTHING: Any = object()


def _number(call: str, name: str, value: object, *, least: float = 0.0) -> float:
    __tracebackhide__ = True
    if value is _NOTHING:
        raise UsageError(f"{call}(): {name} is missing: write {_EXAMPLES[call]}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
        raise UsageError(f"{call}({name}={value!r}): a number, {least:g} or more")
    return float(value)


def fixed(delay: float = _NOTHING) -> Policy:
    """Wait the same time before every attempt.

    Args:
        delay: seconds, 0 or more.

    Raises:
        UsageError: if it is missing, or no such number.
    """
    __tracebackhide__ = True
    base = _number("fixed", "delay", delay)
    return Policy(kind="fixed", text=f"fixed({base:g})", base=base)


def linear(delay: float = _NOTHING) -> Policy:
    """Wait longer by the same time before each attempt: `delay`, twice that, three times that.

    Args:
        delay: seconds, 0 or more.

    Raises:
        UsageError: if it is missing, or no such number.
    """
    __tracebackhide__ = True
    base = _number("linear", "delay", delay)
    return Policy(kind="linear", text=f"linear({base:g})", base=base)


def exponential(base: float = _NOTHING, factor: float = 2.0, cap: float | None = None) -> Policy:
    """Wait longer by a factor before each attempt: `base`, `base` · `factor`, up to `cap`.

    Args:
        base: seconds before the second attempt, 0 or more.
        factor: by which the time grows, at least 1.
        cap: the longest time in seconds, none by default.

    Raises:
        UsageError: if one is missing, or no such number.
    """
    __tracebackhide__ = True
    first, grows = _number("exponential", "base", base), _number("exponential", "factor", factor, least=1.0)
    most = float("inf") if cap is None else _number("exponential", "cap", cap)
    end = "" if cap is None else f", {most:g}"
    return Policy(
        kind="exponential", text=f"exponential({first:g}, {grows:g}{end})", base=first, factor=grows, cap=most
    )


def jittered(policy: Policy = _NOTHING, low: float = 0.0, high: float = 1.0) -> Policy:
    """Wait a random time: any from `low` to `high` times what a policy says.

    By default that is the full jitter of Marc Brooker's "Exponential Backoff And Jitter" (AWS, 2015), from nothing to
    the policy's delay; `low=0.5` is its equal jitter, `low=0.9, high=1.1` ten per cent more or less.

    Args:
        policy: another policy.
        low: the smallest share of its delay, 0 or more.
        high: the largest share, at least `low`.

    Raises:
        UsageError: if it is no policy, or the shares are no such numbers.
    """
    __tracebackhide__ = True
    if not isinstance(policy, Policy):
        raise not_a_policy("jittered", policy)
    least = _number("jittered", "low", low)
    most = _number("jittered", "high", high, least=least)
    return replace(
        policy,
        text=f"jittered({policy}, {least:g}, {most:g})",
        low=policy.low * least,
        high=policy.high * most,
    )


def not_a_policy(call: str, value: object) -> UsageError:
    """Return the error for what is no policy.

    Args:
        call: what it was given to.
        value: what was given.
    """
    name = getattr(value, "__name__", "")
    if value is _NOTHING:
        return UsageError(f"{call}(): which policy? Write {call}({_EXAMPLES['fixed']})")
    if callable(value) and name in _EXAMPLES:
        return UsageError(f"{call}({name}): forgotten parentheses: write {call}({_EXAMPLES[name]})")
    return UsageError(f"{call}({value!r}): no policy: there are {', '.join(_EXAMPLES.values())}")


_EXAMPLES = {
    "fixed": "fixed(1.0)",
    "linear": "linear(1.0)",
    "exponential": "exponential(1.0, 2.0, 60.0)",
    "jittered": "jittered(exponential(1.0))",
}
