"""The injector: what it counts, what strikes where, and on whom; no socket and no process."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.striking.course import Course
from pytest_mqchaos.experiment.striking.disturbance import disturbed
from pytest_mqchaos.experiment.striking.injection import Injection
from pytest_mqchaos.experiment.striking.injector import Armed, Injector, Swallow
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.faults import (
    Fault,
    connection_drop,
    consumer_crash,
    consumer_terminate,
    fragment,
    latency,
    lost_ack,
    lost_confirm,
    malformed_payload,
    refuse,
)
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.messages import Message
from pytest_mqchaos.model.triggers import (
    Trigger,
    ack,
    confirm,
    delivery,
    effect,
    nack,
    publish,
    seconds,
)

RUN = "k3f9"
TIMEOUT = 5.0


def message(number: int) -> str:
    """The id of a message of the run."""
    return f"orders-{RUN}-{number:06d}"


class FakeRelay:
    """A connection that stands still and goes on."""

    def __init__(self, link: str, number: int) -> None:
        self.observer = SimpleNamespace(link=link)
        self.number = number
        self.holds = 0
        self.was_held = False
        self.tight = False

    def tighten(self, client: object) -> None:
        assert client == f"processes of {self.observer.link}"
        self.tight = True

    def slacken(self) -> None:
        self.tight = False

    def hold(self) -> None:
        self.holds += 1
        self.was_held = True

    def release(self) -> None:
        self.holds -= 1


class Bench:
    """An injector whose strikes are only written down."""

    def __init__(self, *, seed: int = 1) -> None:
        self.thread = LoopThread()
        self.history = History(RUN)
        self.unread: list[facts.Effected] = []
        self.injector = Injector(self.history, self.thread, self._read, random.Random(seed))
        self.injector.bind(self)
        self.still: list[int] = []
        """The faults whose aims stand still."""
        self.relays: dict[tuple[str, int], FakeRelay] = {}
        self.struck: list[tuple[int, str | None, str, str]] = []
        """Number of the fault, link, position, `held` or `free`."""
        self.stopped: list[tuple[int, str]] = []
        self.during: Callable[[Armed, object], None] = lambda armed, held: None
        self.slow: threading.Event | None = None

    def _read(self) -> None:
        while self.unread:
            self.injector.saw_effect(self.unread.pop(0))

    def stop_first(self, armed: Armed, link: str) -> None:
        self.stopped.append((armed.number, link))

    def relays_of(self, link: str | None) -> list[FakeRelay]:
        return [
            relay for (name, _), relay in self.relays.items() if link in (None, name) and name != "publisher"
        ]

    def client_of(self, link: str) -> str:
        return f"processes of {link}"

    def stand_still(self, armed: Armed, link: str | None) -> Callable[[], None]:
        self.still.append(armed.number)
        return lambda: self.still.remove(armed.number)

    async def __call__(self, armed: Armed, held: object, link: str | None, words: str) -> None:
        self.during(armed, held)
        if self.slow is not None:
            await self.thread.blocking(self.slow.wait, TIMEOUT)
        if armed.swallow is None and armed.fault.kind == "lost_ack" and armed.position != "before":
            own = armed.fault.consumer is None
            armed.swallow = (
                Swallow(link=link, connection=armed.connection)
                if own
                else Swallow(consumer=armed.fault.consumer)
            )
            return
        armed.fired = True
        self.struck.append((armed.number, link, armed.position, "free" if held is None else "held"))

    def arm(self, fault: Fault, *, by_hand: bool = False) -> Armed:
        armed = self.injector.arm(fault, by_hand=by_hand)
        self.sync()
        return armed

    def plan(self, *numbers: int) -> None:
        """Make messages known, in the order of publishing."""
        for number in numbers:
            self.history.plan(Message(id=message(number), number=number, body=b"", digest=""))

    def sync(self) -> None:
        """Return when the link's thread has done all it was asked before."""

        async def nothing() -> None: ...

        self.thread.call(nothing(), timeout=TIMEOUT, what="nothing")

    def relay(self, link: str, number: int = 1) -> FakeRelay:
        return self.relays.setdefault((link, number), FakeRelay(link, number))

    def saw(self, *found: facts.LinkEvent, settlement: bool = False) -> bool:
        """Let a frame of these facts come by; return whether something struck at it."""
        relay = self.relay(found[0].link, found[0].connection)

        async def frame() -> bool:
            early = self.injector.before_settlement(relay) if settlement else None
            own = self.injector.match(relay, found)
            for strike in (early, own):
                if strike is not None:
                    await strike(SimpleNamespace(found=found, relay=relay))
            return early is not None or own is not None

        return self.thread.call(frame(), timeout=TIMEOUT, what="a frame")

    def delivered(
        self, number: int, *, link: str = "worker", connection: int = 1, queue: str = "orders", **more: object
    ) -> bool:
        found = facts.Delivered(
            at=now(),
            link=link,
            connection=connection,
            channel=1,
            message=message(number),
            tag=number,
            queue=queue,
            **more,
        )
        return self.saw(found)

    def acked(self, *numbers: int, link: str = "worker", connection: int = 1) -> bool:
        return self.saw(
            *(
                facts.Acked(
                    at=now(),
                    link=link,
                    connection=connection,
                    channel=1,
                    message=message(n),
                    tag=n,
                    multiple=len(numbers) > 1,
                )
                for n in numbers
            ),
            settlement=True,
        )

    def effect(self, number: int, *, consumer: str | None = None, count: int = 1) -> facts.Effected:
        return facts.Effected(
            at=now(),
            message=message(number),
            source="file",
            name=message(number),
            consumer=consumer,
            count=count,
        )

    def await_struck(self, count: int = 1) -> None:
        deadline = time.monotonic() + TIMEOUT
        while len(self.struck) < count:
            assert time.monotonic() < deadline, f"{count} strikes awaited: {self.struck}"
            time.sleep(0.001)
        self.sync()


@pytest.fixture
def bench() -> Iterator[Bench]:
    """An injector on a link thread of its own."""
    made = Bench()
    try:
        yield made
    finally:
        made.thread.close()


# --- counting ---


def test_the_nth_delivery_strikes(bench: Bench) -> None:
    """And no other."""
    bench.arm(connection_drop(after=delivery(3)))
    assert [bench.delivered(n) for n in (1, 2, 3, 4)] == [False, False, True, False]
    assert bench.struck == [(0, "worker", "after", "held")]


def test_redeliveries_and_gets_count(bench: Bench) -> None:
    """Every delivery of this run's ids counts, whatever it is the delivery of."""
    bench.arm(connection_drop(after=delivery(3)))
    bench.delivered(1)
    bench.delivered(1, redelivered=True)
    assert bench.delivered(9, get=True)


