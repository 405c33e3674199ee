"""Which policy is in force for a queue, worked out from the policies themselves as RabbitMQ does it.

The management API tells it too, but with its statistics, seconds late.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["in_force"]

_KINDS = {
    "classic": {"all", "queues", "classic_queues"},
    "quorum": {"all", "queues", "quorum_queues"},
    "stream": {"all", "queues", "streams"},
}


def in_force(
    queue: str, type: str, policies: Sequence[Mapping[str, Any]], operators: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the definition in force: of each sort the policy that matches and has the highest priority.

    Where a user's policy and an operator's name the same limit, the lower one holds; else the operator's.
    """
    own, operator = _first(queue, type, policies), _first(queue, type, operators)
    joined = {**own, **operator}
    for key in own.keys() & operator.keys():
        if isinstance(own[key], int) and isinstance(operator[key], int):
            joined[key] = min(own[key], operator[key])
    return joined


def _first(queue: str, type: str, policies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = [one for one in policies if _matches(queue, type, one)]
    best = max(found, key=lambda one: int(one.get("priority", 0)), default=None)
    return dict(best["definition"]) if best else {}


def _matches(queue: str, type: str, policy: Mapping[str, Any]) -> bool:
    if policy.get("apply-to", "all") not in _KINDS.get(type, {"all", "queues"}):
        return False
    try:
        return re.search(str(policy["pattern"]), queue) is not None
    except re.error:
        return True  # a pattern of Erlang's that is none of Python's: rather think that it may hold
