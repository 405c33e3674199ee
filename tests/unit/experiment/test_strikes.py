"""What a strike does, and in which order: links, processes and a broker that only write down what they are told."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.striking import course, cuts, outages
from pytest_mqchaos.experiment.striking.ages import Ages
from pytest_mqchaos.experiment.striking.injection import Injection
from pytest_mqchaos.experiment.striking.injector import Armed, Injector, Swallow
from pytest_mqchaos.experiment.striking.strikes import Strikes
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.faults import (
    Fault,
    broker_crash,
    broker_freeze,
    broker_restart,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_freeze,
    consumer_terminate,
    lost_ack,
    lost_confirm,
    refuse,
)
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.topology import QueueState
from pytest_mqchaos.model.triggers import ack, confirm, delivery, effect, publish, seconds

TIMEOUT = 5.0
ID = "orders-k3f9-000003"


class FakeRelay:
    """A connection of a link."""

    def __init__(self, log: list[str], link: str) -> None:
        self.log = log
        self.observer = SimpleNamespace(link=link, publisher=link == "publisher")
        self.number = 7
        self.cause: str | None = None
        self.holds = 0
        self.client_left = False
        self.upstream_gone = asyncio.Event()
        self.reading = True
        self.upstream = SimpleNamespace(is_closing=lambda: False, is_reading=lambda: self.reading)
        self.closed = False

    def close(self, by: str, *, reset: bool = False) -> None:
        if not self.closed:
            self.closed = True
            self.log.append(f"{'reset' if reset else 'close'} {self.observer.link} ({self.cause or by})")

    def hold(self) -> None:
        self.holds += 1

    def release(self) -> None:
        self.holds -= 1

    def let_goodbye(self) -> None:
        self.log.append(f"goodbye to {self.observer.link}")


class FakeLink:
    """A link: its wire and its route in one."""

    actor = "toxiproxy"

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name
        self.wire = self.route = self
        self.relays = [FakeRelay(log, name)]
        self.refused = 0
        self.cuts = True
        self.broker_up: Callable[[], bool] = lambda: True
        self.publishes = name == "publisher"
        self.raw = False

    def connected(self) -> list[FakeRelay]:
        return [relay for relay in self.relays if not relay.closed]

    def refuse(self) -> None:
        self.refused += 1
        self.log.append(f"refuse {self.name}")

    async def welcome(self) -> None:
        self.refused -= 1
        self.log.append(f"welcome {self.name}")

    def hold_new(self) -> None:
        self.log.append(f"hold {self.name}")

    def let_new(self) -> None:
        self.log.append(f"let {self.name}")

    async def reachable(self, *, timeout: float, what: str) -> None:
        if not self.broker_up():
            raise ChaosError(f"{what}: the broker did not greet within {timeout:g} s")
        self.log.append(f"reach {self.name}")

    def down(self) -> bool:
        self.log.append(f"down {self.name}")
        if self.cuts:
            for relay in self.relays:
                relay.upstream_gone.set()
        return True

    def up(self) -> None:
        self.log.append(f"up {self.name}")


class FakeProcess:
    """A process group that can be told to stop."""

    def __init__(self, log: list[str], name: str) -> None:
        self.alive = True
        self.stop: Callable[[], object] = lambda: log.append(f"stop {name}")


class FakeReplica:
    """A process."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name
        self.alive = True
        self.held = False
        self.asking = "SIGTERM"
        self.process = FakeProcess(log, name)
        self.standing: Callable[[], object] = lambda: None
        self.ending: Callable[[float], None] = lambda grace: None

    @property
    def over(self) -> bool:
        return not self.alive

    def stop_and_wait(self, timeout: float = 2.0) -> None:
        self.log.append(f"stopped {self.name}")
        self.standing()

    def freeze(self, only: FakeProcess | None = None) -> None:
        if only is None or only is self.process:
            self.held = True
            self.log.append(f"freeze {self.name}")

    def thaw(self) -> None:
        self.held = False
        self.log.append(f"thaw {self.name}")

    def cont(self) -> None:
        self.log.append(f"cont {self.name}")

    def crash(self, process: str = "group", *, port: int | None = None) -> bool:
        self.log.append(f"kill {process} of {self.name}")
        return True

    def begin_end(self, number: signal.Signals) -> None:
        self.log.append(f"{number.name} {self.name}")

    def finish_end(self, grace: float) -> float:
        self.ending(grace)
        return 0.0


class FakeHeld:
    """X, and what becomes of it."""

    def __init__(self, log: list[str], relay: FakeRelay, fact: type = facts.Acked) -> None:
        self.log, self.relay, self.at = log, relay, 0
        link = relay.observer.link
        more: dict[str, Any] = {"queue": "orders"} if fact is facts.Delivered else {}
        if fact in (facts.Delivered, facts.Acked, facts.Nacked):
            more["tag"] = 3
        if fact is facts.Nacked:
            more["requeue"] = True
        self.found = [fact(at=0, link=link, connection=1, channel=1, message=ID, **more)]
        self.arrives = True

    async def pass_on(self) -> bool:
        self.log.append("X passed")
        return self.arrives

    def take(self) -> None:
        self.log.append("X taken")


