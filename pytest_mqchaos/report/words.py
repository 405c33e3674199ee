"""How values read: states, seconds, numbers, the end of a process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "SYMBOLS",
    "WORDS",
    "ending",
    "number",
    "percent",
    "rate",
    "seconds",
    "served_by",
    "setting",
    "span",
    "weight",
]

SYMBOLS: Mapping[str, str] = {
    "failed": "✗",
    "unknown": "?",
    "expected": "⊘",
    "allowed": "!",
    "well": "✓",
    "skipped": "–",
}
WORDS: Mapping[str, str] = {
    "failed": "failed",
    "unknown": "unknown",
    "expected": "failed as expected",
    "allowed": "broken, allowed",
    "well": "as promised",
    "skipped": "skipped",
}
"""A state is never told by its colour alone: each has a sign and a word."""


def number(value: int | None) -> str:
    """Return a whole number with its thousands apart."""
    return "–" if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    """Return a moment of the run, in seconds."""
    return "–" if value is None else f"{value:.3f} s"


def span(value: float | None) -> str:
    """Return how long something took, in the unit that reads best."""
    if value is None:
        return "–"
    if value < 0.9995:
        return f"{value * 1000:.1f} ms" if value < 0.00995 else f"{value * 1000:.0f} ms"
    return f"{value:.2f} s" if value < 99.995 else f"{value:,.0f} s"


def percent(share: float) -> str:
    """Return a share as per cent; only what is all or nothing reads so."""
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    digits = 1 if 0.001 <= share <= 0.999 else 3
    return f"{share:.{digits}%}".replace("%", " %")


def rate(value: float) -> str:
    """Return how many a second."""
    return f"{value:,.0f} a second" if value >= 100 else f"{value:.3g} a second"


def weight(finding: Mapping[str, Any]) -> str:
    """Return how much a finding counts, in a word."""
    if finding["kind"] == "vacuous":
        return "proves nothing"
    if finding["allowed"] is not None:
        return "allowed"
    if not finding["violation"]:
        return "information"
    return "cannot be judged" if finding["unknown"] else "breaks the promise"


_BY = {"fault": "by a fault", "itself": "by itself", "plugin": "with the run"}


def ending(process: Mapping[str, Any]) -> str:
    """Return how a process ended, or that it did not."""
    if process["until"] is None:
        return "ran when the run was judged"
    how = (
        f"killed by {process['signal']}"
        if process["signal"]
        else f"ended with exit code {process['exit_code']}"
    )
    unknown = ""
    if process["exit_code"] is None:
        how, unknown = "ended", "; its exit code is not known"
    by = _BY.get(process["by"], process["by"])
    again = ", started again" if process["restarts"] else ""
    if process["by"] == "fault":  # its strike has a moment of its own
        return f"{how} {by}, seen to be gone at {seconds(process['until'])}{again}{unknown}"
    return f"{how} at {seconds(process['until'])}, {by}{again}{unknown}"


def served_by(servers: Mapping[str, Any]) -> str:
    """Return which servers it ran on, without their processes and addresses: those stand with the session."""
    if not servers.get("kind") or not servers.get("version"):
        return str(servers.get("description") or "")
    broker = {"rabbitmq": "RabbitMQ"}.get(servers.get("broker", ""), str(servers.get("broker", "")))
    toxiproxy = f", Toxiproxy {servers['toxiproxy']}" if servers.get("toxiproxy") else ""
    return f"{broker} {servers['version']} ({servers['kind']}){toxiproxy}"


def setting(value: object) -> str:
    """Return a setting's value as a user would write it."""
    if value is None or value == "":
        return "not set"
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
