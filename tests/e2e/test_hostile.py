"""Surroundings that nobody wished for: chaos tests run in them all the same, or one line says why they cannot."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress

import pytest
from e2e_kit import HERE

DOCKER = os.environ.get("PYTEST_MQCHAOS_SERVERS") == "docker"
PROJECT = """
import pytest
from pytest_mqchaos import *
from consumers import correct

@pytest.mark.chaos(connection_drop(after=delivery(3)))
def test_chaos(mqchaos):
    mqchaos.queue("orders", dead_letter="orders.dead")
    mqchaos.consumer(correct.ack_after_work, env={"WORK": "0.005"})
    mqchaos.publish("orders", count=10, body=lambda n, rng: {"n": n})

def test_plain():
    pass
"""
NOBODY = "http://127.0.0.1:9"
ODD = {
    "everything": {
        "LANG": "C",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "HOME": "/proc",
        **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"), NOBODY),
        "RABBITMQ_NODENAME": "rabbit@elsewhere",
        "RABBITMQ_NODE_PORT": "1",
        "RABBITMQ_MNESIA_DIR": "/nonexistent",
        "RABBITMQ_CONFIG_FILE": "/nonexistent",
        "RABBITMQ_PLUGINS_DIR": "/nonexistent",
        "RABBITMQ_USE_LONGNAME": "true",
        "ERL_LIBS": "/nonexistent",
        "ERL_FLAGS": "-bogus",
        "ERL_AFLAGS": "-sname other",
        "ERL_EPMD_PORT": "1",
    },
    "nothing": dict.fromkeys(("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TERM", "SHELL", "TMPDIR")),
}
FOLDERS = {
    "long": "/".join("x" * 120 for _ in range(3)),
    "odd": "with a space/ünï/日本 {b} %d $x",
    "quote": "it's",
}


class Session:
    """A session of pytest in a folder of its own, its output and outcomes."""

    def __init__(self, folder, *arguments, environment=None, umask=None, inside=()):
        (folder / "test_it.py").write_text(PROJECT)
        (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        merged = {
            **os.environ,
            "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "COLUMNS": "200",
            "PYTEST_MQCHAOS_SERVERS": os.environ.get("PYTEST_MQCHAOS_SERVERS", "process"),
            "CI": "",
            **(environment or {}),
        }
        done = subprocess.run(
            [*inside, sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *arguments],
            cwd=folder,
            env={name: value for name, value in merged.items() if value is not None},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=200,
            umask=-1 if umask is None else umask,
            check=False,
        )
        self.code = done.returncode
        self.output = (done.stdout + done.stderr).decode(errors="replace")
        self.passed = set(re.findall(r"^PASSED \S*?::(\w+)", self.output, re.M))
        assert "pytest_mqchaos/" not in self.output, self.output
        assert "Traceback (most recent call last)" not in self.output, self.output

    def all_is_well(self):
        """Assert that both tests passed."""
        assert self.passed == {"test_chaos", "test_plain"}, self.output

    def one_line_says(self, *words):
        """Assert that the chaos test was skipped with a line of these words, and the other one passed."""
        assert self.passed == {"test_plain"}, self.output
        assert self.code == 0
        (line,) = [line for line in self.output.splitlines() if line.startswith("SKIPPED")]
        assert all(word in line for word in words), line


@pytest.mark.parametrize("name", ODD)
def test_an_odd_environment(tmp_path, name):
    """No variable of the surroundings reaches the servers, none of ours needs one, nor files that others may read."""
    Session(tmp_path, environment=ODD[name], umask=0o077).all_is_well()


@pytest.mark.parametrize("name", ["long", "odd"])
def test_a_folder_for_temporary_files(tmp_path, name):
    """Servers run in whatever folder for temporary files there is."""
    folder = tmp_path / FOLDERS[name]
    folder.mkdir(parents=True)
    Session(tmp_path, environment={"TMPDIR": str(folder)}).all_is_well()
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(DOCKER, reason="no broker runs there")
def test_a_folder_in_which_rabbitmq_cannot_run(tmp_path):
    """A quote in its path is too much for RabbitMQ: said at once, not after its time-out."""
    folder = tmp_path / FOLDERS["quote"]
    folder.mkdir()
    session = Session(tmp_path, environment={"TMPDIR": str(folder)})
    session.one_line_says("RabbitMQ cannot run in", "it's", "TMPDIR=...")
    assert list(folder.iterdir()) == []


def test_no_engine(tmp_path):
    """A Docker engine that does not answer is one line: what was tried, why, and what mends it."""
    session = Session(
        tmp_path, "--mqchaos-servers=docker", environment={"DOCKER_HOST": "tcp://me:hunter2@127.0.0.1:1"}
    )
    session.one_line_says("docker: no Docker engine answers at tcp://***@127.0.0.1:1", "DOCKER_HOST")
    assert "hunter2" not in session.output
    session = Session(tmp_path, "--mqchaos-servers=docker", environment={"DOCKER_HOST": "tcp://127.0.0.1:1"})
    session.one_line_says("(Connection refused); DOCKER_HOST or `docker context use` names another one")


def fill(path):
    """Write a file that takes all there is left of a disk."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 512)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="only root can make a small disk")
def test_a_full_disk(tmp_path):
    """A disk that is too small for a broker, or full where the report goes, is said as that."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be made here")
    try:
        Session(tmp_path, environment={"TMPDIR": str(disk)}).one_line_says("MB are free in", "TMPDIR=...")
        assert list(disk.iterdir()) == []
        fill(disk / "filled")
        session = Session(tmp_path, f"--mqchaos-report={disk}")
        session.all_is_well()
        assert re.search(
            rf"^no report: {disk} cannot be written: No space left on device$", session.output, re.M
        )
        assert {path.name for path in disk.iterdir()} == {"filled"}
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(
    DOCKER or os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root, and process servers"
)
@pytest.mark.parametrize("hosts", ["", "::1 localhost\n", "10.1.2.3 localhost\n"])
def test_a_host_of_no_name(tmp_path, hosts):
    """A host whose own name resolves to nothing, and `localhost` to nothing of use, runs a broker all the same."""
    (tmp_path / "hosts").write_text(hosts)
    script = f"mount --bind '{tmp_path}/hosts' /etc/hosts && hostname no-such-host.invalid && exec \"$@\""
    inside = ["unshare", "--mount", "--uts", "sh", "-c", script, "sh"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no names of one's own can be had here")
    Session(tmp_path, inside=inside).all_is_well()
