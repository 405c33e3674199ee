"""The strike of the canary: one delivery is lost as a consumer would lose it, which has nothing to do with it."""

from __future__ import annotations

from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import now

__all__ = ["Canary"]


class Canary:
    """Withholds a delivery and acknowledges it in the consumer's stead."""

    def __init__(self, course: Course) -> None:
        self._course = course

    async def __call__(self, moment: Moment) -> None:
        """Strike; where the delivery cannot be withheld it is passed on, and the canary has not struck."""
        held = moment.held
        assert held is not None, "a delivery is seen on a connection"
        if why := held.lose():
            self._course.note(
                facts.Noted(at=now(), text=f"{moment.fault}: {moment.words} was passed on: {why}")
            )
            return
        self._course.fired(moment, [held.relay.observer.link], changed=True, actor="wire")
