"""What became better or worse from one document to another, test by test.

```
OLD ─┐         ┌─ state      was as promised, now failed          worse or better
     ├─ tests ─┼─ findings   new lost:by_consumer, gone duplicated worse or better
NEW ─┘  of one ├─ hazards    new acked_before_effect              told
        node   ├─ latency    by the rules of `noise`              worse or better
        id     ├─ recovery
               └─ chances    of each step in a message's life     the same; told only where a fault struck
```
A regression is what is worse and not allowed. A test that only the new document has is compared with none at all: it
is worse if it fails, for whoever brought it brought that, and of a test that passes, or is gone, it is only told.
Where the new one has no verdict, nothing that the old one found is gone; and where it ran no test at all, it proves
nothing: both are worse. A number of messages is told and not judged: what one crash takes with it is one accident,
however many messages it is. Differences within noise are none: `noise` says by which rules, and whose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_mqchaos.model.sequences import plural
from pytest_mqchaos.report.figures.markov import wilson
from pytest_mqchaos.report.html.complete import complete
from pytest_mqchaos.report.machines import labels, machine
from pytest_mqchaos.report.noise import apart, recovers_slower, slower
from pytest_mqchaos.report.states import ORDER, is_open, many, worst_state
from pytest_mqchaos.report.words import WORDS, percent, span

__all__ = ["Change", "Difference", "diff"]

Record = Mapping[str, Any]
Runs = Sequence[Record]
Sort = Literal["worse", "better", "changed"]

_FAILING = ("failed", "unknown")
_STEPS = tuple(("in_flight", target) for target in ("requeued", "dead_lettered", "dropped", "unsettled"))
"""Steps whose absence is a figure too."""
_GOOD = ("in_flight", "acknowledged", "ready")
"""Where a step to is no setback."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: whether it is for the worse, what it is about, and what it is."""

    sort: Sort
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Difference:
    """All that differs between two documents; `changes` has the worse first."""

    changes: tuple[Change, ...]
    both: int
    only_old: int
    only_new: int

    @property
    def regression(self) -> bool:
        """Whether anything became worse."""
        return any(each.sort == "worse" for each in self.changes)


def diff(old: Record, new: Record) -> Difference:
    """Return what differs between two documents of any 1.x."""
    before, after = _tests(complete(old), complete(new))
    both = [name for name in after if name in before]
    changes = [each for name in both for each in _changes(name, before[name], after[name])]
    changes += _recovery([(before[name][-1], after[name][-1]) for name in both])
    changes += _alone(before, after, _skipped(complete(new)))
    order = ("worse", "better", "changed")
    return Difference(
        tuple(sorted(changes, key=lambda each: order.index(each.sort))),
        len(both),
        len(before) - len(both),
        len(after) - len(both),
    )


def _tests(*wholes: Record) -> list[dict[str, list[Record]]]:
    """Return the attempts of each test that ran, by its node id; where a matrix ran it, also by its machine."""
    label = labels(run for whole in wholes for run in whole["runs"])
    matrix = [len({machine(run) for run in whole["runs"]}) > 1 for whole in wholes]
    every: list[dict[str, list[Record]]] = []
    for whole in wholes:
        tests: dict[str, list[Record]] = {}
        for run in whole["runs"]:
            where = label(run) if all(matrix) else ""
            if run["state"] != "skipped":
                tests.setdefault(f"{run['nodeid']} on {where}" if where else run["nodeid"], []).append(run)
        every.append(tests)
    return every


def _skipped(whole: Record) -> dict[str, str]:
    """Return why each test was skipped, by its node id: before it began, or in it."""
    reasons = {each["nodeid"]: each["reason"] for each in whole["skipped"]}
    return reasons | {
        run["nodeid"]: run.get("reason") or run["happened"]
        for run in whole["runs"]
        if run["state"] == "skipped"
    }


