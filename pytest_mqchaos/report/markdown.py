"""The report as Markdown, for the summary of a CI job: the verdict, the causes, the matrix, the runs that failed.

GitHub drops a summary of over 1 MiB whole, and several steps may write: ours stays under 200 KiB, in whole sections,
and says what it left out. What comes from outside is escaped, or stands as code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.model.sequences import plural
from pytest_mqchaos.report.claims import behind, claimed
from pytest_mqchaos.report.headings import heading, proofs, told_in
from pytest_mqchaos.report.html.complete import complete
from pytest_mqchaos.report.machines import labels
from pytest_mqchaos.report.states import is_open, many, told_by
from pytest_mqchaos.report.words import SYMBOLS, WORDS, served_by

__all__ = ["MOST", "markdown"]

MOST = 200 * 1024
"""Most bytes of the text."""
_RESERVE = 2200
_CAUSES, _ROWS, _RUNS = 30, 200, 20
_FIRST, _LAST = 20, 10
"""Steps of a life: how it began, and how it ended."""
_BEFORE, _AFTER = 3, 2
"""Lines of output around a strike."""
_LONGEST = 400
_MARKED = re.compile(r"([\\`*_{}\[\]#|~])")
_TICKED = re.compile("`([^`]+)`")

Record = Mapping[str, Any]


def markdown(document: Record, *, where: str = "") -> str:
    """Return the summary of a document of any 1.x, at most `MOST` bytes of it; `where` is its report's path."""
    whole = complete(document)
    made: list[str] = []
    used = left_out = 0
    for section in _sections(whole):
        size = len(section.encode()) + 1
        if used + size > MOST - _RESERVE:
            left_out += 1
            continue
        used += size
        made.append(section)
    if left_out:
        made.append(
            f"**Cut here: {plural(left_out, 'section')} more would not fit. The report has all of it.**\n"
        )
    if where:
        made.append(f"The whole report, with timelines and all lives, is {_code(where)}.\n")
    return "\n".join(made)


def _sections(whole: Record) -> Iterator[str]:
    overview, runs = whole["overview"], whole["runs"]
    yield _verdict(whole)
    if overview["causes"]:
        yield _causes(overview["causes"], runs)
    yield _matrix(overview["tests"])
    yield from _runs(overview["causes"], runs)
    if whole["skipped"]:
        yield _skipped(whole["skipped"])


def _verdict(whole: Record) -> str:
    overview = whole["overview"]
    lines = [f"## {SYMBOLS[overview['state']]} {_text(overview['headline'])}", ""]
    if overview["promise"]:
        lines += [f"**Promised** ({_text(overview['guarantee'])}): {_text(overview['promise'])}  "]
    if overview["happened"]:
        lines += [f"**Happened**: {_where(overview, whole['runs'])}{_text(overview['happened'])}", ""]
    states = [f"{SYMBOLS[state]} {count:,} {WORDS[state]}" for state, count in overview["states"].items()]
    facts = [
        *states,
        plural(overview["messages"], "message"),
        f"{plural(overview['strikes'], 'fault')} struck",
    ]
    facts += [_text(servers)] if (servers := served_by(whole["servers"])) else []
    return "\n".join([*lines, " · ".join(facts), ""])


def _where(overview: Record, runs: Sequence[Record]) -> str:
    first = overview["first"]
    if first is None or overview["state"] == "well":
        return ""
    return f"{_code(runs[first]['test'])} under {_code(runs[first]['scenario'])}: "


def _causes(causes: Sequence[Record], runs: Sequence[Record]) -> str:
    lines = ["### What broke, by cause", ""]
    label = labels(runs)
    for cause in causes[:_CAUSES]:
        head = heading(cause, runs)
        lines.append(f"- {SYMBOLS[cause['state']]} **{_text(head)}**  ")
        name = f"{cause['kind']}:{cause['detail']}" if cause["detail"] else cause["kind"]
        counted = f", {plural(cause['messages'], 'message')}" if cause["messages"] else ""
        where = ", ".join(_place(runs[n], label(runs[n])) for n in cause["runs"][:6])
        more = f" and {len(cause['runs']) - 6:,} more" if len(cause["runs"]) > 6 else ""
        why = "" if told_in(head, cause["cause"]) else f"; {_text(behind(cause['cause']))}"
        lines.append(f"  {_code(name)} {WORDS[cause['state']]}{counted}{why}; in {where}{more}")
        if cause["mend"]:
            lines[-1] += "  "
            lines.append(f"  Mend: {_text(cause['mend'])}")
    if len(causes) > _CAUSES:
        lines.append(f"- ... and {len(causes) - _CAUSES:,} more causes (see the report)")
    return "\n".join([*lines, ""])


def _place(run: Record, where: str) -> str:
    return _code(f"{run['test']} {run['scenario']}") + (f" on {_text(where)}" if where else "")


def _matrix(tests: Sequence[Record]) -> str:
    lines = ["### Tests and scenarios", "", "| Test | Baseline | Under chaos |", "| --- | --- | --- |"]
    for row in tests[:_ROWS]:
        cells = {True: [], False: []}  # type: dict[bool, list[str]]
        for cell in row["cells"]:
            alone = cell["scenario"] == "baseline"
            words = WORDS[cell["state"]] if alone else _code(cell["scenario"], table=True)
            again = f" ({cell['attempts']} attempts)" if cell["attempts"] > 1 else ""
            cells[alone].append(f"{SYMBOLS[cell['state']]} {words}{again}")
        baseline, chaos = (" ".join(cells[True]) or "–"), ("<br>".join(cells[False]) or "–")
        lines.append(f"| {_code(row['test'], table=True)} | {baseline} | {chaos} |")
    if len(tests) > _ROWS:
        lines.append(f"| ... and {len(tests) - _ROWS:,} more tests (see the report) | | |")
    return "\n".join([*lines, ""])


