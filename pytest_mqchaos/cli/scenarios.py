r"""The small language of `--scenario`: a fault and its moment in one word of a command line.

```
scenario  =  fault { "+" fault }                        several faults at once, or: baseline
fault     =  NAME { ":" argument }                      consumer_crash:process=main
argument  =  NAME "=" value                             as in Python, without quotes
          |  ("before" | "after") "=" moment
moment    =  NAME [ ":" number ] { ":" own }            before=ack:5    after=delivery:3:queue=orders
number    =  DIGITS [ "-" DIGITS ]                      after=ack:1-20, each of them a scenario of its own
own       =  ("queue" | "message" | "delay" | "by" | "service") "=" value
                                                        right behind its moment
```
A list is written `kinds=empty,truncated`, a body that is in a file `body=@bad.json`; a `:`, `+` or `,` that is part of
a value has a backslash before it. Which arguments there are, and of what kind, is read off the faults themselves.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest_mqchaos.model.faults as faults
import pytest_mqchaos.model.triggers as triggers
from pytest_mqchaos.cli.sources import call, literal
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults import Fault, Scenario

__all__ = ["Written", "expanded", "parse", "written"]

_NO_FAULTS = {"allowed", "combine", "scenario", "sweep"}
_OWN = ("queue", "message", "delay", "by", "service")


@dataclass(frozen=True, slots=True)
class Written:
    """A scenario as it was parsed, and as a test's source writes it."""

    scenario: Scenario
    source: str
    names: frozenset[str]
    """What the source takes from the package."""


_RANGE = re.compile(r"(?P<moment>(?:^|[:+])(?:before|after)=\w+:)(?P<first>\d+)-(?P<last>\d+)(?=[:+]|$)")


def parse(text: str) -> Written:
    """Return the scenario that a word of the command line stands for.

    Raises:
        UsageError: if it cannot be read; one line that names the word and what would do.
    """
    with _named(f"--scenario {text!r}"):
        return _parsed(text)


def expanded(text: str) -> list[str]:
    """Return the words that a word with a range of moments stands for, one for each; itself if it has none.

    Raises:
        UsageError: if it has several, or one without a moment in it.
    """
    with _named(f"--scenario {text!r}"):
        return _expanded(text)


def written(text: str) -> tuple[Scenario, ...]:
    """Return the scenarios of several words, with blanks between them, equal ones once.

    Raises:
        UsageError: if a word cannot be read.
    """
    found: dict[Scenario, None] = {}
    for part in text.split():
        with _named(repr(part)):
            found |= dict.fromkeys(_parsed(word).scenario for word in _expanded(part))
    if not found:
        raise UsageError("name one, as consumer_crash:after=ack:5")
    return tuple(found)


