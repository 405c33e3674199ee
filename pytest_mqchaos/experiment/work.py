"""What a test sets in motion besides consumers: workloads, sources of effects, faults by hand."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_mqchaos import payloads
from pytest_mqchaos.brokers.rabbitmq.publisher import Publisher
from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.broker_handle import BrokerHandle
from pytest_mqchaos.experiment.injection import Injection
from pytest_mqchaos.experiment.injector import Armed, base_name
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.experiment.workload import Plan, Publication, plan
from pytest_mqchaos.link.identity import Labels
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.faults import Fault
from pytest_mqchaos.model.history import now
from pytest_mqchaos.model.triggers import Trigger

__all__ = ["Work"]

_STRIKE_TIMEOUT = 120.0
_TAIL = 20
_CONSUMED = {"delivery", "ack", "nack", "effect"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Work:
    """Publications, effects and faults by hand of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._next_number = 1
        self._keys: set[str] = set()
        self._paths: list[tuple[str | Path, Callable[[object], object] | None]] = []
        self.broker_handle = BrokerHandle(run.broker, self.inject)

    # --- consumers ---

    def consumer_name(self, target: object, name: str | None) -> str:
        """Return the name for a new consumer: the one given, or one made from its target.

        Raises:
            UsageError: if it is taken, or not usable as a name.
        """
        __tracebackhide__ = True
        taken = {consumer.name for consumer in self._run.consumers} | {"publisher"}
        if name is not None:
            if not isinstance(name, str) or not re.fullmatch(r"[\w.+-]+", name):
                raise UsageError(f"consumer(): name={name!r}: letters, digits and _ . + - only")
            if name in taken:
                raise UsageError(f"consumer(): name={name!r} is taken in this test")
            return name
        stem = _stem(target)
        chosen, number = stem, 2
        while chosen in taken:
            chosen, number = f"{stem}-{number}", number + 1
        return chosen

    @contextmanager
    def fork_guard(self) -> Iterator[None]:
        """Hold the link's thread and the history still, so that a fork copies no lock that is held."""
        with self._run.thread.paused(), self._run.history.changed:
            yield

    # --- workloads ---

    def publish(self, queue: str | None, count: int, **options: Any) -> Publication:
        """Plan and start one publication; see `Chaos.publish`."""
        __tracebackhide__ = True
        run = self._run
        first = not run.publications
        bad = [
            armed
            for armed in run.injector.armed
            if armed.fault.family == "payload" and (first or not armed.fired)
        ]
        made = plan(
            run=run.token,
            seed=run.test.seed + len(run.publications),
            queue=queue,
            count=count,
            faults=tuple(armed.fault for armed in bad),
            first_number=self._next_number,
            taken_keys=self._keys,
            **options,
        )
        self._next_number = made.next_number
        self._keys |= {m.key for m in made.messages if m.key is not None}
        run.refuse_shared(f"publish(exchange={made.exchange!r})", made.exchange)
        if made.queue:
            run.vetting.admit(made.queue)
        for message in made.messages:
            run.history.plan(message)
            run.identity.learn(message)
        rule = options.get("key")
        if rule is None and options.get("body") is None:
            rule = "order"  # the key of the default body
        if rule is not None:
            run.identity.learn_key(_key_of(rule))
        self.resolve_effects(last=True)
        if first:
            run.board.refuse_leftovers()
            self._check_aims()
            run.injector.choose_moments(count)
        for armed in bad:
            self._spoilt(armed, made)
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

    def _check_aims(self) -> None:
        """Raise if a fault names a consumer that there is not."""
        __tracebackhide__ = True
        names = {replica.name for replica in self._run.replicas()}
        known = names | {base_name(name) for name in names} | {f"{base_name(name)}#1" for name in names}
        for armed in self._run.injector.armed:
            aim = armed.fault.consumer
            if aim not in (None, "*") and aim not in known and known:
                raise UsageError(
                    f"{armed.fault}: there is no consumer {aim!r}; there are: {', '.join(sorted(names))}"
                )

    # --- effects ---

    def effects(self, source: object, key: Callable[[object], object] | None) -> None:
        """Name a source of effects; see `Chaos.effects`."""
        __tracebackhide__ = True
        if callable(source):
            call = source if key is None else _keyed_call(source, key)
            self._run.board.add_call(call, name=getattr(source, "__name__", "effects"))
        elif isinstance(source, str | Path) and str(source):
            self._paths.append((source, key))
            self._run.board.named = True
            self.resolve_effects()
        else:
            raise UsageError(f"effects({source!r}): a path, or a callable that returns ids or keys")

    def resolve_effects(self, *, last: bool = False) -> None:
        """Open the effects files whose place is known: a relative one lies in the consumer's directory.

        Args:
            last: whether to take the current directory where there is no consumer yet.
        """
        paths, self._paths = self._paths, []
        folders = [Path(consumer.cwd) for consumer in self._run.consumers]
        for source, key in paths:
            path = Path(source)
            if not path.is_absolute():
                if not folders and not last:
                    self._paths.append((source, key))
                    continue
                path = (folders[-1] if folders else Path.cwd()) / path
            self._run.board.add_file(path, name=str(source), consumer=None, named=True, key=key)

    # --- faults by hand ---

    def inject(self, fault: Fault) -> Injection:
        """Let a fault strike now, or arm it for its moment."""
        __tracebackhide__ = True
        run = self._run
        self._check_hand(fault)
        armed = run.injector.arm(fault, by_hand=True)
        if fault.trigger is None and fault.family != "payload" and fault.kind != "lost_ack":
            run.injector.fire_now(armed)
            if not armed.done.wait(_STRIKE_TIMEOUT):
                raise ChaosError(f"{fault} has not struck within {_STRIKE_TIMEOUT:g} s")
            if armed.error is not None:
                raise armed.error
        elif fault.trigger is None and fault.kind == "lost_ack":
            run.injector.fire_now(armed)  # from now on, it waits for the next ack
        if run.publications:
            run.injector.choose_moments(sum(len(p.ids) for p in run.publications))
        return Injection(armed, run.thread)

    def _check_hand(self, fault: Fault) -> None:
        __tracebackhide__ = True
        if fault.family == "payload" and self._run.publications:
            raise UsageError(f"inject({fault}): inject it before publish(), whose messages it spoils")
        if fault.family == "process" and not self._run.consumers:
            raise UsageError(f"inject({fault}): there is no consumer yet; start one first")
        self._check_aims_of(fault)

    def _check_aims_of(self, fault: Fault) -> None:
        __tracebackhide__ = True
        names = {replica.name for replica in self._run.replicas()}
        known = names | {base_name(name) for name in names} | {f"{base_name(name)}#1" for name in names}
        if fault.consumer not in (None, "*") and fault.consumer not in known:
            raise UsageError(
                f"{fault}: there is no consumer {fault.consumer!r}; there are: {', '.join(sorted(names)) or 'none'}"
            )

    def wait(self, trigger: Trigger, timeout: float) -> None:
        """Wait until a moment; see `Chaos.wait`."""
        __tracebackhide__ = True
        run = self._run
        if trigger.kind == "seconds":
            if trigger.time + trigger.delay > timeout:
                raise UsageError(f"wait({trigger}): longer than its timeout of {timeout:g} s")
            time.sleep(trigger.time + trigger.delay)  # a time that the test asks for
            return
        wanted = trigger.n or 1
        deadline = time.monotonic() + timeout
        while True:
            run.check()
            if trigger.kind == "effect":
                run.poll_effects()
            so_far = self._seen(trigger)
            if so_far >= wanted:
                time.sleep(trigger.delay)  # a time that the test asks for
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise ChaosError(f"wait({trigger}): not within {timeout:g} s, {so_far} so far")
            if trigger.kind in _CONSUMED and self._nobody_left():
                gone = run.replicas()[0]
                raise ChaosError(
                    f"wait({trigger}): no consumer is left, {so_far} so far; {gone.name}: {gone.describe_failure()}"
                )
            with run.history.changed:
                run.history.changed.wait(min(left, 0.02))

    def _nobody_left(self) -> bool:
        replicas = self._run.replicas()
        return bool(replicas) and not any(replica.alive or replica.restarting for replica in replicas)

    def _seen(self, trigger: Trigger) -> int:
        if trigger.message is None:
            return self._run.injector.count(trigger)
        suffix = f"-{trigger.message:06d}"
        kinds: dict[str, tuple[type, ...]] = {
            "publish": (facts.Published,),
            "confirm": (facts.Confirmed,),
            "delivery": (facts.Delivered,),
            "ack": (facts.Acked,),
            "nack": (facts.Nacked, facts.Rejected),
            "effect": (facts.Effected,),
        }
        return sum(
            1
            for event in self._run.history.snapshot()
            if isinstance(event, kinds[trigger.kind])
            and str(getattr(event, "message", "")).endswith(suffix)
            and trigger.queue in (None, getattr(event, "queue", None))
        )

    # --- before and after settling ---

    def ready_to_settle(self) -> None:
        """Raise if there is nothing to judge, or if a fault can never strike.

        Raises:
            ChaosError: naming what is missing.
        """
        __tracebackhide__ = True
        run = self._run
        if not run.consumers:
            raise ChaosError("there is no consumer: start one with mqchaos.consumer(...)")
        if not run.publications:
            raise ChaosError("nothing was published: call mqchaos.publish(...)")
        self._check_aims()

    def nothing_confirmed(self) -> None:
        """Raise if nothing of the workload is known to have reached the broker, or a trigger was impossible.

        Raises:
            ChaosError: saying what became of the publications instead.
        """
        __tracebackhide__ = True
        run = self._run
        self._refuse_auto_ack_triggers()
        if run.injector.counts["confirm", "*", "*"] or any(
            not m.confirm for m in run.history.messages.values()
        ):
            return
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

    def sections(self) -> list[tuple[str, str]]:
        """Titles and texts for a failing test's report."""
        run = self._run
        found: list[tuple[str, str]] = []
        for consumer in run.consumers:
            output = consumer.link.mask(consumer.output.rstrip())
            if output:
                found.append((f"output of {consumer.name}", _last(output, _TAIL)))
        struck = [e for e in run.history.snapshot() if isinstance(e, facts.FaultFired)]
        if struck:
            lines = [
                f"{e.description} struck {e.target or 'nothing'} at {e.trigger} by {e.actor}" for e in struck
            ]
            found.append(("faults", "\n".join(lines)))
        log = "\n".join(line for line in run.broker_log(200).splitlines() if _tells(line, run.namespace))
        if log:
            found.append(("broker's log", _last(_COLOUR.sub("", log), _TAIL)))
        return found