def _runs(causes: Sequence[Record], runs: Sequence[Record]) -> Iterator[str]:
    """Yield the first run of each cause that counts, then say how many are not shown."""
    wanted = [
        number for cause in causes if cause["state"] in ("failed", "unknown") for number in cause["runs"][:1]
    ]
    numbers = list(dict.fromkeys(wanted))
    where = labels(runs)
    for number in numbers[:_RUNS]:
        yield _run(runs[number], where(runs[number]))
    if len(numbers) > _RUNS:
        yield f"... and {len(numbers) - _RUNS:,} more runs (see the report)\n"


def _run(run: Record, where: str) -> str:
    last = run.get("attempts", 1)
    on = f" on {_text(where)}" if where else ""
    again = f", attempt {run['attempt']} of {last}" if last > 1 else ""
    lines = [
        f"### {SYMBOLS[run['state']]} {_code(run['test'])} under {_code(run['scenario'])}{on}{again}",
        "",
    ]
    lines += [f"**{_text(run['happened'])}**", ""]
    lives = {life["id"]: life for life in run["lives"]}
    told: set[str] = set()
    for finding in filter(is_open, told_by(run)):
        name = f"{finding['kind']}:{finding['detail']}" if finding["detail"] else finding["kind"]
        counted = many(finding, run)
        lines.append(f"- {_code(name)}{f', {counted}' if counted else ''}: {_text(claimed(finding, run))}")
        lines += [f"  - cause: {_text(finding['cause'])}"] if finding["cause"] else []
        lines += [f"  - hazard, proved by this run: {_text(each['claim'])}" for each in proofs(finding, run)]
        lines += [f"  - mend: {_text(finding['mend'])}"] if finding["mend"] else []
        lines += (
            [f"  - to allow just this: {_code(finding['how_to_allow'])}"] if finding["how_to_allow"] else []
        )
        first = next((each for each in finding["messages"] if each in lives and each not in told), None)
        if first is not None:
            told.add(first)
            lines += ["", *_block(_life(lives[first])), ""]
    lines += ["", f"Kept with the report: {_code(run['kept'])}"] if run.get("kept") else []
    lines += ["", "Repeat it:", "", *_block([printable(run["reproduce"])])] if run["reproduce"] else []
    return "\n".join([*lines, ""])


def _life(life: Record) -> list[str]:
    heard = _heard(life)
    lines = [[*heard.get(place, ()), _step(step)] for place, step in enumerate(life["events"])]
    left = len(lines) - _FIRST - _LAST + life["events_left_out"]
    if len(lines) > _FIRST + _LAST:
        lines = [*lines[:_FIRST], [f"{'...':>10}  {left:,} steps more"], *lines[-_LAST:]]
    told = [line for each in lines for line in each]
    return [printable(life["id"], 120), *told, *heard.get(len(life["events"]), ())]


def _heard(life: Record) -> dict[int, list[str]]:
    """Return a few lines of output around the first strike of a life, by the step that they stand before."""
    around = [line for line in life["output"] if line["step"] == life["output"][0]["step"]]
    before = [line for line in around if line["place"] <= line["step"]]
    after = [line for line in around if line["place"] > line["step"]]
    heard: dict[int, list[str]] = {}
    for line in [*before[-_BEFORE:], *after[:_AFTER]]:
        said = (
            f"{line['at']:10.3f}    {printable(line['consumer'], 60)} | {printable(line['text'], _LONGEST)}"
        )
        heard.setdefault(line["place"], []).append(said)
    return heard


def _step(step: Record) -> str:
    note = f"   <- {step['note']}" if step["note"] else ""
    return f"{step['at']:10.3f}  {printable(step['text'] + note, _LONGEST)}"


def _skipped(skipped: Sequence[Record]) -> str:
    lines = ["### Skipped, and why", ""]
    lines += [
        f"- {_code(each['test'])} under {_code(each['scenario'])}: {_text(each['reason'])}"
        for each in skipped[:_ROWS]
    ]
    if len(skipped) > _ROWS:
        lines.append(f"- ... and {len(skipped) - _ROWS:,} more (see the report)")
    return "\n".join([*lines, ""])


def _text(text: str) -> str:
    """Return a text that stays text; what stands between backquotes is code."""
    parts = _TICKED.split(printable(text, _LONGEST))
    return "".join(_code(part) if i % 2 else _escaped(part) for i, part in enumerate(parts))


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    text = _MARKED.sub(r"\\\1", text)
    return text.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def _code(text: str, *, table: bool = False) -> str:
    """Return a text as code, in a fence that it does not hold itself; in a table no bar of it ends the cell."""
    text = printable(text, _LONGEST)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") or not text.strip() else ""
    if table:
        text = text.replace("|", "\\|")
    return f"{fence}{space}{text}{space}{fence}"


def _block(lines: Sequence[str]) -> list[str]:
    runs = [len(run) for line in lines for run in re.findall("`+", line)]
    fence = "`" * max([3, *(length + 1 for length in runs)])
    return [f"{fence}text", *lines, fence]