def test_foreign_messages_do_not_count(bench: Bench) -> None:
    """What has no id of this run is left alone."""
    bench.arm(connection_drop(after=delivery(2)))
    foreign = facts.Delivered(at=1, link="worker", connection=1, message=None, tag=1, queue="orders")
    assert not bench.saw(foreign)
    assert not bench.delivered(1)
    assert not bench.saw(foreign)
    assert bench.delivered(2)


def test_replicas_count_together(bench: Bench) -> None:
    """`n` counts over all replicas; the one on which X happened is struck."""
    bench.arm(connection_drop(after=delivery(3), consumer="worker"))
    bench.delivered(1)
    bench.delivered(2, link="other")
    bench.delivered(2, link="worker#2")
    assert bench.delivered(3, link="worker#2")
    assert bench.struck == [(0, "worker#2", "after", "held")]


def test_a_named_consumer_narrows(bench: Bench) -> None:
    """Another consumer's deliveries neither count nor are struck at."""
    bench.arm(connection_drop(after=delivery(2), consumer="audit"))
    assert [bench.delivered(n) for n in (1, 2, 3)] == [False] * 3
    assert not bench.delivered(4, link="audit")
    assert not bench.delivered(5)
    assert bench.delivered(6, link="audit")


def own(kind: type[facts.LinkEvent], link: str = "worker", name: str | None = None) -> facts.LinkEvent:
    """What a consumer publishes itself, or the confirm of that."""
    more = {} if name is None else {"message": name}
    if kind is facts.Republished:
        more |= {"exchange": "", "routing_key": "bills"}
    return kind(at=now(), link=link, connection=1, channel=1, **more)


def test_by_counts_a_consumers_own_publishing(bench: Bench) -> None:
    """Copies and messages of its own count for whom `by=` names, and for nobody else."""
    bench.arm(connection_drop(after=publish(3, by="worker")))
    bench.arm(connection_drop(after=publish(2)))
    assert not bench.saw(own(facts.Emitted))
    assert not bench.saw(own(facts.Republished, "audit", message(1)))
    assert not bench.saw(own(facts.Republished, "worker", message(1)))
    assert bench.saw(own(facts.Emitted, "worker#2"))
    assert bench.struck == [(0, "worker#2", "after", "held")]
    assert bench.injector.count(publish()) == 0
    assert bench.injector.count(publish(by="worker")) == 3


def test_by_counts_a_consumers_own_confirms(bench: Bench) -> None:
    """The confirm of what a consumer published is a moment of its own."""
    bench.arm(lost_confirm(before=confirm(2, by="worker")))
    assert [bench.saw(own(facts.OwnConfirmed)) for _ in range(3)] == [False, True, False]


def test_by_names_one_producer(bench: Bench) -> None:
    """Of several that publish, the one that `by=` names is meant."""
    bench.arm(connection_drop(after=publish(2, by="billing")))
    places = [("publisher", 1), ("billing", 2), ("publisher", 3), ("billing", 4)]
    found = [
        bench.saw(facts.Published(at=now(), link=link, connection=1, channel=1, message=message(n)))
        for link, n in places
    ]
    assert found == [False, False, False, True]


def test_a_queue_narrows_deliveries_and_settlements(bench: Bench) -> None:
    """A settlement belongs to the queue its delivery came from."""
    bench.arm(connection_drop(after=delivery(2, queue="audit")))
    bench.arm(connection_drop(after=ack(1, queue="audit")))
    assert not bench.delivered(1, queue="orders")
    assert not bench.delivered(2, queue="audit")
    assert not bench.acked(1)
    assert bench.acked(2)
    assert not bench.delivered(3, queue="orders")
    assert bench.delivered(4, queue="audit")


def test_a_message_is_named_by_its_place(bench: Bench) -> None:
    """`delivery(message=3)`: the first delivery of the third that was published, poison counted like the others."""
    bench.plan(1, 12, 2, 11, 3)
    bench.arm(connection_drop(after=delivery(message=3)))
    assert [bench.delivered(n) for n in (1, 12, 3, 11, 2, 2)] == [False] * 4 + [True, False]


def test_a_place_goes_on_in_the_next_publication(bench: Bench) -> None:
    """Also where that is published after the fault was armed."""
    bench.plan(1, 2)
    bench.arm(connection_drop(after=ack(message=3)))
    bench.delivered(2)
    assert not bench.acked(2)
    bench.plan(4, 3)
    assert [bench.acked(n) for n in (3, 4)] == [False, True]


def test_a_queue_narrows_a_message_too(bench: Bench) -> None:
    """A message that is delivered from two queues: the settlement of the delivery from the one named."""
    bench.plan(1, 2)
    bench.arm(connection_drop(after=ack(message=2, queue="audit")))
    bench.arm(connection_drop(after=nack(message=2, queue="audit")))
    bench.delivered(2, queue="orders")
    assert not bench.acked(2)
    bench.delivered(2, queue="audit")
    assert bench.acked(2)
    bench.delivered(2, queue="audit")
    rejected = facts.Rejected(
        at=1, link="worker", connection=1, channel=1, message=message(2), tag=2, requeue=False
    )
    assert bench.saw(rejected)


def test_a_settlement_of_a_transaction_may_come_again(bench: Bench) -> None:
    """A rollback opens its delivery: the second settlement is of that queue, too."""
    bench.arm(connection_drop(after=ack(2, queue="orders")))
    bench.delivered(1)
    acks = [
        facts.Acked(
            at=1, link="worker", connection=1, channel=1, message=message(1), tag=1, transactional=True
        )
        for _ in range(2)
    ]
    assert [bench.saw(each) for each in acks] == [False, True]


def test_the_frame_that_brings_the_acks_to_n(bench: Bench) -> None:
    """Under `multiple` one frame crosses it."""
    bench.arm(consumer_crash(after=ack(3)))
    assert not bench.acked(1)
    assert bench.acked(2, 3, 4)
    assert bench.injector.armed[0].message == message(3)
    assert not bench.acked(5)


def test_rejects_are_nacks(bench: Bench) -> None:
    """`nack(n)` counts both."""
    bench.arm(connection_drop(before=nack(2)))
    rejected = facts.Rejected(at=1, link="worker", connection=1, message=message(1), tag=1, requeue=True)
    nacked = facts.Nacked(at=1, link="worker", connection=1, message=message(2), tag=2, requeue=True)
    assert not bench.saw(rejected)
    assert bench.saw(nacked)