class Ground:
    """Two replicas of a worker, an audit and the publisher."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.thread = LoopThread()
        self.history = History("k3f9")
        names = ("worker", "worker#2", "audit")
        self.links = {name: FakeLink(self.log, name) for name in (*names, "publisher")}
        self.all = [FakeReplica(self.log, name) for name in names]
        self.broker_up = True
        self.hand = SimpleNamespace(
            host="127.0.0.1",
            port=1,
            stop_app=self._stop,
            start_app=self._start,
            census=lambda namespace: self.queues,
            crash=self._die,
            start_again=self._start,
            freeze=lambda: self.log.append("broker stands"),
            thaw=lambda: self.log.append("broker goes on"),
        )
        self.queues: tuple[QueueState, ...] = ()
        self.ages = Ages(self.history)
        self.strikes = Strikes(
            history=self.history,
            thread=self.thread,
            links=self,
            consumers=self,
            broker=self.hand,
            namespace="mqchaos",
            ages=self.ages,
        )
        for link in self.links.values():
            link.broker_up = lambda: self.broker_up

    actor = "toxiproxy"

    def __iter__(self) -> Iterator[FakeLink]:
        return iter(tuple(self.links.values()))

    def named(self, name: str) -> FakeLink | None:
        return self.links.get(name)

    def refuse(self) -> None:
        for link in self:
            link.refuse()

    async def welcome(self) -> None:
        for link in self:
            await link.welcome()

    def living(self) -> frozenset[str]:
        return frozenset(one.name for one in self.replicas() if one.alive)

    def replicas(self) -> list[FakeReplica]:
        return self.all

    def _die(self) -> None:
        self._stop("broker dies")

    def _stop(self, how: str = "broker stops") -> None:
        self.log.append(how)
        self.broker_up = False
        for link in self.links.values():
            for relay in link.relays:
                relay.upstream_gone.set()

    def _start(self) -> None:
        self.log.append("broker starts")
        self.broker_up = True

    def armed(self, fault: Fault) -> Armed:
        return Armed(number=0, fault=fault, trigger=fault.trigger, position=fault.position, by_hand=False)

    def handle(self, armed: Armed) -> Injection:
        injector = Injector(self.history, self.thread, lambda: None, random.Random(1))
        return Injection(armed, self.thread, injector)

    def strike(
        self,
        fault: Fault,
        *,
        link: str | None = "worker",
        fact: type | None = facts.Acked,
        arrives: bool = True,
    ) -> Armed:
        """Let a fault strike at a frame of a link; at none where `fact` is None."""
        armed = self.armed(fault)
        armed.message, armed.connection = ID, 7
        held = None
        if fact is not None and link is not None:
            held = FakeHeld(self.log, self.links[link].relays[0], fact)
            held.arrives = arrives
        self.thread.call(
            self.strikes(armed, held, link, str(fault.trigger)), timeout=TIMEOUT, what="the strike"
        )
        return armed

    @property
    def fired(self) -> facts.FaultFired:
        (found,) = [event for event in self.history if isinstance(event, facts.FaultFired)]
        return found


@pytest.fixture
def ground() -> Iterator[Ground]:
    """Ground on which nothing is real."""
    made = Ground()
    try:
        yield made
    finally:
        made.thread.close()


# --- targets ---


@pytest.mark.parametrize(
    ("consumer", "link", "targets"),
    [
        (None, "worker", "worker"),
        (None, "worker#2", "worker#2"),
        (None, None, "worker, worker#2, audit"),
        ("worker", "audit", "worker, worker#2"),
        ("worker#2", "worker", "worker#2"),
        ("*", "worker", "worker, worker#2, audit"),
        ("audit", None, "audit"),
        (None, "publisher", "publisher"),
    ],
)
def test_whom_a_network_fault_hits(
    ground: Ground, consumer: str | None, link: str | None, targets: str
) -> None:
    """By name all replicas, by number one, by default the one that X happened on, else every consumer."""
    ground.strike(connection_drop(after=delivery(3), consumer=consumer), link=link, fact=None)
    assert ground.fired.target == targets


def with_producer(ground: Ground) -> Ground:
    """The same ground with a publisher of the application's own."""
    ground.links["billing"] = FakeLink(ground.log, "billing")
    ground.links["billing"].publishes = True
    ground.links["billing"].relays[0].observer.publisher = True
    ground.all.append(FakeReplica(ground.log, "billing"))
    return ground


