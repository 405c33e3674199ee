"""Debatable payloads: each kind is what its name says, of whatever it can be made of, and repeats by its seed."""

import json
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_mqchaos.model.faults import DEBATABLE_KINDS
from pytest_mqchaos.payloads import DEBATABLE, Draft, debatable, default_body, readable_as_json
from pytest_mqchaos.payloads.debatable import NEEDS

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_json = _values.map(lambda value: json.dumps(value).encode())
_bodies = st.binary() | st.text().map(str.encode) | _json
_orders = st.dictionaries(st.sampled_from("abcdef"), _values, min_size=2).map(
    lambda fields: json.dumps({"order": "k-17", **fields}).encode()
)
_kinds = st.sampled_from(DEBATABLE_KINDS)
_seeds = st.integers(0, 2**32)

SOUND = {"order": 17, "name": "lamp", "lines": [{"n": 1, "price": 2.5}], "gift": False, "note": None}


def made(kind, body, seed=0, *, properties=None, **options):
    """Return the message that is made, None if there is none."""
    draft = Draft(7, "orders-k3f9-000007", body, {"x": 1}, properties or {})
    return debatable(draft, kind, Random(seed), **{"large": 1000, **options})


def bodies(kind, body=None, *, many=60, **options):
    """Return what is made of a body with many seeds."""
    body = json.dumps(SOUND).encode() if body is None else body
    return {made(kind, body, seed, **options).body for seed in range(many)}


def test_every_kind_of_the_contract_is_made():
    """The kinds that the fault offers are exactly the ones that can be made."""
    assert DEBATABLE == DEBATABLE_KINDS


@pytest.mark.parametrize("kind", DEBATABLE_KINDS)
def test_every_kind_can_be_made_of_the_default_order(kind):
    """The default workload has them all, and each leaves the order's number alone, where a reader reads it."""
    for number in range(1, 40):
        sound = default_body(number, "k3f9", Random(number))
        one = made(kind, sound, number, spare="order")
        assert (one.body != sound) != kind.startswith("wrong_content")
        assert one.number == 7
        assert one.id == "orders-k3f9-000007"
        assert one.headers == {"x": 1}
        if kind not in ("byte_flip", "wrong_type"):
            assert f'"k3f9-{number}"' in one.body.decode().replace("\\", "")


@settings(deadline=None)
@given(body=_bodies, kind=_kinds, seed=_seeds)
@example(body=b"", kind="byte_flip", seed=0)
@example(body=b"117", kind="byte_flip", seed=0)
@example(body=b"[" * 100_000 + b"]" * 100_000, kind="missing_field", seed=0)
@example(body=b"[" * 100_000 + b"]" * 100_000, kind="oversize", seed=0)
@example(body='{"a": 1}'.encode("utf-16"), kind="duplicate_keys", seed=0)
@example(body='{"a": "é"}'.encode("utf-32-le"), kind="byte_order_mark", seed=0)
@example(body=b'{"padding": 1}', kind="oversize", seed=0)
@example(body=b'{"nested": 1}', kind="deep_nesting", seed=0)
@example(body=b'"\\ud800"', kind="wrong_type", seed=0)
@example(body=b"-Infinity", kind="wrong_type", seed=0)
def test_any_body(body, kind, seed):
    """Whatever the body is, it is changed or cannot be made, by the seed alone; one that needs nothing always can."""
    one, again = made(kind, body, seed), made(kind, body, seed)
    assert one == again
    if NEEDS[kind] == "":
        assert one is not None
    if one is not None:
        assert (one.body, one.properties) != (body, {})


@settings(deadline=None)
@given(body=_orders, kind=_kinds, seed=_seeds)
def test_the_spared_field_stays(body, kind, seed):
    """Where a reader still gets an object, the key in it is what it was, if there is any other field."""
    one = made(kind, body, seed, spare="order")
    if one is None or kind == "byte_flip" or not readable_as_json(one.body):
        return
    content = json.loads(one.body)
    if isinstance(content, dict):
        assert content["order"] == "k-17"


def test_wrong_type():
    """An object comes in an array, as text within JSON, or is null."""
    texts = {json.dumps([SOUND]), json.dumps(json.dumps(SOUND)), "null"}
    assert bodies("wrong_type") == {text.encode() for text in texts}
    assert bodies("wrong_type", b"[1]") == {b'"[1]"', b'{"items": [1]}', b"null"}
    assert bodies("wrong_type", b'"a"') == {b'["a"]', b"null"}
    assert bodies("wrong_type", b"null") == {b'"null"', b"[null]"}


def test_missing_field():
    """Any field may be missing, at any depth, and one only."""
    found = [json.loads(body) for body in bodies("missing_field")]
    assert len(found) == 7
    assert {frozenset(one) for one in found} == {
        frozenset(SOUND),
        *(frozenset(SOUND) - {name} for name in SOUND),
    }
    assert {len(one["lines"][0]) for one in found if "lines" in one} == {1, 2}


def test_null_field():
    """Any field may be null, one that is null already excepted."""
    found = [json.loads(body) for body in bodies("null_field")]
    assert len(found) == 6
    assert all(one != SOUND for one in found)
    assert made("null_field", b'{"a": null}') is None