def test_publishes_and_confirms_are_the_workloads(bench: Bench) -> None:
    """A consumer's own publications are another fact, and whom the fault names does not narrow them."""
    bench.arm(connection_drop(after=confirm(2), consumer="worker"))
    bench.arm(connection_drop(before=publish(1)))
    again = facts.Republished(
        at=1, link="worker", connection=1, message=message(1), exchange="", routing_key="retry"
    )
    assert not bench.saw(again)
    assert bench.saw(facts.Published(at=1, link="publisher", connection=2, message=message(1)))
    assert not bench.saw(facts.Confirmed(at=1, link="publisher", connection=2, message=message(1)))
    assert bench.saw(facts.Confirmed(at=1, link="publisher", connection=2, message=message(2)))


# --- seeded moments ---


def moments(seed: int, faults: list[Fault], count: int) -> list[Trigger | None]:
    """The moments that a seed chooses."""
    bench = Bench(seed=seed)
    try:
        for fault in faults:
            bench.arm(fault)
        bench.injector.choose_moments(count)
        return [armed.trigger for armed in bench.injector.armed]
    finally:
        bench.thread.close()


def test_seeded_moments_repeat() -> None:
    """The same seed, the same moments; each in the first half of the workload."""
    faults = [connection_drop(), consumer_crash(), lost_ack()]
    assert moments(7, faults, 100) == moments(7, faults, 100)
    chosen = [moments(seed, faults, 10) for seed in range(20)]
    assert {trigger.kind for each in chosen for trigger in each} == {"delivery", "ack"}
    assert {trigger.n for each in chosen for trigger in each} == {1, 2, 3, 4, 5}


def test_a_trigger_without_a_number_is_within_the_workload() -> None:
    """Not only in its first half."""
    chosen = {moments(seed, [connection_drop(after=delivery())], 4)[0].n for seed in range(30)}
    assert chosen == {1, 2, 3, 4}


def test_a_workload_of_one_message() -> None:
    """It still has a moment."""
    assert moments(1, [connection_drop()], 1)[0].n == 1


def test_numbers_given_stay() -> None:
    """And payload faults have no moment."""
    found = moments(1, [connection_drop(after=ack(4)), malformed_payload()], 10)
    assert found == [ack(4), None]


def test_a_moment_chosen_by_hand_is_yet_to_come(bench: Bench) -> None:
    """What has passed is not chosen."""
    for n in range(1, 9):
        bench.delivered(n)
    armed = bench.arm(connection_drop(after=delivery()), by_hand=True)
    bench.injector.choose_moments(10)
    assert armed.trigger.n in (9, 10)


# --- by hand, in time, later ---


def test_a_moment_that_has_passed_is_refused(bench: Bench) -> None:
    """By hand: with what was counted."""
    bench.delivered(1)
    bench.delivered(2)
    with pytest.raises(UsageError, match=r"delivery\(2\) has already happened \(2 so far\)"):
        bench.injector.arm(connection_drop(after=delivery(2)), by_hand=True)
    assert bench.injector.armed == []


@pytest.mark.parametrize(
    ("trigger", "past"),
    [
        (delivery(message=2), True),
        (delivery(message=2, queue="orders"), True),
        (delivery(message=2, queue="audit"), False),
        (delivery(message=1), False),
        (delivery(message=9), False),
        (ack(message=2), True),
        (ack(message=2, queue="orders"), True),
        (ack(message=2, queue="audit"), False),
        (ack(message=3), False),
        (nack(message=2), False),
        (effect(message=2), True),
        (effect(message=3), False),
    ],
    ids=str,
)
def test_a_message_that_has_passed_is_refused(bench: Bench, trigger: Trigger, past: bool) -> None:
    """By hand, in one line; what died on its way may come again, and is waited for."""
    bench.plan(3, 1, 2)
    bench.history.append(
        facts.Delivered(
            at=1, link="worker", connection=1, channel=1, message=message(1), tag=1, queue="orders"
        )
    )
    acked = facts.Acked(at=2, link="worker", connection=1, channel=1, message=message(1), tag=1)
    died = replace(acked, message=message(2), passed=False)
    for event in (acked, died, bench.effect(1)):
        bench.history.append(event)
    fault = consumer_crash(after=trigger)
    if not past:
        bench.arm(fault, by_hand=True)
        return
    with pytest.raises(UsageError) as caught:
        bench.injector.arm(fault, by_hand=True)
    assert str(caught.value) == f"{fault}: {trigger} has already happened"
    assert bench.injector.armed == []


def test_the_past_of_another_consumer_is_not_ones_own(bench: Bench) -> None:
    """`consumer=` narrows it as it narrows what is still to come."""
    bench.plan(1)
    bench.history.append(
        facts.Delivered(at=1, link="audit", connection=1, message=message(1), tag=1, queue="orders")
    )
    bench.arm(connection_drop(after=delivery(message=1), consumer="worker"), by_hand=True)
    with pytest.raises(UsageError, match="has already happened"):
        bench.injector.arm(connection_drop(after=delivery(message=1), consumer="audit"), by_hand=True)


def test_fire_now(bench: Bench) -> None:
    """By hand and without a moment: at once, on nobody in particular."""
    armed = bench.arm(connection_drop(), by_hand=True)
    bench.injector.fire_now(armed)
    assert armed.done.wait(TIMEOUT)
    assert armed.healed.is_set()
    assert bench.struck == [(0, None, "", "free")]


def test_seconds_run_from_the_first_publish(bench: Bench) -> None:
    """Not from the start of the test."""
    bench.arm(connection_drop(after=seconds(0.05)))
    time.sleep(0.1)
    assert bench.struck == []
    published = now()
    bench.saw(facts.Published(at=published, link="publisher", connection=2, message=message(1)))
    bench.await_struck()
    assert 0.05 <= (now() - published) / 1e9 < 1
    assert bench.struck == [(0, None, "after", "free")]


def test_seconds_by_hand_run_from_inject(bench: Bench) -> None:
    """Whether anything was published or not."""
    bench.arm(connection_drop(after=seconds(0.01)), by_hand=True)
    bench.await_struck()


def test_a_debugger_pauses_what_is_to_come_at_a_time(bench: Bench) -> None:
    """A fault by seconds, or with a delay, does not strike while somebody reads the code; then it does."""
    bench.arm(connection_drop(after=seconds(0.03)), by_hand=True)
    bench.arm(connection_drop(after=delivery(1, delay=0.03)))
    bench.arm(connection_drop(after=delivery(2)))
    bench.delivered(1)
    bench.injector.pause()
    time.sleep(0.1)
    assert bench.struck == []
    assert bench.delivered(2)  # a moment of the stream is one
    assert [entry[0] for entry in bench.struck] == [2]
    bench.injector.resume()
    bench.await_struck(3)


