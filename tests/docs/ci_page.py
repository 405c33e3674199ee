"""The jobs that docs/ci.md shows, of whichever CI system: their environment, their services and their commands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from readme import ROOT

TEXT = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Job:
    """One job: `services` by the name under which the job knows them, `kept` is what it uploads."""

    name: str
    commands: tuple[str, ...]
    env: dict[str, str]
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    kept: tuple[str, ...] = ()


def files() -> dict[str, Any]:
    """Return the YAML blocks by the file name in their first line."""
    blocks = re.findall(r"^```yaml\n# (\S+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return {name: yaml.safe_load(text) for name, text in blocks}


def jobs() -> list[Job]:
    """Return all jobs of the page."""
    found = []
    for name, content in files().items():
        read = _github if name.startswith(".github/") else _gitlab
        found += list(read(content))
    return found


def _github(content: dict[str, Any]) -> list[Job]:
    return [
        Job(
            name=f"{content['name']}/{name}",
            commands=tuple(step["run"] for step in job["steps"] if "run" in step),
            env=job.get("env", {}),
            services=job.get("services", {}),
            kept=tuple(
                step["with"]["path"] for step in job["steps"] if "upload-artifact" in step.get("uses", "")
            ),
        )
        for name, job in content["jobs"].items()
    ]


def _gitlab(content: dict[str, Any]) -> list[Job]:
    return [
        Job(
            name=f"gitlab/{name}",
            commands=tuple(job["script"]),
            env=job.get("variables", {}),
            # A service of GitLab's gets the variables of its job.
            services={one["alias"]: {**one, "env": job["variables"]} for one in job.get("services", [])},
            kept=(*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]),
        )
        for name, job in content.items()
        if name != "default"
    ]
