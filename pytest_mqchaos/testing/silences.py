"""Checks of networks: nothing passes, and then all of it or nothing ever."""

from __future__ import annotations

import threading
import time

from pytest_mqchaos.model.faults import black_hole, stall
from pytest_mqchaos.testing.bench import NetworkBench
from pytest_mqchaos.testing.peers import BLINK, MUCH

__all__ = [
    "a_black_hole_is_silent_and_ends_with_a_reset",
    "a_black_hole_keeps_ends_to_itself",
    "a_stall_ends_early",
    "a_stall_keeps_ends_back_too",
    "a_stall_lets_nothing_through_and_loses_nothing",
    "holes_end_with_the_last",
    "new_connections_meet_what_is_in_force",
]


def a_stall_lets_nothing_through_and_loses_nothing(bench: NetworkBench) -> None:
    """Nothing passes while it lasts, on busy and idle connections, and then every byte does, in order."""
    (idle, idle_server), (client, server) = bench.connect(), bench.connect()
    began = time.monotonic()
    armed = bench.strike(stall(duration=2.0))
    client.say(b"up" * 1000)
    down = threading.Thread(target=server.say, args=(MUCH,))
    down.start()
    assert client.silent(BLINK)
    assert idle.silent(0.0)
    assert server.heard == b""
    assert not armed.healed.is_set()
    heard, _ = client.hear(len(MUCH))
    down.join()
    assert time.monotonic() - began >= 1.9
    assert heard == MUCH
    server.await_bytes(b"up" * 1000)
    bench.await_heal(armed)
    idle_server.say(b"still here")
    assert idle.hear(10)[0] == b"still here"


def a_stall_ends_early(bench: NetworkBench) -> None:
    """One that is healed by hand before its time lets all pass from then on."""
    client, server = bench.connect()
    armed = bench.strike(stall(duration=60.0))
    server.say(b"late")
    assert client.silent(BLINK)
    bench.heal(armed)
    assert client.hear(4)[0] == b"late"
    bench.heal(armed)
    bench.works()


def a_stall_keeps_ends_back_too(bench: NetworkBench) -> None:
    """Who goes away in a stall is heard to the last byte before his end is felt."""
    (client, server), (other, other_server) = bench.connect(), bench.connect()
    armed = bench.strike(stall(duration=60.0))
    client.say(b"last words")
    client.hang_up()
    other_server.say(b"goodbye")
    other_server.hang_up()
    assert other.silent(BLINK)
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
    assert client.silent(BLINK)
    assert idle.silent(0.0)
    bench.heal(armed)
    assert [client.end(), idle.end()] == ["RST", "RST"]
    assert server.await_end()
    assert server.heard == b""
    bench.works()


def a_black_hole_keeps_ends_to_itself(bench: NetworkBench) -> None:
    """Neither side learns that the other has gone away; much that is said stops nobody."""
    (client, server), (other, other_server) = bench.connect(), bench.connect()
    armed = bench.strike(black_hole(duration=60.0))
    client.say(MUCH)
    client.close()
    other_server.hang_up()
    assert other.silent(BLINK)
    assert server.await_end(timeout=BLINK) == ""
    bench.heal(armed)
    assert other.end() == "RST"
    assert server.await_end()
    assert server.heard == b""


def new_connections_meet_what_is_in_force(bench: NetworkBench) -> None:
    """Who connects in a stall comes through when it ends; in a black hole he hangs, and is reset."""
    armed = bench.strike(stall(duration=60.0))
    client = bench.call()
    assert client.silent(BLINK)
    assert not bench.upstream.knows(client.name)
    bench.heal(armed)
    bench.upstream.peer(client.name).say(b"welcome")
    assert client.hear(7)[0] == b"welcome"
    armed = bench.strike(black_hole(duration=60.0))
    lost = bench.call()
    assert lost.silent(BLINK)
    bench.heal(armed)
    assert lost.end() == "RST"
    assert not bench.upstream.knows(lost.name)


def holes_end_with_the_last(bench: NetworkBench) -> None:
    """Where two black holes overlap nothing is felt of the first one's end."""
    client, server = bench.connect()
    first, second = bench.strike(black_hole(duration=60.0)), bench.strike(black_hole(duration=60.0))
    bench.heal(first)
    server.say(b"gone")
    assert client.silent(BLINK)
    bench.heal(second)
    assert client.end() == "RST"
    bench.works()
