"""The strike of a lost ack or confirm: one frame dies and its connection is reset, so both sides agree."""

from __future__ import annotations

from collections.abc import Callable

from pytest_mqchaos.experiment.consumers.names import aimed
from pytest_mqchaos.experiment.striking.armed import Armed, Swallow
from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.experiment.striking.targets import Targets
from pytest_mqchaos.model import events as facts

__all__ = ["LostFrames"]


class LostFrames:
    """Swallows acks and confirms."""

    def __init__(self, course: Course, targets: Targets) -> None:
        self._course = course
        self._targets = targets

    async def ack(self, moment: Moment) -> None:
        """Swallow the ack that is held, or let the fault wait for the next one."""
        armed, held = moment.armed, moment.held
        behind_effect = armed.trigger is not None and armed.trigger.kind == "effect"
        if behind_effect and held is not None and armed.swallow is None:
            # What is held is the first settlement behind the effect.
            acked = [fact.message for fact in held.found if isinstance(fact, facts.Acked)]
            armed.message = acked[0] if acked else armed.message
            own_frame = bool(acked)
        else:
            own_frame = _is_own(armed, "ack")
        await self._swallow(moment, own_frame, self._whose_ack)

    async def confirm(self, moment: Moment) -> None:
        """Swallow the confirm that is held, or let the fault wait for the next one."""
        await self._swallow(moment, _is_own(moment.armed, "confirm"), self._whose_confirm)

    async def _swallow(self, moment: Moment, own_frame: bool, whose: Callable[[Moment], Swallow]) -> None:
        armed, held = moment.armed, moment.held
        if armed.swallow is None and not own_frame:
            if held is not None and armed.position == "after":
                await self._course.settle_x(moment)
            armed.swallow = whose(moment)
            return
        assert held is not None, "a frame that is to be lost was seen on a connection"
        held.take()
        relay = held.relay
        self._course.fired(moment, [relay.observer.link], changed=True, actor="wire")
        relay.cause = "fault"
        relay.close("fault", reset=True)

    def _whose_ack(self, moment: Moment) -> Swallow:
        """The connection X was on, or the consumer where X is nobody's or another one is named."""
        link, wanted = moment.link, moment.fault.consumer
        if link is None or self._targets.publishes(link) or not aimed(wanted, link):
            return Swallow(kind="ack", consumer=wanted or "*")
        return Swallow(kind="ack", link=link, connection=moment.armed.connection)

    def _whose_confirm(self, moment: Moment) -> Swallow:
        """The connection X was on of who publishes, or any of its where X is a consumer's or nobody's."""
        if moment.link is not None and (moment.by_name or self._targets.publishes(moment.link)):
            return Swallow(kind="confirm", link=moment.link, connection=moment.armed.connection)
        return Swallow(kind="confirm", link=self._targets.publishing(moment.fault.consumer))


def _is_own(armed: Armed, kind: str) -> bool:
    """Whether X is the frame to be lost."""
    return armed.trigger is not None and armed.trigger.kind == kind and armed.position == "before"
