"""The life of a message as a Markov chain, from what became of each of its copies.

```
            ┌────────────► requeued ◄───────────┐
            │                 │                 │ requeue, lost link or channel, cancel, recover, broker stop
            │                 ▼                 │
 ──► ready ─┼────────────► in flight ───────────┴──► acknowledged
       ▲    │ expired,        │ rejected      ├────► dropped
       │    │ over a limit    ▼               └────► unsettled
       └─ dead-lettered ◄─────┘
              └──► resting
```
Acknowledged, dropped, resting (in a dead-letter queue) and unsettled (where the run left it) are the ends. A message
that is dead-lettered into a waiting room and comes back goes on as a new copy; one that was published again by the
application begins again, as a copy of it, and so does each copy that an exchange made: the chain is a copy's, and its
expected deliveries times the copies that began are those of a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from pytest_mqchaos.model.copies import Copy, Record
from pytest_mqchaos.report.figures.markov import Chain, wilson

__all__ = ["ENDS", "STATES", "lifecycle"]

STATES = ("ready", "in_flight", "requeued", "dead_lettered")
ENDS = ("acknowledged", "resting", "dropped", "unsettled")

Step = tuple[str, str]


def lifecycle(records: Iterable[Record]) -> dict[str, Any] | None:
    """Return the chain of a run's messages for the document; None where the broker took none."""
    taken: Counter[Step] = Counter()
    messages = begun = 0
    for record in records:
        if record.ok or record.copies:
            messages += 1
            paths = list(_paths(record))
            begun += sum(path[0] == "ready" for path in paths)
            taken.update(step for path in paths for step in pairwise(path))
    if not taken:
        return None
    chain = Chain(taken)
    deliveries, copies = chain.visits("ready", "in_flight"), begun / messages
    order = {name: place for place, name in enumerate((*STATES, *ENDS))}
    return {
        "messages": messages,
        "steps": [
            _step(chain, *step) for step in sorted(chain.steps, key=lambda s: (order[s[0]], order[s[1]]))
        ],
        "ends": {end: round(chain.absorption("ready", end), 6) for end in ENDS},
        "deliveries": round(deliveries, 6),
        "copies_per_message": round(copies, 6),
        "deliveries_per_message": round(deliveries * copies, 6),
    }


def _step(chain: Chain, origin: str, target: str) -> dict[str, Any]:
    count, left = chain.steps[origin, target], chain.left(origin)
    low, high = wilson(count, left)
    return {
        "from": origin,
        "to": target,
        "count": count,
        "of": left,
        "probability": round(count / left, 6),
        "low": round(low, 6),
        "high": round(high, 6),
    }


def _paths(record: Record) -> Iterator[list[str]]:
    """Yield the states that each copy of a message went through."""
    if not record.copies:
        yield ["ready", "dropped" if record.gone else "unsettled"]
    for number, copy in enumerate(record.copies):
        died = any(_dead(later) for later in record.copies[number + 1 :])
        yield [*_beginning(copy), *_middle(copy), _end(copy, died=died)]


def _beginning(copy: Copy) -> list[str]:
    if not _dead(copy):
        return ["ready"]
    return ["dead_lettered"] if _rests(copy) else ["dead_lettered", "ready"]


def _dead(copy: Copy) -> bool:
    """Whether it came by a dead-letter exchange."""
    return copy.deaths is not None or copy.death_reason is not None


def _rests(copy: Copy) -> bool:
    return _dead(copy) and copy.state == "resting" and not copy.deliveries


def _middle(copy: Copy) -> list[str]:
    """The states between the first and the end: in hand, and back again."""
    passed: list[str] = []
    for _ in copy.deliveries:
        passed += ["requeued", "in_flight"] if passed else ["in_flight"]
    last = copy.last
    if last is not None and (
        copy.state in ("ready", "resting") or (copy.state == "gone" and bool(last.returned))
    ):
        passed.append("requeued")
    return passed


def _end(copy: Copy, *, died: bool) -> str:
    """Where a copy ended; `died` tells whether a dead-lettered copy of its message came after it."""
    if _rests(copy):
        return "resting"
    settled = copy.settlement if copy.state in ("settled", "settling") else ""
    if settled in ("acked", "auto"):
        return "acknowledged"
    if copy.state == "gone" or settled == "dropped":
        return "dead_lettered" if died else "dropped"
    return "unsettled"
