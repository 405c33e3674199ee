"""The reader of HTTP requests: what comes of a stream does not depend on how it was cut."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mqchaos.wire.http import Broken, Expectation, Headers, Request, RequestParser, answer

POST = b"POST /pay?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"PUT /p HTTP/1.1\r\nhost: h\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"5;x=y\r\nhello\r\nA\r\n, it is me\r\n0\r\nDigest: 1\r\n\r\n"
)
STREAM = (
    POST
    + b"\r\n"
    + CHUNKED
    + b"GET / HTTP/1.0\r\n\r\n"
    + b"DELETE /o/1 HTTP/1.1\nHost: h\nConnection: close\n\n"
)


def read(data: bytes, *cuts: int) -> list[object]:
    """Return what a stream means that comes in pieces."""
    parser, found = RequestParser(), []
    places = [0, *cuts, len(data)]
    for begin, end in itertools.pairwise(places):
        found += parser.feed(data[begin:end])
    return found


def seen(found: list[object]) -> list[tuple[object, ...]]:
    """Return requests as plain values."""
    return [(r.method, r.path, r.query, r.body, r.keep_alive) for r in found if isinstance(r, Request)]


EXPECTED = [
    ("POST", "/pay", "x=1", b"hello", True),
    ("PUT", "/p", "", b"hello, it is me", True),
    ("GET", "/", "", b"", False),
    ("DELETE", "/o/1", "", b"", False),
]


def test_a_stream_of_requests() -> None:
    """Lengths, chunks, none of both, either line end: each is a request, in order."""
    assert seen(read(STREAM)) == EXPECTED


def test_cut_at_every_offset() -> None:
    """Two pieces, wherever the cut is, mean the same as one; so does a byte at a time."""
    for cut in range(len(STREAM) + 1):
        assert seen(read(STREAM, cut)) == EXPECTED, cut
    assert seen(read(STREAM, *range(1, len(STREAM)))) == EXPECTED


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.data())
@settings(max_examples=80, deadline=None)
def test_any_body_in_any_chunks(parts: list[bytes], data: st.DataObject) -> None:
    """A body is what its chunks hold, whatever that looks like and however it is cut."""
    stream = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    stream += b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n" + POST
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    assert [one[3] for one in seen(read(stream, *cuts))] == [b"".join(parts), b"hello"]


@pytest.mark.parametrize(
    ("stream", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nno header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5000000\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 70_000, 431),
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
    ],
)
def test_what_is_broken(stream: bytes, status: int) -> None:
    """It is one `Broken` with its status, wherever it is cut, and nothing behind it is heard."""
    for cuts in ((), range(1, min(len(stream), 200))):
        (found,) = read(stream + POST, *cuts)
        assert isinstance(found, Broken)
        assert found.status == status
        assert found.why


def test_two_equal_lengths_are_one() -> None:
    """A proxy may repeat a length; the same twice is no contradiction (RFC 9110, 8.6)."""
    (found,) = read(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2, 2\r\n\r\nok")
    assert isinstance(found, Request)
    assert found.body == b"ok"


def test_an_address_as_a_target() -> None:
    """A client that believes in a proxy writes the whole address: its path is what counts."""
    (found,) = read(b"GET http://127.0.0.1:9/pay/17?now=1 HTTP/1.1\r\nHost: h\r\n\r\n")
    assert isinstance(found, Request)
    assert (found.path, found.query) == ("/pay/17", "now=1")


def test_a_client_that_waits_to_be_told() -> None:
    """`Expect: 100-continue` is told of before its body is there, and not where that came along."""
    head = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    parser = RequestParser()
    assert parser.feed(head) == [Expectation()]
    assert parser.within
    (found,) = parser.feed(b"ok")
    assert isinstance(found, Request)
    assert not parser.within
    assert [type(each) for each in read(head + b"ok")] == [Request]


def test_a_long_body_costs_no_second_look() -> None:
    """A body of many megabytes in small pieces is kept as it comes, and not searched again and again."""
    parser, size = RequestParser(), 16 << 20
    parser.feed(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % size)
    piece = bytes(1 << 14)
    found = [each for _ in range(size >> 14) for each in parser.feed(piece)]
    assert [len(each.body) for each in found if isinstance(each, Request)] == [size]


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("", bytes), ("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress)],
)
def test_json(coding: str, pack: object) -> None:
    """The body as JSON, also where it is compressed."""
    body = pack(json.dumps({"order": "o-1"}).encode())  # type: ignore[operator]
    headers = Headers([("Content-Encoding", coding)] if coding else [])
    assert Request(method="POST", path="/", headers=headers, body=body).json == {"order": "o-1"}
    with pytest.raises(ValueError, match=r"."):
        _ = Request(method="POST", path="/", headers=headers, body=b"?").json


def test_headers() -> None:
    """By name in any case; what came twice is joined."""
    headers = Headers([("Accept", "a"), ("ACCEPT", "b"), ("X-Id", "1")])
    assert headers["accept"] == "a, b"
    assert headers.tokens("Accept") == ["a", "b"]
    assert dict(headers) == {"accept": "a, b", "x-id": "1"}
    assert "x-ID" in headers


def test_answers() -> None:
    """A body where the status allows one; its length alone for a HEAD; a status without a name."""
    assert answer(200, b"{}") == (
        b"HTTP/1.1 200 OK\r\nServer: mqchaos\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert answer(200, b"{}", head=True).endswith(b"Content-Length: 2\r\n\r\n")
    assert answer(204, b"{}") == b"HTTP/1.1 204 No Content\r\nServer: mqchaos\r\n\r\n"
    assert b"Content-Length: 0" in answer(205, b"{}")
    assert answer(599, close=True).startswith(b"HTTP/1.1 599 \r\n")
    assert b"Connection: close" in answer(599, close=True)
