"""The address of a link, and how a command, its arguments and its environment come to know it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_mqchaos.errors import UsageError

__all__ = ["LinkAddress", "command", "environment"]

_PYTHONS = {"python", "python3"}
_URLS = ("MQCHAOS_URL", "AMQP_URL", "RABBITMQ_URL", "CELERY_BROKER_URL")
_PLACEHOLDER = re.compile(r"\{(url|host|port|user|password|vhost)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAddress:
    """Where one replica finds the broker: its link."""

    name: str
    url: str
    host: str
    port: int
    user: str
    password: str
    vhost: str

    def fill(self, text: str) -> str:
        """Replace `{url} {host} {port} {user} {password} {vhost}`, literally; other braces stay."""
        return _PLACEHOLDER.sub(lambda found: str(getattr(self, found[1])), text)


def command(target: object, args: Sequence[object], cwd: Path) -> list[str]:
    """Return a command as words: a string is split as a shell would, a bare `python` is this interpreter.

    Raises:
        UsageError: if there is no such program, or it is nothing that can be run.
    """
    __tracebackhide__ = True
    if isinstance(target, str):
        try:
            words = shlex.split(target)
        except ValueError as error:
            raise UsageError(f"consumer({target!r}): {error}") from None
    elif isinstance(target, Sequence) and not isinstance(target, bytes):
        words = [os.fspath(word) if isinstance(word, os.PathLike) else str(word) for word in target]
    else:
        raise UsageError(f"consumer({target!r}): a command (a list or a string), or a callable")
    if not words or not words[0]:
        raise UsageError(f"consumer({target!r}): the command is empty")
    if words[0] in _PYTHONS:
        words[0] = sys.executable
    return [_program(words[0], cwd), *words[1:], *(str(word) for word in args)]


def _program(name: str, cwd: Path) -> str:
    __tracebackhide__ = True
    if "{" in name:
        return name
    if os.sep not in name:
        found = shutil.which(name)
        if found is None:
            raise UsageError(f"consumer(): the command {name!r} was not found on PATH")
        return found
    path = Path(name) if Path(name).is_absolute() else cwd / name
    if not path.exists():
        raise UsageError(f"consumer(): the command {name!r} was not found in {cwd}")
    if path.is_dir() or not os.access(path, os.X_OK):
        raise UsageError(f"consumer(): the command {name!r} is not executable")
    return str(path)


def environment(
    address: LinkAddress, *, effects: Path, run: str, env: Mapping[str, str | None] | None
) -> dict[str, str]:
    """Return the environment of a consumer: ours, the link's address, and the test's own, which wins.

    Python's output is not buffered unless the test says otherwise, so that its last lines are not lost to a
    SIGKILL.

    Raises:
        UsageError: if a name or value is no text.
    """
    __tracebackhide__ = True
    found = dict(os.environ)
    found.setdefault("PYTHONUNBUFFERED", "1")
    found.update(dict.fromkeys(_URLS, address.url))
    found["MQCHAOS_EFFECTS"] = str(effects)
    found["MQCHAOS_RUN"] = run
    for name, value in (env or {}).items():
        if not isinstance(name, str) or not (value is None or isinstance(value, str | os.PathLike)):
            raise UsageError(f"consumer(): env={{{name!r}: {value!r}}}: names and values are text, or None to remove")
        if value is None:
            found.pop(name, None)
        else:
            found[name] = address.fill(os.fspath(value))
    return found
