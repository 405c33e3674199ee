"""The mark `chaos`: its scenarios become parameters, its options are merged, and what is wrong is one line.

```
module   pytestmark = chaos(guarantee="exactly-once")      scenarios are joined, equal ones once
class      @chaos(refuse())                                 options are merged key by key,
function     @chaos(consumer_crash(), allow="redelivered")  the nearest mark wins
```
A mark that cannot be understood is no error of the collection, which would end the session: its test is collected
once, without a scenario, and fails when it is set up.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

import pytest_mqchaos.model.faults as faults
from pytest_mqchaos.choices import MARK, allowed, chosen, marks_of, standing_on
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.settings import SessionSettings, TestSettings
from pytest_mqchaos.model.faults import Fault, Scenario
from pytest_mqchaos.model.guarantees import Guarantee
from pytest_mqchaos.model.refinements import Refinement
from pytest_mqchaos.model.triggers import Trigger
from pytest_mqchaos.options import setting
from pytest_mqchaos.reproduce import again, base_seed, test_seed

__all__ = [
    "FIXTURE",
    "Planned",
    "battery",
    "battery_key",
    "check",
    "explain",
    "is_canary",
    "left_out",
    "origin",
    "parametrize",
    "plan",
    "planned",
    "test_settings",
    "unique",
]

FIXTURE = "mqchaos"

_PARAMETER_SET = type(pytest.param(None))


@dataclass(frozen=True, slots=True)
class Planned:
    """One scenario of a test, under the id that stands in its node id."""

    scenario: Scenario
    id: str
    battery: bool = False
    """Whether it is part of the standard battery, which rests on its baseline."""
    marks: tuple[Any, ...] = field(default=(), compare=False)
    added: bool = False
    """Whether an option added it, and no mark names it."""

    def __repr__(self) -> str:
        """The id, as `--setup-show` prints it."""
        return self.id


def battery() -> tuple[Scenario, ...]:
    """Return the scenarios of a test whose marks name none."""
    return (
        faults.baseline(),
        faults.scenario(faults.connection_drop()),
        faults.scenario(faults.consumer_crash()),
        faults.scenario(faults.malformed_payload()),
        faults.scenario(faults.broker_restart()),
    )


QUICK = ("baseline", "connection_drop", "consumer_crash")
"""Those of the battery that `--mqchaos-battery=quick` runs: they find most bugs, and none restarts the broker."""


def left_out(config: pytest.Config, scenario: Planned) -> str | None:
    """Return why a scenario of the battery does not run in this session; None if it does, or is no battery's.

    Raises:
        UsageError: if the option cannot be read.
    """
    if not scenario.battery or scenario.id in QUICK:
        return None
    chosen = setting(config, "battery")
    return (
        f"not of the quick battery ({chosen.words.format(chosen.value)})" if chosen.value == "quick" else None
    )


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Make one test of each scenario; a mark that is wrong is left to `check`."""
    definition = metafunc.definition
    marked = definition.get_closest_marker(MARK) is not None
    if FIXTURE not in metafunc.fixturenames or not (marked or _with_canary(definition)):
        return
    try:
        scenarios = (
            plan(definition) if marked else _with(definition, (Planned(faults.baseline(), "baseline"),))
        )
        chosen(definition)
    except UsageError:
        return
    # A test without the mark has no scenario in its id, whatever is added to it.
    hidden = {} if marked else {"baseline": pytest.HIDDEN_PARAM}
    parameters = [pytest.param(one, id=hidden.get(one.id, one.id), marks=one.marks) for one in scenarios]
    metafunc.parametrize(FIXTURE, parameters, indirect=True, scope="function")


def check(item: pytest.Item) -> None:
    """Refuse a test that is marked wrongly, before anything of it is set up.

    Raises:
        UsageError: if the mark is wrong, or stands on a function that does not use the fixture.
    """
    marked = item.get_closest_marker(MARK) is not None
    if FIXTURE in getattr(item, "fixturenames", ()):
        chosen(item)
        planned(item)
    elif marked and any(mark.name == MARK for mark in item.own_markers):
        name = getattr(item, "originalname", None) or item.name
        raise UsageError(f"marked `chaos` and does not use the fixture: write def {name}({FIXTURE})")


