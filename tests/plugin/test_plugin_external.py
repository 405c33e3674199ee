"""The options of external servers: what they mean together, and that a password is never shown."""

from __future__ import annotations

import re

import pytest
from chaos_bench import Bench, block

SHOW = """
def test_it(mqchaos):
    from fake_mqchaos import SETTINGS
    print("has", SETTINGS[-1])
    print("runs", mqchaos.settings)
    mqchaos.lose(1)
"""
URL = "amqp://ci:s3cr3t@localhost:5672/"


def shown(result: pytest.RunResult, name: str) -> str:
    """A setting that the test printed."""
    found = re.search(rf"has SessionSettings\(.*?\b{name}=('[^']*'|[^,)]+)", result.stdout.str())
    assert found, result.stdout.str()
    return found[1].strip("'")


def test_an_address_means_external(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, from wherever it comes; a kind that is named at a nearer place wins."""
    assert shown(bench.run(SHOW, "-s", f"--mqchaos-url={URL}"), "servers") == "external"
    monkeypatch.setenv("PYTEST_MQCHAOS_URL", URL)
    assert shown(bench.run(None, "-s"), "servers") == "external"
    assert shown(bench.run(None, "-s", "--mqchaos-servers=process"), "servers") == "process"
    bench.pytester.makeini("[pytest]\nmqchaos_servers = docker\n")
    assert shown(bench.run(None, "-s"), "servers") == "external"


def test_where_an_address_came_from(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors may say it: the option, the variable, or the file."""
    assert "'--mqchaos-url={}'" in bench.run(SHOW, "-s", f"--mqchaos-url={URL}").stdout.str()
    monkeypatch.setenv("PYTEST_MQCHAOS_URL", URL)
    assert "'PYTEST_MQCHAOS_URL={}'" in bench.run(None, "-s").stdout.str()
    monkeypatch.delenv("PYTEST_MQCHAOS_URL")
    bench.pytester.makeini(f"[pytest]\nmqchaos_url = {URL}\n")
    assert "'mqchaos_url = {} in tox.ini'" in bench.run(None, "-s").stdout.str()


def test_a_contradiction(bench: Bench) -> None:
    """Two kinds at one place are none."""
    result = bench.run(SHOW, f"--mqchaos-url={URL}", "--mqchaos-servers=docker")
    (line,) = block(result, "ERROR at setup of test_it")
    assert line.startswith("--mqchaos-servers=docker and --mqchaos-url: ")


def test_the_password_is_not_shown(bench: Bench) -> None:
    """Neither in the settings, nor in the command that repeats a test, nor in the report."""
    result = bench.run(
        SHOW, "-s", f"--mqchaos-url={URL}", "--mqchaos-management-url=http://a:s3cr3t@localhost:1"
    )
    text = result.stdout.str()
    assert "s3cr3t" not in text
    assert "s3cr3t" not in (bench.path / "mqchaos-report" / "report.json").read_text()
    assert "'--mqchaos-url=amqp://***@localhost:5672/'" in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "url=http://ci:s3cr3t@h/",
            "'http://ci:***@h/' is not an address that begins with amqp:// or amqps://",
        ),
        ("url=amqp://ci:s3cr3t@h:0/", "'amqp://ci:***@h:0/' is not an address with a host and a port"),
        ("url=amqp://ci:***@h/", "fill it in"),
        ("url=amqp://***@h/", "fill it in"),
        ("isolation=table", "'table' is not one of auto, vhost, prefix, none"),
        ("require=docker", "'docker' is not one of broker"),
        ("servers=remote", "'remote' is not one of auto, docker, process, external"),
    ],
)
def test_wrong(bench: Bench, given: str, said: str) -> None:
    """A wrong value ends the session at once, in one line."""
    result = bench.run("def test_other(): ...", f"--mqchaos-{given}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line]
    assert said in line
    assert "s3cr3t" not in line


NOT_OURS = """
import pytest
from fake_mqchaos import FakeSession
from pytest_mqchaos.errors import NotPossible


class External(FakeSession):
    def open(self, test):
        if test.scenario.id != "baseline":
            raise NotPossible("broker_restart(): the broker is not ours to disturb")
        return super().open(test)


@pytest.hookimpl(tryfirst=True)
def pytest_mqchaos_session(settings):
    return External(settings)
"""


def test_what_is_not_possible(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is skipped with its reason, in CI too; it fails where a broker that permits it is required."""
    bench.pytester.makeconftest('pytest_plugins = ["fake_mqchaos"]\n' + NOT_OURS)
    source = "@pytest.mark.chaos(baseline(), broker_restart())\ndef test_it(mqchaos): ...\n"
    monkeypatch.setenv("CI", "true")
    result = bench.run(source, "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    assert "broker_restart(): the broker is not ours to disturb" in result.stdout.str()
    result = bench.run(None, "--mqchaos-require=broker")
    result.assert_outcomes(passed=1, errors=1)
    (line,) = block(result, "ERROR at setup of test_it[broker_restart]")
    assert line.endswith("(--mqchaos-require=broker: nothing is skipped for want of one)")


def test_no_server_where_one_is_required(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same holds for a server that cannot be had at all."""
    monkeypatch.setenv("FAKE_UNAVAILABLE", "no server")
    bench.run("def test_it(mqchaos): ...").assert_outcomes(skipped=1)
    bench.run(None, "--mqchaos-require=broker").assert_outcomes(errors=1)
