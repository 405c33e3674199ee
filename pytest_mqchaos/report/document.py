"""The document of a session: one versioned JSON that every renderer, dashboard and script reads.

```
account ──run_record──► run ─┐
account ──run_record──► run ─┼─ document ──► write ──► mqchaos-report/report.json
error ────run_record──► run ─┘
```
The schema is a file of the package; its version is the document's own, and within 1.x fields are only added.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_mqchaos.report.machines import environment_name, server_name, with_attempts, with_baselines
from pytest_mqchaos.report.overview import overview, split_name
from pytest_mqchaos.report.plain import plain
from pytest_mqchaos.report.record import run_record
from pytest_mqchaos.report.states import happened, state_of

__all__ = ["SCHEMA_VERSION", "document", "run_record", "schema", "write"]

SCHEMA_VERSION = "1.1"


def document(
    runs: Iterable[Mapping[str, Any]],
    servers: Mapping[str, Any],
    plugin: str,
    started: str,
    *,
    finished: str = "",
    skipped: Iterable[Mapping[str, Any]] = (),
    settings: Iterable[Mapping[str, Any]] = (),
    environment: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document of a session.

    Args:
        runs: what `run_record` returned, in the order of the tests.
        servers: what the runs ran on, by name (`rabbitmq`, `toxiproxy`): version, kind, address.
        plugin: the plugin's version.
        started: when the session began, ISO 8601 with its offset from UTC.
        finished: when it was over.
        skipped: tests that never began: `nodeid`, `scenario`, `reason`.
        settings: the options: `name`, `value`, `origin`.
        environment: what it ran in: Python, pytest, system.
    """
    runs = list(runs)
    named = {run["server"] for run in runs if run.get("server")} | {server_name(servers)} - {""}
    where = {
        "server": named.pop() if len(named) == 1 else "",
        "environment": environment_name(environment or {}),
    }
    told = with_baselines(with_attempts([_told({**where, **run}) for run in runs]))
    passed_over = [{**each, **_place(each)} for each in skipped]
    whole: dict[str, Any] = plain(
        {
            "schema": SCHEMA_VERSION,
            "plugin": plugin,
            "started": started,
            "finished": finished,
            "servers": dict(servers),
            "environment": dict(environment or {}),
            "settings": list(settings),
            "overview": overview(told, passed_over),
            "runs": [],
            "skipped": passed_over,
        }
    )
    whole["runs"] = told  # plain already, and by far the most
    return whole


def _told(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run with what its outcome makes of it, which may have changed since it was recorded."""
    return {**run, **_place(run), "state": state_of(run), "happened": happened(run)}


def _place(run: Mapping[str, Any]) -> dict[str, str]:
    file, test = split_name(run["nodeid"], run["scenario"])
    return {"file": file, "test": test}


def write(directory: Path, document: Mapping[str, Any]) -> Path:
    """Write the document as `report.json` into `directory`, whole or not at all, and return its path.

    Raises:
        OSError: if the directory cannot be made or written to; nothing half-written stays.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "report.json"
    part = directory / f".report-{os.getpid()}.json"
    try:
        with part.open("w", encoding="ascii") as file:
            json.dump(document, file, indent=1, allow_nan=False)
            file.write("\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def schema(version: str = SCHEMA_VERSION) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every document of a version obeys."""
    path = Path(__file__).with_name(f"schema-{version}.json")
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded
