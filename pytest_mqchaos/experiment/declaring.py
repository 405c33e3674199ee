"""What a test declares, and what the run has to know of it: how old a queue is, and whether it takes dead letters."""

from __future__ import annotations

from typing import Any

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.run import Run

__all__ = ["declare_dead_letters", "declare_queue"]


def declare_queue(
    run: Run, name: str, *, dead_letter: str | None, exchange: str | None, **options: Any
) -> str:
    """Declare a queue and return its name; see `Chaos.queue`."""
    __tracebackhide__ = True
    run.sharing.admit(*(one for one in (name, dead_letter) if isinstance(one, str)))
    run.sharing.refuse_everybodys(f"queue({name!r}, exchange={exchange!r})", exchange)
    run.declarer.declare_queue(name, dead_letter=dead_letter, exchange=exchange, **options)
    run.ages.known(name)
    if dead_letter is not None:
        run.dead_letters.add(dead_letter)
        run.ages.known(dead_letter)
    return name


def declare_dead_letters(run: Run, queue: str) -> None:
    """Name a dead-letter queue; see `Chaos.dead_letters`."""
    __tracebackhide__ = True
    if not isinstance(queue, str) or not queue:
        raise UsageError(f"dead_letters({queue!r}): the name of a queue")
    run.sharing.admit(queue)
    run.dead_letters.add(queue)
