"""RabbitMQ in a container: the same broker as the private node, through the engine.

The VM is not process 1 of the container, so signals reach it through the shell that runs beside it. When
the VM is killed, the image's script ends and the container with it; started again, it has the same file
system, node name and port.
"""

from __future__ import annotations

import secrets
import signal
from contextlib import suppress

from pytest_mqchaos.brokers.rabbitmq.broker import RabbitMQ
from pytest_mqchaos.brokers.rabbitmq.shell import Shell, shell_arguments
from pytest_mqchaos.brokers.rabbitmq.words import boot_words
from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.servers.address import cause
from pytest_mqchaos.servers.engine import Container, Engine
from pytest_mqchaos.servers.process import free_ports

__all__ = ["Contained", "start_container"]

ALIAS = "rabbitmq"
AMQP_PORT = 5672
_NODE = "mqchaos@localhost"
_ENV = {
    "RABBITMQ_NODENAME": _NODE,
    "RABBITMQ_ENABLED_PLUGINS_FILE": "/tmp/mqchaos-no-plugins",
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-rabbit loopback_users [] -rabbit disk_free_limit 1000000",
}
_COOKIE = "/var/lib/rabbitmq/.erlang.cookie"
_SHELL = 'until [ -s "$0" ]; do sleep 0.05; done; exec erl -setcookie "$(cat "$0")" "$@"'
_TRIES = 4


def start_container(engine: Engine, *, image: str) -> RabbitMQ:
    """Start RabbitMQ from `image` and wait until it serves AMQP at a port of 127.0.0.1.

    Raises:
        ServerUnavailable: the image is not to be had, or it does not start; with its last words.

    """
    from docker.errors import DockerException

    engine.have(image)
    for left in reversed(range(_TRIES)):
        [port] = free_ports(1)
        try:
            container = engine.start(image, alias=ALIAS, ports={AMQP_PORT: port}, env=_ENV)
        except DockerException as error:
            if left and any(words in str(error) for words in ("already allocated", "already in use")):
                continue
            raise ServerUnavailable(f"a container of {image} did not start ({cause(error)})") from None
        return _awaited(Contained(container, port), image)
    raise AssertionError("unreachable: the last try returns or raises")


def _awaited(ground: Contained, image: str) -> RabbitMQ:
    try:
        return RabbitMQ(ground, ground.open_shell())
    except ChaosError as error:
        words = "" if ground.ended() is not None else f"; its last words: {ground.last_words()}"
        ground.stop()
        raise ServerUnavailable(f"RabbitMQ from {image} did not start: {error}{words}") from None
    except BaseException:
        ground.stop()
        raise


class Contained:
    """Where the VM runs in a container (see `Ground`)."""

    kind = "docker"
    host = "127.0.0.1"

    def __init__(self, container: Container, port: int) -> None:
        self.port = port
        self._container = container
        self._shell: Shell | None = None
        self._pid: str | None = None

    @property
    def place(self) -> str:
        """The container in words."""
        return f"container {self._container.name}"

    def open_shell(self) -> Shell:
        """A new Erlang shell inside the container, as soon as the broker has made its cookie."""
        name = f"mqchaos-shell-{secrets.token_hex(3)}@localhost"
        command = ["sh", "-c", _SHELL, _COOKIE, *shell_arguments(_NODE, name=name)]
        self._shell = Shell(self._container.execute(command, env={"ERL_CRASH_DUMP": "/dev/null"}))
        return self._shell

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the VM's process, through the shell; nothing is sent where it is gone."""
        if self._shell is None or self._shell.closed:
            return
        what = f"sending {number.name} to RabbitMQ"
        with suppress(ChaosError):
            if self._pid is None:
                self._pid = self._shell.call("about", timeout=5.0, what=what)["pid"]
            self._shell.call("signal", [number.name.removeprefix("SIG"), self._pid], timeout=5.0, what=what)

    def ended(self) -> str | None:
        """How the container ended; None while it runs."""
        return None if self._container.running() else "with its container"

    def launch(self) -> None:
        """Start the container again, after the VM was killed."""
        self._pid = None
        self._container.start_again()

    def log_tail(self, lines: int) -> str:
        """The last lines of the container's output."""
        return self._container.logs(lines)

    def last_words(self) -> str:
        """What its output says about its end, in one line."""
        return boot_words(self._container.logs(60))

    def stop(self) -> None:
        """Kill and remove the container with its volumes; may be called again."""
        if self._shell is not None:
            self._shell.close()
        self._container.remove()
