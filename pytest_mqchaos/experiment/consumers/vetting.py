"""Keeping a consumer away from messages that are not of its run, where queues are shared with others.

It stands between the links and the injector. What would touch queues of others is held at the wire; if it does, the
connection is cut before anything of theirs is passed on, and the run fails with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.link.tap import Strike, Tap
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.declared import Declared
from pytest_mqchaos.model.events import LinkEvent

__all__ = ["Vetting"]


class Vetting:
    """A tap that asks another one, and looks at queues before they are used.

    Args:
        inner: who is asked for strikes.
        thread: the links' thread.
        declared: says whether a link left the run's names.
        holds: how many messages are ready in a queue; None where every queue is the run's own.
        begun: whether messages of the run are on their way.
    """

    def __init__(
        self,
        inner: Tap,
        *,
        thread: LoopThread,
        declared: Declared,
        holds: Callable[[str], int] | None,
        begun: Callable[[], bool],
    ) -> None:
        self._inner = inner
        self._thread = thread
        self._declared = declared
        self._holds = holds
        self._begun = begun
        self._known: set[str] = set()

    def admit(self, queue: str) -> None:
        """Look at a queue that the test is about to use.

        Raises:
            ChaosError: it holds messages already.
        """
        if self._holds is not None and queue not in self._known:
            self._look(queue)
        self.check()

    def check(self) -> None:
        """Raise if a link touched what is not of the run.

        Raises:
            ChaosError: naming what it was.
        """
        if self._declared.breach:
            raise ChaosError(self._declared.breach)

    # --- a tap ---

    def match(self, relay: Relay, found: Sequence[LinkEvent]) -> Strike | None:
        """Return what strikes at these facts; before it, whatever they touch is looked at."""
        strike = self._inner.match(relay, found)
        queues = self._touched(found)
        if not self._declared.breach and not queues:
            return strike

        async def vet(held: Held) -> None:
            for queue in queues:
                await self._thread.blocking(self._look_quietly, queue)
            if self._declared.breach:
                held.take()
                relay.cause = "fault"
                relay.close("fault", reset=True)
            if strike is not None:
                await strike(held)

        return vet

    def before_settlement(self, relay: Relay) -> Strike | None:
        """As the other tap."""
        return self._inner.before_settlement(relay)

    def look(self) -> None:
        """As the other tap."""
        self._inner.look()

    def _touched(self, found: Sequence[LinkEvent]) -> list[str]:
        """The queues that these facts are the first to touch; a foreign message before ours is a breach by itself."""
        if self._holds is None:
            return []
        for fact in found:
            if isinstance(fact, facts.Delivered) and fact.message is None and not self._begun():
                self._refuse(fact.queue, "a message")
        touching = (facts.QueueDeclared, facts.Subscribed, facts.Polled)
        return [fact.queue for fact in found if isinstance(fact, touching) and fact.queue not in self._known]

    def _look_quietly(self, queue: str) -> None:
        try:
            self._look(queue)
        except ChaosError as error:
            self._declared.breach = self._declared.breach or str(error)

    def _look(self, queue: str) -> None:
        assert self._holds is not None
        count = self._holds(queue)
        if count:
            self._refuse(queue, f"{count:,} message{'' if count == 1 else 's'}")
        else:
            self._known.add(queue)

    def _refuse(self, queue: str, held: str) -> None:
        self._declared.breach = self._declared.breach or (
            f"the queue {queue!r} holds {held} from before the test: --mqchaos-isolation=none is for queues that "
            "nobody else uses; empty it by hand, or use --mqchaos-isolation=prefix or vhost"
        )