def explain(collector: pytest.Collector, report: pytest.CollectReport) -> None:
    """Say why a module or class with `pytestmark = pytest.mark.chaos(connection_drop)` was not collected.

    pytest takes a single callable for what is decorated, so that the fault's function itself becomes the mark.
    """
    written = getattr(getattr(collector, "_obj", None), "pytestmark", ())
    for mark in written if isinstance(written, list | tuple) else [written]:
        name = getattr(mark, "__name__", "")
        if callable(mark) and getattr(faults, name, None) is mark:
            report.longrepr = f"{collector.nodeid}: chaos: {name}: forgotten parentheses: write {name}()"


def planned(item: pytest.Item) -> Planned:
    """Return the scenario that this item runs.

    Raises:
        UsageError: if its marks are wrong, or name several scenarios where nothing can be parametrized.
    """
    callspec = getattr(item, "callspec", None)
    parameter = callspec.params.get(FIXTURE) if callspec is not None else None
    if isinstance(parameter, Planned):
        return parameter
    if item.get_closest_marker(MARK) is None:
        return Planned(faults.baseline(), "baseline")
    scenarios = [one for one in plan(item) if not (_with_canary(item) and is_canary(one.scenario))] or plan(
        item
    )
    if len(scenarios) == 1:
        return scenarios[0]
    raise UsageError(
        "chaos: unittest methods, doctests and request.getfixturevalue cannot be parametrized: "
        "name one scenario, such as chaos(baseline())"
    )


def battery_key(item: pytest.Item, scenario: Planned) -> tuple[str, str, str]:
    """Return what an item shares with the other scenarios of its battery: the function and other parameters."""
    others: str = item.callspec.id.removeprefix(scenario.id)  # type: ignore[attr-defined]
    return (item.parent.nodeid if item.parent else "", getattr(item, "originalname", item.name), others)


def plan(node: pytest.Item) -> tuple[Planned, ...]:
    """Return the scenarios of all marks from the farthest to the nearest, under ids that are unique.

    Raises:
        UsageError: if something else than a fault or scenario is named.
    """
    joined: dict[tuple[Scenario, str | None], tuple[Any, ...]] = {}
    for owner, mark in marks_of(node):
        for value in mark.args:
            try:
                scenario, identity, marks = _scenario(value)
            except UsageError as error:
                raise UsageError(f"chaos: {error}{standing_on(owner, node)}") from None
            joined[scenario, identity] = joined.get((scenario, identity), ()) + marks
    if instead := _instead(node):
        return _with(node, instead)
    if not joined:
        return _with(node, tuple(Planned(scenario, scenario.id, battery=True) for scenario in battery()))
    ids = unique([identity or scenario.id for scenario, identity in joined])
    made = (
        Planned(scenario if scenario.id == name else replace(scenario, name=name), name, marks=marks)
        for ((scenario, _), marks), name in zip(joined.items(), ids, strict=True)
    )
    return _with(node, tuple(made))


def _instead(node: pytest.Item) -> tuple[Planned, ...]:
    """Return the scenarios of `--mqchaos-scenario`; one that cannot be read is told when a test is set up."""
    try:
        words = setting(node.config, "scenario").value
    except UsageError:
        return ()
    if not words:
        return ()
    from pytest_mqchaos.cli.scenarios import written

    scenarios = written(words)
    ids = unique([one.id for one in scenarios])
    return tuple(
        Planned(one if one.id == name else replace(one, name=name), name)
        for one, name in zip(scenarios, ids, strict=True)
    )


def _with_canary(node: pytest.Item) -> bool:
    """Whether every chaos test gets a canary; an option that cannot be read is told when a test is set up."""
    try:
        return bool(setting(node.config, "canary").value)
    except UsageError:
        return False


def _with(node: pytest.Item, scenarios: tuple[Planned, ...]) -> tuple[Planned, ...]:
    """Return scenarios with a canary behind them if that is wanted, and none of them is one; the ids stay."""
    if not _with_canary(node) or any(is_canary(one.scenario) for one in scenarios):
        return scenarios
    added = faults.scenario(faults.canary())
    name = unique([*(one.id for one in scenarios), added.id])[-1]
    return (*scenarios, Planned(added if added.id == name else replace(added, name=name), name, added=True))


def is_canary(scenario: Scenario) -> bool:
    """Whether a scenario is the plugin's own plant."""
    return any(fault.kind == "canary" for fault in scenario.faults)


