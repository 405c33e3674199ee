"""The bars of what was promised: how soon the work was done, and how much consumers had in hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mqchaos.report.html.bars import BarRows, bar_rows
from pytest_mqchaos.report.words import span

__all__ = ["prefetch_bars", "within_bars"]

_LOOKS = {"kept": "good", "late": "bad", "unsure": "unsure", "excused": "excused"}


def within_bars(within: Mapping[str, Any]) -> BarRows:
    """Return the drawing of how many messages took how long, with a line at the promised time."""
    rows = [
        (f"over {span(bar['from'])}" if bar["until"] is None else f"≤ {span(bar['until'])}", bar)
        for bar in within["bars"]
    ]
    kept = sum(bar["until"] is not None and bar["until"] <= within["seconds"] for bar in within["bars"])
    return bar_rows(rows, _LOOKS, kept)


def prefetch_bars(prefetch: Mapping[str, Any]) -> BarRows:
    """Return the drawing of how many deliveries came when so many were in hand, with a line at the promised number."""
    rows, count = [], prefetch["count"]
    for bar in prefetch["bars"]:
        name = str(bar["until"]) if bar["from"] == bar["until"] else f"{bar['from']} to {bar['until']}"
        sort = "kept" if bar["until"] <= count else "late"
        rows.append((f"{name} in hand", {"kept": 0, "late": 0} | {sort: bar["deliveries"]}))
    kept = sum(bar["until"] <= count for bar in prefetch["bars"])
    return bar_rows(rows, {"kept": "good", "late": "bad"}, kept)
