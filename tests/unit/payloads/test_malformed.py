"""Malformed payloads: unreadable whatever they are made of, with no key but their own."""

import json
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.faults import UNREADABLE_KINDS
from pytest_mqchaos.payloads import KINDS, default_body, malformed, readable_as_json

_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_bodies = st.binary() | st.text().map(str.encode) | _values.map(lambda value: json.dumps(value).encode())
_kinds = st.sampled_from(UNREADABLE_KINDS)
_seeds = st.integers(0, 2**32)


def test_every_kind_of_the_contract_is_made():
    """The kinds that the fault offers are exactly the ones that can be made."""
    assert tuple(KINDS) == UNREADABLE_KINDS


@given(body=_bodies, kind=_kinds, seed=_seeds)
@example(body=b"", kind="truncated", seed=0)
@example(body=b"7", kind="truncated", seed=0)
@example(body=b"{}", kind="truncated", seed=0)
@example(body=b"12 apples", kind="truncated", seed=0)
@example(body=b"12\xff", kind="truncated", seed=0)
@example(body=b"-Infinity", kind="truncated", seed=0)
@example(body='{"a": 1}'.encode("utf-16"), kind="truncated", seed=0)
@example(body='{"a": 1}'.encode("utf-32-le"), kind="invalid_utf8", seed=0)
@example(body=b"\xef\xbb\xbf{}", kind="invalid_utf8", seed=0)
def test_never_readable_as_json(body, kind, seed):
    """Whatever the sound body is, no malformed one is JSON."""
    assert not readable_as_json(malformed(body, kind, Random(seed)))


@given(body=_bodies, seed=_seeds)
@example(body=b"\xc2", seed=2917)
@example(body=b"\xed\xa0", seed=2)
def test_invalid_utf8_never_decodes(body, seed):
    """`invalid_utf8` fails in a reader that decodes before it parses, surrogates let pass or not."""
    made = malformed(body, "invalid_utf8", Random(seed))
    for lenience in ("strict", "surrogatepass"):
        with pytest.raises(UnicodeDecodeError):
            made.decode("utf-8", lenience)


@given(value=st.lists(st.integers(), min_size=1) | st.dictionaries(st.text(), st.integers()), seed=_seeds)
@pytest.mark.parametrize("lenience", ["replace", "ignore", "backslashreplace", "surrogateescape"])
def test_invalid_utf8_does_not_pass_a_lenient_decoder(value, seed, lenience):
    """A reader that replaces or drops wrong bytes gets no JSON either."""
    made = malformed(json.dumps(value, ensure_ascii=False).encode(), "invalid_utf8", Random(seed))
    with pytest.raises(ValueError, match=r".*"):
        json.loads(made.decode("utf-8", lenience))
    with pytest.raises(ValueError, match=r".*"):
        json.loads(made.decode("latin-1"))


@given(body=_bodies, kind=_kinds, seed=_seeds)
def test_never_what_it_was_made_from(body, kind, seed):
    """A malformed body differs from the sound one; only `empty` of an empty body cannot."""
    assert malformed(body, kind, Random(seed)) != body or (kind == "empty" and body == b"")


@given(body=_bodies, kind=_kinds, seed=_seeds)
def test_same_seed_same_body(body, kind, seed):
    """A run repeats: the generator's state decides, and nothing else."""
    assert malformed(body, kind, Random(seed)) == malformed(body, kind, Random(seed))


@given(order=st.integers(1, 10**9) | st.text("0123456789ab", min_size=2), seed=_seeds)
def test_truncated_json_cuts_no_value(order, seed):
    """What is left of 117 is never 11, another message's key."""
    body = json.dumps({"order": order, "tags": [order, "x,y:z"]}).encode()
    made = malformed(body, "truncated", Random(seed))
    assert body.startswith(made)
    assert made[-1:] in b"{}[],:"


@pytest.mark.parametrize(
    ("body", "made"),
    [
        (b"order-117", b"order-117\xe2\x82"),
        (b'"order-117"', b'"order-117'),
        (b"117", b"[117"),
        (b"true", b"tru"),
        (b"", b"\xe2\x82"),
        (b" {} ", b" {"),
    ],
)
def test_truncated_bodies_that_are_no_object(body, made):
    """Text ends within a character, a number within an array that was never there: keys stay whole."""
    assert malformed(body, "truncated", Random(1)) == made


def test_truncated_binary_is_shorter():
    """Bytes that are neither JSON nor text lose a part of their end."""
    body = bytes(range(100, 256))
    made = malformed(body, "truncated", Random(1))
    assert body.startswith(made)
    assert 0 < len(made) < len(body)


def test_not_json_is_alike_for_no_two_messages():
    """A digest still tells them apart."""
    rng = Random(3)
    assert len({malformed(b"{}", "not_json", rng) for _ in range(200)}) == 200


@pytest.mark.parametrize("kind", ["truncated", "invalid_utf8"])
def test_default_body_keeps_at_most_its_own_key(kind):
    """Of the default orders no malformed one holds another's `order`."""
    for number in (1, 11, 117):
        made = malformed(default_body(number, "k3f9", Random(number)), kind, Random(number))
        text = made.decode(errors="replace")
        assert "k3f9-" not in text or f'"k3f9-{number}"' in text


def test_unknown_kind_is_named():
    """The error names the value and what there is."""
    with pytest.raises(UsageError, match="kind='rotten': one of truncated, empty, not_json, invalid_utf8"):
        malformed(b"{}", "rotten", Random(0))


def test_deeply_nested_body_is_no_crash():
    """A body too deep for the parser counts as unreadable, and is still made worse."""
    body = b"[" * 200_000 + b"]" * 200_000
    assert malformed(body, "truncated", Random(0)) != body