@contextmanager
def _named(word: str) -> Iterator[None]:
    """Say of an error which word it is about."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{word}: {error}") from None


def _expanded(text: str) -> list[str]:
    ranges = list(_RANGE.finditer(text))
    if not ranges:
        return [text]
    if len(ranges) > 1:
        raise UsageError(f"one range of moments, not {len(ranges)}")
    found = ranges[0]
    first, last = int(found["first"]), int(found["last"])
    if not 1 <= first <= last:
        raise UsageError(f"{first}-{last} has no moment in it: from 1 on, the smaller one first")
    begin, end = text[: found.end("moment")], text[found.end("last") :]
    return [f"{begin}{number}{end}" for number in range(first, last + 1)]


def _parsed(text: str) -> Written:
    if "(" in text:
        raise UsageError("is written without parentheses: consumer_crash:before=ack:5")
    parts = [_fault(part) for part in _split(text, "+")]
    if len(parts) == 1:
        value, source, names = parts[0]
        return Written(faults.scenario(value), source, frozenset(names))
    several = [value for value, _, _ in parts if isinstance(value, Fault)]
    if len(several) < len(parts):
        raise UsageError("baseline is no fault that could be combined: leave it out")
    sources = [source for _, source, _ in parts]
    names = {"combine"}.union(*(names for _, _, names in parts))
    return Written(faults.combine(*several), call("combine", sources), frozenset(names))


def _fault(text: str) -> tuple[Fault | Scenario, str, set[str]]:
    name, *words = _split(text, ":")
    name = _unescaped(name).strip()
    if name not in _faults():
        _unknown("fault", name, _faults())
    given: dict[str, Any] = {}
    sources: dict[str, str] = {}
    names = {name}
    while words:
        argument, value = _argument(words.pop(0), "consumer_crash:process=main:before=ack:5")
        if argument in given:
            raise UsageError(f"{argument}= is there twice")
        kind = _kinds(_faults()[name]).get(argument)
        if kind is None:
            _unknown("argument", argument, _kinds(_faults()[name]), of=name)
        if "Trigger" in kind:
            given[argument], sources[argument], moment = _moment(argument, value, words)
            names.add(moment)
        else:
            given[argument] = _value(argument, value, kind)
            sources[argument] = literal(given[argument])
    source = call(name, [f"{argument}={written}" for argument, written in sources.items()])
    return _faults()[name](**given), source, names


def _moment(position: str, name: str, words: list[str]) -> tuple[triggers.Trigger, str, str]:
    """Take a moment's own words off those that follow it."""
    name = _unescaped(name)
    if name not in triggers.__all__ or not name.islower():
        _unknown("moment", name, [one for one in triggers.__all__ if one.islower()])
    trigger = getattr(triggers, name)
    kinds = _kinds(trigger)
    numbers: list[Any] = []
    if words and "=" not in words[0]:
        numbers.append(_number(f"{position}={name}", _unescaped(words.pop(0)), fraction=name == "seconds"))
    elif name == "seconds":
        raise UsageError(f"{position}=seconds: how many? {position}=seconds:0.5")
    own: dict[str, Any] = {}
    while words and words[0].partition("=")[0] in _OWN:
        argument, _, value = words.pop(0).partition("=")
        if argument not in kinds:
            raise UsageError(f"{position}={name} has no {argument}=")
        own[argument] = _value(argument, value, kinds[argument])
    source = call(name, [*map(literal, numbers), *(f"{key}={literal(value)}" for key, value in own.items())])
    return trigger(*numbers, **own), source, name


def _argument(word: str, example: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals:
        raise UsageError(f"{_unescaped(word)!r}: an argument is written name=value, as in {example}")
    return name.strip(), value


def _value(name: str, text: str, kind: str) -> object:
    """Return a value as the fault's own signature wants it."""
    if "Iterable" in kind or name == "allow":
        return tuple(_unescaped(part) for part in _split(text, ","))
    plain = _unescaped(text)
    if name == "body":
        return _body(plain)
    if "float" in kind or "int" in kind:
        return _number(f"{name}=", plain, fraction="float" in kind)
    return plain


def _body(text: str) -> str | bytes:
    if not text.startswith("@"):
        return text
    path = Path(text[1:])
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UsageError(f"body={text}: {path}: {error.strerror}") from None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _number(what: str, text: str, *, fraction: bool) -> int | float:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        if fraction:
            return float(text)
    except ValueError:
        pass
    raise UsageError(f"{what} {text!r} is not a {'number' if fraction else 'whole number'}")


@cache
def _faults() -> dict[str, Callable[..., Fault | Scenario]]:
    known = [name for name in faults.__all__ if name.islower() and name not in _NO_FAULTS]
    return {name: getattr(faults, name) for name in sorted(known)}


@cache
def _kinds(function: Callable[..., object]) -> dict[str, str]:
    """Return the arguments that a function takes by name, with their annotations, as written."""
    parameters = inspect.signature(function).parameters.values()
    return {one.name: str(one.annotation) for one in parameters if one.kind is not one.VAR_POSITIONAL}


def _split(text: str, sign: str) -> list[str]:
    return re.split(rf"(?<!\\){re.escape(sign)}", text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([:+,])", r"\1", text)


def _unknown(sort: str, name: str, known: Iterable[str], *, of: str = "") -> NoReturn:
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    raise UsageError(f"{f'{of} has ' if of else ''}no {sort} {name!r}; {meant}")
