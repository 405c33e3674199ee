"""The test file that `try` writes: whole texts compared, compiled, and left alone by the formatter."""

from __future__ import annotations

import ast
import random
import secrets
import subprocess
import sys
import uuid
from typing import Any

import pytest

from pytest_mqchaos.cli.example import Example
from pytest_mqchaos.cli.scenarios import parse
from pytest_mqchaos.cli.sources import call, literal
from pytest_mqchaos.cli.testfile import Plan, stem, text

ORDER = {"order": 17, "customer": "c-1", "lines": [{"item": "lamp", "quantity": 2}], "note": 'say "hi"'}
LITTLE = '''\
"""Chaos tests of a consumer, `node worker.js`, written by `python -m pytest_mqchaos try`.

Run them from the folder that the command is started in.
"""

import pytest


@pytest.mark.chaos(guarantee="at-least-once", evidence="any")
def test_orders(mqchaos):
    """Each message is worked on as promised, whatever breaks: `orders`."""
    mqchaos.consumer("node worker.js")
    # mqchaos.effects(...): without it an acknowledged message counts as worked on
    mqchaos.publish("orders", count=50, key="order")
'''
MUCH = '''\
"""Chaos tests of a consumer, `node worker.js`, written by `python -m pytest_mqchaos try`.

Run them from the folder that the command is started in.
"""

import random

import pytest
from pytest_mqchaos import ack, combine, consumer_crash, lost_ack, refuse

EXAMPLE = {
    "order": 17,
    "customer": "c-1",
    "lines": [{"item": "lamp", "quantity": 2}],
    "note": 'say "hi"',
    "address": {"street": "a street with a name that is long enough for two lines", "city": "Utrecht"},
}


@pytest.mark.chaos(
    consumer_crash(before=ack(5)),
    combine(refuse(duration=0.5), lost_ack()),
    guarantee="exactly-once",
    poison="dead-letter",
)
def test_shop_orders(mqchaos):
    """Each message is worked on as promised, whatever breaks: `shop.orders`."""
    # keys are fresh each time: a consumer may remember what it has done
    first = random.SystemRandom().randrange(10**8, 2 * 10**9)

    def body(n, rng):
        return {**EXAMPLE, "order": first + n}

    mqchaos.definitions("definitions.json")
    mqchaos.dead_letters("orders.dead")
    mqchaos.consumer("node worker.js", env={"LEVEL": "debug"}, cwd="services/orders", replicas=2)
    mqchaos.effects("orders.log")  # an id or key a line
    mqchaos.effects(output=r"booked (\\S+)")
    mqchaos.publish("shop.orders", count=200, body=body, key="order", rate=100.0)
'''


def plan(**options: Any) -> Plan:
    """Return a plan of a Node worker."""
    return Plan(**{
        "command": "node worker.js", "queue": "orders",
        "options": {"guarantee": "at-least-once", "evidence": "any"}, **options,
    })  # fmt: skip


def much() -> Plan:
    """Return a plan that has some of everything."""
    address = {"street": "a street with a name that is long enough for two lines", "city": "Utrecht"}
    return plan(
        queue="shop.orders",
        count=200,
        rate=100.0,
        example=Example({**ORDER, "address": address}, "order.json", "order", "number"),
        scenarios=[parse("consumer_crash:before=ack:5"), parse("refuse:duration=0.5+lost_ack")],
        options={"guarantee": "exactly-once", "poison": "dead-letter"},
        consumer={"env": {"LEVEL": "debug"}, "cwd": "services/orders", "replicas": 2},
        definitions="definitions.json",
        dead_letter="orders.dead",
        effects="orders.log",
        effects_output=r"booked (\S+)",
    )


def test_a_little() -> None:
    """What was not asked for does not stand there."""
    assert text(plan()) == LITTLE


def test_much() -> None:
    """Each option stands where a person would write it."""
    assert text(much()) == MUCH


