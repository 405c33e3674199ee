"""What a finding claims, in the words of a page: who lost it and when, and of several messages in the plural.

The terminal has the claim as the check wrote it. Here the lives are known, so that the worker can be named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["behind", "claimed", "counted_claim", "in_plural"]

Record = Mapping[str, Any]

_EARLY = re.compile(r"lost by .*: its ack reached the broker, its work was never done")
_VERBS = {"was": "were", "is": "are", "has": "have"}
_VERB = re.compile(r"^(?:was|is|has)\b")
_OWN = re.compile(r"^(?:was|is|has|may)\b")
_ITS = re.compile(r"\bits\b")
_AGAIN = re.compile(r"\bit (was|is|has)\b")
"""A claim that begins with a verb goes on from the message, and `it` in its first part is the message still."""
_OF_ONE = ("reordered", "failover_miss", "retry_schedule:early", "retry_schedule:late")
"""Whose claim has a time, a key or a name in it that is of one message: a finding gathers others by their cause."""


_ONE_OF = "one of them"
_NO_FAULT = "no fault explains it"


def behind(cause: str, *, them: bool = False) -> str:
    """Return what is behind a finding, to stand after its claim; where no fault is, that is said.

    Args:
        cause: of the finding.
        them: whether the claim was about several things.
    """
    if cause.startswith(_NO_FAULT):
        return f"no fault is behind {'them' if them else 'it'}{cause.removeprefix(_NO_FAULT)}"
    return f"behind {'them' if them else 'it'}: {cause}"


def claimed(finding: Record, run: Record) -> str:
    """Return a finding's claim, about several messages in the plural; of an ack before a death, whose and when."""
    claim: str = finding["claim"] or finding["kind"].replace("_", " ")
    if finding["count"] > 1:
        claim = in_plural(claim, finding)
    if not _EARLY.fullmatch(claim):
        return claim
    lives = {life["id"]: life for life in run["lives"]}
    names = finding["messages"]
    ends = [_killed(lives[name]["events"]) for name in names if name in lives]
    if not ends or len(ends) < max(finding["count"], len(names)) or len({end[::2] for end in ends}) > 1:
        return claim
    consumer, acked, killed = ends[0]
    if not consumer:
        return claim
    when = f" at {acked}" if len(ends) == 1 else " them"
    return f"lost by `{consumer}`, which acked{when} and was killed at {killed} before any effect"


def counted_claim(counted: str, finding: Record, run: Record) -> str:
    """Return how many messages, then the claim about them: `3 messages were dropped`; of none the claim alone."""
    claim = claimed(finding, run)
    if not counted:
        return claim
    return f"{counted}{':' if claim.startswith(_ONE_OF) else ''} {claim}"


def in_plural(claim: str, told: Record) -> str:
    """Return a claim about several messages: `was worked on after it was published` with `were` and `they were`.

    Args:
        claim: to be told.
        told: the finding or the cause that makes it; what some claim of one message is said of one, by its name where
            it is known: the claim is that of a finding's first message.
    """
    if _OWN.match(claim) and {told["kind"], f"{told['kind']}:{told['detail']}"} & set(_OF_ONE):
        first = f", `{told['messages'][0]}`," if told.get("messages") else ""
        return f"{_ONE_OF}{first} {claim}"
    if not _VERB.match(claim):
        return claim
    head, colon, tail = claim.partition(": ")
    head = _ITS.sub("their", _VERB.sub(lambda verb: _VERBS[verb[0]], head))
    return f"{_AGAIN.sub(lambda found: f'they {_VERBS[found[1]]}', head)}{colon}{tail}"


def _killed(steps: Sequence[Record]) -> tuple[str, str, str]:
    """Return who acknowledged a message, when, and when it was killed thereafter; nothing where it was not so."""
    place = max((n for n, step in enumerate(steps) if step.get("kind") == "acked"), default=len(steps))
    if any(step.get("kind") == "effected" for step in steps):
        return "", "", ""
    for step in steps[place + 1 :]:
        who = steps[place]["where"]
        if step["kind"] == "consumer_ended" and step["text"] == f"{who} killed":
            return who, f"{steps[place]['at']:.3f} s", f"{step['at']:.3f} s"
    return "", "", ""