def origin(node: pytest.Item, wanted: Planned) -> tuple[Any, int, int | None]:
    """Return where a scenario was named: the owner of the mark, which of its marks `chaos`, and which argument.

    Of the standard battery it is the nearest mark, and no argument; without any mark the owner is None.
    """
    joined: dict[tuple[Scenario, str | None], tuple[Any, int, int | None]] = {}
    nearest: tuple[Any, int, int | None] = (None, 0, None)
    for owner, mark in marks_of(node):
        number = [id(each) for each in owner.own_markers if each.name == MARK].index(id(mark))
        nearest = (owner, number, None)
        for index, value in enumerate(mark.args):
            scenario, identity, _ = _scenario(value)
            joined.setdefault((scenario, identity), (owner, number, index))
    ids = unique([identity or scenario.id for scenario, identity in joined])
    return dict(zip(ids, joined.values(), strict=True)).get(wanted.id, nearest)


def unique(ids: list[str]) -> list[str]:
    """Return the ids with numbers behind those that stood before: `refuse`, `refuse-2`."""
    taken = set(ids)
    seen: set[str] = set()
    unique = []
    for name in ids:
        number, candidate = 2, name
        while candidate in seen or (candidate != name and candidate in taken):
            candidate = f"{name}-{number}"
            number += 1
        seen.add(candidate)
        unique.append(candidate)
    return unique


def _scenario(value: Any) -> tuple[Scenario, str | None, tuple[Any, ...]]:
    """Return a positional argument of the mark as scenario, id and marks."""
    identity: str | None = None
    marks: tuple[Any, ...] = ()
    if isinstance(value, _PARAMETER_SET):
        if len(value.values) != 1:
            raise UsageError(f"pytest.param of {len(value.values)} values: one fault or scenario")
        if value.id is not None and not isinstance(value.id, str):
            raise UsageError(f"pytest.param(id={value.id!r}): a text")
        identity, marks, value = value.id, tuple(value.marks), value.values[0]
    if not isinstance(value, Fault | Scenario):
        raise UsageError(_not_a_fault(value))
    scenario = faults.scenario(value)
    allowed(scenario.allow)
    return scenario, identity, marks


def _not_a_fault(value: object) -> str:
    if callable(value):
        name = getattr(value, "__name__", repr(value))
        return f"{name}: forgotten parentheses: write {name}()"
    if isinstance(value, Trigger):
        return f"{value} is a moment, not a fault: write connection_drop(after={value})"
    if isinstance(value, Guarantee):
        return f"{value} is a guarantee, not a fault: write guarantee={value.written}"
    if isinstance(value, Refinement):
        return f"{value} is a promise, not a fault: write guarantee=at_least_once + {value}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} is not a fault: unpack it with *"
    if isinstance(value, str) and value in faults.__all__:
        return f"{value!r} is a text: write {value}()"
    return f"{value!r} is not a fault: write connection_drop(), baseline(), combine(...) or another"


def test_settings(item: pytest.Item, session: SessionSettings, attempt: int) -> TestSettings:
    """Return what holds for one test: options of the command line, then its marks, then the rest.

    Raises:
        UsageError: if an option or a mark is wrong.
    """
    config, options, scenario = item.config, chosen(item), planned(item).scenario
    settle, number = session.settle_timeout, base_seed(config)
    if options.settle_timeout is not None and setting(config, "settle_timeout").origin != "command line":
        settle = options.settle_timeout
    if options.seed is not None and setting(config, "seed").origin != "command line":
        number = options.seed
    return TestSettings(
        nodeid=item.nodeid,
        attempt=attempt,
        scenario=scenario,
        guarantee=scenario.guarantee or options.guarantee,
        evidence=options.evidence,
        poison=options.poison,
        allow=options.allow + tuple(pair for pair in scenario.allow if pair not in options.allow),
        settle_timeout=settle,
        effect_timeout=options.effect_timeout,
        asynchronous=inspect.iscoroutinefunction(getattr(item, "obj", None)),
        own_broker=options.own_broker,
        seed=test_seed(item.nodeid, number),
        strict=session.strict,
        again=again(config, item.nodeid, number),
    )


test_settings.__test__ = False  # type: ignore[attr-defined]  # not a test, wherever it is imported
