"""What a holder of servers answers, whom it takes in, and when it ends; on servers that are none."""

import http.server
import json
import socket
import threading
import time
from contextlib import suppress
from functools import partial

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.servers.sharing import guest, tidying
from pytest_mqchaos.servers.sharing import host as module
from pytest_mqchaos.servers.sharing.host import Host
from pytest_mqchaos.servers.sharing.listener import Listener
from pytest_mqchaos.servers.sharing.talk import Address, Gone, Taken, stay


class Broker:
    """A broker that notes what is done to it."""

    host, port = "127.0.0.1", 1

    def __init__(self):
        self.there = ["/"]
        self.lives, self.lacks, self.frozen = True, None, False

    def alive(self):
        return self.lives

    def lacks_at(self, host, port):
        return self.lacks

    def namespaces(self):
        return tuple(self.there)

    def delete_namespace(self, name):
        self.there.remove(name)

    def thaw(self):
        self.frozen = False


class Api(http.server.BaseHTTPRequestHandler):
    """Toxiproxy's API, as far as proxies are listed and deleted."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        listed = {name: {"listen": listen} for name, listen in self.server.proxies.items()}
        self.answer(200, json.dumps(listed).encode())

    def do_DELETE(self):
        del self.server.proxies[self.path.removeprefix("/proxies/")]
        self.answer(204, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Toxiproxy:
    """A Toxiproxy of a few addresses."""

    kind, version, upstream, description = "docker", "2.12.0", "broker:5672", "a Toxiproxy"

    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.server.proxies = {}
        self.api = self.server.server_address
        self.given = set()
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def alive(self):
        return True

    def listen_address(self):
        port = 8700 + len(self.given)
        self.given.add(f"0.0.0.0:{port}")
        return f"0.0.0.0:{port}", ("127.0.0.1", port)

    def release(self, listen):
        self.given.discard(listen)


class Servers:
    """Servers of a broker alone."""

    toxiproxy, without, engine, description = None, "no Toxiproxy", "", "a broker"

    def __init__(self):
        self.broker = Broker()


class Launcher:
    """Serves what a guest asks of the broker."""

    def facts(self, broker):
        return {"port": broker.port}

    def serve(self, broker, name, arguments, *, timeout):
        if name == "fails":
            raise ChaosError("the broker is down")
        if name == "breaks":
            raise KeyError(name)
        return [name, arguments, timeout]


@pytest.fixture
def held(monkeypatch):
    """Return a function that makes a host which listens, and returns it with its address."""
    monkeypatch.setattr(module, "launcher", lambda name: Launcher())
    listeners = []

    def make(*, kept=False):
        host = Host(Servers(), kept=kept)
        listener = Listener(host, "secret")
        listeners.append(listener)
        threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True).start()
        return host, Address(listener.server_address[1], "secret")

    yield make
    for listener in listeners:
        listener.shutdown()
        listener.server_close()


def ended(host):
    """Return whether it has been told to end."""
    return host.ending.wait(10)


def until_left(host, address):
    """Wait until a host has seen that its guests are gone: it ends when it is told, only then."""
    while not host.ending.is_set():
        with suppress(ChaosError):  # they are used
            address.ask("stop")


def test_questions(held):
    """A question has its answer, an error its words, and what there is not to ask is said."""
    _, address = held()
    assert address.ask("whole") is True
    assert address.ask("broker", name="call", arguments=["a", 1], patience=2) == ["call", ["a", 1], 2.0]
    assert address.ask("facts")["broker"] == {"port": 1}
    with pytest.raises(ChaosError, match=r"^the broker is down$"):
        address.ask("broker", name="fails", arguments=[], patience=2)
    with pytest.raises(ChaosError, match=r"^broker: KeyError: 'breaks'$"):
        address.ask("broker", name="breaks", arguments=[], patience=2)
    for name in ("listen", "toxiproxy", "nothing", None):
        with pytest.raises(ChaosError, match=f"there is no {name!r} to ask"):
            address.ask(name)


@pytest.mark.parametrize("token", ["wrong", "", None, 7, "ä", ["secret"], "\ud800"])
def test_a_wrong_token_is_not_answered(held, token):
    """Whoever has not read the file hears nothing, not even an error, and changes nothing."""
    host, address = held()
    for do in ("facts", "stay", "stop"):
        with pytest.raises(Gone):
            Address(address.port, token).ask(do, force=True)
    assert not host.ending.is_set()


@pytest.mark.parametrize(
    "said", [b"", b"{", b"\0\xff\n", b"[]\n", b'{"do": "stop"}\n', b"[" * 9000 + b"\n", b"x" * 300_000]
)
def test_garbage(held, capfd, said):
    """It is dropped without a word, and the next one is served."""
    host, address = held()
    with socket.create_connection(("127.0.0.1", address.port), timeout=5) as connection:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert address.ask("whole") is True
    assert not host.ending.is_set()
    assert capfd.readouterr() == ("", "")


def test_connections_that_say_nothing(held):
    """Others are served meanwhile."""
    _, address = held()
    silent = [socket.create_connection(("127.0.0.1", address.port)) for _ in range(50)]
    assert address.ask("whole") is True
    for one in silent:
        one.close()


def test_kept_servers_are_one_sessions_at_a_time(held):
    """Workers of one session come together; another session's is turned away until all of them have left."""
    host, address = held(kept=True)
    first, facts = stay(address, session="a")
    second, _ = stay(address, session="a")
    assert facts["description"] == "a broker"
    with pytest.raises(Taken, match="another session"):
        stay(address, session="b")
    first.close()
    with pytest.raises(Taken):
        stay(address, session="b")
    with pytest.raises(ChaosError, match="a session uses them just now"):
        address.ask("stop")
    second.close()
    until_left(host, address)
    with pytest.raises(ChaosError, match="are ending"):
        stay(address, session="b")


