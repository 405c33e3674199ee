"""Whose frames a traceback shows: the user's, down to the call of ours that raised; none of the package's."""

from __future__ import annotations

from types import FrameType, TracebackType

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.failures import DeliveryError

__all__ = ["cut"]


def cut(excinfo: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """Cut the traceback of an error of ours where the user called us; the frames of this layer go as well."""
    error = excinfo.value
    if not isinstance(error, ChaosError | DeliveryError):
        return excinfo
    error.__cause__, error.__suppress_context__ = None, True
    entries: list[tuple[FrameType, int, int]] = []
    entry: TracebackType | None = excinfo.tb
    while entry is not None and not _is_inside(entry.tb_frame):
        if not _is_ours(entry.tb_frame):
            entries.append((entry.tb_frame, entry.tb_lasti, entry.tb_lineno))
        entry = entry.tb_next
    rest: TracebackType | None = None
    for frame, lasti, line in reversed(entries):
        rest = TracebackType(rest, frame, lasti, line)
    return excinfo if rest is None else pytest.ExceptionInfo.from_exception(error.with_traceback(rest))


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] == __package__


def _is_inside(frame: FrameType) -> bool:
    """Whether the frame is ours and not of this layer, whose modules stand at the top of the package."""
    return _is_ours(frame) and frame.f_globals["__name__"].count(".") > 1
