"""Links that a test opens by hand: to other services than the broker, and for consumers of its own."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.consumers.inside import EFFECTS, Link
from pytest_mqchaos.experiment.consumers.starting import address
from pytest_mqchaos.experiment.effects.sources import Sources
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.link.ports import try_port
from pytest_mqchaos.model.names import base_name

__all__ = ["Service", "open_inside", "open_service"]

_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Service:
    """An address of ours that leads to a service; give it to the consumer instead of the service's own."""

    name: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"


def open_service(run: Run, name: str, upstream: str, *, port: int | None = None) -> Service:
    """Open a link to the service at `upstream`; see `Chaos.link`."""
    __tracebackhide__ = True
    if not isinstance(name, str) or not name:
        raise UsageError(f"link({name!r}): a name for faults to call it, such as link('pg', upstream=...)")
    _refuse_taken(run, name)
    link = run.links.open_service(name, _address(name, upstream), port=_port(name, port))
    run.injector.opened(name, service=True)
    return Service(name, link.wire.host, link.wire.port)


def open_inside(run: Run, sources: Sources, name: str, *, port: int | None, tls: bool) -> Link:
    """Open a link for a consumer that the test runs itself; see `Chaos.link`."""
    __tracebackhide__ = True
    if not isinstance(name, str) or not re.fullmatch(r"[\w.+-]+", name):
        raise UsageError(f"link({name!r}): letters, digits and _ . + - only")
    _refuse_taken(run, name)
    if not isinstance(tls, bool):
        raise UsageError(f"link({name!r}): tls={tls!r}: True, or False")
    fixed = _port(name, port)
    first = not run.inside.names
    link = run.inside.add(address(run, name, tls=tls, port=fixed))
    path = run.directory / EFFECTS
    if first:
        path.touch(0o666)
        run.board.add_file(path, name="$MQCHAOS_EFFECTS", consumer=name, named=False)
    else:
        run.board.let_anybody(path)
    run.inside.tell(os.fspath(path), run.token)
    sources.resolve()
    return link


def _refuse_taken(run: Run, name: str) -> None:
    __tracebackhide__ = True
    taken = {link.name for link in run.links} | {base_name(link.name) for link in run.links} | {"publisher"}
    if name in taken | set(run.links.services()):
        raise UsageError(f"link({name!r}): the name is taken in this test")


def _port(name: str, port: object) -> int:
    """Return the port that is wanted, 0 for any.

    Raises:
        UsageError: if it is none, or somebody else has it.
    """
    __tracebackhide__ = True
    if port is None:
        return 0
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= _HIGHEST_PORT:
        raise UsageError(f"link({name!r}): port={port!r}: a number from 1 to {_HIGHEST_PORT}")
    try:
        try_port(port)
    except OSError as error:
        raise UsageError(
            f"link({name!r}): port={port} cannot be had on 127.0.0.1 ({(error.strerror or str(error)).lower()}): "
            "end what listens there, or let the link choose (without port=)"
        ) from None
    return port


def _address(name: str, upstream: object) -> tuple[str, int]:
    __tracebackhide__ = True
    host, _, port = upstream.rpartition(":") if isinstance(upstream, str) else ("", "", "")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _HIGHEST_PORT:
        raise UsageError(f"link({name!r}): upstream={upstream!r}: the service's host:port, as 127.0.0.1:5432")
    return host.strip("[]"), int(port)
