"""The pytest plugin: every hook in one place, each handing on to the module that does the work.

It is imported in every pytest run of the environment, so it imports nothing but pytest and a few small modules;
the rest comes when a test uses the fixture `mqchaos` or the mark `chaos`. PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mqchaos import admission, attempts, fixtures, options, telling, verdict, xdist
from pytest_mqchaos.fixtures import mqchaos

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.session import Session
    from pytest_mqchaos.experiment.settings import SessionSettings

__all__ = ["mqchaos"]

_MARKER = (
    "chaos(*scenarios, guarantee='at-least-once', evidence='auto', poison='auto', allow=(), settle_timeout=30.0, "
    "effect_timeout=5.0, seed=None, own_broker=False): run this test of the fixture `mqchaos` once for each "
    "fault, combine(...) or baseline() named; without one for baseline, connection_drop, consumer_crash, "
    "malformed_payload and broker_restart. The test fails if the guarantee was not kept: 'at-most-once', "
    "'at-least-once', 'exactly-once', or a constant of that name, refined by +, as in "
    "exactly_once + ordered('customer') + within(5.0)."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the group *mqchaos*."""
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer our own hooks."""
    import pytest_mqchaos.hookspecs as hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, refuse a wrong command line, and gather runs where no xdist worker is."""
    config.addinivalue_line("markers", _MARKER)
    options.check_command_line(config)
    if not xdist.worker_id(config):
        config.pluginmanager.register(xdist.Runs(config), "mqchaos-runs")
    if sys.stdout is not None and sys.stdout.isatty():
        from pytest_mqchaos.progress import keep

        keep(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker what the controller drew."""
    xdist.hand_down(node.config, node.workerinput)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Say what is wrong with `pytestmark = pytest.mark.chaos(connection_drop)`."""
    report = yield
    if report.failed:
        from pytest_mqchaos.markers import explain

        explain(collector, report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """Make one test of each scenario, before anybody else parametrizes."""
    if "mqchaos" in metafunc.fixturenames:
        from pytest_mqchaos.markers import parametrize

        parametrize(metafunc)
    yield


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what uses the fixture, so that `-m chaos` selects it."""
    if "mqchaos" in getattr(item, "fixturenames", ()) and item.get_closest_marker("chaos") is None:
        from pytest_mqchaos.model.faults import baseline

        item.add_marker(pytest.mark.chaos(baseline()))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each battery begin with its baseline, however the tests were shuffled."""
    if any("mqchaos" in getattr(item, "fixturenames", ()) for item in items):
        from pytest_mqchaos.order import baselines_first

        baselines_first(items)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a wrong mark before anything is set up, and what rests on a baseline that failed."""
    attempts.begin(item)
    if item.get_closest_marker("chaos") is not None:
        admission.admit(item)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Judge the run when the test's function is done, so that a violation is a failure and not an error."""
    return (yield from verdict.around_call(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a report what we know of its run."""
    return (yield from telling.around_report(item, call))


def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show and count `unknown` by itself."""
    return telling.status(report)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Show the lives of a failure in the terminal's width and colours."""
    if any(getattr(each, telling.CROSSING, None) for each in terminalreporter.stats.get("failed", ())):
        from pytest_mqchaos.screen import around_summary

        return (yield from around_summary(terminalreporter))
    return (yield)


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Show the lives of messages in a failed comparison."""
    return telling.compare(op, left, right)


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Let no fault strike by its time while somebody sits at the prompt."""
    fixtures.pause(config)


def pytest_leave_pdb(config: pytest.Config) -> None:
    """Let the faults' time pass again."""
    fixtures.resume(config)


@pytest.hookimpl(trylast=True)
def pytest_mqchaos_session(settings: SessionSettings) -> Session:
    """Open chaos on real servers, unless another plugin has its own."""
    from pytest_mqchaos.experiment.session import Session

    return Session(settings)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the servers, after the last fixtures."""
    fixtures.close_ground(session.config)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers of a session that did not come to its finish."""
    fixtures.close_ground(config)
    if fixtures.SCREEN in config.stash:
        from pytest_mqchaos.progress import forget

        forget(config)