def _alone(
    before: Mapping[str, Runs], after: Mapping[str, Runs], skipped: Mapping[str, str]
) -> Iterator[Change]:
    if before and not after:
        why = f"{plural(len(skipped), 'test')} skipped" if skipped else "none is in it"
        yield Change("worse", "all tests", f"{plural(len(before), 'test')} ran, now no test did: {why}")
    for name, runs in before.items():
        if name not in after:
            now = f"skipped: {skipped[name]}" if name in skipped else "no longer run"
            yield Change("changed", name, f"{now}; was {_word(runs)}")
    for name, runs in after.items():
        if name not in before:
            yield _new(name, runs)


def _new(name: str, runs: Runs) -> Change:
    """Return what a test comes to that only the new document has: one that fails came with whatever is compared."""
    state = _state(runs)
    if state not in _FAILING:
        return Change("changed", name, f"not run before; is {WORDS[state]}")
    why = next(run["happened"] for run in runs if run["state"] == state)
    return Change("worse", name, f"not run before, and {WORDS[state]}: {why}")


def _word(runs: Runs) -> str:
    return WORDS[_state(runs)]


def _state(runs: Runs) -> str:
    """Return the worst state of the attempts: a rerun that passes hides nothing."""
    return worst_state([run["state"] for run in runs])


def _changes(name: str, old: Runs, new: Runs) -> Iterator[Change]:
    states = _state(old), _state(new)
    if states[0] != states[1]:
        worse = ORDER.index(states[1]) < ORDER.index(states[0])
        text = f"was {WORDS[states[0]]}, now {WORDS[states[1]]}"
        sort: Sort = "worse" if worse and states[1] in _FAILING else "changed" if worse else "better"
        yield Change(sort, name, text)
    if old[-1]["verdict"] is not None and new[-1]["verdict"] is None:
        yield Change("changed" if states[1] == "expected" else "worse", name, _without_verdict(new[-1]))
    yield from _findings(name, old, new)
    yield from _hazards(name, old, new)
    yield from _latency(name, old[-1]["latency"], new[-1]["latency"])
    yield from _chances(name, old[-1], new[-1])


def _without_verdict(run: Record) -> str:
    return f"no verdict: {run['error']}" if run["error"] else "no verdict"


def _findings(name: str, old: Runs, new: Runs) -> Iterator[Change]:
    before, after = _found(old), _found(new)
    for key, (finding, run) in after.items():
        opened = is_open(finding) and run["state"] in _FAILING
        counted = many(finding, run)
        said = f"{key}{f', {counted}' if counted else ''}"
        if key not in before:
            allowed = "" if finding["allowed"] is None else " (allowed)"
            yield Change("worse" if opened else "changed", name, f"new {said}{allowed}")
        elif opened and not is_open(before[key][0]):
            yield Change("worse", name, f"no longer allowed: {said}")
        elif finding["count"] != before[key][0]["count"]:
            yield Change("changed", name, f"{said}; was {plural(before[key][0]['count'], 'message')}")
    for key in before if new[-1]["verdict"] is not None else ():
        if key not in after:
            yield Change("better", name, f"gone {key}")


def _found(runs: Runs) -> dict[str, tuple[Record, Record]]:
    """Return what counts or would count, by its name, with its run; of several the last, an open one first."""
    found: dict[str, tuple[Record, Record]] = {}
    for run in runs:
        for each in run["findings"]:
            if each["violation"] or each["kind"] == "vacuous":
                key = f"{each['kind']}:{each['detail']}" if each["detail"] else each["kind"]
                key += " (cannot be judged)" if each["unknown"] and each["kind"] != "vacuous" else ""
                if key not in found or is_open(each) or not is_open(found[key][0]):
                    found[key] = (each, run)
    return found


def _hazards(name: str, old: Runs, new: Runs) -> Iterator[Change]:
    """Tell of hazards: that one was not seen is no proof that it was not there, so none is judged."""
    before, after = (
        dict.fromkeys((each["kind"], each["consumer"]) for run in runs for each in run["hazards"])
        for runs in (old, new)
    )
    for kind, consumer in after:
        if (kind, consumer) not in before:
            yield Change("changed", name, f"new hazard {kind}{f' of {consumer}' if consumer else ''}")
    for kind, consumer in before if new[-1]["verdict"] is not None else ():
        if (kind, consumer) not in after:
            yield Change("changed", name, f"hazard {kind}{f' of {consumer}' if consumer else ''} not seen")


