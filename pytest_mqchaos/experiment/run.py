"""One run: everything that one chaos test needs, put together, and the ground that settling stands on.

`chaos.Chaos` is what a test sees of it.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mqchaos.brokers.rabbitmq.declare import Declarer
from pytest_mqchaos.brokers.rabbitmq.resting import RestingMessage, drain
from pytest_mqchaos.consumers.consumer import Consumer, Replica
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.board import Board
from pytest_mqchaos.experiment.injector import Injector
from pytest_mqchaos.experiment.links import Links
from pytest_mqchaos.experiment.settings import TestSettings
from pytest_mqchaos.experiment.strikes import Strikes
from pytest_mqchaos.experiment.vetting import Vetting
from pytest_mqchaos.experiment.witness import RunWitness
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.network import Network
from pytest_mqchaos.link.survey import Survey
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.case import ConsumerFacts
from pytest_mqchaos.model.declared import Declared
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import digest, new_run

if TYPE_CHECKING:
    from pytest_mqchaos.brokers._protocol import Broker
    from pytest_mqchaos.experiment.workload import Publication

__all__ = ["Run"]

_CALLS_EVERY = 0.05
_FILES_EVERY = 0.02
_SILENCE = 0.5
_STRIKE_TIMEOUT = 120.0


class Run:
    """The parts of one run. Satisfies what `settle` and `strikes` ask of their surroundings."""

    def __init__(
        self, test: TestSettings, *, broker: Broker, network: Network, thread: LoopThread, directory: Path
    ) -> None:
        self.test = test
        self.broker = broker
        self.thread = thread
        self.token = new_run()
        self.namespace = f"mqchaos-{self.token}"
        broker.create_namespace(self.namespace)
        self.names = broker.names(self.namespace)
        """How names of the test become names on the broker."""
        self.directory = directory / self.token
        self.directory.mkdir(parents=True)
        self.rng = random.Random(test.seed)
        self.history = History(self.token, self.directory / "history.jsonl")
        self.ledger = Ledger(self.history.messages)
        self.history.subscribe(self.ledger.apply)
        self.identity = Identity(self.token)
        self.injector = Injector(
            self.history, thread, self._poll_files, random.Random(f"{test.seed} moments")
        )
        self.board = Board(self.history, self.injector.saw_effect)
        self.dead_letters: set[str] = set()
        self.declared = Declared()
        self.vetting = Vetting(
            self.injector,
            thread=thread,
            declared=self.declared,
            holds=partial(broker.ready_in, self.namespace) if broker.shared else None,
            begun=lambda: self.injector.counts["publish", "*", "*"] > 0,
        )
        self.links = Links(
            run=self.token,
            network=network,
            thread=thread,
            history=self.history,
            identity=self.identity,
            look=self.board.look,
            tap=self.vetting if broker.shared or self.names.prefix else self.injector,
            survey=Survey(self.declared, self.names) if broker.kind == "external" else None,
            tls=broker.tls,
        )
        self.witness = RunWitness(
            history=self.history,
            ledger=self.ledger,
            links=self.links,
            thread=thread,
            identity=self.identity,
            declared=self.declared,
            named=lambda: self.dead_letters | self.expected_queues(),
            poll=self.poll_effects,
        )
        broker.attend(self.namespace, self.witness)
        self.consumers: list[Consumer] = []
        self.publications: list[Publication] = []
        strikes = Strikes(
            history=self.history,
            thread=thread,
            links=self.links,
            consumers=self,
            broker=broker,
            namespace=self.namespace,
        )
        self.injector.strike = strikes
        self.injector.stop_first = strikes.stop_first
        self.injector.relays_of = strikes.relays_of
        self.standing: tuple[ConsumerFacts, ...] = ()
        self._declarer: Declarer | None = None
        self._called = 0.0
        self._closed = False
        self._silent = 0.0
        """Since when all is settled and no effect has shown."""
        self._log_mark = broker.log_tail(1)
        if note := broker.note(self.namespace):
            self.history.append(facts.Noted(at=now(), text=note))
        thread.soon(self._watch_effects)

    # --- what parts ask for ---

    @property
    def url(self) -> str:
        """The broker's own address of this run's namespace, past every link."""
        return self.broker.url(self.namespace)

    def link_url(self, name: str) -> str:
        """The address of a link, as a client is to use it."""
        link = self.links.open(name)
        return self.broker.url(self.namespace, host=link.wire.host, port=link.wire.port)

    @property
    def declarer(self) -> Declarer:
        """Declares queues and exchanges, on a connection of its own past every link."""
        if self._declarer is None:
            told = self.declared if self.broker.kind == "external" else None
            self._declarer = Declarer(self.url, self.names, told)
        return self._declarer

    def replicas(self) -> Sequence[Replica]:
        """All replicas of all consumers, in the order started."""
        return [replica for consumer in self.consumers for replica in consumer.replicas]

    def refuse_shared(self, call: str, exchange: str) -> None:
        """Raise if an exchange is everybody's, and the run shares its namespace.

        Raises:
            UsageError: it is.
        """
        __tracebackhide__ = True
        if self.names.prefix and exchange.startswith("amq."):
            raise UsageError(
                f"{call}: {exchange!r} is everybody's where runs are kept apart by prefix: declare one"
            )

    # --- what settling asks for ---

    def check(self) -> None:
        """Raise a `ChaosError` if the ground is gone: the broker, the network, a publication, a strike."""
        if not self.broker.alive():
            tail = self.broker.log_tail(3).strip().replace("\n", " | ")
            raise ChaosError(f"the broker died during the test: {tail or 'it logged nothing'}")
        self.vetting.check()
        self.links.check()
        self.board.check()
        for armed in self.injector.armed:
            if armed.error is not None:
                raise armed.error
        for replica in self.replicas():
            if replica.trouble is not None:
                raise replica.trouble
        for publication in self.publications:
            if publication.error is not None:
                raise publication.error

    def publishing(self) -> bool:
        """Whether a publication still runs."""
        return any(not publication.done for publication in self.publications)

    def disturbed(self) -> str:
        """What still disturbs, or an empty text."""
        if self.injector.due:
            return "a fault is about to strike"
        for armed in self.injector.armed:
            if armed.striking:
                return f"{armed.fault} is striking"
            if armed.fired and not armed.healed.is_set():
                return f"{armed.fault} is in force"
        return ""

    def _poll_files(self) -> None:
        self.board.poll()

    def _watch_effects(self) -> None:
        """Read the effects files now and then, on the link's thread: each effect is seen soon after it is there."""
        if not self._closed:
            self.board.poll()
            self.thread.loop.call_later(_FILES_EVERY, self._watch_effects)

    def broker_log(self, lines: int) -> str:
        """The last lines that the broker logged since this run began."""
        tail = self.broker.log_tail(400)
        mark = self._log_mark.strip()
        fresh = tail.rpartition(mark)[2] if mark else tail
        return "\n".join(fresh.splitlines()[-lines:])

    def poll_effects(self) -> None:
        """Read all sources of effects, in this thread."""
        self.board.poll()
        if self.board.has_calls and time.monotonic() - self._called >= _CALLS_EVERY:
            self.board.poll_calls()
            self._called = time.monotonic()

    def census(self) -> None:
        """Ask the broker what it holds and write the answer into the history."""
        queues = self.broker.census(self.namespace)
        topology = self.broker.topology(self.namespace)
        self.history.append(facts.CensusTaken(at=now(), queues=queues, topology=topology))

    def settled(self) -> tuple[bool, str]:
        """Whether messages are conserved by the wire and the last census, else what is on its way."""
        with self.history.changed:
            return self.ledger.settled(self.dead_letters, self.expected_queues())

    def expected_queues(self) -> frozenset[str]:
        """Queues that the test said a consumer reads."""
        return frozenset(queue for consumer in self.consumers for queue in consumer.queues)

    def can_progress(self) -> bool:
        """Whether any process, restart, connection or TTL is left that could move a message."""
        if not all(replica.over for replica in self.replicas()):
            return True
        if any(link.wire.connected() for link in self.links if link.name != "publisher"):
            return True
        with self.history.changed:
            return self.ledger.waiting_messages() > 0

    def missing(self) -> Sequence[str]:
        """Ids of messages that are terminal and good and whose effects are not all there."""
        if self.test.evidence == "broker":
            return ()
        with self.history.changed:
            return self.ledger.missing_effects()

    def workable(self, messages: Iterable[str]) -> bool:
        """Whether a process that held one of these messages still lives."""
        if self.evidence() == "unknown" and not self._may_show():
            return False
        living = {replica.name for replica in self.replicas() if replica.alive}
        with self.history.changed:
            return any(living & set(self.ledger.holders(message)) for message in messages)

    def _may_show(self) -> bool:
        """Whether effects may still begin to show where none did so far and nobody named a source.

        With automatic ack all is settled before the work begins; else a moment is enough.
        """
        with self.history.changed:
            if self.ledger.auto_acks:
                return True
        self._silent = self._silent or time.monotonic()
        return time.monotonic() - self._silent < _SILENCE

    def longest_wait(self) -> float:
        """The longest time in seconds that a message may sit in a waiting room which is not empty."""
        with self.history.changed:
            return self.ledger.longest_wait()

    def steps(self) -> int:
        """A number that grows with what a run does besides moving messages."""
        struck = sum(armed.fired + armed.healed.is_set() for armed in self.injector.armed)
        return struck + self.injector.counts["publish", "*", "*"] + self.injector.counts["confirm", "*", "*"]

    def evidence(self) -> str:
        """What counts as work here: `effects`, `broker` or `unknown`."""
        if self.test.evidence != "auto":
            return self.test.evidence
        return "effects" if self.board.shows else "unknown"

    # --- the end ---

    def remember_consumers(self) -> None:
        """Keep how the consumers stand now: the verdict rests on that, not on how they ended afterwards."""
        self.standing = tuple(
            ConsumerFacts(
                name=replica.name,
                alive=replica.alive,
                exit_code=replica.exit_code,
                restart=consumer.restart_policy,
                queues=consumer.queues,
                frozen=replica.frozen,
            )
            for consumer in self.consumers
            for replica in consumer.replicas
        )

    def read_resting(self) -> None:
        """Take what rests in terminal queues out of them, into the history."""
        with self.history.changed:
            queues = self.ledger.terminal_queues(self.dead_letters, self.expected_queues())
            held = {state.name: state for state in self.ledger.queues()}
        for name in sorted(queues):
            state = held.get(name)
            if state is None or state.ready == 0:
                continue
            own = self._is_ours if self.broker.shared else None
            found, trouble = drain(self.url, self.names.full(name), state.ready, ours=own)
            for resting in found:
                self._rested(name, resting)
            if trouble:
                self.history.append(facts.Noted(at=now(), text=f"{name} could not be read: {trouble}"))

    def _is_ours(self, resting: RestingMessage) -> bool:
        return self.witness.ours(resting.message_id, resting.mqchaos_id, resting.body)

    def _rested(self, queue: str, resting: RestingMessage) -> None:
        body_digest = digest(resting.body)
        message, _ = self.identity.of(resting, resting.body, body_digest)
        self.history.append(
            facts.Rested(
                at=now(),
                message=message,
                queue=queue,
                digest=body_digest,
                death_reason=resting.death_reason,
                death_queue=None if resting.death_queue is None else self.names.plain(resting.death_queue),
                headers=resting.headers,
                body=resting.body[:1024],
            )
        )

    def disarm(self) -> None:
        """Let no fault strike any more: not while consumers end, and not in the next test.

        Raises:
            ChaosError: if one has begun and does not come to its end.
        """
        self.injector.disarm(_STRIKE_TIMEOUT)

    def end_consumers(self, grace: float) -> None:
        """End every consumer's processes: SIGTERM to all at once, SIGKILL after `grace` seconds."""
        for consumer in self.consumers:
            consumer.begin_end()
        for consumer in self.consumers:
            consumer.end_all(grace)

    def close(self, *, grace: float = 0.2) -> None:
        """End everything of this run and remove it; may be called again."""
        self._closed = True
        trouble: list[Exception] = []
        for step in (
            self.disarm,
            partial(self.end_consumers, grace),
            self._close_publishing,
            self.links.close,
            partial(self.broker.delete_namespace, self.namespace),
            self.history.close,
            partial(shutil.rmtree, self.directory, ignore_errors=True),
        ):
            try:
                step()
            except Exception as error:
                trouble.append(error)
        if trouble and self.broker.alive():
            raise ChaosError(f"cleaning up after the test: {trouble[0]}")

    def _close_publishing(self) -> None:
        for publication in self.publications:
            publication.close()
        if self._declarer is not None:
            self._declarer.close()
