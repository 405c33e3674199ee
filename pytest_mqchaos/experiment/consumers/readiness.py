"""Waiting until a consumer consumes: a fact of the wire, not of its output."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mqchaos.errors import ChaosError, NotReady
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.printable import printable

if TYPE_CHECKING:
    from pytest_mqchaos.consumers.consumer import Consumer, Replica
    from pytest_mqchaos.experiment.run import Run

__all__ = ["await_connected", "await_ready"]

_CONTROL = re.compile(r"celeryev\..*|(.*\.)?pidbox")
"""Queues by which Celery's workers (and whoever uses kombu's mailboxes) talk among themselves, by their fixed names.

Older versions of Celery declare them as anybody's, and read them a second before their tasks.
"""

_MOST = 3
"""Other addresses that a consumer talks to, told one by one."""


def await_ready(run: Run, consumer: Consumer, *, since: int, timeout: float) -> None:
    """Wait until every replica reads its queues.

    Args:
        run: the run.
        consumer: whose replicas.
        since: how long the history was when it was started.
        timeout: seconds for all replicas together.

    Raises:
        NotReady: if one ended, or does not read in time: with its output, and where else it is connected to.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout
    reading = _Reading(since)
    while True:
        reading.update(run)
        run.sharing.check()
        missing = [r for r in consumer.replicas if not _at_work(run, r, reading, consumer.queues)]
        for replica in missing:
            if replica.trouble is not None:
                raise replica.trouble
            if replica.over:
                away = _left_behind(replica)
                wrong = f"{_why_ended(run, replica, reading)}{_doubt(replica)}"
                raise NotReady(
                    f"{replica.name} ended before it consumed{away}{wrong}: {replica.describe_failure()}"
                )
        if not missing:
            _refuse_daemons(run, consumer)
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise NotReady(_not_ready(run, missing[0], reading, consumer.queues, timeout))
        with run.history.changed:
            if reading.seen == len(run.history):
                run.history.changed.wait(min(left, 0.05))


def await_connected(run: Run, replica: Replica, *, since: int, timeout: float) -> None:
    """Wait until a producer is connected through its link, or has done its work and ended.

    Raises:
        ChaosError: if it failed before, or is not connected in time: with its output, and where else it talks to.
    """
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout
    reading = _Reading(since)
    while True:
        reading.update(run)
        run.sharing.check()
        if replica.trouble is not None:
            raise replica.trouble
        if reading.opened(replica.name) and not _in_another_vhost(run, replica, reading):
            return
        if replica.over:
            wrong = f"{_why_ended(run, replica, reading)}{_doubt(replica)}"
            raise ChaosError(
                f"{replica.name} ended before it was connected through its link{_left_behind(replica)}{wrong}: "
                f"{replica.describe_failure()}"
            )
        left = deadline - time.monotonic()
        if left <= 0:
            raise ChaosError(_not_connected(run, replica, reading, timeout))
        with run.history.changed:
            if reading.seen == len(run.history):
                run.history.changed.wait(min(left, 0.05))


class _Reading:
    """Which link reads which queue, from the history."""

    def __init__(self, since: int) -> None:
        self.seen = since
        self._queues: dict[str, set[str]] = {}
        self._private: set[str] = set()
        self._opened: dict[str, set[str]] = {}
        self._refusals: dict[str, str] = {}

    def update(self, run: Run) -> None:
        """Take in what is new."""
        fresh = run.history[self.seen : len(run.history)]
        self.seen += len(fresh)
        for event in fresh:
            if isinstance(event, facts.Subscribed | facts.Polled):
                self._queues.setdefault(event.link, set()).add(event.queue)
                if _CONTROL.fullmatch(event.queue):
                    self._private.add(event.queue)
            elif isinstance(event, facts.QueueDeclared) and event.exclusive:
                self._private.add(event.queue)
            elif isinstance(event, facts.LinkOpened):
                self._opened.setdefault(event.link, set()).add(event.vhost)
            elif isinstance(event, facts.ChannelClosed) and event.by == "broker":
                self._refusals[event.link] = f"{event.code} {event.text}"

    def reads(self, link: str) -> set[str]:
        """The queues that a link reads."""
        return self._queues.get(link, set())

    def opened(self, link: str) -> bool:
        """Whether a client came through the link."""
        return link in self._opened

    def vhosts(self, link: str) -> set[str]:
        """The vhosts that clients opened through the link."""
        return self._opened.get(link, set())

    def refusal(self, link: str) -> str:
        """With what the broker closed the last channel that it closed on a link; empty if it closed none."""
        return self._refusals.get(link, "")

    def ready(self, link: str, wanted: tuple[str, ...]) -> bool:
        """Whether a link reads all queues wanted, or any that is not exclusive and not for control."""
        reads = self.reads(link)
        return set(wanted) <= reads if wanted else bool(reads - self._private)


def _at_work(run: Run, replica: Replica, reading: _Reading, wanted: tuple[str, ...]) -> bool:
    """Whether a replica reads its queues: in another vhost alone it reads others of these names."""
    return reading.ready(replica.name, wanted) and not _in_another_vhost(run, replica, reading)


def _in_another_vhost(run: Run, replica: Replica, reading: _Reading) -> str:
    """Say where a replica is connected to, if none of its connections is in the run's vhost.

    One that uses a second vhost besides may open that one first, so this is no error until it ended, or its time has.
    """
    own, opened = run.broker.vhost(run.namespace), reading.vhosts(replica.name)
    if not opened or own in opened:
        return ""
    others = " and ".join(repr(printable(vhost, 80)) for vhost in sorted(opened))
    return (
        f"it is connected to vhost {others}, and this run's is {own!r}: "
        "take {vhost} besides {host} and {port}, or the whole {url}"
    )


