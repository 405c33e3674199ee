"""Sources of effects that cannot be what the test says: one line, without a frame of ours."""

import re

import pytest
from test_bad_input import Session

HEAD = """
import re
import pytest
from pytest_mqchaos import *
from consumers import correct, publishing, shopping

def run(mqchaos, target, count=5, key=None, **options):
    mqchaos.queue("orders")
    mqchaos.consumer(target, **options)
    mqchaos.publish("orders", count=count, body=lambda n, rng: {"n": n}, key=key)

IDLE = ["python", "-c", "import os; from pytest_mqchaos import probe; from consumers import wrong; "
        "wrong.does_nothing(os.environ['MQCHAOS_URL'])"]

def invoices(mqchaos, **options):
    run(mqchaos, publishing.confirmed, env=options)

"""
CASES = {
    "nothing": ("mqchaos.effects()", r"effects\(\): one place where the work shows: a path, a callable"),
    "two": ('mqchaos.effects("a.log", queue="b")', r"effects\('a\.log', queue='b'\): one place where the work"),
    "number": ("mqchaos.effects(3)", r"effects\(3\): a path, a callable that returns ids or keys, or one of queue="),
    "empty": ('mqchaos.effects(queue="")', r"effects\(queue=''\): queue= is a text that is not empty"),
    "default": ('mqchaos.effects(exchange="")', r"what goes through the default exchange is queue="),
    "expression": ('mqchaos.effects(output="booked (")', r"output='booked \('\): no regular expression: missing"),
    "routing": ('mqchaos.effects(queue="a", routing_key="b")', r"routing_key='b' goes with exchange="),
    "key": ('mqchaos.effects("a.log", key=3)',
        r"effects\('a\.log'\): key=3: the name of a JSON field, or a function of each entry"),
    "bytes": ('mqchaos.effects(output=re.compile(b"a"))', r"output=re\.compile\(b'a'\)\): output= is a text"),
    "message_key": ('mqchaos.effects(queue="a", key=3)', r"key=3: the name of a JSON field, or a function of"),
    "of": ('mqchaos.effects("a.log", of=3)', r"of=3: the name of a consumer"),
    "taken": ('mqchaos.effects("a", name="x"); mqchaos.effects("b", name="x")', r"effects\('b'\): name='x' is taken"),
    "stranger": ('mqchaos.effects(queue="invoices", of="wroker"); invoices(mqchaos)',
        r"effects\(queue='invoices'\): of='wroker': no consumer has that name; there are: confirmed"),
    "workload": ('mqchaos.effects(queue="orders"); run(mqchaos, correct.ack_after_work)',
        r"effects\(queue='orders'\): the workload itself is published there"),
    "no_exchange": ('mqchaos.effects(exchange="evnets"); run(mqchaos, correct.ack_after_work)',
        r"effects\(exchange='evnets'\): there is no exchange 'evnets' when the first message is published"),
    "direct": ('mqchaos.exchange("events"); mqchaos.effects(exchange="events")',
        r"effects\(exchange='events'\): 'events' is a direct exchange, where '#' is no pattern: give routing_key="),
    "no_queue": ('mqchaos.effects(queue="invioces"); invoices(mqchaos)',
        r"effects\(queue='invioces'\): there is no such queue: a typo, or nothing has declared it"),
    "nameless": ('mqchaos.effects(queue="invoices"); invoices(mqchaos, HOW="nothing")',
        r"""nothing that arrived there names a message of this run \(the first: b'\{"invoice": "for 1"\}'\)"""),
    "key_raises": ('mqchaos.effects(queue="invoices", key=lambda m: m.json["odrer"]); invoices(mqchaos)',
        r"effects\(queue='invoices'\): key raised KeyError: 'odrer' for all 5 messages that arrived there"),
    "nameless_events": ('mqchaos.effects(exchange="events"); invoices(mqchaos, HOW="nothing", TO_EXCHANGE="events")',
        r"effects\(exchange='events'\): nothing that arrived there names a message of this run"),
    "nameless_stage": (
        'mqchaos.effects(queue="invoices"); mqchaos.queue("invoices"); '
        'mqchaos.consumer(correct.ack_after_work, name="later", env={"QUEUE": "invoices"}); '
        'invoices(mqchaos, HOW="nothing")',
        r"nothing that arrived there names a message of this run \(the first: one that later was given\)"),
    "too_late": (
        'mqchaos.exchange("events", "topic"); run(mqchaos, correct.ack_after_work); mqchaos.effects(exchange="events")',
        r"effects\(exchange='events'\): name it before the first publish"),
    "target": ('run(mqchaos, shopping.work, effect_after="shop")', r"effect_after='shop': a function as module:name"),
    "missing": ('run(mqchaos, shopping.work, env={"CALL": "book"}, effect_after="consumers.shop:boook")',
        r"consumer\(effect_after='consumers\.shop:boook'\): there is no 'boook' in consumers\.shop"),
    "never": ('run(mqchaos, shopping.work, env={"CALL": "book"}, effect_after="consumers.shap:book")',
        r"effect_after='consumers\.shap:book'\): work never imported consumers\.shap: a typo"),
    "argument": (
        'run(mqchaos, shopping.work, env={"CALL": "book"}, key="n", effect_after="consumers.shop:book", '
        'effect_key="nr")',
        r"work: book: effect_key='nr' is no argument and no field of one; there are: order_id, note"),
    "keyless": ('run(mqchaos, shopping.work, env={"CALL": "book"}, effect_after="consumers.shop:book")',
        r"5 entries in `consumers\.shop:book` name no message of this run \(the first: '1'\), though all 5 messages"),
    "keyless_rows": (
        'rows = []; mqchaos.effects(lambda: rows, name="rows"); run(mqchaos, shopping.work, env={"CALL": "book"}); '
        "rows += [7, 8]",
        r"2 entries in `rows` name no message of this run \(the first: '7'\), though all 5 messages"),
    "uncalled": ('run(mqchaos, shopping.work, env={"CALL": "book"}, effect_after="consumers.shop:book_order")',
        r"nothing at all shows in `consumers\.shop:book_order`, though all 5 messages were acknowledged"),
    "uncalled_probe": ('run(mqchaos, IDLE)',
        r"nothing at all shows in `\$MQCHAOS_EFFECTS`, though all 5 messages were acknowledged"),
}  # fmt: skip


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """All of them in one session."""
    tests = "".join(
        f"@pytest.mark.chaos(baseline())\ndef test_{name}(mqchaos):\n    {body}\n\n"
        for name, (body, _) in CASES.items()
    )
    return Session(tmp_path_factory.mktemp("misused"), HEAD + tests, "-q", whole=False)


@pytest.mark.parametrize("name", CASES)
def test_one_clear_line(session, name):
    """It says what is wrong, where, and what would mend it."""
    lines = re.findall(rf"^(?:FAILED|ERROR) \S*?::test_{name}\[baseline\] - (.*)$", session.output, re.M)
    assert len(lines) == 1, session.output
    assert re.search(CASES[name][1], lines[0]), lines[0]


def test_no_frames(session):
    """Whatever went wrong."""
    session.no_frames_of_ours()
