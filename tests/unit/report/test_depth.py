"""The depth of the queues, copy by copy: these events, exactly so many that wait and are in hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from account_builders import acked, delivered, ms, name, published
from test_figures import of

from pytest_mqchaos.model.events import CensusTaken, Event, PublishNacked, Rejected, Returned
from pytest_mqchaos.model.topology import Binding, QueueState, Topology


def depths(*events: Event, **fields: Any) -> list[list[float]]:
    """Return how much waited and was in hand, point by point, without their moments."""
    return [each[1:] for each in of(*events, **fields)["timeline"]["depth"]["points"]]


def rejected(number: int, at: float, tag: int, *, requeue: bool = False) -> Rejected:
    """Return a reject of `worker`."""
    where: dict[str, Any] = {"link": "worker", "connection": 2, "channel": 1, "tag": tag}
    return Rejected(at=ms(at), message=name(number), requeue=requeue, **where)


def test_depth_with_a_waiting_room() -> None:
    """What was rejected into a waiting room and comes again had not waited in between: the others still do."""
    room = [
        delivered(1, 20, tag=1), rejected(1, 21, 1),
        delivered(1, 60, tag=2, deaths="once"), rejected(1, 61, 2),
        delivered(1, 90, tag=3, deaths="twice"), rejected(1, 91, 3, requeue=True),
        delivered(1, 92, tag=4, deaths="twice", redelivered=True), acked(1, 93, tag=4),
    ]  # fmt: skip
    sent = [published(n, n, routing_key="orders") for n in (1, 2, 3)]
    assert depths(*sent, *room) == [
        [1, 0], [2, 0], [3, 0], [2, 1], [2, 0], [2, 1], [2, 0], [2, 1], [3, 0], [2, 1], [2, 0],
    ]  # fmt: skip


def test_depth_of_what_expired() -> None:
    """What waited until it expired and comes again from elsewhere waits no more where it was."""
    sent = [published(n, n, routing_key="orders") for n in (1, 2)]
    again = delivered(1, 60, tag=2, queue="late", deaths="expired")
    assert depths(*sent, again)[-1] == [1, 1]


@pytest.mark.parametrize("known", [True, False])
def test_depth_of_a_fan_out(known: bool) -> None:
    """A message for two queues waits in both, whether the bindings are known or seen by what they brought."""
    bindings = [
        Binding(exchange="all", destination=queue, kind="queue", routing_key="")
        for queue in ("a", "b", "log")
    ]
    topology = Topology(exchanges={"all": "fanout"}, bindings=tuple(bindings))
    events: list[Event] = [published(n, n, exchange="all") for n in (1, 2)]
    for n, queue in ((1, "a"), (1, "b"), (2, "a")):
        tag = 2 * n + (queue == "b")
        events += [delivered(n, 10 * n + tag, tag=tag, queue=queue), acked(n, 10 * n + tag + 0.5, tag=tag)]
    if known:
        events.append(CensusTaken(at=ms(31), topology=topology, queues=()))
    second = [4, 0] if known else [3, 0]
    waits = [second[0] - n for n in (0, 1, 1, 2, 2, 3, 3)]
    assert [each[0] for each in depths(*events)] == [2, *waits]
    returned = Returned(at=ms(40), link="publisher", connection=1, channel=1, message=name(2))
    assert depths(*events, returned)[-1] == [0, 0]


def test_depth_of_what_a_census_found() -> None:
    """What a census saw waiting, and nobody come, is taken out by what nobody saw put there; nothing below zero."""
    queue = QueueState(name="orders", type="classic", ready=2, exact=True)
    census = CensusTaken(at=ms(500), topology=Topology(), queues=(queue,))
    events = [
        published(1, 0, routing_key="orders"), delivered(1, 1, tag=1), rejected(1, 2, 1), census,
        delivered(1, 600, tag=2, deaths="once"), acked(1, 601, tag=2),
        delivered(2, 602, tag=3), delivered(3, 603, tag=4),
    ]  # fmt: skip
    assert [each[0] for each in depths(*events)] == [1, 0, 0, 2, 1, 1, 0, 0]
    none = replace(census, queues=(replace(queue, ready=0),))
    events = [
        published(1, 0, routing_key="orders"),
        none,
        delivered(1, 600),
        published(2, 601, routing_key="orders"),
    ]
    assert [each[0] for each in depths(*events)] == [1, 0, 0, 1]


def bounded(limit: int, **fields: Any) -> CensusTaken:
    """Return a census, while something moved, that knows the limit of the queue."""
    queue = QueueState(name="orders", type="classic", max_length=limit, **fields)
    return CensusTaken(at=ms(41), topology=Topology(), queues=(queue,))


def test_depth_of_a_queue_that_drops_its_oldest() -> None:
    """No more waits than the queue may hold; what comes back is the oldest, and what was dropped is not taken out."""
    sent = [published(n, n, routing_key="orders") for n in range(1, 6)]
    rest = [
        delivered(4, 10, tag=1), delivered(3, 11, tag=2), published(6, 12, routing_key="orders"),
        published(7, 13, routing_key="orders"), rejected(4, 20, 1, requeue=True), delivered(6, 30, tag=3),
        delivered(4, 31, tag=4), delivered(7, 40, tag=5),
    ]  # fmt: skip
    waiting = [each[0] for each in depths(*sent, *rest, bounded(3))]
    assert waiting == [1, 2, 3, 3, 3, 2, 1, 2, 3, 3, 2, 2, 1]
    assert max(each[0] for each in depths(*sent, bounded(0))) == 0


def test_depth_of_a_queue_that_refuses() -> None:
    """What the queue refused does not wait in it; where nothing is refused by a limit a nack takes nothing out."""
    nacked = PublishNacked(at=ms(3), link="publisher", connection=1, channel=1, message=name(2))
    sent = [published(n, n, routing_key="orders") for n in (1, 2)]
    assert [each[0] for each in depths(*sent, nacked, bounded(1, overflow="reject-publish"))] == [1, 2, 1]
    assert [each[0] for each in depths(*sent, nacked, bounded(1, overflow="reject-publish-dlx"))] == [1, 2, 1]
    assert [each[0] for each in depths(*sent, nacked, bounded(5))] == [1, 2]
