"""The language of `--scenario`: what each word stands for, and one line for each that stands for nothing."""

from __future__ import annotations

import inspect

import pytest

import pytest_mqchaos
from pytest_mqchaos.cli.scenarios import Written, expanded, parse
from pytest_mqchaos.cli.scenarios import written as several
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model import faults
from pytest_mqchaos.model.faults import Scenario


def evaluated(written: Written) -> Scenario:
    """Return what the source is, in a test file that imports the names it says."""
    names = {name: getattr(pytest_mqchaos, name) for name in written.names}
    return faults.scenario(eval(written.source, {"__builtins__": {}, **names}))


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("baseline", "baseline()"),
        ("consumer_crash", "consumer_crash()"),
        ("consumer_crash:before=ack:5", "consumer_crash(before=ack(5))"),
        ("consumer_crash:process=main:after=ack", 'consumer_crash(process="main", after=ack())'),
        ("consumer_crash:after=ack:5:process=child", 'consumer_crash(after=ack(5), process="child")'),
        ("refuse:duration=0.5:after=delivery:3", "refuse(duration=0.5, after=delivery(3))"),
        ("stall:after=seconds:0.5:delay=2", "stall(after=seconds(0.5, delay=2))"),
        ("latency:delay=0.2:after=delivery:3:delay=1", "latency(delay=0.2, after=delivery(3, delay=1))"),
        ("connection_drop:after=delivery:message=7", "connection_drop(after=delivery(message=7))"),
        ("connection_drop:after=delivery:4:queue=a-1", 'connection_drop(after=delivery(4, queue="a-1"))'),
        (r"connection_drop:after=ack:4:queue=a\:b\+c", 'connection_drop(after=ack(4, queue="a:b+c"))'),
        ("consumer_crash:after=publish:3:by=billing", 'consumer_crash(after=publish(3, by="billing"))'),
        ("consumer_crash:after=confirm:by=billing:delay=1", 'consumer_crash(after=confirm(by="billing", delay=1))'),
        ("consumer_crash:before=call:3:service=http", 'consumer_crash(before=call(3, service="http"))'),
        ("connection_drop:after=delivery:5:times=3:every=10", "connection_drop(after=delivery(5), times=3, every=10)"),
        ("connection_drop:consumer=12", 'connection_drop(consumer="12")'),
        ("bandwidth:bytes_per_second=1e5", "bandwidth(bytes_per_second=100000.0)"),
        ("fragment:size=16", "fragment(size=16)"),
        ("malformed_payload:kinds=empty,truncated", 'malformed_payload(kinds=("empty", "truncated"))'),
        ("malformed_payload:share=0.2:kinds=empty", 'malformed_payload(share=0.2, kinds=("empty",))'),
        ("poison_message:body=nonsense:count=2", 'poison_message(body="nonsense", count=2)'),
        ("broker_restart:allow=duplicated,lost\\:by_policy", 'broker_restart(allow=("duplicated", "lost:by_policy"))'),
        ("refuse:guarantee=exactly-once:name=gone", 'refuse(guarantee="exactly-once", name="gone")'),
        ("lost_ack+broker_restart:after=ack:9", "combine(lost_ack(), broker_restart(after=ack(9)))"),
    ],
)  # fmt: skip
def test_a_word_and_what_it_stands_for(text: str, source: str) -> None:
    """The source is what a test would say, and means the same scenario."""
    written = parse(text)
    assert written.source == source
    assert evaluated(written) == written.scenario


def test_every_fault_has_its_word() -> None:
    """Whatever can be imported from the package and gives a fault can be named."""
    needed = {"bandwidth": ":bytes_per_second=1000", "fragment": ":size=9", "poison_message": ":body=x"}
    makers = [
        name
        for name in pytest_mqchaos.__all__
        if inspect.isfunction(made := getattr(pytest_mqchaos, name)) and made.__module__.startswith(faults.__name__)
    ]  # fmt: skip
    assert len(makers) >= 19
    for name in set(makers) - {"combine", "sweep"}:
        assert evaluated(written := parse(name + needed.get(name, ""))) == written.scenario


