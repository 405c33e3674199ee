"""How a run comes to its accounts: it settles, its consumers are ended, the effects are read a last time."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.consumers.wrapped import refuse_unwrapped
from pytest_mqchaos.experiment.verdict.dying import behind
from pytest_mqchaos.experiment.verdict.judging import account_of
from pytest_mqchaos.experiment.verdict.settle import Settling
from pytest_mqchaos.experiment.work import Work
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.guarantees import Guarantee
from pytest_mqchaos.model.guarantees import guarantee as guarantee_of
from pytest_mqchaos.model.history import now
from pytest_mqchaos.model.waits import seconds

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.run import Run
    from pytest_mqchaos.model.account import Account

__all__ = ["Accounts"]

_GRACE = 3.0
"""Seconds that consumers have for their own end when a test is over."""
_RUN_ON = (
    "the test ended without `await mqchaos.asettle()`: its event loop was run on until the run had settled"
)
_CUT_SHORT = (
    "the test's event loop had ended before the run was settled, and with it the consumers on it: what is left "
    "says nothing of them; end the test with `await mqchaos.asettle()`"
)


class Accounts:
    """The accounts of one run, and how long it took to come to them."""

    def __init__(self, run: Run, work: Work) -> None:
        self._run = run
        self._work = work
        self._timings: dict[str, float] = {}
        self._opened = time.monotonic()
        self._judged_at: tuple[int, ...] = ()
        self.settling = False
        """Whether it is waited for that the run settles."""
        self.spoiled = ""
        """Why it could not be settled, where the ground under it failed: no fault of the test's own."""

    def settled(self, timeout: float | None = None, *, guarantee: object = None) -> Account:
        """Settle, and return the account of that, by the test's own guarantee or another one.

        Raises:
            UsageError: if the time-out or the guarantee is none.
            ChaosError: if the test itself, or the ground under it, is at fault.
        """
        __tracebackhide__ = True
        chosen = None if guarantee is None else guarantee_of(guarantee)
        self._settle(None if timeout is None else seconds("settle()", "timeout", timeout, above=True), chosen)
        self._run.history.check()
        return account_of(self._run, timings=self._timings, final=False, guarantee=chosen)

    def concluded(self) -> Account:
        """Give the final verdict: settle if anything happened since, end the consumers, read the effects, judge.

        Raises:
            ChaosError: if the test itself, or the ground under it, is at fault.
        """
        __tracebackhide__ = True
        fresh = self._judged_at != self._doings()
        cut_short = fresh and self._settle_at_the_end()
        started = time.monotonic()
        self._run.disarm()
        self._run.end_consumers(_GRACE)
        self._run.board.poll(final=True)
        try:
            self._run.board.poll_calls()
        except ChaosError as error:
            if fresh:
                raise
            # The test settled by itself, and has closed what its source reads from: that reading stands.
            self._run.history.append(facts.Noted(at=now(), text=f"not read again at the end: {error}"))
        self._run.outlets.last_look()
        self._run.board.check()
        self._run.history.check()
        self._timings["end"] = time.monotonic() - started
        return account_of(self._run, timings=self._timings, final=True, cut_short=cut_short)

    def _settle_at_the_end(self) -> bool:
        """Settle after the test's function; return whether what is left says nothing of its consumers.

        A task stands still when the test's function has ended: its loop runs on if it can, else it was cut short.
        """
        __tracebackhide__ = True
        run, loops = self._run, self._run.inside.loops
        if not run.inside.stopped:
            self._settle(None)
            return False
        loop = loops.resumable
        if loop is not None:
            run.history.append(facts.Noted(at=now(), text=_RUN_ON))
            loops.run_on(loop, partial(self._settle, None), run.board.read_by)
            return False
        end = self._settle(None)
        if end.settled and not (run.evidence() == "effects" and run.missing()):
            return False
        run.history.append(facts.Noted(at=now(), text=_CUT_SHORT))
        return True

    def snapshot(self, *, ask: bool = True) -> Account | None:
        """Judge what there is, without waiting; None if nothing was published.

        Args:
            ask: whether the broker is asked what it holds, which may take until it answers.
        """
        run = self._run
        if not run.publications:
            return None
        run.board.poll()
        if self._judged_at == self._doings() and not self.spoiled:
            return account_of(run, timings=self._timings, final=False)
        run.remember_consumers()
        if ask:
            with suppress(ChaosError):  # the broker may be what failed: the wire's own account stands
                run.census()
        reason = "the test failed by itself" if ask else "the test was interrupted"
        run.history.append(facts.SettleEnded(at=now(), settled=False, reason=reason))
        return account_of(run, timings=self._timings, final=False, interrupted=True, spoiled=self.spoiled)

    def _settle(self, timeout: float | None, guarantee: Guarantee | None = None) -> facts.SettleEnded:
        __tracebackhide__ = True
        run = self._run
        self._work.ready_to_settle()
        started = time.monotonic()
        self._timings.setdefault("test", started - self._opened)
        settling = Settling(
            run.history,
            run.ledger,
            run,
            timeout=run.test.settle_timeout if timeout is None else timeout,
            effect_timeout=run.test.effect_timeout
            + max((one.plan.delay for one in run.http.values()), default=0.0),
            once=(guarantee or run.test.guarantee).counts("duplicated"),
        )
        self.settling, self.spoiled = True, ""
        try:
            with run.outlets.emptying():
                end = settling.wait()
                run.outlets.poll()
        except ChaosError as error:
            told = behind(error, run.broker, run.injector)
            self.spoiled = "" if isinstance(told, UsageError) else str(told)
            raise told from None
        finally:
            self.settling = False
        if not end.settled:
            run.outlets.look_at_rest()
        run.outlets.check()
        refuse_unwrapped(run.consumers)
        judged_at = self._doings()
        run.remember_consumers()
        run.read_resting()
        for producer in run.producers:
            producer.conclude()
        self._work.nothing_confirmed()
        run.history.append(end)
        self._judged_at = judged_at
        self._timings["settle"] = self._timings.get("settle", 0.0) + time.monotonic() - started
        return end

    def _doings(self) -> tuple[int, ...]:
        """What would make the last verdict stale: publications and faults since, and those that struck since."""
        armed = self._run.injector.armed
        return (
            len(self._run.publications),
            len(armed),
            sum(one.struck + (one.fired or one.striking) for one in armed),
        )
