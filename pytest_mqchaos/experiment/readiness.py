"""Waiting until a consumer consumes: a fact of the wire, not of its output."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from pytest_mqchaos.errors import ChaosError, NotReady
from pytest_mqchaos.model import events as facts

if TYPE_CHECKING:
    from pytest_mqchaos.consumers.consumer import Consumer, Replica
    from pytest_mqchaos.experiment.run import Run

__all__ = ["await_connected", "await_ready"]

_CONTROL = re.compile(r"celeryev\..*|(.*\.)?pidbox")
"""Queues by which Celery's workers (and whoever uses kombu's mailboxes) talk among themselves, by their fixed names.

Older versions of Celery declare them as anybody's, and read them a second before their tasks.
"""


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
        missing = [r for r in consumer.replicas if not reading.ready(r.name, consumer.queues)]
        for replica in missing:
            if replica.trouble is not None:
                raise replica.trouble
            if replica.over:
                away = _left_behind(replica)
                wrong = _misunderstood(run, replica)
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
        if reading.opened(replica.name):
            return
        if replica.over:
            wrong = _misunderstood(run, replica)
            raise ChaosError(
                f"{replica.name} ended before it was connected through its link{_left_behind(replica)}{wrong}: "
                f"{replica.describe_failure()}"
            )
        left = deadline - time.monotonic()
        if left <= 0:
            raise ChaosError(_not_connected(run, replica, timeout))
        with run.history.changed:
            if reading.seen == len(run.history):
                run.history.changed.wait(min(left, 0.05))


class _Reading:
    """Which link reads which queue, from the history."""

    def __init__(self, since: int) -> None:
        self.seen = since
        self._queues: dict[str, set[str]] = {}
        self._private: set[str] = set()
        self._opened: set[str] = set()
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
                self._opened.add(event.link)
            elif isinstance(event, facts.ChannelClosed) and event.by == "broker":
                self._refusals[event.link] = f"{event.code} {event.text}"

    def reads(self, link: str) -> set[str]:
        """The queues that a link reads."""
        return self._queues.get(link, set())

    def opened(self, link: str) -> bool:
        """Whether a client came through the link."""
        return link in self._opened

    def refusal(self, link: str) -> str:
        """With what the broker closed the last channel that it closed on a link; empty if it closed none."""
        return self._refusals.get(link, "")

    def ready(self, link: str, wanted: tuple[str, ...]) -> bool:
        """Whether a link reads all queues wanted, or any that is not exclusive and not for control."""
        reads = self.reads(link)
        return set(wanted) <= reads if wanted else bool(reads - self._private)


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


def _not_connected(run: Run, replica: Replica, timeout: float) -> str:
    what = f"{replica.name} was not connected through its link within {timeout:g} s{_astray(run, replica)}"
    return (
        f"{what} (ready_timeout=0 for one that connects with its first message); {replica.describe_failure()}"
    )


def _astray(run: Run, replica: Replica) -> str:
    """Say why a program did not come through its link."""
    link = run.links.named(replica.name)
    elsewhere = replica.foreign_connections()
    if elsewhere:
        return (
            f": it talks to {', '.join(elsewhere)} instead of its link; take the address from $MQCHAOS_URL, "
            "$AMQP_URL or the placeholder {url}"
        )
    if wrong := _misunderstood(run, replica):
        return wrong
    if link is not None and link.wire.upstream_error:
        return f": its link could not reach the broker ({link.wire.upstream_error})"
    return ": it never connected; its address is in $MQCHAOS_URL, $AMQP_URL and the placeholder {url}"


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
    if reads:
        what += f": it reads {', '.join(reads)}"
    elif reading.opened(replica.name):
        what += ": it is connected and has subscribed to nothing"
    else:
        what += _astray(run, replica)
    if refusal := reading.refusal(replica.name):
        what += f"; the broker closed its channel: {refusal}"
    if link is not None and link.wire.weather.lag:
        what += " (a fault slows its link down from the start: a greater ready_timeout= gives it time)"
    return f"{what}; {replica.describe_failure()}"
