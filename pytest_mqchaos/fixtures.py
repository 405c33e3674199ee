"""The fixture, and what stands behind it: the session's servers, and one trial for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mqchaos.errors import ChaosError, NotPossible, ServerUnavailable
from pytest_mqchaos.failures import refuse, shown
from pytest_mqchaos.xdist import end_shared, shared_place, worker_id

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.chaos import Chaos
    from pytest_mqchaos.experiment.session import Session
    from pytest_mqchaos.experiment.settings import SessionSettings, TestSettings
    from pytest_mqchaos.model.account import Account
    from pytest_mqchaos.progress import Screen

__all__ = [
    "CUT_SHORT",
    "SCREEN",
    "Ground",
    "Trial",
    "close_ground",
    "forget",
    "ground",
    "live",
    "mqchaos",
    "pause",
    "resume",
    "trial",
]


class Ground:
    """What the chaos tests of this process share: their servers, and which batteries have a failed baseline."""

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.session: Session | None = None
        self.chaos: Chaos | None = None
        """What the present test holds, in this process: a consumer forked from it has none."""
        self.pid = os.getpid()
        self.failed: dict[tuple[str, str, str], str] = {}
        """Batteries whose baseline failed, with its message."""


class Trial:
    """One test between the set-up of its fixture and its last report."""

    def __init__(self, chaos: Chaos, settings: TestSettings) -> None:
        self.chaos, self.settings = chaos, settings
        self.account: Account | None = None
        self.concluded = False
        """Whether the test's function came to its end, so that the verdict is ours."""
        self.condemned = False
        """Whether the verdict fails the test."""
        self.kept = ""
        """Where the run's directory was kept, relative to the report's."""
        self.snapshot = ""
        """What is shown after the test's own failure."""


SCREEN: pytest.StashKey[Screen] = pytest.StashKey()
"""The terminal, where there is a live line."""
CUT_SHORT: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
"""The run in which Ctrl-C ended the session."""
_GROUND = pytest.StashKey[Ground]()
_TRIAL = pytest.StashKey[Trial]()
_ATTEMPTS = pytest.StashKey[int]()


@pytest.fixture
def mqchaos(request: pytest.FixtureRequest) -> Iterator[Chaos]:
    """Your own consumer on a real broker, broken at an exact moment, with an account of every message.

    Start the consumer by `mqchaos.consumer(["python", "worker.py"])`, say where its work shows by
    `mqchaos.effects("orders.log")`, and publish by `mqchaos.publish("orders", count=200)`. The mark
    `chaos(...)` names the faults; the verdict is given when the test's function is done.
    """
    try:
        yield _begin(request.node)
    finally:
        _end(request.node)


def trial(item: pytest.Item) -> Trial | None:
    """Return the item's trial; None if it has not come to its fixture."""
    return item.stash.get(_TRIAL, None)


def forget(item: pytest.Item) -> None:
    """Drop the item's trial: with it goes the whole history of its run."""
    if _TRIAL in item.stash:
        del item.stash[_TRIAL]


def ground(config: pytest.Config) -> Ground:
    """Return what the chaos tests of this process share; nothing is started by it.

    Raises:
        UsageError: if an option is wrong.
    """
    if _GROUND not in config.stash:
        from pytest_mqchaos.options import session_settings

        config.stash[_GROUND] = Ground(session_settings(config, worker_id(config), shared_place(config)))
    return config.stash[_GROUND]


def close_ground(config: pytest.Config) -> None:
    """End the session's servers, if there are any; a close that Ctrl-C cut short is done again at the next call."""
    end_shared(config)
    here = config.stash.get(_GROUND, None)
    if here is not None and here.session is not None:
        here.session.close()
        here.session = None


def live(config: pytest.Config, look: Callable[[int], str]) -> AbstractContextManager[None]:
    """Show a line meanwhile, on a terminal; elsewhere nothing is done."""
    screen = config.stash.get(SCREEN, None)
    return nullcontext() if screen is None else screen.showing(look)


def pause(config: pytest.Config) -> None:
    """Let no fault of the present test strike by its time, and leave the terminal to the debugger."""
    if (screen := config.stash.get(SCREEN, None)) is not None:
        screen.leave()
    if (chaos := _present(config)) is not None:
        chaos.pause_faults()


def resume(config: pytest.Config) -> None:
    """Let the time of its faults pass again."""
    if (chaos := _present(config)) is not None:
        chaos.resume_faults()


def _present(config: pytest.Config) -> Chaos | None:
    here = config.stash.get(_GROUND, None)
    return here.chaos if here is not None and here.pid == os.getpid() else None


def _begin(item: pytest.Item) -> Chaos:
    from pytest_mqchaos.kept import entrust
    from pytest_mqchaos.markers import test_settings

    attempt = item.stash.get(_ATTEMPTS, 0) + 1
    item.stash[_ATTEMPTS] = attempt
    try:
        here = ground(item.config)
        settings = test_settings(item, here.settings, attempt)
        chaos = _open(item.config, here, settings)
    except (ServerUnavailable, NotPossible) as error:
        if here.settings.require:
            refuse(f"{error} (--mqchaos-require={here.settings.require}: nothing is skipped for want of one)")
        if here.settings.ci and isinstance(error, ServerUnavailable):
            refuse(f"{error} (CI is set: no server is an error)")
        raise pytest.skip.Exception(shown(str(error)), _use_item_location=True) from None
    except ChaosError as error:
        refuse(str(error))
    item.stash[_TRIAL] = Trial(chaos, settings)
    here.chaos = chaos
    entrust(item.config, chaos, settings)
    item.ihook.pytest_mqchaos_run_started(item=item, settings=settings)
    return chaos


def _open(config: pytest.Config, here: Ground, settings: TestSettings) -> Chaos:
    if here.session is None:
        here.session = config.hook.pytest_mqchaos_session(config=config, settings=here.settings)
    assert here.session is not None
    with live(config, lambda width: "starting servers"[:width]):
        return here.session.open(settings)


def _end(item: pytest.Item) -> None:
    here = trial(item)
    if here is not None:
        ground(item.config).chaos = None
        try:
            with live(item.config, lambda width: "ending what the test started"[:width]):
                here.chaos.close()
        except ChaosError as error:
            refuse(str(error))
