"""The publications of a run: planned, made known, and started in the background."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from pytest_mqchaos import payloads
from pytest_mqchaos.brokers.rabbitmq.publisher import Publisher
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.effects.sources import Sources
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.striking.aims import check_aims
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.verdict.judging import order_rule
from pytest_mqchaos.experiment.workload.plan import Plan, Publication, keys, plan
from pytest_mqchaos.experiment.workload.spoiling import spoilt
from pytest_mqchaos.link.identity import Labels
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import now
from pytest_mqchaos.wire.amqp import Properties

__all__ = ["Publications", "key_of"]


_OF_COPIES = ("malformed_payload", "poison_message")
"""Payload faults that a producer's messages serve for."""


class Publications:
    """Publishes for one run; the numbers and keys of its publications go on from one to the next."""

    def __init__(self, run: Run, sources: Sources) -> None:
        self._run = run
        self._sources = sources
        self._keys: set[str] = set()

    def publish(self, queue: str | None, count: int, **options: Any) -> Publication:
        """Plan and start one publication; see `Chaos.publish`."""
        __tracebackhide__ = True
        run = self._run
        first = not run.publications
        if first:
            check_aims(run)
        bad = [
            armed
            for armed in run.injector.armed
            if armed.fault.family == "payload" and (first or not armed.fired) and not armed.withdrawn
        ]
        with run.history.changed if run.producers else nullcontext():  # else nobody else counts messages
            made = plan(
                run=run.token,
                seed=run.test.seed + len(run.publications),
                queue=queue,
                count=count,
                faults=tuple(armed.fault for armed in bad),
                poison=run.test.poison,
                first_number=run.next_number,
                taken_keys=self._keys,
                **options,
            )
            run.next_number = made.next_number
        run.sharing.refuse_everybodys(f"publish(exchange={made.exchange!r})", made.exchange)
        if made.queue:
            run.sharing.admit(made.queue)
        if (rule := order_rule(run.test.guarantee)) is not None:
            keys(made, rule)  # what has no key is told before anything is sent
        self._learn(made, options.get("key"), own_body=options.get("body") is not None)
        self._sources.resolve(last=True)
        for stand in run.http.values():
            stand.choose([message.id for message in made.messages if not message.poison])
        run.outlets.refuse_workload()
        if first:
            run.board.refuse_leftovers()
            run.planting.choose()
            run.injector.choose_moments(count)
        for armed in bad:
            self._spoilt(armed, made)
        return self._started(made)

    def spoil(self) -> bool:
        """Publish the bad messages that payload faults make of what producers sent; return whether there were any."""
        __tracebackhide__ = True
        run = self._run
        if not any(producer.ids for producer in run.producers):
            return False
        bad = [
            armed
            for armed in run.injector.armed
            if armed.fault.kind in _OF_COPIES and not armed.fired and not armed.withdrawn
        ]
        started = False
        for armed in bad:
            for producer in filter(lambda one: one.seen(), run.producers):
                with run.history.changed:
                    made = spoilt(
                        producer.seen(), [armed.fault], run=run.token, seed=run.test.seed, key=producer.rule,
                        number=run.next_number, poison=run.test.poison)  # fmt: skip
                    run.next_number = made[-1].next_number
                for each in made:
                    self._learn(each, None, own_body=True)
                    self._spoilt(armed, each)
                    self._started(each)
                    started = True
        return started

    def _learn(self, made: Plan, rule: object, *, own_body: bool) -> None:
        """Make the messages of a plan known, before the first of them is sent."""
        run = self._run
        self._keys |= {m.key for m in made.messages if m.key is not None}
        for message in made.messages:
            run.history.plan(message)
            run.identity.learn(message)
        if rule is None and not own_body:
            rule = "order"  # the key of the default body
        if rule is not None:
            run.identity.learn_key(key_of(rule))

    def _started(self, made: Plan) -> Publication:
        run = self._run
        publisher = Publisher(
            run.link_url("publisher"),
            made,
            run.history,
            target_ready=lambda: self._target_exists(made),
            patience=run.test.settle_timeout,
            names=run.names,
            outage=run.outage,
        )
        publication = Publication(made, publisher)
        run.publications.append(publication)
        publisher.start()
        return publication

    def _target_exists(self, made: Plan) -> bool:
        if made.queue:
            return self._run.broker.exists(self._run.namespace, made.queue)
        _, topology = self._run.outlets.hide((), self._run.broker.topology(self._run.namespace))
        return any(binding.exchange == made.exchange for binding in topology.bindings)

    def _spoilt(self, armed: Armed, made: Plan) -> None:
        """Record that a payload fault has its messages in this publication."""
        if armed.fault.kind == "repeated_publish":
            bad = [entry.message for entry in made.entries if entry.repeats]
        else:
            bad = [m for m in made.messages if m.poison]
        armed.fired = True
        armed.done.set()
        armed.healed.set()
        self._run.history.append(
            facts.FaultFired(
                at=now(),
                fault=armed.number,
                description=str(armed.fault),
                target=made.queue or made.exchange,
                changed=bool(bad),
                actor="publisher",
                trigger=f"{len(bad)} of {len(made.messages)} messages",
            )
        )


def key_of(rule: object) -> Callable[[bytes, Labels], str | None]:
    """Return what reads the key off a body on the wire, by the same rule that the workload was planned with."""
    found = payloads.KeyRule.of(rule)

    def of(body: bytes, labels: Labels) -> str | None:
        draft = payloads.Draft(0, "", body, *(_terms(labels) if callable(rule) else ({}, {})))
        try:
            return found(draft)
        except ChaosError:
            return None  # not one of ours, or changed beyond recognition: foreign

    return of


def _terms(labels: Labels) -> tuple[dict[str, object], dict[str, object]]:
    """The headers and properties of a message on the wire, as far as they were read."""
    if not isinstance(labels, Properties):
        return {}, {"message_id": labels.message_id}
    return labels.headers(), {"message_id": labels.message_id, **labels.contract()}
