"""What each fault does when its moment has come. All of it runs on the link's thread.

Every strike follows one order, so that its moment is exact:

1. the connection that X was seen on stands still (the relay did that), and with it, in the same moment, every
   connection that the fault aims at; new ones wait (`stand_still`);
2. a process that is to be struck is stopped first (SIGSTOP), so that it gets no further;
3. *after X*: X is passed on and has reached its receiver (the barrier, or an empty send queue);
   *before X*: X dies with the connection, or goes on once the fault is in force;
4. the fault strikes; 5. the stream goes on, if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from pytest_mqchaos.brokers._protocol import Broker
from pytest_mqchaos.experiment.links import Links
from pytest_mqchaos.experiment.striking.ages import Ages
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.canary import Canary
from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.cuts import Cuts
from pytest_mqchaos.experiment.striking.disturbances import Disturbances
from pytest_mqchaos.experiment.striking.freezes import Freezes
from pytest_mqchaos.experiment.striking.kills import Kills
from pytest_mqchaos.experiment.striking.lost_frames import LostFrames
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.experiment.striking.outages import Outages
from pytest_mqchaos.experiment.striking.targets import Replicas, Targets
from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model.history import History

__all__ = ["Replicas", "Strikes"]


class Strikes:
    """The strikes of one run; an instance is the injector's strike function."""

    def __init__(
        self,
        *,
        history: History,
        thread: LoopThread,
        links: Links,
        consumers: Replicas,
        broker: Broker,
        namespace: str,
        ages: Ages,
    ) -> None:
        targets = Targets(links, consumers)
        course = Course(history, thread)
        cuts = Cuts(course, targets, links=links, thread=thread)
        kills = Kills(course, targets, history=history, thread=thread)
        lost = LostFrames(course, targets)
        disturbances = Disturbances(
            course, targets, cuts, links=links, thread=thread, direct=(broker.host, broker.port)
        )
        outages = Outages(
            course, targets, cuts, history=history, thread=thread, links=links, broker=broker, namespace=namespace,
            ages=ages)  # fmt: skip
        self.stop_first = kills.stop_first
        self.stand_still = targets.stand_still
        self.relays_of = targets.relays_of
        self.client_of = targets.client_of
        self._kinds: dict[str, Callable[[Moment], Coroutine[Any, Any, None]]] = {
            "connection_drop": cuts.drop,
            "connection_reset": cuts.reset,
            "refuse": cuts.refuse,
            "stall": disturbances.stall,
            "black_hole": disturbances.black_hole,
            **dict.fromkeys(("latency", "bandwidth", "fragment"), disturbances.weather),
            "consumer_crash": kills.crash,
            "consumer_freeze": Freezes(course, targets, thread=thread),
            "consumer_terminate": kills.terminate,
            "broker_restart": outages.restart,
            "broker_crash": outages.crash,
            "broker_freeze": outages.freeze,
            "lost_ack": lost.ack,
            "lost_confirm": lost.confirm,
            "canary": Canary(course),
        }

    async def __call__(self, armed: Armed, held: Held | None, link: str | None, words: str) -> None:
        """Let one armed fault strike."""
        await self._kinds[armed.fault.kind](Moment(armed, held, link, words))
