"""What a test does by hand: faults now or armed for a moment, and waiting for one."""

from __future__ import annotations

import time

from pytest_mqchaos.errors import ChaosError, NotPossible, UsageError
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.striking.aims import check_aim, check_called
from pytest_mqchaos.experiment.striking.injection import Injection
from pytest_mqchaos.experiment.striking.sightings import Sightings
from pytest_mqchaos.model.faults import Fault, Scenario
from pytest_mqchaos.model.triggers import Trigger
from pytest_mqchaos.model.waits import seconds

__all__ = ["ByHand"]

_STRIKE_TIMEOUT = 120.0
_CONSUMED = {"delivery", "ack", "nack", "effect", "call"}


class ByHand:
    """Faults and waits by hand of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def inject(self, fault: Fault) -> Injection:
        """Let a fault strike now, or arm it for its moment; see `Chaos.inject`."""
        __tracebackhide__ = True
        if isinstance(fault, Scenario) or not isinstance(fault, Fault):
            written = getattr(fault, "__name__", None)
            why = f"forgotten parentheses: write inject({written}())" if written else "one fault at a time"
            raise UsageError(f"inject({fault!r}): {why}")
        run = self._run
        self._check_hand(fault)
        armed = run.injector.arm(fault, by_hand=True)
        if fault.trigger is None and fault.family not in ("payload", "protocol"):
            run.injector.fire_now(armed)
            if not armed.done.wait(_STRIKE_TIMEOUT):
                raise ChaosError(f"{fault} has not struck within {_STRIKE_TIMEOUT:g} s")
            if armed.error is not None:
                raise armed.error
        elif fault.trigger is None and fault.family == "protocol":
            run.injector.fire_now(armed)  # from now on, it waits for the next ack or confirm
        if run.publications:
            run.injector.choose_moments(sum(one.size for one in run.publications))
        return Injection(armed, run.thread, run.injector)

    def _check_hand(self, fault: Fault) -> None:
        __tracebackhide__ = True
        if fault.family == "broker" and (why := self._run.broker.untouchable):
            raise NotPossible(f"{fault}: {why}")
        if fault.family == "payload" and self._run.publications:
            raise UsageError(f"inject({fault}): inject it before publish(), whose messages it spoils")
        if fault.family == "process" and not self._run.replicas() and not self._run.inside.names:
            raise UsageError(f"inject({fault}): there is no consumer yet; start one first")
        if fault.kind == "canary":
            raise UsageError(
                "inject(canary()): it is a scenario of its own: chaos(canary()), or --mqchaos-canary"
            )
        if fault.times > 1 and fault.trigger is None:
            raise UsageError(
                f"inject({fault}): give its first moment, such as after=delivery(5); without one it is now"
            )
        check_aim(self._run, fault)
        if self._run.consumers:
            check_called(self._run, fault.trigger, f"inject({fault})")

    def wait(self, trigger: Trigger, timeout: float) -> None:
        """Wait until a moment; see `Chaos.wait`."""
        __tracebackhide__ = True
        if not isinstance(trigger, Trigger):
            written = getattr(trigger, "__name__", "delivery")
            raise UsageError(f"wait({trigger!r}): a trigger such as {written}(3)")
        timeout = seconds(f"wait({trigger})", "timeout", timeout)
        run = self._run
        check_called(run, trigger, f"wait({trigger})")
        if trigger.kind == "seconds":
            if trigger.time + trigger.delay > timeout:
                raise UsageError(f"wait({trigger}): longer than its timeout of {timeout:g} s")
            time.sleep(trigger.time + trigger.delay)  # a time that the test asks for
            return
        wanted = trigger.n or 1
        sightings = None if trigger.message is None else Sightings(run.history, trigger)
        deadline = time.monotonic() + timeout
        while True:
            run.check()
            if trigger.kind == "effect":
                run.poll_effects()
            so_far = run.injector.count(trigger) if sightings is None else sightings.count()
            if so_far >= wanted:
                time.sleep(trigger.delay)  # a time that the test asks for
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise ChaosError(f"wait({trigger}): not within {timeout:g} s, {so_far} so far")
            if trigger.kind in _CONSUMED and self._nobody_left():
                gone = run.consuming()[0]
                raise ChaosError(
                    f"wait({trigger}): no consumer is left, {so_far} so far; {gone.name}: {gone.describe_failure()}"
                )
            with run.history.changed:
                run.history.changed.wait(min(left, 0.02))

    def _nobody_left(self) -> bool:
        replicas = self._run.consuming()
        return (
            bool(replicas)
            and not self._run.inside.names
            and not any(replica.alive or replica.restarting for replica in replicas)
        )
