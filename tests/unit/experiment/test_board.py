"""The effects of a run, read from files and callables of the test's own."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.effects.board import Board
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.messages import Message

RUN = "k3f9"


def message(number: int, **more: object) -> Message:
    """A message of the workload; its key is its number."""
    values: dict[str, object] = {
        "id": f"orders-{RUN}-{number:06d}",
        "number": number,
        "body": b"{}",
        "digest": str(number),
        "queue": "orders",
        "key": str(number),
    }
    return Message(**(values | more))  # type: ignore[arg-type]


class Scene:
    """A board with a planned workload."""

    def __init__(self, *messages: Message) -> None:
        self.history = History(RUN)
        self.seen: list[facts.Effected] = []
        self.board = Board(self.history, self.seen.append)
        self.messages = messages or tuple(message(n) for n in range(1, 6))

    def begin(self) -> None:
        """Publish for the first time."""
        for one in self.messages:
            self.history.plan(one)
        self.board.refuse_leftovers()

    def deliver(self, *numbers: int, message: str | None = "", passed: bool = True) -> None:
        """Hand messages to a worker."""
        for n in numbers:
            self.history.append(
                facts.Delivered(
                    at=0, link="worker", connection=1, channel=1, queue="orders", tag=n, passed=passed,
                    message=f"orders-{RUN}-{n:06d}" if message == "" else message,
                )
            )  # fmt: skip

    @property
    def effected(self) -> list[int]:
        """The numbers of the messages with an effect, in order."""
        return [int(str(event.message)[-6:]) for event in self.history if isinstance(event, facts.Effected)]


@pytest.fixture
def scene() -> Scene:
    """Five messages."""
    return Scene()


def test_lines_name_messages_by_id_or_key(scene: Scene, tmp_path: Path) -> None:
    """What names neither is somebody else's."""
    path = tmp_path / "orders.log"
    scene.board.add_file(path, name="orders.log", consumer=None, named=True)
    scene.begin()
    path.write_text(f"2\n{message(3).id}\nsomething else\n4")
    scene.board.poll()
    assert scene.effected == [2, 3]
    scene.board.poll(final=True)
    assert scene.effected == [2, 3, 4]
    assert [event.source for event in scene.seen] == ["orders.log"] * 3


def test_leftovers_are_an_error(scene: Scene, tmp_path: Path) -> None:
    """A source that holds this run's keys before the first publish would make every verdict good."""
    path = tmp_path / "orders.log"
    path.write_text("1\n2\n")
    scene.board.add_file(path, name="orders.log", consumer=None, named=True)
    with pytest.raises(ChaosError, match=r"orders\.log already holds 2 messages of this run .* \(1\)"):
        scene.begin()


def test_looks_before_the_first_publish_do_not_hide_leftovers(scene: Scene, tmp_path: Path) -> None:
    """Files are watched all along, and nothing can be told of their lines before there are messages."""
    path = tmp_path / "orders.log"
    path.write_text("1\n2\n")
    scene.board.add_file(path, name="orders.log", consumer=None, named=True)
    scene.board.poll()
    with pytest.raises(ChaosError, match="already holds 2"):
        scene.begin()


def test_leftovers_of_others_are_no_matter(scene: Scene, tmp_path: Path) -> None:
    """A file may hold what it likes of other runs."""
    path = tmp_path / "orders.log"
    path.write_text("from yesterday\norders-abcd-000001\n")
    scene.board.add_file(path, name="orders.log", consumer=None, named=True)
    scene.begin()
    scene.board.poll(final=True)
    assert scene.effected == []


def test_leftovers_of_a_callable(scene: Scene) -> None:
    """A table that outlives its scenario."""
    scene.board.add_call(lambda: {"1": 1}, name="booked")
    with pytest.raises(ChaosError, match="the effects source booked already holds 1"):
        scene.begin()


def test_a_late_source_may_hold_work_that_was_done(scene: Scene, tmp_path: Path) -> None:
    """What a consumer was given may be done by the time that the source is named, and counts once."""
    path = tmp_path / "orders.log"
    path.write_text("1\n2\n")
    scene.begin()
    scene.deliver(1, 2)
    scene.board.add_file(path, name="orders.log", consumer=None, named=True)
    assert scene.effected == [1, 2]
    with path.open("a") as more:
        more.write("3\n")
    scene.board.poll()
    scene.board.add_call(lambda: ["2"], name="booked")
    scene.board.poll_calls()
    assert scene.effected == [1, 2, 3, 2]


