"""Settling on scripted ground, by a clock that only waiting moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.verdict.settle import Settling
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.topology import Topology

ID = "orders-k3f9-000001"
CENSUS = facts.CensusTaken(at=0, topology=Topology(), queues=())


class Clock:
    """Seconds that pass only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Waiting(threading.Condition):
    """A condition on which waiting takes no time but that of the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(threading.RLock())
        self.clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.clock.now += timeout
        return False


class Table:
    """What settling asks the ledger."""

    def __init__(self) -> None:
        self.progress = 0
        self.still = True

    def looks_settled(self) -> bool:
        return self.still


class Ground:
    """A run that does what its script says; `at` maps a number of the look to what happens then."""

    def __init__(self, *, timeout: float = 30.0, effect_timeout: float = 5.0, once: bool = False) -> None:
        self.clock = Clock()
        self.table = Table()
        self.history = History("k3f9")
        self.history.changed = Waiting(self.clock)
        self.looks = 0
        self.censuses = 0
        self.at: dict[int, Callable[[], None]] = {}
        self.every: Callable[[], None] = lambda: None
        self.between: Callable[[], None] = lambda: None
        """Called after each census."""
        self.holds: Callable[[], str] = lambda: ""
        """What the broker holds at a census."""
        self.waits: Callable[[], float] = lambda: 0.0
        """For how long nothing need move."""
        self.in_force = ""
        self.is_publishing = False
        self.progressing = True
        self.lacking: tuple[str, ...] = ()
        self.holders = True
        self.away: tuple[str, ...] = ()
        self.done = 0
        self.error: ChaosError | None = None
        self.lasting: list[Callable[[], object]] = []
        """What lasts until the run has settled; called to heal it."""
        self.settling = Settling(
            self.history, self.table, self, timeout=timeout, effect_timeout=effect_timeout, once=once,
            clock=self.clock,
        )  # fmt: skip

    def wait(self) -> facts.SettleEnded:
        """Settle, with an end."""
        return self.settling.wait()

    def check(self) -> None:
        self.looks += 1
        assert self.looks < 50_000, "settling has no end"
        self.at.get(self.looks, lambda: None)()
        self.every()
        if self.error is not None:
            raise self.error

    def publishing(self) -> bool:
        return self.is_publishing

    def calm(self) -> bool:
        if not self.lasting:
            return False
        self.lasting.pop(0)()
        return True

    def disturbed(self) -> str:
        return self.in_force

    def poll_effects(self) -> None:
        pass

    def census(self) -> None:
        self.censuses += 1
        self.clock.now += 0.005
        self.history.append(CENSUS)
        self.between()

    def settled(self) -> tuple[bool, str]:
        held = self.holds()
        return not held, held

    def can_progress(self) -> bool:
        return self.progressing

    def missing(self) -> Sequence[str]:
        return self.lacking

    def workable(self, messages: Iterable[str]) -> bool:
        return self.holders

    def absent(self) -> Sequence[str]:
        return self.away

    def longest_wait(self) -> float:
        return self.waits()

    def steps(self) -> int:
        return self.done


@pytest.fixture
def ground() -> Ground:
    """A run on which nothing is on its way."""
    return Ground()


def moving(number: int = 1) -> facts.Event:
    """An event of a message of ours."""
    return facts.Acked(at=0, link="worker", connection=1, channel=1, message=ID, tag=number)


def test_two_censuses_settle_a_run(ground: Ground) -> None:
    """Two equal censuses with nothing in between are enough, and are taken without a pause."""
    end = ground.wait()
    assert end.settled
    assert ground.censuses == 2
    assert ground.clock.now < 0.02


def test_what_lasts_is_healed_and_the_end_state_is_judged(ground: Ground) -> None:
    """A slow network is healed once nothing progresses; what it kept back may still come."""
    ground.holds = lambda: "1 ready in orders" if ground.lasting else ""
    ground.lasting = [lambda: ground.history.append(moving())]
    end = ground.wait()
    assert end.settled
    assert ground.clock.now > ground.settling.timeout
    ground.lasting, ground.censuses = [lambda: None], 0
    assert ground.wait().settled
    assert ground.censuses >= 4, "it was settled, and settled again without what lasted"


def test_what_moves_between_two_censuses_asks_for_a_third(ground: Ground) -> None:
    """An ack between two censuses: the first of them says nothing any more."""
    happenings = [lambda: ground.history.append(moving())]
    ground.between = lambda: happenings.pop()() if happenings else None
    assert ground.wait().settled
    assert ground.censuses == 3


@pytest.mark.parametrize(
    "event",
    [
        facts.Polled(at=0, link="worker", connection=1, channel=1, queue="orders"),
        facts.QueueDeclared(at=0, link="worker", connection=1, channel=1, queue="orders", passive=True),
        facts.Delivered(at=0, link="worker", connection=1, channel=1, message=None, tag=1, queue="other"),
        facts.Acked(at=0, link="worker", connection=1, channel=1, message=None, tag=1),
    ],
    ids=lambda event: type(event).__name__ + ("" if hasattr(event, "tag") else "-idle"),
)
def test_a_consumer_that_polls_without_end_settles(ground: Ground, event: facts.Event) -> None:
    """Polls of an empty queue, and traffic that is not ours, move no message."""
    ground.between = lambda: ground.history.append(event)
    assert ground.wait().settled
    assert ground.censuses == 2


def test_a_run_that_never_stands_still_has_an_end(ground: Ground) -> None:
    """Where something of ours moves between any two censuses, the time-out ends it."""
    ground.between = lambda: ground.history.append(moving())
    end = ground.wait()
    assert not end.settled
    assert end.reason.startswith("no progress for 30 s")
    assert 30 < ground.clock.now < 32


def test_no_progress_is_over_with_the_last_state(ground: Ground) -> None:
    """The reason says what is still held."""
    ground.holds = lambda: "`orders` holds 3 ready"
    end = ground.wait()
    assert (end.settled, end.reason) == (False, "no progress for 30 s: `orders` holds 3 ready")
    assert 30 < ground.clock.now < 31


def test_the_time_out_runs_from_the_last_progress(ground: Ground) -> None:
    """Slow is not stuck."""
    ground.holds = lambda: "`orders` holds 1 unacknowledged"

    def work() -> None:
        if ground.clock.now < 100:
            ground.table.progress = int(ground.clock.now / 20)

    ground.every = work
    assert not ground.wait().settled
    assert 110 <= ground.clock.now < 112


def test_where_nothing_is_left_it_is_over_at_once(ground: Ground) -> None:
    """No process, no link, no TTL: no time-out is waited for."""
    ground.holds = lambda: "`orders` holds 3 ready"
    ground.progressing = False
    end = ground.wait()
    assert end.reason == "nothing is left that could progress: `orders` holds 3 ready"
    assert ground.clock.now < 0.1


def test_a_broker_that_was_just_left_is_asked_again(ground: Ground) -> None:
    """It still counts the deliveries of a connection that has just ended as unacknowledged."""
    answers = ["`orders` holds 3 unacknowledged", "`orders` holds 3 ready"]
    ground.holds = lambda: answers.pop(0) if len(answers) > 1 else answers[0]
    ground.progressing = False
    assert ground.wait().reason == "nothing is left that could progress: `orders` holds 3 ready"
    assert ground.clock.now < 0.2


def test_what_moves_while_nothing_is_left_is_counted_once_more(ground: Ground) -> None:
    """The state that is judged is that of two censuses with nothing in between."""
    ground.holds = lambda: "`orders` holds 3 ready"
    ground.progressing = False
    happenings = [lambda: ground.history.append(moving())]
    ground.between = lambda: happenings.pop()() if happenings else None
    assert not ground.wait().settled
    assert ground.censuses == 3


def test_no_census_while_messages_are_on_their_way(ground: Ground) -> None:
    """Between the censuses of a run that moves there is a quarter of a second."""
    ground.table.still = False
    ground.holds = lambda: "" if ground.clock.now > 1 else "5 deliveries are open"
    assert ground.wait().settled
    assert ground.censuses <= 7


def test_a_fault_in_force_is_waited_for(ground: Ground) -> None:
    """A fault that disturbs for longer than the time-out is no lack of progress."""
    ground.in_force = "refuse(duration=45) is in force"
    ground.holds = lambda: "`orders` holds 3 ready" if ground.clock.now < 50 else ""

    def run_out() -> None:
        if ground.clock.now > 45:
            ground.in_force = ""

    ground.every = run_out
    assert ground.wait().settled
    assert ground.clock.now < 51


def test_no_verdict_while_a_fault_strikes(ground: Ground) -> None:
    """A fault that begins to strike between two censuses has not shown in the history yet."""

    def strike() -> None:
        if ground.censuses == 2:
            ground.in_force = "connection_drop() is striking"

    ground.between = strike
    ground.at = {8: lambda: setattr(ground, "in_force", "")}
    assert ground.wait().settled
    assert ground.looks >= 8


def test_publications_end_first(ground: Ground) -> None:
    """A slow publication is not settled between two of its messages, nor out of time."""
    ground.is_publishing = True

    def finish() -> None:
        if ground.clock.now > 40:
            ground.is_publishing = False

    ground.every = finish
    assert ground.wait().settled
    assert ground.clock.now > 40
    assert ground.censuses == 2


def test_the_ground_may_fail(ground: Ground) -> None:
    """What `check` raises is not a verdict."""
    ground.error = ChaosError("the broker died during the test: it logged nothing")
    with pytest.raises(ChaosError, match="the broker died"):
        ground.wait()


def test_missing_effects_are_waited_for(ground: Ground) -> None:
    """Work may follow an ack."""
    ground.lacking = (ID,)

    def show() -> None:
        if ground.clock.now > 3:
            ground.lacking = ()

    ground.every = show
    assert ground.wait().settled
    assert 3 < ground.clock.now < 3.1


def test_an_effect_that_never_comes_costs_its_time_out(ground: Ground) -> None:
    """Counted from the last effect that came."""
    ground.lacking = (ID, ID.replace("1", "2"))

    def show() -> None:
        if ground.clock.now > 3:
            ground.lacking = (ID,)

    ground.every = show
    assert ground.wait().settled
    assert 8 < ground.clock.now < 8.2


def test_a_true_loss_costs_no_time_out(ground: Ground) -> None:
    """Nobody is left who held the message."""
    ground.lacking = (ID,)
    ground.holders = False
    assert ground.wait().settled
    assert ground.clock.now < 0.1


def test_hands_at_work_are_waited_for() -> None:
    """Under exactly-once, a consumer that lost its link with deliveries in hand has to come back first."""
    ground = Ground(once=True)
    ground.away = ("worker",)

    def come_back() -> None:
        if ground.clock.now > 20:
            ground.away = ()

    ground.every = come_back
    assert ground.wait().settled
    assert 20 < ground.clock.now < 20.1


def test_hands_at_work_that_never_come_back_cost_the_time_out() -> None:
    """It has an end all the same: the account says that it did not come back."""
    ground = Ground(once=True)
    ground.away = ("worker",)
    assert ground.wait().settled
    assert 30 < ground.clock.now < 30.1


def test_hands_at_work_that_lose_their_link_again_and_again_have_an_end() -> None:
    """A consumer that connects and never consumes does not keep a run for ever."""
    ground = Ground(once=True)
    ground.away = ("worker",)
    ground.every = lambda: ground.history.append(
        facts.LinkLost(at=0, link="worker", connection=9, by="client")
    )
    assert not ground.wait().settled or ground.clock.now < 32


def test_hands_at_work_matter_only_where_nothing_may_be_done_twice(ground: Ground) -> None:
    """Under at-least-once nobody is waited for."""
    ground.away = ("worker",)
    assert ground.wait().settled
    assert ground.clock.now < 0.1


def test_late_work_that_moves_something_is_counted_again(ground: Ground) -> None:
    """What a late handler publishes has to be settled too."""
    ground.lacking = (ID,)

    def finish() -> None:
        if ground.clock.now > 2 and ground.lacking:
            ground.lacking = ()
            ground.history.append(
                facts.Republished(
                    at=0, link="worker", connection=1, channel=1, message=ID, exchange="", routing_key="x"
                )
            )

    ground.every = finish
    assert ground.wait().settled
    assert ground.censuses == 4


def test_a_wait_that_ends_as_time_is_looked_at(ground: Ground) -> None:
    """What was kept in hand for longer than the time-out, and acked since the last look, has moved."""
    ground.holds = lambda: "" if ground.done else "`orders` holds 1 unacknowledged"
    start = ground.clock.now

    def waits() -> float:
        if ground.clock.now - start > 2.5 * ground.settling.timeout:
            ground.done = 1
        return 0.0 if ground.done else 4 * ground.settling.timeout

    ground.waits = waits
    assert ground.wait().settled
