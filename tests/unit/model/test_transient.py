"""Failures that pass, and calls as moments: what is written, and what is refused."""

from __future__ import annotations

import random
from typing import Any

import pytest

from pytest_mqchaos import UsageError, call, consumer_crash, transient


def test_the_choice_follows_from_the_seed() -> None:
    """A share of the messages, at least one, the same ones by the same seed."""
    names = [f"m-{n}" for n in range(50)]
    fail = transient(2, share=0.1)
    assert fail.choose(names, random.Random(1)) == fail.choose(names, random.Random(1))
    assert fail.choose(names, random.Random(1)) != fail.choose(names, random.Random(2))
    assert len(fail.choose(names, random.Random(1))) == 5
    assert len(fail.choose(names[:3], random.Random(1))) == 1
    assert transient(1, share=1.0).choose(names, random.Random(1)) == set(names)


def test_written_back() -> None:
    """It reads as it was written."""
    assert str(transient(2, share=0.25, status=429)) == "transient(2, share=0.25, status=429)"
    assert str(call(3, service="billing", delay=0.5)) == "call(3, service='billing', delay=0.5)"
    assert consumer_crash(before=call(3)).id == "consumer_crash-before-call-3"
    assert call(message=7, service="billing").id == "call-message-7-billing"


@pytest.mark.parametrize(
    ("arguments", "options", "line"),
    [
        ((0,), {}, "transient(0): how many tries fail, a whole number, at least 1"),
        ((True,), {}, "transient(True): how many tries fail, a whole number, at least 1"),
        ((1,), {"share": 0}, "transient(share=0): a share of the messages, above 0, at most 1"),
        ((1,), {"status": 200}, "transient(status=200): a status that is no success, 300 to 599"),
        ((print,), {}, "transient was used as a decorator: a failure is written transient(2)"),
    ],
)
def test_what_is_refused(arguments: tuple[Any, ...], options: dict[str, Any], line: str) -> None:
    """A wrong value is one line that names it."""
    with pytest.raises(UsageError) as caught:
        transient(*arguments, **options)
    assert str(caught.value) == line


def test_calls_that_are_refused() -> None:
    """So is a wrong moment."""
    with pytest.raises(UsageError, match=r"call\(service=3\): service is a name"):
        call(1, service=3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="forgotten parentheses"):
        consumer_crash(before=call)  # type: ignore[arg-type]
