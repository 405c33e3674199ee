"""What was scaled of the delays that consumers said, for a reader of the account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.links import Link
    from pytest_mqchaos.experiment.run import Run

__all__ = ["scaling_notes"]

_SHOWN = 5


def scaling_notes(run: Run) -> tuple[str, ...]:
    """Say of each link whose delays are scaled what was, or that nothing was."""
    return tuple(_note(run, link) for link in run.links if link.wire.ttl_scale != 1.0)


def _note(run: Run, link: Link) -> str:
    found = dict(link.wire.scalings)
    messages = found.pop(("", "expiration", 0, 0), 0)
    queues = sorted(
        f"{name} of {run.names.plain(queue)} from {old:,} to {new:,} ms" for queue, name, old, new in found
    )
    parts = [*_first(queues), *([f"expiration of {messages:,} messages"] if messages else [])]
    said = ", ".join(parts) or "nothing that it said on its link was a delay"
    return f"{link.name}: ttl_scale={link.wire.ttl_scale:g}: {said}"


def _first(lines: list[str]) -> Iterable[str]:
    return lines[:_SHOWN] + ([f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else [])