def test_a_delay_lets_the_stream_flow(bench: Bench) -> None:
    """X is not held, and the one it happened on is struck later."""
    bench.arm(connection_drop(after=delivery(1, delay=0.02)))
    assert not bench.delivered(1)
    assert not bench.delivered(2)
    assert bench.struck == []
    bench.await_struck()
    assert bench.struck == [(0, "worker", "after", "free")]


def test_processes_are_stopped_as_x_is_seen(bench: Bench) -> None:
    """Before the strike begins; but not for a moment that is still to come."""
    bench.arm(consumer_crash(after=delivery(2)))
    bench.arm(consumer_crash(after=delivery(2, delay=10)))
    bench.delivered(1)
    assert bench.stopped == []
    bench.during = lambda armed, held: bench.stopped.append((armed.number, "strikes"))
    bench.delivered(2)
    assert bench.stopped == [(0, "worker"), (0, "strikes")]


def test_the_kernel_helps_while_the_next_frame_may_be_x(bench: Bench) -> None:
    """A consumer is stopped by its own sending from the delivery on that lets it reach X, until the strike."""
    bench.arm(consumer_crash(after=ack(3)))
    relay, other = bench.relay("worker"), bench.relay("billing")
    bench.delivered(1)
    bench.delivered(2)
    bench.acked(1)
    assert not relay.tight, "two at most"
    bench.delivered(3)
    assert relay.tight
    assert other.tight, "over all consumers it counts"
    bench.acked(2)
    assert relay.tight
    assert bench.acked(3)
    assert not relay.tight
    assert not other.tight


@pytest.mark.parametrize(
    ("fault", "tight"),
    [
        (consumer_crash(before=ack(message=1)), True),
        (consumer_terminate(after=nack(1)), True),
        (consumer_crash(after=effect(1)), True),
        (consumer_crash(after=delivery(2)), False),
        (consumer_crash(after=ack(1, delay=0.1)), False),
        (consumer_crash(after=ack(2)), False),
        (consumer_crash(after=ack(1), consumer="billing"), False),
        (connection_drop(after=ack(1)), False),
    ],
)
def test_only_processes_at_their_own_frames(bench: Bench, fault: Fault, *, tight: bool) -> None:
    """What the wire sends by itself it can hold; networks and brokers wait for no process."""
    bench.plan(1)
    bench.arm(fault)
    bench.delivered(1)
    assert bench.relay("worker").tight is tight


def test_the_end_lets_all_go_on(bench: Bench) -> None:
    """No consumer stands because of a fault that can strike no more."""
    bench.arm(consumer_crash(after=ack(1)))
    bench.delivered(1)
    assert bench.relay("worker").tight
    bench.injector.disarm(TIMEOUT)
    assert not bench.relay("worker").tight


def test_what_is_aimed_at_stands_still_from_x_on(bench: Bench) -> None:
    """From the moment that X is seen until the strike is over; no sooner for a moment still to come."""
    bench.arm(connection_drop(after=delivery(2)))
    bench.arm(consumer_crash(after=delivery(2, delay=10)))
    bench.delivered(1)
    assert bench.still == []
    during: list[list[int]] = []
    bench.during = lambda armed, held: during.append(list(bench.still))
    bench.delivered(2)
    assert during == [[0]]
    assert bench.still == []


def test_two_faults_at_one_frame_hold_until_each_is_over(bench: Bench) -> None:
    """The first does not let go what the second aims at, and one that fails lets go too."""
    bench.arm(connection_drop(after=delivery(1)))
    bench.arm(consumer_crash(after=delivery(1)))
    during: list[list[int]] = []

    def fail(armed: Armed, held: object) -> None:
        during.append(list(bench.still))
        raise ValueError("no such proxy")

    bench.during = fail
    bench.delivered(1)
    assert during == [[0, 1], [1]]
    assert bench.still == []


def test_what_an_effect_strikes_stands_still_too(bench: Bench) -> None:
    """Also where the fault aims at another consumer than the one whose effect it was."""
    bench.relay("worker")
    bench.arm(consumer_crash(after=effect(1)))
    during: list[list[int]] = []
    bench.during = lambda armed, held: during.append(list(bench.still))
    bench.injector.saw_effect(bench.effect(1, consumer="worker"))
    bench.await_struck()
    assert during == [[0]]
    assert bench.still == []


def test_two_faults_at_one_frame(bench: Bench) -> None:
    """Both strike, one after the other, in the order armed."""
    bench.arm(connection_drop(after=delivery(2)))
    bench.arm(consumer_crash(after=delivery(2)))
    bench.delivered(1)
    assert bench.delivered(2)
    assert [entry[0] for entry in bench.struck] == [0, 1]


# --- effects ---


def test_an_effect_strikes_before_the_next_settlement(bench: Bench) -> None:
    """The settlement behind effect n is held; it counts as an ack nevertheless."""
    bench.arm(connection_drop(after=effect(2)))
    bench.arm(consumer_crash(after=ack(3)))
    bench.delivered(1)
    bench.delivered(2)
    bench.unread.append(bench.effect(1))
    assert not bench.acked(1)
    bench.unread.append(bench.effect(2))
    assert bench.acked(2)
    assert bench.struck == [(0, "worker", "before", "held")]
    assert bench.acked(3)
    assert [entry[0] for entry in bench.struck] == [0, 1]


def test_two_faults_at_one_effect_and_its_ack(bench: Bench) -> None:
    """A settlement at which an effect's fault strikes may be another fault's own moment."""
    bench.arm(connection_drop(after=effect(1)))
    bench.arm(consumer_crash(before=ack(1)))
    bench.delivered(1)
    bench.unread.append(bench.effect(1))
    assert bench.acked(1)
    assert [entry[0] for entry in bench.struck] == [0, 1]


def test_an_effect_without_a_settlement_strikes_too(bench: Bench) -> None:
    """A consumer with automatic ack settles nothing; its effects are polled, and its connections stand still."""
    bench.relay("worker")
    bench.relay("audit")
    bench.arm(consumer_crash(after=effect(1)))
    bench.delivered(1)
    held: list[int] = []
    bench.during = lambda armed, _: held.append(bench.relay("worker").holds)
    bench.unread.append(bench.effect(1))
    bench.await_struck()
    assert held == [1]
    assert bench.stopped == [(0, "worker")]
    assert bench.struck == [(0, "worker", "after", "free")]
    assert (bench.relay("worker").holds, bench.relay("audit").was_held) == (0, False)


