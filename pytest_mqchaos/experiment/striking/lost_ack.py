"""The strike of a lost ack: one frame is swallowed and its connection reset, so that both sides go on consistently."""

from __future__ import annotations

from pytest_mqchaos.experiment.names import aimed
from pytest_mqchaos.experiment.striking.armed import Swallow
from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.model import events as facts

__all__ = ["LostAck"]


class LostAck:
    """Swallows acks."""

    def __init__(self, course: Course) -> None:
        self._course = course

    async def __call__(self, moment: Moment) -> None:
        """Swallow the ack that is held, or let the fault wait for the next one."""
        armed, held = moment.armed, moment.held
        swallowing = armed.swallow is not None
        own_frame = armed.trigger is not None and armed.trigger.kind == "ack" and armed.position == "before"
        if (
            armed.trigger is not None
            and armed.trigger.kind == "effect"
            and held is not None
            and not swallowing
        ):
            # What is held is the first settlement behind the effect.
            acked = [fact.message for fact in held.found if isinstance(fact, facts.Acked)]
            own_frame = bool(acked)
            armed.message = acked[0] if acked else armed.message
        if not swallowing and not own_frame:
            if held is not None and armed.position == "after":
                await self._course.settle_x(moment)
            armed.swallow = _whose_ack(moment)
            return
        assert held is not None, "an ack that is to be lost was seen on a connection"
        held.take()
        relay = held.relay
        self._course.fired(moment, [relay.observer.link], changed=True, actor="wire")
        relay.cause = "fault"
        relay.close("fault", reset=True)


def _whose_ack(moment: Moment) -> Swallow:
    """The connection X was on, or the consumer where X is nobody's or another one is named."""
    link, wanted = moment.link, moment.fault.consumer
    if link is None or link == "publisher" or not aimed(wanted, link):
        return Swallow(consumer=wanted or "*")
    return Swallow(link=link, connection=moment.armed.connection)
