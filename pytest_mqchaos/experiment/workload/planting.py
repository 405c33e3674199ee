"""What the canary of a run loses and doubles: chosen when the workload is known, before the first of it is sent."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.case import Planted
from pytest_mqchaos.model.messages import Message

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.effects.board import Board
    from pytest_mqchaos.experiment.striking.injector import Armed, Injector
    from pytest_mqchaos.model.history import History

__all__ = ["Planting"]


class Planting:
    """The plants of one run; none where its scenario is no canary."""

    def __init__(self, history: History, injector: Injector, board: Board, seed: int) -> None:
        self._history, self._injector, self._board, self._seed = history, injector, board, seed
        self._doubled = ""
        self._lost: tuple[Armed, str] | None = None

    def choose(self) -> None:
        """Choose one message of the first half to be lost, and another whose effect is counted twice.

        Raises:
            ChaosError: if no message is to have an effect.
        """
        canary = next((armed for armed in self._injector.armed if armed.fault.kind == "canary"), None)
        if canary is None:
            return
        fit = [(place, one) for place, one in enumerate(self._history.messages.values(), 1) if _fit(one)]
        if not fit:
            raise ChaosError(
                "canary(): no message of the workload is to have an effect, so none can be missed"
            )
        chosen = Random(f"{self._seed} canary").sample(fit[: max(2, len(fit) // 2)], min(2, len(fit)))
        self._injector.plant(canary, chosen[0][0])
        self._lost = canary, chosen[0][1].id
        self._doubled = self._board.doubled = chosen[1][1].id if len(chosen) > 1 else ""

    @property
    def lost(self) -> str:
        """The message that was lost, whose effect nobody need wait for; empty if none was."""
        return self._lost[1] if self._lost is not None and self._lost[0].fired else ""

    @property
    def planted(self) -> Planted:
        """What was chosen, as far as a check may know it."""
        return Planted(self._doubled, self._board.single)


def _fit(message: Message) -> bool:
    """Whether a message's effect is its own, and would be missed."""
    return not message.poison and not message.key_shared and message.expect > 0
