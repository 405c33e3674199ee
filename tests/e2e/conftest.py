"""The fixtures of the end-to-end tests: consumers, queues, and the tests' own evidence."""

import os
import zlib
from pathlib import Path

import pytest
from e2e_kit import Scene

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"
if TOOLS.is_dir():
    os.environ["PATH"] = f"{os.environ['PATH']}{os.pathsep}{TOOLS}"


PART = os.environ.get("MQCHAOS_E2E_PART", "")
MANY = {
    "test_before_effect.py",
    "test_network_faults.py",
    "test_no_false_alarm.py",
    "test_payload_faults.py",
    "test_planted_network_bugs.py",
    "test_process_and_broker_faults.py",
    "test_promises.py",
    "test_transactions.py",
}
"""Files whose tests are one thing under many faults."""


def pytest_collection_modifyitems(config, items):
    """With `MQCHAOS_E2E_PART=2/3` keep the second third of the tests that are one thing under many faults.

    Our CI runs one part on process and another on docker servers; without the variable all of them run.
    """
    if not PART:
        return
    part, parts = map(int, PART.split("/"))
    other = {
        item
        for item in items
        if item.path.name in MANY and zlib.crc32(item.nodeid.encode()) % parts != part % parts
    }
    config.hook.pytest_deselected(items=list(other))
    items[:] = [item for item in items if item not in other]


@pytest.fixture
def scene(mqchaos, tmp_path):
    """The test's own view of a chaos test: starts consumers with a diary, declares queues."""
    return Scene(mqchaos, tmp_path)
