"""Several documents as one: of the shards of a CI job, of the machines of a matrix, of a session that was cut off.

What each says of its runs is taken as it is; the overview, the counts in it and the baseline beside each run are
made anew from all runs, by what made them in the first place. So the parts of a document are equal to the whole,
in the order in which they are named, and a hazard of one shard is proved by a run of another.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pytest_mqchaos.report.document import document
from pytest_mqchaos.report.html.complete import complete
from pytest_mqchaos.report.machines import machine

__all__ = ["merge"]

Record = Mapping[str, Any]


def merge(documents: Sequence[Record]) -> dict[str, Any]:
    """Return the document of all runs of several documents of any 1.x.

    A run, a skipped test, a setting that several tell alike is told once. Where two tell differently of the same
    test and attempt, none of them is hidden: of two tries of a job the later one becomes a further attempt, and of
    the machines of a matrix, whose servers or environments differ, each keeps its own.
    """
    wholes = [complete(each) for each in documents]
    started = [each["started"] for each in wholes]
    finished = [each["finished"] for each in wholes if each["finished"]]
    return document(
        _runs(run for each in wholes for run in each["runs"]),
        _servers([each["servers"] for each in wholes]),
        _joined(each["plugin"] for each in wholes),
        min(started, key=lambda text: _moment(text) or math.inf),
        finished=max(finished, key=_moment, default=""),
        skipped=_once(each for whole in wholes for each in whole["skipped"]),
        settings=_once(each for whole in wholes for each in whole["settings"]),
        environment=_environment([each["environment"] for each in wholes]),
    )


def _runs(runs: Iterable[Record]) -> list[dict[str, Any]]:
    """Return each run once, and each under an attempt of its own on its machine."""
    seen: dict[tuple[str, ...], dict[int, dict[str, Any]]] = {}
    order: list[dict[str, Any]] = []
    for run in runs:
        attempts = seen.setdefault((run["nodeid"], *machine(run)), {})
        number = run["attempt"]
        if number in attempts:
            same = next((other for other in attempts.values() if _alike(run, other)), None)
            if same is not None:
                same |= {"kept": run["kept"]} if "kept" in run and "kept" not in same else {}
                continue
            number = max(attempts) + 1
        attempts[number] = {**run, "attempt": number}
        order.append(attempts[number])
    return order


def _alike(one: Record, other: Record) -> bool:
    """Whether two tell of the same run: the rest is what a merge gives it."""
    given = {"attempt": 0, "attempts": 0, "baseline": None, "kept": None}
    return {**one, **given} == {**other, **given}


def _servers(told: Sequence[Record]) -> dict[str, Any]:
    """Return the servers if all had the same, else the first one's and those of each, by number, under `workers`."""
    first, *others = told
    if all(each == first for each in others):
        return dict(first)
    each_one: list[Record] = []
    for servers in told:
        workers = servers.get("workers")
        own = list(workers.values()) if isinstance(workers, dict) else [servers]
        each_one += [each for each in own if each not in each_one]
    return {**first, "workers": {str(number): each for number, each in enumerate(each_one, 1)}}


def _environment(told: Sequence[Record]) -> dict[str, Any]:
    names = dict.fromkeys(name for each in told for name in each)
    return {name: _joined(str(each[name]) for each in told if name in each) for name in names}


def _joined(texts: Iterable[str]) -> str:
    """Return what was said, once each; what is itself a list of several is taken apart again."""
    return ", ".join(dict.fromkeys(part for text in texts for part in text.split(", ")))


def _once(entries: Iterable[Record]) -> list[Record]:
    return list({json.dumps(each, sort_keys=True): each for each in entries}.values())


def _moment(text: str) -> float:
    """Return a moment as a number; 0 of one that cannot be read."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0
