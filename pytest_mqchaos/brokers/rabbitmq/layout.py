"""The files and the environment of a private node: all its own, so that no other RabbitMQ notices it.

A stock 3.10 spends half its start looking through plugins that nobody enabled. A home of links in which
only RabbitMQ and what it depends on is listed starts twice as fast; it is the same code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_mqchaos.brokers.rabbitmq.find import Installation

__all__ = ["Layout", "Ports"]

_CONFIG = """\
loopback_users = none
log.console = false
log.file.level = info
disk_free_limit.absolute = 1MB
"""
_NAMES = """\
{host, {127,0,0,1}, ["localhost"]}.
{lookup, [file, native]}.
"""
_NEEDED = ("rabbit", "rabbitmq_prelaunch", "cuttlefish")
_DEPENDENCIES = re.compile(r"\{\s*(?:included_|optional_)?applications\s*,\s*\[([^\]]*)\]")
_KEPT = ("LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "ERLANG_HOME")


@dataclass(frozen=True, slots=True)
class Ports:
    """The three ports of a node, all on the loopback interface."""

    epmd: int
    amqp: int
    distribution: int


class Layout:
    """The folder of one node: home, cookie, configuration, data and log under `folder`."""

    def __init__(self, installation: Installation, folder: Path, *, trimmed: bool) -> None:
        self.installation = installation
        self.folder = folder
        self.log = folder / "log" / "broker.log"
        self.output = folder / "log" / "output.log"
        self.epmd_output = folder / "log" / "epmd.log"
        self.home = installation.home
        self._trimmed = trimmed

    def write(self, cookie: str) -> None:
        """Make the folder and its files.

        Raises:
            OSError: it cannot be written.

        """
        for name in ("home", "log", "data", "generated"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        secret = self.folder / "home" / ".erlang.cookie"
        secret.write_text(cookie)
        secret.chmod(0o400)
        (self.folder / "rabbitmq.conf").write_text(_CONFIG)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq-env.conf").write_text("")
        (self.folder / "inetrc").write_text(_NAMES)
        if self._trimmed and (needed := _closure(self.installation.home / "plugins")):
            self.home = _linked_home(self.installation.home, needed, self.folder / "rabbitmq")

    def erlang_env(self, ports: Ports) -> dict[str, str]:
        """The environment of epmd and of the shell.

        The names file makes `localhost` ours, whatever this host takes it for, or if it has no such name.
        """
        path = f"{self.installation.erl.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            "PATH": path,
            "HOME": str(self.folder / "home"),
            "ERL_EPMD_PORT": str(ports.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": os.devnull,
            "ERL_INETRC": str(self.folder / "inetrc"),
        }

    def broker_env(self, node: str, ports: Ports) -> Mapping[str, str]:
        """The environment of the broker itself.

        With `RABBITMQ_ALLOW_INPUT` the script becomes the VM instead of waiting for it, so that the pid is
        the VM's; `-noinput` then says what the script no longer says.
        """
        return {
            **self.erlang_env(ports),
            "RABBITMQ_SCRIPTS_DIR": str(self.home / "sbin"),
            "RABBITMQ_PLUGINS_DIR": str(self.home / "plugins"),
            "RABBITMQ_NODENAME": node,
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(ports.amqp),
            "RABBITMQ_DIST_PORT": str(ports.distribution),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(self.folder / "conf.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.folder / "generated"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": str(self.log),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-noinput +B i -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }


def _closure(plugins: Path) -> list[Path]:
    """The folders of RabbitMQ and all it depends on; empty where they do not lie there as folders."""
    folders = {path.name.rpartition("-")[0] or path.name: path for path in plugins.iterdir() if path.is_dir()}
    waiting, needed = list(_NEEDED), dict[str, Path]()
    while waiting:
        name = waiting.pop()
        if name in needed or name not in folders:
            continue
        try:
            text = (folders[name] / "ebin" / f"{name}.app").read_text()
        except OSError:
            return []
        needed[name] = folders[name]
        for listed in _DEPENDENCIES.findall(text):
            waiting += [word.strip(" '\n\t") for word in listed.split(",")]
    return list(needed.values()) if set(_NEEDED) <= set(needed) else []


def _linked_home(real: Path, needed: list[Path], home: Path) -> Path:
    """A home of links to the scripts and the needed folders of a real one."""
    for name in ("sbin", "plugins"):
        (home / name).mkdir(parents=True)
    for script in (real / "sbin").iterdir():
        (home / "sbin" / script.name).symlink_to(script)
    for folder in needed:
        (home / "plugins" / folder.name).symlink_to(folder)
    (home / "escript").symlink_to(real / "escript")
    return home
