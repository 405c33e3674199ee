"""The consumer under test: the user's own program, as one or several real processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import get_args

from pytest_mqchaos.consumers.addresses import LinkAddress, command, environment
from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.consumers.replica import Replica, Restart
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now

__all__ = ["Consumer", "LinkAddress", "Replica"]

Target = str | Sequence[str] | Callable[..., object]


class Consumer:
    """A consumer and its replicas, each with a link and an effects file that stay across its restarts."""

    def __init__(
        self,
        target: Target,
        *,
        name: str,
        links: Sequence[LinkAddress],
        directory: Path,
        history: History,
        fork_guard: Callable[[], AbstractContextManager[None]],
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        args: Sequence[object] = (),
        restart: str = "on-fault",
        restart_delay: float = 0.0,
        queues: Sequence[str] = (),
    ) -> None:
        __tracebackhide__ = True
        if restart not in get_args(Restart):
            raise UsageError(f"consumer(): restart={restart!r}: 'on-fault', 'always' or 'never'")
        if isinstance(restart_delay, bool) or not isinstance(restart_delay, int | float) or restart_delay < 0:
            raise UsageError(f"consumer(): restart_delay={restart_delay!r}: seconds, 0 or more")
        self.name = name
        self.queues = tuple(queues)
        self.restart_policy = restart
        self.cwd = Path.cwd() if cwd is None else Path(cwd).absolute()
        if not self.cwd.is_dir():
            raise UsageError(f"consumer(): cwd={str(cwd)!r}: there is no such directory")
        self._history = history
        self._guard = fork_guard
        self.replicas = [
            self._replica(target, link, directory, env, args, restart, restart_delay) for link in links
        ]

    def _replica(
        self,
        target: Target,
        link: LinkAddress,
        directory: Path,
        env: Mapping[str, str | None] | None,
        args: Sequence[object],
        restart: str,
        restart_delay: float,
    ) -> Replica:
        __tracebackhide__ = True
        effects, output = directory / f"{link.name}.effects", directory / f"{link.name}.output"
        effects.touch()
        output.touch()
        variables = environment(link, effects=effects, run=self._history.run, env=env)
        launch: Callable[[Callable[[Process], None]], Process]
        if callable(target):
            words = [link.fill(word) if isinstance(word, str) else word for word in args]
            call = partial(target, link.url, *words)
            launch = partial(self._fork, call, variables, output)
        else:
            line = [link.fill(word) for word in command(target, args, self.cwd)]
            launch = partial(self._run, line, variables, output)
        return Replica(
            link=link,
            effects=effects,
            output=output,
            launch=launch,
            restart=restart,  # type: ignore[arg-type]
            restart_delay=restart_delay,
            history=self._history,
        )

    def _run(
        self, line: Sequence[str], env: Mapping[str, str], output: Path, on_exit: Callable[[Process], None]
    ) -> Process:
        __tracebackhide__ = True
        return Process.of_command(line, env=env, cwd=self.cwd, output=output, on_exit=on_exit)

    def _fork(
        self,
        call: Callable[[], object],
        env: Mapping[str, str],
        output: Path,
        on_exit: Callable[[Process], None],
    ) -> Process:
        return Process.of_callable(
            call, env=env, cwd=self.cwd, output=output, guard=self._guard(), on_exit=on_exit
        )

    # --- what a test may look at ---

    @property
    def pids(self) -> list[int]:
        """The pids of the replicas' first processes, as far as they run."""
        return [replica.pid for replica in self.replicas if replica.pid is not None]

    @property
    def link(self) -> LinkAddress:
        """The link of the first replica."""
        return self.replicas[0].link

    @property
    def links(self) -> list[LinkAddress]:
        """The links of all replicas."""
        return [replica.link for replica in self.replicas]

    @property
    def processes(self) -> list[Replica]:
        """The replicas, one each."""
        return self.replicas

    @property
    def output(self) -> str:
        """All that the replicas wrote to their output, one after the other."""
        return "".join(replica.output for replica in self.replicas)

    @property
    def exit_code(self) -> int | None:
        """How the first replica's last process ended, negative for a signal; None while it runs."""
        return self.replicas[0].exit_code

    # --- what a test may do ---

    def crash(self, process: str = "group") -> None:
        """Kill every replica (SIGKILL): its process group, its first process (`"main"`), or one child.

        Raises:
            UsageError: if `process` is none of these.
        """
        __tracebackhide__ = True
        if process not in ("group", "main", "child"):
            raise UsageError(f"crash(process={process!r}): 'group', 'main' or 'child'")
        for replica in self.replicas:
            replica.crash(process)

    def terminate(self, grace: float = 10.0) -> float:
        """Ask every replica to end (SIGTERM), kill it after `grace` seconds; return the seconds it took."""
        started = time.monotonic()
        for replica in self.replicas:
            replica.begin_end(signal.SIGTERM)
        for replica in self.replicas:
            replica.finish_end(max(0.0, grace - (time.monotonic() - started)))
        return time.monotonic() - started

    def freeze(self) -> None:
        """Stop every replica where it stands (SIGSTOP), and return when it does."""
        for replica in self.replicas:
            if replica.alive:
                replica.stop_and_wait(2.0)
                self._history.append(facts.ConsumerFrozen(at=now(), consumer=replica.name))

    def thaw(self) -> None:
        """Let every replica go on (SIGCONT)."""
        for replica in self.replicas:
            if replica.frozen:
                replica.cont()
                self._history.append(facts.ConsumerThawed(at=now(), consumer=replica.name))

    def restart(self) -> None:
        """Start every replica that does not run; one that its policy starts again anyway is waited for.

        Raises:
            ChaosError: if one does not come back within ten seconds.
        """
        __tracebackhide__ = True
        for replica in self.replicas:
            deadline = time.monotonic() + 10.0
            while replica.restarting and time.monotonic() < deadline:
                with self._history.changed:
                    self._history.changed.wait(0.02)
            if replica.trouble is not None:
                raise replica.trouble
            if not replica.alive:
                replica.start()
            if replica.process is None:
                raise ChaosError(f"{replica.name} did not come back within 10 s")

    # --- start and end, by the run ---

    def start(self) -> None:
        """Start every replica.

        Raises:
            UsageError: if it cannot be run.
        """
        __tracebackhide__ = True
        for replica in self.replicas:
            replica.start()

    def begin_end(self) -> None:
        """Ask every replica to end, for good."""
        for replica in self.replicas:
            replica.no_more()
            replica.begin_end(signal.SIGTERM, by="plugin")

    def end_all(self, grace: float) -> None:
        """Wait until every replica ended, kill what is left after `grace` seconds, of all its groups."""
        for replica in self.replicas:
            replica.finish_end(grace)
            replica.close()

    def __repr__(self) -> str:
        """One line: name and pids."""
        return f"<consumer {self.name}: {', '.join(map(str, self.pids)) or 'not running'}>"
