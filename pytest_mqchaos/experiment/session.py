"""One session: the servers, started at first use, and the runs on them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mqchaos import servers
from pytest_mqchaos.errors import ChaosError, NotPossible, ServerUnavailable
from pytest_mqchaos.experiment.chaos import Chaos
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.settings import SessionSettings, TestSettings
from pytest_mqchaos.link.embedded import EmbeddedNetwork
from pytest_mqchaos.link.loop import LoopThread

if TYPE_CHECKING:
    from pytest_mqchaos.link.network import Network
    from pytest_mqchaos.servers import Servers

__all__ = ["Session"]


class Session:
    """Starts servers when the first test needs them, and ends all of it with the session."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings
        self._servers: Servers | None = None
        self._network: Network | None = None
        self._thread: LoopThread | None = None
        self._directory: Path | None = None
        self._open: list[Chaos] = []
        self._unavailable: ChaosError | None = None

    @property
    def description(self) -> str:
        """Which RabbitMQ and Toxiproxy run; empty before the first test."""
        return "" if self._servers is None else self._servers.description

    def facts(self) -> dict[str, str]:
        """The servers as the report's document names them; empty before the first test."""
        if self._servers is None or self._network is None:
            return {}
        broker = self._servers.broker
        toxiproxy = self._servers.toxiproxy
        return {
            "broker": "rabbitmq",
            "version": broker.version,
            "kind": broker.kind,
            "address": f"{broker.host}:{broker.port}",
            "network": self._network.actor,
            "toxiproxy": "" if toxiproxy is None else f"{toxiproxy.version} ({toxiproxy.kind})",
            "description": self._servers.description,
        }

    def open(self, test: TestSettings) -> Chaos:
        """Make the run of one test.

        Raises:
            ServerUnavailable: if no server can be had; a second call says the same at once.
            NotPossible: if the scenario disturbs a broker that is not ours.
            ChaosError: if a server that was started does not answer, or an external one refuses us.
        """
        __tracebackhide__ = True
        if self._unavailable is not None:
            raise self._unavailable
        if not self._whole():
            self._end()  # they died in an earlier test, which said so: this one is not to suffer
        try:
            self._start()
        except ChaosError as error:
            self._unavailable = error
            raise
        assert self._servers is not None
        assert self._network is not None
        assert self._thread is not None
        assert self._directory is not None
        self._refuse_impossible(test)
        run = Run(
            test,
            broker=self._servers.broker,
            network=self._network,
            thread=self._thread,
            directory=self._directory,
        )
        chaos = Chaos(run)
        self._open = [one for one in self._open if not one.closed] + [chaos]
        return chaos

    def _start(self) -> None:
        if self._servers is not None:
            return
        run = servers.new_run()
        try:
            self._directory = Path(tempfile.gettempdir()).absolute() / f"mqchaos-{run}"
        except OSError as error:
            raise ServerUnavailable(f"no folder for temporary files: {error.strerror}") from None
        settings = servers.ServerSettings(
            servers=self._settings.servers,
            network=self._settings.network,
            rabbitmq_image=self._settings.rabbitmq_image,
            toxiproxy_image=self._settings.toxiproxy_image,
            tool_folder=self._settings.rootdir / ".tools" / "bin",
            url=self._settings.url,
            isolation=self._settings.isolation,
            management_url=self._settings.management_url,
            allow_remote=self._settings.allow_remote,
            container=self._settings.container,
            origins=self._settings.origins,
            worker=self._settings.worker,
            watched=(os.getppid(),) if self._settings.worker else (),
        )
        try:
            self._servers = servers.start(settings, run=run, directory=self._directory)
        except BaseException:
            self._directory = None
            raise
        self._thread = LoopThread()
        broker = self._servers.broker
        if self._servers.toxiproxy is None:
            self._network = EmbeddedNetwork(broker.host, broker.port)
        else:
            from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork

            self._network = ToxiproxyNetwork(self._servers.toxiproxy)

    def _refuse_impossible(self, test: TestSettings) -> None:
        """Raise if the scenario disturbs a broker that must not be disturbed.

        Raises:
            NotPossible: it does.
        """
        __tracebackhide__ = True
        assert self._servers is not None
        why = self._servers.broker.untouchable
        for fault in test.scenario.faults:
            if why and fault.family == "broker":
                raise NotPossible(f"{fault}: {why}")

    def _whole(self) -> bool:
        """Whether the servers that were started still run."""
        if self._servers is None or self._network is None:
            return True
        return self._servers.broker.alive() and self._network.alive(asked=True)

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
        if self._servers is not None:
            self._servers.stop()
            self._servers = self._network = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None
