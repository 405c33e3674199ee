"""The publications of a run: planned, made known, and started in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_mqchaos import payloads
from pytest_mqchaos.brokers.rabbitmq.publisher import Publisher
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.aims import check_aims
from pytest_mqchaos.experiment.judging import order_rule
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.sources import Sources
from pytest_mqchaos.experiment.striking.armed import Armed
from pytest_mqchaos.experiment.workload import Plan, Publication, keys, plan
from pytest_mqchaos.link.identity import Labels
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import now

__all__ = ["Publications"]


class Publications:
    """Publishes for one run; the numbers and keys of its publications go on from one to the next."""

    def __init__(self, run: Run, sources: Sources) -> None:
        self._run = run
        self._sources = sources
        self._next_number = 1
        self._keys: set[str] = set()

    def publish(self, queue: str | None, count: int, **options: Any) -> Publication:
        """Plan and start one publication; see `Chaos.publish`."""
        __tracebackhide__ = True
        run = self._run
        first = not run.publications
        bad = [
            armed
            for armed in run.injector.armed
            if armed.fault.family == "payload" and (first or not armed.fired) and not armed.withdrawn
        ]
        made = plan(
            run=run.token,
            seed=run.test.seed + len(run.publications),
            queue=queue,
            count=count,
            faults=tuple(armed.fault for armed in bad),
            poison=run.test.poison,
            first_number=self._next_number,
            taken_keys=self._keys,
            **options,
        )
        run.sharing.refuse_everybodys(f"publish(exchange={made.exchange!r})", made.exchange)
        if made.queue:
            run.sharing.admit(made.queue)
        if (rule := order_rule(run.test.guarantee)) is not None:
            keys(made, rule)  # what has no key is told before anything is sent
        self._learn(made, options.get("key"), own_body=options.get("body") is not None)
        self._sources.resolve(last=True)
        if first:
            run.board.refuse_leftovers()
            check_aims(run)
            run.injector.choose_moments(count)
        for armed in bad:
            self._spoilt(armed, made)
        return self._started(made)

    def _learn(self, made: Plan, rule: object, *, own_body: bool) -> None:
        """Make the messages of a plan known, before the first of them is sent."""
        run = self._run
        self._next_number = made.next_number
        self._keys |= {m.key for m in made.messages if m.key is not None}
        for message in made.messages:
            run.history.plan(message)
            run.identity.learn(message)
        if rule is None and not own_body:
            rule = "order"  # the key of the default body
        if rule is not None:
            run.identity.learn_key(_key_of(rule))

    def _started(self, made: Plan) -> Publication:
        run = self._run
        publisher = Publisher(
            run.link_url("publisher"),
            made,
            run.history,
            target_ready=lambda: self._target_exists(made),
            patience=run.test.settle_timeout,
            names=run.names,
        )
        publication = Publication(made, publisher)
        run.publications.append(publication)
        publisher.start()
        return publication

    def _target_exists(self, made: Plan) -> bool:
        if made.queue:
            return self._run.broker.exists(self._run.namespace, made.queue)
        topology = self._run.broker.topology(self._run.namespace)
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


def _key_of(rule: object) -> Callable[[bytes, Labels], str | None]:
    """Return what reads the key off a body on the wire, by the same rule that the workload was planned with."""
    found = payloads.KeyRule.of(rule)

    def key_of(body: bytes, labels: Labels) -> str | None:
        draft = payloads.Draft(0, "", body, {}, {"message_id": labels.message_id})
        try:
            return found(draft)
        except ChaosError:
            return None  # not one of ours, or changed beyond recognition: foreign

    return key_of
