"""How much was worked on in a run that needs no other sentence: what is missing there is named, and is no loss.

```
200 messages published, 200 worked on.
100 messages published, 96 worked on; of the 5 that the broker never confirmed nothing is promised.
50 good messages published, all worked on; 10 poison ones: 5 worked on, 5 dead-lettered.
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_mqchaos.model.sequences import plural

__all__ = ["tally"]

Record = Mapping[str, Any]


def tally(run: Record) -> str:
    """Return how many messages were published and worked on, the poison apart, and what became of the others."""
    counts = run["counts"]
    poison, worked = counts["poison"], counts["effected"]
    spoilt = sum(each["count"] for each in run["findings"] if each["kind"] == "poison_effected")
    good = counts["published"] - poison
    if not poison or not 0 <= worked - spoilt <= good:
        said = f"{plural(counts['published'], 'message')} published, {worked:,} worked on"
        return "; ".join([said, *_others(run, counts["published"] - worked)]) + "."
    done = worked - spoilt
    said = f"{plural(good, 'good message')} published, {'all' if done == good else f'{done:,}'} worked on"
    return "; ".join([said, *_others(run, good - done), _poison(run, spoilt, alone=done == good)]) + "."


def _others(run: Record, missing: int) -> Iterator[str]:
    """Yield what is known of good messages that nobody worked on; those that were dead-lettered are counted."""
    counts = run["counts"]
    unconfirmed = counts["published"] - counts["confirmed"]
    if missing <= 0:
        return
    if not counts["poison"] and counts["dead_lettered"]:
        yield f"{counts['dead_lettered']:,} dead-lettered"
    if unconfirmed:
        which = "the one" if unconfirmed == 1 else f"the {unconfirmed:,}"
        yield f"of {which} that the broker never confirmed nothing is promised"


def _poison(run: Record, spoilt: int, *, alone: bool) -> str:
    """Return what became of the poison; dead-lettered is only what can be no good message."""
    poison, dead = run["counts"]["poison"], run["counts"]["dead_lettered"]
    parts = [f"{spoilt:,} worked on"] if spoilt else []
    if dead and alone and spoilt + dead <= poison:
        parts.append(f"{dead:,} dead-lettered")
        spoilt += dead
    if spoilt < poison:
        parts.append(f"{poison - spoilt:,} not" if parts else "none worked on")
    return f"{poison:,} poison {'one' if poison == 1 else 'ones'}: {', '.join(parts)}"
