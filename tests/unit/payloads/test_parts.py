"""Bodies, headers, properties, keys and arrivals: what a test may give, and the line it gets for the rest."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from random import Random

import pytest

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.messages import is_id
from pytest_mqchaos.payloads import (
    ID_HEADER,
    Draft,
    KeyRule,
    checked_arrivals,
    checked_headers,
    checked_properties,
    default_body,
    encoded,
    made,
    offsets,
    rng,
    told_headers,
)


def draft(body: bytes, number: int = 7) -> Draft:
    """Return a draft with this body."""
    return Draft(number, f"orders-k3f9-{number:06d}", body, {}, {})


def error(call, *arguments) -> str:
    """Return the one line that a wrong argument gets."""
    with pytest.raises(UsageError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_default_body_is_a_small_order_unique_in_the_run():
    """It is JSON, small, and its `order` carries run and number, and is not taken for one of our ids."""
    orders = [json.loads(default_body(n, "k3f9", Random(n))) for n in range(1, 300)]
    assert [order["order"] for order in orders] == [f"k3f9-{n}" for n in range(1, 300)]
    assert not any(is_id(order["order"]) for order in orders)
    assert max(len(json.dumps(order)) for order in orders) < 200


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (b"\x00\xff", (b"\x00\xff", False)),
        (bytearray(b"x"), (b"x", False)),
        ("größe", ("größe".encode(), False)),
        ({"a": 1}, (b'{"a": 1}', True)),
        ([1, None], (b"[1, null]", True)),
    ],
)
def test_bodies(value, body):
    """Bytes go as they are, text as UTF-8, dicts and lists as JSON."""
    assert encoded(value, "body=") == body


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (3, "publish(): body=3: bytes, str, or a dict or list that is sent as JSON"),
        (
            {"a": {1}},
            "publish(): body=\"{'a': {1}}\": cannot be sent: Object of type set is not JSON serializable",
        ),
        ("\ud800", "publish(): body='\\ud800': cannot be sent: "),
    ],
)
def test_bodies_that_cannot_be(value, line):
    """The value is named, and what would do."""
    assert error(encoded, value, "body=").startswith(line)


def test_headers_as_they_are_told():
    """As text, cut, without the one that carries our id."""
    given = {"tenant": "north", "tries": 3, "long": "x" * 1000, ID_HEADER: "orders-k3f9-000001"}
    assert told_headers(given) == (("tenant", "north"), ("tries", "3"), ("long", "x" * 256))


def test_headers_are_copied():
    """What the test changes later does not change the message."""
    given = {
        "kind": "x",
        "n": 1,
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "deep": {"list": [1, b"x", None, True]},
    }
    headers = checked_headers(given, "headers=")
    assert headers == given
    assert headers is not given
    assert checked_headers(None, "headers=") == {}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("x", "publish(): headers='x': a dict of names to values"),
        (
            {ID_HEADER: "mine"},
            "publish(): headers={'x-mqchaos-id': ...}: that header carries the plugin's own id",
        ),
        ({1: "x"}, "publish(): headers={1: 'x'}: the name 1 is not text"),
        ({"x" * 256: 1}, "at most 255 bytes, this has 256"),
        ({"x": 2**63}, "64 bits hold no such number"),
        ({"x": 0.5}, "the client library sends no fractions: write it as text"),
        ({"x": {"y": [{1}]}}, "a header cannot hold a value of type set"),
        ({"x": datetime(1969, 1, 1, tzinfo=UTC)}, "a time since 1970"),
        ({"x": "\ud800"}, "text that UTF-8 can write"),
    ],
)
def test_headers_that_cannot_be(value, line):
    """Header, value and reason stand in one line."""
    assert line in error(checked_headers, value, "headers=")


def test_properties():
    """Known properties pass; None is left out; an expiration in milliseconds becomes text."""
    given = {"content_type": "a/b", "priority": 9, "expiration": 1500, "timestamp": 1, "reply_to": None}
    assert checked_properties(given, "properties=") == {
        "content_type": "a/b",
        "priority": 9,
        "expiration": "1500",
        "timestamp": 1,
    }


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (["x"], "publish(): properties=['x']: a dict of names to values"),
        ({"colour": "red"}, "publish(): properties={'colour': ...}: one of content_type, content_encoding, "),
        (
            {"headers": {}},
            "publish(): properties={'headers': ...}: headers have an argument of their own, headers=",
        ),
        ({"delivery_mode": 2}, "that is said by persistent="),
        ({"priority": 256}, "publish(): properties={'priority': 256}: a whole number from 0 to 255"),
        ({"priority": True}, "a whole number from 0 to 255"),
        ({"timestamp": 1.5}, "whole seconds since 1970"),
        ({"expiration": "soon"}, "milliseconds, a whole number"),
        ({"expiration": -1}, "milliseconds, a whole number"),
        ({"correlation_id": 7}, "publish(): properties={'correlation_id': 7}: text"),
        ({"type": "x" * 300}, "at most 255 bytes, this has 300"),
    ],
)
def test_properties_that_cannot_be(value, line):
    """Property, value and reason stand in one line."""
    assert line in error(checked_properties, value, "properties=")


@pytest.mark.parametrize(
    ("rule", "body", "key"),
    [
        (None, b"x", None),
        ("order", b'{"order": "a"}', "a"),
        ("order", b'{"order": 17}', "17"),
        ("order", b'{"order": 1.5}', "1.5"),
        (lambda message: message.json["deep"]["id"], b'{"deep": {"id": 3}}', "3"),
        (lambda message: message.body, b"raw", "raw"),
        (lambda message: f"{message.number}/{message.id}", b"", "7/orders-k3f9-000007"),
    ],
)
def test_keys(rule, body, key):
    """A key is a field of the JSON body or what the function says, always text."""
    assert KeyRule.of(rule)(draft(body)) == key


@pytest.mark.parametrize(
    ("rule", "body", "line"),
    [
        (
            "order",
            b'{"id": 1}',
            "publish(): key='order': the body of message 7 has no field 'order': b'{\"id\": 1}'",
        ),
        ("order", b"[1]", "publish(): key='order': the body of message 7 is no JSON object: b'[1]'"),
        ("order", b"\xff" * 500, "is no JSON object: b'\\xff"),
        ("order", b'{"order": null}', "of message 7 it is None: a key is text or a number, and not empty"),
        ("order", b'{"order": ""}', "a key is text or a number, and not empty"),
        ("order", b'{"order": {"a": 1}}', "of message 7 it is {'a': 1}: "),
        ("order", b'{"order": true}', "of message 7 it is True: "),
        (lambda m: m.json["x"], b"{}", "publish(): key(message 7) raised KeyError: 'x'"),
        (lambda m: m.json, b"no", "publish(): key(message 7) raised JSONDecodeError: Expecting value"),
        (lambda m: None, b"", "publish(): key(message 7) returned None: "),
    ],
)
def test_keys_that_cannot_be(rule, body, line):
    """The message is named, and what its body is."""
    assert line in error(KeyRule.of(rule), draft(body))


@pytest.mark.parametrize("rule", [3, "", ["order"]])
def test_key_rules_that_cannot_be(rule):
    """A key is given by name or function."""
    assert "the name of a JSON field, or a function of the message" in error(KeyRule.of, rule)


def test_the_tests_own_exception_is_the_cause():
    """The line says which call failed; the traceback is there for who looks."""

    def body(number, rng):
        raise LookupError("no\n  such order")

    with pytest.raises(
        UsageError, match=r"^publish\(\): body\(3, rng\) raised LookupError: no such order$"
    ) as caught:
        made("body", body, 3, 1)
    assert isinstance(caught.value.__cause__, LookupError)


def test_generators_are_of_their_own():
    """What one message draws does not shift another's; seed, purpose and number decide."""
    drawn = {(s, p, n): rng(s, p, n).random() for s in (1, 2) for p in ("body", "headers") for n in (1, 2)}
    assert len(set(drawn.values())) == len(drawn)
    assert rng(1, "body", 1).random() == drawn[1, "body", 1]


