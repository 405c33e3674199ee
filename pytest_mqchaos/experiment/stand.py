"""What runs stand on: a broker, the network in front of it, and a folder; and how a session comes by them.

```
                     alone                                  under pytest-xdist
 plain               servers of this process's own          one host of the session, its workers the guests
 --mqchaos-keep      a host that outlives the session; if another session has it, as without
 disturbs a broker   the same                               servers of the worker's own
```
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mqchaos import servers
from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.experiment.settings import SessionSettings
from pytest_mqchaos.link.embedded import EmbeddedNetwork

if TYPE_CHECKING:
    from pytest_mqchaos.link.network import Network
    from pytest_mqchaos.servers import Servers, ServerSettings
    from pytest_mqchaos.servers.sharing import Place

__all__ = ["Stand", "own_stand", "shared_stand"]

_OTHERS = (
    "other workers of pytest-xdist use this RabbitMQ; "
    "with @pytest.mark.chaos(own_broker=True) the test has one of its own"
)


@dataclass(slots=True)
class Stand:
    """Servers in use, and the folder of what is made on them; `note` says what they are besides, if anything."""

    servers: Servers
    network: Network
    directory: Path
    note: str = ""

    @property
    def description(self) -> str:
        """Which servers, in one line."""
        return f"{self.servers.description}{self.note}"

    def whole(self) -> bool:
        """Whether the servers still run."""
        return self.servers.broker.alive() and self.network.alive(asked=True)

    def close(self) -> None:
        """End the servers, or the visit to them, and remove the folder."""
        self.servers.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def own_stand(settings: SessionSettings) -> Stand:
    """Start servers that nobody else uses.

    Raises:
        ServerUnavailable: none can be had.
        ChaosError: an external one refuses us.
    """
    run, directory = _run()
    return _stand(servers.start(_server_settings(settings), run=run, directory=directory), directory)


def shared_stand(settings: SessionSettings) -> Stand:
    """Use servers that others use too, now or later; where they are others' just now, start our own.

    Raises:
        ServerUnavailable: none can be had.
    """
    from pytest_mqchaos.servers.sharing import Place, Taken

    if settings.keep:
        try:
            return _visit(settings, _kept(settings), note="; kept, `python -m pytest_mqchaos stop` ends them")
        except Taken:
            pass
    if not settings.place:
        return own_stand(settings)
    return _visit(settings, Place(Path(settings.place)))


def _visit(settings: SessionSettings, place: Place, *, note: str = "") -> Stand:
    run, directory = _run()
    visited = servers.visit(
        _server_settings(settings),
        place,
        run=run,
        directory=directory,
        session=settings.place or run,
        untouchable=_OTHERS if settings.worker else "",
    )
    return _stand(visited, directory, note)


def _stand(started: Servers, directory: Path, note: str = "") -> Stand:
    broker = started.broker
    if started.toxiproxy is None:
        return Stand(started, EmbeddedNetwork(broker.host, broker.port), directory, note)
    from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork

    return Stand(started, ToxiproxyNetwork(started.toxiproxy), directory, note)


def _run() -> tuple[str, Path]:
    """A new run of servers, and the folder for it."""
    run = servers.new_run()
    try:
        return run, Path(tempfile.gettempdir()).absolute() / f"mqchaos-{run}"
    except OSError as error:
        raise ServerUnavailable(f"no folder for temporary files: {error.strerror}") from None


def _kept(settings: SessionSettings) -> Place:
    """Where servers like these are kept: by these options, this plugin and this Python."""
    from pytest_mqchaos import __version__
    from pytest_mqchaos.servers.sharing import kept_place

    what = (settings.servers, settings.network, settings.rabbitmq_image, settings.toxiproxy_image)
    return kept_place(*what, settings.rootdir / ".tools" / "bin", __version__, sys.prefix)


def _server_settings(settings: SessionSettings) -> ServerSettings:
    return servers.ServerSettings(
        servers=settings.servers,
        network=settings.network,
        rabbitmq_image=settings.rabbitmq_image,
        toxiproxy_image=settings.toxiproxy_image,
        tool_folder=settings.rootdir / ".tools" / "bin",
        url=settings.url,
        isolation=settings.isolation,
        management_url=settings.management_url,
        allow_remote=settings.allow_remote,
        container=settings.container,
        origins=settings.origins,
        worker=settings.worker,
        watched=(os.getppid(),) if settings.worker else (),
    )
