"""Which servers a session takes for a test, and what it remembers of those that cannot be had."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos.errors import ChaosError, ServerUnavailable, UsageError
from pytest_mqchaos.experiment import session
from pytest_mqchaos.experiment.session import Session

PLAIN: Any = SimpleNamespace(disturbs=False, scenario=SimpleNamespace(faults=()))
DISTURBS: Any = SimpleNamespace(disturbs=True, scenario=SimpleNamespace(faults=()))


class House:
    """Stands that are made, or refused as `refuses` says by kind; `tried` has every try."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tried: list[str] = []
        self.refuses: dict[str, Exception] = {}
        monkeypatch.setattr(session, "own_stand", lambda settings: self.stand("own"))
        monkeypatch.setattr(session, "shared_stand", lambda settings: self.stand("shared"))
        monkeypatch.setattr(session, "LoopThread", lambda: SimpleNamespace(close=lambda: None))
        monkeypatch.setattr(session, "Run", lambda test, *, broker, **parts: broker.kind)
        monkeypatch.setattr(
            session, "Chaos", lambda kind: SimpleNamespace(kind=kind, closed=True, close=lambda: None)
        )

    def stand(self, kind: str) -> Any:
        """Make a stand, or refuse."""
        self.tried.append(kind)
        if kind in self.refuses:
            raise self.refuses[kind]
        broker = SimpleNamespace(kind=kind, untouchable="")
        servers = SimpleNamespace(broker=broker, programs=None, errands=None)
        return SimpleNamespace(
            servers=servers, network=None, directory=None, whole=lambda: True, close=lambda: None
        )


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    """Where stands are made."""
    return House(monkeypatch)


def opened(own: Session, test: Any) -> str:
    """Return the kind of stand that a test has, or what is said instead."""
    try:
        return str(own.open(test).kind)  # type: ignore[attr-defined]  # the stand-in has its kind
    except ChaosError as error:
        return str(error)


def made(worker: str = "gw0", servers: str = "process", *, keep: bool = False) -> Session:
    """Return a session with these settings."""
    settings: Any = SimpleNamespace(worker=worker, servers=servers, keep=keep)
    return Session(settings)


def test_what_a_test_has(house: House) -> None:
    """Workers share one stand but for what disturbs it; alone in its session everything has the same."""
    worker = made()
    assert [opened(worker, test) for test in (PLAIN, DISTURBS, PLAIN, DISTURBS)] == ["shared", "own"] * 2
    assert house.tried == ["shared", "own"]
    assert {opened(made(""), test) for test in (PLAIN, DISTURBS)} == {"own"}
    assert {opened(made("", keep=True), test) for test in (PLAIN, DISTURBS)} == {"shared"}
    assert {opened(made(servers="external"), test) for test in (PLAIN, DISTURBS)} == {"own"}


@pytest.mark.parametrize(("lacks", "has"), [("own", "shared"), ("shared", "own")])
def test_one_stand_that_cannot_be_had(house: House, lacks: str, has: str) -> None:
    """It is tried once, and the tests that need the other kind run."""
    house.refuses[lacks] = ServerUnavailable("no port")
    tests = {"own": DISTURBS, "shared": PLAIN}
    worker = made()
    said = [opened(worker, tests[kind]) for kind in (lacks, has, lacks, has)]
    assert said == ["no port", has, "no port", has]
    assert house.tried == [lacks, has]


def test_an_error_that_may_pass(house: House) -> None:
    """What does not say that no servers can be had is tried again by the next test."""
    house.refuses["own"] = ChaosError("it did not answer")
    worker = made()
    assert opened(worker, DISTURBS) == "it did not answer"
    del house.refuses["own"]
    assert opened(worker, DISTURBS) == "own"


@pytest.mark.parametrize(
    ("kind", "error"), [("process", UsageError("no such image")), ("external", ChaosError("no broker there"))]
)
def test_an_error_that_stays(house: House, kind: str, error: ChaosError) -> None:
    """A wrong option, and a broker of somebody else's that refuses us, are asked once."""
    house.refuses["own"] = error
    alone = made("", kind)
    assert [opened(alone, PLAIN) for _ in range(2)] == [str(error)] * 2
    assert house.tried == ["own"]