@pytest.mark.parametrize(
    ("rate", "arrivals", "checked"),
    [
        (None, None, (None, "burst")),
        (None, "burst", (None, "burst")),
        (5, None, (5.0, "constant")),
        (0.5, "poisson", (0.5, "poisson")),
    ],
)
def test_arrivals(rate, arrivals, checked):
    """A rate alone is constant, nothing at all is a burst."""
    assert checked_arrivals(rate, arrivals) == checked


@pytest.mark.parametrize(
    ("rate", "arrivals", "line"),
    [
        (0, None, "publish(): rate=0: messages a second, above 0"),
        (-1.0, None, "publish(): rate=-1.0: messages a second, above 0"),
        (float("inf"), None, "publish(): rate=inf: messages a second, above 0"),
        (True, None, "publish(): rate=True: messages a second, above 0"),
        ("fast", None, "publish(): rate='fast': messages a second, above 0"),
        (None, "poisson", "publish(): arrivals='poisson' needs rate=, in messages a second"),
        (None, "often", "publish(): arrivals='often': one of 'burst', 'constant', 'poisson'"),
        (5, ["burst"], "publish(): arrivals=['burst']: one of 'burst', 'constant', 'poisson'"),
        (5, "burst", "publish(): rate=5 with arrivals='burst': a burst has no rate; leave one of them out"),
    ],
)
def test_arrivals_that_cannot_be(rate, arrivals, line):
    """Value and argument are named, and what goes together."""
    assert error(checked_arrivals, rate, arrivals) == line


def test_offsets():
    """A burst is all at once, constant arrivals are evenly spaced, Poisson ones have the rate as their mean."""
    assert list(offsets(3, None, "burst", Random(1))) == [0.0, 0.0, 0.0]
    assert list(offsets(4, 10.0, "constant", Random(1))) == pytest.approx([0.0, 0.1, 0.2, 0.3])
    random = list(offsets(5001, 10.0, "poisson", Random(1)))
    assert random[0] == 0.0
    assert all(a < b for a, b in pairwise(random))
    assert random[-1] == pytest.approx(500.0, rel=0.1)
    assert random == list(offsets(5001, 10.0, "poisson", Random(1)))
