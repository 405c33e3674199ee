"""A broker that runs already: what has to hold before it is used, and a Toxiproxy in front of it.

Nothing is started here but the Toxiproxy. Where names are shared as they are, one session at a time uses the place.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pytest_mqchaos.brokers._protocol import Broker, Errands, External, Launcher
from pytest_mqchaos.errors import ChaosError, ServerUnavailable, UsageError
from pytest_mqchaos.servers import locking
from pytest_mqchaos.servers import toxiproxy as toxiproxies
from pytest_mqchaos.servers.borrowed import RESTORE, BorrowedContainer, borrow
from pytest_mqchaos.servers.engine import Engine
from pytest_mqchaos.servers.guard import Guard
from pytest_mqchaos.servers.settings import ServerSettings
from pytest_mqchaos.servers.toxiproxy import ToxiproxyServer

__all__ = ["opened", "toxiproxy_beside"]

_PROBE = "mqchaos-probe"


def opened(settings: ServerSettings, run: str, launcher: Launcher, guard: Guard, ending: ExitStack) -> Broker:
    """Use the broker that the settings name; what is taken for it is given back by `ending`.

    Raises:
        UsageError: the settings contradict each other, or themselves.
        ChaosError: nobody serves there, it refuses us, or another session has the place.
    """
    said = settings.origins.said
    if not settings.url:
        raise UsageError(
            f"{said('servers', 'external')}: which one? --mqchaos-url=amqp://user:password@host:5672/ says it"
        )
    if settings.isolation == "none" and settings.worker:
        raise UsageError(
            f"{said('isolation', 'none')}: not with pytest-xdist (-n), whose tests would meet in the same queues"
        )
    external = External(
        url=settings.url,
        isolation=settings.isolation,
        management_url=settings.management_url,
        allow_remote=settings.allow_remote,
        origins=settings.origins,
        errands=guard,
    )
    host, port, place = launcher.external_place(external)
    if settings.container:
        own = _borrowed(settings, run, (host, port), guard, ending)
        external = replace(external, container=own)
    if settings.isolation == "none":
        _lock(place, said("isolation", "none"), guard, ending)
    broker = launcher.open_external(external)
    ending.callback(broker.stop)
    return broker


def _borrowed(
    settings: ServerSettings, run: str, place: tuple[str, int], guard: Guard, ending: ExitStack
) -> BorrowedContainer:
    """Take the container that the user permits to disturb; it runs when all is over."""
    option = settings.origins.said("container", settings.container)
    try:
        engine = Engine.connect(run)
    except ServerUnavailable as error:
        raise UsageError(f"{option}: {error}") from None
    ending.callback(engine.close)
    own = borrow(engine, settings.container, *place, option=option)
    ending.callback(guard.done, f"container {own.name}")
    ending.callback(own.restore)
    guard.errand(f"container {own.name}", RESTORE, {"container": settings.container})
    return own


def _lock(place: str, option: str, guard: Errands, ending: ExitStack) -> None:
    """Have a place for this session alone, as far as this host goes; the file of it goes with the session."""
    from filelock import Timeout

    mark = hashlib.sha256(place.encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()).absolute() / f"mqchaos-{os.getuid()}-{mark}.lock"
    ending.callback(guard.done, f"lock {path}")
    guard.errand(f"lock {path}", locking.MODULE, {"path": str(path)})
    try:
        lock = locking.take(path, 0.0)
    except Timeout:
        raise ChaosError(
            f"{option}: another session uses {place} just now; "
            "--mqchaos-isolation=prefix or vhost lets several do so"
        ) from None
    except OSError as error:
        raise ChaosError(f"{option}: no lock at {path}: {error.strerror or error}") from None
    ending.callback(locking.give_up, lock, path)


def toxiproxy_beside(
    settings: ServerSettings, run: str, broker: Broker, guard: Guard, ending: ExitStack
) -> ToxiproxyServer:
    """Start Toxiproxy in a container, if the broker can be reached from there.

    Raises:
        ServerUnavailable: it cannot be had, or does not reach the broker.
    """
    if broker.host in ("localhost", "::1") or broker.host.startswith("127."):
        raise ServerUnavailable(f"a container does not reach {broker.host}")
    engine = Engine.connect(run)
    guard.engine(engine.address)
    with ExitStack() as own:
        own.callback(engine.close)
        host = f"[{broker.host}]" if ":" in broker.host else broker.host
        started = toxiproxies.start_container(
            engine, image=settings.toxiproxy_image, upstream=f"{host}:{broker.port}", bridged=True
        )
        own.callback(started.stop)
        _reaches(started, broker)
        ending.push(own.pop_all())
    return started


def _reaches(toxiproxy: ToxiproxyServer, broker: Broker) -> None:
    """Raise `ServerUnavailable` if a connection through a proxy does not come to the broker."""
    listen, address = toxiproxy.listen_address()
    try:
        _api(
            toxiproxy, "POST", "/proxies", {"name": _PROBE, "listen": listen, "upstream": toxiproxy.upstream}
        )
        try:
            lacks = broker.lacks_at(*address)
        finally:
            _api(toxiproxy, "DELETE", f"/proxies/{_PROBE}", None)
    except (OSError, http.client.HTTPException) as error:
        lacks = str(error) or type(error).__name__
    finally:
        toxiproxy.release(listen)
    if lacks:
        raise ServerUnavailable(
            f"Toxiproxy in a container does not reach {broker.host}:{broker.port} ({lacks})"
        )


def _api(toxiproxy: ToxiproxyServer, method: str, path: str, body: dict[str, str] | None) -> None:
    connection = http.client.HTTPConnection(*toxiproxy.api, timeout=5.0)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        answer.read()
        if answer.status >= 300:
            raise OSError(f"its API answers {answer.status} to {method} {path}")
    finally:
        connection.close()