@pytest.mark.parametrize("call", [False, True])
def test_leftovers_of_a_late_source_are_an_error(scene: Scene, tmp_path: Path, call: bool) -> None:
    """Nobody can have worked on what nobody was given: a strike that ate a delivery gives nothing."""
    path = tmp_path / "orders.log"
    path.write_text("1\n2\n3\nsomebody else's\n")
    scene.begin()
    scene.deliver(1)
    scene.deliver(2, passed=False)
    name_it: Callable[[], None] = (
        partial(scene.board.add_call, path.read_text().split, name="booked")
        if call
        else partial(scene.board.add_file, path, name="booked", consumer=None, named=True)
    )
    said = r"source booked already holds 2 messages of this run that no consumer has been given yet \(2\)"
    with pytest.raises(ChaosError, match=said):
        name_it()
    scene.board.poll()
    scene.board.poll_calls()
    assert scene.effected == [1]


def test_a_shared_key_in_a_late_source_may_be_of_any_that_carries_it(tmp_path: Path) -> None:
    """One of them was delivered, so it may be its work."""
    scene = Scene(message(1, key="A", key_shared=True), message(2, key="A", key_shared=True))
    scene.begin()
    scene.deliver(2)
    scene.board.add_call(lambda: ["A"], name="booked")


def test_a_delivery_that_nobody_can_name_may_be_of_any_message(scene: Scene) -> None:
    """Then nothing is held against a late source."""
    scene.begin()
    scene.deliver(1, message=None)
    scene.board.add_call(lambda: ["2"], name="booked")


def test_a_consumers_own_file_may_come_late(scene: Scene, tmp_path: Path) -> None:
    """Nobody named it: it is made for the consumer, which is started afterwards."""
    scene.begin()
    scene.board.add_file(tmp_path / "effects", name="$MQCHAOS_EFFECTS", consumer="worker", named=False)


def test_a_late_source_that_cannot_be_read_is_told_at_once(scene: Scene, tmp_path: Path) -> None:
    """With the system's reason."""
    scene.begin()
    with pytest.raises(ChaosError, match=r"source orders\.log: could not be read: .*[Dd]irectory"):
        scene.board.add_file(tmp_path, name="orders.log", consumer=None, named=True)


def test_entries_of_nobody_are_counted_by_source(scene: Scene, tmp_path: Path) -> None:
    """In a file, in a program's output, from a callable: those that came in the run, and the first of them."""
    path, output, rows = tmp_path / "orders.log", tmp_path / "output", {"old": 3}
    scene.board.add_file(path, name="orders.log", consumer=None, named=True)
    pattern = re.compile(r"booked (\S+)")
    scene.board.add_file(output, name="output", consumer=None, named=True, pattern=pattern)
    scene.board.add_call(lambda: rows, name="rows")
    path.write_text("old\n")
    scene.begin()
    with path.open("a") as log:
        log.write("4711\n2\n4712\n")
    output.write_text("booked x\nsold y\n")
    rows |= {"new": 2, "3": 1}
    scene.board.poll()
    scene.board.poll_calls()
    assert scene.board.strays == {"orders.log": (2, "4711"), "output": (1, "x"), "rows": (2, "new")}
    assert scene.effected == [2, 3]


def test_files_that_are_not_there_or_empty(scene: Scene, tmp_path: Path) -> None:
    """Of those that the test named; each with the whole path."""
    for name in ("missing", "empty", "full"):
        scene.board.add_file(tmp_path / name, name=name, consumer=None, named=True)
    scene.board.add_file(tmp_path / "own", name="$MQCHAOS_EFFECTS", consumer="worker", named=False)
    (tmp_path / "empty").touch()
    (tmp_path / "full").write_text("x")
    assert scene.board.bare() == {
        "missing": f"{tmp_path}/missing: not there",
        "empty": f"{tmp_path}/empty: empty",
    }


