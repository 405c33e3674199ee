"""The sockets of a relay."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos.link import sides


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="Linux")
def test_each_segment_of_a_client_is_acknowledged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel forgets it each time: a client that holds small writes back until then would send its ack late."""
    said: list[Any] = []
    own = SimpleNamespace(setsockopt=lambda *words: said.append(words))
    relay = SimpleNamespace(client_data=said.append)
    monkeypatch.setattr(sides, "_begin", lambda _transport: None)
    monkeypatch.setattr(sides.asyncio, "Transport", SimpleNamespace)
    side = sides.ClientSide(lambda _transport: relay)  # type: ignore[arg-type, return-value]
    side.connection_made(SimpleNamespace(get_extra_info=lambda _name: own))  # type: ignore[arg-type]
    side.data_received(b"one")
    quick = (socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    assert said == [quick, quick, b"one"]