def test_wrong_field_type():
    """A number is text, a truth value is text, a text stands in an array, and so does an array."""
    found = [json.loads(body) for body in bodies("wrong_field_type")]
    for name, value in (
        ("order", "17"),
        ("name", ["lamp"]),
        ("gift", "false"),
        ("note", "null"),
        ("lines", [SOUND["lines"]]),
    ):
        assert {**SOUND, name: value} in found
    assert len(found) == 7


def test_not_a_number():
    """Numbers become what JSON has no word for: Python reads it, a strict reader does not."""
    for body in bodies("not_a_number"):
        strict = []
        content = json.loads(body, parse_constant=strict.append)
        assert len(strict) == 1
        assert strict[0] in ("NaN", "Infinity", "-Infinity")
        assert set(content) == set(SOUND)
    assert bodies("not_a_number", b'{"name": "lamp"}') == {
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": -Infinity}',
    }


def test_huge_number():
    """Numbers are of JSON and of no machine: each reads as more than 64 bits hold."""
    for body in bodies("huge_number", b'{"n": 17, "name": "lamp"}'):
        content = json.loads(body)
        assert content["n"] > 2**64
        assert content["name"] == "lamp"
    sizes = {len(body) for body in bodies("huge_number", b'{"n": 17}')}
    assert min(sizes) < 40
    assert max(sizes) > 400
    assert len(bodies("huge_number", many=200)) == 200  # no two alike: a digest tells them apart


def test_duplicate_keys():
    """One field stands twice, with two values."""
    for body in bodies("duplicate_keys"):
        twice = []

        def pairs(found, twice=twice):
            names = [name for name, _ in found]
            twice += {name for name in names if names.count(name) == 2}
            assert len({json.dumps(value) for name, value in found if name in twice}) == 2 * len(
                set(names) & set(twice)
            )
            return dict(found)

        json.loads(body, object_pairs_hook=pairs)
        assert len(twice) == 1
    assert bodies("duplicate_keys", b'{"a": 1}') == {b'{"a": 1, "a": null}', b'{"a": null, "a": 1}'}


def test_deep_nesting():
    """Too deep for Python's reader, and JSON all the same."""
    found = bodies("deep_nesting", b'{"nested": 1}', many=8)
    assert len(found) == 2
    for body in found:
        with pytest.raises(RecursionError):
            json.loads(body)
        assert body.startswith(b'{"nested": 1, "nested_": ')
        assert body.count(b"[") == body.count(b"]")
        assert body.count(b"{") == body.count(b"}")
        assert len(body) < 1_000_000
    assert made("deep_nesting", b"[1]").body.replace(b"[", b"").replace(b"]", b"").strip() in (
        b"1",
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    )


def test_nul_bytes():
    """NULs stand at the end of a text or of the body: a reader that stops at one gets the whole of it."""
    found = bodies("nul_bytes", b'{"n": 1, "name": "lamp"}')
    within = [body for body in found if not body.endswith(b"\0")]
    assert within == [b'{"n": 1, "name": "lamp\\u0000"}']
    assert {body.rstrip(b"\0") for body in found if body.endswith(b"\0")} == {b'{"n": 1, "name": "lamp"}'}
    assert made("nul_bytes", b"\xff\x00") is None


@settings(deadline=None)
@given(body=_bodies, seed=_seeds)
def test_byte_flip(body, seed):
    """One bit differs, of no digit and into none."""
    one = made("byte_flip", body, seed)
    if one is None:
        assert body.strip(b"0123456789") == b""
        return
    assert len(one.body) == len(body)
    ((old, new),) = [(a, b) for a, b in zip(body, one.body, strict=True) if a != b]
    assert (old ^ new).bit_count() == 1
    assert not {old, new} & set(b"0123456789")


def test_oversize():
    """A field of padding, blanks behind other JSON and text, NULs behind bytes; of the size that is asked for."""
    assert json.loads(made("oversize", b'{"a": 1}').body) == {"a": 1, "padding": "x" * 1000}
    assert made("oversize", b"[1]").body == b"[1]" + b" " * 1000
    assert made("oversize", b"hello").body == b"hello" + b" " * 1000
    assert made("oversize", b"\xff").body == b"\xff" + b"\0" * 1000
    draft = Draft(7, "orders-k3f9-000007", b"{}", {}, {})
    assert 2**20 < len(debatable(draft, "oversize", Random(0)).body) < 2 * 2**20


def test_byte_order_mark():
    """The mark of UTF-8 stands before a text that has none."""
    assert made("byte_order_mark", b"{}").body == b"\xef\xbb\xbf{}"
    assert made("byte_order_mark", b"\xef\xbb\xbf{}") is None
    assert made("byte_order_mark", b"\xff") is None


@pytest.mark.parametrize(
    ("kind", "name", "right"),
    [
        ("wrong_content_type", "content_type", "application/json"),
        ("wrong_content_type", "content_type", "application/xml"),
        ("wrong_content_encoding", "content_encoding", "gzip"),
        ("wrong_content_encoding", "content_encoding", None),
    ],
)
def test_wrong_properties(kind, name, right):
    """The property says something else than it did, and than what the body is; the body and the others stay."""
    given_ = {"type": "t", **({} if right is None else {name: right})}
    said = set()
    for seed in range(40):
        one = made(kind, b"{}", seed, properties=given_)
        assert one.body == b"{}"
        assert one.properties["type"] == "t"
        said.add(one.properties[name])
    assert len(said) >= 2
    assert not said & {right, "application/json"}
    assert given_.get(name) == right
