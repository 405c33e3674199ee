"""Links to other services than the broker: a database, a cache, an HTTP API; any TCP."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.names import base_name
from pytest_mqchaos.experiment.run import Run

__all__ = ["Service", "open_service"]

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


def open_service(run: Run, name: str, upstream: str) -> Service:
    """Open a link to the service at `upstream`; see `Chaos.link`."""
    __tracebackhide__ = True
    if not isinstance(name, str) or not name:
        raise UsageError(f"link({name!r}): a name for faults to call it, such as link('pg', upstream=...)")
    taken = {link.name for link in run.links} | {base_name(link.name) for link in run.links} | {"publisher"}
    if name in taken | set(run.links.services()):
        raise UsageError(f"link({name!r}): the name is taken in this test")
    link = run.links.open_service(name, _address(name, upstream))
    run.injector.opened(name, service=True)
    return Service(name, link.wire.host, link.wire.port)


def _address(name: str, upstream: object) -> tuple[str, int]:
    __tracebackhide__ = True
    host, _, port = upstream.rpartition(":") if isinstance(upstream, str) else ("", "", "")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _HIGHEST_PORT:
        raise UsageError(f"link({name!r}): upstream={upstream!r}: the service's host:port, as 127.0.0.1:5432")
    return host.strip("[]"), int(port)
