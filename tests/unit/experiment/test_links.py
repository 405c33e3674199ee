"""The links of a run: opened at any time, refused together."""

from __future__ import annotations

import itertools
import random
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_mqchaos.experiment.links import Link, Links
from pytest_mqchaos.experiment.striking.injector import Injector
from pytest_mqchaos.link.embedded import EmbeddedNetwork
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.wire import Wire
from pytest_mqchaos.model.events import Noted
from pytest_mqchaos.model.history import History

TIMEOUT = 5.0


class Ground:
    """Links to a broker that only accepts."""

    def __init__(self) -> None:
        self.thread = LoopThread()
        self.broker = socket.create_server(("127.0.0.1", 0))
        self.broker.settimeout(TIMEOUT)
        self.history = history = History("k3f9")
        self.links = Links(
            run="k3f9",
            network=EmbeddedNetwork(*self.broker.getsockname()[:2]),
            thread=self.thread,
            history=history,
            identity=Identity("k3f9"),
            look=lambda message: None,
            tap=Injector(history, self.thread, lambda: None, random.Random(1)),
        )

    def refuse(self) -> None:
        """Let all refuse."""

        async def refuse() -> None:
            self.links.refuse()

        self.thread.call(refuse(), timeout=TIMEOUT, what="refusing")

    def welcome(self) -> None:
        """Let all be welcome again."""
        self.thread.call(self.links.welcome(), timeout=TIMEOUT, what="welcoming")

    def connects(self, link: Link) -> bool:
        """Whether a client reaches the broker; if not, it is refused, and not accepted and ended."""
        try:
            with socket.create_connection((link.wire.host, link.wire.port), timeout=TIMEOUT):
                self.broker.accept()[0].close()
        except ConnectionRefusedError:
            return False
        return True

    def close(self) -> None:
        """End all of it."""
        self.links.close()
        self.thread.close()
        self.broker.close()


@pytest.fixture
def ground() -> Iterator[Ground]:
    """Links, and a broker that only accepts."""
    made = Ground()
    try:
        yield made
    finally:
        made.close()


def test_a_link_that_is_opened_while_all_refuse_refuses_too(ground: Ground) -> None:
    """A consumer that is started while the broker is down finds it down, and is welcome with the others."""
    first = ground.links.open("worker")
    ground.refuse()
    second = ground.links.open("worker#2")
    assert not ground.connects(first)
    assert not ground.connects(second)
    ground.welcome()
    assert ground.connects(first)
    assert ground.connects(second)
    assert ground.connects(ground.links.open("audit"))


def test_two_outages_want_two_welcomes(ground: Ground) -> None:
    """A link that was opened between them waits for the end of both, like the others."""
    ground.refuse()
    between = ground.links.open("worker")
    ground.refuse()
    ground.welcome()
    assert not ground.connects(between)
    ground.welcome()
    assert ground.connects(between)


def test_a_link_has_one_address(ground: Ground) -> None:
    """It is opened once, whoever asks for it."""
    link = ground.links.open("worker")
    assert ground.links.open("worker") is ground.links.named("worker") is link
    assert [each.name for each in ground.links] == ["worker"]


def tried(link: Link) -> str:
    """What a client of a service's link sees."""
    try:
        with socket.create_connection((link.wire.host, link.wire.port), timeout=TIMEOUT) as own:
            own.settimeout(TIMEOUT)
            return "ended" if own.recv(1) == b"" else "answered"
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "ended"


def sees(link: Link, what: str) -> bool:
    """Whether a client sees that at last."""
    deadline = time.monotonic() + TIMEOUT
    while (seen := tried(link)) != what and time.monotonic() < deadline:
        time.sleep(0.01)
    return seen == what


class Greeter(socketserver.BaseRequestHandler):
    """Says a byte and ends."""

    def handle(self) -> None:
        self.request.sendall(b"!")


class Service(socketserver.ThreadingTCPServer):
    """A service that can be started again at its port."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Greeter)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def end(self) -> None:
        """End it, so that nobody listens there."""
        self.shutdown()
        self.server_close()


def test_a_link_refuses_while_its_service_does(ground: Ground) -> None:
    """Nobody listens, somebody comes, and goes again under a client: the link is as the service, and it is noted."""
    service = Service()
    port = service.server_address[1]
    service.end()
    link = ground.links.open_service("store", ("127.0.0.1", port))
    assert tried(link) == "refused"
    service = Service(port)
    assert sees(link, "answered")
    service.end()
    assert sees(link, "refused")
    assert [event.text for event in ground.history if isinstance(event, Noted)] == [
        f"link('store'): nobody answers at 127.0.0.1:{port} (connection refused), so it refuses until somebody does",
        f"link('store'): somebody answers at 127.0.0.1:{port} now",
    ]


def test_a_service_that_listens_is_not_called_for_it(ground: Ground) -> None:
    """One that takes a single connection takes the client's: whether it is there shows without one."""
    with socket.create_server(("127.0.0.1", 0)) as own:
        own.settimeout(TIMEOUT)
        link = ground.links.open_service("store", own.getsockname()[:2])
        with socket.create_connection((link.wire.host, link.wire.port), timeout=TIMEOUT) as client:
            client.sendall(b"x")
            taken, _ = own.accept()
            with taken:
                assert taken.recv(1) == b"x"
    assert not [event for event in ground.history if isinstance(event, Noted)]


def test_refusals_and_openings_at_once(ground: Ground) -> None:
    """Whatever comes first, nobody stays refused, and no refusal is missed."""
    for number in itertools.islice(itertools.count(1), 20):
        ground.thread.soon(ground.links.refuse)
        link = ground.links.open(f"worker#{number}")
        ground.refuse()
        assert not ground.connects(link)
        ground.welcome()
        assert not ground.connects(link)
        ground.welcome()
        assert ground.connects(link)


@pytest.fixture
def routes(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """The routes that were opened, and whether each was given back."""
    found: dict[str, bool] = {}
    network = ground.links._network
    opened = network.route

    def route(name: str, **words: Any) -> Any:
        made = opened(name, **words)
        found[name] = False
        monkeypatch.setattr(made, "close", lambda: found.update({name: True}))
        return made

    monkeypatch.setattr(network, "route", route)
    return found


def opened(ground: Ground, *, service: bool, port: int = 0) -> Link:
    """A link to the broker, as one of a service or as a consumer's."""
    if service:
        return ground.links.open_service("store", ground.broker.getsockname()[:2], port=port)
    return ground.links.open("store", port=port)


@pytest.mark.parametrize("service", [False, True])
def test_a_port_that_was_taken_meanwhile(ground: Ground, routes: dict[str, bool], service: bool) -> None:
    """The link is an error, its route is given back, and the name can be had at another port."""
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
        opened(ground, service=service, port=other.getsockname()[1])
    assert list(routes.values()) == [True]
    assert ground.connects(opened(ground, service=service))
    assert list(routes.values()) == [True, False]


@pytest.mark.parametrize("service", [False, True])
def test_a_link_that_cannot_listen(
    ground: Ground, routes: dict[str, bool], monkeypatch: pytest.MonkeyPatch, service: bool
) -> None:
    """It is not there, as little as its route and its port."""
    wires: list[Wire] = []

    async def fails(wire: Wire) -> None:
        wires.append(wire)
        raise OSError("too many open files")

    monkeypatch.setattr(Wire, "listen", fails)
    with pytest.raises(OSError, match="too many open files"):
        opened(ground, service=service)
    assert ground.links.named("store") is ground.links.service("store") is None
    assert wires[0].closed
    assert list(routes.values()) == [True]
