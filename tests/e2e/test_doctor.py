"""`python -m pytest_mqchaos doctor --start` on this machine, with servers of its own and with one that runs already."""

import os
import re
import subprocess
import sys
import uuid

import pytest

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers import ServerSettings, start

KIND = os.environ.get("PYTEST_MQCHAOS_SERVERS", "process")


def doctor(**variables):
    """Run it, and return its exit status and what it said."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_MQCHAOS_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mqchaos", "doctor", "--start"],
        env={**ours, "PYTEST_MQCHAOS_NETWORK": "wire", **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_doctor(tmp_path):
    """Both trials start or reach their RabbitMQ, the status is 0, and nothing is left in the temporary folder."""
    try:
        servers = start(
            ServerSettings(servers=KIND, network="wire"),
            run=uuid.uuid4().hex[:8],
            directory=tmp_path / "servers",
        )
    except ServerUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    try:
        status, said = doctor(PYTEST_MQCHAOS_URL=servers.broker.url("/"), TMPDIR=str(temporary))
    finally:
        servers.stop()
    assert status == 0, said
    assert "PYTEST_MQCHAOS_URL\nRabbitMQ" in said
    assert "guest:guest" not in said
    status, said = doctor(PYTEST_MQCHAOS_SERVERS=KIND, TMPDIR=str(temporary))
    assert status == 0, said
    assert re.search(
        rf"^chaos tests run here with .*--mqchaos-servers={KIND}\b.*\nRabbitMQ .*\nstarted in ", said, re.M
    )
    assert list(temporary.iterdir()) == []
