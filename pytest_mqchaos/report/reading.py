"""A document read back from a file: whole, of a version that we know, or refused in one line.

```
report.json ──────────┐
                      ├─ obeys its schema? ─ points at runs that are there? ──► document
unfinished-*.jsonl ───┘  what a session left that was ended by force
```
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.sequences import SHOWN
from pytest_mqchaos.report.document import SCHEMA_VERSION, schema
from pytest_mqchaos.report.html.complete import complete
from pytest_mqchaos.report.obeys import trouble
from pytest_mqchaos.report.unfinished import is_unfinished, joined

__all__ = ["NoReport", "chosen", "read"]


class NoReport(ChaosError):
    """A file holds no report that can be read; the text is one line that names the file."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{printable(str(path))}: {printable(why, 300)}")


def read(path: Path) -> dict[str, Any]:
    """Return the document in a file, of a directory in the `chosen` one. A document of an earlier 1.x stays one.

    Raises:
        NoReport: if there is no such file, it is no JSON, its schema is of another version, or is not obeyed.
    """
    path = chosen(path)
    try:
        text = path.read_text(encoding="utf-8")
        found = joined(text) if is_unfinished(path) else json.loads(text, parse_constant=_refused)
    except OSError as error:
        raise NoReport(path, error.strerror or str(error)) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoReport(path, f"not JSON: {str(error) or type(error).__name__}") from None
    why = next(_troubles(found), "")
    if why:
        raise NoReport(path, why)
    document: dict[str, Any] = found
    return document


def chosen(path: Path) -> Path:
    """Return the file that is meant: of a directory its `report.json`, or else the only one that a cut session left.

    Raises:
        NoReport: if a directory has no `report.json` and several cut sessions left theirs there.
    """
    if not path.is_dir():
        return path
    if (path / "report.json").exists():
        return path / "report.json"
    found = sorted(each.name for each in path.iterdir() if is_unfinished(each))
    if len(found) > 1:
        shown = ", ".join(found[:SHOWN]) + (f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else "")
        raise NoReport(path, f"no report.json, and of sessions that were cut short {shown}: name one of them")
    return path / (found[0] if found else "report.json")


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _troubles(found: object) -> Iterator[str]:
    if not isinstance(found, dict) or not isinstance(found.get("schema"), str) or "runs" not in found:
        yield "no report of pytest-mqchaos"
        return
    version = found["schema"]
    if not re.fullmatch(r"1\.\d+", version):
        yield f"its schema is {version}, and this version reads 1.x (1.{SCHEMA_VERSION.partition('.')[2]} and earlier)"
        return
    try:
        why = trouble(found, schema("1.0" if version == "1.0" else SCHEMA_VERSION))
        if why:
            yield f"no report of pytest-mqchaos: {why}"
            return
        yield from _astray(complete(found))
    except RecursionError:
        yield "no report of pytest-mqchaos: nested too deep"


def _astray(whole: Mapping[str, Any]) -> Iterator[str]:
    """Name what points at a run that is not there."""
    overview, runs = whole["overview"], range(len(whole["runs"]))
    pointers = [overview["first"], *(run["baseline"] for run in whole["runs"])]
    pointers += [number for cause in overview["causes"] for number in cause["runs"]]
    pointers += [cell["run"] for row in overview["tests"] for cell in row["cells"]]
    if any(each is not None and each not in runs for each in pointers):
        yield "no report of pytest-mqchaos: it points at runs that are not there"
    if any(not cause["runs"] for cause in overview["causes"]):
        yield "no report of pytest-mqchaos: a cause without a run"
