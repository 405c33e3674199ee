"""The CI files of docs/ci.md keep their word: each command is run as it stands, against servers as that CI has them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ci_page import Job, files, jobs
from pages import ROOT, blocks
from readme import files as readme_files
from service_kit import Service, engine_client

from pytest_mqchaos.options import OPTIONS

JOBS = {job.name: job for job in jobs()}
BATTERY = """
import pytest


@pytest.mark.chaos
def test_battery(mqchaos):
    mqchaos.consumer(["python", "worker.py"])
    mqchaos.effects("orders.log")
    mqchaos.publish("orders", count=20, key="order")
"""
"""The standard battery restarts the broker where it may."""
NAMED = re.compile(r"--mqchaos-[a-z-]+")
KNOWN = re.compile(r"pytest |pip install pytest-mqchaos$|apt-get (update|install) -")


def test_the_page_has_them_all() -> None:
    """A service container and Docker for GitHub, a service and a process for GitLab."""
    assert list(files()) == [
        ".github/workflows/chaos.yml",
        ".github/workflows/chaos-service.yml",
        ".gitlab-ci.yml",
    ]
    assert list(JOBS) == ["chaos/chaos", "chaos-service/chaos", "gitlab/chaos", "gitlab/chaos-process"]


@pytest.mark.parametrize("job", JOBS.values(), ids=list(JOBS))
def test_its_names_exist(job: Job) -> None:
    """Options and variables are the plugin's own, and there is no command that nobody has looked at."""
    flags = {flag for command in job.commands for flag in NAMED.findall(command)}
    assert flags <= {option.flag for option in OPTIONS}
    ours = {name for name in job.env if "MQCHAOS" in name}
    assert ours <= {option.variable for option in OPTIONS}
    assert [command for command in job.commands if not KNOWN.match(command)] == []


def test_what_it_installs_exists() -> None:
    """The package is this one, and the distribution has the program under that name."""
    installed = {
        command for job in JOBS.values() for command in job.commands if command.startswith("pip install")
    }
    assert installed == {"pip install pytest-mqchaos"}
    assert 'name = "pytest-mqchaos"' in (ROOT / "pyproject.toml").read_text()
    [install] = [c for job in JOBS.values() for c in job.commands if c.startswith("apt-get install")]
    if not shutil.which("apt-get") or not any(Path("/var/lib/apt/lists").glob("*Packages*")):
        pytest.skip("no package lists of Debian's here")
    ran = subprocess.run([*shlex.split(install), "--simulate"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def provided() -> Iterator[Service]:
    """The service of the jobs that have one, with the user that the page gives it; they are all alike."""
    [user, password] = {
        (said["env"]["RABBITMQ_DEFAULT_USER"], said["env"]["RABBITMQ_DEFAULT_PASS"])
        for job in JOBS.values()
        for said in job.services.values()
    }.pop()
    client = engine_client()
    found = Service(client, user=user, password=password)
    try:
        found.start()
        yield found
    finally:
        found.container.remove(force=True, v=True)
        client.close()


@pytest.fixture
def service(job: Job, request: pytest.FixtureRequest) -> Service | None:
    """The job's service, healthy by the question that the page has for it; none where the job has none."""
    if not job.services:
        return None
    found: Service = request.getfixturevalue("provided")
    [said] = job.services.values()
    assert said.get("image", said.get("name")) == "rabbitmq:4-management"
    if probe := re.search(r'--health-cmd "([^"]+)"', said.get("options", "")):
        assert found.container.exec_run(shlex.split(probe[1])).exit_code == 0
    return found


def here(text: str, service: Service | None) -> str:
    """Put what only the CI system knows in its place: the service's ports, its id, its address."""
    if service is None:
        return text
    text = text.replace("${{ job.services.rabbitmq.id }}", service.container.id)
    text = text.replace("localhost:5672", f"localhost:{service.port}")
    text = text.replace("localhost:15672", f"localhost:{service.management_port}")
    return text.replace("//rabbitmq:", f"//{service.address()}:").replace(
        "@rabbitmq:", f"@{service.address()}:"
    )


@pytest.mark.parametrize("job", JOBS.values(), ids=list(JOBS))
def test_its_tests_run(job: Job, service: Service | None, tmp_path: Path) -> None:
    """The job's pytest is green with the README's consumer, the broker is restarted where it may be, files are kept."""
    if job.env.get("PYTEST_MQCHAOS_SERVERS") == "docker":
        engine_client().close()
    (tmp_path / "worker.py").write_text(readme_files()["worker.py"])
    (tmp_path / "test_battery.py").write_text(BATTERY)
    inherited = {name: value for name, value in os.environ.items() if "MQCHAOS" not in name}
    env = {
        **inherited,
        **{name: here(value, service) for name, value in job.env.items()},
        "CI": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    [command] = [here(one, service) for one in job.commands if one.startswith("pytest ")]
    ran = subprocess.run(
        command,
        shell=True,
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout
    report = json.loads((tmp_path / "mqchaos-report" / "report.json").read_text())
    assert {run["verdict"] for run in report["runs"]} == {"pass"}, ran.stdout
    restarted = "broker_restart" in {run["scenario"] for run in report["runs"]}
    assert restarted == ("--mqchaos-allow-remote" not in command), ran.stdout
    assert [path for path in job.kept if not (tmp_path / path).exists()] == []


def test_the_readme_leads_here() -> None:
    """Whoever reads of a broker that runs already finds this page."""
    assert blocks("README.md", "yaml") == []  # a workflow there would be one that nobody runs
    assert "docs/ci.md" in (ROOT / "README.md").read_text()
