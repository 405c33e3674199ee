"""A document of an earlier 1.x, completed: every field of this version is there, empty where nobody wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_mqchaos.report.document import document
from pytest_mqchaos.report.figures import NOTHING
from pytest_mqchaos.report.machines import environment_name, server_name

__all__ = ["complete"]

_RUN: Mapping[str, Any] = {
    "promise": "",
    "reason": "",
    "settings": {},
    "lives_left_out": 0,
    **{name: value for name, value in NOTHING.items() if name != "strikes"},
}
_FAULT: Mapping[str, Any] = {"recovery": None, "resumed": None, "struck": []}
_STEP: Mapping[str, Any] = {"kind": "", "where": ""}
_PROCESS: Mapping[str, Any] = {"output_at": [], "output_near": []}
_LIFE: Mapping[str, Any] = {"digest": "", "events_gap": None, "headers": [], "output": []}


def complete(known: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the document with every field of this version; one that has them all comes back as it is."""
    if "overview" in known:
        if all(_whole(run) for run in known["runs"]):
            return known
        where = {
            "server": server_name(known["servers"]),
            "environment": environment_name(known["environment"]),
        }
        return {**known, "runs": [{**where, **_filled(run)} for run in known["runs"]]}
    return document(
        [_earliest(run) for run in known["runs"]],
        known["servers"],
        known["plugin"],
        known["started"],
        finished=known.get("finished", ""),
    ) | {"schema": known["schema"]}


def _whole(run: Mapping[str, Any]) -> bool:
    return (
        (_RUN.keys() | {"server", "environment"}) <= run.keys()
        and all(_LIFE.keys() <= life.keys() for life in run["lives"])
        and all(
            _PROCESS.keys() <= each.keys() for consumer in run["consumers"] for each in consumer["processes"]
        )
    )


def _filled(run: Mapping[str, Any]) -> dict[str, Any]:
    filled = {**_RUN, **run, "lives": [{**_LIFE, **life} for life in run["lives"]]}
    filled["consumers"] = [
        {**consumer, "processes": [{**_PROCESS, **each} for each in consumer["processes"]]}
        for consumer in filled["consumers"]
    ]
    return filled


def _earliest(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run of schema 1.0, which has no figures."""
    filled = _filled(run)
    filled["faults"] = [{**_FAULT, **fault} for fault in run["faults"]]
    for life in filled["lives"]:
        life["events"] = [{**_STEP, **step} for step in life["events"]]
    return filled
