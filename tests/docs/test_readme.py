"""The README keeps its word: its code runs, its names exist, and what it shows is what comes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from readme import ROOT, TEXT, blocks, files

import pytest_mqchaos
from pytest_mqchaos.options import OPTIONS


def test_it_is_short() -> None:
    """A reader has less than 200 lines before them."""
    assert len(TEXT.splitlines()) < 200


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)", TEXT))
def test_its_links_lead_somewhere(path: str) -> None:
    """Each relative link names a file or folder of the repository."""
    assert (ROOT / path).exists()


def test_it_names_faults_and_options_that_there_are() -> None:
    """The tables of faults and options are those of the package."""
    faults = re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE)
    assert faults
    assert all(name in pytest_mqchaos.__all__ for name in faults)
    assert sorted(set(re.findall(r"--mqchaos-[a-z-]+", TEXT))) == sorted(option.flag for option in OPTIONS)


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
    """Write the README's files into a folder that is a project of its own."""
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


def test_the_first_test_is_green(tmp_path: Path) -> None:
    """The worker and the test, copied as they stand, pass under each fault."""
    write(tmp_path, files())
    result = run(tmp_path)
    skip_without_servers(result)
    assert list(verdicts(tmp_path).values()) == ["pass"] * 3, result.stdout
    assert result.returncode == 0, result.stdout


def test_broken_as_it_invites_to_it_fails_as_it_shows(tmp_path: Path) -> None:
    """With the ack moved above the work, the crash loses the 17th order, in the words at the top of the page."""
    texts = files()
    ack = "    channel.basic_ack(method.delivery_tag)\n"
    worker = texts["worker.py"].replace(ack, "")
    texts["worker.py"] = worker.replace(
        "    time.sleep(0.02)\n    with", f"{ack}    time.sleep(0.02)\n    with"
    )
    assert worker != texts["worker.py"] != files()["worker.py"]
    write(tmp_path, texts)
    result = run(tmp_path)
    skip_without_servers(result)
    assert verdicts(tmp_path) == {
        "connection_drop-after-delivery-3": "pass",
        "consumer_crash-after-ack-17": "fail",
        "malformed_payload": "pass",
    }, result.stdout
    assert result.returncode == 1, result.stdout
    printed = {_shape(line) for line in result.stdout.splitlines()}
    command, *shown = blocks("")[0].splitlines()
    assert command == "$ pytest"
    assert [line for line in shown if _shape(line) not in printed] == [], result.stdout


def _shape(line: str) -> str:
    """Return a line without what differs from run to run and from terminal to terminal."""
    line = re.sub(r"orders-[a-z0-9]{4}-(\d{6})", r"orders-RUN-\1", line)
    line = re.sub(r"^ +\d+\.\d{3} ", "", line)
    line = re.sub(r" --mqchaos-servers=\w+", "", line)  # stands there where the environment chose them
    return re.sub(r"[ =_-]{2,}", " ", line).strip()
