"""`python -m pytest_mqchaos doctor`: what is here, what is missing, and whether a chaos test could run."""

import os
import re
import subprocess
import sys

import pytest

from pytest_mqchaos.brokers.rabbitmq import find
from pytest_mqchaos.cli import doctor, main
from pytest_mqchaos.cli.doctor import Found
from pytest_mqchaos.errors import ServerUnavailable

NOWHERE = "unix:///nowhere/docker.sock"


@pytest.fixture
def bare(monkeypatch):
    """A machine without Docker, RabbitMQ and Toxiproxy."""

    def none() -> None:
        raise ServerUnavailable("no rabbitmq-server on PATH or in the usual places")

    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    monkeypatch.setattr(find, "find_installation", none)
    monkeypatch.setattr("shutil.which", lambda *_arguments, **_options: None)


def test_nothing_here(bare, capsys):
    """A bare machine is told what each missing part is for and what brings it, and the status is 1."""
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"missing +Docker engine .*install docker.io.*\(for docker servers\)", said)
    assert re.search(r"missing +RabbitMQ +no rabbitmq-server", said)
    assert "go install github.com/Shopify/toxiproxy" in said
    assert said.splitlines()[-1].startswith("no chaos test can run here")


@pytest.mark.parametrize(
    ("states", "kinds"),
    [
        ([], []),
        ([("ok", "docker"), ("ok", "docker"), ("ok", "process")], ["docker", "process"]),
        ([("ok", "docker"), ("missing", "docker"), ("ok", "process")], ["process"]),
        ([("missing", "process"), ("note", ""), ("ok", "")], []),
    ],
)
def test_a_kind_runs_when_all_its_parts_are_here(states, kinds):
    """One part of a kind that is missing is one too many."""
    assert doctor.runnable([Found(state, "x", "", offers) for state, offers in states]) == kinds


def test_as_a_command():
    """As a stranger runs it: a line for each part, no Docker here, and no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mqchaos", "doctor"],
        env={**os.environ, "DOCKER_HOST": NOWHERE},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert re.search(r"^missing +Docker engine", done.stdout, re.M)
    assert re.search(r"^ok +Python +3\.", done.stdout, re.M)
    assert done.returncode == int("--mqchaos-servers=process" not in done.stdout)


def test_a_wrong_command_is_one_line(capsys):
    """A command that is not there ends with status 2."""
    with pytest.raises(SystemExit, match="2"):
        main(["doktor"])
    assert "invalid choice: 'doktor'" in capsys.readouterr().err
