"""RabbitMQ's file of definitions: what is taken of it, what is left out, and what is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_mqchaos.brokers.rabbitmq.definitions import Definitions, adapted, read
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.scaling import scaled


def queue(name: str, vhost: str | None = "/", **arguments: Any) -> dict[str, Any]:
    """A queue as a file has it."""
    found: dict[str, Any] = {"name": name, "durable": True, "arguments": arguments}
    return found if vhost is None else {**found, "vhost": vhost}


def of(vhost: str | None = None, **said: Any) -> Definitions:
    """Read a file that says so much."""
    return read(json.dumps(said).encode(), call="definitions('f')", vhost=vhost)


def change(found: Definitions, scale: float = 1.0, **override: Any) -> Definitions:
    """Scale and override; in names here `_` stands for a dot."""
    said = {glob.replace("_", "."): values for glob, values in override.items()}
    return adapted(found, call="definitions('f')", override=said, scale=scale)


def test_which_vhost() -> None:
    """The only one, else `/`, else the test says which; the file of one vhost names none."""
    assert of(queues=[queue("a", "shop")]).vhost == "shop"
    assert of(queues=[queue("a", "shop"), queue("b", "/")]).vhost == "/"
    assert of(queues=[queue("a", None)]).vhost == "/"
    assert of("shop", queues=[queue("a", None)]).queues[0]["name"] == "a"
    with pytest.raises(UsageError, match=r"is of 2 vhosts \('a', 'b'\): say which, vhost='a'"):
        of(queues=[queue("q", "a"), queue("q", "b")])
    with pytest.raises(UsageError, match=r"has nothing of vhost 'x'; it has: 'a'"):
        of("x", queues=[queue("q", "a")])


def test_what_is_left_out() -> None:
    """Every sort, with its number; what a broker has by itself is no loss."""
    found = of(
        users=[{}, {}], permissions=[{}], topic_permissions=[{}], global_parameters=[{}],
        parameters=[{"component": "shovel"}, {"component": "federation-upstream"}, {"component": "mine"},
                    {"component": "operator_policy"}, {"component": "operator_policy"}],
        vhosts=[{"name": "/"}, {"name": "empty"}],
        queues=[queue("a"), queue("b", "other")],
        exchanges=[{"name": "", "vhost": "/"}, {"name": "amq.topic", "vhost": "/"}, {"name": "x", "vhost": "/"}],
        bindings=[{"source": "", "vhost": "/", "destination": "a"}, {"source": "x", "vhost": "/", "destination": "a"}],
    )  # fmt: skip
    assert list(found.left_out) == [
        "2 users", "1 permission", "1 topic permission", "1 global parameter", "1 shovel", "1 federation upstream",
        "1 parameter of mine", "2 operator policies", "vhost 'empty'", "vhost 'other' (1 object)",
    ]  # fmt: skip
    assert [one["name"] for one in found.exchanges] == ["x"]
    assert [one["source"] for one in found.bindings] == ["x"]


def test_mirrors_are_left_out() -> None:
    """One node mirrors nothing, and newer brokers refuse to hear of it: a policy keeps what it says besides."""
    policies = [
        {
            "name": "ha",
            "vhost": "/",
            "pattern": "",
            "definition": {"ha-mode": "all", "ha-sync-mode": "automatic"},
        },
        {"name": "both", "vhost": "/", "pattern": "", "definition": {"ha-mode": "all", "max-length": 5}},
    ]
    found = of(policies=policies)
    assert [(one["name"], one["definition"]) for one in found.policies] == [("both", {"max-length": 5})]
    assert list(found.left_out) == [
        "the mirrors (ha-...) of policy 'ha'",
        "the mirrors (ha-...) of policy 'both'",
    ]


def test_a_type_beside_the_arguments() -> None:
    """A queue's type stands where newer brokers write it too; what its arguments say wins."""
    found = of(queues=[queue("a") | {"type": "quorum"}, queue("b") | {"type": "classic"},
                       queue("c", **{"x-queue-type": "stream"}) | {"type": "stream"}])  # fmt: skip
    assert [one["arguments"].get("x-queue-type") for one in found.queues] == ["quorum", None, "stream"]


