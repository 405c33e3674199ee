"""What the system knows of a replica's processes besides their group: those that left it, and their connections."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.consumers.addresses import LinkAddress

__all__ = ["Traced", "foreign_connections", "strays"]


class Traced(Protocol):
    """What a replica's processes carry wherever they go."""

    name: str
    effects: Path
    """Named in their environment."""
    output_path: Path
    """Held open for writing."""


def strays(replicas: Sequence[Traced]) -> dict[int, str]:
    """Return the processes that carry something of some replicas, each with its replica's name."""
    return proc.holders(
        {f"MQCHAOS_EFFECTS={replica.effects}": replica.name for replica in replicas},
        {str(replica.output_path.resolve()): replica.name for replica in replicas},
    )


def foreign_connections(
    remote: Iterable[tuple[str, int]], link: LinkAddress, ours: Collection[int] = ()
) -> list[str]:
    """Return the remote ends of a replica's TCP connections, besides its link's, as `host:port`.

    Args:
        remote: all of them.
        link: the replica's own.
        ours: ports of this host that it may talk to, too.
    """
    local = {link.host, "127.0.0.1", "::1"}
    return sorted(
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        for host, port in remote
        if not (host in local and (port == link.port or port in ours))
    )
