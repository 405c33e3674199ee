"""What a run tells a broker that cannot be asked for everything: the wire's own account (see `brokers._witness`)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.links import Links
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.model.declared import Declared
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import digest
from pytest_mqchaos.model.sight import Sight, adrift, sight

if TYPE_CHECKING:
    from pytest_mqchaos.model.topology import QueueState, Topology

__all__ = ["RunWitness"]


@dataclass(frozen=True, slots=True)
class _Labels:
    message_id: str | None
    mqchaos_id: str | None


class RunWitness:
    """The account of one run.

    Args:
        history: of the run; its lock is held while anything is read off the ledger.
        ledger: kept up with the history.
        links: on which barriers are placed.
        thread: the links' thread.
        identity: tells whose message a body is.
        declared: what was declared in the run.
        named: queues that the test named.
        poll: reads the effects; called in the thread that made this, which is the test's.
    """

    def __init__(
        self,
        *,
        history: History,
        ledger: Ledger,
        links: Links,
        thread: LoopThread,
        identity: Identity,
        declared: Declared,
        named: Callable[[], Collection[str]],
        poll: Callable[[], None],
    ) -> None:
        self.declared = declared
        self._history = history
        self._ledger = ledger
        self._links = links
        self._thread = thread
        self._identity = identity
        self._named = named
        self._poll = poll
        self._own_thread = threading.get_ident()

    def used(self) -> frozenset[str]:
        """Queues that the run publishes to, reads, was told of, or holds messages of."""
        with self._history.changed:
            return (
                frozenset(self._named())
                | self._ledger.queues_seen()
                | frozenset(self._ledger.queues_read)
                | frozenset(message.queue for message in self._history.messages.values() if message.queue)
            )

    def routes(self) -> frozenset[tuple[str, str]]:
        """Exchanges and routing keys that messages of the run were published to."""
        with self._history.changed:
            return self._ledger.routes()

    def sight(self, topology: Topology) -> Sight:
        """What stands where, as far as the wire can tell."""
        with self._history.changed:
            return sight(self._ledger, topology, self.declared.private)

    def adrift(self, queues: tuple[QueueState, ...], topology: Topology) -> dict[str, int]:
        """Dead letters that are nowhere yet, by the queue that gave them up."""
        with self._history.changed:
            return adrift(self._ledger, queues, topology)

    def fence(self, timeout: float) -> frozenset[str]:
        """Place a barrier on every open channel of the consumers, and wait for its answer.

        Behind it nothing of what the broker had sent is unseen, and nothing that was settled is unprocessed.

        Returns:
            The queues whose readers did not all answer.
        """
        with self._history.changed:
            open_ones = self._ledger.open_channels()
            read = {queue: set(links) for queue, links in self._ledger.queues_read.items()}

        async def place() -> set[str]:
            relays = {relay.number: relay for link in self._links for relay in link.wire.connected()}
            asked = [
                self._answers(relays.get(number), channel, timeout) for number, channel in sorted(open_ones)
            ]
            answered = await asyncio.gather(*asked)
            return {
                link
                for link, ok in zip((open_ones[key] for key in sorted(open_ones)), answered, strict=True)
                if not ok
            }

        try:
            silent = self._thread.call(place(), timeout=timeout + 1.0, what="a barrier on every link")
        except ChaosError:
            return frozenset(read)
        return frozenset(queue for queue, links in read.items() if links & silent)

    async def _answers(self, relay: Relay | None, channel: int, timeout: float) -> bool:
        """Whether a channel answers; one that ended meanwhile has nothing on its way."""
        if relay is None or relay.closed:
            return True
        if relay.held or relay.from_client.waiting or relay.upstream is None:
            return False  # a strike holds it: what is asked now would stand before what waits
        return await relay.barrier(channel, None, timeout) or relay.closed

    def meanwhile(self) -> None:
        """Read the effects, where a fault may wait for one: a census must not hold that up."""
        if threading.get_ident() == self._own_thread:
            self._poll()

    def ours(self, message_id: str | None, mqchaos_id: str | None, body: bytes) -> bool:
        """Whether a message is one of the run."""
        message, _ = self._identity.of(_Labels(message_id, mqchaos_id), body, digest(body))
        return message is not None
