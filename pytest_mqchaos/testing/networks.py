"""What every network shows a client: the checks of the conformance suite.

Each takes a `NetworkBench` and raises an `AssertionError` if the network shows something else. All are of TCP: what
arrives, when, in what order, and how a connection ends, also one on which nobody says anything.
"""

from __future__ import annotations

import random
import socket
import statistics
import threading
import time
from collections.abc import Callable

from pytest_mqchaos.model.faults import (
    bandwidth,
    black_hole,
    connection_drop,
    connection_reset,
    fragment,
    latency,
    refuse,
    stall,
)
from pytest_mqchaos.testing.bench import NetworkBench
from pytest_mqchaos.testing.peers import TIMEOUT, Caller

__all__ = [
    "NETWORK_CHECKS",
    "a_black_hole_is_silent_and_ends_with_a_reset",
    "a_black_hole_keeps_ends_to_itself",
    "a_drop_is_an_end_of_stream",
    "a_refusal_refuses",
    "a_reset_is_felt_on_an_idle_connection",
    "a_stall_ends_early",
    "a_stall_keeps_ends_back_too",
    "a_stall_lets_nothing_through_and_loses_nothing",
    "bandwidth_bounds_the_rate",
    "bytes_pass_unchanged",
    "fragments_are_small",
    "holes_end_with_the_last",
    "latency_is_per_direction",
    "new_connections_meet_what_is_in_force",
    "slow_and_stalled_at_once",
]

_BLINK = 0.25
"""Seconds for which nothing must arrive."""
_MUCH = random.Random(5).randbytes(3_000_000)
"""More than sockets hold."""
_SLACK = 3.0
"""Seconds that a busy machine may take besides."""


def bytes_pass_unchanged(bench: NetworkBench) -> None:
    """Without a fault bytes pass both ways, also many at once, and ends are ends."""
    client, server = bench.connect()
    both = threading.Thread(target=server.say, args=(_MUCH,))
    both.start()
    heard, _ = client.hear(len(_MUCH))
    both.join()
    assert heard == _MUCH
    client.say(_MUCH)
    server.await_bytes(_MUCH)
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
    _works(bench)


def a_reset_is_felt_on_an_idle_connection(bench: NetworkBench) -> None:
    """A client that says nothing and hears nothing feels the RST, and the server an end."""
    client, server = bench.connect()
    bench.strike(connection_reset())
    assert client.end() == "RST"
    assert server.await_end()
    _works(bench)


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
    _works(bench)


def a_stall_lets_nothing_through_and_loses_nothing(bench: NetworkBench) -> None:
    """Nothing passes while it lasts, on busy and idle connections, and then every byte does, in order."""
    (idle, idle_server), (client, server) = bench.connect(), bench.connect()
    began = time.monotonic()
    armed = bench.strike(stall(duration=1.0))
    client.say(b"up" * 1000)
    down = threading.Thread(target=server.say, args=(_MUCH,))
    down.start()
    assert client.silent(_BLINK)
    assert idle.silent(0.0)
    assert server.heard == b""
    assert not armed.healed.is_set()
    heard, _ = client.hear(len(_MUCH))
    down.join()
    assert time.monotonic() - began >= 0.9
    assert heard == _MUCH
    server.await_bytes(b"up" * 1000)
    bench.await_heal(armed)
    idle_server.say(b"still here")
    assert idle.hear(10)[0] == b"still here"


def a_stall_ends_early(bench: NetworkBench) -> None:
    """One that is healed by hand before its time lets all pass from then on."""
    client, server = bench.connect()
    armed = bench.strike(stall(duration=60.0))
    server.say(b"late")
    assert client.silent(_BLINK)
    bench.heal(armed)
    assert client.hear(4)[0] == b"late"
    bench.heal(armed)
    _works(bench)


def a_stall_keeps_ends_back_too(bench: NetworkBench) -> None:
    """Who goes away in a stall is heard to the last byte before his end is felt."""
    (client, server), (other, other_server) = bench.connect(), bench.connect()
    armed = bench.strike(stall(duration=60.0))
    client.say(b"last words")
    client.hang_up()
    other_server.say(b"goodbye")
    other_server.hang_up()
    assert other.silent(_BLINK)
    assert not server.ended
    bench.heal(armed)
    server.await_bytes(b"last words")
    assert server.await_end() == "FIN"
    assert other.hear(8)[0] == b"goodbye"
    assert other.end() == "FIN"


def a_black_hole_is_silent_and_ends_with_a_reset(bench: NetworkBench) -> None:
    """Connections stay open and hear nothing; what is said is gone for good; at the heal all are reset."""
    (idle, _), (client, server) = bench.connect(), bench.connect()
    armed = bench.strike(black_hole(duration=60.0))
    client.say(b"gone")
    server.say(b"gone too")
    assert client.silent(_BLINK)
    assert idle.silent(0.0)
    bench.heal(armed)
    assert [client.end(), idle.end()] == ["RST", "RST"]
    assert server.await_end()
    assert server.heard == b""
    _works(bench)


def a_black_hole_keeps_ends_to_itself(bench: NetworkBench) -> None:
    """Neither side learns that the other has gone away; much that is said stops nobody."""
    (client, server), (other, other_server) = bench.connect(), bench.connect()
    armed = bench.strike(black_hole(duration=60.0))
    client.say(_MUCH)
    client.close()
    other_server.hang_up()
    assert other.silent(_BLINK)
    assert server.await_end(timeout=_BLINK) == ""
    bench.heal(armed)
    assert other.end() == "RST"
    assert server.await_end()
    assert server.heard == b""


