"""The attempts of a test: each has an account of its own, and none that passes hides what another one lost.

```
worker:      attempt 1 failed ──► kept with its item ──► `earlier` of whatever crosses next from that item
controller:                                               └──► Attempts: numbered anew, each run once ──► hidden
```
Plugins that run a test again differ in what they tell of the attempts before: pytest-rerunfailures reports them (not
where another phase failed as well), flaky and pytest-retry report the last one only, and after the death of an xdist
worker the next attempt is another process's first. So every attempt travels with the ones before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mqchaos.options import setting

if TYPE_CHECKING:
    from pytest_mqchaos.fixtures import Trial

__all__ = ["Attempts", "allowed", "begin", "earlier", "hidden", "keep", "leave", "violates"]

_KEPT = pytest.StashKey[dict[int, dict[str, Any]]]()
"""The runs of an item so far, by their attempt."""


def begin(item: pytest.Item) -> None:
    """Leave what an earlier attempt of an item held; what it came to is kept."""
    from pytest_mqchaos.fixtures import forget, trial

    here = trial(item)
    if here is not None:
        leave(item, here)
        forget(item)


def keep(item: pytest.Item, run: dict[str, Any]) -> None:
    """Keep a run with its item: a later attempt tells of it again."""
    item.stash.setdefault(_KEPT, {})[run["attempt"]] = run


def earlier(item: pytest.Item, attempt: int) -> dict[str, object]:
    """Return what crosses of the attempts before this one; nothing where it is the first."""
    runs = [run for number, run in item.stash.get(_KEPT, {}).items() if number < attempt]
    return {"earlier": runs} if runs else {}


def leave(item: pytest.Item, here: Trial) -> dict[str, object]:
    """Keep the run of a trial of which no report was made: its plugin runs the test again within one report.

    Returns what crosses of it, or nothing where its report was made.
    """
    from pytest_mqchaos.crossing import run_of

    if here.settings.attempt in item.stash.get(_KEPT, {}) or here.account is None:
        return {}
    keep(item, run_of(item, here, outcome="failed" if here.condemned else "passed"))
    return earlier(item, here.settings.attempt + 1)


class Attempts:
    """Gives each run of a session its number: the attempts of a test, whichever worker they ran in."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], int] = {}
        """How many attempts of a test there had been when a worker first told of it."""
        self._last: dict[str, int] = {}

    def numbered(self, run: Mapping[str, Any], worker: str) -> dict[str, Any]:
        """Return a run as the session counts it; a worker counts its own from 1."""
        nodeid = run["nodeid"]
        before = self._before.setdefault((nodeid, worker), self._last.get(nodeid, 0))
        attempt = before + run["attempt"]
        self._last[nodeid] = max(self._last.get(nodeid, 0), attempt)
        return {**run, "attempt": attempt}


def hidden(runs: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return each run that broke its promise with the later attempt of the same test that did not fail."""
    last = {run["nodeid"]: run for run in runs}
    return [
        (run, last[run["nodeid"]])
        for run in runs
        if violates(run) and last[run["nodeid"]]["outcome"] not in _FAILED
    ]


def violates(run: Mapping[str, Any]) -> bool:
    """Whether an attempt failed and a promise was broken in it, beyond doubt and not allowed.

    What could not be judged, proved nothing or failed for a reason of the test's own is a reason to run it again.
    """
    return run["outcome"] in _FAILED and any(_certain(run["findings"]))


def _certain(findings: Sequence[Mapping[str, Any]]) -> Iterator[bool]:
    return (each["violation"] and not each["unknown"] and each["allowed"] is None for each in findings)


_FAILED = ("failed", "error")


def allowed(config: pytest.Config) -> bool:
    """Whether a violation may be hidden by a rerun that passed."""
    from pytest_mqchaos.errors import UsageError

    try:
        return bool(setting(config, "allow_reruns").value)
    except UsageError:
        return False  # said by each chaos test
