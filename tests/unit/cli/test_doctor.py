"""`python -m pytest_mqchaos doctor`: what is here, what is missing, and whether a chaos test could run."""

import os
import re
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest

from pytest_mqchaos.brokers.rabbitmq import find, launch
from pytest_mqchaos.cli import doctor, main
from pytest_mqchaos.cli.doctor import Found
from pytest_mqchaos.errors import ChaosError, ServerUnavailable

URL = "amqp://me:geheim@127.0.0.1:5672/"
NOWHERE = "unix:///nowhere/docker.sock"


@pytest.fixture
def bare(monkeypatch):
    """A machine without Docker, RabbitMQ and Toxiproxy."""

    def none() -> None:
        raise ServerUnavailable("no rabbitmq-server on PATH or in the usual places")

    for name in [name for name in os.environ if name.startswith("PYTEST_MQCHAOS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    monkeypatch.setattr(find, "find_installation", none)
    monkeypatch.setattr("shutil.which", lambda *_arguments, **_options: None)


@pytest.fixture
def installed(bare, monkeypatch, tmp_path):
    """A machine with RabbitMQ, and a folder for temporary files that a test may name."""
    (tmp_path / "plugins").mkdir()
    here = find.Installation(home=tmp_path, erl=tmp_path / "erl", epmd=tmp_path / "epmd")
    monkeypatch.setattr(find, "find_installation", lambda: here)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def broker(bare, monkeypatch):
    """A bare machine with the address of a RabbitMQ in its environment; `open_external` is what becomes of it."""
    monkeypatch.setenv("PYTEST_MQCHAOS_URL", URL)
    told = []

    def opened(external):
        told.append(external)
        return SimpleNamespace(description="RabbitMQ 4.0.5 (external)", stop=lambda: told.append("stop"))

    monkeypatch.setattr(launch, "open_external", opened)
    return told


def test_a_rabbitmq_on_path_is_enough(installed, capsys):
    """With RabbitMQ alone the status is 0, and the last line says how chaos tests run."""
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "chaos tests run here with --mqchaos-servers=process"


def test_a_broker_that_runs_already_is_enough(broker, capsys):
    """With an address in the environment and nothing else the status is 0; the broker was asked, and left."""
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^ok +external RabbitMQ +RabbitMQ 4.0.5 \(external\)$", said, re.M)
    assert said.splitlines()[-1] == "chaos tests run here with PYTEST_MQCHAOS_URL"
    assert (broker[0].url, broker[1:]) == (URL, ["stop"])


def test_a_broker_that_refuses_us(broker, capsys, monkeypatch):
    """An address that does not serve is missing, with its reason and without its password, and the status is 1."""

    def refused(external):
        raise ChaosError(f"no broker at {external.url}: connection refused")

    monkeypatch.setattr(launch, "open_external", refused)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert re.search(
        r"^missing +external RabbitMQ +no broker at amqp://\*\*\*@\S+: connection refused", said, re.M
    )
    assert "geheim" not in said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("URL", "http://h", "PYTEST_MQCHAOS_URL: 'http://h' is not an address that begins with amqp://"),
        ("ISOLATION", "some", "PYTEST_MQCHAOS_ISOLATION: 'some' is not one of auto, vhost, prefix, none"),
        (
            "SERVERS",
            "process",
            "PYTEST_MQCHAOS_SERVERS=process and PYTEST_MQCHAOS_URL: the address of a RabbitMQ",
        ),
    ],
)
def test_an_environment_in_which_every_chaos_test_fails(
    installed, broker, monkeypatch, capsys, name, value, said
):
    """A variable that cannot be read is missing, whatever else is here."""
    monkeypatch.setenv(f"PYTEST_MQCHAOS_{name}", value)
    assert main(["doctor"]) == 1
    assert re.search(rf"^missing +environment +{re.escape(said)}", capsys.readouterr().out, re.M)


def test_a_full_disk(installed, broker, monkeypatch, capsys):
    """Where a session refuses to start servers for want of room, no kind of them runs."""
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=19_999_999))
    assert main(["doctor"]) == 1
    assert re.search(r"^missing +temporary folder +only 20.0 MB are free in ", capsys.readouterr().out, re.M)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=20_000_000))
    assert main(["doctor"]) == 0
    assert re.search(r"^note +temporary folder +.*, 19 MiB free", capsys.readouterr().out, re.M)


def test_a_folder_that_cannot_be_written(installed, broker, monkeypatch, capsys):
    """Nor does any where there is no room at all."""
    monkeypatch.setattr(tempfile, "tempdir", str(installed / "gone"))
    assert main(["doctor"]) == 1
    assert "missing  temporary folder" in capsys.readouterr().out


def test_a_folder_with_a_quote_in_its_name(installed, monkeypatch, capsys):
    """Where a node of RabbitMQ cannot run, it is missing; what runs elsewhere does not mind."""
    quoted = installed / "it's"
    quoted.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(quoted))
    assert main(["doctor"]) == 1
    assert re.search(
        r"^missing +temporary folder +RabbitMQ cannot run in .*it's", capsys.readouterr().out, re.M
    )
    monkeypatch.setenv("PYTEST_MQCHAOS_URL", URL)
    running = SimpleNamespace(description="RabbitMQ", stop=lambda: None)
    monkeypatch.setattr(launch, "open_external", lambda external: running)
    assert main(["doctor"]) == 0


def test_a_trial(installed, monkeypatch, capsys):
    """`--start` starts the servers that the environment asks for, ends them, and says how long it took."""
    monkeypatch.setenv("PYTEST_MQCHAOS_NETWORK", "wire")
    done = []

    def start(settings, *, run, directory):
        done.append((settings.servers, settings.network, directory.is_dir()))
        return SimpleNamespace(description="RabbitMQ 4.0.5 (process)", stop=lambda: done.append("stop"))

    monkeypatch.setattr(doctor.servers, "start", start, raising=False)
    assert main(["doctor", "--start"]) == 0
    assert done == [("auto", "wire", True), "stop"]
    assert re.search(r"^RabbitMQ 4.0.5 \(process\)\nstarted in \d+\.\d s$", capsys.readouterr().out, re.M)


def test_a_trial_that_fails(installed, monkeypatch, capsys):
    """Where the servers do not start the status is 1, and one line says why."""

    def start(_settings, **_options):
        raise ServerUnavailable("no server for the chaos tests; process: it died")

    monkeypatch.setattr(doctor.servers, "start", start, raising=False)
    assert main(["doctor", "--start"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "the trial failed: no server for the chaos tests; process: it died"


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
        ([("ok", "external"), ("missing", "docker"), ("missing", "process")], ["external"]),
        ([("ok", "external"), ("ok", "docker"), ("missing", "docker process external")], []),
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