@pytest.mark.parametrize(
    ("fault", "link", "targets"),
    [
        (connection_drop(after=publish(3)), "billing", "billing"),
        (connection_drop(after=publish(3), consumer="*"), "billing", "worker, worker#2, audit"),
        (connection_drop(after=delivery(3), consumer="billing"), "worker", "billing"),
        (connection_drop(after=seconds(1)), None, "worker, worker#2, audit"),
        (consumer_crash(after=publish(3)), "billing", "worker, worker#2, audit"),
        (consumer_crash(after=publish(3), consumer="billing"), "billing", "billing"),
        (consumer_crash(after=publish(3, by="billing")), "billing", "billing"),
        (consumer_crash(after=publish(3, by="worker")), "worker#2", "worker#2"),
        (consumer_crash(after=seconds(1), consumer="*"), None, "worker, worker#2, audit"),
    ],
)
def test_a_producer_is_struck_where_it_is_meant(
    ground: Ground, fault: Fault, link: str | None, targets: str
) -> None:
    """By its name, or at its own publishing; who means consumers does not mean it."""
    with_producer(ground).strike(fault, link=link, fact=None)
    assert ground.fired.target == targets


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        (consumer_crash(before=publish(3), consumer="billing"), True),
        (consumer_crash(before=publish(3)), False),
        (connection_drop(before=publish(3)), True),
    ],
)
def test_what_a_producer_sent_dies_with_it_alone(ground: Ground, fault: Fault, taken: bool) -> None:
    """Before X it dies with whoever sent it; where others are struck it goes on."""
    with_producer(ground).strike(fault, link="billing", fact=facts.Published)
    assert ("X taken" in ground.log) is taken


def test_whose_confirm_is_lost(ground: Ground) -> None:
    """That of the producer it was seen on, of the one that is named, or of the first that publishes."""
    with_producer(ground)
    seen = ground.strike(lost_confirm(after=confirm(3)), link="billing", fact=facts.Confirmed)
    assert seen.swallow == Swallow(kind="confirm", link="billing", connection=7)
    other = ground.strike(lost_confirm(after=delivery(3)), link="worker", fact=facts.Delivered)
    assert other.swallow == Swallow(kind="confirm", link="publisher")
    ground.links["publisher"].publishes = False
    other = ground.strike(lost_confirm(after=delivery(3)), link="worker", fact=facts.Delivered)
    assert other.swallow == Swallow(kind="confirm", link="billing")


@pytest.mark.parametrize(
    ("consumer", "link", "targets"),
    [
        (None, "worker#2", "worker#2"),
        (None, "publisher", "worker, worker#2, audit"),
        ("worker", "publisher", "worker, worker#2"),
        ("worker#2", "worker", "worker#2"),
    ],
)
def test_whom_a_process_fault_hits(
    ground: Ground, consumer: str | None, link: str | None, targets: str
) -> None:
    """The publisher is no process: at its events every consumer is meant."""
    ground.strike(consumer_crash(after=delivery(3), consumer=consumer), link=link, fact=None)
    assert ground.fired.target == targets


def test_nobody_to_hit_changes_nothing(ground: Ground) -> None:
    """A link without a connection, a consumer that has ended: vacuous, not an error."""
    ground.links["worker"].relays.clear()
    ground.strike(connection_drop(after=delivery(3)), fact=None)
    assert not ground.fired.changed


# --- what stands still ---


@pytest.mark.parametrize(
    ("fault", "link", "still"),
    [
        (connection_drop(after=delivery(3)), "worker", "worker"),
        (connection_reset(after=delivery(3), consumer="worker"), "audit", "worker worker#2"),
        (refuse(after=publish(3)), "publisher", "publisher"),
        (consumer_crash(after=ack(3)), "worker#2", "worker#2"),
        (consumer_crash(after=publish(3)), "publisher", "worker worker#2 audit"),
        (consumer_terminate(after=ack(3), consumer="*"), "worker", "worker worker#2 audit"),
        (broker_restart(after=ack(3)), "worker", "worker worker#2 audit publisher"),
        (lost_ack(after=delivery(3)), "worker", ""),
    ],
    ids=str,
)
def test_all_that_a_fault_aims_at_stands_still(ground: Ground, fault: Fault, link: str, still: str) -> None:
    """Every connection of the links it strikes, and new ones wait; a protocol fault strikes X's own only."""
    for each in ground.links.values():
        each.relays.append(FakeRelay(ground.log, each.name))
    names = still.split()
    go_on = ground.strikes.stand_still(ground.armed(fault), link)
    assert {each.name for each in ground for relay in each.relays if relay.holds == 1} == set(names)
    assert all(len({relay.holds for relay in each.relays}) == 1 for each in ground)
    assert ground.log == [f"hold {name}" for name in names]
    ground.links["worker"].relays.append(FakeRelay(ground.log, "worker"))  # came in meanwhile, and waits
    go_on()
    assert not any(relay.holds for each in ground for relay in each.relays)
    assert ground.log[len(names) :] == [f"let {name}" for name in names]


# --- order ---


def test_a_crash_after_an_ack(ground: Ground) -> None:
    """Stop first, pass X on; end the connection of a group that stands, and kill it."""
    ground.strike(consumer_crash(after=ack(3)))
    assert ground.log == ["stopped worker", "X passed", "close worker (fault)", "kill group of worker"]
    assert (ground.fired.changed, ground.fired.actor, ground.fired.message) == (True, "signal", ID)


def test_a_crash_before_an_ack(ground: Ground) -> None:
    """X dies with the process."""
    ground.strike(consumer_crash(before=ack(3)))
    assert ground.log == ["stopped worker", "X taken", "close worker (fault)", "kill group of worker"]


