"""The words of `try`: what is wrong with them is said before anything is started."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

import pytest

from pytest_mqchaos.cli import main, trying
from pytest_mqchaos.cli.trial import repeated
from pytest_mqchaos.cli.wording import in_words_of_try, read_queues, reword_told
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.options import OPTIONS, TRIED

COMMAND = ("cat worker.js", "--queue", "orders")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    """A project's folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    Path("worker.js").write_text("")
    Path("bad.json").write_text("queues")
    Path("order.json").write_text(json.dumps({"id": 17, "total": 2.5}))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["cat"], "try: --queue NAME: the queue that the consumer reads (or --exchange NAME)"),
        (["cat", "--queue", "a", "--exchange", "b"], "try: --queue and --exchange: messages are published to one"),
        (["cat", "--queue", "a", "--routing-key", "b"], "try: --routing-key is of an --exchange: "),
        (["nod worker.js", "--queue", "a"], "try: the command 'nod' was not found on PATH"),
        (["./worker.js", "--queue", "a"], "try: the command './worker.js' is not executable (in "),
        (["", "--queue", "a"], "try: '' the command is empty"),
        (["python nothere.py", "--queue", "a"], "try: the script 'nothere.py' was not found (in "),
        ([*COMMAND, "--servers", "podman"], "try: --servers: 'podman' is not one of auto, docker, process, external"),
        ([*COMMAND, "--mqchaos-seed=x"], "try: --mqchaos-seed: 'x' is not a whole number from 0 on, or random"),
        (["cat 'x", "--queue", "a"], "try: \"cat 'x\" No closing quotation"),
        ([*COMMAND, "--body", "nothing.json"], "try: --body nothing.json: No such file or directory"),
        ([*COMMAND, "--body", "worker.js", "--key", "id"], "try: --key id: worker.js is no JSON object"),
        ([*COMMAND, "--key", "id"], "try: --key id: a message of which form? Give an example by --body FILE"),
        ([*COMMAND, "--body", "order.json", "--key", "n"], "try: --key n: no such field in order.json: it has id"),
        ([*COMMAND, "--definitions", "no.json"], "try: --definitions no.json: no such file"),
        ([*COMMAND, "--definitions", "bad.json"], "try: --definitions bad.json: is no JSON: Expecting value: line 1"),
        ([*COMMAND, "--definitions", "order.json"], "try: --definitions order.json: has no queues, exchanges, binding"),
        ([*COMMAND, "--definitions", "."], "try: --definitions .: Is a directory"),
        ([*COMMAND, "--cwd", "nowhere"], "try: --cwd nowhere: no such folder"),
        ([*COMMAND, "--env", "A"], "try: --env 'A': NAME=VALUE"),
        ([*COMMAND, "--effects-output", "("], "try: --effects-output '(': no regular expression: missing ), "),
        ([*COMMAND, "--scenario", "crash"], "try: --scenario 'crash': no fault 'crash'; "),
        ([*COMMAND, "--scenario", "lost_ack:allow=lots"], "try: allow='lots': no such finding or hazard; "),
        ([*COMMAND, "--allow", "vacuous"], "try: allow='vacuous': nothing allows a run that proves nothing"),
        ([*COMMAND, "--write", "test_it.txt"], "try: --write test_it.txt: a test is a file that ends in .py"),
        ([*COMMAND, "--write", "no/test_it.py"], "try: --write no/test_it.py: No such file or directory"),
        ([*COMMAND, "--count", "0"], "argument --count: '0' is not a whole number above 0"),
        ([*COMMAND, "--rate", "fast"], "argument --rate: 'fast' is not a number above 0"),
        ([*COMMAND, "--guarantee", "always"], "argument --guarantee: invalid choice: 'always'"),
        ([*COMMAND, "--quick"], "unrecognized arguments: --quick"),
        (["cat", "worker.js", "--queue", "a"],
         'try: error: unrecognized arguments: worker.js: quote the command: try "cat worker.js"'),
        (["cat", "worker.js", "--queue", "a", "-x", "out"], 'quote the command: try "cat worker.js -x out"'),
        (["--queue", "a", "cat", "-n", "worker.js"], "try: error: unrecognized arguments: -n worker.js"),
        (["cat", "--queue", "a", "--quick", "b"], "try: error: unrecognized arguments: --quick b"),
        ([], "the following arguments are required: COMMAND"),
    ],
)  # fmt: skip
def test_bad_input(folder: Path, words: list[str], why: str, capsys) -> None:
    """One line that names what is wrong, exit status 2, before anything is started or written."""
    before = sorted(folder.iterdir())
    try:
        status = main(["try", *words])
    except SystemExit as ended:  # argparse's own
        status = ended.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert why in err.splitlines()[-1]
    assert err.startswith("usage: python -m pytest_mqchaos try ") or err.count("\n") == 1
    assert sorted(folder.iterdir()) == before