def test_an_effect_that_another_thread_reads_strikes(bench: Bench) -> None:
    """Settling reads the effects in the test's thread: nothing is lost on the way to the link's."""
    bench.relay("worker")
    bench.arm(connection_drop(after=effect(1)))
    bench.injector.saw_effect(bench.effect(1, consumer="worker"))
    bench.await_struck()
    assert bench.struck == [(0, "worker", "after", "free")]


def test_the_consumer_whose_effect_it_was_is_struck(bench: Bench) -> None:
    """Not the one whose settlement happens to come by, and that one's settlement goes on."""
    bench.relay("worker")
    bench.relay("worker#2")
    bench.arm(connection_drop(after=effect(1)))
    bench.delivered(1, link="worker")
    bench.delivered(2, link="worker#2")
    bench.unread.append(bench.effect(2, consumer="worker#2"))
    assert not bench.acked(1, link="worker")
    bench.await_struck()
    assert bench.struck == [(0, "worker#2", "after", "free")]
    assert (bench.relay("worker#2").was_held, bench.relay("worker").was_held) == (True, False)


def test_an_effect_in_a_shared_file_belongs_to_who_had_the_message(bench: Bench) -> None:
    """A file that all replicas write to says no name."""
    bench.relay("worker")
    bench.relay("worker#2")
    bench.arm(connection_drop(after=effect(1)))
    bench.delivered(1, link="worker")
    bench.delivered(2, link="worker#2")
    bench.injector.saw_effect(bench.effect(2))
    bench.await_struck()
    assert bench.struck[0][1] == "worker#2"


def test_effects_count_over_the_replicas_of_a_name(bench: Bench) -> None:
    """`consumer=` narrows them as it narrows deliveries."""
    bench.arm(connection_drop(after=effect(2), consumer="worker"))
    for consumer in ("audit", "worker", "audit"):
        bench.injector.saw_effect(bench.effect(1, consumer=consumer))
    bench.sync()
    assert bench.struck == []
    bench.injector.saw_effect(bench.effect(2, consumer="worker#2"))
    bench.await_struck()


def test_effects_of_nobody_count_for_a_named_consumer(bench: Bench) -> None:
    """Otherwise its fault could never strike."""
    bench.arm(connection_drop(after=effect(2), consumer="worker"))
    bench.injector.saw_effect(bench.effect(1))
    bench.injector.saw_effect(bench.effect(2))
    bench.await_struck()


def test_a_delay_after_an_effect(bench: Bench) -> None:
    """It is kept, whoever has read the effect."""
    bench.arm(connection_drop(after=effect(1, delay=0.05)))
    bench.delivered(1)
    bench.unread.append(bench.effect(1))
    started = time.monotonic()
    assert not bench.acked(1)
    bench.await_struck()
    assert time.monotonic() - started >= 0.05


def test_many_effects_from_many_threads(bench: Bench) -> None:
    """Each is counted once, and each fault strikes once."""
    for n in range(1, 41, 4):
        bench.arm(connection_drop(after=effect(n)))

    def read() -> None:
        for n in range(10):
            bench.injector.saw_effect(bench.effect(n, consumer="worker"))

    threads = [threading.Thread(target=read) for _ in range(2)]
    lock = threading.Lock()
    take, bench.injector.saw_effect = bench.injector.saw_effect, lambda event: _locked(lock, take, event)
    for thread in threads:
        thread.start()
    for n in range(20, 40):
        bench.unread.append(bench.effect(n))
        bench.acked(n)
    for thread in threads:
        thread.join(TIMEOUT)
    bench.await_struck(10)
    assert bench.injector.count(effect(1)) == 40
    assert sorted(entry[0] for entry in bench.struck) == list(range(10))


def _locked(lock: threading.Lock, take: Callable[[facts.Effected], None], event: facts.Effected) -> None:
    with lock:  # the board's
        take(event)


# --- lost acks ---


def test_a_lost_ack_waits_for_the_next_ack(bench: Bench) -> None:
    """After its moment, the first ack of that consumer."""
    bench.arm(lost_ack(after=delivery(2)))
    bench.delivered(1)
    bench.delivered(2)
    assert bench.struck == []
    bench.during = lambda armed, held: setattr(armed, "position", "before")
    assert not bench.acked(7, link="audit")
    assert bench.acked(1)
    assert bench.struck == [(0, "worker", "before", "held")]
    assert not bench.acked(2)


def confirmed(bench: Bench, number: int, *, connection: int = 9) -> bool:
    """Let a confirm come by on the publisher's link."""
    found = facts.Confirmed(
        at=now(), link="publisher", connection=connection, channel=1, message=message(number)
    )
    bench.relay("publisher", connection)
    return bench.saw(found)


def test_a_lost_confirm_waits_for_its_own(bench: Bench) -> None:
    """No ack is taken for it, and a lost ack takes no confirm."""
    bench.arm(lost_confirm(before=confirm(2)))
    bench.arm(lost_ack(before=ack(2)))
    for number in (1, 2):
        bench.delivered(number)
    bench.acked(1)
    assert not confirmed(bench, 1)
    assert confirmed(bench, 2)
    bench.acked(2)
    assert bench.struck == [(0, "publisher", "before", "held"), (1, "worker", "before", "held")]


def test_a_lost_confirm_without_a_moment_takes_a_seeded_one_of_the_first_half(bench: Bench) -> None:
    """As a lost ack does."""
    armed = bench.arm(lost_confirm())
    bench.injector.choose_moments(20)
    assert armed.position == "before"
    assert armed.trigger is not None
    assert armed.trigger.kind == "confirm"
    assert armed.trigger.n in range(1, 11)


def test_a_lost_ack_takes_one_of_the_connection_that_x_was_on(bench: Bench) -> None:
    """Neither another connection's of the same link, nor another replica's: worker's link is called worker."""
    bench.relay("worker", 2)
    bench.arm(lost_ack(after=delivery(1)))
    bench.delivered(1, connection=1)
    bench.delivered(2, connection=2)
    bench.delivered(3, link="worker#2", connection=3)
    assert not bench.acked(2, connection=2)
    assert not bench.acked(3, link="worker#2", connection=3)
    bench.during = lambda armed, held: setattr(armed, "position", "before")
    assert bench.acked(5, connection=1)
    armed = bench.injector.armed[0]
    assert (armed.words, armed.message) == (f"delivery(1) ({message(1)})", message(5))


