"""At which moments the place in a consumer's output is marked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos.experiment.kept.outputs import Outputs
from pytest_mqchaos.model import events as e


class Growth:
    """Remembers what was asked of it."""

    def __init__(self) -> None:
        self.marked: list[int | None] = []
        self.looks = 0

    def mark(self, at: int | None = None) -> None:
        """Take a mark."""
        self.marked.append(at)

    def look(self, at: int | None = None) -> None:
        """Take a look."""
        self.looks += 1


def crew() -> dict[str, Any]:
    """Return three replicas by name."""
    return {name: SimpleNamespace(name=name, growth=Growth()) for name in ("worker", "worker#2", "other")}


LOST: dict[str, Any] = {"at": 7, "link": "worker#2", "connection": 1}


@pytest.mark.parametrize(
    ("event", "marked"),
    [
        (e.FaultFired(at=7, fault=0, description="x", target="worker#2, other"), {"worker#2", "other"}),
        (e.FaultFired(at=7, fault=0, description="x", target="broker"), {"worker", "worker#2", "other"}),
        (e.FaultFired(at=7, fault=0, description="x", target="publisher"), set()),
        (e.FaultFired(at=7, fault=0, description="x", target="worker", actor="publisher"), set()),
        (e.FaultFired(at=7, fault=0, description="x", target="worker"), {"worker", "worker#2"}),
        (e.LinkLost(by="fault", **LOST), {"worker#2"}),
        (e.LinkLost(by="client", clean=True, **LOST), set()),
        (e.ConsumerEnded(at=7, consumer="other", pid=1, exit_code=1, by="itself"), {"other"}),
        (e.ConsumerEnded(at=7, consumer="other", pid=1, exit_code=0, by="plugin"), set()),
        (e.ConsumerFrozen(at=7, consumer="worker"), {"worker"}),
        (e.FaultArmed(at=7, fault=0, description="x"), set()),
    ],
)
def test_whose_place_is_marked(event: e.Event, marked: set[str]) -> None:
    """That of those who are struck, cut off or ended, at the moment of the event; an end that we bring is none."""
    replicas = crew()
    Outputs(lambda: list(replicas.values())).saw(event)
    assert {name for name, one in replicas.items() if one.growth.marked == [7]} == marked
    assert all(one.growth.marked in ([], [7]) for one in replicas.values())


def test_every_file_is_looked_at() -> None:
    """A look is at all of them."""
    replicas = crew()
    Outputs(lambda: list(replicas.values())).look()
    assert [one.growth.looks for one in replicas.values()] == [1, 1, 1]
