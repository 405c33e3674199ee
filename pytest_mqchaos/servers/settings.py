"""What the user may say about servers, as the options hand it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pytest_mqchaos.model.origins import Origins

__all__ = ["ISOLATIONS", "NETWORKS", "SERVERS", "ServerSettings"]

SERVERS = ("auto", "docker", "process", "external")
ISOLATIONS = ("auto", "vhost", "prefix", "none")
NETWORKS = ("auto", "toxiproxy", "wire")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Which servers to start, and from what; or which broker to use that runs already.

    `servers` is one of `SERVERS`, `network` one of `NETWORKS`, `isolation` one of `ISOLATIONS`; `tool_folder` is
    where `toxiproxy-server` may lie besides PATH. `watched` are processes besides this one whose end is the end of
    the servers. `url` and what follows it is for `external` servers: `container` names what may be disturbed,
    `worker` is the id of an xdist worker, `origins` where these settings came from.
    """

    servers: str = "auto"
    network: str = "auto"
    rabbitmq_image: str = "rabbitmq:4"
    toxiproxy_image: str = "ghcr.io/shopify/toxiproxy:2.12.0"
    tool_folder: Path | None = None
    watched: tuple[int, ...] = ()
    url: str = field(default="", repr=False)
    isolation: str = "auto"
    management_url: str = field(default="", repr=False)
    allow_remote: bool = False
    container: str = ""
    origins: Origins = field(default_factory=Origins)
    worker: str = ""
