"""A project as a reader makes it of a page: files in a folder of their own, pytest run there, what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["not_printed", "run", "shape", "skip_without_servers", "verdicts", "write"]


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder as a user would, with what is installed here."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=folder,
        env=os.environ | {"COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )


def write(folder: Path, texts: dict[str, str]) -> None:
    """Write files into a folder that is a project of its own."""
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    for name, text in texts.items():
        (folder / name).write_text(text)


def verdicts(folder: Path) -> dict[str, str]:
    """Return the verdicts of the folder's report by scenario; none if there is no report."""
    report = folder / "mqchaos-report" / "report.json"
    document = json.loads(report.read_text()) if report.is_file() else {"runs": []}
    return {each["scenario"]: each["verdict"] for each in document["runs"]}


def skip_without_servers(result: subprocess.CompletedProcess[str]) -> None:
    """Skip where there is no server: the inner run says why."""
    reason = re.search(r"SKIPPED .*?: (no server .*)", result.stdout)
    if reason:
        pytest.skip(reason[1])


def shape(line: str) -> str:
    """Return a line without what differs from run to run and from terminal to terminal."""
    line = re.sub(r"orders-[a-z0-9]{4}-(\d{6})", r"orders-RUN-\1", line)
    line = re.sub(r"^ +\d+\.\d{3} ", "", line)
    line = re.sub(r" --mqchaos-servers=\w+", "", line)  # stands there where the environment chose them
    return re.sub(r"[ =_-]{2,}", " ", line).strip()


def not_printed(shown: str, result: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines of a page's block, which begins with the command, that did not come."""
    command, *lines = shown.splitlines()
    assert command == "$ pytest"
    printed = {shape(line) for line in result.stdout.splitlines()}
    return [line for line in lines if shape(line) not in printed]