def _refuse_daemons(run: Run, consumer: Consumer) -> None:
    """Raise if a consumer reads from the background: no process fault could strike it.

    One that ended after its work is none, though a helper of it may linger: its link is not connected any more.
    """
    __tracebackhide__ = True
    for replica in consumer.replicas:
        link = run.links.named(replica.name)
        if replica.over and link is not None and link.wire.connected() and (away := _left_behind(replica)):
            raise ChaosError(f"the first process of {replica.name} ended{away}")


def _left_behind(replica: Replica) -> str:
    left = replica.left_behind() if replica.exit_code == 0 else []
    if not left:
        return ""
    pids = ", ".join(map(str, left))
    return (
        f", and left {pids} in the background (let it run in the foreground, without an option for a daemon)"
    )


def _not_connected(run: Run, replica: Replica, reading: _Reading, timeout: float) -> str:
    elsewhere = _in_another_vhost(run, replica, reading)
    why = f": {elsewhere}" if elsewhere else _astray(run, replica)
    what = f"{replica.name} was not connected through its link within {timeout:g} s{why}{_doubt(replica)}"
    return (
        f"{what} (ready_timeout=0 for one that connects with its first message); {replica.describe_failure()}"
    )


def _astray(run: Run, replica: Replica) -> str:
    """Say why a program did not come through its link."""
    link = run.links.named(replica.name)
    if refused := _refused(run, replica):
        return f": {refused}{_besides(run, replica)}"
    if taken := _on_a_link_of_the_tests(run, replica):
        return f": {taken}"
    if wrong := _misunderstood(run, replica):
        return f"{wrong}{_besides(run, replica)}"
    if elsewhere := replica.foreign_connections(_ours(run)):
        return (
            f": it talks to {_first(elsewhere)} instead of its link; take the address from $MQCHAOS_URL, "
            "$AMQP_URL or the placeholder {url}"
        )
    if link is not None and link.wire.upstream_error:
        return f": its link could not reach the broker ({link.wire.upstream_error})"
    return ": it never connected; its address is in $MQCHAOS_URL, $AMQP_URL and the placeholder {url}"


def _ours(run: Run) -> set[int]:
    """The ports where other services are reached through us, or stood in for: to talk to these is no mistake."""
    services = [run.links.service(name) for name in run.links.services()]
    stands = [port for stand in run.http.values() for port in stand.ports]
    return {link.wire.port for link in services if link is not None}.union(stands)


def _besides(run: Run, replica: Replica) -> str:
    elsewhere = replica.foreign_connections(_ours(run))
    return f"; besides its link it talks to {_first(elsewhere)}" if elsewhere else ""


def _first(addresses: Sequence[str]) -> str:
    more = f" and {len(addresses) - _MOST} more" if len(addresses) > _MOST else ""
    return f"{', '.join(addresses[:_MOST])}{more}"


def _on_a_link_of_the_tests(run: Run, replica: Replica) -> str:
    """Say so where a process came in on a link that the test opened, and did not hand over to it."""
    others = set(replica.foreign_connections())
    for link in run.inside.links:
        if others - set(replica.foreign_connections({link.port})):
            return (
                f"it talks to 127.0.0.1:{link.port}, and that is the link {link.name!r} of the test: "
                f"consumer(..., link=link) starts it there, under the name {link.name!r}"
            )
    return ""


def _refused(run: Run, replica: Replica) -> str:
    """Say with which words the broker closed a connection on a replica's link before it was open, if it did."""
    link = run.links.named(replica.name)
    if link is None or not link.wire.refusal:
        return ""
    words = printable(replica.link.mask(link.wire.refusal), 300)
    return (
        f"the broker refused its connection: {words}; take {{vhost}}, {{user}} and {{password}} besides {{host}} and "
        "{port}, or the whole {url}"
    )


def _why_ended(run: Run, replica: Replica, reading: _Reading) -> str:
    """Say what a program that ended had met on its link, where that may be why."""
    opened = reading.opened(replica.name)
    why = _in_another_vhost(run, replica, reading) if opened else _refused(run, replica)
    return f"; {why}" if why else _misunderstood(run, replica)


def _doubt(replica: Replica) -> str:
    """Say which word of the test looks like a placeholder misspelt: none of ours took its place."""
    return f" ({replica.doubt})" if replica.doubt else ""


def _misunderstood(run: Run, replica: Replica) -> str:
    """Say why what a consumer said on its link was no AMQP, if it was none."""
    link = run.links.named(replica.name)
    why = "" if link is None else link.wire.client_error
    if "begins with a TLS handshake" in why:
        why = "it speaks TLS, and its link plain text: consumer(..., tls=True) makes one that speaks TLS"
    return f"; {why}" if why else ""


def _not_ready(run: Run, replica: Replica, reading: _Reading, wanted: tuple[str, ...], timeout: float) -> str:
    reads = sorted(reading.reads(replica.name))
    what = f"{replica.name} did not consume {' and '.join(wanted) or 'any queue'} within {timeout:g} s"
    link = run.links.named(replica.name)
    if elsewhere := _in_another_vhost(run, replica, reading):
        why = f": {elsewhere}"
    elif reads:
        why = f": it reads {', '.join(reads)}"
    elif reading.opened(replica.name):
        why = f": it is connected and has subscribed to nothing{_besides(run, replica)}"
    else:
        why = _astray(run, replica)
    if refusal := reading.refusal(replica.name):  # the likeliest of all reasons
        why = f": the broker closed its channel: {refusal}; {why.removeprefix(': ').removeprefix('; ')}"
    what += why + _doubt(replica)
    if link is not None and link.wire.weather.lag:
        what += " (a fault slows its link down from the start: a greater ready_timeout= gives it time)"
    return f"{what}; {replica.describe_failure()}"
