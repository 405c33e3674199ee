"""Whom a fault aims at: links, connections and processes, by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pytest_mqchaos.consumers.consumer import Replica
from pytest_mqchaos.experiment.consumers.names import aimed
from pytest_mqchaos.experiment.links import Link, Links
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.striking.moment import Moment
from pytest_mqchaos.link.relay import Relay
from pytest_mqchaos.link.tripwire import Halted

__all__ = ["Replicas", "Targets"]


class Replicas(Protocol):
    """The consumers' processes, by their links' names."""

    def replicas(self) -> Sequence[Replica]:
        """All replicas of all consumers, in the order started."""

    def living(self) -> frozenset[str]:
        """The links whose consumers may do something: by a process that runs, or inside the test."""


class Targets:
    """The links and the consumers of one run."""

    def __init__(self, links: Links, consumers: Replicas) -> None:
        self._links = links
        self._consumers = consumers

    def links(self, moment: Moment) -> list[Link]:
        """The links that a network fault strikes."""
        if moment.fault.link is not None:
            service = self._links.service(moment.fault.link)
            return [] if service is None else [service]
        wanted = moment.fault.consumer
        if wanted is None and moment.link is not None:
            found = [link for link in self._links if link.name == moment.link]
            if found:
                return found
        return [link for link in self._links if self._meant(wanted, link.name)]

    def felt_by(self, links: Sequence[Link]) -> bool:
        """Whether anybody feels what is done to some links: a connection, or a process that may connect."""
        names = {link.name for link in links}
        waiting = {one.name for one in self._consumers.replicas() if not one.over} | self._consumers.living()
        return any(link.wire.connected() for link in links) or bool(names & waiting)

    def may_feel(self, links: Sequence[Link]) -> bool:
        """Whether anybody feels it, or may later: who publishes, or comes to another service when it needs it."""
        return self.felt_by(links) or any(link.publishes or link.wire.raw for link in links)

    def replicas(self, moment: Moment) -> list[Replica]:
        """The processes that a process fault strikes."""
        wanted, everyone = moment.fault.consumer, list(self._consumers.replicas())
        if wanted is None and moment.link is not None and (moment.by_name or not self.publishes(moment.link)):
            found = [replica for replica in everyone if replica.name == moment.link]
            if found:
                return found
        return [replica for replica in everyone if self._meant(wanted, replica.name)]

    def _meant(self, wanted: str | None, name: str) -> bool:
        """Whether a name means a link: `*` and no name at all mean every consumer, and who publishes is none."""
        return aimed(wanted, name) and not (wanted in (None, "*") and self.publishes(name))

    def publishes(self, name: str) -> bool:
        """Whether the workload comes from a link: our publisher's, or that of a producer."""
        link = self._links.named(name)
        return link is not None and link.publishes

    def publishing(self, wanted: str | None) -> str:
        """Who is meant where a fault concerns whoever publishes: the one that is named, else the first there is."""
        names = [link.name for link in self._links if link.publishes]
        return next((name for name in names if name == wanted), next(iter(names), "publisher"))

    def aims(self, moment: Moment) -> list[Link]:
        """The links of all that a fault strikes."""
        if moment.fault.family == "broker":
            return list(self._links)
        if moment.fault.family == "process":
            names = {replica.name for replica in self.replicas(moment)}
            return [link for link in self._links if link.name in names]
        return self.links(moment)

    def stand_still(self, armed: Armed, link: str | None) -> Callable[[], None]:
        """Let all that a fault aims at stand still while it strikes; return what lets it go on.

        A consumer may have several connections, and X is one moment for all of them: what is said on any behind X
        reaches nobody before the strike. Holds are counted, so strikes that overlap wait for each other's. A
        protocol fault strikes one connection only, which the relay holds.
        """
        if armed.fault.family == "protocol":
            return lambda: None
        links = self.aims(Moment(armed, None, link, ""))
        relays = [relay for one in links for relay in one.wire.connected()]
        for relay in relays:
            relay.hold()
        for one in links:
            one.wire.hold_new()

        def go_on() -> None:
            for relay in relays:
                relay.release()
            for one in links:
                one.wire.let_new()

        return go_on

    def relays_of(self, link: str | None) -> list[Relay]:
        """The open connections of a link; of every consumer for None."""
        links = [one for one in self._links if one.name == link or (link is None and not one.publishes)]
        return [relay for one in links for relay in one.wire.connected()]

    def connected(self) -> list[Relay]:
        """Every open connection, the publisher's too."""
        return [relay for link in self._links for relay in link.wire.connected()]

    def connections(self, replica: Replica) -> list[Relay]:
        """The open connections of a replica."""
        link = self._links.named(replica.name)
        return [] if link is None else link.wire.connected()

    def client_of(self, link: str) -> Halted | None:
        """The processes of a replica that the kernel can stop; None if there are none, or they stand already."""
        for replica in self._consumers.replicas():
            if replica.name == link and replica.alive and not replica.frozen:
                return None if replica.process is None or replica.process.blur else replica.process
        return None
