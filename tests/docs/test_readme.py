"""The README keeps its word: its code runs, its names exist, and what it shows is what comes."""

from __future__ import annotations

import re
from pathlib import Path

from pages import blocks
from project import not_printed, run, skip_without_servers, verdicts, write
from readme import PAGE, TEXT, files

import pytest_mqchaos
from pytest_mqchaos.options import OPTIONS


def test_it_is_short() -> None:
    """A reader has less than 200 lines before them."""
    assert len(TEXT.splitlines()) < 200


def test_it_names_faults_and_options_that_there_are() -> None:
    """The tables of faults and options are those of the package."""
    faults = re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE)
    assert faults
    assert all(name in pytest_mqchaos.__all__ for name in faults)
    assert sorted(set(re.findall(r"--mqchaos-[a-z-]+", TEXT))) == sorted(option.flag for option in OPTIONS)


def test_the_first_test_is_green(tmp_path: Path) -> None:
    """The worker and the test, copied as they stand, pass under each fault, in the lines that the tutorial shows."""
    write(tmp_path, files())
    result = run(tmp_path)
    skip_without_servers(result)
    assert list(verdicts(tmp_path).values()) == ["pass"] * 3, result.stdout
    assert result.returncode == 0, result.stdout
    assert not_printed(blocks("docs/tutorial.md", "text")[0], result) == [], result.stdout


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
    assert not_printed(blocks(PAGE, "")[0], result) == [], result.stdout
