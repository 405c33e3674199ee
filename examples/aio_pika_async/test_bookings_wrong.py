"""What of a wrong consumer can be proved without a process of its own: all but what only a crash shows."""

import pytest
from pytest_mqchaos import Chaos, ack, baseline, connection_drop, delivery, lost_ack
from wrong.acks_first import AcksFirst
from wrong.never_reconnects import NeverReconnects

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.chaos(allow="*", settle_timeout=2.0, effect_timeout=2.0),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.chaos(connection_drop(after=delivery(7)))
async def test_never_reconnects(mqchaos: Chaos, start) -> None:
    """The task lives, and what is left waits in the queue for ever."""
    async with start(NeverReconnects):
        mqchaos.publish("orders", count=40, key="order")
        account = await mqchaos.asettle()
    assert 40 in account.stalled


@pytest.mark.chaos(lost_ack(before=ack(17)), guarantee="exactly-once")
async def test_not_idempotent(mqchaos: Chaos, start, pile) -> None:
    """The order whose ack was lost is booked twice."""
    async with start(book=pile, prefetch=1):
        mqchaos.publish("orders", count=40, key="order")
        account = await mqchaos.asettle()
    assert account.duplicated == [17]


@pytest.mark.chaos(baseline())
async def test_acks_first(mqchaos: Chaos, start) -> None:
    """It loses nothing while its process lives: to lose, it has to be started by `mqchaos.consumer` and killed."""
    async with start(AcksFirst):
        mqchaos.publish("orders", count=40, key="order")
        account = await mqchaos.asettle()
    assert account.verdict == "pass"
