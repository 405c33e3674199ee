"""What consumers publish, as a source of effects: queues of the application's, and queues of ours at an exchange.

```
 consumer ──publishes──► exchange events ──► a queue of ours ──────────────► taken out as it comes
          └─────────────► queue invoices ──► nobody reads it: taken out while the run settles
                                         └─► a later stage reads it: its deliveries, off the wire
```
The wire tells what was sent, the queue what arrived in the broker: only that is an effect. Its order against the acks
is not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_mqchaos.brokers.rabbitmq.declare import Declarer
from pytest_mqchaos.brokers.rabbitmq.outlet import OutletReader, Taken
from pytest_mqchaos.brokers.rabbitmq.resting import RestingMessage
from pytest_mqchaos.effects.arrivals import Arrivals
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.effects.outlet import KeyOf, Outlet, correlation, key_in
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.messages import digest
from pytest_mqchaos.model.names import base_name
from pytest_mqchaos.model.topology import QueueState, Topology

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.run import Run

__all__ = ["Outlets"]

_EXPIRES = 1_800_000
"""Milliseconds after which a queue of ours goes that nobody has deleted: on a broker that others use too."""


class Outlets:
    """All such sources of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._all: list[Outlet] = []
        self._names: frozenset[str] = frozenset()
        self._emptying = False
        """Whether queues of the application's that nobody reads may be emptied: while the run settles."""

    def add(
        self, *, name: str, call: str, queue: str | None, exchange: str | None, routing_key: str,
        of: str | None, key: KeyOf | None,
    ) -> None:  # fmt: skip
        """Look at a queue, or at what an exchange leads to it.

        Raises:
            ChaosError: an exchange is named too late.
            UsageError: the workload itself comes there.
        """
        __tracebackhide__ = True
        run = self._run
        if exchange is not None and run.publications:
            raise ChaosError(
                f"{call}: name it before the first publish: what came to the exchange before is not there"
            )
        own = queue if queue is not None else f"mqchaos.effects.{len(self._all) + 1}"
        if queue is not None:
            run.sharing.admit(queue)
        one = Outlet(
            name=name, call=call, queue=own, exchange=exchange, routing_key=routing_key, of=of, key=key,
            reader=OutletReader(run.url, run.names.full(own)), arrivals=Arrivals(),
        )  # fmt: skip
        if key is not None:
            run.identity.learn_key(lambda body, labels: key_in(key, body, labels))
        run.identity.learn_key(correlation)
        if not self._all:
            run.history.subscribe(self._saw)
        self._all.append(one)
        if one.ours:
            self._names |= {own}
        self.bind()
        self.refuse_workload()

    def bind(self, *, last: bool = False) -> None:
        """Bind the queues of ours to the exchanges that are there by now.

        Raises:
            ChaosError: one is not, and `last` says that messages will come now.
            UsageError: what is bound to a direct exchange has a key.
        """
        __tracebackhide__ = True
        run = self._run
        waiting = [one for one in self._all if one.ours and not one.bound]
        if not waiting:
            return
        types = run.broker.topology(run.namespace).exchanges
        for one in waiting:
            assert one.exchange is not None
            if one.exchange not in types:
                if last:
                    raise ChaosError(
                        f"{one.call}: there is no exchange {one.exchange!r} when the first message is published: "
                        "declare it, mqchaos.exchange(...), or have the consumer declare it before it consumes"
                    )
                continue
            if types[one.exchange] == "direct" and one.routing_key == "#":
                raise UsageError(
                    f"{one.call}: {one.exchange!r} is a direct exchange, where '#' is no pattern: give routing_key="
                )
            declarer = Declarer(run.url, run.names)
            try:
                declarer.declare_queue(
                    one.queue,
                    exchange=one.exchange,
                    routing_key=one.routing_key,
                    arguments={"x-expires": _EXPIRES},
                )
            finally:
                declarer.close()
            one.bound = True

    def refuse_workload(self) -> None:
        """Raise where the workload itself comes to a queue that is looked at.

        Raises:
            UsageError: it does.
        """
        __tracebackhide__ = True
        topology: Topology | None = None
        planned = self._run.history.messages.values()
        for exchange, key in {(each.exchange, each.routing_key or each.queue) for each in planned}:
            for one in self._all:
                topology = topology or self._run.broker.topology(self._run.namespace)
                led = (not exchange and key == one.queue) or one.queue in topology.leads_to(exchange, key)
                if led:
                    raise UsageError(
                        f"{one.call}: the workload itself is published there: name where its consumer publishes to"
                    )

    # --- what is seen ---

    def _saw(self, event: facts.Event) -> None:
        """Note what is sent and what a later stage is given; under the history's lock."""
        if isinstance(event, facts.Republished):
            for one in self._all:
                if one.may_come(event):
                    one.arrivals.sent(event.message, own=one.of in (None, base_name(event.link)))
        elif isinstance(event, facts.Delivered) and event.passed:
            for one in self._all:
                if event.queue != one.queue:
                    continue
                if event.message is None:
                    one.stranger = one.stranger or f"one that {event.link} was given"
                else:
                    one.known = True
                    one.arrivals.arrived(event.message, again=event.redelivered)

    @contextmanager
    def emptying(self) -> Iterator[None]:
        """Let queues of the application's be emptied meanwhile, those that nobody reads."""
        self._emptying = True
        try:
            yield
        finally:
            self._emptying = False

    def look_at_rest(self) -> None:
        """Look at what a later stage has left that reads no more: it has arrived, and stays for whoever comes."""
        with self._run.history.changed:
            read = self._run.ledger.subscriptions().keys()
        for one in self._all:
            if not one.ours and self._read(one.queue) and one.queue not in read:
                for taken in one.reader.peek():
                    self._take(one, taken)
        self.tell()

    def last_look(self) -> None:
        """Take what consumers have published as they ended."""
        with self.emptying():
            self.poll()

    def poll(self) -> None:
        """Look at every queue that may be emptied; in the test's thread only."""
        for one in self._all:
            if one.bound or (self._emptying and not self._read(one.queue)):
                for taken in one.reader.take():
                    self._take(one, taken)
        self.tell()

    def tell(self) -> None:
        """Hand on what has arrived since the last time; from any thread."""
        run = self._run
        for one in self._all:
            with run.history.changed:
                more = one.arrivals.more()
            for message, count in more.items():
                run.board.record(message, count, one.name, one.of)

    def _read(self, queue: str) -> bool:
        """Whether a later stage reads a queue, or was to."""
        with self._run.history.changed:
            return queue in self._run.ledger.queues_read or queue in self._run.expected_queues()

    def _take(self, one: Outlet, taken: Taken) -> None:
        message = self._whose(one, taken.message)
        if message is None:
            one.stranger = one.stranger or repr(taken.message.body[:80])
            one.strangers += 1
            return
        one.known = True
        with self._run.history.changed:
            one.arrivals.arrived(message, again=taken.again)

    def _whose(self, one: Outlet, message: RestingMessage) -> str | None:
        """Whose work a message is: by the test's key, or by what it bears of the message it was made from."""
        if one.key is not None:
            key = key_in(one.key, message.body, message, one.raised)
            return None if key is None else self._run.board.whose(key)
        found, _ = self._run.identity.of(message, message.body, digest(message.body))
        names = (message.correlation_id, message.message_id)
        return found or next((m for name in names if name and (m := self._run.board.whose(name))), None)

    # --- what others must know ---

    def hide(
        self, queues: tuple[QueueState, ...], topology: Topology
    ) -> tuple[tuple[QueueState, ...], Topology]:
        """Take the queues that we read out of what the broker says: what is there is work, and nobody's to do.

        Those of ours are no part of the application, and lead nowhere.
        """
        if not self._all:
            return queues, topology
        emptied = {one.queue for one in self._all if one.ours or not self._read(one.queue)}
        kept = tuple(one for one in queues if one.name not in emptied)
        bindings = tuple(one for one in topology.bindings if one.destination not in self._names)
        return kept, replace(topology, bindings=bindings)

    @property
    def looked_at(self) -> frozenset[str]:
        """The queues that are looked at: what rests there is work, and read already."""
        return frozenset(one.queue for one in self._all)

    def check(self) -> None:
        """Raise where a source could never have shown anything; once a run has settled.

        Raises:
            ChaosError: saying which, and what would mend it.
        """
        for one in self._all:
            if one.reader.refused:
                raise ChaosError(f"{one.call}: it cannot be read: {one.reader.refused}")
            if one.reader.absent and not one.known and not self._read(one.queue):
                raise ChaosError(f"{one.call}: there is no such queue: a typo, or nothing has declared it")
            if not one.known and (raised := one.raised.said(one.strangers, "message")):
                raise ChaosError(f"{one.call}: {raised} that arrived there (the first: {one.stranger})")
            if one.stranger and not one.known:
                raise ChaosError(
                    f"{one.call}: nothing that arrived there names a message of this run (the first: {one.stranger}): "
                    "hand on the header x-mqchaos-id, set message_id or correlation_id, or say by key= what names it"
                )

    def close(self) -> None:
        """Leave the broker; a queue of ours on one that others use is deleted."""
        for one in self._all:
            if one.ours and self._run.names.prefix:
                one.reader.delete()
            one.reader.close()