def test_a_lost_ack_by_hand_takes_the_next(bench: Bench) -> None:
    """Anybody's, from now on; its words say that it was by hand."""
    armed = bench.arm(lost_ack(), by_hand=True)
    bench.injector.fire_now(armed)
    bench.sync()
    bench.sync()
    assert armed.words == "by hand"
    bench.during = lambda armed, held: setattr(armed, "position", "before")
    assert bench.acked(4, link="audit", connection=3)
    assert (armed.words, armed.message) == ("by hand", message(4))


def test_a_lost_ack_whose_connection_has_ended_takes_the_next_of_its_link(bench: Bench) -> None:
    """The consumer has reconnected, and acknowledges there."""
    bench.arm(lost_ack(after=delivery(1)))
    bench.delivered(1, connection=1)
    del bench.relays["worker", 1]
    assert not bench.acked(3, link="worker#2", connection=3)
    bench.during = lambda armed, held: setattr(armed, "position", "before")
    assert bench.acked(1, connection=2)


@pytest.mark.parametrize(
    ("consumer", "own"),
    [("worker", ("worker", "worker#2")), ("worker#1", ("worker",)), ("worker#2", ("worker#2",)), ("*", None)],
)
def test_a_lost_ack_of_a_named_consumer(bench: Bench, consumer: str, own: tuple[str, ...] | None) -> None:
    """`consumer=` naming another one: any connection of its own."""
    for number, link in enumerate(("audit", "worker", "worker#2"), 1):
        armed = Armed(number=number, fault=lost_ack(), trigger=None, position="after", by_hand=True)
        armed.swallow = Swallow(consumer=consumer)
        bench.injector._waiting.add(armed)
        bench.during = lambda armed, held: setattr(armed, "position", "before")
        assert bench.acked(1, link=link, connection=number) == (own is None or link in own)


def test_a_lost_ack_after_an_effect_is_of_the_connection_that_had_the_message(bench: Bench) -> None:
    """The settlement that comes by on another connection is not it, and goes on."""
    bench.relay("worker", 1)
    bench.arm(lost_ack(after=effect(1)))
    bench.delivered(1, connection=1)
    bench.delivered(2, connection=2)
    bench.unread.append(bench.effect(1, consumer="worker"))
    assert not bench.acked(2, connection=2)
    deadline = time.monotonic() + TIMEOUT
    while bench.injector.armed[0].swallow is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    bench.sync()
    assert bench.injector.armed[0].swallow == Swallow(link="worker", connection=1)
    bench.during = lambda armed, held: setattr(armed, "position", "before")
    assert bench.acked(1, connection=1)


def test_a_lost_ack_after_an_effect_waits_for_acks_only(bench: Bench) -> None:
    """Later effects are no acks."""
    bench.relay("worker")
    bench.arm(lost_ack(after=effect(1)))
    bench.injector.saw_effect(bench.effect(1, consumer="worker"))
    deadline = time.monotonic() + TIMEOUT
    while bench.injector.armed[0].swallow is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    bench.sync()
    bench.injector.saw_effect(bench.effect(2, consumer="worker"))
    bench.sync()
    assert bench.struck == []
    bench.during = lambda armed, held: setattr(armed, "position", "before")
    assert bench.acked(1)


# --- by hand, for a while ---


@pytest.mark.parametrize(
    "fault",
    [
        connection_drop(after=delivery(1)),
        consumer_crash(after=effect(1)),
        connection_drop(after=seconds(0.02)),
        refuse(after=delivery(1, delay=0.02)),
        lost_ack(after=delivery(1)),
    ],
    ids=str,
)
def test_leaving_its_block_disarms_a_fault_that_has_not_struck(bench: Bench, fault: Fault) -> None:
    """Whatever it waits for: it never strikes, and the history says why."""
    bench.relay("worker")
    with Injection(bench.arm(fault, by_hand=True), bench.thread, bench.injector) as handle:
        if fault.trigger is not None and fault.trigger.delay:
            bench.delivered(1)
        if fault.kind == "lost_ack":
            bench.delivered(1)
    assert repr(handle) == f"<{fault}: disarmed>"
    bench.delivered(1)
    bench.acked(1)
    bench.injector.saw_effect(bench.effect(1, consumer="worker"))
    time.sleep(0.05)
    bench.sync()
    assert not handle.fired
    assert bench.struck == []
    assert bench.still == []
    texts = [event.text for event in bench.history if isinstance(event, facts.Noted)]
    assert texts == [f"{fault}: disarmed at the end of its block, before it struck"]


def test_leaving_its_block_waits_for_a_strike_under_way(bench: Bench) -> None:
    """One whose moment has come strikes, and is healed."""
    bench.slow = threading.Event()
    armed = bench.arm(connection_drop(), by_hand=True)
    with Injection(armed, bench.thread, bench.injector) as handle:
        bench.injector.fire_now(armed)
        bench.sync()
        threading.Timer(0.05, bench.slow.set).start()
    assert handle.fired
    assert repr(handle) == "<connection_drop(): healed>"


def test_leaving_its_block_while_a_lost_ack_begins_to_wait(bench: Bench) -> None:
    """Its moment strikes nothing by itself: what waits for the next ack behind it is disarmed."""
    bench.slow = threading.Event()
    armed = bench.arm(lost_ack(), by_hand=True)
    started = time.monotonic()
    with Injection(armed, bench.thread, bench.injector) as handle:
        bench.injector.fire_now(armed)
        bench.sync()
        assert armed.striking
        threading.Timer(0.05, bench.slow.set).start()
    assert time.monotonic() - started < TIMEOUT
    assert repr(handle) == "<lost_ack(): disarmed>"
    assert not bench.acked(1)


def test_healing_leaves_a_fault_armed(bench: Bench) -> None:
    """Only the end of its block disarms it."""
    handle = Injection(
        bench.arm(connection_drop(after=delivery(1)), by_hand=True), bench.thread, bench.injector
    )
    handle.heal()
    assert repr(handle) == "<connection_drop(after=delivery(1)): armed>"
    bench.delivered(1)
    assert handle.fired


# --- failures and the end ---


def test_a_strike_that_fails_says_so(bench: Bench) -> None:
    """Whatever it raises; waiters are told, and the fault is over."""

    def fail(armed: Armed, held: object) -> None:
        raise ValueError("no such proxy")

    bench.during = fail
    armed = bench.arm(refuse(after=delivery(1)))
    assert bench.delivered(1)
    assert str(armed.error) == "refuse(after=delivery(1)) failed: ValueError: no such proxy"
    assert armed.done.is_set()
    assert not armed.striking


def test_a_fault_strikes_once(bench: Bench) -> None:
    """Though its time comes while it strikes."""
    armed = bench.arm(connection_drop(), by_hand=True)
    bench.slow = threading.Event()
    bench.injector.fire_now(armed)
    bench.injector.fire_now(armed)
    bench.sync()
    bench.slow.set()
    bench.await_struck()
    bench.sync()
    assert len(bench.struck) == 1


