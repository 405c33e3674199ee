"""`Chaos`: what a test holds in its hand as `mqchaos`.

Every method is a thin door: arguments are checked, the work is done by the run's parts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mqchaos.consumers.consumer import Consumer, LinkAddress
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.injection import Injection
from pytest_mqchaos.experiment.judging import account_of
from pytest_mqchaos.experiment.readiness import await_ready
from pytest_mqchaos.experiment.settle import Settling
from pytest_mqchaos.experiment.work import Work
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.faults import Fault, Scenario
from pytest_mqchaos.model.guarantees import guarantee as guarantee_of
from pytest_mqchaos.model.history import now
from pytest_mqchaos.model.triggers import Trigger

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.broker_handle import BrokerHandle
    from pytest_mqchaos.experiment.run import Run
    from pytest_mqchaos.experiment.workload import Publication
    from pytest_mqchaos.model.account import Account
    from pytest_mqchaos.model.history import History

__all__ = ["Chaos"]

_GRACE = 3.0
"""Seconds that consumers have for their own end when a test is over."""


class Chaos:
    """A real broker behind a network that can be broken, for one test."""

    def __init__(self, run: Run, *, on_account: Callable[[Account], None] | None = None) -> None:
        self._run = run
        self._work = Work(run)
        self._timings: dict[str, float] = {}
        self._opened = time.monotonic()
        self._judged_at: tuple[int, ...] = ()
        self._account: Account | None = None
        self._on_account = on_account
        self._closed = False
        for fault in run.test.scenario.faults:
            run.injector.arm(fault, by_hand=False)

    # --- consumers and queues ------------------------------------------------------------------------------

    def consumer(
        self,
        target: str | Sequence[str] | Callable[..., object],
        *,
        name: str | None = None,
        replicas: int = 1,
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        args: Sequence[object] = (),
        restart: str = "on-fault",
        restart_delay: float = 0.0,
        ready_timeout: float = 15.0,
        queues: str | Sequence[str] | None = None,
    ) -> Consumer:
        """Start the user's consumer on a link of its own, and wait until it consumes.

        Args:
            target: a command (a list, or a string that is split without a shell), or a Python callable, called
                with the URL first in a forked process of its own.
            name: what the account calls it; by default from the target.
            replicas: how many processes, each with a link and an effects file of its own.
            env: variables that win over those we set; None removes one. `{url} {host} {port} {user}
                {password} {vhost}` are filled in here, in `target` and in `args`.
            cwd: working directory; the current one by default.
            args: further arguments of the command or the callable.
            restart: `"on-fault"`, `"always"` or `"never"`.
            restart_delay: seconds before a restart.
            ready_timeout: seconds within which it must consume.
            queues: the queues that it must read to be ready; any that is not exclusive by default.

        Raises:
            ChaosError: if it ends, or does not consume in time; with its output's tail.
            UsageError: if an argument is out of range, or the command is not to be found.
        """
        __tracebackhide__ = True
        run = self._run
        if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 1:
            raise UsageError(f"consumer(): replicas={replicas!r}: a whole number, at least 1")
        if not isinstance(ready_timeout, int | float) or not ready_timeout > 0:
            raise UsageError(f"consumer(): ready_timeout={ready_timeout!r}: seconds, above 0")
        chosen = self._work.consumer_name(target, name)
        wanted = (queues,) if isinstance(queues, str) else tuple(queues or ())
        names = [chosen if i == 0 else f"{chosen}#{i + 1}" for i in range(replicas)]
        links = [self._address(link_name) for link_name in names]
        consumer = Consumer(
            target,
            name=chosen,
            env=env,
            cwd=cwd,
            args=args,
            restart=restart,
            restart_delay=restart_delay,
            links=links,
            queues=wanted,
            directory=run.directory,
            history=run.history,
            fork_guard=self._work.fork_guard,
        )
        run.consumers.append(consumer)
        for replica in consumer.replicas:
            run.board.add_file(replica.effects, name="$MQCHAOS_EFFECTS", consumer=replica.name, named=False)
        self._work.resolve_effects()
        for queue in wanted:
            run.vetting.admit(queue)
        before = len(run.history)
        consumer.start()
        await_ready(run, consumer, since=before, timeout=float(ready_timeout))
        return consumer

    def queue(
        self,
        name: str,
        *,
        durable: bool = True,
        arguments: Mapping[str, Any] | None = None,
        dead_letter: str | None = None,
        exchange: str | None = None,
        routing_key: str | None = None,
    ) -> str:
        """Declare a queue and return its name.

        Args:
            name: of the queue.
            durable: whether it survives a restart of the broker.
            arguments: such as `{"x-queue-type": "quorum"}`.
            dead_letter: the name of a dead-letter queue; its exchange and binding are declared too, and the
                account knows it as one.
            exchange: an exchange to bind it to.
            routing_key: of that binding; the queue's name by default.

        Raises:
            ChaosError: if the broker refuses, with its reason.
        """
        __tracebackhide__ = True
        for one in (name, dead_letter):
            if isinstance(one, str):
                self._run.vetting.admit(one)
        self._run.refuse_shared(f"queue({name!r}, exchange={exchange!r})", exchange or "")
        self._run.declarer.declare_queue(
            name,
            durable=durable,
            arguments=arguments,
            dead_letter=dead_letter,
            exchange=exchange,
            routing_key=routing_key,
        )
        if dead_letter is not None:
            self._run.dead_letters.add(dead_letter)
        return name

    def exchange(
        self,
        name: str,
        type: str = "direct",
        *,
        durable: bool = True,
        auto_delete: bool = False,
        internal: bool = False,
        arguments: Mapping[str, Any] | None = None,
    ) -> str:
        """Declare an exchange and return its name.

        Raises:
            ChaosError: if the broker refuses, with its reason.
        """
        __tracebackhide__ = True
        self._run.declarer.declare_exchange(
            name, type, durable=durable, auto_delete=auto_delete, internal=internal, arguments=arguments
        )
        return name

    def dead_letters(self, queue: str) -> None:
        """Name a dead-letter queue that the application fills by itself; it need not exist yet."""
        __tracebackhide__ = True
        if not isinstance(queue, str) or not queue:
            raise UsageError(f"dead_letters({queue!r}): the name of a queue")
        self._run.vetting.admit(queue)
        self._run.dead_letters.add(queue)

    # --- the workload and its effects ------------------------------------------------------------------------

    def publish(self, queue: str | None = None, count: int = 100, **options: Any) -> Publication:
        """Publish `count` messages in the background, in order, on a link of our own named `publisher`.

        Args:
            queue: the queue to publish to, through the default exchange; or give `exchange`.
            count: how many good messages; those of payload faults come on top.
            **options: `body` (bytes, str, dict or list, or `body(n, rng)`), `key` (the name of a JSON field, or
                `key(message)`), `exchange`, `routing_key`, `headers` and `properties` (a dict, or a function of
                `n, rng`), `persistent=True`, `confirm=True`, `mandatory=True`, `rate` (messages a second),
                `arrivals` (`"constant"` or `"poisson"`), `expect=1` (effects a message should have, an int or
                `expect(message)`).

        Raises:
            UsageError: if an argument is out of range.
            ChaosError: if an effects source already holds messages of this run.
        """
        __tracebackhide__ = True
        return self._work.publish(queue, count, **options)

    def effects(
        self,
        source: str | Path | Callable[[], object],
        *,
        key: Callable[[object], object] | None = None,
    ) -> None:
        """Name a place where the consumer's work shows.

        Args:
            source: a path (one id or key a line; taken relative to the consumer's `cwd`), or a callable that
                returns ids or keys, or a mapping of them to counts; it is called in the test's thread.
            key: makes the id or key out of each line or entry.

        Raises:
            UsageError: if `source` is neither.
        """
        __tracebackhide__ = True
        self._work.effects(source, key)

    # --- faults by hand --------------------------------------------------------------------------------------

    def inject(self, fault: Fault) -> Injection:
        """Let a fault strike: now, or armed for its moment.

        Returns:
            A handle with `fired` and `heal()`; as a context manager it heals at its end.

        Raises:
            UsageError: if it is not a fault, or its moment has passed.
            ChaosError: if it struck now and failed.
        """
        __tracebackhide__ = True
        if isinstance(fault, Scenario) or not isinstance(fault, Fault):
            written = getattr(fault, "__name__", None)
            why = f"forgotten parentheses: write inject({written}())" if written else "one fault at a time"
            raise UsageError(f"inject({fault!r}): {why}")
        return self._work.inject(fault)

    def wait(self, trigger: Trigger, timeout: float = 15.0) -> None:
        """Wait until a moment; one that has passed is no wait.

        Raises:
            ChaosError: if it does not come within `timeout` seconds, with the count so far.
        """
        __tracebackhide__ = True
        if not isinstance(trigger, Trigger):
            written = getattr(trigger, "__name__", "delivery")
            raise UsageError(f"wait({trigger!r}): a trigger such as {written}(3)")
        self._work.wait(trigger, float(timeout))

    # --- the verdict -----------------------------------------------------------------------------------------

    def settle(self, timeout: float | None = None) -> Account:
        """Wait until every message is accounted for, and return the account; never raises for a verdict.

        Args:
            timeout: seconds without progress, instead of the test's own.

        Raises:
            ChaosError: if the test itself, or the ground under it, is at fault.
        """
        __tracebackhide__ = True
        self._settle(timeout)
        self._account = account_of(self._run, timings=self._timings, final=False)
        return self._account

    def verify(self, guarantee: object = None) -> Account:
        """Settle, and raise on a violation.

        Args:
            guarantee: judged by this instead of the test's own.

        Raises:
            DeliveryError: with the account's text, if the account fails.
        """
        __tracebackhide__ = True
        from pytest_mqchaos.verdict import DeliveryError

        self._settle(None)
        chosen = None if guarantee is None else guarantee_of(guarantee)
        self._account = account_of(self._run, timings=self._timings, final=False, guarantee=chosen)
        if self._account.failed:
            raise DeliveryError(self._account)
        return self._account

    def conclude(self) -> Account:
        """Give the final verdict: settle if anything happened since, end the consumers, read the effects, judge.

        Raises:
            ChaosError: if the test itself, or the ground under it, is at fault.
        """
        __tracebackhide__ = True
        fresh = self._judged_at != self._doings()
        if fresh:
            self._settle(None)
        started = time.monotonic()
        self._run.disarm()
        self._run.end_consumers(_GRACE)
        self._run.board.poll(final=True)
        try:
            self._run.board.poll_calls()
        except ChaosError as error:
            if fresh:
                raise
            # The test settled by itself, and has closed what its source reads from: that reading stands.
            self._run.history.append(facts.Noted(at=now(), text=f"not read again at the end: {error}"))
        self._run.board.check()
        self._timings["end"] = time.monotonic() - started
        self._account = account_of(self._run, timings=self._timings, final=True)
        return self._account

    def snapshot(self) -> Account | None:
        """Judge what there is, without waiting; None if nothing was published."""
        run = self._run
        if not run.publications:
            return None
        run.board.poll()
        if self._judged_at == self._doings():
            self._account = account_of(run, timings=self._timings, final=False)
            return self._account
        run.remember_consumers()
        with suppress(ChaosError):  # the broker may be what failed: the wire's own account stands
            run.census()
        run.history.append(facts.SettleEnded(at=now(), settled=False, reason="the test failed by itself"))
        self._account = account_of(run, timings=self._timings, final=False, interrupted=True)
        return self._account

    def _settle(self, timeout: float | None) -> None:
        __tracebackhide__ = True
        run = self._run
        self._work.ready_to_settle()
        started = time.monotonic()
        self._timings.setdefault("test", started - self._opened)
        settling = Settling(
            run.history,
            run.ledger,
            run,
            timeout=run.test.settle_timeout if timeout is None else float(timeout),
            effect_timeout=run.test.effect_timeout,
        )
        end = settling.wait()
        judged_at = self._doings()
        run.remember_consumers()
        run.read_resting()
        self._work.nothing_confirmed()
        run.history.append(end)
        self._judged_at = judged_at
        self._timings["settle"] = self._timings.get("settle", 0.0) + time.monotonic() - started

    def _doings(self) -> tuple[int, ...]:
        """What would make the last verdict stale: publications and faults since, and those that struck since."""
        armed = self._run.injector.armed
        return len(self._run.publications), len(armed), sum(one.fired or one.striking for one in armed)

    def sections(self) -> list[tuple[str, str]]:
        """Titles and texts that a failing test shows: the consumers' last output, the faults, the broker's log."""
        return self._work.sections()

    # --- what a test may look at -----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The broker's own address, past every link."""
        return self._run.url

    @property
    def prefix(self) -> str:
        """What each name begins with on the broker; empty where the run has a namespace of its own."""
        return self._run.names.prefix

    @property
    def broker(self) -> BrokerHandle:
        """The broker: `restart()`, `version`."""
        return self._work.broker_handle

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults of this run, in the order armed."""
        return tuple(armed.fault for armed in self._run.injector.armed)

    @property
    def seed(self) -> int:
        """What every random choice of this test follows from."""
        return self._run.test.seed

    @property
    def scenario(self) -> str:
        """The scenario's id, as in the test's name."""
        return self._run.test.scenario.id

    @property
    def history(self) -> History:
        """The events so far."""
        return self._run.history

    @property
    def closed(self) -> bool:
        """Whether all of it was ended."""
        return self._closed

    def close(self) -> None:
        """End all of it; may be called again, and has to be if it was interrupted."""
        if self._closed:
            return
        try:
            self._run.close()
        except Exception:
            self._closed = True
            raise
        self._closed = True

    def _address(self, name: str) -> LinkAddress:
        link = self._run.links.open(name)
        broker = self._run.broker
        return LinkAddress(
            name=name,
            url=self._run.link_url(name),
            host=link.wire.host,
            port=link.wire.port,
            user=broker.user,
            password=broker.password,
            vhost=broker.vhost(self._run.namespace),
            prefix=self._run.names.prefix,
        )
