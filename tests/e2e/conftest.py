"""The fixtures of the end-to-end tests: consumers, queues, and the tests' own evidence."""

import os
from pathlib import Path

import pytest
from e2e_kit import Scene

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"
if TOOLS.is_dir():
    os.environ["PATH"] = f"{os.environ['PATH']}{os.pathsep}{TOOLS}"


@pytest.fixture
def scene(mqchaos, tmp_path):
    """The test's own view of a chaos test: starts consumers with a diary, declares queues."""
    return Scene(mqchaos, tmp_path)
