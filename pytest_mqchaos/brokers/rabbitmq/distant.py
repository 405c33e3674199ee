"""A RabbitMQ that another process of ours holds: who holds it serves, who is its guest asks.

Clients, links and the publisher go straight to the broker's port. What goes by the other process is what only it can
do: a call by the shell that it has open, a signal to its child, a start after a kill.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pytest_mqchaos.brokers._protocol import Broker, Far
from pytest_mqchaos.brokers.rabbitmq.broker import BOOT_TIMEOUT, CALL_TIMEOUT, RabbitMQ
from pytest_mqchaos.brokers.rabbitmq.shell import Shell
from pytest_mqchaos.errors import ChaosError

__all__ = ["attach", "facts", "serve"]


def facts(broker: Broker) -> dict[str, object]:
    """What a guest must know of a broker."""
    ground = _held(broker).ground
    return {"kind": ground.kind, "place": ground.place, "host": ground.host, "port": ground.port}


def serve(broker: Broker, name: str, arguments: Sequence[Any], *, timeout: float) -> object:
    """Do for a guest what it asked by `name`, and return what is to be answered.

    Raises:
        ChaosError: it cannot be done, or there is no such thing to do.
    """
    held = _held(broker)
    ground = held.ground
    if name == "call":
        function, words, what = arguments
        return held.call(function, *words, what=what, timeout=timeout)
    if name == "signal":
        ground.signal(signal.Signals(arguments[0]))
        return None
    if name == "launch":
        ground.launch()
        return None
    if name == "ended":
        return ground.ended()
    if name == "log_tail":
        return ground.log_tail(int(arguments[0]))
    if name == "last_words":
        return ground.last_words()
    raise ChaosError(f"there is no {name!r} to ask a broker for")


def attach(said: Mapping[str, Any], far: Far, *, untouchable: str) -> RabbitMQ:
    """Use a broker that another process holds; `untouchable` says why it must not be disturbed, if so.

    Raises:
        ChaosError: it does not serve.
    """
    ground = _Ground(said, far)
    broker = RabbitMQ(ground, ground.open_shell())
    broker.untouchable = untouchable
    return broker


def _held(broker: Broker) -> RabbitMQ:
    assert isinstance(broker, RabbitMQ)
    return broker


class _Ground:
    """Where its VM runs, as the process tells that holds it (see `Ground`)."""

    def __init__(self, said: Mapping[str, Any], far: Far) -> None:
        self.kind = str(said["kind"])
        self.place = str(said["place"])
        self.host = str(said["host"])
        self.port = int(said["port"])
        self._far = far

    def open_shell(self) -> Shell:
        return cast("Shell", _Shell(self._far))

    def signal(self, number: signal.Signals) -> None:
        self._far.ask("signal", int(number), timeout=CALL_TIMEOUT * 2)

    def ended(self) -> str | None:
        try:
            return cast("str | None", self._far.ask("ended", timeout=CALL_TIMEOUT))
        except ChaosError as error:  # with whoever holds it, it has ended, too
            return str(error)

    def launch(self) -> None:
        self._far.ask("launch", timeout=BOOT_TIMEOUT)
        self.place = str(self._far.facts()["place"])

    def log_tail(self, lines: int) -> str:
        return str(self._far.ask("log_tail", lines, timeout=CALL_TIMEOUT))

    def last_words(self) -> str:
        return str(self._far.ask("last_words", timeout=CALL_TIMEOUT))

    def stop(self) -> None:
        """It is not ours to end."""


class _Shell:
    """The calls of `Shell`, by that of the process that holds the broker."""

    closed = False
    last_words = ""

    def __init__(self, far: Far) -> None:
        self._far = far

    def call(self, function: str, arguments: Sequence[str] = (), *, timeout: float, what: str) -> Any:
        return self._far.ask("call", function, list(arguments), what, timeout=timeout)

    def close(self) -> None:
        """Its own stays open."""
