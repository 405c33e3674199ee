"""The options of the mark `chaos`: merged key by key from module to function, each value checked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults import allowed as _pairs
from pytest_mqchaos.model.findings import DETAILS, FINDING_KINDS, HAZARD_KINDS
from pytest_mqchaos.model.guarantees import Guarantee, at_least_once, guarantee

__all__ = ["MARK", "Chosen", "allowed", "chosen", "marks_of", "standing_on"]

MARK = "chaos"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The options of a test's marks, merged."""

    guarantee: Guarantee = at_least_once
    evidence: str = "auto"
    poison: str = "auto"
    allow: tuple[tuple[str, str], ...] = ()
    settle_timeout: float | None = None
    effect_timeout: float = 5.0
    seed: int | None = None
    own_broker: bool = False


def marks_of(node: pytest.Item) -> Iterator[tuple[Any, pytest.Mark]]:
    """Return the marks `chaos` of a test with their owners, the farthest first."""
    yield from reversed(list(node.iter_markers_with_node(MARK)))


def standing_on(owner: Any, node: pytest.Item) -> str:
    """Return where a mark stands that is not the test's own."""
    return "" if owner is node else f" (the mark of {owner.nodeid})"


def chosen(node: pytest.Item) -> Chosen:
    """Return the options of all marks, the nearest first.

    Raises:
        UsageError: if an option is unknown or its value wrong.
    """
    merged: dict[str, Any] = {}
    for owner, mark in marks_of(node):
        for name, value in mark.kwargs.items():
            try:
                merged[name] = _option(name, value)
            except UsageError as error:
                raise UsageError(f"chaos: {error}{standing_on(owner, node)}") from None
    return Chosen(**merged)


def _option(name: str, value: object) -> object:
    if name not in _READERS:
        close = difflib.get_close_matches(name, _READERS, 1)
        meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(_READERS)}"
        raise UsageError(f"{name}={value!r}: no such option; {meant}")
    return _READERS[name](value)


def _choice(name: str, *choices: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if value not in choices:
            raise UsageError(f"{name}={value!r}: one of {', '.join(map(repr, choices))}")
        return value

    return read


def _seconds(name: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise UsageError(f"{name}={value!r}: a number of seconds above 0")
        return float(value)

    return read


def _truth(name: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, bool):
            raise UsageError(f"{name}={value!r}: True or False")
        return value

    return read


def _seed(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"seed={value!r}: a whole number from 0 on")
    return value


def allowed(value: object) -> tuple[tuple[str, str], ...]:
    """Return `allow=` as pairs of name and reason; a name that no finding or hazard has is an error."""
    pairs = _pairs(value)
    for name, _ in pairs:
        kind, narrowed, detail = name.partition(":")
        if kind == "vacuous":
            raise UsageError(f"allow={name!r}: nothing allows a run that proves nothing")
        if kind not in _ALLOWABLE:
            close = difflib.get_close_matches(kind, _ALLOWABLE, 1)
            meant = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_ALLOWABLE)}"
            raise UsageError(f"allow={name!r}: no such finding or hazard; {meant}")
        if narrowed and detail not in DETAILS.get(kind, ()):
            raise UsageError(f"allow={name!r}: {_meant_detail(kind, detail)}")
    return pairs


def _meant_detail(kind: str, detail: str) -> str:
    known = DETAILS.get(kind, ())
    if not known:
        return f"{kind!r} has no details"
    close = difflib.get_close_matches(detail, known, 1)
    meant = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    return f"{kind!r} has no such detail; {meant}"


_ALLOWABLE = tuple(dict.fromkeys((*FINDING_KINDS, *HAZARD_KINDS, "dead_lettered", "*")))
_READERS: dict[str, Callable[[Any], object]] = {
    "guarantee": guarantee,
    "evidence": _choice("evidence", "auto", "effects", "broker", "any"),
    "poison": _choice("poison", "auto", "dead-letter", "discard"),
    "allow": allowed,
    "settle_timeout": _seconds("settle_timeout"),
    "effect_timeout": _seconds("effect_timeout"),
    "seed": _seed,
    "own_broker": _truth("own_broker"),
}
