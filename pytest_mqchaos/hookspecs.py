"""The hooks of this plugin, for conftest files and other plugins.

An implementation is a function of that name in a `conftest.py` or plugin; it may take fewer arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.session import Session
    from pytest_mqchaos.experiment.settings import SessionSettings, TestSettings
    from pytest_mqchaos.model.account import Account


@pytest.hookspec(firstresult=True)
def pytest_mqchaos_session(config: pytest.Config, settings: SessionSettings) -> Session | None:
    """Return what opens the chaos of each test; the first result that is not None is taken.

    Called once a session, when the first chaos test is set up. What is returned has `open(test)`, `close()`
    and `description`, as `pytest_mqchaos.experiment.session.Session`.
    """


@pytest.hookspec
def pytest_mqchaos_run_started(item: pytest.Item, settings: TestSettings) -> None:
    """Called when the fixture was set up, before the test's function runs."""


@pytest.hookspec
def pytest_mqchaos_run_finished(item: pytest.Item, account: Account) -> None:
    """Called when a test has its account: after its function and before its verdict, or after its own failure."""


@pytest.hookspec(firstresult=True)
def pytest_mqchaos_verdict(item: pytest.Item, account: Account) -> bool | None:
    """Return whether the test fails on this account; None leaves it to the guarantee, `allow` and strictness."""
