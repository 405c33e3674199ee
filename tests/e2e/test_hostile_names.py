"""Names and payloads that are hostile to a terminal, a file system, a shell, Erlang or a page stay plain text."""

import json
import os
import re
import subprocess
import sys
import unicodedata

import pytest
from e2e_kit import HERE

PROJECT = '''
import json
from pathlib import Path
import pytest
from pytest_mqchaos import *
from consumers import kit

HOSTILE = json.loads(Path(__file__).with_name("hostile.json").read_text())
hostile = pytest.mark.parametrize("evil", HOSTILE.values(), ids=HOSTILE)

def go(mqchaos, evil, queue_type, *, loses=None):
    """Let every name be the hostile text, and the consumer's one that stands for the folder above."""
    def works(url):
        def handle(channel, method, properties, body):
            try:
                number = json.loads(body)["n"]
            except (ValueError, TypeError, KeyError):
                channel.basic_reject(method.delivery_tag, requeue=False)
                return
            if number != loses:
                probe.effect(properties.message_id)
            channel.basic_ack(method.delivery_tag)
        kit.again_and_again(lambda url: kit.consume(url, handle, queue=evil), url)

    mqchaos.exchange(evil, "topic")
    mqchaos.queue(evil, exchange=evil, routing_key=evil, dead_letter=f"{evil}.dead",
                  arguments={"x-queue-type": queue_type})
    mqchaos.consumer(works, name="..", env={"EVIL": evil})
    mqchaos.publish(exchange=evil, routing_key=evil, count=5, rate=40, key="order", headers={evil[:60]: evil},
                    properties={"content_type": evil, "correlation_id": evil},
                    body=lambda n, rng: {"n": n, "order": f"{evil}-{n}", evil: evil})
    return mqchaos.settle()

def counted(mqchaos):
    (census,) = [event for event in mqchaos.history if type(event).__name__ == "CensusTaken"][-1:]
    return {state.name: (state.exact, state.ready, state.unacknowledged) for state in census.queues}

@hostile
@pytest.mark.chaos(consumer_crash(before=ack(2)))
def test_kept(mqchaos, evil):
    assert len(go(mqchaos, evil, "classic").effected) == 5
    assert counted(mqchaos) == {evil: (True, 0, 0), f"{evil}.dead": (True, 0, 0)}

@hostile
@pytest.mark.chaos(broker_restart(before=ack(5)))
def test_restarted(mqchaos, evil):
    account = go(mqchaos, evil, "quorum")
    assert {life.id for life in account.confirmed} <= {life.id for life in account.effected}
    assert counted(mqchaos) == {evil: (True, 0, 0), f"{evil}.dead": (True, 0, 0)}

@hostile
def test_dead_lettered(mqchaos, evil):
    mqchaos.inject(poison_message(evil))
    assert len(go(mqchaos, evil, "quorum").dead_lettered) == 1
    assert counted(mqchaos) == {evil: (True, 0, 0), f"{evil}.dead": (True, 1, 0)}

@hostile
def test_lost(mqchaos, evil):
    go(mqchaos, evil, "classic", loses=3)
'''
TOUCH = "touch {0}"
HOSTILE = {
    "shell": f"$({TOUCH})`{TOUCH}`&'\"\\ ${{HOME}}{{url}}%n",
    "erlang": f'">>), os:cmd("{TOUCH}"), (<<"',
    "term": f"'). os:cmd(\"{TOUCH}\"). ('~w~n]. }} %",
    "path": "../../../../pwned/../{0}",
    "absolute": "{0}",
    "terminal": "\x1b]0;pwned\x07\x1b[2J\x1b[31m\x9b31m\x07\x08\x7f",
    "bidi": "\u202eelif\u2066\u200b\ufeff \u0430 \U0001f4a5 e\u0301 \u2028",
    "page": '<img src=x onerror=alert(1)></script><script>alert(2)</script>&#x27;"{{7*7}}',
    "markdown": "|`[x](javascript:alert(1))`|**x**\\|<!--",
    "address": "a/b?c=d#e%2f..%2f%00",
}
"""The texts, by what they would do harm to; `{0}` is the path of a file that nobody may make."""


def run(folder, hostile):
    """Run a pytest session in a folder; return what it wrote on its terminal."""
    (folder / "t").mkdir()
    (folder / "w").mkdir()
    (folder / "w" / "test_it.py").write_text(PROJECT)
    (folder / "w" / "hostile.json").write_text(json.dumps(hostile))
    (folder / "w" / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "200",
        "CI": "",
        "TMPDIR": str(folder / "t"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider"],
        cwd=folder / "w",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=590,
        check=False,
    )
    return (done.stdout + done.stderr).decode()


def obeyed(text):
    """Return what a terminal would obey in a text, or what would turn it round."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") and c != "\n"}


def texts(value):
    """Yield every text within a value out of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        yield from (text for each in value.values() for text in texts(each))
    elif isinstance(value, list):
        yield from (text for each in value for text in texts(each))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Return the folder of a session in which every name is hostile, the texts, and what its terminal showed."""
    folder = tmp_path_factory.mktemp("hostile")
    hostile = {name: text.replace("{0}", str(folder / "pwned")) for name, text in HOSTILE.items()}
    return folder, hostile, run(folder, hostile)


@pytest.mark.parametrize("evil", HOSTILE)
def test_the_verdicts_are_exact(session, evil):
    """A queue, an exchange, a key, headers and bodies of such a text: kept is kept, and lost is lost."""
    _, _, output = session
    said = re.findall(rf"^(PASSED|FAILED|ERROR) \S*::(\w+)\[(?=\S*\b{evil}\b)\S+\](.*)$", output, re.M)
    outcomes = sorted((name, outcome) for outcome, name, _ in said)
    kept = [(name, "PASSED") for name in ("test_dead_lettered", "test_kept", "test_restarted")]
    assert outcomes == sorted([*kept, ("test_lost", "FAILED")]), output
    assert [why for outcome, _, why in said if outcome == "FAILED"] == [" - lost: 1 of 5 messages"]


def test_nothing_is_run_and_nothing_is_left(session):
    """Nobody took a text for a command or a path: there is a report, and no other file."""
    folder, _, output = session
    assert {path.name for path in folder.iterdir()} == {"t", "w"}, output
    assert list((folder / "t").iterdir()) == []
    ours = {"test_it.py", "hostile.json", "pytest.ini", "mqchaos-report"}
    assert {path.name for path in (folder / "w").iterdir()} == ours


def test_a_terminal_has_nothing_to_obey(session):
    """No control character, and none that turns text round, is shown."""
    _, _, output = session
    assert not obeyed(output), obeyed(output)


def test_the_report_holds_them_as_text(session):
    """Both reports name the queues, as text, and hold nothing that a page would run."""
    folder, hostile, _ = session
    report = folder / "w" / "mqchaos-report"
    pages = [
        path.read_text() for path in report.rglob("*") if path.suffix in (".html", ".json", ".md", ".xml")
    ]
    assert len(pages) >= 2
    for page in pages:
        assert not obeyed(page), obeyed(page)
    page = (report / "index.html").read_text()
    assert "<img" not in page
    assert "alert(2)</script>" not in page
    said = set(texts(json.loads((report / "report.json").read_text())))
    missing = [name for name, text in hostile.items() if not any(text in each for each in said)]
    assert missing == []
