"""What a failing test shows besides its account: the consumers' last output, the faults, the broker's log."""

from __future__ import annotations

import re

from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.model import events as facts

__all__ = ["sections"]

_TAIL = 20
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def sections(run: Run) -> list[tuple[str, str]]:
    """Titles and texts for a failing test's report."""
    found: list[tuple[str, str]] = []
    for program in (*run.consumers, *(producer.program for producer in run.producers)):
        found.extend((f"output of {name}", tail) for name, tail in program.tails.items())
    struck = [e for e in run.history.snapshot() if isinstance(e, facts.FaultFired)]
    if struck:
        lines = [
            f"{e.description} struck {e.target or 'nothing'} at {e.trigger} by {e.actor}" for e in struck
        ]
        found.append(("faults", "\n".join(lines)))
    log = "\n".join(line for line in run.broker_log(200).splitlines() if _tells(line, run.namespace))
    if log:
        found.append(("broker's log", _last(_COLOUR.sub("", log), _TAIL)))
    return found


def _tells(line: str, namespace: str) -> bool:
    """Whether a line of the broker's log is worth showing: no routine, and not of another test's namespace."""
    if "[info]" in line or "[notice]" in line or "[debug]" in line:
        return False
    return "mqchaos-" not in line or namespace in line


def _last(text: str, lines: int) -> str:
    return "\n".join(text.splitlines()[-lines:])