def new_connections_meet_what_is_in_force(bench: NetworkBench) -> None:
    """Who connects in a stall comes through when it ends; in a black hole he hangs, and is reset."""
    armed = bench.strike(stall(duration=60.0))
    client = bench.call()
    assert client.silent(_BLINK)
    assert not bench.upstream.knows(client.name)
    bench.heal(armed)
    bench.upstream.peer(client.name).say(b"welcome")
    assert client.hear(7)[0] == b"welcome"
    armed = bench.strike(black_hole(duration=60.0))
    lost = bench.call()
    assert lost.silent(_BLINK)
    bench.heal(armed)
    assert lost.end() == "RST"
    assert not bench.upstream.knows(lost.name)


def holes_end_with_the_last(bench: NetworkBench) -> None:
    """Where two black holes overlap nothing is felt of the first one's end."""
    client, server = bench.connect()
    first, second = bench.strike(black_hole(duration=60.0)), bench.strike(black_hole(duration=60.0))
    bench.heal(first)
    server.say(b"gone")
    assert client.silent(_BLINK)
    bench.heal(second)
    assert client.end() == "RST"
    _works(bench)


def latency_is_per_direction(bench: NetworkBench) -> None:
    """Each direction is late by the delay and not by much more, after a rest too; when it is healed, no longer."""
    client, server = bench.connect()
    armed = bench.strike(latency(delay=0.2))
    for _ in range(2):
        server.heard = b""
        assert 0.19 <= _seconds(lambda: client.say(b"up"), lambda: server.await_bytes(b"up")) <= 0.2 + _SLACK
        assert 0.19 <= _seconds(lambda: server.say(b"down"), lambda: client.hear(4)) <= 0.2 + _SLACK
        assert client.silent(_BLINK)
    late, late_server = bench.connect()
    assert _seconds(lambda: late_server.say(b"new"), lambda: late.hear(3)) >= 0.19
    bench.heal(armed)
    quick = [_seconds(lambda: server.say(b"x"), lambda: client.hear(1)) for _ in range(5)]
    assert min(quick) < 0.19, quick


def bandwidth_bounds_the_rate(bench: NetworkBench) -> None:
    """Each direction carries what it may and no more; nothing is lost; when it is healed, the rest comes at once."""
    client, server = bench.connect()
    data = _MUCH[:20_000]
    armed = bench.strike(bandwidth(20_000))
    assert 0.8 <= _seconds(lambda: server.say(data), lambda: _hear(client, data)) <= 1.0 + _SLACK
    assert 0.8 <= _seconds(lambda: client.say(data), lambda: server.await_bytes(data)) <= 1.0 + _SLACK
    bench.heal(armed)
    armed = bench.strike(bandwidth(1000))
    server.say(data)
    assert len(client.hear(len(data), timeout=1.0)[0]) <= 2500
    began = time.monotonic()
    bench.heal(armed)
    rest, _ = client.hear(17_000)
    assert len(rest) >= 17_000
    assert time.monotonic() - began < 10.0


def fragments_are_small(bench: NetworkBench) -> None:
    """What arrives, arrives in pieces of that size, for who reads them as they come, and nothing is lost."""
    client, server = bench.connect()
    data = _MUCH[:2000]
    armed = bench.strike(fragment(20))
    server.say(data)
    heard, pieces = client.hear(len(data))
    assert heard == data
    assert statistics.median(pieces) <= 20, pieces
    client.say(data)
    server.await_bytes(data)
    assert len(server.pieces) >= 2, server.pieces
    bench.heal(armed)
    server.say(_MUCH)
    _hear(client, _MUCH)


def slow_and_stalled_at_once(bench: NetworkBench) -> None:
    """A stall within latency and fragments holds everything; each ends by itself, and no byte is lost."""
    client, server = bench.connect()
    slow, small = bench.strike(latency(delay=0.1)), bench.strike(fragment(50))
    server.say(b"on its way")
    still = bench.strike(stall(duration=60.0))
    server.say(b", and behind")
    assert client.silent(_BLINK)
    bench.heal(slow)
    assert client.silent(_BLINK)
    bench.heal(still)
    _hear(client, b"on its way, and behind")
    bench.heal(small)
    _works(bench)


def _works(bench: NetworkBench) -> None:
    """Assert that a new connection works both ways."""
    client, server = bench.connect()
    client.say(b"there")
    server.await_bytes(b"there")
    server.say(b"and back")
    _hear(client, b"and back")


def _hear(client: Caller, data: bytes) -> None:
    heard, _ = client.hear(len(data))
    assert heard == data, f"{len(data)} bytes awaited, heard {len(heard)}: {heard[:80]!r}"


def _seconds(first: Callable[[], object], then: Callable[[], object]) -> float:
    """Return how long two calls took, one after the other."""
    began = time.monotonic()
    first()
    then()
    return time.monotonic() - began


NETWORK_CHECKS: tuple[Callable[[NetworkBench], None], ...] = (
    bytes_pass_unchanged,
    a_drop_is_an_end_of_stream,
    a_reset_is_felt_on_an_idle_connection,
    a_refusal_refuses,
    a_stall_lets_nothing_through_and_loses_nothing,
    a_stall_ends_early,
    a_stall_keeps_ends_back_too,
    a_black_hole_is_silent_and_ends_with_a_reset,
    a_black_hole_keeps_ends_to_itself,
    new_connections_meet_what_is_in_force,
    holes_end_with_the_last,
    latency_is_per_direction,
    bandwidth_bounds_the_rate,
    fragments_are_small,
    slow_and_stalled_at_once,
)
"""Every check, in an order from simple to odd."""
