"""What a test sets in motion besides consumers: workloads, sources of effects, faults by hand."""

from __future__ import annotations

from contextlib import suppress

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.broker_handle import BrokerHandle
from pytest_mqchaos.experiment.effects.serving import check_calls
from pytest_mqchaos.experiment.effects.sources import Sources
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.striking.aims import check_aims
from pytest_mqchaos.experiment.striking.by_hand import ByHand
from pytest_mqchaos.experiment.striking.injection import Injection
from pytest_mqchaos.experiment.workload.publications import Publications
from pytest_mqchaos.experiment.workload.returned import none_taken
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.names import base_name

__all__ = ["Work"]


class Work:
    """Publications, effects and faults by hand of one run, and whether all of it makes a run that can be judged."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.sources = Sources(run)
        self.publications = Publications(run, self.sources)
        run.spoil = self.publications.spoil
        self.by_hand = ByHand(run)
        self.broker_handle = BrokerHandle(run.broker, self.by_hand.inject)
        for fault in run.test.scenario.faults:
            run.injector.arm(fault, by_hand=False)

    def end(self) -> None:
        """Leave the broker as it should be; one that does not go on will be told by what asks it next."""
        run = self._run
        with suppress(ChaosError):
            self.broker_handle.thaw()
            run.disarm()
            for armed in run.injector.armed:
                if armed.fault.kind == "broker_freeze":
                    Injection(armed, run.thread, run.injector).heal()

    def ready_to_settle(self) -> None:
        """Raise if there is nothing to judge, or if a fault can never strike.

        Raises:
            ChaosError: naming what is missing.
        """
        __tracebackhide__ = True
        run = self._run
        if not run.consumers and not run.inside.names:
            raise ChaosError("there is no consumer: start one with mqchaos.consumer(...)")
        if not run.publications:
            raise ChaosError(
                "nothing was published: call mqchaos.publish(...), or start an mqchaos.producer(...)"
            )
        check_aims(run)
        self.broker_handle.thaw()

    def nothing_confirmed(self) -> None:
        """Raise if nothing of the workload is known to have reached the broker, or what the test said was impossible.

        Raises:
            ChaosError: saying what became of the publications instead.
        """
        __tracebackhide__ = True
        run = self._run
        self._refuse_auto_ack_triggers()
        check_calls(run)
        if run.producers:  # where they publish is known only now
            run.outlets.refuse_workload()
        records = run.ledger.records.values()
        if any(one.ok for one in records):
            return
        # A return beats the confirm that follows it: of what no queue took, confirms say nothing.
        if told := none_taken(records, run.history.snapshot()):
            raise ChaosError(told)
        if run.injector.counts["confirm", "*", "*"] or any(
            not m.confirm for m in run.history.messages.values()
        ):
            return
        if run.producers and not run.history.messages:
            first = run.producers[0]
            raise ChaosError(f"{first.name} published nothing through its link: {first.progress()}")
        returned = sum(isinstance(event, facts.Returned) for event in run.history.snapshot())
        refused = sum(isinstance(event, facts.PublishNacked) for event in run.history.snapshot())
        raise ChaosError(
            f"nothing was confirmed: of {len(run.history.messages)} messages "
            f"{run.injector.counts['publish', '*', '*']} were sent, {returned} returned, {refused} refused"
        )

    def _refuse_auto_ack_triggers(self) -> None:
        __tracebackhide__ = True
        waiting = [
            armed
            for armed in self._run.injector.armed
            if not armed.fired and armed.trigger is not None and armed.trigger.kind == "ack"
        ]
        if not waiting:
            return
        delivered = [event for event in self._run.history.snapshot() if isinstance(event, facts.Delivered)]
        for armed in waiting:
            aim = armed.fault.consumer
            seen = [one for one in delivered if aim in (None, "*", one.link, base_name(one.link))]
            if not seen or not all(event.auto_ack for event in seen):
                continue
            raise ChaosError(
                f"{armed.fault} can never strike: {base_name(seen[0].link)} consumes with automatic ack, "
                "there are no acks; use delivery(n) or effect(n)"
            )