@pytest.mark.parametrize("text", ["#probe\n", "4711\n"])
def test_a_probe_is_known_by_its_line_once(scene: Scene, tmp_path: Path, text: str) -> None:
    """Or by anything that was written to the file which its consumer was given; a file that the test named is none."""
    own, other = tmp_path / "effects", tmp_path / "orders.log"
    scene.board.add_file(own, name="$MQCHAOS_EFFECTS", consumer="worker", named=False)
    scene.board.add_file(other, name="orders.log", consumer=None, named=True)
    scene.begin()
    other.write_text(text)
    scene.board.poll()
    assert not any(isinstance(event, facts.SourceNamed) for event in scene.history)
    own.write_text(text)
    scene.board.poll()
    scene.board.poll()
    named = [event for event in scene.history if isinstance(event, facts.SourceNamed)]
    assert [(event.source, event.kind) for event in named] == [("$MQCHAOS_EFFECTS", "probe")]


def test_a_key_makes_the_name_out_of_a_line(scene: Scene, tmp_path: Path) -> None:
    """One line, one call."""
    path = tmp_path / "orders.csv"
    scene.board.add_file(
        path, name="orders.csv", consumer=None, named=True, key=lambda line: line.split(";")[1]
    )
    scene.begin()
    path.write_text("a;2\nb;3\n")
    scene.board.poll()
    assert scene.effected == [2, 3]


def test_a_key_that_raises_is_an_error_of_the_test(scene: Scene, tmp_path: Path) -> None:
    """It is called on the link's thread as well, where nobody could hear it raise."""
    path = tmp_path / "orders.csv"
    scene.board.add_file(
        path, name="orders.csv", consumer=None, named=True, key=lambda line: line.split(";")[1]
    )
    scene.begin()
    path.write_text("a;2\nb\n")
    scene.board.poll()
    assert scene.effected == [2]
    with pytest.raises(
        ChaosError, match=r"source orders\.csv: key raised IndexError: list index out of range"
    ):
        scene.board.check()


def test_a_file_that_cannot_be_read_is_an_error_of_the_test(scene: Scene, tmp_path: Path) -> None:
    """With the system's reason."""
    scene.board.add_file(tmp_path, name="orders.log", consumer=None, named=True)
    with pytest.raises(ChaosError, match=r"source orders\.log: could not be read: .*[Dd]irectory"):
        scene.begin()


def test_each_effect_tells_when_we_had_looked_last(scene: Scene, tmp_path: Path) -> None:
    """What was not there at one look and is at the next happened in between; a file tells its order, a callable not."""
    path = tmp_path / "orders.log"
    scene.board.add_file(path, name="file", consumer=None, named=True)
    done: list[str] = []
    scene.board.add_call(lambda: done, name="call")
    before = now()
    scene.begin()
    path.write_text("1\n")
    scene.board.poll()
    between = now()
    scene.board.poll()
    path.write_text("1\n2\n3\n")
    scene.board.poll()
    scene.board.poll_calls()
    done.append("4")
    scene.board.poll_calls()
    one, two, three, four = scene.seen
    assert before <= (one.since or 0) <= one.at <= between <= (two.since or 0) <= two.at
    assert two.since == three.since, "one look"
    assert three.at < (four.since or 0) < four.at
    assert [each.in_order for each in scene.seen] == [True, True, True, False]


def test_callables_count(scene: Scene) -> None:
    """Each asking tells all; what is more than before is new."""
    counts = {"1": 1, "2": 2}
    scene.begin()
    scene.deliver(1, 2)
    scene.board.add_call(lambda: dict(counts), name="booked")
    scene.board.poll_calls()
    scene.board.poll_calls()
    counts["1"] = 3
    scene.board.poll_calls()
    assert [(event.name, event.count) for event in scene.seen] == [("1", 1), ("2", 2), ("1", 2)]
    assert scene.board.seen == {"booked": {message(1).id: 3, message(2).id: 2}}


def test_a_shared_key_goes_to_who_lacks_most(tmp_path: Path) -> None:
    """Two messages carry it: the second line is for the second of them."""
    scene = Scene(message(1, key="A", key_shared=True), message(2, key="A", key_shared=True, expect=2))
    path = tmp_path / "orders.log"
    scene.board.add_file(path, name="orders.log", consumer=None, named=True)
    scene.begin()
    path.write_text("A\nA\nA\n")
    scene.board.poll()
    assert sorted(scene.effected) == [1, 2, 2]


