"""The handle of a fault that a test injects by hand."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.injector import Armed
from pytest_mqchaos.link.loop import LoopThread

__all__ = ["Injection"]

_HEAL_TIMEOUT = 15.0


class Injection:
    """A fault under way: whether it struck, and how to end it."""

    def __init__(self, armed: Armed, thread: LoopThread) -> None:
        self._armed = armed
        self._thread = thread

    @property
    def fired(self) -> bool:
        """Whether it has struck."""
        return self._armed.fired

    @property
    def description(self) -> str:
        """The fault as a user would write it."""
        return str(self._armed.fault)

    def heal(self) -> None:
        """End it now, and return when all is whole again; one that is over, or has not struck, is left alone.

        Raises:
            ChaosError: if that fails, or takes longer than 15 seconds.
        """
        __tracebackhide__ = True
        if self._armed.striking and not self._armed.done.wait(_HEAL_TIMEOUT):
            raise ChaosError(f"{self._armed.fault} still strikes after {_HEAL_TIMEOUT:g} s")
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
        self.heal()

    def __repr__(self) -> str:
        """One line: the fault and how far it is."""
        state = "healed" if self._armed.healed.is_set() else ("fired" if self.fired else "armed")
        return f"<{self._armed.fault}: {state}>"
