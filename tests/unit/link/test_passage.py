"""One direction in bad weather: late, slow, in pieces, and in order whatever happens. The clock is the test's."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.link.passage import Passage
from pytest_mqchaos.link.weather import Condition, Place, Weather


class Timer:
    """A call to come."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at, self.call, self.cancelled = at, call, False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """A loop's clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(at, call))
        return self.timers[-1]

    def go(self, seconds: float) -> None:
        until = self.now + seconds
        for _ in range(100_000):
            due = [timer for timer in self.timers if not timer.cancelled and timer.at <= until]
            if not due:
                self.now = until
                return
            first = min(due, key=lambda timer: timer.at)
            self.timers.remove(first)
            self.now = max(self.now, first.at)
            first.call()
        raise AssertionError("timers without end")


class Line:
    """A passage, and what came out of it when."""

    def __init__(self, place: Place = "broker") -> None:
        self.clock = Clock()
        self.weather = Weather(random.Random(7))
        self.out: list[tuple[float, bytes]] = []
        self.choked: list[bool] = []
        loop: Any = self.clock
        assert not isinstance(loop, asyncio.AbstractEventLoop)
        self.passage = Passage(self.weather, place, loop=loop, sink=self._take, choke=self.choked.append)
        self._numbers = itertools.count(1)

    def _take(self, data: bytes) -> None:
        self.out.append((round(self.clock.now - 100.0, 6), data))

    def bring(self, *, by_route: bool = False, **what: Any) -> int:
        number = next(self._numbers)
        self.weather.bring(Condition(number=number, **what), by_route=by_route)
        return number

    @property
    def text(self) -> bytes:
        return b"".join(data for _, data in self.out)


@pytest.fixture
def line() -> Line:
    """A passage towards the broker."""
    return Line()


def test_fair_weather(line: Line) -> None:
    """Nothing waits, and an end is felt at once."""
    line.passage.put(b"one")
    ends: list[float] = []
    line.passage.end(lambda: ends.append(line.clock.now))
    assert line.out == [(0.0, b"one")]
    assert ends == [100.0]
    assert line.passage.empty


def test_latency(line: Line) -> None:
    """Each is late by the delay, in order, and what follows does not queue up behind it."""
    line.bring(kind="latency", delay=0.2)
    line.passage.put(b"one")
    line.clock.go(0.1)
    line.passage.put(b"two")
    line.clock.go(1.0)
    assert line.out == [(0.2, b"one"), (0.3, b"two")]


def test_latencies_add_up_and_the_end_waits_its_turn(line: Line) -> None:
    """Two faults of latency delay by both; an end comes behind what was said before it."""
    line.bring(kind="latency", delay=0.2)
    line.bring(kind="latency", delay=0.3)
    assert line.weather.lag == pytest.approx(1.0)
    line.passage.put(b"one")
    ends: list[float] = []
    line.passage.end(lambda: ends.append(round(line.clock.now, 6)))
    line.clock.go(1.0)
    assert line.out == [(0.5, b"one")]
    assert ends == [100.5]


def test_jitter_keeps_the_order_and_its_bounds(line: Line) -> None:
    """No byte overtakes another, and none is earlier or later than the jitter allows, as the seed says."""
    line.bring(kind="latency", delay=0.1, jitter=0.05)
    for number in range(50):
        line.passage.put(bytes([number]))
    line.clock.go(1.0)
    assert line.text == bytes(range(50))
    times = [at for at, _ in line.out]
    assert times == sorted(times)
    assert all(0.05 <= at <= 0.15 for at in times)
    assert len(set(times)) > 3
    again = Line()
    again.bring(kind="latency", delay=0.1, jitter=0.05)
    for number in range(50):
        again.passage.put(bytes([number]))
    again.clock.go(1.0)
    assert again.out == line.out


@pytest.mark.parametrize("rate", [100.0, 5_000.0, 1_000_000.0])
def test_bandwidth(line: Line, rate: float) -> None:
    """What is said takes as long as the line needs for it, and an idle line has nothing to catch up on."""
    line.bring(kind="bandwidth", rate=rate)
    data = bytes(int(rate) * 2)
    line.passage.put(data)
    line.clock.go(1.9)
    assert 0.9 * rate <= len(line.text) < len(data)
    line.clock.go(0.2)
    assert line.text == data
    line.clock.go(10.0)
    line.passage.put(data)
    line.clock.go(1.0)
    assert len(line.text) - len(data) == pytest.approx(rate, rel=0.1)