def test_the_crash_of_the_first_process(ground: Ground) -> None:
    """Its children may have connections of their own: only its own, and the one that stands at X, end with it."""
    link = ground.links["worker"]
    own, childs = FakeRelay(ground.log, "worker"), FakeRelay(ground.log, "worker")
    link.relays += [own, childs]
    own.client_left = True
    ground.strike(consumer_crash(before=ack(3), process="main"))
    assert ground.log == [
        "stopped worker", "X taken", "kill main of worker", "close worker (fault)", "close worker (fault)",
    ]  # fmt: skip
    assert [relay.closed for relay in link.relays] == [True, True, False]


def test_what_a_killed_child_said_behind_x_dies(ground: Ground) -> None:
    """Its connection ends with it, and nothing that waited on it is passed on; those of others go on."""
    link = ground.links["worker"]
    childs = FakeRelay(ground.log, "worker")
    link.relays.append(childs)
    childs.client_left = True
    ground.strike(consumer_crash(after=ack(3), process="child"))
    assert [relay.closed for relay in link.relays] == [False, True]
    childs.closed = False
    ground.strike(consumer_crash(before=ack(3), process="child"))
    assert not childs.closed


def test_the_crash_of_a_child_lets_x_go(ground: Ground) -> None:
    """The first process still has its connection, and goes on."""
    ground.strike(consumer_crash(before=ack(3), process="child"))
    assert ground.log == ["stopped worker", "kill child of worker", "cont worker"]


def test_a_crash_elsewhere_lets_x_go(ground: Ground) -> None:
    """X of a connection that is not struck is not lost by it."""
    ground.strike(consumer_crash(before=ack(3), consumer="audit"))
    assert "X taken" not in ground.log
    ground.log.clear()
    ground.strike(consumer_crash(before=publish(3)), link="publisher", fact=facts.Published)
    assert "X taken" not in ground.log


def test_a_termination_lets_x_go(ground: Ground) -> None:
    """The process is asked while X is on its way, and may drain."""
    armed = ground.strike(consumer_terminate(before=ack(3)))
    assert armed.healed.wait(TIMEOUT)
    assert ground.log == ["stopped worker", "SIGTERM worker"]
    assert any("ended 0.0" in event.text for event in ground.history if isinstance(event, facts.Noted))


def test_all_terminated_share_one_grace(ground: Ground) -> None:
    """Three that hang do not take three times as long."""
    given: list[float] = []
    for replica in ground.all:
        replica.ending = lambda grace: (given.append(grace), threading.Event().wait(0.05))[0]
    armed = ground.strike(
        consumer_terminate(after=delivery(3), consumer="*", grace=0.1), fact=facts.Delivered
    )
    assert armed.healed.wait(TIMEOUT)
    assert given[0] <= 0.1
    assert given[1] <= 0.06
    assert given[2] <= 0.01


def test_a_termination_that_fails_is_over(ground: Ground) -> None:
    """Settling does not wait for it for ever."""

    def fail(grace: float) -> None:
        raise ChaosError("process group 7 runs as another user")

    ground.all[0].ending = fail
    armed = ground.strike(consumer_terminate(after=delivery(3)), fact=facts.Delivered)
    assert armed.healed.wait(TIMEOUT)
    assert "another user" in str(armed.error)


def test_a_drop(ground: Ground) -> None:
    """What comes in while the route is cut waits until it is up again."""
    ground.strike(connection_drop(after=delivery(3)), fact=facts.Delivered)
    assert ground.log == [
        "X passed", "hold worker", "down worker", "close worker (fault)", "up worker", "let worker",
    ]  # fmt: skip
    assert ground.fired.actor == "toxiproxy"


def test_a_reset(ground: Ground) -> None:
    """The wire resets first, then the broker sees the end."""
    ground.strike(connection_reset(before=ack(3)))
    assert ground.log == [
        "X taken", "hold worker", "reset worker (fault)", "down worker", "up worker", "let worker",
    ]  # fmt: skip
    assert ground.fired.actor == "wire"