def test_after_the_end_nothing_strikes(bench: Bench) -> None:
    """A time that comes when the test is over is no moment of the next test."""
    bench.arm(connection_drop(after=seconds(0.05)), by_hand=True)
    bench.arm(connection_drop(after=delivery(1)))
    bench.arm(connection_drop(after=effect(1)))
    bench.arm(connection_drop(after=delivery(1, delay=0.05)))
    bench.injector.disarm(TIMEOUT)
    assert not bench.delivered(1)
    bench.injector.saw_effect(bench.effect(1))
    time.sleep(0.1)
    bench.sync()
    assert bench.struck == []


def test_the_end_waits_for_a_strike_under_way(bench: Bench) -> None:
    """A broker that is being restarted is up again before the next test begins; but there is a limit."""
    bench.slow = threading.Event()
    armed = bench.arm(consumer_terminate(), by_hand=True)
    bench.injector.fire_now(armed)
    bench.sync()
    with pytest.raises(ChaosError, match=r"consumer_terminate\(\) still strikes after 0.05 s"):
        bench.injector.disarm(0.05)
    threading.Timer(0.05, bench.slow.set).start()
    bench.injector.disarm(TIMEOUT)
    assert len(bench.struck) == 1


# --- more than once ---


@pytest.mark.parametrize(
    ("fault", "numbers"),
    [
        (connection_drop(after=delivery(5), every=10, times=3), [5, 15, 25]),
        (connection_drop(after=delivery(5), times=3), [5, 6, 7]),
        (connection_drop(after=delivery(5), times=1), [5]),
        (consumer_crash(before=delivery(2), every=20, times=9), [2, 22]),
    ],
    ids=str,
)
def test_a_fault_strikes_so_often_and_so_far_apart(bench: Bench, fault: Fault, numbers: list[int]) -> None:
    """At its first moment, and so many events after each that was named: no more often, and no closer."""
    armed = bench.arm(fault)
    assert [n for n in range(1, 31) if bench.delivered(n)] == numbers
    assert {position for _, _, position, _ in bench.struck} == {fault.position}
    assert (armed.fired, armed.struck) == (True, len(numbers))
    assert armed.healed.is_set()


def test_a_message_is_struck_at_each_of_its_next_events(bench: Bench) -> None:
    """As a message that kills whoever gets it."""
    bench.plan(1, 2, 3)
    bench.arm(consumer_crash(after=delivery(message=2), times=2))
    assert [bench.delivered(n) for n in (1, 2, 1, 2, 2)] == [False, True, False, True, False]


def test_seeded_moments_are_as_many(bench: Bench) -> None:
    """All in the first half, none twice; with `every` only the first is seeded."""
    scattered = bench.arm(connection_drop(times=4))
    even = bench.arm(connection_drop(times=3, every=5))
    few = bench.arm(connection_drop(times=50))
    bench.injector.choose_moments(40)
    assert scattered.trigger is not None
    assert even.trigger is not None
    assert few.trigger is not None
    chosen = [scattered.trigger.n, *scattered.moments]
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 4
    assert set(chosen) <= set(range(1, 21))
    assert even.moments == []
    assert [few.trigger.n, *few.moments] == list(range(1, 21))
    struck = [n for n in range(1, 41) if bench.delivered(n)]
    assert set(struck) >= {*chosen, even.trigger.n - 10}


def test_a_moment_that_comes_while_the_strike_before_is_in_force(bench: Bench) -> None:
    """It is not skipped: it strikes at the next event after that, and the one behind it is where it was."""
    lasting: list[Armed] = []

    def last(armed: Armed, held: object) -> None:
        async def heal() -> None: ...

        armed.heal = heal
        lasting.append(armed)

    bench.during = last
    armed = bench.arm(refuse(after=delivery(2), every=2, times=3))
    course = Course(bench.history, bench.thread)
    assert [n for n in range(1, 6) if bench.delivered(n)] == [2]

    def heal() -> None:
        course.healed(armed)

    bench.thread.soon(heal)
    bench.sync()
    assert bench.delivered(6)  # in place of 4
    bench.thread.soon(heal)
    bench.sync()
    assert bench.delivered(7)  # in place of 6
    assert len(lasting) == 3


def test_a_fault_by_time_strikes_again_in_time(bench: Bench) -> None:
    """The distance is one of seconds, from when it struck first."""
    armed = bench.arm(connection_drop(after=seconds(0.01), every=0.05, times=3), by_hand=True)
    bench.await_struck(3)
    fired = armed.struck
    assert fired == 3
    assert now() - armed.since >= 0.1e9


def test_a_lost_ack_waits_for_an_ack_each_time(bench: Bench) -> None:
    """Behind each of its moments the first ack is taken."""
    bench.arm(lost_ack(after=delivery(1), every=2, times=2))
    for number in range(1, 6):
        bench.delivered(number)
        bench.acked(number)
    assert len(bench.struck) == 2
    assert [position for _, _, position, _ in bench.struck] == ["after", "after"]


def test_a_lost_ack_that_waits_again_disturbs_nobody(bench: Bench) -> None:
    """What it took before is over: a run does not wait for an ack that may never come."""
    armed = bench.arm(lost_ack(after=delivery(1), every=1, times=2))
    bench.delivered(1)
    bench.acked(1)
    assert len(bench.struck) == 1
    bench.delivered(2)
    assert armed.swallow is not None
    assert disturbed(bench.injector) == ""


def test_a_block_that_is_left_between_two_strikes(bench: Bench) -> None:
    """What is to come of it strikes no more, and the history says how far it was."""
    armed = bench.arm(connection_drop(after=delivery(1), times=3), by_hand=True)
    bench.delivered(1)
    with Injection(armed, bench.thread, bench.injector) as handle:
        assert handle.fired
    assert not bench.delivered(2)
    (noted,) = [event.text for event in bench.history if isinstance(event, facts.Noted)]
    assert noted.endswith("disarmed at the end of its block, after 1 of 3 strikes")


def test_a_strike_that_failed_is_the_last(bench: Bench) -> None:
    """Its error is the run's."""

    def fail(armed: Armed, held: object) -> None:
        raise ChaosError("no")

    bench.during = fail
    armed = bench.arm(connection_drop(after=delivery(1), times=3))
    assert [bench.delivered(n) for n in (1, 2, 3)] == [True, False, False]
    assert str(armed.error) == "no"