def test_fragments(line: Line) -> None:
    """No piece is larger than its size, and each of the larger ones is sent by itself."""
    line.bring(kind="fragment", size=10)
    line.passage.put(bytes(range(35)))
    line.clock.go(1.0)
    assert [len(data) for _, data in line.out] == [10, 10, 10, 5]
    assert line.text == bytes(range(35))
    times = [at for at, _ in line.out]
    assert all(later - sooner >= 0.001 - 1e-6 for sooner, later in itertools.pairwise(times))


def test_the_client_side_knows_fragments_alone() -> None:
    """The wire cuts up what goes to the client whoever makes the fragments; the rest is done on the other side."""
    line = Line("client")
    line.bring(kind="latency", delay=5.0)
    line.passage.put(b"at once")
    assert line.out == [(0.0, b"at once")]
    line.bring(kind="fragment", size=9, by_route=True)
    line.passage.put(bytes(12))
    line.clock.go(0.1)
    assert [len(data) for _, data in line.out[1:]] == [9, 3]


def test_what_the_route_does_the_wire_does_not(line: Line) -> None:
    """A condition of Toxiproxy's only lengthens what is waited for."""
    line.bring(kind="latency", delay=0.5, by_route=True)
    line.passage.put(b"one")
    assert line.out == [(0.0, b"one")]
    assert line.weather.lag == pytest.approx(1.0)


def test_when_it_clears_all_goes_at_once(line: Line) -> None:
    """What waits for a latency that is healed goes on, behind nothing, before what is said later."""
    number = line.bring(kind="latency", delay=5.0)
    line.passage.put(b"one")
    line.clock.go(0.1)
    line.weather.lift(number)
    line.passage.put(b"two")
    assert [data for _, data in line.out] == [b"one", b"two"]
    assert line.weather.lag == 0.0
    line.weather.lift(number)


def test_it_stands_until_the_last_lets_go(line: Line) -> None:
    """Nothing comes through while anybody wants it to stand, ends neither."""
    ends: list[bool] = []
    line.passage.stand()
    line.passage.stand()
    line.passage.put(b"one")
    line.passage.end(lambda: ends.append(True))
    line.passage.go_on()
    assert line.passage.stands
    assert not line.out
    assert not ends
    line.passage.go_on()
    assert line.out == [(0.0, b"one")]
    assert ends == [True]


def test_a_line_that_is_full_stops_its_sender(line: Line) -> None:
    """Much that waits lets nobody read more, until half of it has gone."""
    line.bring(kind="bandwidth", rate=100_000.0)
    line.passage.put(bytes(200_000))
    assert line.choked == []
    line.passage.put(bytes(100_000))
    assert line.choked == [True]
    line.clock.go(1.0)
    assert line.choked == [True]
    line.clock.go(1.0)
    assert line.choked == [True, False]


def test_what_is_forgotten_never_comes(line: Line) -> None:
    """A connection that is cut takes what was on its way with it."""
    number = line.bring(kind="latency", delay=0.5)
    line.passage.put(b"one")
    line.passage.close()
    line.weather.lift(number)
    line.clock.go(1.0)
    assert line.out == []


def test_what_is_forgotten_stops_nobody(line: Line) -> None:
    """A sender that waited for a full line goes on once that is empty, however that came about."""
    line.bring(kind="bandwidth", rate=100_000.0)
    line.passage.put(bytes(300_000))
    line.passage.forget()
    line.passage.stand()
    assert line.choked == [True, False]
    line.passage.forget()
    assert line.choked == [True, False]


steps = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=40),
        st.sampled_from(["latency", "bandwidth", "fragment", "lift", "stand", "go on", "time"]),
    ),
    max_size=30,
)


@given(steps)
def test_no_byte_is_lost_nor_overtaken(steps: list[bytes | str]) -> None:
    """Whatever comes and goes, in the end the same bytes have come out in the same order, and then the end."""
    line = Line()
    said = b""
    numbers: list[int] = []
    for step in steps:
        if isinstance(step, bytes):
            said += step
            line.passage.put(step)
        elif step == "lift" and numbers:
            line.weather.lift(numbers.pop(0))
        elif step == "stand":
            line.passage.stand()
        elif step == "go on":
            line.passage.go_on()
        elif step == "time":
            line.clock.go(0.01)
        elif step in ("latency", "bandwidth", "fragment"):
            numbers.append(line.bring(kind=step, delay=0.02, rate=500.0, size=3))
        assert said.startswith(line.text)
    ends: list[bytes] = []
    line.passage.end(lambda: ends.append(line.text))
    while line.passage.stands:
        line.passage.go_on()
    line.clock.go(60.0)
    assert line.text == said
    assert ends == [said]