VARIANTS = {
    "little": plan(),
    "much": much(),
    "declared": plan(declare=True, dead_letter="orders.dead"),
    "exchange": plan(queue=None, exchange="shop", routing_key="order.created"),
    "no key": plan(example=Example({"total": 2.5, "ok": True, "none": None, "nan": float("nan")})),
    "text": plan(example=Example('<order no="1">it\'s</order>\n')),
    "bytes": plan(example=Example(b"\xff\x00")),
    "uuid": plan(example=Example({"id": "x"}, "order.json", "id", "uuid")),
    "digits": plan(example=Example({"id": "17"}, "order.json", "id", "digits")),
    "words": plan(example=Example({"id": "A-17"}, "order.json", "id", "text")),
    "odd": plan(
        command='sh -c "node \\"my worker.js\\" | tee -a log"', queue="7 orders/é", effects_output='"id": "(.*?)"'
    ),
    "allow": plan(options={"guarantee": "at-most-once", "allow": ("duplicated",)}, scenarios=[parse("baseline")]),
    "many": plan(scenarios=[parse(f"{name}:before=ack:5:name={name}_at_the_fifth_ack") for name in (
        "consumer_crash", "consumer_terminate", "consumer_freeze", "connection_drop", "connection_reset", "lost_ack"
    )]),
}  # fmt: skip


@pytest.mark.parametrize("name", VARIANTS)
def test_it_compiles(name: str) -> None:
    """Every variant is Python."""
    compile(text(VARIANTS[name]), name, "exec")


@pytest.mark.parametrize("name", VARIANTS)
def test_it_is_well_formed(name: str, tmp_path) -> None:
    """The formatter would leave it as it is, and it has each name that it needs and no other."""
    pytest.importorskip("ruff")
    path = tmp_path / "test_it.py"
    path.write_text(text(VARIANTS[name]), encoding="utf-8")
    for command in (["format", "--diff"], ["check", "--select", "E,F,W,I", "--ignore", "E501"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "110", path.name],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("sort", "like"), [("number", int), ("digits", str), ("text", str), ("uuid", uuid.UUID)]
)
def test_keys_are_each_messages_own(sort: Any, like: type) -> None:
    """Of the example's kind, the same for the same number, another for another, and fresh in each run."""
    source = text(plan(example=Example({"id": 1, "n": 2}, "order.json", "id", sort)))
    function = next(node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    function.body = [node for node in function.body if not isinstance(node, ast.Expr)]
    function.body.append(ast.parse("return body").body[0])
    function.decorator_list = []
    names: dict[str, Any] = {"EXAMPLE": {"id": 1, "n": 2}, "uuid": uuid, "random": random, "secrets": secrets}
    function.body[-1] = ast.Return(ast.Name("body", ast.Load()))
    exec(compile(ast.fix_missing_locations(ast.Module([function], [])), "made", "exec"), names)
    one, other = names["test_orders"](None), names["test_orders"](None)
    made = [one(n, None) for n in (1, 1, 2)] + [other(1, None)]
    assert made[0] == made[1]
    assert len({each["id"] for each in made}) == 3
    assert [each["n"] for each in made] == [2] * 4
    assert all(isinstance(each["id"], int if like is int else str) for each in made)
    if sort != "text":
        assert all(str(like(each["id"])) == str(each["id"]) for each in made if like is not str)


def test_names() -> None:
    """A test is named after the queue or the exchange."""
    assert [stem(plan(queue=name)) for name in ("orders", "shop.Orders-v2", "é")] == [
        "orders",
        "shop_orders_v2",
        "consumer",
    ]
    assert stem(plan(queue=None, exchange="shop")) == "shop"


def test_sources() -> None:
    """Values are written as the formatter would, and read back as they were."""
    for value in (
        "a",
        'a"b',
        "a'b",
        "a'\"b",
        "\\",
        "\n",
        "é",
        1,
        1.5,
        None,
        True,
        b"\xff",
        (1,),
        (),
        [],
        {"a": [1, {}]},
    ):
        assert ast.literal_eval(literal(value)) == value
    assert literal("it") == '"it"'
    assert call("f", []) == "f()"
