"""The one container of somebody else's that may be disturbed, because the user named it.

It is taken only if the broker's address is a port that it publishes on this host: what is killed is then what the
tests talk to. It is never removed, and left running.
"""

from __future__ import annotations

import concurrent.futures
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.servers.engine import Engine

if TYPE_CHECKING:
    from docker.models.containers import Container as DockerContainer

__all__ = ["RESTORE", "BorrowedContainer", "borrow", "main"]

RESTORE = "pytest_mqchaos.servers.borrowed"
"""This module as a guard's errand: it leaves the container running if pytest died while it did not."""

_LOCAL = ("127.", "localhost", "::1", "0:0:0:0:0:0:0:1")
_ANYWHERE = ("", "0.0.0.0", "::")

_T = TypeVar("_T")


def borrow(engine: Engine, name: str, host: str, port: int, *, option: str) -> BorrowedContainer:
    """Take the container of that name, if `host:port` leads to it; `option` is how the name was given.

    Raises:
        UsageError: there is none, or the address leads elsewhere.
    """
    from docker.errors import DockerException

    try:
        found = engine.borrowed(name)
        published = _published(found.ports)
    except DockerException as error:
        why = getattr(error, "explanation", None) or error
        raise UsageError(f"{option}: {' '.join(str(why).split())[:200]}") from None
    if not host.startswith(_LOCAL):
        raise UsageError(
            f"{option}: --mqchaos-url leads to {host}, and not to a port of this host that it publishes"
        )
    if found.status not in ("running", "paused"):
        raise UsageError(f"{option}: it does not run ({found.status})")
    if port not in published:
        shown = ", ".join(str(one) for one in sorted(published)) or "none"
        raise UsageError(
            f"{option}: it is not what --mqchaos-url leads to: port {port} is none of its ports here ({shown})"
        )
    return BorrowedContainer(found)


def _published(ports: Mapping[str, Any]) -> set[int]:
    """The ports of this host's loopback interface that lead into a container."""
    return {
        int(outer["HostPort"])
        for inner, outers in ports.items()
        if inner.endswith("/tcp")
        for outer in outers or ()
        if outer["HostIp"] in _ANYWHERE or str(outer["HostIp"]).startswith(_LOCAL)
    }


class BorrowedContainer:
    """A container that is the user's (see `Borrowed`)."""

    def __init__(self, container: DockerContainer) -> None:
        self._container = container

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._container.name)

    def running(self) -> bool:
        """Whether it runs; a paused one does."""
        from docker.errors import DockerException

        with suppress(DockerException, OSError):
            self._container.reload()
            return self._container.status in ("running", "paused")
        return False

    def run(self, command: list[str], *, timeout: float) -> tuple[int, str]:
        """Run a command inside; return its exit code and its output."""

        def execute() -> tuple[int, str]:
            done: Any = self._container.exec_run(command)
            return int(done.exit_code or 0), done.output.decode("utf-8", "replace")

        pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mqchaos-exec")
        try:
            return pool.submit(lambda: self._do(" ".join(command), execute)).result(timeout)
        except concurrent.futures.TimeoutError:
            raise ChaosError(f"{' '.join(command)} in {self.name}: no end after {timeout:g} s") from None
        finally:
            pool.shutdown(wait=False)

    def kill(self) -> None:
        """Kill all of it (SIGKILL), if it comes back at the same address when it is started."""
        settings = self._container.attrs.get("HostConfig", {})
        if settings.get("AutoRemove"):
            raise ChaosError(
                f"container {self.name} is removed when it ends (--rm): it cannot be killed and come back"
            )
        bindings = settings.get("PortBindings") or {}
        if any(
            outer.get("HostPort") in ("", "0", None) for outers in bindings.values() for outer in outers or ()
        ):
            raise ChaosError(
                f"container {self.name} gets another port at each start: publish a fixed one (-p 5672:5672) to kill it"
            )
        self._do("kill", self._container.kill)

    def start(self) -> None:
        """Start it again."""
        self._do("start", self._container.start)

    def pause(self) -> None:
        """Stop all its processes where they stand."""
        self._do("pause", self._container.pause)

    def unpause(self) -> None:
        """Let them go on; one that was not paused goes on anyhow."""
        self._container.reload()
        if self._container.status == "paused":
            self._do("unpause", self._container.unpause)

    def restore(self) -> None:
        """Leave it running, as it was found: at the end of a session, whatever was done to it."""
        from docker.errors import DockerException

        with suppress(DockerException, OSError):
            self._container.reload()
            if self._container.status == "paused":
                self._container.unpause()
            elif self._container.status == "exited":
                self._container.start()

    def logs(self, lines: int) -> str:
        """The last lines of its output."""
        from docker.errors import DockerException

        with suppress(DockerException, OSError):
            return self._container.logs(tail=lines).decode("utf-8", "replace").rstrip()
        return ""

    def _do(self, what: str, call: Callable[[], _T]) -> _T:
        import requests
        from docker.errors import DockerException

        try:
            return call()
        except (DockerException, requests.RequestException, OSError) as error:
            raise ChaosError(
                f"{what} of container {self.name}: {' '.join(str(error).split())[:200]}"
            ) from None


def main() -> None:
    """Restore the container that the input names; run by the guard of a session that died."""
    engine = Engine.connect("restore")
    try:
        BorrowedContainer(engine.borrowed(json.load(sys.stdin)["container"])).restore()
    finally:
        engine.close()


if __name__ == "__main__":
    main()
