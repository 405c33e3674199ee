"""What the user may say about servers, as the options hand it in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["NETWORKS", "SERVERS", "ServerSettings"]

SERVERS = ("auto", "docker", "process")
NETWORKS = ("auto", "toxiproxy", "wire")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Which servers to start, and from what.

    `servers` is one of `SERVERS`, `network` one of `NETWORKS`; `tool_folder` is where `toxiproxy-server`
    may lie besides PATH. `watched` are processes besides this one whose end is the end of the servers.
    """

    servers: str = "auto"
    network: str = "auto"
    rabbitmq_image: str = "rabbitmq:4"
    toxiproxy_image: str = "ghcr.io/shopify/toxiproxy:2.12.0"
    tool_folder: Path | None = None
    watched: tuple[int, ...] = ()