def _tells(line: str, namespace: str) -> bool:
    """Whether a line of the broker's log is worth showing: no routine, and not of another test's namespace."""
    if "[info]" in line or "[notice]" in line or "[debug]" in line:
        return False
    return "mqchaos-" not in line or namespace in line


def _stem(target: object) -> str:
    if callable(target):
        raw = getattr(target, "__name__", type(target).__name__)
    else:
        words = target.split() if isinstance(target, str) else [str(word) for word in _words(target)]
        scripts = [w for w in words if re.search(r"\.(py|js|mjs|ts|rb|go|sh|jar|php|exs?)$", w)]
        after_m = [words[i + 1] for i, w in enumerate(words[:-1]) if w == "-m"]
        raw = Path((scripts or after_m or words or ["consumer"])[0]).name
        raw = raw.rsplit(".", 1)[0] if scripts else raw
    return re.sub(r"[^\w.+-]+", "-", raw).strip("-") or "consumer"


def _words(target: object) -> Sequence[object]:
    return target if isinstance(target, Sequence) else ()


def _last(text: str, lines: int) -> str:
    return "\n".join(text.splitlines()[-lines:])


def _keyed_call(source: Callable[..., object], key: Callable[[object], object]) -> Callable[[], object]:
    def read() -> object:
        found = source()
        if isinstance(found, Mapping):
            return {key(entry): count for entry, count in found.items()}
        return [key(entry) for entry in found]  # type: ignore[attr-defined]

    read.__name__ = getattr(source, "__name__", "effects")
    return read


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