def test_force_ends_them_in_use(held):
    """It is said by a word."""
    host, address = held(kept=True)
    connection, _ = stay(address, session="a")
    with connection:
        address.ask("stop", force=True)
        assert ended(host)


def test_behind_a_session_kept_servers_are_as_they_were(held):
    """What it left is deleted, what was there before stays, and the broker goes on."""
    host, address = held(kept=True)
    connection, _ = stay(address, session="a")
    broker = host._servers.broker
    broker.there += ["mqchaos-k3f9", "odd"]
    broker.frozen = True
    connection.close()
    until_left(host, address)
    assert (broker.there, broker.frozen) == (["/"], False)


def test_a_busy_machine_is_no_broken_broker(held, monkeypatch):
    """A broker that answers late is kept."""
    host, address = held(kept=True)
    broker = host._servers.broker
    answers = iter(
        ["the port does not answer", "the port does not answer", None, "the port does not answer", None]
    )
    monkeypatch.setattr(broker, "lacks_at", lambda host, port: next(answers))
    connection, _ = stay(address, session="a")
    assert address.ask("whole") is True
    connection.close()
    until_left(host, address)
    assert next(answers, "all were given") == "all were given"


@pytest.mark.parametrize("what", [{"lives": False}, {"lacks": "the port does not answer"}])
def test_what_does_not_serve_is_not_kept(held, monkeypatch, what):
    """Behind a session that broke it for good the holder ends, so that the next one starts anew."""
    monkeypatch.setattr(tidying, "_SERVING", 0.05)
    host, address = held(kept=True)
    connection, _ = stay(address, session="a")
    vars(host._servers.broker).update(what)
    assert address.ask("whole") is False
    connection.close()
    assert ended(host)


def test_shared_servers_stay_as_they_are_until_the_session_ends(held):
    """Under xdist workers come and go, and what others have on the broker is not touched."""
    host, address = held()
    connection, _ = stay(address, session="a")
    host._servers.broker.there.append("mqchaos-k3f9")
    connection.close()
    until_left(host, address)
    assert host._servers.broker.there == ["/", "mqchaos-k3f9"]


@pytest.fixture
def toxiproxy():
    """Return a Toxiproxy that is none."""
    made = Toxiproxy()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize("kept", [False, True])
def test_what_a_guest_had_of_toxiproxy_is_had_again(held, toxiproxy, kept):
    """A worker that died gives its proxies and their addresses back; those of another one stay."""
    host, address = held(kept=kept)
    host._servers.toxiproxy = toxiproxy
    one, facts = stay(address, session="a", guest="1")
    other, _ = stay(address, session="a", guest="2")
    shared = [guest.SharedToxiproxy(facts["toxiproxy"], address, name) for name in ("1", "2")]
    mine, others = shared[0].listen_address(), shared[1].listen_address()
    assert (mine, others) == (("0.0.0.0:8700", ("127.0.0.1", 8700)), ("0.0.0.0:8701", ("127.0.0.1", 8701)))
    toxiproxy.server.proxies.update({"mine": "[::]:8700", "others": "[::]:8701"})
    one.close()
    deadline = time.monotonic() + 10
    while toxiproxy.given != {"0.0.0.0:8701"}:
        assert time.monotonic() < deadline, toxiproxy.given
    assert toxiproxy.server.proxies == {"others": "[::]:8701"}
    shared[1].release("0.0.0.0:8701")
    assert not toxiproxy.given
    other.close()
    until_left(host, address)
    assert toxiproxy.server.proxies == ({} if kept else {"others": "[::]:8701"})


