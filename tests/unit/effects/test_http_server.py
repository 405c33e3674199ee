"""The small HTTP server: keep-alive, bodies of all sorts, ends, and many at once."""

from __future__ import annotations

import asyncio
import concurrent.futures
import http.client
import json
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from pytest_mqchaos.effects.http import Caller, HttpServer, _Connection
from pytest_mqchaos.link.listener import listen
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.wire.http import Request


class Scene:
    """A server that answers with what it was asked, and remembers."""

    def __init__(self) -> None:
        self.thread = LoopThread()
        self.asked: list[tuple[str | None, Request]] = []
        self.heard: list[bool] = []
        self.broken: list[str] = []
        self.delay = 0.0
        self.silent = False
        self.server = HttpServer(
            self.answer, broken=self.broken.append, spawn=self.thread.spawn, listen=listen
        )
        self.addresses = {link: self.open(link) for link in ("worker", None)}

    def open(self, link: str | None) -> tuple[str, int]:
        return self.thread.call(self.server.open(link), timeout=5, what="opening")

    async def answer(self, request: Request, caller: Caller) -> None:
        self.asked.append((caller.link, request))
        await asyncio.sleep(self.delay)  # as a service that takes its time
        if not self.silent:
            self.heard.append(caller.answer(200, request.body or b"{}"))

    def await_heard(self, count: int) -> None:
        """Wait until so many were answered: an answer is read before it is noted that it was heard."""
        deadline = time.monotonic() + 5
        while len(self.heard) < count:
            assert time.monotonic() < deadline, self.heard
            time.sleep(0.005)

    def client(self, link: str | None = "worker") -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.addresses[link], timeout=5)

    def socket(self) -> socket.socket:
        return socket.create_connection(self.addresses["worker"], timeout=5)

    def close(self) -> None:
        async def end() -> None:
            self.server.close()

        self.thread.call(end(), timeout=5, what="closing")
        self.thread.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A server with an address for a worker and one for nobody."""
    scene = Scene()
    yield scene
    scene.close()


def all_of(own: socket.socket) -> bytes:
    """Read until the other side ends."""
    parts = []
    while part := own.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods(scene: Scene, method: str) -> None:
    """Each method is answered, one after the other on one connection."""
    client = scene.client()
    for n in range(3):
        client.request(method, f"/{n}", json.dumps(n))
        assert client.getresponse().read() == str(n).encode()
    assert [(link, request.method, request.path) for link, request in scene.asked] == [
        ("worker", method, f"/{n}") for n in range(3)
    ]
    assert len(scene.server.connections) == 1
    client.close()


def test_head(scene: Scene) -> None:
    """A HEAD is answered without the body, and the next request is heard."""
    client = scene.client(None)
    for _ in range(2):
        client.request("HEAD", "/")
        response = client.getresponse()
        assert (response.status, response.headers["Content-Length"], response.read()) == (200, "2", b"")
    assert scene.asked[0][0] is None
    client.close()


def test_big_and_chunked(scene: Scene) -> None:
    """A body of megabytes comes back whole, by its length and in chunks."""
    body = bytes(range(256)) * (1 << 14)
    client = scene.client()
    client.request("POST", "/", body)
    assert client.getresponse().read() == body
    client.request("POST", "/", iter([body[:1000], body[1000:]]), encode_chunked=True,
                   headers={"Transfer-Encoding": "chunked"})  # fmt: skip
    assert client.getresponse().read() == body
    client.close()


def test_told_to_go_on(scene: Scene) -> None:
    """A client that waits for `100 Continue` gets it, then its answer."""
    with scene.socket() as own:
        own.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert own.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        own.sendall(b"ok")
        assert own.recv(1000).endswith(b"ok")


def test_requests_sent_ahead(scene: Scene) -> None:
    """Hundreds of requests in one breath are answered in order, and the connection ends where they say."""
    with scene.socket() as own:
        line = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n%03d"
        own.sendall(b"".join(line % n for n in range(300)) + b"GET / HTTP/1.0\r\n\r\n")
        said = all_of(own)
    assert [int(request.body or b"999") for _, request in scene.asked] == [*range(300), 999]
    assert said.count(b"HTTP/1.1 200 OK") == 301
    assert said.index(b"\r\n\r\n007") < said.index(b"\r\n\r\n255")


def test_a_caller_that_has_said_all(scene: Scene) -> None:
    """One that closes its side of the connection still hears its answer."""
    scene.delay = 0.05
    with scene.socket() as own:
        own.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        own.shutdown(socket.SHUT_WR)
        assert all_of(own).endswith(b"{}")


def test_a_caller_that_left(scene: Scene) -> None:
    """Who closed its connection meanwhile is known not to have heard."""
    scene.delay = 0.1
    with scene.socket() as own:
        own.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client = scene.client()
    client.request("GET", "/")
    client.getresponse().read()
    client.close()
    scene.await_heard(2)
    assert sorted(scene.heard) == [False, True]


def test_broken(scene: Scene) -> None:
    """What cannot be read is answered, noted, and the end of its connection, however much follows."""
    with scene.socket() as own:
        own.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n" + bytes(1 << 20))
        own.shutdown(socket.SHUT_WR)
        said = all_of(own)
    assert said.startswith(b"HTTP/1.1 400 Bad Request")
    assert scene.asked == []
    assert scene.broken == ["answered with 400: its Content-Length is 'x'"]


def test_a_request_that_ends_in_its_middle(scene: Scene) -> None:
    """It is no request; that it began is noted."""
    with scene.socket() as own:
        own.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel")
        own.shutdown(socket.SHUT_WR)
        assert all_of(own) == b""
    assert scene.asked == []
    assert scene.broken == ["a request ended in its middle"]


def test_one_that_is_not_answered(scene: Scene) -> None:
    """A request that died is the end of its connection."""
    scene.silent = True
    client = scene.client()
    client.request("GET", "/")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.getresponse()
    client.close()


def test_many_at_once(scene: Scene) -> None:
    """Connections do not wait for each other: forty slow answers take hardly longer than one."""
    scene.delay = 0.2

    def ask(n: int) -> bytes:
        client = scene.client()
        try:
            client.request("POST", "/", str(n))
            return client.getresponse().read()
        finally:
            client.close()

    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        pending = [pool.submit(ask, n) for n in range(40)]
        assert [one.result(4.0) for one in pending] == [str(n).encode() for n in range(40)]


def test_one_that_was_accepted_while_it_ended(scene: Scene) -> None:
    """A connection that is made behind the server's end is ended at once, and not left to the collector."""

    async def late() -> int:
        scene.server.close()
        own, peer = socket.socketpair()
        with peer:
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: _Connection(scene.server, None), own)
            await asyncio.sleep(0)  # its end is told in the next step of the loop
        return own.fileno()

    assert scene.thread.call(late(), timeout=5, what="a late connection") == -1
    assert not scene.server.connections
