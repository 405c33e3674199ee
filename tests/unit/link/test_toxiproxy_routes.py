"""Addresses of proxies: which are given back when a proxy cannot be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.link.toxiproxy import ToxiproxyNetwork


class Server:
    """A Toxiproxy of three addresses, which is never spoken to."""

    kind, api, upstream = "docker", ("127.0.0.1", 1), "broker:5672"

    def __init__(self) -> None:
        self.given: list[str] = []

    def listen_address(self) -> tuple[str, tuple[str, int]]:
        """The first that is free."""
        port = next(port for port in (8701, 8702, 8703) if f"0.0.0.0:{port}" not in self.given)
        self.given.append(f"0.0.0.0:{port}")
        return self.given[-1], ("127.0.0.1", port)

    def release(self, listen: str) -> None:
        """Take it back."""
        self.given.remove(listen)

    def alive(self) -> bool:
        """It runs."""
        return True


@pytest.fixture
def server() -> Server:
    """A Toxiproxy."""
    return Server()


def network(server: Server, monkeypatch: pytest.MonkeyPatch, *answers: str) -> ToxiproxyNetwork:
    """A network on it; each question is answered by an error with these words, or by a proxy where there are none."""
    made, said = ToxiproxyNetwork(server), iter(answers)

    def ask(what: str, call: Callable[[], Any]) -> object:
        if words := next(said):
            raise ChaosError(f"Toxiproxy did not {what}: {words}")
        return object()

    monkeypatch.setattr(made, "ask", ask)
    return made


def test_the_address_of_a_proxy_that_was_not_made(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given back: a container has few."""
    refusing = network(server, monkeypatch, *["it said 500"] * 10)
    for _ in range(10):
        with pytest.raises(ChaosError, match="it said 500"):
            refusing.route("mqchaos-k3f9-1")
    assert server.given == []


def test_an_address_that_somebody_else_has(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not to be had, so it is not handed out a second time."""
    route = network(server, monkeypatch, "listen: address already in use", "").route("mqchaos-k3f9-1")
    assert route.address == ("127.0.0.1", 8702)
    assert server.given == ["0.0.0.0:8701", "0.0.0.0:8702"]
