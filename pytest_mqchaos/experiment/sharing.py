"""How a run shares a broker with others: its names, what it declared, and what keeps it within that.

Where the broker is the plugin's own there is nothing to share: names stay as they are and nobody is watched.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_mqchaos.brokers._protocol import Broker
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.consumers.vetting import Vetting
from pytest_mqchaos.experiment.striking.injector import Injector
from pytest_mqchaos.experiment.verdict.witness import RunWitness
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.link.survey import Survey
from pytest_mqchaos.link.tap import Tap
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.declared import Declared
from pytest_mqchaos.model.history import now

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.run import Run

__all__ = ["Sharing"]


class Sharing:
    """What one run has to know and to heed of a broker that is not its own.

    Args:
        broker: that the run is on.
        namespace: of the run; it is made here.
        identity: tells whose message a body is.
        injector: is asked for strikes, behind whatever else looks at the links.
        thread: the links' thread.
    """

    def __init__(
        self, broker: Broker, namespace: str, identity: Identity, injector: Injector, thread: LoopThread
    ) -> None:
        broker.create_namespace(namespace)
        self.names = names = broker.names(namespace)
        """How names of the test become names on the broker."""
        self.queues_shared = broker.shared
        """Whether messages of others may be in the queues that the run uses."""
        self.declared = Declared()
        self.noted = self.declared if broker.kind == "external" else None
        """Where declarations are noted; None where the broker itself tells all of them."""
        self.survey = None if self.noted is None else Survey(self.noted, names)
        """What notes those of the clients."""
        self._broker = broker
        self._namespace = namespace
        self._identity = identity
        self._vetting = Vetting(
            injector,
            thread=thread,
            declared=self.declared,
            holds=partial(broker.ready_in, namespace) if broker.shared else None,
            begun=lambda: injector.counts["publish", "*", "*"] > 0,
        )
        self.tap: Tap = self._vetting if broker.shared or names.prefix else injector
        """Who is asked about every event of a link."""

    def begin(self, run: Run) -> None:
        """Tell the broker who sees what it cannot say, and the reader how runs are kept apart."""
        witness = RunWitness(
            history=run.history,
            ledger=run.ledger,
            links=run.links,
            thread=run.thread,
            identity=self._identity,
            declared=self.declared,
            named=lambda: run.dead_letters | run.expected_queues(),
            poll=run.poll_effects,
        )
        self._broker.attend(self._namespace, witness)
        if note := self._broker.note(self._namespace):
            run.history.append(facts.Noted(at=now(), text=note))

    def admit(self, *queues: str) -> None:
        """Look at queues that the test is about to use.

        Raises:
            ChaosError: one holds messages already, or a link touched what is not of the run.
        """
        for queue in queues:
            self._vetting.admit(queue)

    def check(self) -> None:
        """Raise if a link touched what is not of the run.

        Raises:
            ChaosError: naming what it was.
        """
        self._vetting.check()

    def refuse_everybodys(self, call: str, exchange: str | None) -> None:
        """Raise if an exchange is everybody's, and the run is kept apart from others by its prefix.

        Raises:
            UsageError: it is.
        """
        __tracebackhide__ = True
        if self.names.prefix and exchange is not None and exchange.startswith("amq."):
            raise UsageError(
                f"{call}: {exchange!r} is everybody's where runs are kept apart by prefix: declare one"
            )
