"""The management API: what is asked, and what becomes of an answer that is none."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pytest_mqchaos.brokers.rabbitmq.management import Management
from pytest_mqchaos.errors import ChaosError

LOGIN = "Basic " + base64.b64encode(b"ci:s3cr3t").decode()


class Api(ThreadingHTTPServer):
    """Answers as a test says, and writes down what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.lost: set[str] = set()
        """Questions whose next answer does not come: the connection ends instead."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        api: Any = self.server
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        api.asked.append((self.command, self.path))
        if (question := f"{self.command} {path}") in api.lost:
            api.lost.remove(question)
            self.close_connection = True
            return
        status, body = api.answers.get(f"{self.command} {path}", (404, {"reason": "Not Found"}))
        if self.headers.get("Authorization") != LOGIN:
            status, body = 401, {"reason": "Login failed"}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    """A management API."""
    server = Api()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def management(api: Api) -> Iterator[Management]:
    """Its client."""
    found = Management(api.url, user="ci", password="s3cr3t")
    yield found
    found.close()


def test_tags(api: Api, management: Management) -> None:
    """As a list, or as older versions say it."""
    api.answers["GET /api/whoami"] = 200, {"name": "ci", "tags": ["administrator"]}
    assert management.tags() == {"administrator"}
    api.answers["GET /api/whoami"] = 200, {"name": "ci", "tags": "monitoring,management"}
    assert management.tags() == {"monitoring", "management"}


def test_a_vhost(api: Api, management: Management) -> None:
    """It is new, or somebody's; names are quoted; one that is gone need not be deleted."""
    api.answers["PUT /api/vhosts/a%2Fb"] = 201, None
    api.answers["PUT /api/permissions/a%2Fb/ci"] = 204, None
    assert management.create_vhost("a/b", "ci") is True
    api.answers["PUT /api/vhosts/a%2Fb"] = 204, None
    api.asked.clear()
    assert management.create_vhost("a/b", "ci") is False
    assert api.asked == [("PUT", "/api/vhosts/a%2Fb")], "nobody else's permissions are changed"
    management.delete_vhost("a/b")
    assert api.asked[-1] == ("DELETE", "/api/vhosts/a%2Fb")


def test_a_vhost_of_which_the_answer_was_lost(api: Api, management: Management) -> None:
    """Asked for again, it is there, as it was made the first time: it is ours."""
    api.answers["GET /api/whoami"] = 200, {"tags": []}
    api.answers["PUT /api/vhosts/fresh"] = api.answers["PUT /api/permissions/fresh/ci"] = 204, None
    api.lost.add("PUT /api/vhosts/fresh")
    management.tags()  # so that the connection is one that may have been closed meanwhile
    assert management.create_vhost("fresh", "ci") is True
    assert api.asked[1:] == [("PUT", "/api/vhosts/fresh")] * 2 + [("PUT", "/api/permissions/fresh/ci")]


def test_policies_that_may_not_be_known(api: Api, management: Management) -> None:
    """A user who may not list them is told apart from a broker that has none."""
    api.answers["GET /api/policies/%2F"] = 401, {"reason": "not authorised"}
    assert management.policies("/") is None
    api.answers["GET /api/policies/%2F"] = api.answers["GET /api/operator-policies/%2F"] = 200, []
    assert management.policies("/") == ([], [])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((500, {"reason": "in trouble"}), "answers 500 (in trouble)"),
        ((404, b"<html>"), "answers 404"),
        ((200, b"<html>"), "is no management API"),
    ],
)
def test_what_is_no_answer(api: Api, management: Management, answer: tuple[int, Any], said: str) -> None:
    """One line, with the address and without the login."""
    api.answers["GET /api/vhosts"] = answer
    with pytest.raises(ChaosError) as error:
        management.vhosts()
    assert said in str(error.value)
    assert api.url in str(error.value)
    assert "s3cr3t" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_login_in_its_address(api: Api) -> None:
    """Wins over that of AMQP, and is not shown."""
    there = api.url.replace("http://", "http://ci:s3cr3t@")
    api.answers["GET /api/whoami"] = 200, {"tags": []}
    management = Management(there, user="other", password="wrong")
    assert management.tags() == frozenset()
    assert str(management) == api.url
    management.close()
    stranger = Management(api.url, user="other", password="wrong")
    with pytest.raises(ChaosError, match="answers 401"):
        stranger.tags()
    stranger.close()


def test_nobody_there(api: Api, management: Management) -> None:
    """An old connection that was closed is made again; one that cannot be made is one line."""
    api.answers["GET /api/vhosts"] = 200, [{"name": "/"}]
    assert management.vhosts() == ("/",)
    management._connection.sock.close()  # type: ignore[union-attr]
    assert management.vhosts() == ("/",)
    with pytest.raises(ChaosError, match="connection refused"):
        Management("http://127.0.0.1:9", user="ci", password="s3cr3t").tags()