def test_a_cut_that_does_not_arrive_is_an_error(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """Toxiproxy says that it cut, and the connection is there: nothing is what it seems."""
    monkeypatch.setattr(cuts, "_CUT_TIMEOUT", 0.1)
    ground.links["worker"].cuts = False
    with pytest.raises(ChaosError, match="said that it cut worker, but its connection was open"):
        ground.strike(connection_drop(after=delivery(3)), fact=None)
    assert ground.log[-1] == "let worker"


def test_a_cut_behind_a_client_that_takes_no_more(ground: Ground) -> None:
    """Nobody reads a socket whose receiver is full, so its end does not show; it is cut all the same."""
    ground.links["worker"].cuts = False
    ground.links["worker"].relays[0].reading = False
    ground.strike(connection_drop(after=delivery(3)), fact=None)
    assert ground.fired.changed


def test_an_x_that_may_not_have_arrived_is_told(ground: Ground) -> None:
    """The moment was not exact, and the account says so."""
    ground.strike(consumer_crash(after=ack(3)), arrives=False)
    (noted,) = [event.text for event in ground.history if isinstance(event, facts.Noted)]
    assert noted == (
        "consumer_crash(after=ack(3)): ack(3) was passed on, and had not surely arrived when it struck"
    )


def test_processes_that_cannot_be_stopped_do_not_break_the_wire(ground: Ground) -> None:
    """The strike itself will say so."""

    def refuse_signal() -> None:
        raise ChaosError("runs as another user")

    ground.all[0].process.stop = refuse_signal
    ground.strikes.stop_first(ground.armed(consumer_crash(after=ack(3))), "worker")
    ground.strikes.stop_first(ground.armed(consumer_crash(after=ack(3))), "worker#2")
    ground.strikes.stop_first(ground.armed(connection_drop(after=ack(3))), "worker#2")
    assert ground.log == ["stop worker#2"]


# --- refusal and restart ---


def test_a_refusal_and_its_heal(ground: Ground) -> None:
    """Nobody is welcome before the broker greets through the route."""
    armed = ground.strike(refuse(after=delivery(3), duration=0.05), fact=facts.Delivered)
    assert armed.healed.wait(TIMEOUT)
    assert ground.log == [
        "X passed", "refuse worker", "hold worker", "down worker", "close worker (fault)", "let worker",
        "up worker", "reach worker", "welcome worker",
    ]  # fmt: skip


def test_a_refusal_is_healed_once(ground: Ground) -> None:
    """By hand and by its duration at the same time."""
    armed = ground.strike(refuse(duration=0.01), fact=None)
    handle = ground.handle(armed)
    handle.heal()
    handle.heal()
    assert armed.healed.wait(TIMEOUT)
    threading.Event().wait(0.05)
    assert ground.log.count("welcome worker") == 1


def test_overlapping_refusals(ground: Ground) -> None:
    """The route stays down until the last of them is healed, and a drop in between does not open it."""
    first = ground.strike(refuse(duration=60), fact=None)
    second = ground.strike(refuse(duration=60), fact=None)
    ground.log.clear()
    ground.handle(first).heal()
    assert ground.log == ["welcome worker"]
    ground.strike(connection_drop(after=delivery(3)), fact=None)
    assert "up worker" not in ground.log
    ground.handle(second).heal()
    assert ground.log[-3:] == ["up worker", "reach worker", "welcome worker"]
    assert ground.links["worker"].refused == 0


def test_a_restart(ground: Ground) -> None:
    """All links refuse and stand still, only goodbyes pass, and all are welcome once the broker greets."""
    ground.strike(broker_restart(before=ack(3)))
    names = list(ground.links)
    assert ground.log == [
        "X taken", *(f"refuse {n}" for n in names), *(f"goodbye to {n}" for n in names), "broker stops",
        *(f"close {n} (broker)" for n in names), "broker starts",
        *(f"reach {n}" for n in names), *(f"welcome {n}" for n in names),
    ]  # fmt: skip
    assert [type(event) for event in ground.history] == [
        facts.FaultFired, facts.BrokerStopped, facts.BrokerStarted, facts.FaultHealed,
    ]  # fmt: skip


def test_a_restart_while_a_link_is_refused(ground: Ground) -> None:
    """It does not wait for the other fault's end, and leaves the link refused."""
    armed = ground.strike(refuse(duration=60), fact=None)
    ground.log.clear()
    ground.strike(broker_restart(after=delivery(3)), fact=None)
    assert "reach worker" not in ground.log
    assert "reach worker#2" in ground.log
    assert ground.links["worker"].refused == 1
    ground.handle(armed).heal()
    assert ground.links["worker"].refused == 0


def test_a_refusal_that_ends_while_the_broker_is_down(ground: Ground) -> None:
    """Its heal waits until the broker is back."""
    go = threading.Event()
    stop = ground.hand.start_app
    ground.hand.start_app = lambda: (go.wait(TIMEOUT), stop())
    armed = ground.strike(refuse(duration=0.05), fact=None)

    async def restart() -> None:
        ground.thread.spawn(ground.strikes(ground.armed(broker_restart()), None, None, "by hand"))

    ground.thread.call(restart(), timeout=TIMEOUT, what="a restart")
    assert not armed.healed.wait(0.15)
    go.set()
    assert armed.healed.wait(TIMEOUT)
    assert armed.error is None


def test_a_restart_that_fails_lets_clients_in_again(ground: Ground) -> None:
    """Whatever happens, no link stays refused."""

    def fail() -> None:
        raise ChaosError("rabbitmqctl: timeout")

    ground.hand.stop_app = fail
    with pytest.raises(ChaosError, match="rabbitmqctl"):
        ground.strike(broker_restart(after=delivery(3)), fact=None)
    assert [link.refused for link in ground] == [0] * 4


# --- a broker that is killed or frozen ---

CRASH, FREEZE = broker_crash(), Fault(kind="broker_freeze", family="broker")


def test_a_crash_of_the_broker(ground: Ground) -> None:
    """All links refuse, nothing says goodbye, and all are welcome once the broker greets."""
    ground.strike(CRASH, link=None, fact=None)
    names = list(ground.links)
    assert ground.log == [
        *(f"hold {n}" for n in names), *(f"refuse {n}" for n in names), "broker dies",
        *(f"close {n} (broker)" for n in names), "broker starts",
        *(f"reach {n}" for n in names), *(f"welcome {n}" for n in names), *(f"let {n}" for n in names),
    ]  # fmt: skip
    assert [(type(event), getattr(event, "how", "")) for event in ground.history] == [
        (facts.FaultFired, ""), (facts.BrokerStopped, "crash"), (facts.BrokerStarted, "crash"), (facts.FaultHealed, ""),
    ]  # fmt: skip


def test_a_young_queue_is_waited_for(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is killed may lose it: the wait stands in the history, before the strike."""
    monkeypatch.setattr(outages, "_OF_AGE", 0.2)
    ground.queues = tuple(
        QueueState(name=name, type="classic", ready=0, unacknowledged=0, transit=0, exact=True)
        for name in ("audit", "orders")
    )
    ground.ages.known("audit", at=now() - 10**9)
    ground.ages.known("orders", at=now() - 10**8)
    held: list[int] = []
    census = ground.hand.census
    ground.hand.census = lambda namespace: (
        held.append(ground.links["worker"].relays[0].holds),
        census(namespace),
    )[1]
    started = time.monotonic()
    ground.strike(CRASH, link=None, fact=None)
    assert held[0] == 1  # the stream stands still
    assert ground.links["worker"].relays[0].holds == 0
    assert time.monotonic() - started >= 0.1
    noted = next(event for event in ground.history if isinstance(event, facts.Noted))
    assert re.fullmatch(
        r"broker_crash\(\): waited 0\.[12] s first: `orders` was 0\.1 s old, and a broker that is killed may lose "
        r"a queue younger than 0\.2 s",
        noted.text,
    )
    assert [type(event) for event in ground.history][:2] == [facts.Noted, facts.FaultFired]


def test_queues_of_age_are_not_waited_for(ground: Ground) -> None:
    """Then the crash is at once, and there is nothing to tell."""
    state = QueueState(name="orders", type="quorum", ready=0, unacknowledged=0, transit=0, exact=True)
    ground.queues = (state,)
    ground.ages.known("orders", at=now() - 4 * 10**9)
    started = time.monotonic()
    ground.strike(CRASH, link=None, fact=None)
    assert time.monotonic() - started < 2
    assert not [event for event in ground.history if isinstance(event, facts.Noted)]


def test_a_broker_that_does_not_come_back_lets_clients_in(ground: Ground) -> None:
    """Whatever happens, no link stays refused."""

    def fail() -> None:
        raise ChaosError("it ended (exit code 1)")

    ground.hand.start_again = fail
    with pytest.raises(ChaosError, match="exit code 1"):
        ground.strike(CRASH, link=None, fact=None)
    assert [link.refused for link in ground] == [0] * 4


def test_a_freeze_and_its_thaw(ground: Ground) -> None:
    """Connections stay open and new ones hang, as with any broker that stands still: no link refuses."""
    armed = ground.strike(FREEZE, link=None, fact=None)
    assert ground.log == ["broker stands"]
    assert not armed.healed.is_set()
    handle = ground.handle(armed)
    handle.heal()
    handle.heal()
    assert ground.log == ["broker stands", "broker goes on", *(f"reach {name}" for name in ground.links)]
    assert [(type(event), getattr(event, "how", "")) for event in ground.history] == [
        (facts.FaultFired, ""), (facts.BrokerStopped, "freeze"),
        (facts.BrokerStarted, "freeze"), (facts.FaultHealed, ""),
    ]  # fmt: skip


def test_a_freeze_for_a_while(ground: Ground) -> None:
    """With a duration it thaws by itself, and X goes on when it is in force."""
    armed = ground.strike(broker_freeze(before=ack(3), duration=0.05))
    assert armed.healed.wait(TIMEOUT)
    assert "X taken" not in ground.log
    assert "broker goes on" in ground.log


def test_overlapping_freezes_of_the_broker(ground: Ground) -> None:
    """It stands from the first to the end of the last, and that is one stop."""
    first, second = (ground.strike(broker_freeze(duration=60), fact=None) for _ in range(2))
    second.number = 1
    ground.handle(first).heal()
    assert ground.log == ["broker stands"]
    ground.handle(second).heal()
    assert ground.log[1] == "broker goes on"
    stops = [type(e) for e in ground.history if isinstance(e, facts.BrokerStopped | facts.BrokerStarted)]
    assert stops == [facts.BrokerStopped, facts.BrokerStarted]


@pytest.mark.parametrize(("fault", "ends"), [(CRASH, "broker dies"), (broker_restart(), "broker stops")])
def test_a_frozen_broker_goes_on_before_it_is_stopped(ground: Ground, fault: Fault, ends: str) -> None:
    """The freeze is over then, and its own end finds nothing to do."""
    freeze = ground.strike(broker_freeze(duration=0.3), fact=None)
    ground.strike(fault, fact=None)
    assert freeze.healed.is_set()
    order = [
        line for line in ground.log if line in ("broker stands", "broker goes on", ends, "broker starts")
    ]
    assert order == ["broker stands", "broker goes on", ends, "broker starts"]
    (noted,) = [event.text for event in ground.history if isinstance(event, facts.Noted)]
    assert noted == f"{fault}: the broker stood still (broker_freeze(duration=0.3)), and goes on first"
    ground.handle(freeze).heal()
    assert ground.log.count("broker goes on") == 1


def test_two_outages_at_once_follow_each_other(ground: Ground) -> None:
    """The second waits until the broker is back: it is never stopped while it is down."""
    go = threading.Event()
    start = ground.hand.start_app
    ground.hand.start_app = lambda: (go.wait(TIMEOUT), start())
    done = threading.Event()

    async def both() -> None:
        async def strike(fault: Fault, then: Callable[[], object]) -> None:
            await ground.strikes(ground.armed(fault), None, None, "by hand")
            then()

        ground.thread.spawn(strike(broker_restart(), lambda: None))
        ground.thread.spawn(strike(CRASH, done.set))

    ground.thread.call(both(), timeout=TIMEOUT, what="two outages")
    assert not done.wait(0.1)
    assert "broker dies" not in ground.log
    go.set()
    assert done.wait(TIMEOUT)
    order = [line for line in ground.log if line in ("broker stops", "broker starts", "broker dies")]
    assert order == ["broker stops", "broker starts", "broker dies", "broker starts"]


def test_what_fails_while_a_fault_is_healed(ground: Ground) -> None:
    """Whatever it is, the fault is over and the run has an error: nobody waits for it for ever."""

    async def fails() -> None:
        raise OSError(9, "Bad file descriptor")

    ground.links["worker"].welcome = fails  # type: ignore[method-assign]
    armed = ground.strike(refuse(duration=0.01), fact=None)
    assert armed.healed.wait(TIMEOUT)
    said = "healing refuse(duration=0.01) failed: OSError: [Errno 9] Bad file descriptor"
    assert str(armed.error) == said


def test_a_fault_that_is_never_healed(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a deadline, and the run has an error then."""
    monkeypatch.setattr(course, "_HEAL_TIMEOUT", 0.05)

    async def hangs() -> None:
        await asyncio.sleep(60)

    ground.links["worker"].welcome = hangs  # type: ignore[method-assign]
    armed = ground.strike(refuse(duration=0.01), fact=None)
    assert armed.healed.wait(TIMEOUT)
    assert str(armed.error) == "healing refuse(duration=0.01) took longer than 0.05 s"


# --- a consumer that stands still ---


@pytest.mark.parametrize(("fault", "x"), [(consumer_freeze(after=ack(3), duration=0.05), ["X passed"]),
                                          (consumer_freeze(before=ack(3), duration=0.05), [])], ids=str)  # fmt: skip
def test_a_freeze_of_a_consumer(ground: Ground, fault: Fault, x: list[str]) -> None:
    """It stands before X arrives; before X, X goes on once it stands; it goes on by itself."""
    armed = ground.strike(fault)
    assert armed.healed.wait(TIMEOUT)
    assert ground.log == ["stopped worker", *x, "freeze worker", "thaw worker"]
    assert (ground.fired.changed, ground.fired.actor, ground.fired.target) == (True, "signal", "worker")


def test_overlapping_freezes_of_a_consumer(ground: Ground) -> None:
    """It goes on when the last of them is over."""
    first, second = (ground.strike(consumer_freeze(duration=60), fact=None) for _ in range(2))
    ground.handle(first).heal()
    assert "thaw worker" not in ground.log
    ground.handle(second).heal()
    assert ground.log[-1] == "thaw worker"


def test_a_consumer_that_the_test_has_frozen(ground: Ground) -> None:
    """It stands already, and the end of the fault does not let it go on."""
    ground.all[0].held = True
    armed = ground.strike(consumer_freeze(duration=0.01), fact=None)
    assert not ground.fired.changed
    assert armed.healed.wait(TIMEOUT)
    assert ground.all[0].held


def test_a_consumer_that_ended_while_it_stood_still(ground: Ground) -> None:
    """The process in its place was never frozen."""
    armed = ground.strike(consumer_freeze(duration=60), fact=None)
    ground.all[0].process = FakeProcess(ground.log, "worker")
    ground.handle(armed).heal()
    assert "thaw worker" not in ground.log
    assert armed.healed.is_set()


def test_a_consumer_that_is_started_anew_while_it_is_frozen(ground: Ground) -> None:
    """Another fault ended it between its stop and X: whoever runs in its place was not meant, and nobody frees it."""
    replica = ground.all[0]
    replica.standing = lambda: setattr(replica, "process", FakeProcess(ground.log, "worker"))
    armed = ground.strike(consumer_freeze(after=ack(3), duration=0.01))
    assert armed.healed.wait(TIMEOUT)
    assert ground.log == ["stopped worker", "X passed"]
    assert ground.fired.changed, "it stood until then"


def test_a_freeze_of_a_consumer_that_is_gone(ground: Ground) -> None:
    """It changes nothing, and is over at its time all the same."""
    ground.all[0].alive = False
    armed = ground.strike(consumer_freeze(duration=0.01), fact=None)
    assert not ground.fired.changed
    assert armed.healed.wait(TIMEOUT)
    assert ground.log == []


# --- lost acks ---


def test_a_lost_ack(ground: Ground) -> None:
    """Its frame is swallowed, and the connection reset."""
    ground.strike(lost_ack(before=ack(3)))
    assert ground.log == ["X taken", "reset worker (fault)"]
    assert (ground.fired.target, ground.fired.actor) == ("worker", "wire")


@pytest.mark.parametrize(
    ("fault", "fact"),
    [
        (lost_ack(after=ack(3)), facts.Acked),
        (lost_ack(after=delivery(3)), facts.Delivered),
        (lost_ack(before=delivery(3)), facts.Delivered),
    ],
    ids=str,
)
def test_a_lost_ack_at_another_moment(ground: Ground, fault: Fault, fact: type) -> None:
    """The first ack after it: it waits."""
    armed = ground.strike(fault, fact=fact)
    assert armed.swallow == Swallow(link="worker", connection=7)
    assert ground.log == (["X passed"] if fault.position == "after" else [])
    assert not armed.fired


@pytest.mark.parametrize(
    ("consumer", "link", "swallow"),
    [
        (None, "publisher", Swallow(consumer="*")),
        ("audit", "publisher", Swallow(consumer="audit")),
        ("audit", "worker", Swallow(consumer="audit")),
        ("worker#1", "worker#2", Swallow(consumer="worker#1")),
        ("worker", "worker#2", Swallow(link="worker#2", connection=7)),
        ("worker#1", "worker", Swallow(link="worker", connection=7)),
        ("*", "worker", Swallow(link="worker", connection=7)),
        (None, None, Swallow(consumer="*")),
        ("audit", None, Swallow(consumer="audit")),
    ],
)
def test_whose_ack_is_lost(ground: Ground, consumer: str | None, link: str | None, swallow: Swallow) -> None:
    """That of the connection X was on, unless X is the publisher's, which acknowledges nothing, or another is named."""
    armed = ground.strike(lost_ack(after=confirm(3), consumer=consumer), link=link, fact=facts.Confirmed)
    assert armed.swallow == swallow


def test_a_lost_confirm(ground: Ground) -> None:
    """The publisher's frame is swallowed, and its connection reset."""
    ground.strike(lost_confirm(before=confirm(3)), link="publisher", fact=facts.Confirmed)
    assert ground.log == ["X taken", "reset publisher (fault)"]
    assert (ground.fired.target, ground.fired.actor, ground.fired.message) == ("publisher", "wire", ID)


@pytest.mark.parametrize(
    ("fault", "link", "fact", "connection"),
    [
        (lost_confirm(after=confirm(3)), "publisher", facts.Confirmed, 7),
        (lost_confirm(before=publish(3)), "publisher", facts.Published, 7),
        (lost_confirm(after=ack(3)), "worker", facts.Acked, None),
        (lost_confirm(after=effect(3)), "worker", facts.Acked, None),
        (lost_confirm(), None, None, None),
    ],
    ids=str,
)
def test_a_lost_confirm_at_another_moment(
    ground: Ground, fault: Fault, link: str | None, fact: type | None, connection: int | None
) -> None:
    """The first confirm after it: on X's own connection where X is the publisher's, else on any."""
    armed = ground.strike(fault, link=link, fact=fact)
    assert armed.swallow == Swallow(kind="confirm", link="publisher", connection=connection)
    assert ground.log == (["X passed"] if fault.position == "after" and fact else [])
    assert not armed.fired


def test_the_nth_of_a_frame_is_named(ground: Ground) -> None:
    """Under `multiple` the frame settles several: the one that brought the count to n is the moment's."""
    armed = ground.armed(consumer_crash(before=ack(3)))
    held = FakeHeld(ground.log, ground.links["worker"].relays[0])
    first = replace(held.found[0], message="orders-k3f9-000001", multiple=True)
    held.found.insert(0, first)
    armed.message = ID
    ground.thread.call(ground.strikes(armed, held, "worker", "ack(3)"), timeout=TIMEOUT, what="the strike")
    assert ground.fired.message == ID


def test_a_lost_ack_after_an_effect(ground: Ground) -> None:
    """The settlement that is held behind the effect is the first ack after it, if it is an ack."""
    armed = ground.armed(lost_ack(after=effect(3)))
    armed.position = "before"
    for fact, log in ((facts.Nacked, []), (facts.Acked, ["X taken", "reset worker (fault)"])):
        armed.swallow, armed.message = None, "orders-k3f9-000001"
        held = FakeHeld(ground.log, ground.links["worker"].relays[0], fact)
        ground.thread.call(
            ground.strikes(armed, held, "worker", "effect(3)"), timeout=TIMEOUT, what="the strike"
        )
        assert ground.log == log
    assert armed.fired
    assert ground.fired.message == ID  # whose ack it was, not whose effect
