"""When a consumer's lines were seen, and which of them are told: these looks, exactly these lines."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos.consumers import failure, growth, output
from pytest_mqchaos.consumers.growth import Growth
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.case import Line


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file that a consumer would write to."""
    made = tmp_path / "worker.output"
    made.touch()
    return made


def write(path: Path, text: str) -> None:
    """Append what a consumer says."""
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def told(path: Path, seen: Growth, starts: tuple[int, ...] = (0,)) -> Any:
    """Return what is told of the processes that began at these bytes."""
    processes: Any = [SimpleNamespace(pid=100 + number) for number in range(len(starts))]
    return output.told(processes, starts, path, seen)


def test_a_line_has_the_time_of_the_first_look_that_found_its_end(path: Path) -> None:
    """Half a line is seen when its rest is there; two lines of one look have one time."""
    seen = Growth(path)
    seen.look(at=5)
    write(path, "one\ntw")
    seen.look(at=10)
    seen.look(at=15)
    write(path, "o\nthree\n")
    seen.look(at=20)
    (one,) = told(path, seen)
    assert (one.lines, one.times, one.near) == (("one", "two", "three"), (10, 20, 20), ())


def test_a_look_that_found_nothing_new_is_none(path: Path) -> None:
    """A silent consumer costs no memory, however often it is looked at."""
    seen = Growth(path)
    for at in range(100):
        seen.look(at=at)
    assert seen.when(0) == 0
    write(path, "x\n")
    seen.look(at=200)
    assert (seen.when(1), seen.when(2)) == (200, 200)


def test_what_nobody_saw_is_seen_when_it_is_told(path: Path) -> None:
    """A line of which no look knows has the time of the telling, which is a look too."""
    seen = Growth(path)
    before = growth.now()
    write(path, "late\n")
    (one,) = told(path, seen)
    assert before <= one.times[0] <= growth.now()


def test_looks_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many every second one is let go: a line is then seen later, never earlier, and the last one stays."""
    monkeypatch.setattr(growth, "_LOOKS", 10)
    seen = Growth(path)
    for at in range(1, 40):
        write(path, "x\n")
        seen.look(at=at)
    times = [seen.when(2 * at) for at in range(1, 40)]
    assert all(time >= at for at, time in enumerate(times, 1))
    assert times == sorted(times)
    assert times[-1] == 39


def test_lines_around_a_mark_are_told(path: Path) -> None:
    """Five before a strike and five after it, as far as they are not among the last lines anyway."""
    seen = Growth(path)
    for n in range(1, 101):
        write(path, f"line {n}\n")
        (seen.mark if n == 50 else seen.look)(at=n)
    (one,) = told(path, seen)
    assert one.lines[0] == "line 61"
    assert one.near == tuple(Line(n, f"line {n}") for n in range(46, 56))


def test_marks_at_the_end_of_a_process_are_of_that_process(path: Path) -> None:
    """What the next one wrote is told of the next one."""
    seen = Growth(path)
    write(path, "".join(f"old {n}\n" for n in range(60)))
    seen.mark(at=7)
    start = path.stat().st_size
    write(path, "new\n")
    seen.look(at=9)
    old, new = told(path, seen, (0, start))
    assert (old.lines[-1], old.near, new.lines, new.times) == ("old 59", (), ("new",), (9,))


def test_a_flood_around_a_mark_is_read_in_part(path: Path) -> None:
    """However much stands there: a line that is cut off is not told, and no address without its beginning."""
    seen = Growth(path)
    write(path, f"amqp://user:secret@host/ {'y' * 20_000} secret@host\n")
    write(path, "before\n")
    seen.mark(at=1)
    write(path, f"{'z' * 20_000}\nlast\n" + "end\n" * 50)
    seen.look(at=2)
    (one,) = told(path, seen)
    assert [line.text for line in one.near] == ["before"]


def test_marks_are_bounded(path: Path) -> None:
    """A consumer that is struck a hundred times has the first twelve places told."""
    seen = Growth(path)
    for at in range(1, 101):
        write(path, "x\n")
        seen.mark(at=at)
    assert len(seen.marks) == 12


def test_a_file_that_is_gone_is_no_error(path: Path) -> None:
    """The run's directory may be removed while somebody looks."""
    seen = Growth(path)
    path.unlink()
    seen.mark(at=1)
    assert told(path, seen)[0].lines == ()


def test_a_real_consumer_is_heard_while_it_runs(bench: Any) -> None:
    """Its line is seen by a look before its end; no password, no escape of a terminal in what is told."""
    before = growth.now()
    consumer = bench.shell("printf '\\033[31m%s\\n' $AMQP_URL; echo over")
    bench.await_events(facts.ConsumerEnded)
    (one,) = consumer.replicas[0].last_words()
    assert one.lines == (r"\x1b[31mamqp://***@127.0.0.1:9/a%2Fb", "over")
    assert all(before < at <= growth.now() for at in one.times)


def test_a_line_is_masked_before_it_is_cut(path: Path) -> None:
    """Of a password that would stand at the cut of a long line nothing is told."""
    write(path, f"{'x' * 390} s3cr3t-of-the-broker\n")
    processes: Any = [SimpleNamespace(pid=100)]

    def mask(text: str) -> str:
        return text.replace("s3cr3t-of-the-broker", "***")

    (one,) = output.told(processes, (0,), path, Growth(path), mask)
    assert one.lines == (f"{'x' * 390} ***",)
    assert "s3cr3t" not in failure.tail(path, mask=mask)
