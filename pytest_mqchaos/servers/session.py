"""The servers of one session: a broker and, where one can be had, a Toxiproxy in front of it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

from pytest_mqchaos.brokers import launcher
from pytest_mqchaos.brokers._protocol import Broker, Launcher
from pytest_mqchaos.errors import ServerUnavailable, UsageError
from pytest_mqchaos.servers import toxiproxy as toxiproxies
from pytest_mqchaos.servers.engine import Engine
from pytest_mqchaos.servers.external import opened, toxiproxy_beside
from pytest_mqchaos.servers.settings import ISOLATIONS, NETWORKS, SERVERS, ServerSettings
from pytest_mqchaos.servers.toxiproxy import ToxiproxyServer

__all__ = ["Servers", "start"]


class Servers:
    """What `start` started; `stop` ends all of it."""

    def __init__(self, broker: Broker, toxiproxy: ToxiproxyServer | None, ending: ExitStack) -> None:
        self.broker = broker
        self.toxiproxy = toxiproxy
        self._ending = ending

    @property
    def description(self) -> str:
        """One line: which broker and which Toxiproxy, their versions, processes or containers, addresses."""
        network = self.toxiproxy.description if self.toxiproxy else "no Toxiproxy: the wire does its faults"
        return f"{self.broker.description}, {network}"

    def stop(self) -> None:
        """End everything that was started, and remove what it left; may be called again."""
        self._ending.close()


def start(settings: ServerSettings, *, run: str, directory: Path) -> Servers:
    """Start the servers of a run; what they keep on disk lies under `directory` until they stop.

    Raises:
        ServerUnavailable: none could be had; one line says what was tried and how to get each.
        UsageError: a setting has a value that there is not.
        ChaosError: a broker that runs already refuses us.

    """
    for name, value, allowed in (
        ("servers", settings.servers, SERVERS),
        ("network", settings.network, NETWORKS),
        ("isolation", settings.isolation, ISOLATIONS),
    ):
        if value not in allowed:
            raise UsageError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
    if settings.servers == "external":
        return _started("external", settings, run, directory)
    kinds = ("docker", "process") if settings.servers == "auto" else (settings.servers,)
    tried = []
    for kind in kinds:
        try:
            return _started(kind, settings, run, directory)
        except ServerUnavailable as error:
            tried.append(f"{kind}: {error}")
    raise ServerUnavailable(f"no server for the chaos tests; {'; '.join(tried)}")


def _started(kind: str, settings: ServerSettings, run: str, directory: Path) -> Servers:
    with ExitStack() as ending:
        folder = _folder(directory, ending)
        rabbitmq = launcher("rabbitmq")
        if kind == "docker":
            broker, toxiproxy = _in_docker(settings, run, rabbitmq, folder, ending)
        elif kind == "external":
            broker = opened(settings, run, rabbitmq, ending)
            ways = [
                lambda: _toxiproxy_process(settings, broker, folder),
                lambda: toxiproxy_beside(settings, run, broker, ending),
            ]
            toxiproxy = _first(settings, ways, ending)
        else:
            broker = rabbitmq.start_process(run=run, directory=folder)
            ending.callback(broker.stop)
            toxiproxy = _first(settings, [lambda: _toxiproxy_process(settings, broker, folder)], ending)
        return Servers(broker, toxiproxy, ending.pop_all())
    raise AssertionError("unreachable: the stack swallows nothing")


def _in_docker(
    settings: ServerSettings, run: str, rabbitmq: Launcher, folder: Path, ending: ExitStack
) -> tuple[Broker, ToxiproxyServer | None]:
    """The broker in a container; a Toxiproxy beside it, which starts while the broker boots."""
    engine = Engine.connect(run)
    ending.callback(engine.close)

    def contained() -> ToxiproxyServer:
        image = settings.toxiproxy_image
        return toxiproxies.start_container(engine, image=image, upstream=rabbitmq.INNER_ADDRESS)

    with ThreadPoolExecutor(1, thread_name_prefix="mqchaos-toxiproxy") as pool:
        early = pool.submit(contained) if settings.network != "wire" else None
        broker = rabbitmq.start_container(engine, image=settings.rabbitmq_image)
        ending.callback(broker.stop)
        ways = [early.result] if early else []
        toxiproxy = _first(settings, [*ways, lambda: _toxiproxy_process(settings, broker, folder)], ending)
    return broker, toxiproxy


def _toxiproxy_process(settings: ServerSettings, broker: Broker, folder: Path) -> ToxiproxyServer:
    host = f"[{broker.host}]" if ":" in broker.host else broker.host
    return toxiproxies.start_process(
        upstream=f"{host}:{broker.port}", directory=folder, tool_folder=settings.tool_folder
    )


def _first(
    settings: ServerSettings, ways: list[Callable[[], ToxiproxyServer]], ending: ExitStack
) -> ToxiproxyServer | None:
    """The first Toxiproxy that can be had; None where the wire does the network's faults."""
    if settings.network == "wire":
        return None
    tried = []
    for way in ways:
        try:
            toxiproxy = way()
        except ServerUnavailable as error:
            tried.append(str(error))
        else:
            ending.callback(toxiproxy.stop)
            return toxiproxy
    if settings.network == "toxiproxy":
        raise ServerUnavailable(f"no Toxiproxy: {'; '.join(tried)}")
    return None


def _folder(directory: Path, ending: ExitStack) -> Path:
    """A folder of our own, which goes with the servers, and `directory` too if it was made for it."""
    folder = directory / f"servers-{secrets.token_hex(3)}"
    existed = directory.exists()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ServerUnavailable(f"{directory} cannot be written: {error.strerror}") from None
    if not existed:
        ending.callback(_remove_empty, directory)
    ending.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _remove_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()
