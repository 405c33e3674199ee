"""Consumers inside the test itself, a task or a thread: faults on their link, and an account of every message."""

import threading

import pytest
from e2e_kit import finding, numbers, text, violations
from inside_kit import Book, Thread, running

from pytest_mqchaos import (
    UsageError,
    ack,
    baseline,
    broker_restart,
    connection_drop,
    connection_reset,
    delivery,
    effect,
    exactly_once,
    lost_ack,
    refuse,
    stall,
)

# what aiormq leaves of a connection that was cut while it was made: its own, and of no concern to a consumer
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 25
ALL = list(range(1, COUNT + 1))

FAULTS = (
    baseline(),
    connection_drop(after=delivery(7)),
    connection_drop(before=ack(5)),
    connection_reset(after=delivery(8), consumer="in-process"),
    connection_reset(before=effect(6)),
    refuse(after=delivery(6), duration=0.3),
    stall(after=delivery(6), duration=0.5),
    lost_ack(before=ack(5)),
    broker_restart(after=delivery(9)),
)
SOUND = pytest.mark.chaos(*FAULTS, guarantee=exactly_once)


def orders(mqchaos, queue_type="classic"):
    """Declare the queue."""
    mqchaos.queue("orders", arguments={"x-queue-type": queue_type})


def sound(account, book):
    """Assert that nothing is amiss, by the account and by the consumer's own book."""
    assert account.verdict == "pass", text(account)
    assert not violations(account), text(account)
    assert sorted(numbers(book.done)) == sorted(numbers(account.effected))
    assert set(numbers(account.confirmed)) <= set(
        numbers(book.done)
    )  # a restart may take what is being published
    assert len(book.done) > 10


@both
@SOUND
@pytest.mark.asyncio
async def test_a_sound_task(mqchaos, queue_type):
    """A task on the test's own loop that reconnects and works once stands every fault of its link."""
    orders(mqchaos, queue_type)
    book = Book()
    async with running(mqchaos.link().url, book):
        mqchaos.publish("orders", COUNT)
        sound(await mqchaos.averify(), book)


@both
@SOUND
def test_a_sound_thread(mqchaos, queue_type):
    """So does a thread, with the plain calls."""
    orders(mqchaos, queue_type)
    book = Book()
    with Thread(mqchaos.link().url, book):
        mqchaos.publish("orders", COUNT)
        sound(mqchaos.verify(), book)


@both
@pytest.mark.chaos(connection_drop(after=ack(5)), allow="*")
@pytest.mark.asyncio
async def test_a_task_that_acks_first_may_pass_by_name_only(mqchaos, queue_type):
    """A drop behind the ack loses nothing while the process lives; the hazard is named."""
    orders(mqchaos, queue_type)
    book = Book()
    async with running(mqchaos.link().url, book, early=True):
        mqchaos.publish("orders", COUNT)
        account = await mqchaos.asettle()
    assert account.verdict == "pass", text(account)
    assert "acked_before_effect" in {hazard.kind for hazard in account.hazards}, text(account)


@both
@pytest.mark.parametrize("kind", ["task", "thread"])
@pytest.mark.chaos(connection_drop(after=delivery(7)), allow="*", settle_timeout=2.0)
@pytest.mark.asyncio
async def test_one_that_never_reconnects(mqchaos, queue_type, kind):
    """What is left waits for ever, and the account names the link."""
    orders(mqchaos, queue_type)
    book = Book(work=0.02)
    url = mqchaos.link().url
    mqchaos.publish("orders", COUNT)
    if kind == "task":
        async with running(url, book, reconnects=False):
            account = await mqchaos.asettle()
    else:
        with Thread(url, book, reconnects=False):
            account = await mqchaos.asettle()
    assert account.verdict == "fail"
    assert violations(account) == {"stalled"}, text(account)
    assert finding(account, "stalled").detail in ("not_reconnected", "not_consuming")
    assert "in-process" in str(finding(account, "stalled").cause)
    assert not account.lost


@both
@pytest.mark.chaos(lost_ack(before=ack(5)), guarantee="exactly-once", allow="*")
@pytest.mark.asyncio
async def test_a_task_that_is_not_idempotent(mqchaos, queue_type):
    """A lost ack doubles exactly the work it was of, at a prefetch of one."""
    orders(mqchaos, queue_type)
    book = Book(once=False)
    async with running(mqchaos.link().url, book, prefetch=1):
        mqchaos.publish("orders", COUNT)
        account = await mqchaos.asettle()
    assert violations(account) == {"duplicated"}, text(account)
    assert numbers(account.duplicated) == [5]
    assert numbers(book.done) == sorted([*ALL, 5])


@both
@pytest.mark.chaos(lost_ack(before=ack(5)), guarantee="exactly-once", allow="*")
def test_a_thread_that_is_not_idempotent(mqchaos, queue_type):
    """Likewise."""
    orders(mqchaos, queue_type)
    book = Book(once=False)
    with Thread(mqchaos.link().url, book, prefetch=1):
        mqchaos.publish("orders", COUNT)
        account = mqchaos.settle()
    assert violations(account) == {"duplicated"}, text(account)
    assert numbers(account.duplicated) == [5]


@pytest.mark.chaos(connection_drop(after=delivery(7)))
@pytest.mark.asyncio
async def test_a_callable_is_called_in_the_thread_of_the_test(mqchaos):
    """Also while it is settled aside: what a source of the test's reads may belong to its thread."""
    orders(mqchaos)
    book, callers = Book(probes=False), set()

    def work():
        callers.add(threading.get_ident())
        return list(book.done)

    mqchaos.effects(work)
    async with running(mqchaos.link().url, book):
        mqchaos.publish("orders", COUNT)
        account = await mqchaos.asettle()
    assert callers == {threading.get_ident()}
    assert account.verdict == "pass", text(account)


@pytest.mark.chaos(connection_drop(after=delivery(7)))
def test_a_source_of_its_own_beside_a_process(mqchaos, scene):
    """`of=` ties a source to a consumer inside the test as to any other."""
    scene.queue("classic")
    scene.queue("classic", "audits")
    book = Book(probes=False)
    mqchaos.effects(lambda: list(book.done), of="own")
    scene.consumer("correct", "ack_after_work", env={"QUEUE": "audits"})
    with Thread(mqchaos.link("own").url, book):
        scene.publish(count=COUNT)
        scene.publish("audits", count=5)
        account = mqchaos.verify()
    assert account.verdict == "pass", text(account)
    assert sorted(set(numbers(book.done))) == ALL
    assert len(scene.done()) == 5


@pytest.mark.chaos(baseline())
def test_a_source_of_nobodys(mqchaos):
    """A name that no link has is told, as it is beside processes."""
    orders(mqchaos)
    mqchaos.effects(list, of="in-porcess")
    with Thread(mqchaos.link().url, Book()):
        with pytest.raises(
            UsageError, match="of='in-porcess': no consumer has that name; there are: in-process"
        ):
            mqchaos.publish("orders", COUNT)
        mqchaos.link("in-porcess")
        mqchaos.publish("orders", COUNT)
        mqchaos.verify()
