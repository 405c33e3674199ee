"""A link that speaks TLS to its clients, as they see it; its socket is struck as any other (`tests/conformance`)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from amqp_streams import GREETING
from pamqp import commands
from scripted import CONNECTED, TIMEOUT, Stage, ack, delivery, do, message, method, receive, relay_of

from pytest_mqchaos.link.authority import Authority
from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.tls import TlsSession, trouble
from pytest_mqchaos.model import events as facts

MUCH = bytes(range(256)) * 4000


class Client:
    """A client's side of TLS, in memory."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.engine = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")

    def hear(self, data: bytes) -> None:
        """Take what the server sent."""
        self._in.write(data)

    def sent(self) -> bytes:
        """What goes to the server now."""
        return self._out.read()

    def say(self, data: bytes) -> bytes:
        """Return what goes to the server for some bytes."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.engine.write(rest) :]
        return self.sent()

    def heard(self) -> bytes:
        """All that was heard, up to now."""
        found = b""
        try:
            while part := self.engine.read(1 << 16):
                found += part
        except ssl.SSLWantReadError:
            pass
        return found

    def shake(self, session: TlsSession) -> None:
        """Shake hands with a session."""
        for _ in range(4):
            try:
                self.engine.do_handshake()
            except ssl.SSLWantReadError:
                pass
            finally:
                assert session.read(self.sent()) == b""
                self.hear(session.answer())
        assert session.open


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority of the test's own."""
    return Authority(tmp_path)


@pytest.fixture
def client(authority: Authority) -> Client:
    """A client that trusts it."""
    return Client(ssl.create_default_context(cafile=authority.trust()["MQCHAOS_CA"]))


@pytest.fixture
def session(authority: Authority) -> TlsSession:
    """The server's side of a connection."""
    return TlsSession(authority.context())


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_what_is_said_is_heard(client: Client, session: TlsSession, size: int) -> None:
    """Both ways, however the ciphertext was cut on its way."""
    client.shake(session)
    sealed = client.say(MUCH[:30_000])
    assert b"".join(session.read(sealed[i : i + size]) for i in range(0, len(sealed), size)) == MUCH[:30_000]
    client.hear(session.seal(MUCH))
    assert client.heard() == MUCH


def test_the_handshake_leaves_nothing_behind(client: Client, session: TlsSession) -> None:
    """Once it is done nothing more is sent for its sake: a silent link is silent."""
    client.shake(session)
    assert session.answer() == b""
    assert session.seal(b"") == b""


def test_words_before_the_handshake_wait_for_it(client: Client, session: TlsSession) -> None:
    """A server that speaks first is heard once there is a way to say it."""
    assert session.seal(b"early") == b""
    client.shake(session)
    assert client.heard() == b"early"