def _latency(name: str, old: Record | None, new: Record | None) -> Iterator[Change]:
    """Compare messages that no fault met: the others waited for one thing together, and recovery tells of that."""
    if old is None or new is None or old["until"] != new["until"]:
        return
    directions: tuple[tuple[Sort, Record, Record], ...] = (("worse", old, new), ("better", new, old))
    for sort, one, other in directions:
        share = slower(one, other)
        if share is not None:
            rank = f"p{share * 100:g}"
            values = f"{span(old['outside'][rank])}, now {span(new['outside'][rank])}"
            yield Change(sort, name, f"{rank} from publish to {new['until']} {values}")


def _chances(name: str, old: Record, new: Record) -> Iterator[Change]:
    """Compare how likely each step of a message's life was; under a fault many messages took one step together."""
    if old["lifecycle"] is None or new["lifecycle"] is None:
        return
    before, after = _steps(old), _steps(new)
    quiet = not any(fault["fired"] for run in (old, new) for fault in run["faults"])
    for step in dict.fromkeys([*after, *before]):
        one, other = before.get(step), after.get(step)
        if one is not None and other is not None and apart(one, other):
            rose = other["probability"] > one["probability"]
            judged: Sort = "worse" if rose == (step[1] not in _GOOD) else "better"
            values = f"{_chance(one)}, now {_chance(other)}"
            way = f"from {step[0]} to {step[1]}".replace("_", " ")
            yield Change(judged if quiet else "changed", name, f"{way} with {values}")


def _steps(run: Record) -> dict[tuple[str, str], Record]:
    """Return the steps of a run's chain; one that was never taken has its chance too, where its state was left."""
    taken = {(each["from"], each["to"]): each for each in run["lifecycle"]["steps"]}
    left = {origin: each["of"] for (origin, _), each in taken.items()}
    for origin, target in _STEPS:
        if origin in left and (origin, target) not in taken:
            low, high = wilson(0, left[origin])
            taken[origin, target] = {"probability": 0.0, "low": low, "high": high}
    return taken


def _chance(step: Record) -> str:
    return f"{percent(step['probability'])} ({percent(step['low'])} to {percent(step['high'])})"


def _undone(run: Record) -> bool:
    """Whether work was left to do when a run failed: where all was done, none that followed a fault says nothing."""
    counts = run["counts"]
    return run["state"] in _FAILING and counts["effected"] < counts["confirmed"] - counts["poison"]


def _recovery(pairs: Sequence[tuple[Record, Record]]) -> Iterator[Change]:
    """Compare the recovery from each kind of fault over all tests."""
    kinds: dict[str, list[tuple[float, float]]] = {}
    never: dict[str, list[float]] = {}
    for old, new in pairs:
        for one, other in zip(old["faults"], new["faults"], strict=False):
            pair = one["recovery"], other["recovery"]
            if one["kind"] == other["kind"] and None not in pair:
                kinds.setdefault(one["kind"], []).append(pair)
            elif one["kind"] == other["kind"] and pair[0] is not None and other["fired"] and _undone(new):
                never.setdefault(one["kind"], []).append(pair[0])
    for kind, known in never.items():
        mean = span(sum(known) / len(known))
        yield Change(
            "worse", kind, f"work went on after {mean}, now never (after {plural(len(known), 'fault')})"
        )
    for kind, times in kinds.items():
        before, after = [each[0] for each in times], [each[1] for each in times]
        means = f"{span(sum(before) / len(before))}, now {span(sum(after) / len(after))}"
        text = f"work went on after {means} (mean of {plural(len(times), 'fault')})"
        if recovers_slower(before, after):
            yield Change("worse", kind, text)
        elif recovers_slower(after, before):
            yield Change("better", kind, text)
