"""Runs of pytest inside pytest, with a session that starts no servers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

FAKE = Path(__file__).with_name("fake_mqchaos.py")
IMPORTS = (
    "import pytest\n"
    "from pytest_mqchaos import (ack, baseline, broker_restart, combine, connection_drop, connection_reset,\n"
    "    consumer_crash, delivery, malformed_payload, poison_message, refuse, DeliveryError)\n"
)


class Bench:
    """A directory with tests of its own, and what came of running them."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path

    def tests(self, source: str, name: str = "test_orders") -> None:
        """Write a module of tests."""
        self.pytester.makepyfile(**{name: IMPORTS + dedent(source)})

    def run(
        self, source: str | None = None, *args: str, plugins: Sequence[str] = (), subprocess: bool = False
    ) -> pytest.RunResult:
        """Write `test_orders.py`, if there is any, and run pytest with this plugin and `plugins` only."""
        if source is not None:
            self.tests(source)
        run = self.pytester.runpytest_subprocess if subprocess else self.pytester.runpytest_inprocess
        loaded = [word for name in ("pytest_mqchaos.plugin", *plugins) for word in ("-p", name)]
        return run(*loaded, *args)

    def ids(self, source: str | None = None, *args: str) -> list[str]:
        """Return the node ids that are collected, without their file."""
        result = self.run(source, "--collect-only", "-q", *args)
        return [line.partition("::")[2] for line in result.outlines if "::" in line]

    @property
    def log(self) -> list[str]:
        """What happened to the fake session, in order."""
        path = self.path / "fake.log"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def report(self) -> dict[str, Any]:
        """The report that was written."""
        read: dict[str, Any] = json.loads((self.path / "mqchaos-report" / "report.json").read_text())
        return read


def block(result: pytest.RunResult, title: str, rule: str = "_=-") -> list[str]:
    """Return the lines under the heading `title`, up to the next heading of its kind or of a higher one."""
    lines = result.outlines
    heading = re.compile(rf"^([{rule}])\1* {re.escape(title)} \1+$")
    starts = [i for i, line in enumerate(lines) if heading.match(line)]
    assert starts, f"no heading {title!r} in\n" + "\n".join(lines)
    start = starts[0]
    higher = {"-": "-_=", "_": "_=", "=": "="}[lines[start][0]]
    end = re.compile(rf"^([{higher}])\1* .* \1+$")
    rest = lines[start + 1 :]
    return rest[: next((i for i, line in enumerate(rest) if end.match(line)), len(rest))]
