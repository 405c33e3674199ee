"""One replica of a consumer: a link, an effects file and an output that stay, and processes that come and go."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from pytest_mqchaos.consumers import failure, traces
from pytest_mqchaos.consumers.addresses import LinkAddress
from pytest_mqchaos.consumers.growth import Growth
from pytest_mqchaos.consumers.killing import kill
from pytest_mqchaos.consumers.output import told
from pytest_mqchaos.consumers.policy import Policy
from pytest_mqchaos.consumers.process import Ender, Process
from pytest_mqchaos.consumers.supervisor import Supervisor
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.case import Output
from pytest_mqchaos.model.history import History, now

__all__ = ["Replica"]

_KILL_TIMEOUT = 10.0
_STOP_TIMEOUT = 2.0
_DEAF = (
    "{name}: its program has no handler for {signal}; as the first process of a container it never hears that, so it "
    "goes on until it is killed"
)


class Replica:
    """One replica; its methods are safe from any thread.

    Args:
        link: its address.
        effects: its effects file, the same across restarts.
        wrapped: the file in which its wrapped function tells of its returns, None without one.
        output: the file that all its processes write to.
        launch: starts a process of it; called on the supervisor's thread.
        supervisor: the thread that starts it.
        policy: when it is started again.
        history: where its starts and ends go.
        outage: whether a fault keeps the broker out of reach now.
        progress: a number that grows with what becomes of messages.
        doubt: what in the test's words may keep it from getting ready, if anything looks so.
    """

    def __init__(
        self,
        *,
        link: LinkAddress,
        effects: Path,
        output: Path,
        launch: Callable[[], Process],
        supervisor: Supervisor,
        policy: Policy,
        history: History,
        wrapped: Path | None = None,
        outage: Callable[[], bool] = lambda: False,
        progress: Callable[[], int] = lambda: 0,
        doubt: str = "",
    ) -> None:
        self.name = link.name
        self.doubt = doubt
        self.link = link
        self.effects = effects
        self.wrapped = wrapped
        self.output_path = output
        self.growth = Growth(output)
        self.processes: list[Process] = []
        """All its processes, the present or last one at the end."""
        self.trouble: ChaosError | None = None
        """Why it could not be started again."""
        self._launch = launch
        self._supervisor = supervisor
        self._policy = policy
        self._history = history
        self._outage = outage
        self._progress = progress
        self._had = 0
        """What the progress was when the present process was started."""
        self._lock = threading.Lock()
        self._restarting = False
        self._decided: Process | None = None
        self._asked: Process | None = None
        self._frozen: Process | None = None
        """The process that stands for the history too."""
        self._over = threading.Event()
        self._output_start = 0
        self._output_starts: list[int] = []

    # --- state ---

    @property
    def process(self) -> Process | None:
        """The present process, or the last one."""
        return self.processes[-1] if self.processes else None

    @property
    def alive(self) -> bool:
        """Whether a process of it runs; a frozen one does."""
        return self.process is not None and self.process.alive

    @property
    def restarting(self) -> bool:
        """Whether it is about to be started again, or has just ended and that is not decided yet."""
        with self._lock:
            return self._pending()

    def _pending(self) -> bool:
        own = self.process
        return self._restarting or (own is not None and not own.alive and own is not self._decided)

    @property
    def over(self) -> bool:
        """Whether it was started, has ended, and is not started again."""
        with self._lock:  # one look: an end and what is decided of it must not come between two
            return self.process is not None and not self.alive and not self._pending()

    @property
    def longest_pause(self) -> float:
        """Seconds that it may be away between an end and the next start; 0 as long as it has not ended."""
        return self._policy.delay if len(self.processes) > 1 or self.restarting else 0.0

    @property
    def frozen(self) -> bool:
        """Whether its processes are stopped."""
        return self.alive and self.process is not None and self.process.frozen

    @property
    def held(self) -> bool:
        """Whether it was frozen, by the test or a fault, and not for a strike's own pause only."""
        return self.frozen and self.process is self._frozen

    @property
    def asking(self) -> str:
        """The name of the signal that asks it to end: SIGTERM, or what its image says."""
        return signal.SIGTERM.name if self.process is None else self.process.asking

    @property
    def pid(self) -> int | None:
        """The pid of its first process, None while there is none."""
        return self.process.pid if self.process is not None and self.process.alive else None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended, negative for a signal; None while it runs."""
        return None if self.process is None else self.process.exit_code

    @property
    def output(self) -> str:
        """All that its processes wrote, undecodable bytes escaped."""
        return failure.decoded(self.output_path)

    @property
    def tail(self) -> str:
        """The last lines that its processes wrote: long ones cut, credentials masked, control characters escaped."""
        return failure.tail(self.output_path, mask=self.link.mask)

    def describe_failure(self) -> str:
        """How the last process ended, and the tail of its output, credentials masked."""
        return failure.describe(self.process, self.output_path, self._output_start, self.link.mask)

    def left_behind(self) -> list[int]:
        """Processes of it that go on though its first one has ended: in its group, or in sessions of their own."""
        if self.process is None or self.process.alive:
            return []
        return sorted({*traces.strays([self]), *self.process.members()})

    def last_words(self) -> tuple[Output, ...]:
        """Return the last lines of each of its last processes, and those around a strike, in the order started."""
        return told(self.processes, self._output_starts, self.output_path, self.growth, self.link.mask)

    def foreign_connections(self, ours: Collection[int] = ()) -> list[str]:
        """Remote ends of the TCP connections it made, besides its link's and those at `ours`, as `host:port`."""
        if self.process is None:
            return []
        return traces.foreign_connections(self.process.connections(), self.link, ours)

    # --- start ---

    def start(self) -> None:
        """Start it, on the supervisor's thread; one that runs, or is over for good, is left alone.

        Raises:
            ChaosError: if it cannot be run.
        """
        __tracebackhide__ = True
        self._supervisor.call(self._start)

    def _start(self) -> None:
        __tracebackhide__ = True
        if self._over.is_set() or self.alive:
            return
        failure.finish_line(self.output_path)
        self._output_start = self.output_path.stat().st_size
        self._had = self._progress()
        process = self._launch()
        self._output_starts.append(self._output_start)
        with self._lock:
            self.processes.append(process)
            self._restarting = False
        self._history.append(facts.ConsumerStarted(at=now(), consumer=self.name, pid=process.pid))
        process.watch(self._ended)

    # --- faults ---

    def expect_end(self, by: Ender) -> None:
        """Say who is about to end the present process."""
        if self.process is not None:
            self.process.expect_end(by)

    def crash(self, process: str = "group", *, by: Ender = "fault", port: int | None = None) -> bool:
        """Kill it (SIGKILL) and return once it is dead: its group, its first process, or one child (of that port).

        Returns:
            Whether there was something to kill.

        Raises:
            ChaosError: if it is still there ten seconds later.
        """
        own = self.process
        return own is not None and own.alive and kill(own, process, by=by, name=self.name, port=port)

    def begin_end(self, number: signal.Signals = signal.SIGTERM, *, by: Ender = "fault") -> None:
        """Ask its first process to end, once; a stopped one goes on to hear it. Does not wait.

        Many a worker takes a second SIGTERM for "at once".
        """
        own = self.process
        if own is not None and own.alive:
            again, self._asked = self._asked is own, own
            self._frozen = None  # it goes on to hear it
            if not own.ask(None if again else number, by):
                self._history.append(
                    facts.Noted(at=now(), text=_DEAF.format(name=self.name, signal=own.asking))
                )

    def finish_end(self, grace: float) -> float:
        """Wait until the process that was asked has ended, and kill its group after `grace` seconds.

        One that was started in its place meanwhile was not asked, and is left alone.

        Returns:
            The seconds it took.
        """
        return 0.0 if self._asked is None else self._asked.finish(grace, killing=_KILL_TIMEOUT)

    def stop_and_wait(self, timeout: float = _STOP_TIMEOUT) -> None:
        """Stop its group, and return when all of it stands; a fault's own pause, not in the history.

        Raises:
            ChaosError: if part of it runs on after `timeout` seconds.
        """
        own = self.process
        if own is not None and own.alive:
            own.stop()
            own.wait_stopped(timeout)

    def cont(self) -> None:
        """Let its group go on after a fault's own pause; one that is frozen stays so."""
        if self.process is not None and self.process is not self._frozen:
            self.process.cont()

    def freeze(self, only: Process | None = None, timeout: float = 5.0) -> bool:
        """Stop its group, for the history too; return whether there was one to stop.

        Args:
            only: the process that is meant; one that was started in its place runs on.
            timeout: seconds until all of it stands.

        Raises:
            ChaosError: if part of it runs on after that.
        """
        own = self.process
        if own is None or not own.alive or self.held or (only is not None and own is not only):
            return False
        own.stop()
        own.wait_stopped(timeout)
        if not own.alive:  # another fault was faster
            return False
        self._frozen = own
        self._history.append(facts.ConsumerFrozen(at=now(), consumer=self.name))
        return True

    def thaw(self) -> bool:
        """Let its group go on, for the history too; return whether it was stopped."""
        if not self.frozen:
            return False
        if self.process is not None:
            self.process.cont()
        self._frozen = None
        self._history.append(facts.ConsumerThawed(at=now(), consumer=self.name))
        return True

    # --- its end ---

    def no_more(self) -> None:
        """Do not start it again."""
        self._over.set()

    def _ended(self, process: Process) -> None:
        """Record an end, and have it started again where its policy says so. On the process's waiting thread."""
        outage, worked = self._outage(), self._progress() > self._had
        with self._lock:
            again = not self._over.is_set() and self._policy.again(
                process.ender, outage=outage, worked=worked, code=process.exit_code
            )
            self._restarting = again
            self._decided = process
        self._history.append(
            facts.ConsumerEnded(
                at=now(),
                consumer=self.name,
                pid=process.pid,
                exit_code=process.exit_code,
                by=process.ender,
                restarts=again,
            )
        )
        if again and not self._supervisor.later(self._policy.pause(process.ender), self._start_again):
            with self._lock:
                self._restarting = False

    def _start_again(self) -> None:
        try:
            self._start()
        except ChaosError as error:
            self.trouble = error
        except Exception as error:
            self.trouble = ChaosError(f"{self.name} could not be started again: {error}")
        finally:
            if self.trouble is not None or self._over.is_set():
                with self._lock:  # else the start did that, and the new process may have ended by now
                    self._restarting = False
            with self._history.changed:
                self._history.changed.notify_all()
