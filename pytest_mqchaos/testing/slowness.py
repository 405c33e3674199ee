"""Checks of networks: late, slow, in pieces, and nothing lost."""

from __future__ import annotations

import statistics
import threading
import time

from pytest_mqchaos.model.faults import bandwidth, fragment, latency, stall
from pytest_mqchaos.testing.bench import NetworkBench
from pytest_mqchaos.testing.peers import BLINK, MUCH, TIMEOUT, seconds

__all__ = [
    "bandwidth_bounds_the_rate",
    "fragments_are_small",
    "latency_is_per_direction",
    "slow_and_stalled_at_once",
    "who_does_not_read_holds_nobody_up",
]

_READINGS = 50
"""How often pieces are looked for: who comes to read late, on a busy machine, finds all of them as one."""
_SLACK = 3.0
"""Seconds that a busy machine may take besides."""


def latency_is_per_direction(bench: NetworkBench) -> None:
    """Each direction is late by the delay and not by much more, after a rest too; when it is healed, no longer."""
    client, server = bench.connect()
    armed = bench.strike(latency(delay=0.2))
    for _ in range(2):
        server.heard = b""
        assert 0.19 <= seconds(lambda: client.say(b"up"), lambda: server.await_bytes(b"up")) <= 0.2 + _SLACK
        assert 0.19 <= seconds(lambda: server.say(b"down"), lambda: client.hear(4)) <= 0.2 + _SLACK
        assert client.silent(BLINK)
    late, late_server = bench.connect()
    assert seconds(lambda: late_server.say(b"new"), lambda: late.hear(3)) >= 0.19
    bench.heal(armed)
    quick = [seconds(lambda: server.say(b"x"), lambda: client.hear(1)) for _ in range(5)]
    assert min(quick) < 0.19, quick


def bandwidth_bounds_the_rate(bench: NetworkBench) -> None:
    """Each direction carries what it may and no more; nothing is lost; when it is healed, the rest comes at once."""
    client, server = bench.connect()
    data = MUCH[:20_000]
    armed = bench.strike(bandwidth(20_000))
    assert 0.8 <= seconds(lambda: server.say(data), lambda: client.expect(data)) <= 1.0 + _SLACK
    assert 0.8 <= seconds(lambda: client.say(data), lambda: server.await_bytes(data)) <= 1.0 + _SLACK
    bench.heal(armed)
    armed = bench.strike(bandwidth(1000))
    began = time.monotonic()
    server.say(data)
    heard, _ = client.hear(len(data), timeout=1.0)
    assert len(heard) <= 1000 * (time.monotonic() - began) + 1500
    began = time.monotonic()
    bench.heal(armed)
    client.expect(data[len(heard) :])
    assert time.monotonic() - began < 10.0


def fragments_are_small(bench: NetworkBench) -> None:
    """What arrives, arrives in pieces of that size, for who reads them as they come, and nothing is lost."""
    client, server = bench.connect()
    data = MUCH[:20_000]
    armed = bench.strike(fragment(20))
    down: list[float] = []
    up: list[float] = []
    while min(down, default=21) > 20 and len(down) < _READINGS:
        server.say(data)
        heard, pieces = client.hear(len(data))
        assert heard == data
        down.append(statistics.median(pieces))
    assert min(down) <= 20, down
    while min(up, default=21) > 20 and len(up) < _READINGS:
        server.heard, server.pieces = b"", []
        client.say(data)
        server.await_bytes(data)
        up.append(min(server.pieces))
    assert min(up) <= 20, up
    bench.heal(armed)
    server.heard = b""
    server.say(MUCH)
    client.expect(MUCH)


def slow_and_stalled_at_once(bench: NetworkBench) -> None:
    """A stall within latency and fragments holds everything; each ends by itself, and no byte is lost."""
    client, server = bench.connect()
    slow, small = bench.strike(latency(delay=0.1)), bench.strike(fragment(50))
    server.say(b"on its way")
    still = bench.strike(stall(duration=60.0))
    server.say(b", and behind")
    assert client.silent(BLINK)
    bench.heal(slow)
    assert client.silent(BLINK)
    bench.heal(still)
    client.expect(b"on its way, and behind")
    bench.heal(small)
    bench.works()


def who_does_not_read_holds_nobody_up(bench: NetworkBench) -> None:
    """A client that reads nothing while much is said to it hinders no fault and no heal, and reads all of it then."""
    client, server = bench.connect()
    data = MUCH * 12
    talk = threading.Thread(target=server.say, args=(data,), daemon=True)
    talk.start()
    talk.join(BLINK)
    assert talk.is_alive(), "sockets held all of it: this tests nothing"
    for fault in (latency(delay=0.02), fragment(9000), bandwidth(50_000_000), stall(duration=60.0)):
        armed = bench.strike(fault)
        bench.heal(armed)
    client.expect(data)
    talk.join(TIMEOUT)
    assert not talk.is_alive()