def test_every_option_of_the_plugin_is_there() -> None:
    """Under its own name and without `mqchaos-`, with the same help."""
    parser = argparse.ArgumentParser()
    trying.add_arguments(parser)
    words = {word: action for action in parser._actions for word in action.option_strings}
    assert {*OPTIONS} - {*TRIED} == {
        option for option in OPTIONS if option.name == "scenario"
    }  # it has its own
    for option in TRIED:
        assert words[option.flag] is words[option.flag.replace("--mqchaos-", "--")]
        assert words[option.flag].help == option.help
        assert words[option.flag].dest == option.key


@pytest.mark.parametrize(
    ("words", "again"),
    [
        ("try cat --queue a", "try cat --queue a --scenario refuse --seed=4"),
        ("try cat --write t.py --queue a --write=t.py --seed 3 --mqchaos-seed=5 --scenario x --scenario=y",
         "try cat --queue a --scenario refuse --seed=4"),
        ("try 'node a b' --url amqp://u:secret@host/ --queue a",
         "try 'node a b' --url 'amqp://u:***@host/' --queue a --scenario refuse --seed=4"),
        ("try cat --mqchaos-url='amqp://u:<secret>@host/' --management-url 'http://u:secret secret@host'",
         "try cat '--mqchaos-url=amqp://u:***@host/' --management-url 'http://u:***@host' --scenario refuse --seed=4"),
        ("try 'cat amqp://u:<secret>@host/'", "try 'cat amqp://***@host/' --scenario refuse --seed=4"),
        ("try cat --url", "try cat --url --scenario refuse --seed=4"),
    ],
)  # fmt: skip
def test_the_command_that_repeats_a_scenario(words: str, again: str) -> None:
    """It names that scenario and the seed, writes nothing, and shows no password."""
    assert repeated(shlex.split(words), "refuse", 4) == f"python -m pytest_mqchaos {again}"


@pytest.mark.parametrize(
    ("text", "queues", "said"),
    [
        (
            "publish(): there is no queue 'tickt' after 15 s: declare it with mqchaos.queue('tickt'), or start the "
            "consumer that declares it first (broker's view)",
            ["ticket"],
            "there is no queue 'tickt' after 15 s: the consumer reads `ticket`: name that by --queue, or let --declare "
            "make it (broker's view)",
        ),
        (
            "publish(): no queue is bound to exchange 'e' after 0.5 s: bind one with mqchaos.queue(..., exchange='e'), "
            "or start the consumer that does it first",
            ["a", "b"],
            "no queue is bound to exchange 'e' after 0.5 s: the consumer reads `a` and `b`: name that by --queue, or "
            "load the exchange and its bindings by --definitions FILE",
        ),
        ("there is no queue 'a'", ["b"], "there is no queue 'a'"),
    ],
)
def test_what_is_published_to_and_never_appeared(text: str, queues: list[str], said: str) -> None:
    """Who types a command is told of options, and of the queues that the consumer reads."""
    assert in_words_of_try(text, queues) == said


def test_all_that_a_report_tells_is_reworded() -> None:
    """Its sections, and the run that crosses: its error, its summary (shown where a strict run fails), its claims."""
    text = (
        "publish(): there is no queue 'a' after 1 s: declare it with mqchaos.queue('a'), or start the consumer "
        "that declares it first"
    )
    report = pytest.TestReport(
        "t", ("t.py", 1, "t"), {}, "failed", None, "call", sections=[("mqchaos", text)]
    )
    report.mqchaos = {"run": {"error": text, "summary": text, "findings": [{"claim": text}]}}  # type: ignore[attr-defined]
    reword_told(report, ["b"])
    told = report.mqchaos["run"]  # type: ignore[attr-defined]
    words = [report.sections[0][1], told["error"], told["summary"], told["findings"][0]["claim"]]
    assert words == [in_words_of_try(text, ["b"])] * 4


def test_the_queues_that_are_read() -> None:
    """In order, each once; not what is one connection's own."""
    history = [
        facts.QueueDeclared(at=0, link="w", connection=1, channel=1, queue="amq.gen-1", exclusive=True),
        *(
            facts.Subscribed(at=0, link="w", connection=1, channel=1, consumer_tag="c", queue=q)
            for q in ("b", "amq.gen-1", "a", "b")
        ),
    ]
    assert read_queues(history) == ["b", "a"]
