"""The handle of a fault that a test injects by hand."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.striking.injector import Armed, Injector
from pytest_mqchaos.link.loop import LoopThread

__all__ = ["Injection"]

_HEAL_TIMEOUT = 15.0


class Injection:
    """A fault under way: whether it struck, and how to end it.

    As a context manager it belongs to its block: at the end of that it is healed, and one that has not struck by
    then is disarmed. A fault that never struck tested nothing, so the run is `unknown` (*vacuous*): wait for its
    moment inside of the block, `mqchaos.wait(ack(5))`.

    Args:
        armed: the fault.
        thread: the link's thread.
        injector: which has armed it.
    """

    def __init__(self, armed: Armed, thread: LoopThread, injector: Injector) -> None:
        self._armed = armed
        self._thread = thread
        self._injector = injector

    @property
    def fired(self) -> bool:
        """Whether it has struck."""
        return self._armed.fired

    @property
    def healed(self) -> bool:
        """Whether it has struck and is over."""
        return self._armed.fired and self._armed.healed.is_set()

    @property
    def description(self) -> str:
        """The fault as a user would write it."""
        return str(self._armed.fault)

    def heal(self) -> None:
        """End it now, and return when all is whole again; one that is over, or still waits for its moment, stays so.

        Raises:
            ChaosError: if that fails, or takes longer than 15 seconds.
        """
        __tracebackhide__ = True
        self._injector.await_strikes([self._armed], _HEAL_TIMEOUT)
        heal = self._armed.heal
        if heal is None or self._armed.healed.is_set():
            return
        if self._armed.fault.kind == "consumer_terminate":
            if not self._armed.healed.wait(float(str(self._armed.fault.option("grace"))) + _HEAL_TIMEOUT):
                raise ChaosError(f"{self._armed.fault}: the consumer has not ended")
            return
        self._thread.call(heal(), timeout=_HEAL_TIMEOUT, what=f"healing {self._armed.fault}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self._injector.withdraw(self._armed, _HEAL_TIMEOUT)
        self.heal()

    def __repr__(self) -> str:
        """One line: the fault and how far it is."""
        armed = self._armed
        if armed.withdrawn:
            state = "disarmed"
        else:
            state = "healed" if armed.healed.is_set() else ("fired" if self.fired else "armed")
        return f"<{self._armed.fault}: {state}>"
