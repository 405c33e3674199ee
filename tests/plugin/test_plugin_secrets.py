"""Nothing of a URL's user and password reaches what is shown or written."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from chaos_bench import Bench

SECRET = "hunter2"
URL = f"amqp://app:{SECRET}@mq.example:5672/orders"
WRITTEN = URL.replace(SECRET, "SECRET")
SOURCE = f"""
    URL = {WRITTEN!r}.replace("SECRET", "hunter" + "2")  # pytest's own excerpts of this file are not ours to mask

    def test_section(mqchaos):
        mqchaos.say(f"connecting to {{URL}}")
        mqchaos.lose(17)

    def test_error(mqchaos):
        mqchaos.error = f"no consumer at {{URL}} and {{URL}}"

    def test_close(mqchaos):
        mqchaos.at_close = f"no end of {{URL}}"

    def test_claim(mqchaos):
        mqchaos.find(f"a client that talks to {{URL}}")

    def test_own(mqchaos):
        mqchaos.error = f"no account from {{URL}}"
        assert 0
"""


def check(bench: Bench, result: pytest.RunResult) -> None:
    """Check that the secret stands in nothing, and that what is about it does."""
    assert SECRET not in result.stdout.str()
    assert SECRET not in result.stderr.str()
    assert "amqp://***@mq.example:5672/orders" in result.stdout.str()
    for path in ("mqchaos-report/report.json", "junit.xml"):
        assert SECRET not in (bench.path / path).read_text()


def test_output_and_reports(bench: Bench) -> None:
    """Sections, errors, findings and both reports have the host of a URL, and no password."""
    result = bench.run(SOURCE, "-rA", "--junitxml=junit.xml", "--tb=line")
    assert result.parseoutcomes() == {"failed": 4, "passed": 1, "errors": 1}
    check(bench, result)
    assert len(json.loads((bench.path / "mqchaos-report" / "report.json").read_text())["runs"]) == 5
    assert ET.parse(bench.path / "junit.xml").getroot().tag == "testsuites"


def test_no_server(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a skip for want of a server nor the failure that it is on CI has it."""
    monkeypatch.setenv("FAKE_UNAVAILABLE", f"no engine at {URL}")
    for ci, outcome in (("", "skipped"), ("1", "errors")):
        monkeypatch.setenv("CI", ci)
        result = bench.run("def test_it(mqchaos): ...", "-rA")
        assert outcome in result.parseoutcomes()
        assert SECRET not in result.stdout.str()
        assert "***@mq.example" in result.stdout.str()


def test_options(bench: Bench) -> None:
    """Neither a wrong option's value nor the line that repeats a test has it."""
    result = bench.run("def test_it(mqchaos): ...", f"--mqchaos-servers={URL}")
    assert SECRET not in result.stderr.str()
    assert "***@mq.example" in result.stderr.str()
    result = bench.run(
        "def test_it(mqchaos):\n    mqchaos.lose(1)",
        f"--mqchaos-rabbitmq-image=https://me:{SECRET}@hub.example/r",
    )
    assert "https://***@hub.example/r" in result.stdout.str()
    assert SECRET not in result.stdout.str()
    assert SECRET not in (bench.path / "mqchaos-report" / "report.json").read_text()


@pytest.mark.parametrize("name", ["url", "management_url"])
@pytest.mark.parametrize("secret", ["hunter2'<\">", "hunter2" * 100])
def test_address_of_a_broker(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, secret: str) -> None:
    """The password of the broker's address is in nothing that a session leaves, whether it ends or is killed."""
    monkeypatch.setenv(f"PYTEST_MQCHAOS_{name.upper()}", f"amqp://app:{secret}@localhost/")
    bench.run("def test_it(mqchaos):\n    mqchaos.lose(1)", "--mqchaos-report-md=report.md")
    bench.run("import os\ndef test_it(mqchaos): os.kill(os.getpid(), 9)", subprocess=True)
    left = [path for path in (bench.path / "mqchaos-report").rglob("*") if path.is_file()]
    assert {path.name for path in left} >= {"report.json", "index.html"}
    for path in [*left, bench.path / "report.md"]:
        assert SECRET not in path.read_text(), path
    (unfinished,) = (path for path in left if path.name.startswith("unfinished-"))
    assert "amqp://app:***@localhost/" in unfinished.read_text()