def test_a_body_out_of_a_file(tmp_path) -> None:
    """Text as text, other bytes as bytes."""
    path = tmp_path / "bad.json"
    path.write_text('{"order": ')
    assert parse(f"poison_message:body=@{path}").source == """poison_message(body='{"order": ')"""
    path.write_bytes(b"\xff\x00")
    assert parse(f"poison_message:body=@{path}").source == r'poison_message(body=b"\xff\x00")'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("consumer_crsh:before=ack:5", "no fault 'consumer_crsh'; did you mean consumer_crash?"),
        ("", "no fault ''; there are bandwidth, baseline, "),
        ("chaos", "no fault 'chaos'; there are bandwidth, baseline, "),
        ("combine", "no fault 'combine'; there are bandwidth, baseline, "),
        ("consumer_crash(before=ack(5))", "is written without parentheses: consumer_crash:before=ack:5"),
        ("consumer_crash:befor=ack:5", "consumer_crash has no argument 'befor'; did you mean before?"),
        ("consumer_crash:duration=5", "consumer_crash has no argument 'duration'; there are process, before, "),
        ("consumer_crash:ack:5", "'ack': an argument is written name=value, as in consumer_crash:"),
        ("consumer_crash:before=ack:5:6", "'6': an argument is written name=value, as in consumer_crash:"),
        ("consumer_crash:before=acc:5", "no moment 'acc'; did you mean ack?"),
        ("consumer_crash:before=Trigger:5", "no moment 'Trigger'; there are ack, call, confirm, "),
        ("consumer_crash:before=ack:x", "before=ack 'x' is not a whole number"),
        ("consumer_crash:before=ack:0", "ack(n=0): events are counted from 1"),
        ("consumer_crash:before=ack:1.5", "before=ack '1.5' is not a whole number"),
        ("consumer_crash:before=ack:5:after=ack:6", "consumer_crash(): give before= or after=, not both"),
        ("consumer_crash:before=ack:5:before=ack:6", "before= is there twice"),
        ("consumer_crash:after=seconds", "after=seconds: how many? after=seconds:0.5"),
        ("consumer_crash:before=seconds:1", "consumer_crash(): before=seconds(1): nothing can be held before a time; "),
        ("consumer_crash:after=publish:3:queue=a", "after=publish has no queue="),
        ("consumer_crash:after=ack:3:by=a", "after=ack has no by="),
        ("consumer_crash:after=delivery:3:service=a", "after=delivery has no service="),
        ("consumer_crash:process=all", "consumer_crash(): process='all': 'group', 'main' or 'child'"),
        ("refuse:duration=long", "duration= 'long' is not a number"),
        ("refuse:duration=-1", "refuse(): duration=-1: a number above 0"),
        ("malformed_payload:kinds=odd", "malformed_payload(): kinds='odd': one of "),
        ("fragment", "fragment(): size= is missing: write fragment(16)"),
        ("baseline+lost_ack", "baseline is no fault that could be combined: leave it out"),
        ("lost_ack+", "no fault ''; there are "),
        ("poison_message:body=@missing.json", "body=@missing.json: missing.json: No such file or directory"),
    ],
)  # fmt: skip
def test_a_word_that_stands_for_nothing(text: str, why: str) -> None:
    """It is named, with what is wrong about it and what would do, in one line."""
    with pytest.raises(UsageError) as caught:
        parse(text)
    said = str(caught.value)
    assert said.startswith(f"--scenario {text!r}: {why}"), said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("consumer_crash:after=ack:5", ["consumer_crash:after=ack:5"]),
        (
            "refuse:before=ack:9-11:duration=2",
            ["refuse:before=ack:9:duration=2", "refuse:before=ack:10:duration=2", "refuse:before=ack:11:duration=2"],
        ),
        ("lost_ack+refuse:after=delivery:3-3", ["lost_ack+refuse:after=delivery:3"]),
        (
            "refuse:after=delivery:1-2:queue=a-1+lost_ack",
            ["refuse:after=delivery:1:queue=a-1+lost_ack", "refuse:after=delivery:2:queue=a-1+lost_ack"],
        ),
        ("poison_message:body=ack\\:1-2", ["poison_message:body=ack\\:1-2"]),
        ("refuse:consumer=a:after=ack:message=1-2", ["refuse:consumer=a:after=ack:message=1-2"]),
    ],
)  # fmt: skip
def test_a_range_of_moments(text: str, words: list[str]) -> None:
    """Each moment of it is a scenario of its own; what only looks like a range is left as it is."""
    assert expanded(text) == words


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("refuse:after=ack:5-4", "5-4 has no moment in it: from 1 on, the smaller one first"),
        ("refuse:after=ack:0-4", "0-4 has no moment in it: from 1 on, the smaller one first"),
        ("refuse:after=ack:1-2+lost_ack:before=ack:3-4", "one range of moments, not 2"),
    ],
)
def test_a_range_that_is_none(text: str, why: str) -> None:
    """The word and what is wrong about it."""
    with pytest.raises(UsageError) as caught:
        expanded(text)
    assert str(caught.value) == f"--scenario {text!r}: {why}"


def test_several_words() -> None:
    """Blanks separate them, equal ones count once, and an error names its word."""
    ids = [one.id for one in several(" refuse:after=ack:1-2  baseline refuse:after=ack:2 ")]
    assert ids == ["refuse-after-ack-1", "refuse-after-ack-2", "baseline"]
    with pytest.raises(UsageError, match=r"^'refuze': no fault 'refuze'; did you mean refuse"):
        several("baseline refuze")
    with pytest.raises(UsageError, match=r"^name one, as consumer_crash:after=ack:5"):
        several(" ")
