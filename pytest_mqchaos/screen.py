"""Failures on the terminal: the lives of messages in its width and colours.

What crosses from a worker, and what every other reader of a report has, is the text as it is; only while pytest prints
its summary something that prints itself stands in its place.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mqchaos.telling import CROSSING

if TYPE_CHECKING:
    from _pytest._io import TerminalWriter

__all__ = ["Told", "around_summary"]


class Told:
    """A failure of ours that prints itself; all else of it is as it was."""

    def __init__(self, known: Any) -> None:
        self._known = known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._known, name)

    def __str__(self) -> str:
        return str(self._known)

    def toterminal(self, out: TerminalWriter) -> None:
        """Print it: in the writer's width, coloured where the writer has colours."""
        from pytest_mqchaos.report.wrapped import wrapped

        for pieces in wrapped(str(self), out.fullwidth):
            for text, markup in pieces:
                out.write(text, **markup)
            out.line()


def around_summary(terminal: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Let the failures of chaos tests print themselves while the summary is written."""
    reports = [
        each for kind in ("failed", "xfailed") for each in terminal.stats.get(kind, ()) if _is_ours(each)
    ]
    known = [report.longrepr for report in reports]
    for report in reports:
        report.longrepr = Told(report.longrepr)
    try:
        return (yield)
    finally:
        for report, longrepr in zip(reports, known, strict=True):
            report.longrepr = longrepr


def _is_ours(report: Any) -> bool:
    """Whether a report is the verdict on a run, and not a failure of the test's own."""
    run = (getattr(report, CROSSING, None) or {}).get("run")
    if not run or not run["failed"] or report.longrepr is None:
        return False
    return bool(str(report.longrepr).partition("\n")[0] == run["summary"])
