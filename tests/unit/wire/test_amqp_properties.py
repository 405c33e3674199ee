"""Properties and field tables: pamqp is the oracle for what is sound, nothing raises for what is not."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands as c

from pytest_mqchaos.wire.amqp import Properties, digest
from pytest_mqchaos.wire.amqp.tables import MALFORMED, MalformedError, decode_table, decode_value, find_field

NAMES = st.text(max_size=10)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 2**63 - 1),
    st.integers(-(2**63), -129),  # the oracle cannot encode what lies between
    st.floats(allow_nan=False, width=32),
    st.text(max_size=20),
    st.binary(max_size=20).map(bytearray),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
SHORT = st.one_of(st.none(), st.text(min_size=1, max_size=20))


def properties(**values: object) -> Properties:
    """Return properties as pamqp encodes them."""
    return Properties(c.Basic.Properties(**values).marshal())


def headers(raw: bytes) -> Properties:
    """Return properties that have only a header table of these bytes."""
    return Properties(b"\x20\x00" + len(raw).to_bytes(4, "big") + raw)


def longstr(name: bytes, value: bytes) -> bytes:
    """Return one field of a table."""
    return bytes([len(name)]) + name + b"S" + len(value).to_bytes(4, "big") + value


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_headers_are_what_the_oracle_encoded(table: dict[str, object]) -> None:
    """Any table that pamqp encodes is decoded to the same values."""
    assert properties(headers=table).headers() == table


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "content_type": SHORT,
            "content_encoding": SHORT,
            "headers": st.one_of(st.none(), st.dictionaries(NAMES, SCALARS, max_size=3)),
            "delivery_mode": st.sampled_from([None, 1, 2]),
            "priority": st.sampled_from([None, 1, 9]),
            "correlation_id": SHORT,
            "reply_to": SHORT,
            "expiration": SHORT,
            "message_id": SHORT,
            "timestamp": st.sampled_from([None, datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)]),
            "message_type": SHORT,
            "user_id": SHORT,
            "app_id": SHORT,
        }
    )
)
def test_each_property_is_found_whichever_others_are_there(values: dict[str, object]) -> None:
    """Every combination of properties gives the values that the oracle encoded."""
    found = properties(**values)
    for name in ("content_type", "delivery_mode", "correlation_id", "expiration", "message_id"):
        assert getattr(found, name) == values[name]
    assert found.headers() == (values["headers"] or {})


def test_nothing_is_found_where_nothing_is() -> None:
    """Empty properties give None for everything and no headers."""
    empty = Properties(b"\x00\x00")
    names = [name for name in dir(Properties) if isinstance(getattr(Properties, name), property)]
    assert len(names) == 13
    assert [getattr(empty, name) for name in names] == [None] * 13
    assert empty.headers() == {}


def test_dates_and_decimals_are_read() -> None:
    """Timestamps are seconds as integers, decimals exact."""
    when = datetime.datetime(2026, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    assert properties(headers={"t": when, "d": Decimal("12.34")}).headers() == {
        "t": int(when.timestamp()),
        "d": Decimal("12.34"),
    }


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        (b"t\x01", True),
        (b"b\xff", -1),
        (b"B\xff", 255),
        (b"s\xff\xfe", -2),
        (b"u\xff\xfe", 65534),
        (b"I\xff\xff\xff\xfe", -2),
        (b"i\xff\xff\xff\xfe", 4294967294),
        (b"l" + b"\xff" * 8, -1),
        (b"L" + b"\xff" * 8, -1),
        (b"f\x3f\x80\x00\x00", 1.0),
        (b"d\x3f\xf0" + bytes(6), 1.0),
        (b"T" + bytes(7) + b"\x05", 5),
        (b"D\x02\x00\x00\x00\x7b", Decimal("1.23")),
        (b"V", None),
        (b"x\x00\x00\x00\x02\xff\x00", b"\xff\x00"),
        (b"S\x00\x00\x00\x02\xff\x00", "\\xff\x00"),
    ],
)
def test_every_type_octet_of_rabbitmq_is_known(encoded: bytes, value: object) -> None:
    """Each type decodes to its value, is skipped whole, and raises when cut short."""
    assert decode_value(encoded, 0) == (value, len(encoded))
    field = b"\x01k" + encoded
    assert find_field(field + b"\x01zV", 0, len(field) + 3, b"z") == (len(field) + 2, len(field) + 3)
    for size in range(2, len(field)):
        with pytest.raises(MALFORMED):
            decode_table(field[:size], 0, size)
        with pytest.raises(MALFORMED):
            find_field(field[:size], 0, size, b"z")


def test_the_id_is_found_among_other_headers() -> None:
    """The plugin's id is read at the top level only, from a long string or a byte array."""
    name = "x-mqchaos-id"
    assert properties(headers={"a": {name: "inner"}, "b": [1, "two"], name: "run-1"}).mqchaos_id == "run-1"
    assert properties(headers={"a": {name: "inner"}, "b": name}).mqchaos_id is None
    assert properties(headers={name: bytearray(b"run-2")}).mqchaos_id == "run-2"
    assert properties(headers={name: 7}).mqchaos_id is None
    assert properties(message_id=name, headers={}).mqchaos_id is None
    assert headers(longstr(b"x-mqchaos-id", b"\xff\xfe")).mqchaos_id == r"\xff\xfe"


