"""The address of an external broker: what it may be, and that its password is never seen."""

from __future__ import annotations

import pytest

from pytest_mqchaos.brokers.rabbitmq.address import BrokerAddress, is_loopback, masked


@pytest.mark.parametrize(
    ("text", "host", "port", "user", "password", "vhost"),
    [
        ("amqp://localhost", "localhost", 5672, "guest", "guest", "/"),
        ("amqp://ci:pw@127.0.0.1:5673/", "127.0.0.1", 5673, "ci", "pw", "/"),
        ("amqp://ci:p%40s%2Fs@h/%2Fshop", "h", 5672, "ci", "p@s/s", "/shop"),
        ("amqps://ci@[::1]/shop", "::1", 5671, "ci", "", "shop"),
    ],
)
def test_parts(text: str, host: str, port: int, user: str, password: str, vhost: str) -> None:
    """What is left out is what RabbitMQ has by default."""
    found = BrokerAddress.parse(text)
    assert (found.host, found.port, found.user, found.password, found.vhost) == (
        host,
        port,
        user,
        password,
        vhost,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http://u:secret@h/", "begins with amqp:// or amqps://"),
        ("u:secret@h", "begins with amqp:// or amqps://"),
        ("amqp://u:secret@h:0/", "a port from 1 to 65535"),
        ("amqp://u:secret@h:99999/", "an address such as"),
        ("amqp:///shop", "a host"),
        ("amqp://u:sec ret@h/", "a host"),
        ("amqp://u:sec/ret@h/", "an address such as"),
        ("amqp://u:***@h/", "fill it in"),
        ("amqp://u:secret@h/?cacertfile=/x", "it goes with amqps://"),
        ("amqp://u:secret@h/?heartbeat=1", "there is no ?heartbeat="),
        ("amqps://u:secret@h/?cacertfile=/no/such/file", "is no file"),
        ("amqps://u:secret@h/?verify=perhaps", "verify_peer or verify_none"),
    ],
)
def test_wrong(text: str, said: str) -> None:
    """What cannot be used is said, without the password."""
    with pytest.raises(ValueError, match=r".") as error:
        BrokerAddress.parse(text)
    assert said in str(error.value)
    assert "secret" not in str(error.value)


def test_the_password_is_in_the_url_alone() -> None:
    """Neither the text nor the representation of an address shows it; a link's address is plain text."""
    address = BrokerAddress.parse("amqps://c%20i:s3cr3t@broker.example:5671/%2F?verify=verify_none")
    assert "s3cr3t" not in f"{address} {address!r}"
    assert str(address) == "amqps://c%20i@broker.example:5671/"
    assert address.url("a/b") == "amqps://c%20i:s3cr3t@broker.example:5671/a%2Fb"
    assert address.url("a/b", host="127.0.0.1", port=4711) == "amqp://c%20i:s3cr3t@127.0.0.1:4711/a%2Fb"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("amqp://u:p@h:1/", "amqp://u:***@h:1/"),
        ("amqp://u:p@ss/w@h:99999/", "amqp://u:***@h:99999/"),
        ("u:pw@host", "u:***@host"),
        ("amqp://tok@h/", "amqp://tok@h/"),
        ("amqp://localhost:5672/", "amqp://localhost:5672/"),
        ("", ""),
    ],
)
def test_masked(text: str, shown: str) -> None:
    """However broken an address is, what may be a password is not shown."""
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("mq.localhost", True),
     ("10.0.0.1", False), ("rabbitmq", False), ("localhost.example.com", False), ("0.0.0.0", False)],
)  # fmt: skip
def test_loopback(host: str, here: bool) -> None:
    """Only names and numbers of this host itself are it."""
    assert is_loopback(host) is here


def test_tls() -> None:
    """Plain text needs nothing; TLS checks the certificate against the host, unless it is told not to."""
    assert BrokerAddress.parse("amqp://h/").context("") is None
    context, name = BrokerAddress.parse("amqps://h/?server_name_indication=inner").context("") or (None, "")
    assert context is not None
    assert (context.check_hostname, name) == (True, "inner")
    loose, _ = BrokerAddress.parse("amqps://h/?verify=verify_none").context("") or (None, "")
    assert loose is not None
    assert loose.check_hostname is False