def test_unused_for_too_long(held):
    """Servers that nobody uses end after their time, which does not run while somebody does."""
    host, address = held(kept=True)
    connection, _ = stay(address, session="a")
    thread = threading.Thread(target=host.hold, args=(0.02, lambda: True))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    connection.close()
    thread.join(10)
    assert not thread.is_alive()
    with pytest.raises(ChaosError, match="are ending"):
        stay(address, session="b")


def test_nobody_could_find_them(held, monkeypatch):
    """A holder whose address was removed ends when its guests have left."""
    monkeypatch.setattr(module, "_LOOK", 0.02)
    host, address = held()
    connection, _ = stay(address, session="a")
    thread = threading.Thread(target=host.hold, args=(float("inf"), lambda: False))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    connection.close()
    thread.join(10)
    assert not thread.is_alive()


def test_an_address_that_is_given_while_another_guest_leaves(held, toxiproxy):
    """It is not forgotten, and what the one that left had is had again, whatever is asked for at that moment."""
    host, _ = held()
    host._servers.toxiproxy = toxiproxy

    def listen(name):
        return host.answer({"do": "listen", "guest": name})[0]

    class Given(dict):
        """Lets somebody ask for an address while it is looked through."""

        def items(self):
            for each in super().items():
                asking = threading.Thread(target=listen, args=("other",))
                asking.start()
                asking.join(0.1)
                yield each

    host.come("a")
    host.come("a")
    host._given = Given()
    mine = listen("mine")
    toxiproxy.server.proxies["mine"] = mine
    host.leave("a", "mine")
    assert toxiproxy.server.proxies == {}
    until_true(lambda: list(host._given.values()) == ["other"])
    (other,) = host._given
    toxiproxy.server.proxies["other"] = other
    host._given = dict(host._given)
    host.leave("a", "other")
    assert toxiproxy.server.proxies == {}
    assert not toxiproxy.given


def until_true(met):
    """Wait until a condition is met."""
    deadline = time.monotonic() + 10
    while not met():
        assert time.monotonic() < deadline


def test_a_guest_is_taken_in_while_another_ones_proxies_are_deleted(held, monkeypatch):
    """A Toxiproxy that is slow with it keeps nobody waiting: who comes would give the holder up."""
    asked, slow = threading.Event(), threading.Event()
    monkeypatch.setattr(module, "without", lambda *_: (asked.set(), slow.wait(20)))
    _, address = held()
    one, _ = stay(address, session="a", guest="1")
    one.close()
    assert asked.wait(10)
    other, _ = stay(address, session="a")
    assert address.ask("whole") is True
    slow.set()
    other.close()


@pytest.mark.parametrize("do", ["stay", "stop"])
def test_who_comes_while_kept_servers_are_made_what_they_were_waits(held, monkeypatch, do):
    """The next session is not turned away, nothing of its own is deleted, and `stop` knows that nobody uses them."""
    host, address = held(kept=True)
    slow, asked, came = threading.Event(), threading.Event(), []
    monkeypatch.setattr(host._servers.broker, "thaw", lambda: (asked.set(), slow.wait(20)))
    connection, _ = stay(address, session="a")
    connection.close()
    assert asked.wait(10)
    ask = partial(stay, address, session="b") if do == "stay" else partial(address.ask, do)
    coming = threading.Thread(target=lambda: came.append(ask()))
    coming.start()
    coming.join(0.1)
    assert came == []
    slow.set()
    coming.join(10)
    if do == "stay":
        came[0][0].close()
    until_left(host, address)
    assert len(came) == 1


def test_a_guest_that_could_not_be_told_of_the_servers(held, monkeypatch):
    """It hears why and is none, so that kept servers are not taken for ever."""
    host, address = held(kept=True)
    with monkeypatch.context() as patch:
        patch.setattr(Launcher, "facts", lambda self, broker: {}["port"])
        with pytest.raises(ChaosError, match=r"^stay: KeyError: 'port'$"):
            stay(address, session="a")
    connection, _ = stay(address, session="b")
    connection.close()
    until_left(host, address)
