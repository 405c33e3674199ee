"""`Chaos`: what a test holds in its hand as `mqchaos`. Every method is a thin door to the run's parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mqchaos.consumers.consumer import Consumer
from pytest_mqchaos.experiment.accounts import Accounts
from pytest_mqchaos.experiment.declaring import declare_dead_letters, declare_queue
from pytest_mqchaos.experiment.glance import glance
from pytest_mqchaos.experiment.injection import Injection
from pytest_mqchaos.experiment.sections import sections
from pytest_mqchaos.experiment.services import Service, open_service
from pytest_mqchaos.experiment.starting import start_consumer
from pytest_mqchaos.experiment.work import Work
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.triggers import Trigger

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.broker_handle import BrokerHandle
    from pytest_mqchaos.experiment.run import Run
    from pytest_mqchaos.experiment.workload import Publication
    from pytest_mqchaos.model.account import Account
    from pytest_mqchaos.model.history import History
    from pytest_mqchaos.report.live import Glance

__all__ = ["Chaos"]


class Chaos:
    """A real broker behind a network that can be broken, for one test."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._work = Work(run)
        self._accounts = Accounts(run, self._work)
        self._closed = False

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
            target: a command (a list, or a string, split without a shell), or a callable, forked, called with the URL.
            name: what the account calls it; by default from the target.
            replicas: how many processes, each with a link and an effects file of its own.
            env: variables that win over those we set; None removes one. `{url} {host} {port} {user}
                {password} {vhost} {prefix}` are filled in here, in `target` and in `args`.
            cwd: working directory; the current one by default.
            args: further ones of the command or callable.
            restart: `"on-fault"`, `"always"` or `"never"`.
            restart_delay: seconds before a restart.
            ready_timeout: seconds within which it must consume.
            queues: the queues that it must read to be ready; any that is not exclusive by default.

        Raises:
            ChaosError: if it ends, or does not consume in time; with its output's tail.
            UsageError: if an argument is out of range, or the command is not to be found.
        """
        __tracebackhide__ = True
        return start_consumer(
            self._run, self._work.sources, target, name=name, replicas=replicas, env=env, cwd=cwd, args=args,
            restart=restart, restart_delay=restart_delay, ready_timeout=ready_timeout, queues=queues)  # fmt: skip

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
            durable: whether it survives a restart of the broker.
            arguments: such as `{"x-queue-type": "quorum"}`.
            dead_letter: a dead-letter queue; its exchange and binding are declared too, and the account knows it.
            exchange, routing_key: an exchange to bind it to, and the key; the queue's name by default.

        Raises:
            ChaosError: if the broker refuses, with its reason.
        """
        __tracebackhide__ = True
        return declare_queue(
            self._run, name, durable=durable, arguments=arguments, dead_letter=dead_letter, exchange=exchange,
            routing_key=routing_key)  # fmt: skip

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
        declare_dead_letters(self._run, queue)

    def link(self, name: str, *, upstream: str) -> Service:
        """Open a link to another service, for faults to break: `connection_reset(link="pg", after=delivery(5))`.

        Args:
            name: what faults call it.
            upstream: the service's own `host:port`; the consumer takes that of the link instead.

        Raises:
            UsageError: if the name is taken, or `upstream` is no address.
        """
        __tracebackhide__ = True
        return open_service(self._run, name, upstream)

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
        return self._work.publications.publish(queue, count, **options)

    def effects(
        self, source: str | Path | Callable[[], object], *, key: Callable[[object], object] | None = None
    ) -> None:
        """Name a place where the consumer's work shows.

        Args:
            source: a path (one id or key a line; taken relative to the consumer's `cwd`), or a callable that
                returns ids or keys, or a mapping of them to counts; it is called in the test's thread.
            key: makes the id or key out of each line or entry.

        Raises:
            UsageError: if `source` is neither.
            ChaosError: if it is named after the first publish, and holds ids that no consumer has been given.
        """
        __tracebackhide__ = True
        self._work.sources.add(source, key)

    def inject(self, fault: Fault) -> Injection:
        """Let a fault strike: now, or armed for its moment.

        The handle has `fired` and `heal()`. As a context manager it heals at its end, and disarms a fault that has
        not struck by then: it never struck, so the run is `unknown` (*vacuous*).

        Raises:
            UsageError: if it is not a fault, or its moment has passed.
            ChaosError: if it struck now and failed.
        """
        __tracebackhide__ = True
        return self._work.by_hand.inject(fault)

    def wait(self, trigger: Trigger, timeout: float = 15.0) -> None:
        """Wait until a moment; one that has passed is no wait.

        Raises:
            ChaosError: if it does not come within `timeout` seconds, with the count so far.
        """
        __tracebackhide__ = True
        self._work.by_hand.wait(trigger, float(timeout))

    def settle(self, timeout: float | None = None) -> Account:
        """Wait until every message is accounted for, and return the account; never raises for a verdict.

        Args:
            timeout: seconds without progress, instead of the test's own.

        Raises:
            ChaosError: if the test itself, or the ground under it, is at fault.
        """
        __tracebackhide__ = True
        return self._accounts.settled(timeout)

    def verify(self, guarantee: object = None) -> Account:
        """Settle, and raise on a violation.

        Args:
            guarantee: judged by this name or refined constant instead of the test's own.

        Raises:
            DeliveryError: with the account's text, if the account fails.
        """
        __tracebackhide__ = True
        from pytest_mqchaos.verdict import DeliveryError

        account = self._accounts.settled(guarantee=guarantee)
        if account.failed:
            raise DeliveryError(account)
        return account

    def conclude(self) -> Account:
        """Give the final verdict: settle if anything happened since, end the consumers, read the effects, judge.

        Raises:
            ChaosError: if the test itself, or the ground under it, is at fault.
        """
        __tracebackhide__ = True
        return self._accounts.concluded()

    def snapshot(self) -> Account | None:
        """Judge what there is, without waiting; None if nothing was published."""
        return self._accounts.snapshot()

    def sections(self) -> list[tuple[str, str]]:
        """Titles and texts that a failing test shows: the consumers' last output, the faults, the broker's log."""
        return sections(self._run)

    @property
    def url(self) -> str:
        """The broker's own address, past every link."""
        return self._run.url

    @property
    def prefix(self) -> str:
        """What each name begins with on an external broker; empty where the run has a vhost of its own."""
        return self._run.names.prefix

    @property
    def broker(self) -> BrokerHandle:
        """The broker: `restart()`, `crash()`, `freeze()`, `thaw()`, `version`."""
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

    def pause_faults(self) -> None:
        """Let no fault strike by its time (`seconds(t)`, `delay=`) until `resume_faults`; a debugger's prompt does."""
        self._run.injector.pause()

    def resume_faults(self) -> None:
        """Let time pass again for them, from where it stood."""
        self._run.injector.resume()

    def glance(self) -> Glance:
        """Return how far the run is; cheap, and safe from any thread."""
        return glance(self._run, settling=self._accounts.settling)

    @property
    def closed(self) -> bool:
        """Whether all of it was ended."""
        return self._closed

    def close(self) -> None:
        """End all of it; may be called again, and has to be if it was interrupted."""
        if self._closed:
            return
        try:
            self._work.end()
            self._run.close()
        except Exception:
            self._closed = True
            raise
        self._closed = True
