"""One run: everything that one chaos test needs, put together, and the ground that settling stands on.

`chaos.Chaos` is what a test sees of it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from pytest_mqchaos.brokers.rabbitmq.declare import Declarer
from pytest_mqchaos.consumers.consumer import Consumer, Replica
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.consumers.inside import Inside
from pytest_mqchaos.experiment.consumers.loops import Loops
from pytest_mqchaos.experiment.consumers.standing import standing
from pytest_mqchaos.experiment.effects.board import Board
from pytest_mqchaos.experiment.effects.http import Stand
from pytest_mqchaos.experiment.effects.outlets import Outlets
from pytest_mqchaos.experiment.effects.resting import read_resting
from pytest_mqchaos.experiment.effects.watch import EffectsWatch
from pytest_mqchaos.experiment.kept.outputs import Outputs
from pytest_mqchaos.experiment.kept.rescue import Rescue
from pytest_mqchaos.experiment.links import Links
from pytest_mqchaos.experiment.settings import TestSettings
from pytest_mqchaos.experiment.sharing import Sharing
from pytest_mqchaos.experiment.striking import disturbance
from pytest_mqchaos.experiment.striking.ages import Ages
from pytest_mqchaos.experiment.striking.injector import Injector
from pytest_mqchaos.experiment.striking.strikes import Strikes
from pytest_mqchaos.experiment.verdict import dying
from pytest_mqchaos.experiment.workload.adoption import Adopted
from pytest_mqchaos.experiment.workload.planting import Planting
from pytest_mqchaos.link.authority import Authority
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.network import Network
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.case import ConsumerFacts
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import new_run
from pytest_mqchaos.model.names import base_name

if TYPE_CHECKING:
    from pytest_mqchaos.brokers._protocol import Broker, Errands
    from pytest_mqchaos.experiment.workload.plan import Workload
    from pytest_mqchaos.experiment.workload.producer import Producer
    from pytest_mqchaos.link.publishing import Adopt
    from pytest_mqchaos.servers.programs import Programs

__all__ = ["Run"]

_SILENCE = 0.5
_STRIKE_TIMEOUT = 120.0


class Run:
    """The parts of one run. Satisfies what `settle` and `strikes` ask of their surroundings."""

    def __init__(
        self, test: TestSettings, *, broker: Broker, network: Network, thread: LoopThread, directory: Path,
        programs: Programs, errands: Errands,
    ) -> None:  # fmt: skip
        self.test = test
        self.programs = programs
        """By which users' images are started."""
        self.broker = broker
        self.thread = thread
        self.token = new_run()
        self.namespace = f"mqchaos-{self.token}"
        self.directory = directory / self.token
        self.rescue = Rescue(errands, self.directory, user=broker.user, password=broker.password)
        self.directory.mkdir(parents=True)
        self.history = History(self.token, self.directory / "history.jsonl")
        self.ledger = Ledger(self.history.messages)
        self.history.subscribe(self.ledger.apply)
        self.consumers: list[Consumer] = []
        self.outputs = Outputs(self.consuming)
        self.history.subscribe(self.outputs.saw)
        self.identity = Identity(self.token)
        self.injector = Injector(self.history, thread, self._poll_files, Random(f"{test.seed} moments"))
        self.board = Board(self.history, self.injector.saw_effect)
        self.injector.asking.bind(self.directory, self.board.asker, self.board.probed)
        self.planting = Planting(self.history, self.injector, self.board, test.seed)
        self.watch = EffectsWatch(self.board, thread, self.history, self._look_aside)
        self.outlets = Outlets(self)
        self.watch.outlets = self.outlets.poll
        self.sharing = Sharing(broker, self.namespace, self.identity, self.injector, thread)
        self.names = self.sharing.names
        self.authority = Authority(self.directory)
        self.links = Links(
            run=self.token,
            network=network,
            thread=thread,
            history=self.history,
            identity=self.identity,
            look=self.board.look,
            tap=self.sharing.tap,
            survey=self.sharing.survey,
            tls=broker.tls,
            authority=self.authority,
            seed=test.seed,
        )
        self.inside = Inside(Loops(asynchronous=test.asynchronous))
        self.producers: list[Producer] = []
        self.publications: list[Workload] = []
        """What was published, or is: by our publisher and by producers."""
        self.adopted = Adopted()
        """What producers sent, by what it is known by; the history's lock guards it."""
        self.next_number = 1
        """Of the next message of the workload, whoever publishes it; the history's lock guards it."""
        self.spoil: Callable[[], bool] = lambda: False
        """Publishes the bad messages that are made of what producers sent, and says whether there were any."""
        self.dead_letters: set[str] = set()
        self.http: dict[str, Stand] = {}
        """The services that we stand in for, by name."""
        self.standing: tuple[ConsumerFacts, ...] = ()
        self._declarer: Declarer | None = None
        self._silent = 0.0
        """Since when all is settled and no effect has shown."""
        self._log_mark = broker.log_tail(1)
        self.ages = Ages(self.history)
        self._let_strike()
        self.sharing.begin(self)
        self.watch.start()

    def _let_strike(self) -> None:
        """Give the injector what strikes when a moment has come."""
        strikes = Strikes(
            history=self.history, thread=self.thread, links=self.links, consumers=self, broker=self.broker,
            namespace=self.namespace, ages=self.ages)  # fmt: skip
        self.injector.bind(strikes)

    def _poll_files(self) -> None:
        self.board.poll()
        self.outputs.look()

    def _look_aside(self) -> None:
        """Look at what is looked at now and then besides the sources of effects."""
        self.outputs.look()
        for producer in self.producers:
            producer.claims.poll()

    # --- what parts ask for ---

    @property
    def url(self) -> str:
        """The broker's own address of this run's namespace, past every link."""
        return self.broker.url(self.namespace)

    def link_url(self, name: str, *, tls: bool = False, port: int = 0, adopt: Adopt | None = None) -> str:
        """The address of a link, as a client is to use it; with `tls` it speaks TLS, `adopt` makes it a producer's."""
        new = self.links.named(name) is None
        link = self.links.open(name, tls=tls, port=port, adopt=adopt)
        if new:
            self.injector.opened(name, producer=adopt is not None)
        return self.broker.url(self.namespace, host=link.wire.host, port=link.wire.port, secure=tls)

    @property
    def declarer(self) -> Declarer:
        """Declares queues and exchanges, on a connection of its own past every link."""
        if self._declarer is None:
            self._declarer = Declarer(self.url, self.names, self.sharing.noted)
        return self._declarer

    def replicas(self) -> Sequence[Replica]:
        """All replicas of all consumers, in the order started, and behind them those of the producers."""
        producing = [producer.replica for producer in self.producers]
        return [*(replica for consumer in self.consumers for replica in consumer.replicas), *producing]

    def consuming(self) -> Sequence[Replica]:
        """All replicas of all consumers, in the order started."""
        return [replica for consumer in self.consumers for replica in consumer.replicas]

    def living(self) -> frozenset[str]:
        """The links whose consumers may do something: by a process that runs, or inside the test."""
        return self.inside.living | {replica.name for replica in self.replicas() if replica.alive}

    # --- what settling asks for ---

    def check(self) -> None:
        """Raise a `ChaosError` if the ground is gone: the disk, the broker, the network, a publication, a strike."""
        self.history.check()
        self.inside.loops.check()
        if (died := dying.death(self.broker, self.injector)) is not None:
            raise died
        self.sharing.check()
        self.links.check()
        self.board.check()
        errors = [armed.error for armed in self.injector.armed]
        errors += [replica.trouble for replica in self.replicas()]
        errors += [publication.error for publication in self.publications]
        if first := next(filter(None, errors), None):
            raise first

    def publishing(self) -> bool:
        """Whether a publication still runs, or what follows it begins."""
        return any(not publication.done for publication in self.publications) or self.spoil()

    def disturbed(self) -> str:
        """What still disturbs, or an empty text."""
        return disturbance.disturbed(self.injector)

    def calm(self) -> bool:
        """Heal what lasts until the run has settled; return whether there was anything."""
        return disturbance.calm(self.injector, self.thread)

    def outage(self) -> bool:
        """Whether a fault keeps the broker out of a consumer's reach now."""
        return disturbance.outage(self.injector)

    def broker_log(self, lines: int) -> str:
        """The last lines that the broker logged since this run began."""
        tail = self.broker.log_tail(400)
        mark = self._log_mark.strip()
        fresh = tail.rpartition(mark)[2] if mark else tail
        return "\n".join(fresh.splitlines()[-lines:])

    def poll_effects(self) -> None:
        """Read all sources of effects, in this thread."""
        self.watch.poll()

    def census(self) -> None:
        """Ask the broker what it holds and write the answer into the history."""
        queues = self.broker.census(self.namespace)
        topology = self.broker.topology(self.namespace)
        queues, topology = self.outlets.hide(queues, topology)
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
        if self.inside.living or not all(replica.over for replica in self.consuming()):
            return True
        if any(link.wire.connected() for link in self.links if not link.publishes):
            return True
        with self.history.changed:
            return self.ledger.waiting_messages(self.dead_letters, self.expected_queues()) > 0

    def missing(self) -> Sequence[str]:
        """Ids of messages that are terminal and good and whose effects are not all there."""
        if self.test.evidence == "broker":
            return ()
        with self.history.changed:
            return [one for one in self.ledger.missing_effects() if one != self.planting.lost]

    def workable(self, messages: Iterable[str]) -> bool:
        """Whether a process that held one of these messages still lives."""
        if self.evidence() in ("unknown", "broker") and not self._may_show():
            return False
        living = self.living()
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

    def absent(self) -> Sequence[str]:
        """Living consumers that may still be at work for what the broker has taken back from them."""
        with self.history.changed:
            away = self.ledger.absent()
        return sorted(away & self.living())

    def longest_wait(self) -> float:
        """The longest time in seconds that nothing need move: in a waiting room, in hand, until a restart is due."""
        away = max((replica.longest_pause for replica in self.replicas()), default=0.0)
        with self.history.changed:
            hands = {base_name(one.link) for one in self.ledger.open_deliveries()}
            held = max((each.holds for each in self.consumers if each.name in hands), default=0.0)
            return max(away, held, self.ledger.longest_wait(self.dead_letters, self.expected_queues()))

    def steps(self) -> int:
        """A number that grows with what a run does besides moving messages."""
        sent = self.injector.counts["publish", "*", "*"] + self.injector.counts["confirm", "*", "*"]
        return sent + disturbance.steps(self.injector)

    def evidence(self) -> str:
        """What counts as work here: `effects`, `broker` or `unknown`."""
        otherwise = {"auto": "unknown", "any": "broker"}.get(self.test.evidence)
        return self.test.evidence if otherwise is None else "effects" if self.board.shows else otherwise

    # --- the end ---

    def remember_consumers(self) -> None:
        """Keep how the consumers stand now: the verdict rests on that, not on how they ended afterwards."""
        self.standing = standing(self.consumers) + self.inside.standing()

    def read_resting(self) -> None:
        """Take what rests in terminal queues out of them, into the history."""
        with self.history.changed:
            queues = self.ledger.terminal_queues(self.dead_letters, self.expected_queues())
            ready = {state.name: state.ready for state in self.ledger.queues()}
        counts = {name: ready.get(name, 0) for name in sorted(queues - self.outlets.looked_at)}
        read_resting(counts, url=self.url, identity=self.identity, history=self.history, sharing=self.sharing)

    def disarm(self) -> None:
        """Let no fault strike any more: not while consumers end, and not in the next test.

        Raises:
            ChaosError: if one has begun and does not come to its end.
        """
        self.injector.disarm(_STRIKE_TIMEOUT)

    def end_consumers(self, grace: float) -> None:
        """End every process of consumers and producers: SIGTERM to all at once, SIGKILL after `grace` seconds."""
        programs = [*self.consumers, *(producer.program for producer in self.producers)]
        for program in programs:
            program.begin_end()
        for program in programs:
            program.end_all(grace)

    def close(self, *, grace: float = 0.2) -> None:
        """End everything of this run and remove it; may be called again."""
        self.watch.end()
        self.inside.forget()
        trouble: list[Exception] = []
        steps: list[Callable[[], object]] = [
            self.disarm,
            partial(self.end_consumers, grace),
            self._close_publishing,
            self.board.close,
            *(stand.close for stand in self.http.values()),
            self.outlets.close,
            self.links.close,
            partial(self.broker.delete_namespace, self.namespace),
            self.history.close,
            self.rescue.done,
            partial(shutil.rmtree, self.directory, ignore_errors=True),
        ]
        for step in steps:
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
