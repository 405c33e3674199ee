"""The user's own program as a container of this host's engine, with the label by which our guard finds it."""

from __future__ import annotations

import secrets
import sys
import threading
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mqchaos.errors import ChaosError, ServerUnavailable, UsageError
from pytest_mqchaos.model.image import ContainerPlan, ImageFacts
from pytest_mqchaos.servers.address import cause
from pytest_mqchaos.servers.engine import Engine, engine_errors
from pytest_mqchaos.servers.framed import FramedStream
from pytest_mqchaos.servers.guard import Guard
from pytest_mqchaos.servers.guardian import LABEL
from pytest_mqchaos.servers.reach import reach

if TYPE_CHECKING:
    from docker.models.containers import Container as DockerContainer

__all__ = ["Program", "Programs"]

_LAST_WORDS = 10.0
"""Seconds for the rest of an ended container's output to arrive."""


class Programs:
    """Starts the user's images; the engine is asked at the first use, and not before. Safe from any thread.

    Args:
        run: of the servers; what is started bears it as its label.
        guard: is told of the engine before anything is made there.
        ending: what is closed with the servers.
    """

    def __init__(self, run: str, guard: Guard, ending: ExitStack) -> None:
        self._run = run
        self._guard = guard
        self._ending = ending
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def look_at(self, image: str) -> ImageFacts:
        """Return what there is to know of an image, which is pulled if it is not here.

        Raises:
            UsageError: there is no engine, none that could reach us, or no such image.
        """
        __tracebackhide__ = True
        call = f"consumer(docker_image({image!r}))"
        try:
            engine = self._connected()
            way = reach(engine.info(), platform=sys.platform, address=engine.address)
            engine.have(image)
            config = engine.configuration(image)
        except ServerUnavailable as error:
            built = f"; `docker build -t {image} .` makes it" if "is not here" in str(error) else ""
            raise UsageError(f"{call}: {error}{built}") from None
        pairs = (line.partition("=") for line in config.get("Env") or ())
        return ImageFacts(
            reach=way,
            env={name: value for name, _, value in pairs},
            command=tuple(config.get("Cmd") or ()),
            working_dir=config.get("WorkingDir") or "/",
            user=config.get("User") or "",
            stop_signal=config.get("StopSignal") or "",
        )

    def start(self, plan: ContainerPlan, output: Path) -> Program:
        """Start a container whose output goes to the end of a file, from its first byte on.

        Raises:
            ChaosError: the engine refuses.
        """
        __tracebackhide__ = True
        container = None
        try:
            container = self._connected().create(**self._words(plan))
            program = Program(container, output)
            container.start()
            program.began()
        except engine_errors() as error:
            if container is not None:
                with suppress(*engine_errors()):
                    container.remove(force=True, v=True)
            raise UsageError(
                f"consumer(docker_image({plan.image!r})): its container could not be started: {cause(error)}"
            ) from None
        return program

    def _connected(self) -> Engine:
        with self._lock:
            if self._engine is None:
                engine = Engine.connect(self._run)
                self._ending.callback(engine.close)
                self._guard.engine(engine.address)
                self._engine = engine
            return self._engine

    def _words(self, plan: ContainerPlan) -> dict[str, Any]:
        """Return the plan in the words of the engine's library."""
        from docker.types import Mount

        mounts = [
            Mount(target=inner, source=outer, type="bind", read_only=only)
            for outer, inner, only in plan.mounts
        ]
        return {
            "image": plan.image,
            "name": f"mqchaos-{self._run}-{plan.name.replace('#', '-').replace('+', '-')}-{secrets.token_hex(3)}",
            "command": None if plan.command is None else list(plan.command),
            "entrypoint": None if plan.entrypoint is None else list(plan.entrypoint),
            "environment": list(plan.env),
            "user": plan.user,
            "working_dir": plan.working_dir,
            "mounts": mounts,
            "network_mode": plan.network,
            "init": plan.init,
            "labels": {LABEL: self._run, "mqchaos.role": "consumer"},
            # A file of ours is for its eyes; the host's own user is who it may write as.
            "security_opt": ["label=disable"],
            "userns_mode": "host" if plan.network == "host" else None,
        }


class Program:
    """One container of the user's, from its making on."""

    def __init__(self, container: DockerContainer, output: Path) -> None:
        self.name = str(container.name)
        self.pid = 0
        """Of its first process, in the engine's own numbers."""
        self._container = container
        self._paused = False
        self._lock = threading.Lock()
        raw = container.attach_socket(params={"stdout": 1, "stderr": 1, "stream": 1})
        self._reader = threading.Thread(
            target=_copy, args=(raw, output), name=f"mqchaos-reads-{self.name}", daemon=True
        )
        self._reader.start()

    def began(self) -> None:
        """Learn what is known of it once it was started."""
        self._container.reload()
        self.pid = int(self._container.attrs["State"]["Pid"])

    def wait(self) -> int | None:
        """Return when it has ended and all its output is written: with its exit code, None if it is not known."""
        code = None
        with suppress(*engine_errors()):
            code = int(self._container.client.api.wait(self.name)["StatusCode"])  # type: ignore[union-attr]
        self._reader.join(_LAST_WORDS)
        return code

    def send(self, number: int) -> None:
        """Send a signal to its first process.

        Raises:
            ProcessLookupError: it has ended.
            ChaosError: the engine does not.
        """
        self._do("kill", number)

    def pause(self) -> None:
        """Let all its processes stand still, if they do not; raises as `send`."""
        with self._lock:
            if not self._paused:
                self._do("pause")
                self._paused = True

    def resume(self) -> None:
        """Let them go on, if they were paused and nothing else let them; raises as `send`."""
        with self._lock:
            if self._paused:
                self._paused = False
                self._do("reload")
                if self._container.status == "paused":  # an engine lets go what it sends its stop signal to
                    self._do("unpause")

    def remove(self) -> None:
        """Remove it with all that it wrote, and end it before that; may be called again."""
        with suppress(*engine_errors()):
            self._container.remove(force=True, v=True)

    def _do(self, what: str, *values: object) -> None:
        import docker.errors
        import requests

        try:
            getattr(self._container, what)(*values)
        except docker.errors.APIError as error:
            if error.status_code in (404, 409):  # it is gone, or does not run
                raise ProcessLookupError(str(error)) from None
            raise ChaosError(f"{what} of container {self.name}: {cause(error)}") from None
        except (requests.RequestException, OSError) as error:
            raise ChaosError(f"{what} of container {self.name}: {cause(error)}") from None


def _copy(raw: Any, output: Path) -> None:
    """Write what a container says, both its streams as they come, to the end of a file."""
    stream = FramedStream(raw)
    gone = suppress(OSError, ValueError)  # the run's folder, or the engine
    with closing(stream), gone, output.open("ab", buffering=0) as sink:
        while (frame := stream.frame()) is not None:
            sink.write(frame[1])