def test_scaled_and_overridden() -> None:
    """Delays are scaled, limits are not; what the test says wins, as it says it; None takes away."""
    found = of(
        queues=[
            queue("orders.retry.5m", **{"x-message-ttl": 300_000, "x-max-length": 300_000}),
            queue("orders.retry.1h", **{"x-message-ttl": 3_600_000, "x-expires": 60_000}),
            queue("orders", **{"x-message-ttl": True}),
        ],
        policies=[
            {
                "name": "ttl",
                "vhost": "/",
                "definition": {"message-ttl": 1000, "expires": 2000, "max-length": 9},
            }
        ],
    )
    made = change(
        found, 0.01, **{"orders_retry_1*": {"x-message-ttl": 7, "x-expires": None}, "ttl": {"max-length": 3}}
    )
    assert [one["arguments"] for one in made.queues] == [
        {"x-message-ttl": 3000, "x-max-length": 300_000}, {"x-message-ttl": 7}, {"x-message-ttl": True},
    ]  # fmt: skip
    assert made.policies[0]["definition"] == {"message-ttl": 10, "expires": 20, "max-length": 3}
    assert "x-message-ttl of orders.retry.5m from 300,000 to 3,000 ms" in made.changed
    assert "x-expires of orders.retry.1h taken away" in made.changed
    assert change(found).changed == ()
    assert found.queues[0]["arguments"]["x-message-ttl"] == 300_000


def test_a_policy_whose_last_value_is_taken_away() -> None:
    """It is left out and said to be: the broker would refuse one that says nothing."""
    limits = {"name": "limits", "vhost": "/", "definition": {"max-length": 9}}
    other = {"name": "other", "vhost": "/", "definition": {"max-length": 9, "expires": 5}}
    made = change(of(policies=[limits, other], users=[{}]), **{"*": {"max-length": None}})
    assert [(one["name"], one["definition"]) for one in made.policies] == [("other", {"expires": 5})]
    assert list(made.left_out) == ["1 user", "policy 'limits' (nothing is left in it)"]
    assert "max-length of limits taken away" in made.changed


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ({"x*": {"x-a": 1}}, "definitions('f'): override: no queue matches 'x*'; there are: orders"),
        (
            {"orders": {"message-ttl": 1}},
            "definitions('f'): override: no policy matches 'orders'; 'message-ttl' is a policy's, an argument of a "
            "queue is 'x-message-ttl'; there are: none",
        ),
        (
            {"orders": {"durable": False}},
            "definitions('f'): override: no policy matches 'orders'; only arguments (x-...) of queues and policies' "
            "values can be overridden; there are: none",
        ),
    ],
)
def test_a_glob_that_matched_nothing(override: dict[str, Any], line: str) -> None:
    """It is one line, with what there is."""
    with pytest.raises(UsageError) as caught:
        change(of(queues=[queue("orders")]), **override)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("milliseconds", "scale", "expected"),
    [
        (300_000, 0.01, 3000),
        (5, 0.01, 1),
        (0, 0.01, 0),
        (-1, 0.5, -1),
        (1000, 1.0, 1000),
        (1000, 3, 3000),
        (3, 0.5, 2),
    ],
)
def test_the_rule_of_scaling(milliseconds: int, scale: float, expected: int) -> None:
    """At least one millisecond, unless it was none."""
    assert scaled(milliseconds, scale) == expected


@pytest.mark.parametrize("part", ["parameters", "users", "vhosts", "permissions"])
@pytest.mark.parametrize("value", ['["x"]', "5", '{"name": "x"}'])
def test_a_part_of_another_shape(part: str, value: str) -> None:
    """It is one line, also where the part is only left out."""
    with pytest.raises(UsageError) as caught:
        read(f'{{"queues": [], "{part}": {value}}}'.encode(), call="definitions('f')", vhost=None)
    assert str(caught.value) == f"definitions('f'): its {part} are no list of objects"
