"""The page: what must be seen first is told in full, and what no longer fits is named, never dropped in silence."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_mqchaos.report.claims import claimed, counted_claim
from pytest_mqchaos.report.headings import heading, proofs, told_in
from pytest_mqchaos.report.html.chain import chain
from pytest_mqchaos.report.html.chips import chip_labels
from pytest_mqchaos.report.html.complete import complete
from pytest_mqchaos.report.html.promised import prefetch_bars, within_bars
from pytest_mqchaos.report.html.ranks import ranks
from pytest_mqchaos.report.html.spoken import spoken
from pytest_mqchaos.report.html.texts import SHORT, environment, markup, short, style_sheet
from pytest_mqchaos.report.html.timeline import timeline
from pytest_mqchaos.report.html.zoom import zooms
from pytest_mqchaos.report.machines import labels
from pytest_mqchaos.report.states import ORDER, is_open, many, severity, told_by
from pytest_mqchaos.report.words import served_by

__all__ = ["MOST", "page", "write_page"]

MOST = 5_000_000
"""Most bytes of a page."""
_FULL = 3_400_000
"""Bytes of runs told in full; from there on they are told in short."""
_SHORT = 3_900_000
"""Bytes of runs at all; the rest is in the matrix only."""
_ROWS = 1200
"""Most tests in the matrix."""
_SKIPPED = 500
"""Most skipped tests that are listed."""
_SHARES = (1.0, 0.5, 0.2, 0.05, 0.0)
"""What is tried of these limits where long names make a page too large."""
_OPEN = ("failed", "unknown")
"""States of causes of which a run stands open: the first one that is in that state."""


def write_page(directory: Path, document: Mapping[str, Any]) -> Path:
    """Write the page as `index.html` into `directory`, whole or not at all, and return its path.

    Raises:
        OSError: if it cannot be written; nothing half-written stays.
    """
    path = directory / "index.html"
    part = directory / f".index-{os.getpid()}.html"
    try:
        part.write_text(page(document), encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def page(document: Mapping[str, Any]) -> str:
    """Return the page of a document of any 1.x; of equal documents the pages are equal."""
    whole = complete(document)
    text = ""
    for share in _SHARES:
        text = _render(whole, share)
        if len(text.encode()) <= MOST:
            break
    return text


def _render(whole: Mapping[str, Any], share: float) -> str:
    overview: Mapping[str, Any] = whole["overview"]
    alone = _alone(whole)
    told, in_short, omitted = _within_budget(whole, share, alone)
    rows, style = int(_ROWS * share), style_sheet()
    skipped = whole["skipped"][: int(_SKIPPED * share)]
    return (
        environment()
        .get_template("page.html")
        .render(
            document=whole,
            overview=overview,
            runs=whole["runs"],
            told=told,
            shown={number for number, _ in told},
            in_short=in_short,
            omitted=omitted,
            skipped=skipped,
            reasons_cut=sum(len(each["reason"]) > SHORT for each in skipped),
            tests=[_shortened(row) for row in overview["tests"][:rows]],
            tests_left_out=max(len(overview["tests"]) - rows, 0),
            heading=heading,
            told_in=told_in,
            chip_labels=chip_labels,
            where=labels(whole["runs"]),
            served_by=served_by,
            causes=_causes(overview, alone),
            most_causes=max(int(40 * share), 5),
            style=markup(style),
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def _shortened(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the matrix with reasons that fit a tip."""
    return {**row, "cells": [{**cell, "reason": short(cell["reason"])} for cell in row["cells"]]}


def _alone(whole: Mapping[str, Any]) -> int | None:
    """Return the one run that a reader must look at, if it is one: what the head of the page says is said of it."""
    open_ones = [number for number, run in enumerate(whole["runs"]) if run["state"] in _OPEN]
    return open_ones[0] if open_ones == [whole["overview"]["first"]] else None


def _causes(overview: Mapping[str, Any], alone: int | None) -> list[Mapping[str, Any]]:
    """Return the causes to be told: all, or none where there is but one, of the run that the head of the page tells."""
    causes: list[Mapping[str, Any]] = overview["causes"]
    return [] if [each["runs"] for each in causes] == [[alone]] else causes


def _within_budget(
    whole: Mapping[str, Any], share: float, alone: int | None
) -> tuple[list[tuple[int, str]], int, int]:
    """Return the runs as HTML in the order told, how many of them in short, and how many are left out."""
    runs: Sequence[Mapping[str, Any]] = whole["runs"]
    template = environment().get_template("run.html")
    firsts = {_gravest(each, runs) for each in whole["overview"]["causes"] if each["state"] in _OPEN}
    where = labels(runs)
    told: list[tuple[int, str]] = []
    used = in_short = 0
    for number in _in_order(whole):
        context = {
            **_context(runs, number),
            "open": number in firsts,
            "alone": number == alone,
            "where": where(runs[number]),
        }
        full = used < _FULL * share
        text = template.render(**context, full=full)
        if full and used + len(text.encode()) > _SHORT * share:
            full, text = False, template.render(**context, full=False)
        used += len(text.encode())
        if used > _SHORT * share:
            break
        in_short += not full
        told.append((number, markup(text)))
    return told, in_short, len(runs) - len(told)


def _gravest(cause: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> int:
    """Return the first run that makes a cause as grave as it is; older documents have their runs as they came."""
    numbers: Sequence[int] = cause["runs"]
    return next((number for number in numbers if runs[number]["state"] == cause["state"]), numbers[0])


def _in_order(whole: Mapping[str, Any]) -> list[int]:
    """Return the numbers of the runs: by their state, those of the first cause first."""
    runs = whole["runs"]
    by_cause = dict.fromkeys(number for cause in whole["overview"]["causes"] for number in cause["runs"])
    numbers = dict.fromkeys([*by_cause, *range(len(runs))])
    return sorted(numbers, key=lambda number: ORDER.index(runs[number]["state"]))


def _context(runs: Sequence[Mapping[str, Any]], number: int) -> dict[str, Any]:
    run = runs[number]
    findings = _told(run)
    return {
        "run": run,
        "number": number,
        "baseline": None if run["baseline"] is None else runs[run["baseline"]],
        "drawing": timeline(run),
        "zooms": zooms(run),
        "spoken": spoken,
        "chain": chain(run["lifecycle"]) if run.get("lifecycle") else None,
        "claimed": claimed,
        "counted_claim": counted_claim,
        "proofs": proofs,
        "findings": findings,
        "proved": [each for _, finding in findings for each in proofs(finding, run)],
        "first": next(iter(told_by(run)), None),
        "beside": _beside(run, findings),
        "draw_ranks": ranks,
        "draw_within": within_bars,
        "draw_prefetch": prefetch_bars,
        "lives": {life["id"]: place for place, life in enumerate(run["lives"])},
        "many": many,
    }


def _told(run: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the findings that have a section of their own with their place: those that count, the gravest first."""
    told = [
        (place, each)
        for place, each in enumerate(run["findings"])
        if each["violation"] or each["kind"] == "vacuous"
    ]
    return sorted(told, key=lambda one: (not is_open(one[1]), severity(one[1])))


def _beside(
    run: Mapping[str, Any], findings: Sequence[tuple[int, Mapping[str, Any]]]
) -> dict[int, Mapping[str, Any]]:
    """Return the life that stands within each finding, by the finding's place: the first that is not yet told."""
    lives = {life["id"]: life for life in run["lives"]}
    found: dict[int, Mapping[str, Any]] = {}
    for place, finding in findings:
        first = next((name for name in finding["messages"] if name in lives), None)
        if first is not None:
            found[place] = lives.pop(first)
    return found
