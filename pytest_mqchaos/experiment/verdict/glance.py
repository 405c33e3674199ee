"""A glance at a run in flight: from what is counted anyway, without a lock, so that it costs the run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_mqchaos.report.live import Glance

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.run import Run
    from pytest_mqchaos.experiment.striking.armed import Armed

__all__ = ["glance"]


def glance(run: Run, *, settling: bool) -> Glance:
    """Return how far a run is, from any thread."""
    queues, named = run.ledger.queues(), frozenset(run.dead_letters)
    held = sum(state.messages for state in queues if state.name in named)
    return Glance(
        published=run.injector.counts["publish", "*", "*"],
        in_flight=run.ledger.in_hand,
        effected=run.board.worked,
        dead_lettered=held if queues and named else None,
        faults=[(str(armed.fault), _state(armed)) for armed in list(run.injector.armed)],
        settling=settling,
    )


def _state(armed: Armed) -> str:
    if armed.striking:
        return "striking"
    return "fired" if armed.fired else "disarmed" if armed.withdrawn else "armed"
