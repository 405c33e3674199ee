"""Checks of networks: bytes pass, and connections end as the fault says."""

from __future__ import annotations

import socket
import threading

from pytest_mqchaos.model.faults import connection_drop, connection_reset, refuse
from pytest_mqchaos.testing.bench import NetworkBench
from pytest_mqchaos.testing.peers import MUCH, TIMEOUT

__all__ = [
    "a_drop_is_an_end_of_stream",
    "a_refusal_refuses",
    "a_reset_is_felt_on_an_idle_connection",
    "bytes_pass_unchanged",
]


def bytes_pass_unchanged(bench: NetworkBench) -> None:
    """Without a fault bytes pass both ways, also many at once, and ends are ends."""
    client, server = bench.connect()
    both = threading.Thread(target=server.say, args=(MUCH,))
    both.start()
    heard, _ = client.hear(len(MUCH))
    both.join()
    assert heard == MUCH
    client.say(MUCH)
    server.await_bytes(MUCH)
    client.hang_up()
    assert server.await_end() == "FIN"


def a_drop_is_an_end_of_stream(bench: NetworkBench) -> None:
    """Both sides read a FIN, idle or not, and the client may come again at once."""
    (idle, idle_server), (client, server) = bench.connect(), bench.connect()
    client.say(b"said")
    server.await_bytes(b"said")
    bench.strike(connection_drop())
    assert [idle.end(), client.end()] == ["FIN", "FIN"]
    assert idle_server.await_end()
    assert server.await_end()
    bench.works()


def a_reset_is_felt_on_an_idle_connection(bench: NetworkBench) -> None:
    """A client that says nothing and hears nothing feels the RST, and the server an end."""
    client, server = bench.connect()
    bench.strike(connection_reset())
    assert client.end() == "RST"
    assert server.await_end()
    bench.works()


def a_refusal_refuses(bench: NetworkBench) -> None:
    """What is open ends, what is new is refused, and the address stays."""
    client, _ = bench.connect()
    armed = bench.strike(refuse(duration=60.0))
    assert client.end() == "FIN"
    try:
        socket.create_connection(bench.address, timeout=TIMEOUT).close()
        raise AssertionError("a new connection was accepted")
    except ConnectionRefusedError:
        pass
    bench.heal(armed)
    bench.works()
