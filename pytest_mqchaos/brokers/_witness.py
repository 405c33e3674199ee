"""Who tells a broker that cannot be asked for everything what the wire has seen: the run that it serves."""

from __future__ import annotations

from typing import Protocol

from pytest_mqchaos.model.declared import Declared
from pytest_mqchaos.model.sight import Sight
from pytest_mqchaos.model.topology import QueueState, Topology

__all__ = ["Witness"]


class Witness(Protocol):
    """The wire's own account of one run. All names are plain ones."""

    @property
    def declared(self) -> Declared:
        """What was declared in the run."""

    def used(self) -> frozenset[str]:
        """Queues that the run publishes to, reads, was told of, or holds messages of."""

    def routes(self) -> frozenset[tuple[str, str]]:
        """Exchanges and routing keys that messages of the run were published to."""

    def sight(self, topology: Topology) -> Sight:
        """What stands where, as far as the wire can tell."""

    def adrift(self, queues: tuple[QueueState, ...], topology: Topology) -> dict[str, int]:
        """Dead letters that are nowhere yet, by the queue that gave them up."""

    def fence(self, timeout: float) -> frozenset[str]:
        """Wait until all that the broker sent on the run's links was seen.

        Returns the queues of which that is not certain within `timeout` seconds.
        """

    def meanwhile(self) -> None:
        """Called now and then while a census takes its time."""

    def ours(self, message_id: str | None, mqchaos_id: str | None, body: bytes) -> bool:
        """Whether a message is one of the run."""
