"""Where each run took place: on which server, in which environment; so that machines of a matrix are told apart.

```
           same server,  same environment    another attempt; its baseline stands beside
           same server,  another environment  a test of its own; that baseline if it has none
           another server                     a test of its own; never beside
```
A server is its product, version and kind: two workers, or two shards, with a process each of one version have one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["environment_name", "labels", "machine", "server_name", "with_attempts", "with_baselines"]

Record = Mapping[str, Any]


def server_name(servers: Record) -> str:
    """Return the server that runs had, as in `rabbitmq 4.0.5 (docker)`; empty where it is unknown, or not one."""
    workers = servers.get("workers")
    if isinstance(workers, dict) and len({server_name(each) for each in workers.values()}) > 1:
        return ""
    if servers.get("broker") and servers.get("version"):
        return f"{servers['broker']} {servers['version']} ({servers.get('kind', 'unknown')})"
    return str(servers.get("description") or servers.get("version") or "")


def environment_name(environment: Record) -> str:
    """Return what a session ran in, in one line: each value with its name."""
    return ", ".join(f"{name} {value}" for name, value in environment.items())


def machine(run: Record) -> tuple[str, str]:
    """Return where a run took place: its server, its environment."""
    return run.get("server", ""), run.get("environment", "")


def labels(runs: Iterable[Record]) -> Callable[[Record], str]:
    """Return what says of a run where it took place, as far as these runs differ in that; empty where they do not."""
    known = {machine(run) for run in runs}
    servers, environments = ({each[part] for each in known} - {""} for part in (0, 1))
    common = set[str]().union(*([servers] if len(servers) == 1 else []))
    common |= (
        set[str].intersection(*(set(each.split(", ")) for each in environments)) if environments else set()
    )

    def label(run: Record) -> str:
        server, environment = machine(run)
        return ", ".join(part for part in (server, *environment.split(", ")) if part and part not in common)

    return label


def with_attempts(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Say of each run which attempt of its test was the last on its machine."""
    last: dict[tuple[Any, ...], int] = {}
    for run in runs:
        key = (run["nodeid"], *machine(run))
        last[key] = max(run["attempt"], last.get(key, 1))
    for run in runs:
        run["attempts"] = last[run["nodeid"], *machine(run)]
    return runs


def with_baselines(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name the run of the same test's baseline beside each one: its last attempt on the same machine.

    Where that has none, one on the same server: before it if there is one. The pace of another server is no measure.
    """
    baselines: dict[tuple[str, str], list[int]] = {}
    for number, run in enumerate(runs):
        if run["scenario"] == "baseline":
            baselines.setdefault((run["file"], run["test"]), []).append(number)
    for number, run in enumerate(runs):
        known = baselines.get((run["file"], run["test"]), [])
        run["baseline"] = None if run["scenario"] == "baseline" else _beside(runs, number, known)
    return runs


def _beside(runs: Sequence[Record], number: int, known: Sequence[int]) -> int | None:
    server, _ = here = machine(runs[number])
    same = [each for each in known if machine(runs[each]) == here]
    if same:
        return same[-1]
    near = [each for each in known if runs[each].get("server", "") == server]
    before = [each for each in near if each < number]
    return next(iter([*reversed(before), *near]), None)
