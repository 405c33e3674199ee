"""The broker as a test sees it: what it is, and what may be done to it by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_mqchaos.model.faults import Fault, broker_restart

if TYPE_CHECKING:
    from pytest_mqchaos.brokers._protocol import Broker
    from pytest_mqchaos.experiment.injection import Injection

__all__ = ["BrokerHandle"]


class BrokerHandle:
    """The broker of a test. Disturbing it is a fault like any other: it stands in the history."""

    def __init__(self, broker: Broker, inject: Callable[[Fault], Injection]) -> None:
        self._broker = broker
        self._inject = inject

    @property
    def version(self) -> str:
        """The broker's own version."""
        return self._broker.version

    @property
    def description(self) -> str:
        """One line: product, version, process or container, address."""
        return self._broker.description

    def restart(self) -> None:
        """Stop the broker cleanly and start it again; returns when clients are served again."""
        __tracebackhide__ = True
        self._inject(broker_restart())

    def __repr__(self) -> str:
        """One line: what runs."""
        return f"<{self._broker.description}>"
