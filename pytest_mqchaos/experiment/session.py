"""One session: the servers, started at first use, and the runs on them."""

from __future__ import annotations

from pytest_mqchaos.errors import ChaosError, NotPossible, ServerUnavailable, UsageError
from pytest_mqchaos.experiment.chaos import Chaos
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.settings import SessionSettings, TestSettings
from pytest_mqchaos.experiment.stand import Stand, own_stand, shared_stand
from pytest_mqchaos.link.loop import LoopThread

__all__ = ["Session"]


class Session:
    """Starts servers when the first test needs them, and ends all of it with the session."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._shared: Stand | None = None
        """The servers of most tests; alone in its session, of all of them."""
        self._own: Stand | None = None
        """Of those that disturb the broker, where others use the shared one at the same time."""
        self._thread: LoopThread | None = None
        self._open: list[Chaos] = []
        self._unavailable: dict[bool, ChaosError] = {}
        """Why a stand cannot be had, by whether it is one of a test's own; that is not tried again."""

    @property
    def description(self) -> str:
        """Which RabbitMQ and Toxiproxy run; empty before the first test."""
        stand = self._shared or self._own
        return "" if stand is None else stand.description

    def facts(self) -> dict[str, str]:
        """The servers as the report's document names them; empty before the first test."""
        stand = self._shared or self._own
        if stand is None:
            return {}
        broker = stand.servers.broker
        toxiproxy = stand.servers.toxiproxy
        return {
            "broker": "rabbitmq",
            "version": broker.version,
            "kind": broker.kind,
            "address": f"{broker.host}:{broker.port}",
            "network": stand.network.actor,
            "toxiproxy": "" if toxiproxy is None else f"{toxiproxy.version} ({toxiproxy.kind})",
            "description": stand.description,
        }

    def open(self, test: TestSettings) -> Chaos:
        """Make the run of one test.

        Raises:
            ServerUnavailable: if no server can be had; a second call that needs the same says the same at once.
            NotPossible: if the scenario disturbs a broker that is not ours.
            ChaosError: if a server that was started does not answer, or an external one refuses us.
        """
        __tracebackhide__ = True
        stand = self._stand(test)
        self._refuse_impossible(test, stand)
        if self._thread is None:
            self._thread = LoopThread()
        run = Run(
            test,
            broker=stand.servers.broker,
            network=stand.network,
            thread=self._thread,
            directory=stand.directory,
            programs=stand.servers.programs,
            errands=stand.servers.errands,
        )
        chaos = Chaos(run)
        self._open = [one for one in self._open if not one.closed] + [chaos]
        return chaos

    def _stand(self, test: TestSettings) -> Stand:
        """The servers for a test; those that died in an earlier test, which said so, are replaced.

        What went wrong with servers of a test's own says nothing of those that the others share, nor the reverse.
        """
        __tracebackhide__ = True
        external = self._settings.servers == "external"
        if any(stand is not None and not stand.whole() for stand in (self._shared, self._own)):
            self._end()
        own = bool(self._settings.worker) and not external and test.disturbs
        if (stand := self._own if own else self._shared) is not None:
            return stand
        if own in self._unavailable:
            raise self._unavailable[own]
        try:
            stand = self._new_stand(own=own)
        except ChaosError as error:
            # what started and does not answer may do so the next time; what somebody else runs is not asked again
            if external or isinstance(error, ServerUnavailable | UsageError):
                self._unavailable[own] = error
            raise
        if own:
            self._own = stand
        else:
            self._shared = stand
        return stand

    def _new_stand(self, *, own: bool) -> Stand:
        alone = self._settings.servers == "external" or not (self._settings.worker or self._settings.keep)
        return (own_stand if own or alone else shared_stand)(self._settings)

    def close(self) -> None:
        """End every run and every server, remove every directory; may be called again."""
        self._end()

    def _end(self) -> None:
        runs, self._open = self._open, []
        for chaos in runs:
            chaos.close()
        if self._thread is not None:
            self._thread.close()
            self._thread = None
        while (stand := self._shared or self._own) is not None:
            stand.close()
            if stand is self._shared:
                self._shared = None
            else:
                self._own = None

    def _refuse_impossible(self, test: TestSettings, stand: Stand) -> None:
        """Raise if the scenario disturbs a broker that must not be disturbed.

        Raises:
            NotPossible: it does.
        """
        __tracebackhide__ = True
        why = stand.servers.broker.untouchable
        if self._settings.servers == "external" and self._settings.worker:
            why = why or "other workers of pytest-xdist use the same RabbitMQ: without -n it is alone there"
        for fault in test.scenario.faults:
            if why and fault.family == "broker":
                raise NotPossible(f"{fault}: {why}")