def test_ends_are_told(client: Client, session: TlsSession) -> None:
    """A client's `close_notify` is its end, what it said before counts, and ours tells it that the end is meant."""
    client.shake(session)
    said = client.say(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        client.engine.unwrap()
    assert session.read(said + client.sent()) == b"last words"
    assert session.ended
    client.hear(session.goodbye())
    client.engine.unwrap()  # has all it wants now


def test_what_is_no_tls_is_kept_as_a_failure(session: TlsSession) -> None:
    """A client in plain text is told apart, with the way out."""
    assert session.read(b"AMQP\x00\x00\x09\x01") == b""
    assert session.failure is not None
    assert trouble(session).startswith("it speaks plain text, and this link speaks TLS (tls=True)")


def test_a_broken_record_ends_it(client: Client, session: TlsSession) -> None:
    """What was said before counts, and nothing after it can be said or heard."""
    client.shake(session)
    said, broken = client.say(b"whole"), bytearray(client.say(b"broken"))
    broken[-1] ^= 1
    assert session.read(said + bytes(broken)) == b"whole"
    assert session.failure is not None
    assert trouble(session).startswith("its TLS failed: ")


def test_a_client_that_does_not_trust_is_told_whom(session: TlsSession) -> None:
    """Its alert says that it knows no such authority: the line names the file."""
    doubtful = Client(ssl.create_default_context())
    with pytest.raises(ssl.SSLWantReadError):
        doubtful.engine.do_handshake()
    session.read(doubtful.sent())
    doubtful.hear(session.answer())
    with pytest.raises(ssl.SSLCertVerificationError):
        doubtful.engine.do_handshake()
    session.read(doubtful.sent())
    assert "unknown ca" in trouble(session)
    assert trouble(session).endswith("; the authority to trust is in $MQCHAOS_CA")


# --- on a wire ---


@pytest.fixture
def stage(authority: Authority) -> Iterator[Stage]:
    """A wire that speaks TLS to its clients."""
    made = Stage(client_tls=authority.context())
    try:
        yield made
    finally:
        made.close()


def secured(stage: Stage, authority: Authority) -> tuple[ssl.SSLSocket, socket.socket]:
    """Connect a client by TLS; return its socket and the broker's."""
    client, broker = stage.connect()
    context = ssl.create_default_context(cafile=authority.trust()["MQCHAOS_CA"])
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Debian's Python has it set
    secure = context.wrap_socket(client, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
    stage.keep(secure)
    return secure, broker


def opened(client: socket.socket, broker: socket.socket) -> None:
    """Open the AMQP connection."""
    for side, data in [("client", GREETING), *CONNECTED]:
        sender, receiver = (client, broker) if side == "client" else (broker, client)
        sender.sendall(data)
        assert receive(receiver, len(data)) == data


def test_the_wire_reads_what_is_inside(stage: Stage, authority: Authority) -> None:
    """Frames are facts of the history, and the broker gets plain text."""
    client, broker = secured(stage, authority)
    opened(client, broker)
    broker.sendall(delivery(1))
    assert receive(client, len(delivery(1))) == delivery(1)
    client.sendall(ack(1))
    assert receive(broker, len(ack(1))) == ack(1)
    (fact,) = stage.await_fact(facts.Delivered)
    assert fact.message == message(1)


def test_an_ack_that_is_held_has_not_passed(stage: Stage, authority: Authority) -> None:
    """A strike at a frame of TLS is a strike at the frame: it dies with the connection, by an RST."""
    client, broker = secured(stage, authority)
    opened(client, broker)
    broker.sendall(delivery(1))
    receive(client, len(delivery(1)))

    async def strike(held: Held) -> None:
        held.take()
        held.relay.cause = "fault"
        held.relay.close("fault", reset=True)

    stage.strike_at(facts.Acked, strike)
    client.sendall(ack(1))
    with pytest.raises(ConnectionResetError):
        receive(broker, 1)
    (fact,) = stage.await_fact(facts.Acked)
    assert fact.passed is False


def test_a_delivery_that_has_arrived_is_in_the_clients_kernel(stage: Stage, authority: Authority) -> None:
    """What the wire calls drained can be read though the wire is gone."""
    client, broker = secured(stage, authority)
    opened(client, broker)
    broker.sendall(delivery(1))
    stage.await_fact(facts.Delivered)
    relay = relay_of(stage)
    assert stage.thread.call(relay.drained(TIMEOUT), timeout=TIMEOUT, what="draining")
    do(stage, lambda: relay.close("fault"))
    assert receive(client, len(delivery(1))) == delivery(1)


def test_an_end_that_is_meant_says_so(stage: Stage, authority: Authority) -> None:
    """The broker's own end is a `close_notify`."""
    client, broker = secured(stage, authority)
    opened(client, broker)
    broker.close()
    assert client.recv(1) == b""


def test_a_cut_does_not_say_goodbye(stage: Stage, authority: Authority) -> None:
    """Who cuts a connection between two hosts has no key: the client sees a FIN out of nothing."""
    client, broker = secured(stage, authority)
    opened(client, broker)
    relay = relay_of(stage)
    do(stage, lambda: relay.close("fault"))
    with pytest.raises(ssl.SSLError, match=r"(?i)eof"):  # of which class depends on the Python
        client.recv(1)


def test_a_clients_close_notify_is_its_end(stage: Stage, authority: Authority) -> None:
    """The broker sees a FIN behind all that was said, and the client our own goodbye."""
    client, broker = secured(stage, authority)
    opened(client, broker)
    client.sendall(method(commands.Connection.Close(200, "", 0, 0), 0))
    client.unwrap()
    assert receive(broker, 1 << 16)
    assert broker.recv(1) == b""


def test_without_a_broker_the_connection_is_reset(stage: Stage) -> None:
    """What leads nowhere looks as it does without TLS: no handshake with the wire pretends a broker."""
    stage.unplug()
    with pytest.raises(ConnectionResetError):  # already in `connect`, where we are late
        stage.client().recv(1)


def test_plain_text_is_named(stage: Stage) -> None:
    """Nothing of it reaches the broker, and the wire knows what to say of it."""
    client, broker = stage.connect()
    client.sendall(GREETING)
    assert broker.recv(1) == b""
    do(stage)  # it was at it
    assert "speaks plain text" in stage.wire.client_error


def test_a_client_that_turns_away_after_the_handshake_is_named(stage: Stage, authority: Authority) -> None:
    """Node looks at the certificate only then, and sends no alert."""
    client, broker = secured(stage, authority)
    client.close()
    assert broker.recv(1) == b""
    do(stage)  # it was at it
    assert "right after the TLS handshake" in stage.wire.client_error
