"""Which events a verdict rests on."""

from __future__ import annotations

from pytest_mqchaos.experiment.verdict.judging import judged_events
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.topology import Topology

ID = "orders-k3f9-000001"
END = facts.SettleEnded(at=9, settled=True)


def delivered(tag: int) -> facts.Event:
    """A delivery."""
    return facts.Delivered(at=0, link="worker", connection=1, channel=1, message=ID, tag=tag, queue="orders")


def effected(name: str) -> facts.Event:
    """An effect."""
    return facts.Effected(at=0, message=ID, source="file", name=name)


def test_all_of_it_before_any_settle() -> None:
    """A snapshot judges what there is."""
    events = [delivered(1), effected("a")]
    assert judged_events(events) == events


def test_nothing_of_the_consumers_end() -> None:
    """What they hand back on SIGTERM was theirs when the run was settled."""
    back = facts.Nacked(at=10, link="worker", connection=1, channel=1, message=ID, tag=1, requeue=True)
    lost = facts.LinkLost(at=11, link="worker", connection=1, by="client")
    ended = facts.ConsumerEnded(at=12, consumer="worker", pid=7, exit_code=0, by="plugin")
    assert judged_events([delivered(1), END, back, lost, ended]) == [delivered(1), END]


def test_the_effects_that_were_read_afterwards() -> None:
    """Work that was done before the end, and shows only then."""
    assert judged_events([delivered(1), END, delivered(2), effected("late")]) == [
        delivered(1), END, effected("late"),
    ]  # fmt: skip


def test_the_last_settle_counts() -> None:
    """What a test did between two settles is judged by the second."""
    second = facts.SettleEnded(at=20, settled=False, reason="no progress")
    events = [delivered(1), END, delivered(2), second]
    assert judged_events([*events, delivered(3)]) == events


def test_what_rests_and_is_counted_afterwards() -> None:
    """Dead-letter queues are read, and the broker asked, behind a settle too."""
    rested = facts.Rested(at=10, message=ID, queue="dead")
    census = facts.CensusTaken(at=11, topology=Topology(), queues=())
    assert judged_events([END, rested, census, delivered(2)]) == [END, rested, census]