def test_an_id_that_was_never_published(scene: Scene, tmp_path: Path) -> None:
    """It has the form of an id of ours: an effect of nothing."""
    path = tmp_path / "orders.log"
    scene.board.add_file(path, name="orders.log", consumer=None, named=True)
    scene.begin()
    path.write_text(f"orders-{RUN}-000099\n")
    scene.board.poll()
    assert [event.message for event in scene.seen] == [None]


def test_a_look_tells_what_is_known(scene: Scene, tmp_path: Path) -> None:
    """Nothing without a file that somebody wrote to or named."""
    path = tmp_path / "effects"
    scene.board.add_file(path, name="$MQCHAOS_EFFECTS", consumer="worker", named=False)
    scene.begin()
    scene.board.poll()
    assert (scene.board.shows, scene.board.ordered, scene.board.look(message(1).id)) == (False, False, None)
    path.write_text("#probe\n1\n")
    scene.board.poll()
    assert (scene.board.shows, scene.board.ordered) == (True, True)
    assert [scene.board.look(message(n).id) for n in (1, 2)] == [True, False]
    assert scene.board.look(None) is None
    assert scene.seen[0].consumer == "worker"


def test_the_order_of_a_callable_is_unknown(scene: Scene) -> None:
    """It is asked at times of our own."""
    scene.begin()
    scene.deliver(1)
    scene.board.add_call(lambda: ["1"], name="booked")
    assert (scene.board.shows, scene.board.ordered) == (True, False)
    scene.board.poll_calls()
    assert scene.board.look(message(1).id) is None


def test_a_fork_waits_for_a_source_that_is_being_read() -> None:
    """A library that the test's callable is inside of may hold locks, which a fork would copy for ever."""
    scene, reading, go, entered = Scene(), threading.Event(), threading.Event(), threading.Event()

    def slow() -> list[str]:
        reading.set()
        go.wait(5)
        return []

    go.set()
    scene.board.add_call(slow, name="slow")
    scene.begin()
    go.clear()
    reading.clear()
    reader = threading.Thread(target=scene.board.poll_calls)
    reader.start()
    assert reading.wait(5)
    with scene.board.not_calling(0.01):
        entered.set()
    assert entered.is_set(), "it is waited for with a bound"
    order: list[str] = []

    def fork() -> None:
        with scene.board.not_calling(5):
            order.append("fork")

    forking = threading.Thread(target=fork)
    forking.start()
    assert forking.is_alive()
    order.append("read")
    go.set()
    reader.join(5)
    forking.join(5)
    assert order == ["read", "fork"]


def test_an_effect_that_the_canary_doubles(scene: Scene, tmp_path: Path) -> None:
    """The first of the message chosen is counted twice, once; the second stands as planted, and strikes nothing."""
    path = tmp_path / "orders.log"
    scene.board.add_file(path, name="orders.log", consumer=None, named=True)
    scene.begin()
    scene.board.doubled = message(2).id
    path.write_text("1\n2\n2\n")
    scene.board.poll()
    assert scene.effected == [1, 2, 2, 2]
    effects = [event for event in scene.history.snapshot() if isinstance(event, facts.Effected)]
    assert [event.planted for event in effects] == [False, False, True, False]
    assert len(scene.seen) == 3
    assert scene.board.seen["orders.log"][message(2).id] == 3
    assert scene.board.single == ""


@pytest.mark.parametrize("held", [{"2"}, frozenset({"2"}), {"2": 1}.keys()])
def test_a_source_that_could_not_show_it_twice(scene: Scene, held: object) -> None:
    """A set is told by its name, and nothing is counted."""
    scene.begin()
    scene.deliver(2)
    scene.board.doubled = message(2).id
    scene.board.add_call(lambda: held, name="booked")
    scene.board.poll_calls()
    assert scene.board.single == "booked"
    assert scene.board.seen["booked"][message(2).id] == 1


@pytest.mark.parametrize("held", [["2"], {"2": 1}, ("2",)])
def test_a_source_that_counts(scene: Scene, held: object) -> None:
    """A list of rows and a dict of counts could."""
    scene.begin()
    scene.deliver(2)
    scene.board.doubled = message(2).id
    scene.board.add_call(lambda: held, name="booked")
    scene.board.poll_calls()
    assert scene.board.single == ""
    assert scene.board.seen["booked"][message(2).id] == 2
