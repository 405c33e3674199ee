"""What all tests share."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pytest_mqchaos.checks.blind import PLANTED
from pytest_mqchaos.checks.grouping import Groups
from pytest_mqchaos.model.findings import DETAILS

# A property is no stopwatch: how fast examples are made says more of the machine than of the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

# Sessions that tests start are not shuffled either, unless a test wants that: then it clears this variable.
os.environ["PYTEST_ADDOPTS"] = (
    f"{os.environ.get('PYTEST_ADDOPTS', '')} -p no:randomly -p no:flaky -p no:pytest-retry".strip()
)

pytest_plugins = ["pytester"]


def pytest_configure():
    """Let Ctrl-C be tested where the suite itself was started in the background, deaf to it, and so its children."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_finding = Groups.finding


def _checked_finding(self, *values, **named):
    """No check makes a finding of a detail that `DETAILS` has not: nobody could allow it."""
    made = _finding(self, *values, **named)
    known = ("", PLANTED, *DETAILS.get(made.kind, ()))
    assert made.detail in known, f"{made.name} is not among pytest_mqchaos.model.findings.DETAILS"
    return made


Groups.finding = _checked_finding

CLIENTS = Path(__file__).parent / "clients"
NODE_MODULES = CLIENTS.parents[1] / "examples" / "orders_node" / "node_modules"
GO_SOURCES = ("go.mod", "go.sum", "main.go")


def _missing(what):
    if os.environ.get("CI"):
        pytest.fail(f"{what} (CI is set)", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def program():
    """Return what makes the command of a client's small program, by the client's name.

    It consumes `orders` at `$AMQP_URL`, says "connected" and "lost ..." on its standard output, notes its work in
    `$MQCHAOS_EFFECTS`, and comes back whenever it lost its connection.
    """

    def command(client):
        if client == "amqp091":
            return [str(_go_client())]
        if client == "amqplib":
            if (node := shutil.which("node")) is None:
                _missing("no program `node`")
            if not (NODE_MODULES / "amqplib").is_dir():
                _missing("no amqplib: run `npm ci` in examples/orders_node")
            return ["env", f"NODE_PATH={NODE_MODULES}", node, str(CLIENTS / "with_amqplib.js")]
        return [sys.executable, str(CLIENTS / f"with_{client}.py")]

    return command


def _go_client():
    """Return Go's program, as `tools/setup` builds it, or build it where it has not."""
    source = CLIENTS / "amqp091"
    digest = hashlib.sha256(b"".join((source / name).read_bytes() for name in GO_SOURCES)).hexdigest()[:16]
    built = CLIENTS.parents[1] / ".tools" / "cache" / f"amqp091-{digest}"
    if built.exists():
        return built
    if (go := shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")) is None:
        _missing("no Go client and no program `go`: run tools/setup")
    command = [go, "build", "-o", str(built), "."]
    made = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if made.returncode:
        _missing(f"go build: {' '.join(made.stderr.split())[-200:]}")
    return built
