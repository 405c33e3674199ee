"""The consumer under test: the user's own program, as one or several real processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from pytest_mqchaos.consumers import ending
from pytest_mqchaos.consumers.addresses import LinkAddress, environment, misspelt
from pytest_mqchaos.consumers.launching import ImageTarget, Target, launcher, seen_inside
from pytest_mqchaos.consumers.policy import Policy
from pytest_mqchaos.consumers.replica import Replica
from pytest_mqchaos.consumers.supervisor import Supervisor
from pytest_mqchaos.consumers.wrapping import Wrapping
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.waits import seconds

__all__ = ["Consumer", "LinkAddress", "Replica"]

_RESTART_GRACE = 10.0


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
        env: Mapping[str, object] | None = None,
        cwd: str | Path | None = None,
        args: Sequence[object] = (),
        restart: str = "on-fault",
        restart_delay: float = 0.0,
        queues: Sequence[str] = (),
        outage: Callable[[], bool] = lambda: False,
        progress: Callable[[], int] = lambda: 0,
        effect_after: str | None = None,
        effect_key: str | None = None,
        ends: bool = False,
    ) -> None:
        __tracebackhide__ = True
        self.name = name
        self._ends = ends
        self.queues = tuple(queues)
        self.holds = 0.0
        """Seconds that it may keep a delivery in hand before it works on it."""
        self.restart_policy = Policy(restart, restart_delay).kind
        self.cwd = _directory(cwd)
        self.sees = seen_inside(target, self.cwd)
        """Files and folders of this host that are in its containers; None for a process, which sees all."""
        self.wrapping = Wrapping.of(effect_after, effect_key)
        """The function whose return is an effect, if the test names one."""
        self._env = env
        self._args = _arguments(args)
        self._restart_delay = restart_delay
        self._history = history
        self._guard = fork_guard
        self._outage = outage
        self._progress = progress
        self._supervisor = Supervisor(f"mqchaos-starts-{name}")
        self._asked: float | None = None
        self._over = False
        self.replicas = [self._replica(target, link, directory) for link in links]
        """One a link, in order."""

    def _replica(self, target: Target, link: LinkAddress, directory: Path) -> Replica:
        __tracebackhide__ = True
        effects, output = directory / f"{link.name}.effects", directory / f"{link.name}.output"
        # no consumer can be called so: of all names only those of replicas have a # in them
        wrapped = None if self.wrapping is None else directory / f"{link.name}#effect_after.effects"
        for path in (effects, output, *([] if wrapped is None else [wrapped])):
            path.touch()
            path.chmod(0o666)  # whoever it runs as; the folder around it is nobody else's
        base = target.facts.env if isinstance(target, ImageTarget) else None
        env = environment(link, effects=effects, run=self._history.run, env=self._env, base=base)
        if self.wrapping is not None and wrapped is not None:
            env = self.wrapping.environment(env, wrapped)
        return Replica(
            link=link,
            effects=effects,
            wrapped=wrapped,
            output=output,
            launch=launcher(
                target,
                link=link,
                env=env,
                cwd=self.cwd,
                args=self._args,
                output=output,
                guard=self._guard,
            ),
            supervisor=self._supervisor,
            policy=Policy(self.restart_policy, self._restart_delay, ends=self._ends),
            history=self._history,
            outage=self._outage,
            progress=self._progress,
            doubt=misspelt(self._env, (*_written(target), *self._args)),
        )

    # --- what a test may look at ---

    @property
    def pids(self) -> list[int]:
        """The pids of the replicas' first processes, as far as they run."""
        return [pid for replica in self.replicas if (pid := replica.pid) is not None]

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
        """The replicas, one each, in order."""
        return list(self.replicas)

    @property
    def output(self) -> str:
        """All that the replicas wrote to standard output and error, one replica after the other."""
        return "".join(replica.output for replica in self.replicas)

    @property
    def tails(self) -> dict[str, str]:
        """The last lines of each replica that wrote any, by its name: bounded, and fit to be shown."""
        return {replica.name: tail for replica in self.replicas if (tail := replica.tail)}

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs.

        Of several replicas, the first exit code that is not 0; 0 when all of them ended with it.
        """
        codes = [replica.exit_code for replica in self.replicas]
        failed = [code for code in codes if code]
        return failed[0] if failed else None if None in codes else 0

    def replica(self, name: str) -> Replica:
        """Return a replica by its name, `worker` or `worker#2`.

        Raises:
            UsageError: if there is none of that name.
        """
        __tracebackhide__ = True
        for replica in self.replicas:
            if replica.name == name:
                return replica
        known = ", ".join(replica.name for replica in self.replicas)
        raise UsageError(f"there is no replica {name!r} of {self.name}; there are: {known}")

    def describe_failure(self) -> str:
        """How the replicas ended, or stand, and the tails of their output."""
        return "\n".join(f"{replica.name}: {replica.describe_failure()}" for replica in self.replicas)

    # --- what a test may do ---

    def crash(self, process: str = "group") -> None:
        """Kill every replica (SIGKILL): its process group, its first process (`"main"`), or one child.

        Raises:
            UsageError: if `process` is none of these.
            ChaosError: if there was nothing to kill.
        """
        __tracebackhide__ = True
        if process not in ("group", "main", "child"):
            raise UsageError(f"crash(process={process!r}): 'group', 'main' or 'child'")
        hit = [replica.crash(process) for replica in self.replicas]
        if not any(hit):
            what = "has no child process" if process == "child" and self.pids else "does not run"
            raise ChaosError(f"crash(): {self.name} {what}; {self.describe_failure()}")

    def terminate(self, grace: float = 10.0) -> float:
        """Ask every replica to end (SIGTERM to its first process) and wait; return the seconds it took.

        Args:
            grace: seconds after which its process group is killed.

        Raises:
            UsageError: if `grace` is no number of seconds.
        """
        __tracebackhide__ = True
        return self._terminate(seconds("terminate()", "grace", grace), by_plugin=False)

    def _terminate(self, grace: float, *, by_plugin: bool) -> float:
        running = [replica for replica in self.replicas if replica.alive]
        started = time.monotonic()
        for replica in running:
            replica.begin_end(by="plugin" if by_plugin else "fault")
        for replica in running:
            replica.finish_end(max(0.0, grace - (time.monotonic() - started)))
        return time.monotonic() - started

    def freeze(self) -> None:
        """Stop every replica where it stands (SIGSTOP to its process group), and return when it does."""
        __tracebackhide__ = True
        for replica in self.replicas:
            replica.freeze()

    def thaw(self) -> None:
        """Let every replica go on (SIGCONT)."""
        for replica in self.replicas:
            replica.thaw()

    def restart(self) -> None:
        """Start every replica anew, whatever its policy: one that runs is terminated first.

        Raises:
            ChaosError: if it cannot be started, or the test is over.
        """
        __tracebackhide__ = True
        if self._over:
            raise ChaosError(f"restart(): {self.name} was ended for good")
        self._terminate(_RESTART_GRACE, by_plugin=True)
        self.start()

    # --- start and end, by the run ---

    def start(self) -> None:
        """Start every replica that does not run.

        Raises:
            ChaosError: if it cannot be run.
        """
        __tracebackhide__ = True
        for replica in self.replicas:
            replica.start()

    def begin_end(self) -> None:
        """Ask every replica to end, for good; does not wait for it."""
        if self._over:
            return
        for replica in self.replicas:
            replica.no_more()
        if self._asked is None:
            self._asked = time.monotonic()
        ending.ask(self.replicas)

    def end_all(self, grace: float) -> None:
        """End every replica for good: what is left `grace` seconds after it was asked is killed.

        Nothing of any of its processes' groups is left; may be called again.

        Raises:
            ChaosError: if something cannot be killed.
        """
        self.begin_end()
        if self._over or self._asked is None:
            return
        self._supervisor.call(lambda: None)  # a start that was under way is done; no other follows
        ending.ask([replica for replica in self.replicas if replica.alive])
        ending.finish(self.replicas, self._asked + grace, self._history)
        self._supervisor.close()
        self._over = True

    def __repr__(self) -> str:
        """One line: name and pids."""
        return f"<consumer {self.name}: {', '.join(map(str, self.pids)) or 'not running'}>"


def _arguments(args: object) -> tuple[object, ...]:
    __tracebackhide__ = True
    if isinstance(args, str | bytes) or not isinstance(args, Sequence):
        raise UsageError(f"consumer(): args={args!r}: a list or tuple of arguments")
    return tuple(args)


def _written(target: Target) -> Sequence[object]:
    """The words of a command as the test wrote them; none of a callable or an image."""
    if isinstance(target, str):
        return (target,)
    return target if isinstance(target, Sequence) else ()


def _directory(cwd: object) -> Path:
    __tracebackhide__ = True
    if cwd is None:
        return Path.cwd()
    if not isinstance(cwd, str | Path):
        raise UsageError(f"consumer(): cwd={cwd!r}: a path")
    path = Path(cwd).absolute()
    if not path.is_dir():
        shell = "; '~' is for shells: write the whole path" if str(cwd).startswith("~") else ""
        raise UsageError(f"consumer(): cwd={str(cwd)!r}: there is no such directory{shell}")
    return path
