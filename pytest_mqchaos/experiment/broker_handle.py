"""The broker as a test sees it: what it is, and what may be done to it by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults import Fault, broker_crash, broker_restart

if TYPE_CHECKING:
    from pytest_mqchaos.brokers._protocol import Broker
    from pytest_mqchaos.experiment.striking.injection import Injection

__all__ = ["BrokerHandle"]


class BrokerHandle:
    """The broker of a test. Disturbing it is a fault like any other: it stands in the history.

    It is one that this run started, or a container that the user named: nothing here disturbs another.
    """

    def __init__(self, broker: Broker, inject: Callable[[Fault], Injection]) -> None:
        self._broker = broker
        self._inject = inject
        self._frozen: Injection | None = None

    @property
    def version(self) -> str:
        """The broker's own version."""
        return self._broker.version

    @property
    def description(self) -> str:
        """One line: product, version, process or container, address."""
        return self._broker.description

    @property
    def frozen(self) -> bool:
        """Whether it was frozen by hand, and goes on only when it is thawed."""
        return self._frozen is not None and not self._frozen.healed  # a restart or crash lets it go on first

    def restart(self) -> None:
        """Stop the broker cleanly and start it again; returns when clients are served again.

        Raises:
            UsageError: if it is frozen.
            ChaosError: if it does not come back.
        """
        __tracebackhide__ = True
        self._refuse_frozen("restart")
        self._inject(broker_restart())

    def crash(self) -> None:
        """Kill the broker (SIGKILL) and start it again at its address; returns when clients are served again.

        Meanwhile connections are refused. Before that, queues younger than 3 s are waited for, since a broker that
        is killed may lose them with all that was confirmed: what is on its way stands still for so long, and the
        wait stands in the history.

        Raises:
            UsageError: if it is frozen.
            ChaosError: if it does not come back.
        """
        __tracebackhide__ = True
        self._refuse_frozen("crash")
        self._inject(broker_crash())

    def freeze(self) -> None:
        """Let the broker stand still (SIGSTOP) until `thaw`: connections stay open, and nothing answers.

        `mqchaos.settle()` and the test's end thaw it, too. One that is frozen stays so.
        """
        __tracebackhide__ = True
        if not self.frozen:
            # a fault without a duration: until it is healed
            self._frozen = self._inject(Fault(kind="broker_freeze", family="broker"))

    def thaw(self) -> None:
        """Let a frozen broker go on (SIGCONT); returns when it serves again. One that is not frozen is left alone.

        Raises:
            ChaosError: if it does not serve again.
        """
        __tracebackhide__ = True
        if self._frozen is not None:
            self._frozen.heal()
            self._frozen = None

    def _refuse_frozen(self, verb: str) -> None:
        __tracebackhide__ = True
        if self.frozen:
            raise UsageError(f"{verb}(): the broker is frozen; call mqchaos.broker.thaw() first")

    def __repr__(self) -> str:
        """One line: what runs."""
        return f"<{self._broker.description}>"
