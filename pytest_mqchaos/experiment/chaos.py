"""`Chaos`: what a test holds in its hand as `mqchaos`. Every method is a thin door to the run's parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from pytest_mqchaos.consumers.consumer import Consumer
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.consumers.images import Named
from pytest_mqchaos.experiment.consumers.starting import start_consumer
from pytest_mqchaos.experiment.declaring import declare_dead_letters, declare_queue
from pytest_mqchaos.experiment.definitions import load_definitions
from pytest_mqchaos.experiment.effects.serving import serve
from pytest_mqchaos.experiment.kept.sections import sections
from pytest_mqchaos.experiment.services import Service, open_inside, open_service
from pytest_mqchaos.experiment.striking.injection import Injection
from pytest_mqchaos.experiment.verdict.accounts import Accounts
from pytest_mqchaos.experiment.verdict.glance import glance
from pytest_mqchaos.experiment.work import Work
from pytest_mqchaos.experiment.workload.producing import start_producer
from pytest_mqchaos.model.events import Noted
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.history import now
from pytest_mqchaos.model.triggers import Trigger

if TYPE_CHECKING:
    from random import Random

    from pytest_mqchaos.experiment.broker_handle import BrokerHandle
    from pytest_mqchaos.experiment.consumers.inside import Link
    from pytest_mqchaos.experiment.definitions import Loaded
    from pytest_mqchaos.experiment.effects.http import Http
    from pytest_mqchaos.experiment.run import Run
    from pytest_mqchaos.experiment.workload.plan import Publication
    from pytest_mqchaos.experiment.workload.producer import Producer
    from pytest_mqchaos.model.account import Account
    from pytest_mqchaos.model.history import History
    from pytest_mqchaos.model.transient import Transient
    from pytest_mqchaos.payloads import Draft
    from pytest_mqchaos.report.live import Glance
    from pytest_mqchaos.wire.http import Request

__all__ = ["Chaos"]

Body: TypeAlias = "bytes | str | Mapping[str, Any] | Sequence[Any] | Callable[[int, Random], object]"
Labels: TypeAlias = "Mapping[str, Any] | Callable[[int, Random], Mapping[str, Any]]"


class Chaos:
    """A real broker behind a network that can be broken, for one test."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._work = Work(run)
        self._accounts = Accounts(run, self._work)
        self._closed = False

    def consumer(
        self,
        target: Named,
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
        tls: bool = False,
        ttl_scale: float = 1.0,
        effect_after: str | None = None,
        effect_key: str | None = None,
        link: Link | None = None,
        holds: float = 0.0,
    ) -> Consumer:
        """Start the user's consumer on a link of its own, and wait until it consumes.

        Args:
            target: a command (a list, or a string, split without a shell), a callable, forked, called with the URL, or
                `docker_image("repo/worker:1")`.
            name: what the account calls it; by default from the target.
            replicas: how many processes, each with a link and an effects file of its own.
            env: variables that win over those we set; None removes one. `{url} {host} {port} {user}
                {password} {vhost} {prefix}` are filled in here, in `target` and in `args`.
            cwd: working directory; the current one by default. Of an image: where relative paths are taken from here.
            args: further ones of the command or callable.
            restart: `"on-fault"`, `"always"` or `"never"`.
            restart_delay: seconds before a restart.
            ready_timeout: seconds within which it must consume.
            queues: the queues that it must read to be ready; any that is not exclusive by default.
            tls: whether it speaks TLS to its link: its address begins with `amqps://`, and the authority that it is to
                trust is the file `$MQCHAOS_CA`, and `{ca}` here. Needs `pytest-mqchaos[tls]`.
            ttl_scale: a factor for the delays that it says on its link: `x-message-ttl` and `x-expires` of the queues
                that it declares, `expiration` of what it publishes. 0.01 makes seconds of minutes.
            effect_after: a Python function of the consumer's, `"shop.handlers:book"` or `"shop.handlers:Booker.book"`:
                each time it has returned is an effect.
            effect_key: which of its arguments, or which field of one, is the id or key; its first by default.
            link: of `mqchaos.link(port=...)`, whose address stands in its configuration; its name is the consumer's.
            holds: seconds that it may keep a delivery in hand before it works on it, as a Celery worker keeps a task
                with an ETA: nothing need move for so much longer.

        Raises:
            ChaosError: if it ends, or does not consume in time; with its output's tail.
            UsageError: if an argument is out of range, or the command is not to be found.
        """
        __tracebackhide__ = True
        return start_consumer(
            self._run, self._work.sources, target, name=name, replicas=replicas, env=env, cwd=cwd, args=args,
            restart=restart, restart_delay=restart_delay, ready_timeout=ready_timeout, queues=queues,
            tls=tls, ttl_scale=ttl_scale, effect_after=effect_after, effect_key=effect_key, link=link,
            holds=holds)  # fmt: skip

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

    def definitions(
        self,
        path: str | Path,
        *,
        vhost: str | None = None,
        override: Mapping[str, Mapping[str, Any]] | None = None,
        ttl_scale: float = 1.0,
    ) -> Loaded:
        """Load the queues, exchanges, bindings and policies of RabbitMQ's file of definitions.

        What it holds besides (users, permissions, shovels, other vhosts) is left out, and the account says so.

        Args:
            path: of the JSON that `rabbitmqctl export_definitions` or the management API writes.
            vhost: whose topology; the only one that the file has something of, or `/`.
            override: other values by glob: `{"orders.retry.*": {"x-message-ttl": 200}}`. A name with `x-` is an
                argument of queues, any other belongs to policies; None takes it away. They are not scaled.
            ttl_scale: a factor for every time to live, of queues and of policies: 0.01 makes seconds of minutes. A
                consumer that declares the same queues needs the same `ttl_scale=`.

        Raises:
            UsageError: if the file, the vhost or a glob is wrong.
            ChaosError: if the broker refuses something, with its reason.
        """
        __tracebackhide__ = True
        return load_definitions(self._run, path, vhost=vhost, override=override, ttl_scale=ttl_scale)

    def dead_letters(self, queue: str) -> None:
        """Name a dead-letter queue that the application fills by itself; it need not exist yet."""
        __tracebackhide__ = True
        declare_dead_letters(self._run, queue)

    @overload
    def link(self, name: str = ..., *, port: int | None = ..., tls: bool = ...) -> Link: ...

    @overload
    def link(self, name: str, *, upstream: str, port: int | None = ...) -> Service: ...

    def link(
        self,
        name: str = "in-process",
        *,
        upstream: str | None = None,
        port: int | None = None,
        tls: bool = False,
    ) -> Link | Service:
        """Open a link by hand: to the broker for a consumer inside the test, or to another service.

        Without `upstream` its `url` is for a thread or a task of the test's own: `connection_drop(consumer=
        "in-process")`. With it, faults name it by `link=`: `connection_reset(link="pg", after=delivery(5))`.

        Args:
            name: what faults call it.
            upstream: the service's own `host:port`; the consumer takes that of the link instead. While nobody listens
                there the link refuses, too, and the account notes it.
            port: where it listens, for what is written in a configuration file; any that is free by default.
            tls: whether clients speak TLS to it, as in `consumer(..., tls=True)`; not with `upstream`.

        Raises:
            UsageError: if the name or the port is taken, or `upstream` is no address.
        """
        __tracebackhide__ = True
        if upstream is None:
            return open_inside(self._run, self._work.sources, name, port=port, tls=tls)
        if tls:
            raise UsageError(f"link({name!r}): tls=True: a link to a service passes on whatever is said")
        return open_service(self._run, name, upstream, port=port)

    def publish(
        self,
        queue: str | None = None,
        count: int = 100,
        *,
        body: Body | None = None,
        key: str | Callable[[Draft], object] | None = None,
        exchange: str = "",
        routing_key: str | None = None,
        headers: Labels | None = None,
        properties: Labels | None = None,
        persistent: bool = True,
        confirm: bool = True,
        mandatory: bool = True,
        rate: float | None = None,
        arrivals: Literal["constant", "poisson", "burst"] | None = None,
        expect: int | Callable[[Draft], object] = 1,
    ) -> Publication:
        """Publish `count` messages in the background, in order, on a link of our own named `publisher`.

        Args:
            queue: the queue to publish to, through the default exchange; or give `exchange`.
            count: how many good messages; those of payload faults come on top.
            body: bytes, text, a dict or list (JSON), or `body(n, rng)`; a small JSON order by default.
            key: the application's own identity of a message: the name of a JSON field, or `key(message)`.
            exchange, routing_key: an exchange to publish to, and the key; of a queue they are its own.
            headers, properties: a dict, or a function of `n, rng`; properties are those of AMQP besides the headers.
            persistent, confirm, mandatory: how each message is published.
            rate: messages a second; all at once by default.
            arrivals: `"constant"` or `"poisson"` with a rate, `"burst"` without.
            expect: how many effects a message should have, an int or `expect(message)`.

        Raises:
            UsageError: if an argument is out of range.
            ChaosError: if an effects source already holds messages of this run.
        """
        __tracebackhide__ = True
        self._run.inside.loops.note()
        return self._work.publications.publish(
            queue, count, body=body, key=key, exchange=exchange, routing_key=routing_key, headers=headers,
            properties=properties, persistent=persistent, confirm=confirm, mandatory=mandatory, rate=rate,
            arrivals=arrivals, expect=expect)  # fmt: skip

    def producer(
        self,
        target: Named,
        *,
        name: str | None = None,
        env: Mapping[str, str | None] | None = None,
        cwd: str | Path | None = None,
        args: Sequence[object] = (),
        key: str | Callable[[Draft], object] | None = None,
        count: int | None = None,
        until: Literal["exit", "quiet"] = "exit",
        quiet: float = 1.0,
        restart: str = "never",
        ready_timeout: float = 15.0,
        sent: str | Path | None = None,
    ) -> Producer:
        """Start the application's own publisher on a link of its own: its publishes and confirms are the workload.

        Its messages are known by their `message_id`, else by their key, else by their body. What it says it sent
        (`probe.sent(id)`, or lines in `$MQCHAOS_SENT`) must arrive. Faults name it as they name a consumer.

        Args:
            target, name, env, cwd, args: as of `consumer`.
            key: the application's own identity of a message: the name of a JSON field, or `key(message)`.
            count: how many messages it publishes; fewer is an error.
            until: when its publishing is over: at its exit, or when it has been silent for `quiet` seconds.
            quiet: see `until`.
            restart: `"never"`, `"on-fault"` or `"always"`; after exit code 0 never.
            ready_timeout: seconds within which it must be connected; 0 for one that connects with its first message.
            sent: a file of its own where it writes the id or key of each message it holds for sent, relative to `cwd`.

        Raises:
            ChaosError: if it fails, or is not connected in time; with its output's tail.
            UsageError: if an argument is out of range, or the command is not to be found.
        """
        __tracebackhide__ = True
        return start_producer(
            self._run, self._work.sources, target, name=name, env=env, cwd=cwd, args=args, key=key, count=count,
            until=until, quiet=quiet, restart=restart, ready_timeout=ready_timeout,
            sent=sent)  # fmt: skip

    def effects(
        self,
        source: str | Path | Callable[[], object] | None = None,
        *,
        queue: str | None = None,
        exchange: str | None = None,
        routing_key: str = "#",
        output: str | re.Pattern[str] | None = None,
        key: str | Callable[[Any], object] | None = None,
        of: str | None = None,
        name: str | None = None,
    ) -> None:
        """Name a place where the consumer's work shows; of several, each is judged for itself.

        Args:
            source: a path (one id or key a line; taken relative to the consumer's `cwd`), or a callable that
                returns ids or keys, or a mapping of them to counts; it is called in the test's thread.
            queue: a queue that the consumer publishes to. Where nobody reads it, it is emptied while the run
                settles; where a later stage does, it is only watched on the wire.
            exchange, routing_key: an exchange that the consumer publishes to, and which of that; a queue of ours
                is bound there.
            output: a regular expression for lines of its output; of its groups the first that took part, or without
                any all of it, is the id or key.
            key: the name of a JSON field of each message, line or entry, or a function of it that returns the id or
                key. Without it a message is known by the header `x-mqchaos-id`, by
                `message_id`, `correlation_id`, or the key that it was published with.
            of: the consumer whose work it shows: then it concerns only what stood in a queue which that one reads.
            name: what the account calls it.

        Raises:
            UsageError: if it is no such place, or not just one.
            ChaosError: if it is named after the first publish, and holds ids that no consumer has been given.
        """
        __tracebackhide__ = True
        self._work.sources.add(
            source, queue=queue, exchange=exchange, routing_key=routing_key, output=output, key=key, of=of,
            name=name)  # fmt: skip

    def http(
        self,
        *,
        key: str | Callable[[Request], object],
        status: int = 200,
        delay: float = 0.0,
        fail: Transient | None = None,
        name: str = "http",
        body: object = None,
        idempotency: str | None = "Idempotency-Key",
    ) -> Http:
        """Stand in for a service that the consumer calls over HTTP; each call that is answered with 2xx is an effect.

        Consumers that are started afterwards find its address in `$MQCHAOS_HTTP_URL` (and `$MQCHAOS_<NAME>_URL`),
        and where `{http}` (`{http:name}`) stands in their target, `args` and `env`.

        Args:
            key: how a request names the message: a JSON field of its body, or `key(request)`, which has `method`,
                `path`, `query`, `headers`, `body`, `json`, and returns an id or a key of a message.
            status: what calls are answered with.
            delay: seconds that the service takes.
            fail: `transient(2, share=0.1, status=503)`: the first two tries of some messages fail.
            name: what the account and `call(n, service=)` call it.
            body: of a good answer: bytes, text, or what JSON can say.
            idempotency: the header by which it knows a request again, which then is no second effect; None for none.

        Raises:
            UsageError: if an argument is out of range.
            ChaosError: if a consumer was started already: it could not know the address.
        """
        __tracebackhide__ = True
        return serve(
            self._run,
            key=key,
            status=status,
            delay=delay,
            fail=fail,
            name=name,
            body=body,
            idempotency=idempotency,
        )

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
        self._refuse_loop("wait()", "await asyncio.to_thread(mqchaos.wait, ...)")
        self._work.by_hand.wait(trigger, timeout)

    def settle(self, timeout: float | None = None) -> Account:
        """Wait until every message is accounted for, and return the account; never raises for a verdict.

        Args:
            timeout: seconds without progress, instead of the test's own.

        Raises:
            ChaosError: if the test itself, or the ground under it, is at fault.
        """
        __tracebackhide__ = True
        self._refuse_loop("settle()", "await mqchaos.asettle()")
        return self._accounts.settled(timeout)

    async def asettle(self, timeout: float | None = None) -> Account:
        """Settle as `settle` does, while the event loop runs: for consumers that are tasks of the test's own loop.

        Raises:
            ChaosError: if the test itself, or the ground under it, is at fault.
            UsageError: if no event loop of asyncio runs here.
        """
        __tracebackhide__ = True
        return await self._aside(partial(self._accounts.settled, timeout))

    def verify(self, guarantee: object = None) -> Account:
        """Settle, and raise on a violation.

        Args:
            guarantee: judged by this name or refined constant instead of the test's own.

        Raises:
            DeliveryError: with the account's text, if the account fails.
        """
        __tracebackhide__ = True
        self._refuse_loop("verify()", "await mqchaos.averify()")
        return _kept(self._accounts.settled(guarantee=guarantee))

    async def averify(self, guarantee: object = None) -> Account:
        """Settle while the event loop runs, and raise on a violation; see `asettle` and `verify`.

        Raises:
            DeliveryError: with the account's text, if the account fails.
        """
        __tracebackhide__ = True
        return _kept(await self._aside(partial(self._accounts.settled, guarantee=guarantee)))

    async def _aside(self, work: Callable[[], Account]) -> Account:
        __tracebackhide__ = True
        return await self._run.inside.loops.aside(work, self._run.board.read_by)

    def _refuse_loop(self, call: str, instead: str) -> None:
        __tracebackhide__ = True
        if self._run.inside.names:
            self._run.inside.loops.refuse(call, instead)

    def conclude(self) -> Account:
        """Give the final verdict: settle if anything happened since, end the consumers, read the effects, judge.

        Raises:
            ChaosError: if the test itself, or the ground under it, is at fault.
        """
        __tracebackhide__ = True
        return self._accounts.concluded()

    def note(self, text: str) -> None:
        """Let the account tell a reader something."""
        self._run.history.append(Noted(at=now(), text=text))

    def snapshot(self, *, ask: bool = True) -> Account | None:
        """Judge what there is, without waiting; `ask` the broker or not; None if nothing was published."""
        return self._accounts.snapshot(ask=ask)

    @property
    def spoiled(self) -> bool:
        """Whether the ground under the run failed: it cannot be settled, and its snapshot says why."""
        return bool(self._accounts.spoiled)

    def sections(self) -> list[tuple[str, str]]:
        """Titles and texts that a failing test shows: the consumers' last output, the faults, the broker's log."""
        return sections(self._run)

    def keep(self, directory: Path, *, bodies: str, most: int) -> list[str]:
        """Copy what the run has written so far into a directory, at most so many bytes; returns the files' names."""
        from pytest_mqchaos.experiment.kept.keeping import LOG, copy_files

        run = self._run
        login = {"user": run.broker.user, "password": run.broker.password}
        names = copy_files(
            run.directory, directory, bodies=bodies, most=most, log=run.broker_log(LOG), **login
        )
        run.rescue.done()
        return names

    def entrust(self, report: Path, nodeid: str, attempt: int, *, bodies: str) -> None:
        """Have the guard keep beside the report what the run has written, should this process be killed in it."""
        self._run.rescue.entrust(report, nodeid, attempt, bodies=bodies)

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


def _kept(account: Account) -> Account:
    __tracebackhide__ = True
    from pytest_mqchaos.failures import DeliveryError

    if account.failed:
        raise DeliveryError(account)
    return account
