"""Printable text: nothing hostile, nothing secret, nothing endless gets through."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mqchaos.model.printable import body_text, cut, masked, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://guest:guest@localhost/vhost", "amqp://***@localhost/vhost"),
        ("AMQPS://u:p@h:5671", "AMQPS://***@h:5671"),
        ("two: amqp://a:b@c and http://d:e@f/g", "two: amqp://***@c and http://***@f/g"),
        ("amqp://user@host", "amqp://***@host"),
        ("amqp://:secret@host", "amqp://***@host"),
        ("amqp://user:p@ss@host/", "amqp://***@host/"),
        ("amqp://user:pa/ss@host/", "amqp://***@host/"),
        ("amqp://user:pa:12/x@host/", "amqp://***@host/"),
        ("'amqp://u:p@h'", "'amqp://***@h'"),
        ('amqp://user:it\'s<"mine">@host/', "amqp://***@host/"),
        ("amqp://user:" + "x" * 9000 + "@host/", "amqp://***@host/"),
        ("amqp://a:b@c;amqp://d:e@f/g", "amqp://***@c;amqp://***@f/g"),
        ("https://h:80/?token=" + "x" * 9000 + "&a=1", "https://h:80/?token=***&a=1"),
        ("http://host:8080/a@b", "http://host:8080/a@b"),
        ("http://host/path@x", "http://host/path@x"),
        ("mail me@example.org, see http://host/", "mail me@example.org, see http://host/"),
        ("http://h/?password=hunter2&x=1", "http://h/?password=***&x=1"),
        ("http://h/?x=1&api_key=abc", "http://h/?x=1&api_key=***"),
        ("no url at all: a@b", "no url at all: a@b"),
        ('{"url":"http://h:80","to":"me@example.org"}', '{"url":"http://h:80","to":"me@example.org"}'),
        ('{"url":"http://h/a","to":"me@example.org"}', '{"url":"http://h/a","to":"me@example.org"}'),
        ('{"url":"amqp://u:p@h/v","to":"me@x.org"}', '{"url":"amqp://***@h/v","to":"me@x.org"}'),
        (r'["amqp://u:it\"s@h","me@x.org"]', '["amqp://***@h","me@x.org"]'),
        ('"amqp://u:p@"ss@h"', '"amqp://***@h"'),
        ('{"url":"amqp://u:pa","ss@h"}', '{"url":"amqp://***@h"}'),
    ],
)
def test_credentials_of_urls_are_masked(text: str, shown: str) -> None:
    """User and password of any URL are gone, and nothing else is."""
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("grün ✓", "grün ✓"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202eright to left", "\\u202eright to left"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("lone \udc80", "lone \\udc80"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    """Control, invisible and text-turning characters become escapes on one line."""
    assert printable(text) == shown


def test_a_cut_text_is_as_long_as_the_limit() -> None:
    """The end is replaced by dots, and only where it must be."""
    assert cut("abcdefgh", 6) == "abc..."
    assert cut("abcdef", 6) == "abcdef"
    assert printable("x" * 100, 10) == "xxxxxxx..."


def test_a_cut_does_not_uncover_a_password() -> None:
    """Masking comes before cutting: the first half of a URL has no half password."""
    assert "secr" not in printable("amqp://user:secret-of-many-characters@host/vhost", 20)


def test_bodies_are_shown_as_one_line() -> None:
    """Text stays text, other bytes become escapes, a long body is cut and says so."""
    assert body_text(b'{"order": 1}') == '{"order": 1}'
    assert body_text(b"\xff\x00a") == "\\xff\\x00a"
    assert body_text("größe".encode()) == "größe"
    assert body_text(b"a" * 10_000, 20) == "a" * 17 + "..."
    assert body_text(b"") == ""


def test_a_huge_hostile_text_is_shown_in_good_time() -> None:
    """No text makes the patterns run away."""
    began = time.perf_counter()
    for text in ("://" * 50_000, "://a:" + "b" * 200_000, "a" * 200_000, "://:" * 50_000, "?token=" * 50_000):
        printable("http://" + text)
        body_text(text.encode())

    assert time.perf_counter() - began < 5


def test_a_cut_at_the_beginning_does_not_either() -> None:
    """Of a text that is too long no password stands without the end by which it is known."""
    long = "s" * 8000
    assert "sss" not in printable("x" * 19_980 + f" amqp://user:{long}@host/")
    assert "sss" not in body_text(f"amqp://user:{long}@host/".encode())


def test_masking_takes_time_in_proportion_to_the_text() -> None:
    """Sixteen times as much of the worst takes nowhere near the 256 times of a pattern that tries all pairs."""

    def seconds(worst: str, times: int) -> float:
        text = "http://" + worst * times + "@"
        began = time.perf_counter()
        masked(text)
        return time.perf_counter() - began

    for worst in ("://", "://:", "://a:", "@", ":", "a@b:", "://a:1", "?token=", "&token=a?", '://"'):
        few = min(seconds(worst, 4_000) for _ in range(3))
        assert min(seconds(worst, 64_000) for _ in range(3)) < 80 * few + 0.05, worst


@given(st.text(), st.integers(0, 50))
def test_any_text_becomes_a_short_printable_line(text: str, limit: int) -> None:
    """Whatever comes in, what comes out is printable and within its limit."""
    shown = printable(text, limit)

    assert shown.isprintable()
    assert len(shown) <= max(limit, 3)


@given(st.binary(max_size=2000))
def test_any_body_becomes_a_short_printable_line(body: bytes) -> None:
    """The same holds for any bytes."""
    shown = body_text(body, 64)

    assert shown.isprintable()
    assert len(shown) <= 64
