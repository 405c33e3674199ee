"""What a session leaves that is ended by force: its runs so far, a line each, as they came in.

```
{"schema": ..., "plugin": ..., "started": ..., "settings": ..., "environment": ...}
{"begun": run without a verdict}              at its set-up
{"run": run, "servers": ..., "worker": ...}   when it was judged
{"outcome": ["test_it", 1, "error"]}          its teardown failed
{"skipped": ...}
```
The file stands beside the report until that is written. A line that was cut off is left out.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_mqchaos.report.document import document

__all__ = ["Unfinished", "is_unfinished", "joined", "servers_of"]

_NAME = "unfinished-{}.jsonl"
_CUT = "the session was ended by force while this test ran"


class Unfinished:
    """The file of a session that runs; whatever fails here costs the session nothing.

    Args:
        directory: of the report.
        head: the document without runs, servers and overview.
    """

    def __init__(self, directory: Path, head: Mapping[str, Any]) -> None:
        self._path = directory / _NAME.format(os.getpid())
        self._whole = False
        self._made = not directory.exists()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            _clear(directory)
            self._path.write_text(_line(head), encoding="ascii")
            self._whole = True
        except OSError:
            self.remove()  # without its head the rest tells nothing

    def add(self, entry: Mapping[str, Any]) -> None:
        """Append a line; after one that could not be written there are no more, so that none is missing between."""
        if self._whole:
            try:
                with self._path.open("a", encoding="ascii") as file:
                    file.write(_line(entry))
            except OSError:
                self._whole = False

    def remove(self) -> None:
        """Remove the file, and its directory if it was made for it and holds nothing else."""
        with contextlib.suppress(OSError):
            self._path.unlink()
            if self._made:
                self._path.parent.rmdir()


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, allow_nan=False) + "\n"


def _clear(directory: Path) -> None:
    """Remove what sessions left whose process is gone: as a report is, it is replaced by the next one."""
    for path in directory.glob(_NAME.format("*")):
        process = path.stem.partition("-")[2]
        if process.isdigit() and not Path("/proc", process).exists():
            path.unlink()


def is_unfinished(path: Path) -> bool:
    """Whether a file is one of these, by its name."""
    return path.suffix == ".jsonl"


def joined(text: str) -> dict[str, Any]:
    """Return the document of a session that was ended by force.

    Raises:
        ValueError: if its first line cannot be read, or another besides its last.
        KeyError, TypeError: if it is no file of ours.
    """
    head, *entries = _entries(text)
    runs: dict[tuple[str, int], dict[str, Any]] = {}
    servers: dict[str, Any] = {}
    skipped: list[dict[str, Any]] = []
    for each in entries:
        if "outcome" in each:
            nodeid, attempt, outcome = each["outcome"]
            runs[nodeid, attempt]["outcome"] = outcome
        elif "skipped" in each:
            skipped.append(each["skipped"])
        else:
            run = each["run"] if "run" in each else {**each["begun"], "error": _CUT, "summary": _CUT}
            runs[run["nodeid"], run["attempt"]] = run
            if each.get("servers"):
                servers.setdefault(each["worker"], each["servers"])
    made = document(
        runs.values(),
        servers_of(servers),
        head["plugin"],
        head["started"],
        skipped=skipped,
        settings=head["settings"],
        environment=head["environment"],
    )
    return made | {"schema": head["schema"]}


def _entries(text: str) -> Iterator[dict[str, Any]]:
    *lines, cut = text.split("\n")
    if not lines:
        lines = [cut]  # not even the head is whole: that cannot be read
    for line in lines:
        yield json.loads(line)


def servers_of(servers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the servers of a session; with several workers the first one's, and those of each under `workers`."""
    if not servers:
        return {}
    first = next(iter(servers.values()))
    return dict(first) if len(servers) == 1 else {**first, "workers": dict(servers)}
