"""A private RabbitMQ node as a process of this host.

Three processes of ours: epmd in the foreground (one that the VM starts by itself would leave our process
group and outlive us), the VM, and the shell beside it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from pytest_mqchaos.brokers.rabbitmq.broker import RabbitMQ
from pytest_mqchaos.brokers.rabbitmq.find import Installation, find_installation
from pytest_mqchaos.brokers.rabbitmq.layout import Layout, Ports
from pytest_mqchaos.brokers.rabbitmq.shell import PipeStream, Shell, shell_arguments
from pytest_mqchaos.brokers.rabbitmq.words import boot_words, port_taken
from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.servers.guard import tagged
from pytest_mqchaos.servers.process import Child, awake, free_ports, listens, one_line, tail
from pytest_mqchaos.servers.waiting import wait_for

__all__ = ["Node", "start_process", "unfit"]

_TRIES = 4


def start_process(*, run: str, directory: Path) -> RabbitMQ:
    """Start a private node under `directory` and wait until it serves AMQP.

    A port that somebody else took in between costs another try, and so does a trimmed home that does not
    start (the next try has the whole one).

    Raises:
        ServerUnavailable: no RabbitMQ is installed, or it does not start; with its last words.

    """
    if why := unfit(directory):
        raise ServerUnavailable(why)
    installation = find_installation(directory)
    trimmed = True
    for left in reversed(range(_TRIES)):
        node = Node(installation, directory / f"rabbitmq-{secrets.token_hex(3)}", run=run, trimmed=trimmed)
        try:
            return RabbitMQ(node, node.boot())
        except (ChaosError, OSError) as error:
            failure, ended = _in_words(error), node.ended() is not None
            taken = port_taken(f"{failure} {node.said()}")
            if not ended:
                failure += f"; its last words: {node.last_words()}"
            node.stop()
        except BaseException:
            node.stop()
            raise
        if not left or not (taken or (trimmed and ended)):
            break
        trimmed = trimmed and taken
    if taken:
        failure = f"somebody else took its ports, {_TRIES} times over ({failure})"
    raise ServerUnavailable(f"the RabbitMQ of {installation.home} did not start: {failure}")


def unfit(directory: Path) -> str:
    """Return why no node can run in a folder by its name; nothing where one can."""
    found = next((c for c in "'\"\n\r" if c in str(directory.absolute())), None)
    if found is None:
        return ""
    return (
        f"RabbitMQ cannot run in {printable(str(directory))}, whose name has {found!r} in it: "
        "TMPDIR=... names another folder"
    )


def _in_words(error: ChaosError | OSError) -> str:
    if isinstance(error, ChaosError):
        return str(error)
    return f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"


class Node:
    """Where a node's VM runs on this host (see `Ground`)."""

    kind = "process"
    host = "127.0.0.1"

    def __init__(self, installation: Installation, folder: Path, *, run: str, trimmed: bool) -> None:
        self.layout = Layout(installation, folder, trimmed=trimmed)
        self.name = f"mqchaos-{re.sub(r'[^A-Za-z0-9]', '', run) or 'run'}@localhost"
        self._run = run
        self._ports = Ports(*free_ports(3))
        self._cookie = secrets.token_hex(16)
        self._epmd: Child | None = None
        self._broker: Child | None = None
        self._shells: list[PipeStream] = []

    @property
    def port(self) -> int:
        """The port for clients."""
        return self._ports.amqp

    @property
    def place(self) -> str:
        """The process in words."""
        return f"process {self._broker.pid if self._broker else '-'}"

    def boot(self) -> Shell:
        """Start epmd, the VM and the shell; does not wait for the VM.

        Raises:
            ChaosError: epmd ended.
            OSError: the folder cannot be written, or a program cannot be executed.

        """
        self.layout.write(self._cookie)
        self._start_epmd()
        self.launch()
        return self.open_shell()

    def launch(self) -> None:
        """Start the VM, at the same address as before; does not wait for it."""
        self._broker = Child.start(
            [str(self.layout.home / "sbin" / "rabbitmq-server")],
            env={**self.layout.broker_env(self.name, self._ports), **tagged(self._run)},
            cwd=self.layout.folder,
            output=self.layout.output,
        )

    def open_shell(self) -> Shell:
        """A new Erlang shell beside the VM."""
        assert self._epmd is not None
        arguments = shell_arguments(
            self.name, name=f"mqchaos-shell-{secrets.token_hex(3)}@localhost", epmd_pid=self._epmd.pid
        )
        process = subprocess.Popen(
            [str(self.layout.installation.erl), *arguments],
            env={**self.layout.erlang_env(self._ports), **tagged(self._run)},
            cwd=self.layout.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stream = PipeStream(process)
        self._shells.append(stream)
        return Shell(stream)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the VM's process; a SIGSTOP has stopped it when this returns."""
        if self._broker is None or not self._broker.alive():
            return
        pid = self._broker.pid
        os.kill(pid, number)
        if number == signal.SIGSTOP:
            wait_for("RabbitMQ to stand still", lambda: awake(pid), timeout=5.0, interval=0.0005)

    def ended(self) -> str | None:
        """How the VM's process ended; None while it runs."""
        if self._broker is None:
            return "it was not started"
        return None if self._broker.alive() else f"exit code {self._broker.end()}"

    def log_tail(self, lines: int) -> str:
        """The last lines of the broker's log, or of its output where it came to no log."""
        return tail(self.layout.log, lines) or tail(self.layout.output, lines)

    def said(self) -> str:
        """The end of its log and of its output."""
        return f"{tail(self.layout.log, 60)}\n{tail(self.layout.output, 60)}"

    def last_words(self) -> str:
        """What its output and its log say about its end, in one line."""
        return boot_words(tail(self.layout.output, 200) or tail(self.layout.log, 60))

    def stop(self) -> None:
        """End shell, VM and epmd and remove the folder; may be called again."""
        for stream in self._shells:
            stream.close()
        for child in (self._broker, self._epmd):
            if child is not None:
                child.end()
        shutil.rmtree(self.layout.folder, ignore_errors=True)

    def _start_epmd(self) -> None:
        self._epmd = epmd = Child.start(
            [str(self.layout.installation.epmd)],
            env={**self.layout.erlang_env(self._ports), **tagged(self._run)},
            cwd=self.layout.folder,
            output=self.layout.epmd_output,
        )

        def lacking() -> str | None:
            if not epmd.alive():
                words = one_line(tail(epmd.output, 3))
                raise ChaosError(f"epmd ended, as where its port {self._ports.epmd} is taken: {words}")
            return None if listens(epmd.pid, self._ports.epmd) else "nobody, or somebody else, listens there"

        wait_for(f"epmd at port {self._ports.epmd}", lacking, timeout=15.0)
