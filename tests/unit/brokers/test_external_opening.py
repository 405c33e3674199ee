"""A broker that runs already is refused in one line: the value, where it came from, what is wrong, and no password."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from pytest_mqchaos.brokers._protocol import External
from pytest_mqchaos.brokers.rabbitmq.opening import old_of_ours, open_external
from pytest_mqchaos.brokers.rabbitmq.place import own_name
from pytest_mqchaos.errors import ChaosError, ServerUnavailable, UsageError
from pytest_mqchaos.model.origins import Origins

INI = Origins({"url": "mqchaos_url = {} in pytest.ini", "management_url": "PYTEST_MQCHAOS_MANAGEMENT_URL={}"})


def test_how_an_option_was_given() -> None:
    """What nobody gave is shown as on the command line."""
    assert INI.said("url", "amqp://h/") == "mqchaos_url = amqp://h/ in pytest.ini"
    assert INI.said("allow_remote", "true") == "--mqchaos-allow-remote=true"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://ci:s3cr3t@h/", "mqchaos_url = http://ci:***@h/ in pytest.ini is not an address that begins with"),
        (
            "amqp://ci:s3cr3t@192.0.2.1/",
            "mqchaos_url = amqp://ci@192.0.2.1:5672/ in pytest.ini: '192.0.2.1' is not on this host: "
            "--mqchaos-allow-remote permits chaos tests on it",
        ),
    ],
)  # fmt: skip
def test_an_address_that_must_not_be_used(url: str, said: str) -> None:
    """It is refused before anybody is asked."""
    with pytest.raises(UsageError) as raised:
        open_external(External(url=url, origins=INI))
    assert str(raised.value).startswith(said)
    assert "s3cr3t" not in str(raised.value)


def test_nobody_there() -> None:
    """A port that nobody listens at: an error, not a reason to skip, since somebody named it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        with pytest.raises(ChaosError) as raised:
            open_external(External(url=f"amqp://ci:s3cr3t@127.0.0.1:{port}/a%2Fb", origins=INI))
    where = f"mqchaos_url = amqp://ci@127.0.0.1:{port}/a%2Fb in pytest.ini"
    assert str(raised.value) == f"no broker at {where}: connection refused"
    assert not isinstance(raised.value, ServerUnavailable)


class FakeBroker:
    """A listener that says `connection.start` to whoever greets it, and no more."""

    def __enter__(self) -> int:
        import threading

        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        port: int = self._socket.getsockname()[1]
        return port

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                client.recv(8)
                client.sendall(b"\x01\x00\x00\x00\x00\x00\x05\x00\x0a\x00\x0a\x00\xce")

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@pytest.mark.parametrize(
    ("management", "said"),
    [
        ("localhost:15672", "PYTEST_MQCHAOS_MANAGEMENT_URL=localhost:15672: 'localhost:15672' is not an address"),
        (
            "http://ci:s3cr3t@192.0.2.1",
            "PYTEST_MQCHAOS_MANAGEMENT_URL=http://ci:***@192.0.2.1: '192.0.2.1' is not on this host",
        ),
        ("http://ci:s3cr3t@127.0.0.1:9", "PYTEST_MQCHAOS_MANAGEMENT_URL=http://ci:***@127.0.0.1:9: asking who we are"),
    ],
)  # fmt: skip
def test_a_management_api_that_must_not_be_used(management: str, said: str) -> None:
    """It is named as it was given, its password is not."""
    with FakeBroker() as port:
        external = External(url=f"amqp://ci:s3cr3t@127.0.0.1:{port}/", management_url=management, origins=INI)
        with pytest.raises(ChaosError) as raised:
            open_external(external)
    assert str(raised.value).startswith(said)
    assert "s3cr3t" not in str(raised.value)


def test_a_vhost_needs_the_api() -> None:
    """The isolation that was asked for cannot be had."""
    with FakeBroker() as port, pytest.raises(ChaosError) as raised:
        open_external(External(url=f"amqp://ci:s3cr3t@127.0.0.1:{port}/", isolation="vhost"))
    assert str(raised.value).startswith("--mqchaos-isolation=vhost: no management API")


class Listing:
    """A management API that lists, and fails the test when it is asked for anything else."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def vhosts(self) -> tuple[str, ...]:
        """The names as those of vhosts."""
        return self._names

    def queues(self, vhost: str) -> list[dict[str, str]]:
        """The names as those of queues."""
        return [{"name": f"{name}.orders"} for name in self._names]

    def exchanges(self, vhost: str) -> list[dict[str, str]]:
        """No exchanges of ours."""
        return [{"name": "amq.topic"}]


def test_what_seems_to_be_left_of_old_runs() -> None:
    """It is told in one line, the first three of it, and nothing is deleted: a session may live longer than a day."""
    old = [f"mqchaos-k3f9-0000{n}beef" for n in range(5)]
    listing: Any = Listing("/", own_name("mqchaos-k3f9"), "mqchaos-of-somebody", *old)
    assert old_of_ours(listing, "/", "vhost") == (
        f"of runs that began over a day ago there are vhost {old[0]}, vhost {old[1]}, vhost {old[2]} and 2 more; "
        "`rabbitmqctl delete_vhost NAME` deletes what no session uses any more"
    )
    few: Any = Listing(old[0])
    assert old_of_ours(few, "/", "prefix").startswith(
        f"of runs that began over a day ago there are queue {old[0]}.orders; the management API, or its page, deletes"
    )
    none: Any = Listing("/", own_name("mqchaos-k3f9"))
    assert old_of_ours(none, "/", "vhost") == old_of_ours(listing, "/", "none") == ""
