"""What a replica's processes wrote: their last lines and those around a strike, each with when it was seen.

All processes of a replica write to one file, one after the other. What is shown of it is bounded, masked and escaped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pytest_mqchaos.consumers.growth import Growth
from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.model.case import Line, Output
from pytest_mqchaos.model.printable import printable

__all__ = ["last_lines", "shown", "text_between", "told"]

Mask = Callable[[str], str]
_LAST_LINES = 40
_TAIL_BYTES = 1 << 16
_LONGEST_LINE = 400
_TELLING = 5
"""Processes of one replica whose output is told: a supervisor may start it many times."""
_NEAR_LINES, _NEAR_BYTES = 5, 1 << 13
"""What is told on either side of a mark."""


def shown(line: str, mask: Mask = str) -> str:
    """Return what a terminal would show of a line in the end: what follows the last carriage return.

    It is masked before it is cut: half a password is one as well.
    """
    return printable(mask(line.rstrip().rpartition("\r")[2].expandtabs(4)), _LONGEST_LINE)


def text_between(path: Path, start: int, end: int | None = None) -> str:
    """Return the last of a file's text between two bytes."""
    return _read(path, start, end)[0].decode(errors="backslashreplace")


def last_lines(path: Path, start: int, end: int | None = None) -> tuple[tuple[str, ...], int]:
    """Return the last lines of a file between two bytes, and how many bytes before them are left out.

    Credentials in addresses are masked, control characters escaped, long lines cut.
    """
    raw, first = _read(path, start, end)
    lines = _last(raw, first)
    return tuple(_text(line) for _, line in lines), _begin(lines, first) - start


def told(
    processes: Sequence[Process],
    starts: Sequence[int],
    path: Path,
    growth: Growth,
    mask: Mask = str,
) -> tuple[Output, ...]:
    """Return what is told of each of a replica's last processes, in the order started.

    Args:
        processes: all of them.
        starts: how long the file was when each was started.
        path: what they wrote to.
        growth: when it was how long.
        mask: takes out what no reader may see, besides credentials in addresses.
    """
    growth.look()
    spans = list(zip(processes, starts, [*starts[1:], None], strict=False))
    return tuple(
        _of(process.pid, path, growth, start, end, mask) for process, start, end in spans[-_TELLING:]
    )


def _of(pid: int, path: Path, growth: Growth, start: int, end: int | None, mask: Mask) -> Output:
    raw, first = _read(path, start, end)
    lines = _last(raw, first)
    begin = _begin(lines, first)
    return Output(
        pid,
        tuple(_text(line, mask) for _, line in lines),
        begin - start,
        tuple(growth.when(stop) for stop, _ in lines),
        tuple(_near(path, growth, start, first + len(raw), begin, mask)),
    )


def _near(path: Path, growth: Growth, start: int, stop: int, begin: int, mask: Mask) -> Iterator[Line]:
    """Yield the lines on either side of each mark of a process, in their order, as far as they end before `begin`."""
    found: dict[int, bytes] = {}
    for mark in growth.marks:
        if start <= mark <= stop:
            lines = _around(path, mark, start, stop)
            before = [each for each in lines if each[0] <= mark]
            after = [each for each in lines if each[0] > mark]
            found.update([*before[-_NEAR_LINES:], *after[:_NEAR_LINES]])
    for place, line in sorted(found.items()):
        if place < begin:
            yield Line(growth.when(place), _text(line, mask))


def _around(path: Path, mark: int, start: int, stop: int) -> list[tuple[int, bytes]]:
    """Return the whole lines around a place that say something."""
    end = min(stop, mark + _NEAR_BYTES)
    raw, first = _read(path, max(start, mark - _NEAR_BYTES), end, whole=start)
    lines = list(_lines(raw, first))[: None if end == stop else -1]  # the last one is cut off
    return [(place, line) for place, line in lines if line.strip()]


def _last(raw: bytes, first: int) -> list[tuple[int, bytes]]:
    return list(_lines(raw.rstrip(), first))[-_LAST_LINES:] if raw.strip() else []


def _lines(raw: bytes, first: int) -> Iterator[tuple[int, bytes]]:
    """Yield each line with the place in the file where it ends, before the line break."""
    for line in raw.split(b"\n"):
        yield first + len(line), line
        first += len(line) + 1


def _begin(lines: Sequence[tuple[int, bytes]], first: int) -> int:
    """Return where the first of some lines begins; without any, where they would."""
    return lines[0][0] - len(lines[0][1]) if lines else first


def _text(line: bytes, mask: Mask = str) -> str:
    return shown(line.decode(errors="backslashreplace"), mask)


def _read(path: Path, start: int, end: int | None, *, whole: int | None = None) -> tuple[bytes, int]:
    """Return the last of a file between two bytes, and at which byte it begins.

    `whole` is where a whole line is known to begin, by default at `start`.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            stop = size if end is None else min(end, size)
            first = max(start, stop - _TAIL_BYTES)
            file.seek(first)
            raw = file.read(max(stop - first, 0))
    except OSError:
        return b"", start
    if first > (start if whole is None else whole):
        # Within a line, maybe within an address that could be masked no more.
        torn, _, rest = raw.partition(b"\n")
        if rest:
            first, raw = first + len(torn) + 1, rest
    return raw, first
