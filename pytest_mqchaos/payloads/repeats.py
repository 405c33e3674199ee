"""Repeated messages: some are sent twice, as a publisher does that waited for a confirm in vain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.payloads.drafts import rng
from pytest_mqchaos.payloads.plans import Planned

__all__ = ["repeated"]

_LATE = 8
"""So many messages may stand between the two, as a publisher goes on while it waits for confirms."""


def repeated(entries: Sequence[Planned], faults: Sequence[Fault], seed: int) -> tuple[Planned, ...]:
    """Return the messages of a plan with the repetitions that the faults ask for.

    What is repeated is good. Each repetition follows directly, or up to `_LATE` messages later.

    Args:
        entries: the messages in the order of publishing, each once.
        faults: those of other kinds are left alone.
        seed: of the workload.
    """
    good = [place for place, entry in enumerate(entries) if not entry.message.poison]
    generator = rng(seed, "repeats", entries[0].message.number)
    behind: dict[int, list[Planned]] = {}
    for fault in faults:
        if fault.kind != "repeated_publish":
            continue
        number = max(1, round(len(good) * float(fault.option("share"))))  # type: ignore[arg-type]
        for place in sorted(generator.sample(good, number)):
            late = generator.choice((0, generator.randrange(1, _LATE + 1)))
            last = min(place + late, len(entries) - 1)
            behind.setdefault(last, []).append(replace(entries[place], repeats=True))
    return tuple(one for place, entry in enumerate(entries) for one in (entry, *behind.get(place, ())))
