"""The demo keeps its word."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_consumer_gets_its_verdict(tmp_path: Path) -> None:
    """It ends well only if each verdict was the one expected, and the failure that is repeated came again."""
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=ROOT,
        env=os.environ | {"PYTEST_MQCHAOS_REPORT": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stdout
    assert (tmp_path / "report.json").is_file()
