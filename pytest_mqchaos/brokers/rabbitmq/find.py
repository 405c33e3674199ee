"""Where a RabbitMQ stands on this host: the scripts of its installation, Erlang, epmd.

The script that counts is the one beside `rabbitmq-env` in an installation's `sbin`. Distributions put a
wrapper of the same name on PATH (Debian's changes to the user `rabbitmq` and runs the system's node), so
what PATH names is followed, and passed over when nothing stands beside it. One of the user's own, outside of
the system's folders, is tried first: if it cannot run, that is what the user is told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.servers.process import Child, free_ports, one_line, tail

__all__ = ["Installation", "find_installation"]

_USUAL = (
    "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin",
    "usr/lib/rabbitmq/bin",
    "usr/lib64/rabbitmq/lib/rabbitmq_server-*/sbin",
    "usr/share/rabbitmq/sbin",
    "opt/rabbitmq/sbin",
    "opt/rabbitmq_server-*/sbin",
    "usr/local/lib/erlang/lib/rabbitmq_server-*/sbin",
    "usr/local/sbin",
    "usr/local/opt/rabbitmq/sbin",
    "opt/homebrew/opt/rabbitmq/sbin",
    "opt/local/lib/rabbitmq/sbin",
    "home/linuxbrew/.linuxbrew/opt/rabbitmq/sbin",
)
_SYSTEM = {"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"}
_TRIAL = 3.0
_BESIDES = "/usr/sbin:/usr/local/sbin"
_MENDS = "`apt-get install rabbitmq-server`, `brew install rabbitmq` or the like gets one"


@dataclass(frozen=True, slots=True)
class Installation:
    """A RabbitMQ of this host: its home (`sbin`, `plugins`, `escript`), `erl` and `epmd`."""

    home: Path
    erl: Path
    epmd: Path


def find_installation(scratch: Path | None = None) -> Installation:
    """The RabbitMQ on PATH, else in the usual places of distributions, the newest there.

    One of the user's own is tried in a folder of its own, under `scratch` where that is given.

    Raises:
        ServerUnavailable: there is none, or Erlang is missing.

    """
    _refuse_broken(scratch)
    home = next((home for folder in _folders() if (home := _home(folder))), None)
    if home is None:
        raise ServerUnavailable(f"no rabbitmq-server on PATH or in the usual places ({_MENDS})")
    erl = _tool("erl", [Path("/usr/lib/erlang/bin"), Path("/opt/homebrew/bin"), Path("/usr/local/bin")])
    if erl is None:
        raise ServerUnavailable(f"rabbitmq-server stands in {home}, but Erlang's `erl` is not on PATH")
    epmd = _tool("epmd", [erl.parent, erl.resolve().parent])
    if epmd is None:
        raise ServerUnavailable(f"rabbitmq-server stands in {home}, but Erlang's `epmd` is not on PATH")
    return Installation(home, erl, epmd)


def _refuse_broken(scratch: Path | None) -> None:
    """Raise if PATH names a `rabbitmq-server` of the user's own that ends at once with an error."""
    named = shutil.which("rabbitmq-server")
    if named is None or str(Path(named).parent) in _SYSTEM or _home(Path(named).resolve().parent):
        return
    with tempfile.TemporaryDirectory(prefix="mqchaos-", dir=scratch) as folder:
        output = Path(folder) / "output.log"
        try:
            tried = Child.start([named], env=_private(folder), cwd=Path(folder), output=output)
        except OSError as error:
            raise ServerUnavailable(
                f"rabbitmq-server on PATH ({named}) cannot be run: {error.strerror}"
            ) from None
        try:
            code = tried.process.wait(_TRIAL)
        except subprocess.TimeoutExpired:
            return  # it runs: a wrapper of some kind, passed over like the distributions'
        finally:
            tried.end()
        if code != 0:
            last = one_line(tail(output, 1)) if tail(output, 1) else "it said nothing"
            raise ServerUnavailable(f"rabbitmq-server on PATH ({named}) ended with exit code {code}: {last}")


def _private(folder: str) -> dict[str, str]:
    """An environment in which even a real node would meet no other one."""
    amqp, epmd = free_ports(2)
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": folder,
        "RABBITMQ_NODENAME": f"mqchaos-trial-{os.getpid()}@localhost",
        "RABBITMQ_NODE_PORT": str(amqp),
        "RABBITMQ_MNESIA_BASE": folder,
        "RABBITMQ_LOG_BASE": folder,
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }


def _folders() -> list[Path]:
    """The folders to look in, the likeliest first."""
    named = shutil.which("rabbitmq-server", path=f"{os.environ.get('PATH', '')}:{_BESIDES}")
    usual = [found for pattern in _USUAL for found in sorted(Path("/").glob(pattern), reverse=True)]
    return [Path(named).parent, Path(named).resolve().parent, *usual] if named else usual


def _home(folder: Path) -> Path | None:
    """The installation that a folder of scripts belongs to, if it does."""
    if not (folder / "rabbitmq-server").exists() or not (folder / "rabbitmq-env").exists():
        return None
    home = (folder / "rabbitmq-env").resolve().parent.parent
    return home if (home / "sbin" / "rabbitmq-server").exists() and (home / "plugins").is_dir() else None


def _tool(name: str, folders: list[Path]) -> Path | None:
    found = shutil.which(name) or next((str(f / name) for f in folders if (f / name).exists()), None)
    return Path(found) if found else None
