"""The verdict on a test: given in its call phase, after its function.

```
function ends well  ──► conclude ──► account.failed ──► DeliveryError         FAILED - lost: 1 of 200 messages
function fails      ──► snapshot ──► section `mqchaos`                        its own failure stands
skip, exit          ──► nothing is judged
Ctrl-C              ──► what is known is kept for the report, and nobody is asked
```
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext

import pytest

from pytest_mqchaos.admission import skip_an_added_canary
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.failures import DeliveryError, Refused, refuse, shown
from pytest_mqchaos.fixtures import CUT_SHORT, SCREEN, Trial, live, trial
from pytest_mqchaos.frames import cut

__all__ = ["around_call"]


def around_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run the test, then judge it; or, after its own failure, look once."""
    with _live(item):
        try:
            result = yield
        except BaseException as error:
            if _sees_the_canary(item, error):
                return None
            skip_an_added_canary(item, error)
            _after(item, error)
            raise
        # unittest keeps what a method raised to itself until the report is made
        raised = getattr(item, "_excinfo", None)
        if raised:
            skip_an_added_canary(item, raised[0].value)
            raised[:] = [cut(each) for each in raised]
            _after(item, raised[0].value)
        else:
            _conclude_or_cut(item)
    return result


def _conclude_or_cut(item: pytest.Item) -> None:
    try:
        _conclude(item)
    except KeyboardInterrupt:  # a run that does not settle is where it comes
        if (here := trial(item)) is not None:
            _cut_short(item, here)
        raise


def _sees_the_canary(item: pytest.Item, error: BaseException) -> bool:
    """Whether an assertion of the test's own failed at what the canary planted, and the account found that."""
    here = trial(item)
    if here is None or not isinstance(error, AssertionError) or isinstance(error, DeliveryError):
        return False
    from pytest_mqchaos.markers import is_canary

    if not is_canary(here.settings.scenario):
        return False
    here.chaos.note("an assertion of the test's own failed: it sees what the canary planted, too")
    try:
        _conclude(item)
    except Refused:  # there is nothing to judge: its own failure stands
        here.concluded = False
        return False
    return True


def _live(item: pytest.Item) -> AbstractContextManager[None]:
    """Show how far the test's run is, where there is a terminal to show it on."""
    here = trial(item)
    if here is None or SCREEN not in item.config.stash:
        return nullcontext()
    from pytest_mqchaos.report.live import live_line

    chaos = here.chaos
    return live(item.config, lambda width: live_line(chaos.glance(), width))


def _conclude(item: pytest.Item) -> None:
    here = trial(item)
    if here is None:
        return
    here.concluded = True
    try:
        here.account = account = here.chaos.conclude()
    except ChaosError as error:
        if here.chaos.spoiled:
            _look(item, here)
        refuse(str(error))
    item.ihook.pytest_mqchaos_run_finished(item=item, account=account)
    failed = item.ihook.pytest_mqchaos_verdict(item=item, account=account)
    if account.failed if failed is None else failed:
        here.condemned = True
        raise DeliveryError(account)


def _after(item: pytest.Item, error: BaseException) -> None:
    """Look at a test that did not reach its end: not at all where it was left on purpose."""
    here = trial(item)
    if here is not None and isinstance(error, KeyboardInterrupt):
        _cut_short(item, here)
    if here is None or isinstance(error, _left_on_purpose()):
        return
    if isinstance(error, DeliveryError):
        here.account = error.account
        item.ihook.pytest_mqchaos_run_finished(item=item, account=here.account)
    else:
        _look(item, here)


def _look(item: pytest.Item, here: Trial) -> None:
    """Take the account of a run as it stands."""
    try:
        here.account = here.chaos.snapshot()
    except Exception as trouble:  # the failure stands, whatever becomes of the look
        here.snapshot = shown(f"no account: {trouble}")
        return
    if here.account is not None:
        here.snapshot = shown(here.account.text(summary=True))
        item.ihook.pytest_mqchaos_run_finished(item=item, account=here.account)


def _cut_short(item: pytest.Item, here: Trial) -> None:
    """Keep what is known of a run that Ctrl-C ends: no report of it comes."""
    from pytest_mqchaos.crossing import run_of

    error = "interrupted before the run was settled"
    try:
        here.account = here.chaos.snapshot(ask=False)
        run = run_of(item, here, outcome="error", error=error)
        item.config.stash[CUT_SHORT] = {
            **run,
            "verdict": None,
        }  # it is no pass that nothing was found until then
    except (
        Exception
    ):  # the interruption stands, whatever becomes of the look: the run is told without an account
        here.account = None


def _left_on_purpose() -> tuple[type[BaseException], ...]:
    unittest = sys.modules.get("unittest")
    own = (
        pytest.skip.Exception,
        pytest.xfail.Exception,
        pytest.exit.Exception,
        KeyboardInterrupt,
        GeneratorExit,
    )
    return own if unittest is None else (*own, unittest.SkipTest)
