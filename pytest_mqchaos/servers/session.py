"""The servers of one session: a broker and, where one can be had, a Toxiproxy in front of it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mqchaos.brokers import launcher
from pytest_mqchaos.brokers._protocol import Broker, Errands, Launcher
from pytest_mqchaos.errors import ServerUnavailable, UsageError
from pytest_mqchaos.servers import toxiproxy as toxiproxies
from pytest_mqchaos.servers.engine import Engine
from pytest_mqchaos.servers.external import opened, toxiproxy_beside
from pytest_mqchaos.servers.guard import Guard
from pytest_mqchaos.servers.programs import Programs
from pytest_mqchaos.servers.settings import ISOLATIONS, NETWORKS, SERVERS, ServerSettings
from pytest_mqchaos.servers.toxiproxy import ToxiproxyServer

if TYPE_CHECKING:
    from pytest_mqchaos.servers.sharing import Place
    from pytest_mqchaos.servers.sharing.guest import SharedToxiproxy

__all__ = ["Servers", "start", "too_full", "visit"]

_LEAST_FREE = 20e6
_WIRE = "no Toxiproxy: the wire does its faults"


class Servers:
    """What `start` started, or `visit` came to; `stop` ends all of it, or the visit.

    `without` says why there is no Toxiproxy, `engine` is the address of the Docker engine that runs them, if so.
    """

    def __init__(
        self,
        broker: Broker,
        toxiproxy: ToxiproxyServer | SharedToxiproxy | str,
        ending: ExitStack,
        *,
        programs: Programs,
        errands: Errands,
        engine: str = "",
    ) -> None:
        self.broker = broker
        self.errands = errands
        """Who does what this process no longer can, if it dies."""
        self.programs = programs
        """By which users' images are started; nothing was asked of an engine for it yet."""
        self.toxiproxy = None if isinstance(toxiproxy, str) else toxiproxy
        self.without = toxiproxy if isinstance(toxiproxy, str) else ""
        self.engine = engine
        self._ending = ending

    @property
    def description(self) -> str:
        """One line: which broker and which Toxiproxy, their versions, processes or containers, addresses."""
        network = self.toxiproxy.description if self.toxiproxy else self.without
        return f"{self.broker.description}, {network}"

    def stop(self) -> None:
        """End everything that was started, and remove what it left; may be called again."""
        self._ending.close()


