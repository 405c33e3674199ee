"""What is wrong with a publisher, or with how a test names it, is one line that says so."""

import re

import pytest
from e2e_kit import HERE
from test_bad_input import Session

WRONG = f"""
def start(mqchaos, kind, **options):
    mqchaos.queue("orders")
    mqchaos.consumer(correct.ack_after_work, name="worker", env={{"WORK": "0.005"}})
    options.setdefault("name", "billing")
    return mqchaos.producer(["python", "-m", "consumers", "publishers", kind], cwd={str(HERE)!r}, **options)

@pytest.mark.chaos(baseline())
def test_fails(mqchaos):
    start(mqchaos, "fails")

@pytest.mark.chaos(baseline())
def test_short(mqchaos):
    start(mqchaos, "short", count=20)

@pytest.mark.chaos(baseline())
def test_alike(mqchaos):
    start(mqchaos, "alike")

@pytest.mark.chaos(baseline())
def test_silent(mqchaos):
    start(mqchaos, "silent", ready_timeout=1.5)

@pytest.mark.chaos(baseline(), settle_timeout=1.5)
def test_stays(mqchaos):
    start(mqchaos, "steady")

@pytest.mark.chaos(baseline(), settle_timeout=1.5)
def test_too_few(mqchaos):
    start(mqchaos, "steady", until="quiet", quiet=0.2, count=31)

@pytest.mark.chaos(baseline())
def test_other_names(mqchaos):
    start(mqchaos, "other_names")

@pytest.mark.chaos(baseline())
def test_no_such_field(mqchaos):
    start(mqchaos, "confirmed", key="ordr")

@pytest.mark.chaos(baseline())
def test_no_such_name(mqchaos):
    start(mqchaos, "other_names", key="ordr")

@pytest.mark.chaos(baseline())
def test_key_raises(mqchaos):
    start(mqchaos, "confirmed", key=lambda message: message.json["ordr"])

@pytest.mark.chaos(baseline())
def test_publishes_nothing(mqchaos):
    start(mqchaos, "nothing")

@pytest.mark.chaos(baseline())
def test_name_is_taken(mqchaos):
    start(mqchaos, "confirmed", name="worker")

@pytest.mark.chaos(baseline())
def test_until_when(mqchaos):
    start(mqchaos, "confirmed", until="done")

@pytest.mark.chaos(baseline())
def test_count_of_none(mqchaos):
    start(mqchaos, "confirmed", count=0)

@pytest.mark.chaos(baseline())
def test_arguments(mqchaos):
    start(mqchaos, "confirmed", args="--all")

@pytest.mark.chaos(connection_drop(after=publish(3, by="wroker")))
def test_by_nobody(mqchaos):
    start(mqchaos, "confirmed")

@pytest.mark.chaos(consumer_crash(after=publish(99, by="worker")))
def test_never_publishes(mqchaos):
    start(mqchaos, "confirmed")

@pytest.mark.chaos(baseline())
def test_its_own_queue_shows_work(mqchaos):
    mqchaos.effects(queue="orders")
    start(mqchaos, "confirmed")

@pytest.mark.chaos(canary())
def test_no_canary(mqchaos):
    start(mqchaos, "confirmed")

@pytest.mark.chaos(repeated_publish())
def test_none_again(mqchaos):
    start(mqchaos, "confirmed")

@pytest.mark.chaos(baseline())
def test_no_choice(mqchaos):
    mqchaos.http(key="order", fail=transient(2, share=0.1))
    start(mqchaos, "confirmed")
"""
SAYS = {
    "test_fails": ["billing failed after 15 messages, and no fault struck it: exit code 1", "no more paper"],
    "test_short": ["billing ended normally, and published 15 of 20 messages"],
    "test_alike": ["30 of 30 messages of billing cannot be told apart", "producer(..., key=)"],
    "test_silent": ["billing was not connected through its link within 1.5 s", "$AMQP_URL"],
    "test_stays": ["billing has published nothing for 1.5 s and has not ended", 'until="quiet"'],
    "test_too_few": ["billing has published nothing for 1.5 s", "30 of 31 messages"],
    "test_other_names": ["none of the 30", "number-1", "producer(..., key=)"],
    "test_no_such_field": ["producer(key='ordr'): none of 30 messages of billing has it (the first: b'{"],
    "test_no_such_name": ["producer(key='ordr'): none of 30 messages of billing has it (the first: b'{"],
    "test_key_raises": [
        "producer(key=a function): none of 30 messages of billing has it (the first: b'{",
        "raised KeyError: 'ordr'",
    ],
    "test_publishes_nothing": ["billing published nothing through its link", "exit code 0"],
    "test_name_is_taken": ["producer(): name='worker' is taken in this test"],
    "test_until_when": ["producer(): until='done': 'exit' or 'quiet'"],
    "test_count_of_none": ["producer(): count=0"],
    "test_arguments": ["producer(): args='--all': a list or tuple of arguments"],
    "test_by_nobody": ["there is no consumer 'wroker'", "billing, worker"],
    "test_its_own_queue_shows_work": ["effects(queue='orders'): the workload itself is published there"],
    "test_no_canary": [
        "canary(): it chooses among messages that are known before they are sent",
        "a producer's are not",
    ],
    "test_none_again": [
        "repeated_publish(): it sends messages of mqchaos.publish(...) again; a producer's are the application's own",
    ],
    "test_no_choice": [
        "http('http', fail=transient(...)): it chooses among messages",
        "a producer's are not",
    ],
    "test_never_publishes": ["it waited for publish(99, by='worker'), and there were 0 in all"],
}


@pytest.fixture(scope="module")
def wrongs(tmp_path_factory):
    """Return one session with a row of wrong tests between two good ones."""
    return Session(tmp_path_factory.mktemp("wrong_publishers"), WRONG)


@pytest.mark.parametrize("name", SAYS)
def test_one_line_says_it(wrongs, name):
    """A test whose publisher goes wrong fails with a line that names what is wrong."""
    lines = [line for line in wrongs.output.splitlines() if re.match(rf"(FAILED|ERROR) \S*::{name}\b", line)]
    assert lines, wrongs.output
    section = wrongs.output.partition(f" {name}[")[2].partition("\n____")[0]
    assert [word for word in SAYS[name] if word not in f"{lines[0]}\n{section}"] == [], section


@pytest.mark.parametrize("name", ["test_fails", "test_short"])
def test_its_output_stands_once(wrongs, name):
    """The error is one line; the rest of the output is a section, and what cannot be judged stands there once."""
    section = wrongs.output.partition(f" {name}[")[2].partition("\n____")[0]
    error = section.partition("\n")[2].partition("\n---")[0]
    assert len(error.splitlines()) == 1, section
    assert section.count("the tray is empty") == (name == "test_fails"), section
    assert section.count("cannot be judged") == 1, section


def test_good_tests_between(wrongs):
    """The good tests of the same session pass, and no frame of ours is shown."""
    wrongs.undisturbed()
    wrongs.no_frames_of_ours()
