"""A correct broker and correct consumers, simulated: whatever happens to them, no promise is broken.

The broker keeps queues, hands out copies, processes settlements some time after they were passed on, and takes
back what was open when a channel, a connection, a process or itself ends. The consumers work once per message
(they remember), or as often as they are asked (`remembers` False), and settle after the work.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from check_builders import Hand, Run, name, queue

from pytest_mqchaos.model import events as e
from pytest_mqchaos.model.topology import QueueState


@dataclass
class Copy:
    """One copy in the broker."""

    number: int
    deaths: int = 0
    given: bool = False


@dataclass
class Worker:
    """A consumer: what it has in hand, and what it sent that the broker has not processed."""

    link: str
    queue: str
    up: bool = False
    hands: dict[int, tuple[Copy, Hand | None]] = field(default_factory=dict)
    flying: deque[tuple[str, Copy]] = field(default_factory=deque)
    next_key: int = 0


class Simulation:
    """One run of a simulated broker with two consumers (of one queue, or each of its own with `fan_out`)."""

    def __init__(
        self, random: Random, *, remembers: bool = True, fan_out: bool = False, loses: float = 0.0
    ) -> None:
        self.random = random
        self.remembers = remembers
        self.fan_out = fan_out
        self.loses = loses
        self.count = random.randint(1, 8)
        names = ["mail", "bill"] if fan_out else ["orders", "orders"]
        self.run = Run(self.count, to="" if fan_out else "orders", expect=2 if fan_out else 1)
        self.run.bind("events", "fanout", ("", "mail"), ("", "bill"))
        self.queues: dict[str, deque[Copy]] = {each: deque() for each in (*names, "wait")}
        self.workers = [Worker("worker", names[0]), Worker("other", names[1])]
        self.published = 0
        self.forgettable: list[tuple[str, Copy]] = []
        self.done: set[tuple[int, str]] = set()
        self.mischief = random.randint(0, 25)

    # --- the broker ---

    def states(self) -> list[QueueState]:
        """The truth about every queue."""
        found = []
        for each, copies in self.queues.items():
            held = sum(len(one.hands) + len(one.flying) for one in self.workers if one.queue == each)
            settings: dict[str, object] = {"dead_letter_exchange": "", "dead_letter_routing_key": "wait"}
            if each == "wait":
                back = "mail" if self.fan_out else "orders"
                settings = {"dead_letter_exchange": "", "dead_letter_routing_key": back, "message_ttl": 0.01}
            found.append(queue(each, ready=len(copies), unacknowledged=held, **settings))
        return found

    def empty(self) -> bool:
        """Whether the broker holds nothing."""
        return not any(self.queues.values()) and not any(one.hands or one.flying for one in self.workers)

    def process(self, worker: Worker) -> None:
        """The broker works one settlement off."""
        how, copy = worker.flying.popleft()
        if how == "requeue":
            copy.given = True
            self.queues[worker.queue].appendleft(copy)
        elif how == "drop":
            self.queues["wait"].append(Copy(copy.number, copy.deaths + 1))
        else:
            self.forgettable.append((worker.queue, copy))

    def take_back(self, worker: Worker) -> None:
        """A connection or channel ended: some settlements were still processed, the rest was eaten."""
        while worker.flying and self.random.random() < 0.5:
            self.process(worker)
        back = [copy for _, copy in worker.flying] + [copy for copy, _ in worker.hands.values()]
        worker.flying.clear()
        worker.hands.clear()
        for copy in back:
            copy.given = True
        self.queues[worker.queue].extendleft(back)

    # --- what can happen ---

    def publish(self) -> None:
        """The next message is published, confirmed at once or not at all."""
        if self.published < self.count:
            self.published += 1
            for each in {one.queue for one in self.workers}:
                self.queues[each].append(Copy(self.published))
            route = {"exchange": "events", "routing_key": ""} if self.fan_out else {}
            self.run.publish(self.published, confirm=self.random.random() < 0.9, **route)

    def deliver(self, worker: Worker) -> None:
        """The broker hands a copy to a consumer; a fault may take it before we see it."""
        ready = self.queues[worker.queue]
        if not worker.up or not ready or len(worker.hands) >= 3:
            return
        copy = ready.popleft()
        worker.next_key += 1
        if self.random.random() < 0.05:
            worker.hands[worker.next_key] = (copy, None)
            return
        deaths = f"{worker.queue} {copy.deaths}" if copy.deaths else None
        seen = self.random.random() < 0.95
        hand = self.run.deliver(
            copy.number, worker.queue, link=worker.link, redelivered=copy.given, deaths=deaths, passed=seen
        )
        worker.hands[worker.next_key] = (copy, hand if seen else None)

    def work(self, worker: Worker, *, tidy: bool = False) -> None:
        """A consumer works and settles; sometimes it gives back, tries later, or hands a copy on."""
        known = [key for key, (_, hand) in worker.hands.items() if hand is not None]
        if not worker.up or not known:
            return
        key = self.random.choice(known)
        copy, hand = worker.hands[key]
        assert hand is not None
        chance = 1.0 if tidy else self.random.random()
        if chance < 0.15:
            self.settle(worker, key, "requeue")
        elif chance < 0.25 and not self.fan_out and copy.deaths < 3:
            self.settle(worker, key, "drop")
        elif chance < 0.35 and not self.fan_out:
            self.queues["orders"].append(Copy(copy.number, copy.deaths))
            deaths = f"{worker.queue} {copy.deaths}" if copy.deaths else None
            self.run.republish(copy.number, "orders", link=worker.link, deaths=deaths)
            self.settle(worker, key, "ack", seen=(copy.number, worker.queue) in self.done)
        else:
            if (copy.number, worker.queue) not in self.done or not self.remembers:
                self.run.effect(copy.number, link=worker.link)
                self.done.add((copy.number, worker.queue))
            if chance > 0.4:
                self.settle(worker, key, "ack", seen=True)

    def settle(self, worker: Worker, key: int, how: str, *, seen: bool = False) -> None:
        """A settlement is sent, and passed on unless a fault swallows it."""
        copy, hand = worker.hands[key]
        assert hand is not None
        passed = self.random.random() < 0.95
        if how == "ack":
            self.run.ack(hand, effect_seen=seen, passed=passed)
        else:
            self.run.nack(hand, requeue=how == "requeue", passed=passed)
        if not passed:
            self.cut(worker)
            return
        del worker.hands[key]
        worker.flying.append((how, copy))

    def barrier(self, worker: Worker) -> None:
        """The broker answers for everything sent before."""
        if worker.up:
            while worker.flying:
                self.process(worker)
            self.run.barrier(worker.link)

    def cut(self, worker: Worker) -> None:
        """A connection ends; the broker may notice and deliver again before we see the end."""
        if worker.up:
            self.take_back(worker)
            worker.up = False
            for other in self.workers:
                if other is not worker and self.random.random() < 0.3:
                    self.deliver(other)
            self.run.lose(worker.link)

    def cancel(self, worker: Worker) -> None:
        """The broker cancels a consumer and takes everything back; it subscribes again."""
        if worker.up:
            tag = f"{worker.link}-{worker.queue}"
            self.run.on_channel(e.ConsumerCancelled, worker.link, consumer_tag=tag, queue=worker.queue)
            self.take_back(worker)
            self.run.subscribe(worker.queue, link=worker.link)

    def close_channel(self, worker: Worker) -> None:
        """A channel is closed and another opened."""
        if worker.up:
            self.run.on_channel(e.ChannelClosed, worker.link, by=self.random.choice(["client", "broker"]))
            self.take_back(worker)
            self.run.on_channel(e.ChannelOpened, worker.link).subscribe(worker.queue, link=worker.link)

    def connect(self, worker: Worker) -> None:
        """A consumer connects and subscribes."""
        if not worker.up:
            worker.up = True
            self.run.subscribe(worker.queue, link=worker.link)

    def crash(self, worker: Worker) -> None:
        """A process is killed and started again."""
        if worker.up:
            self.take_back(worker)
            worker.up = False
            self.run.end(worker.link).lose(worker.link).start(worker.link)

    def stop_broker(self) -> None:
        """The broker stops and starts; killed, it forgets acks."""
        how = self.random.choice(["restart", "crash"])
        self.run.add(e.BrokerStopped, how=how)
        for worker in self.workers:
            if worker.up:
                self.take_back(worker)
                worker.up = False
                self.run.lose(worker.link, by="broker")
        if how == "crash":
            for place, copy in self.forgettable:
                if self.random.random() < 0.5:
                    copy.given = True
                    self.queues[place].append(copy)
        self.forgettable.clear()
        self.run.add(e.BrokerStarted, how=how)

    def expire(self) -> None:
        """A message leaves the waiting room."""
        if self.queues["wait"]:
            self.queues["orders"].append(self.queues["wait"].popleft())

    def count_all(self) -> None:
        """A census is taken: what it calls settled must be."""
        self.run.census(*self.states())
        if not self.empty():
            assert not self.run.ledger().settled()[0], "settled with messages on their way"

    def lose_one(self) -> None:
        """The broker is not correct after all: a message that it holds is gone."""
        held = [copies for copies in self.queues.values() if copies]
        if held:
            self.random.choice(held).popleft()

    def step(self) -> None:
        """One thing happens."""
        if self.random.random() < self.loses:
            self.lose_one()
        worker = self.random.choice(self.workers)
        if self.mischief and self.random.random() < 0.25:
            self.mischief -= 1
            mischief = [self.cut, self.cancel, self.close_channel, self.crash]
            if self.random.random() < 0.1:
                self.stop_broker()
            else:
                self.random.choice(mischief)(worker)
            return
        kind = self.random.randint(0, 7)
        if kind == 0:
            self.publish()
        elif kind <= 2:
            self.deliver(worker)
        elif kind <= 4:
            self.work(worker)
        elif kind == 5:
            self.connect(worker)
        elif kind == 6:
            self.random.choice([self.expire, lambda: self.barrier(worker), self.count_all])()
        elif worker.flying:
            self.process(worker)

    def play(self) -> Run:
        """Let it all happen, then come to rest."""
        for _ in range(self.random.randint(10, 120)):
            self.step()
        self.mischief = 0
        while self.published < self.count:
            self.publish()
        while not self.empty():
            self.expire()
            for worker in self.workers:
                self.connect(worker)
                if any(hand is None for _, hand in worker.hands.values()):
                    self.cut(worker)
                    self.connect(worker)
                self.deliver(worker)
                self.work(worker, tidy=True)
                while worker.flying:
                    self.process(worker)
        self.run.lose("publisher")
        self.run.settled(*self.states())
        return self.run

    def stand_still(self) -> Run:
        """Let it all happen, then end it in the middle: consumers stay away, or keep what they have."""
        for _ in range(self.random.randint(10, 120)):
            self.step()
        for worker in self.workers:
            if self.random.random() < 0.7:
                self.cut(worker)
            while worker.flying:
                self.process(worker)
            if any(hand is None for _, hand in worker.hands.values()):
                self.cut(worker)  # what it never saw it may not keep: the wire saw nothing either
        self.run.lose("publisher")
        return self.run.unsettled(*self.states())

    def held(self) -> dict[str, set[int]]:
        """Numbers of the messages that are ready, by queue."""
        return {each: {copy.number for copy in copies} for each, copies in self.queues.items()}

    def in_hand(self) -> set[int]:
        """Numbers of the messages that consumers have."""
        return {copy.number for worker in self.workers for copy, _ in worker.hands.values()}

    def worked(self) -> set[str]:
        """Ids of messages whose work is all done."""
        wanted = {one.queue for one in self.workers}
        return {name(n) for n in range(1, self.count + 1) if all((n, each) in self.done for each in wanted)}