def start(settings: ServerSettings, *, run: str, directory: Path, place: Path | None = None) -> Servers:
    """Start the servers of a run; what they keep on disk lies under `directory` until they stop.

    A guard stands before the first of them starts: it removes all that carries `run` when this process ends by
    whatever means. If `directory` is not there yet it is made, its name has to hold `run`, and everything that
    works in it later on is the run's as well. `place` is a folder around it that goes with the session of it.

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
    kinds = ("docker", "process") if settings.servers == "auto" else (settings.servers,)
    tried = []
    with ExitStack() as ending:
        guard = Guard.arm(run, watched=settings.watched)
        ending.callback(guard.end)
        if place is not None:
            guard.place(place)
        folder = _folder(directory, run, guard, ending)
        for kind in kinds:
            try:
                broker, toxiproxy = _started(kind, settings, run, folder, guard, ending)
            except ServerUnavailable as error:
                tried.append(f"{kind}: {error}")
            else:
                engine, kept = guard.engines, ending.pop_all()
                programs = Programs(run, guard, kept)
                return Servers(broker, toxiproxy, kept, programs=programs, errands=guard, engine=engine)
    raise ServerUnavailable(f"no server for the chaos tests; {'; '.join(tried)}")


def visit(
    settings: ServerSettings,
    place: Place,
    *,
    run: str,
    directory: Path,
    session: str,
    untouchable: str = "",
) -> Servers:
    """Use the servers of a place, which another process holds; it is brought up if there is none.

    What this process makes for itself lies under `directory`, as with `start`. `session` and `untouchable` are as
    in `sharing.join`.

    Raises:
        Taken: another session uses them.
        ServerUnavailable: they could not be started.
        ChaosError: they do not serve.

    """
    from pytest_mqchaos.servers.sharing import join

    with ExitStack() as ending:
        guard = Guard.arm(run, watched=settings.watched)
        ending.callback(guard.end)
        _folder(directory, run, guard, ending)
        if not place.kept:
            guard.place(place.folder)
        broker, toxiproxy = join(settings, place, ending, session=session, untouchable=untouchable)
        kept = ending.pop_all()
        return Servers(broker, toxiproxy, kept, programs=Programs(run, guard, kept), errands=guard)


def _started(
    kind: str, settings: ServerSettings, run: str, folder: Path, guard: Guard, ending: ExitStack
) -> tuple[Broker, ToxiproxyServer | str]:
    with ExitStack() as own:
        rabbitmq = launcher("rabbitmq")
        if kind == "docker":
            started = _in_docker(settings, run, rabbitmq, folder, guard, own)
        elif kind == "external":
            started = _external(settings, run, rabbitmq, folder, guard, own)
        else:
            broker = rabbitmq.start_process(run=run, directory=folder)
            own.callback(broker.stop)
            started = (
                broker,
                _first(settings, [lambda: _toxiproxy_process(settings, run, broker, folder)], own),
            )
        ending.push(own.pop_all())
    return started


def _in_docker(
    settings: ServerSettings, run: str, rabbitmq: Launcher, folder: Path, guard: Guard, ending: ExitStack
) -> tuple[Broker, ToxiproxyServer | str]:
    """The broker in a container; a Toxiproxy beside it, which starts while the broker boots."""
    engine = Engine.connect(run)
    ending.callback(engine.close)
    guard.engine(engine.address)

    def contained() -> ToxiproxyServer:
        image = settings.toxiproxy_image
        return toxiproxies.start_container(engine, image=image, upstream=rabbitmq.INNER_ADDRESS)

    with ThreadPoolExecutor(1, thread_name_prefix="mqchaos-toxiproxy") as pool:
        early = pool.submit(contained) if settings.network != "wire" else None
        broker = rabbitmq.start_container(engine, image=settings.rabbitmq_image)
        ending.callback(broker.stop)
        ways = [early.result] if early else []
        toxiproxy = _first(
            settings, [*ways, lambda: _toxiproxy_process(settings, run, broker, folder)], ending
        )
    return broker, toxiproxy


def _external(
    settings: ServerSettings, run: str, rabbitmq: Launcher, folder: Path, guard: Guard, ending: ExitStack
) -> tuple[Broker, ToxiproxyServer | str]:
    """The broker that runs already; a Toxiproxy from this host or, where it reaches the broker, in a container."""
    broker = opened(settings, run, rabbitmq, guard, ending)
    ways = [
        lambda: _toxiproxy_process(settings, run, broker, folder),
        lambda: toxiproxy_beside(settings, run, broker, guard, ending),
    ]
    return broker, _first(settings, ways, ending)


def _toxiproxy_process(settings: ServerSettings, run: str, broker: Broker, folder: Path) -> ToxiproxyServer:
    host = f"[{broker.host}]" if ":" in broker.host else broker.host
    return toxiproxies.start_process(
        run=run, upstream=f"{host}:{broker.port}", directory=folder, tool_folder=settings.tool_folder
    )


def _first(
    settings: ServerSettings, ways: list[Callable[[], ToxiproxyServer]], ending: ExitStack
) -> ToxiproxyServer | str:
    """The first Toxiproxy that can be had; where the wire does the network's faults, words that say so."""
    if settings.network == "wire":
        return _WIRE
    tried, broken = [], ""
    for way in ways:
        try:
            toxiproxy = way()
        except ServerUnavailable as error:
            tried.append(str(error))
            broken = broken or (f" ({error})" if isinstance(error, toxiproxies.Broken) else "")
        else:
            ending.callback(toxiproxy.stop)
            return toxiproxy
    if settings.network == "toxiproxy":
        raise ServerUnavailable(f"no Toxiproxy: {'; '.join(tried)}")
    return _WIRE.replace(":", f"{broken}:", 1)


def _folder(directory: Path, run: str, guard: Guard, ending: ExitStack) -> Path:
    """A folder of our own, which goes with the servers, and `directory` too if it was made for it."""
    folder = directory / f"servers-{run}-{secrets.token_hex(3)}"
    existed = directory.exists()
    guard.folder(folder if existed else directory)
    if not existed:
        ending.callback(_remove_empty, directory)
    ending.callback(shutil.rmtree, folder, ignore_errors=True)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ServerUnavailable(f"{directory} cannot be written: {error.strerror}") from None
    if why := too_full(directory.parent, free):
        raise ServerUnavailable(why)
    return folder


def too_full(folder: Path, free: int) -> str:
    """Return why no servers start in a folder with so many bytes free; nothing where they do."""
    if free >= _LEAST_FREE:
        return ""
    return (
        f"only {free / 1e6:.1f} MB are free in {folder}, too few for a broker: "
        "TMPDIR=... names a folder with more"
    )


def _remove_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()
