"""A process that stands, for who asks it for something."""

import os
import signal
import time
from pathlib import Path


def stand(pid):
    """Stop a process, and wait until all of its threads stand: on a busy machine the others work on for a moment."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 10.0
    while any(
        stat.read_text().rpartition(")")[2].split()[0] != "T"
        for stat in Path(f"/proc/{pid}/task").glob("*/stat")
    ):
        assert time.monotonic() < deadline, "it does not stand"