def test_what_the_broker_tells_about_deaths_and_deliveries_is_read() -> None:
    """Counts of dead-lettering are added up, and equal histories have equal digests."""
    deaths = [
        {"queue": "orders", "reason": "rejected", "count": 3, "exchange": "", "routing-keys": ["orders"]},
        {"queue": "wait", "reason": "expired", "count": 2, "exchange": "", "routing-keys": ["wait"]},
    ]
    found = properties(
        headers={
            "x-death": deaths,
            "x-first-death-reason": "rejected",
            "x-first-death-queue": "orders",
            "x-last-death-reason": "expired",
            "x-delivery-count": 4,
            "x-acquired-count": 5,
        }
    )
    assert (found.death_count, found.delivery_count, found.acquired_count) == (5, 4, 5)
    assert (found.first_death_reason, found.last_death_reason, found.first_death_queue) == (
        "rejected",
        "expired",
        "orders",
    )
    assert found.deaths == properties(message_id="other", headers={"x-death": deaths}).deaths
    assert len(found.deaths or "") == 16
    assert found.deaths != properties(headers={"x-death": deaths[:1]}).deaths
    odd = properties(headers={"x-death": "forged", "x-delivery-count": True, "x-acquired-count": "3"})
    assert (odd.death_count, odd.delivery_count, odd.acquired_count) == (None, None, None)
    assert properties(headers={"x-death": [1, {"count": "x"}, {}]}).death_count == 0


def test_properties_before_a_malformed_one_are_kept() -> None:
    """What is sound up to the malformed property is read, what lies behind is None."""
    raw = c.Basic.Properties(content_type="text/plain", message_id="m-1").marshal()
    for size in range(2, len(raw)):
        cut = Properties(raw[:size])
        assert cut.message_id is None
        assert cut.content_type == ("text/plain" if size >= 13 else None)


def test_a_table_longer_than_its_frame_is_no_table() -> None:
    """A header table whose length lies gives no headers, and nothing beyond the frame is read."""
    raw = b"\x20\x00\x00\x00\xff\xff" + longstr(b"x-mqchaos-id", b"run-1")
    assert (Properties(raw).mqchaos_id, Properties(raw).headers()) == (None, {})
    assert Properties(b"").message_id is None


def test_an_array_that_leaves_its_length_is_malformed() -> None:
    """An element that ends behind its array makes the array malformed."""
    with pytest.raises(MalformedError, match="array ends at 7 instead of 6"):
        decode_value(b"A\x00\x00\x00\x01t\x01", 0)


def test_a_field_that_leaves_its_table_is_malformed() -> None:
    """A value that ends behind the table is not read, though the bytes are there."""
    table = b"\x0cx-mqchaos-idS\x00\x00\x00\x09run-1"
    raw = b"\x20\x80" + len(table).to_bytes(4, "big") + table + b"\x08message1"
    assert (Properties(raw).mqchaos_id, Properties(raw).headers(), Properties(raw).message_id) == (
        None,
        {},
        "message1",
    )


def test_more_words_of_flags_are_skipped() -> None:
    """A set last bit announces another word of flags; the known properties follow behind all of them."""
    assert Properties(b"\x80\x01\x00\x01\x00\x00\x04text").content_type == "text"


@pytest.mark.parametrize("kind", [b"F", b"A"])
def test_endless_nesting_is_malformed(kind: bytes) -> None:
    """Tables and arrays in each other beyond a depth raise no RecursionError and give no headers."""
    value = b"V"
    for _ in range(3000):
        inner = b"\x01k" + value if kind == b"F" else value
        value = kind + len(inner).to_bytes(4, "big") + inner
    found = headers(b"\x01k" + value)
    assert found.headers() == {}
    assert headers(b"\x07x-death" + value).death_count is None
    with pytest.raises(MalformedError, match="deeper than 32"):
        decode_value(value, 0)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes_never_raise(raw: bytes) -> None:
    """Hostile bytes give None or something, for every property."""
    for each in (Properties(raw), headers(raw + b"x-mqchaos-id x-death"), headers(b"\x0cx-mqchaos-id" + raw)):
        for name in dir(Properties):
            if not name.startswith("_"):
                getattr(each, name)
        assert isinstance(each.headers(), dict)


def test_properties_compare_by_their_bytes() -> None:
    """Equal bytes are equal properties; the text names the bytes."""
    assert properties(message_id="a") == properties(message_id="a") != properties(message_id="b")
    assert len({properties(message_id="a"), properties(message_id="a")}) == 1
    assert properties(message_id="a") != "a"
    assert repr(Properties(b"\x00\x00")) == r"Properties(b'\x00\x00')"


def test_the_digest_is_short_and_stable() -> None:
    """Bodies are compared by 16 digits that mean the same in every run."""
    assert digest(b"") == "e4a6a0577479b2b4"
    assert digest(b"a") != digest(b"b")