def test_nothing_strikes_again_when_all_is_over(bench: Bench) -> None:
    """Not while consumers end."""
    bench.arm(connection_drop(after=delivery(1), times=3))
    bench.delivered(1)
    bench.injector.disarm(TIMEOUT)
    assert not bench.delivered(2)


# --- before an effect ---


class Asked:
    """Asks the injector of a bench as a probe does."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        self.probed = True

        def bind() -> None:
            bench.injector.asking.bind(
                folder, lambda name, entry: (name.partition(".")[0], entry), lambda link: self.probed
            )

        bench.thread.soon(bind)
        bench.sync()

    def ask(self, number: int, *, link: str = "worker", written: bool = True) -> bool:
        """Ask about an effect, and write it unless it was killed; return whether something struck."""
        before = len(self.bench.struck)
        asking = self.bench.injector.asking
        about = f"{link}.effects", message(number)
        self.bench.thread.call(asking._asked(*about, 4711), timeout=TIMEOUT, what="an answer")
        if written:
            self.bench.injector.saw_effect(self.bench.effect(number, consumer=link))
        self.bench.thread.soon(asking._ended, *about)
        self.bench.sync()
        return len(self.bench.struck) > before

    @property
    def is_open(self) -> bool:
        """Whether probes would ask."""
        return (self.folder / "gate").exists()


@pytest.fixture
def asked(bench: Bench, tmp_path: Path) -> Iterator[Asked]:
    """A probe, in whose place the test asks."""
    yield Asked(bench, tmp_path)
    bench.injector.disarm(TIMEOUT)


def test_a_strike_before_an_effect(bench: Bench, asked: Asked) -> None:
    """Its process is stopped first; nobody asks before a fault waits for that, nor afterwards."""
    assert not asked.is_open
    armed = bench.arm(consumer_crash(before=effect(3)))
    assert asked.is_open
    assert [asked.ask(n, written=n != 3) for n in (1, 2, 3)] == [False, False, True]
    assert not asked.is_open
    assert bench.stopped == [(0, "worker")]
    assert bench.struck == [(0, "worker", "before", "free")]
    assert (armed.message, armed.words) == (message(3), f"effect(3) ({message(3)})")


def test_an_effect_that_never_came_does_not_count(bench: Bench, asked: Asked) -> None:
    """Its process was killed before it: the next one to come has its number."""
    bench.arm(consumer_crash(before=effect(2), times=2, every=2))
    assert [asked.ask(n, written=w) for n, w in ((1, True), (2, False), (2, True), (3, True), (4, False))] == [
        False, True, False, False, True,
    ]  # fmt: skip


def test_effects_before_another_consumer_named(bench: Bench, asked: Asked) -> None:
    """Only those of the consumer that the fault names are counted, over all its replicas."""
    bench.arm(consumer_crash(before=effect(2), consumer="worker#2"))
    assert not asked.ask(1, link="audit")
    assert not asked.ask(2, link="audit")
    assert not asked.ask(3, link="worker#2")
    assert asked.ask(4)


def test_a_message_before_its_effect(bench: Bench, asked: Asked) -> None:
    """By its place in the order of publishing."""
    bench.plan(5, 6, 7)
    bench.arm(connection_drop(before=effect(message=2)))
    assert [asked.ask(n) for n in (5, 7, 6)] == [False, False, True]


def test_what_was_there_before_anybody_asked_counts(bench: Bench, asked: Asked) -> None:
    """A fault by hand in the middle of work."""
    bench.plan(1, 2, 3, 4)
    for number in (1, 2):
        bench.injector.saw_effect(bench.effect(number, consumer="worker"))
    bench.arm(connection_drop(before=effect(4)), by_hand=True)
    assert [asked.ask(n) for n in (3, 4)] == [False, True]


def test_an_effect_without_asking_is_an_error(bench: Bench, asked: Asked) -> None:
    """Of a consumer without the probe; one that has it may have looked before the gate was opened."""
    armed = bench.arm(connection_drop(before=effect(4), consumer="worker"))
    bench.injector.saw_effect(bench.effect(1, consumer="worker"))
    assert armed.error is None
    asked.probed = False
    bench.injector.saw_effect(bench.effect(2, consumer="audit"))
    assert armed.error is None
    bench.injector.saw_effect(bench.effect(3, consumer="worker"))
    assert str(armed.error) == (
        "connection_drop(before=effect(4), consumer='worker'): an effect of worker came without asking: only "
        "probe.effect(id) in a Python consumer can be held before it; use after=effect(n), before=ack(n), or "
        "before=call(n) of mqchaos.http"
    )


def test_the_end_shuts_the_gate(bench: Bench, asked: Asked) -> None:
    """Consumers that end are not kept waiting."""
    bench.arm(connection_drop(before=effect(4)))
    bench.injector.disarm(TIMEOUT)
    assert not asked.is_open


def test_what_is_there_from_the_start(bench: Bench) -> None:
    """A lasting fault without a moment strikes each link that it means as it is opened, and no other."""

    def lasts(armed: Armed, held: object) -> None:
        async def heal() -> None: ...

        armed.heal = heal

    bench.during = lasts
    everywhere, one, service = latency(), latency(consumer="worker"), latency(link="pg")
    armed = [bench.arm(fault) for fault in (everywhere, one, service, latency(after=delivery(5)))]
    for name in ("publisher", "audit", "worker", "worker#2"):
        bench.injector.opened(name)
    bench.injector.opened("pg", service=True)
    bench.injector.opened("redis", service=True)
    struck = [(number, link) for number, link, _, _ in bench.struck]
    assert struck == [
        (0, "audit"),
        (0, "worker"),
        (1, "worker"),
        (0, "worker#2"),
        (1, "worker#2"),
        (2, "pg"),
    ]
    assert not armed[3].fired
    armed[0].healed.set()
    bench.injector.opened("late")
    assert len(bench.struck) == 6, "what is healed strikes no more"
    armed[0].error = ChaosError("it could not")
    armed[0].healed.clear()
    with pytest.raises(ChaosError, match="it could not"):
        bench.injector.opened("later")


def test_what_lasts_by_hand(bench: Bench) -> None:
    """By hand it strikes when it is asked to, and those that come later from then on."""

    def lasts(armed: Armed, held: object) -> None:
        async def heal() -> None: ...

        armed.heal = heal

    bench.during = lasts
    armed = bench.arm(fragment(3), by_hand=True)
    bench.injector.opened("worker")
    assert not bench.struck
    bench.injector.fire_now(armed)
    assert armed.done.wait(TIMEOUT)
    bench.injector.opened("audit")
    assert [link for _, link, _, _ in bench.struck] == [None, "audit"]
