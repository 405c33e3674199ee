"""Kept servers between two sessions: as they were when they started, whatever the last session left of itself."""

from __future__ import annotations

import http.client
import json
from collections.abc import Collection, Iterable
from urllib.parse import quote

from pytest_mqchaos.brokers._protocol import Broker
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.servers.session import Servers
from pytest_mqchaos.servers.sharing.guest import SharedToxiproxy
from pytest_mqchaos.servers.toxiproxy import ToxiproxyServer
from pytest_mqchaos.servers.waiting import wait_for

__all__ = ["serves", "tidy", "without"]

_SERVING = 5.0


def tidy(servers: Servers, namespaces: Iterable[str], given: Collection[str]) -> bool:
    """Let a frozen broker go on, delete the namespaces and proxies that are left; whether the servers can be kept.

    A session that ended in order has left nothing; one that was killed leaves what its last test had.
    """
    broker = servers.broker
    try:
        if not broker.alive():
            return False
        broker.thaw()
        for one in set(broker.namespaces()) - set(namespaces):
            broker.delete_namespace(one)
        return serves(broker) and without(servers.toxiproxy, given, all_proxies=True)
    except (ChaosError, OSError, ValueError, http.client.HTTPException):
        return False


def serves(broker: Broker) -> bool:
    """Whether a broker serves AMQP, at the latest after some seconds: a busy machine is no broken broker."""
    try:
        wait_for(
            "a kept broker to serve", lambda: broker.lacks_at(broker.host, broker.port), timeout=_SERVING
        )
    except ChaosError:
        return False
    return True


def without(
    toxiproxy: ToxiproxyServer | SharedToxiproxy | None, given: Collection[str], *, all_proxies: bool = False
) -> bool:
    """Delete the proxies that listen at these addresses, or all, and take the addresses back; whether it went well."""
    if toxiproxy is None or not (given or all_proxies):
        return True
    ports = {_port(listen) for listen in given}
    try:
        for name, proxy in json.loads(_api(toxiproxy, "GET", "/proxies")).items():
            if all_proxies or _port(proxy["listen"]) in ports:  # it says [::] for 0.0.0.0
                _api(toxiproxy, "DELETE", f"/proxies/{quote(name, safe='')}")
    except (OSError, ValueError, KeyError, http.client.HTTPException):
        return False
    for listen in given:
        toxiproxy.release(listen)
    return True


def _port(listen: str) -> str:
    return listen.rpartition(":")[2]


def _api(toxiproxy: ToxiproxyServer | SharedToxiproxy, method: str, path: str) -> bytes:
    connection = http.client.HTTPConnection(*toxiproxy.api, timeout=5.0)
    try:
        connection.request(method, path)
        return connection.getresponse().read()
    finally:
        connection.close()
