"""What a test is told, in the words of `try`: who types a command has options, and no `mqchaos.queue(...)`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.failures import shown
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.telling import CROSSING

__all__ = ["in_words_of_try", "read_queues", "reword", "reword_told"]

_NO_TARGET = re.compile(
    r"publish\(\): (?:(?P<queue>there is no queue '[^']*' after [\d.]+ s)|(?P<exchange>no queue is bound to exchange "
    r"'[^']*' after [\d.]+ s)): [^\n]*?that (?:declares|does) it first"
)


def in_words_of_try(text: str, queues: Iterable[str]) -> str:
    """Return a text in which what is published to and never appeared is said with the options that mend it.

    Args:
        text: any.
        queues: what the consumer reads.
    """
    read = " and ".join(f"`{queue}`" for queue in queues)
    reads = (
        f": the consumer reads {read}: name that by --queue" if read else ": name what is there by --queue"
    )

    def said(found: re.Match[str]) -> str:
        if found["queue"]:
            return f"{found['queue']}{reads}, or let --declare make it"
        return f"{found['exchange']}{reads}, or load the exchange and its bindings by --definitions FILE"

    return _NO_TARGET.sub(said, text)


def read_queues(history: Iterable[object]) -> list[str]:
    """Return the queues that were read, in order, without those that are one connection's own."""
    found: dict[str, None] = {}
    private = set()
    for event in history:
        if isinstance(event, facts.Subscribed | facts.Polled):
            found[event.queue] = None
        elif isinstance(event, facts.QueueDeclared) and event.exclusive:
            private.add(event.queue)
    return [queue for queue in found if queue not in private]


def reword(
    report: pytest.TestReport, error: BaseException, history: Callable[[], Iterable[object]]
) -> list[str]:
    """Let a report of what could not be tried be one line, without the source of a test that nobody wrote.

    Returns the queues that the consumer reads where the line names them, for `reword_told`.

    Args:
        report: of a phase that failed.
        error: what it failed with.
        history: gives that of the run, which is asked for where it is needed.
    """
    line = shown(str(error)).partition("\n")[0]
    if isinstance(error, ChaosError):
        report.longrepr = line
    if not _NO_TARGET.search(line):
        return []
    queues = read_queues(history())
    report.longrepr = in_words_of_try(line, queues)
    return queues


def reword_told(report: pytest.TestReport, queues: Iterable[str]) -> None:
    """Reword what else a report tells: its sections, and the run that crosses to where the report is written."""
    queues = list(queues)
    report.sections = [(title, in_words_of_try(text, queues)) for title, text in report.sections]
    run: dict[str, Any] = getattr(report, CROSSING, {}).get("run", {})
    for told in (run, *run.get("findings", ())):
        for name in ("error", "summary", "claim"):
            if isinstance(told.get(name), str):
                told[name] = in_words_of_try(told[name], queues)
