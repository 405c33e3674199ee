"""The consumer books each order exactly once, whatever breaks on its way; all of it in one process."""

import pytest
from pytest_mqchaos import (
    Chaos,
    ack,
    baseline,
    broker_restart,
    combine,
    connection_drop,
    connection_reset,
    delivery,
    lost_ack,
    refuse,
    stall,
)

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.chaos(guarantee="exactly-once"),
    # what aiormq leaves of a connection that was cut while it was made
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.chaos(
    baseline(),
    connection_drop(after=delivery(7)),
    connection_reset(before=ack(5)),
    refuse(after=delivery(9), duration=0.3),
    stall(after=delivery(9), duration=0.5),
    lost_ack(before=ack(5)),  # it comes again, and is not booked again
    broker_restart(after=ack(10)),
    combine(lost_ack(before=ack(3)), connection_drop(after=delivery(20))),
)
async def test_whatever_breaks(mqchaos: Chaos, start) -> None:
    """While it is settled the loop runs, and with it the consumer."""
    async with start() as book:
        mqchaos.publish("orders", count=40, key="order")
        account = await mqchaos.averify()
        # what was on its way to a broker that stopped may have arrived, or not: nobody confirmed it
        assert 40 >= len(book.orders) >= len(account.confirmed) >= 10


@pytest.mark.chaos(connection_drop(after=delivery(7), consumer="second"))
async def test_two_of_them(mqchaos: Chaos, start) -> None:
    """Two consumers, each on a link of its own; a fault names one."""
    async with start() as book, start(link="second", book=lambda: book):
        mqchaos.publish("orders", count=40, key="order")
        await mqchaos.averify()
        assert len(book.orders) == 40
