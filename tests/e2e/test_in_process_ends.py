"""What becomes of consumers inside the test when its function ends, and what a test is told that does it wrongly."""

import asyncio
import os
import socket
import threading
from pathlib import Path

import pytest
from consumers import correct
from e2e_kit import finding, numbers, order, text, violations
from inside_kit import Book, Thread, running, task

from pytest_mqchaos import (
    ack,
    baseline,
    connection_drop,
    consumer_crash,
    consumer_freeze,
    delivery,
    refuse,
)
from pytest_mqchaos.errors import UsageError

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

COUNT = 25
DROP = connection_drop(after=delivery(7))


@pytest.fixture
def anyio_backend():
    """The loop that anyio's plugin is to run."""
    return "asyncio"


@pytest.fixture
def at_the_end(request):
    """Check the account that is given when the test's function is done."""
    checks, accounts = [], []

    class Keeper:
        def pytest_mqchaos_run_finished(self, account):
            accounts.append(account)

    keeper = Keeper()
    request.config.pluginmanager.register(keeper)
    yield checks.append
    request.config.pluginmanager.unregister(keeper)
    (account,) = accounts
    for check in checks:
        check(account)


async def begun(book):
    """Wait until some work is done."""
    async with asyncio.timeout(15):
        while len(book.done) < 3:
            await asyncio.sleep(0.005)  # between two looks


def ran_on(account):
    """The loop was run on, and all is well."""
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == COUNT
    assert "without `await mqchaos.asettle()`: its event loop was run on" in account.text()


def cut_short(account):
    """Nothing is blamed on a consumer whose loop the test has ended."""
    assert account.verdict == "unknown", text(account)
    assert all(one.unknown for one in account.findings if one.violation), text(account)
    assert "end the test with `await mqchaos.asettle()`" in account.text()


@pytest.mark.chaos(DROP)
@pytest.mark.asyncio
async def test_a_task_that_outlives_its_test_is_run_on(mqchaos, at_the_end):
    """Where the loop is still open, as under pytest-asyncio, it goes on until the run has settled."""
    at_the_end(ran_on)
    mqchaos.queue("orders")
    book = Book()
    running_on = asyncio.create_task(task(mqchaos.link().url, book))
    mqchaos.publish("orders", COUNT)
    await begun(book)
    assert not running_on.done()


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.chaos(DROP, allow="*", effect_timeout=1.0)
@pytest.mark.anyio
async def test_a_task_whose_loop_is_closed_is_not_blamed(mqchaos, at_the_end, early):
    """The plugin of anyio closes the loop with the test: what is left is unknown, also of one that acks first."""
    at_the_end(cut_short)
    mqchaos.queue("orders")
    book = Book(work=0.05)
    left = asyncio.create_task(task(mqchaos.link().url, book, early=early))
    mqchaos.publish("orders", COUNT)
    await begun(book)
    assert not left.done()


@pytest.mark.chaos(DROP)
@pytest.mark.anyio
async def test_asettle_under_anyio(mqchaos):
    """Settled while the loop runs, the verdict stands when it is closed."""
    mqchaos.queue("orders")
    book = Book()
    async with running(mqchaos.link().url, book):
        mqchaos.publish("orders", COUNT)
        account = await mqchaos.averify()
    assert numbers(book.done) == list(range(1, COUNT + 1))
    assert account.verdict == "pass", text(account)


@pytest.mark.chaos(baseline())
def test_a_loop_that_did_all_its_work(mqchaos, at_the_end):
    """A loop of `asyncio.run` that ended when all was done and acknowledged: nothing is missing, and it passes."""
    at_the_end(lambda account: text(account) if account.verdict == "pass" else pytest.fail(text(account)))
    mqchaos.queue("orders")
    book = Book()
    link = mqchaos.link()

    async def until_done():
        async with running(link.url, book):
            mqchaos.publish("orders", COUNT)
            async with asyncio.timeout(20):
                while len(mqchaos.history.messages) < COUNT or mqchaos.glance().in_flight:
                    await asyncio.sleep(0.01)  # between two looks
                while len(book.done) < COUNT:
                    await asyncio.sleep(0.01)
            await mqchaos.asettle()

    asyncio.run(until_done())


@pytest.mark.chaos(baseline())
@pytest.mark.asyncio
async def test_plain_calls_on_the_loop(mqchaos):
    """They would keep the tasks from what they wait for: each names what to write instead."""
    mqchaos.queue("orders")
    book = Book()
    async with running(mqchaos.link().url, book):
        mqchaos.publish("orders", COUNT)
        for call, instead in (
            (mqchaos.settle, r"await mqchaos\.asettle\(\)"),
            (mqchaos.verify, r"await mqchaos\.averify\(\)"),
            (lambda: mqchaos.wait(ack(1)), r"await asyncio\.to_thread\(mqchaos\.wait, \.\.\.\)"),
        ):
            with pytest.raises(UsageError, match=rf"an event loop runs in this thread.*write {instead}"):
                call()
        await asyncio.to_thread(mqchaos.wait, ack(3))
        with mqchaos.inject(refuse(duration=0.2)):
            await asyncio.to_thread(mqchaos.wait, ack(5))
        await mqchaos.averify()


@pytest.mark.chaos(baseline(), settle_timeout=20.0, allow="*")
@pytest.mark.asyncio
async def test_asettle_that_is_cancelled(mqchaos):
    """It ends at once, and may be called again."""
    mqchaos.queue("orders")
    book = Book()
    url = mqchaos.link().url
    mqchaos.publish("orders", COUNT)
    before = threading.active_count()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await mqchaos.asettle()
    assert threading.active_count() <= before
    async with running(url, book):
        assert (await mqchaos.asettle()).verdict == "pass"


@pytest.mark.parametrize("fault", [consumer_crash(), consumer_freeze(consumer="in-process")])
@pytest.mark.chaos(baseline(), allow="*")
def test_process_faults_by_hand(mqchaos, fault):
    """No fault strikes the process of the test; the error says why, and what else there is."""
    mqchaos.queue("orders")
    book = Book()
    with Thread(mqchaos.link().url, book):
        mqchaos.publish("orders", COUNT)
        with pytest.raises(UsageError, match="runs in the test's own process, which no fault can strike"):
            mqchaos.inject(fault)
        assert mqchaos.settle().verdict == "pass"


@pytest.mark.chaos(consumer_crash(before=ack(5)))
def test_process_faults_of_the_scenario(mqchaos, scene):
    """Of a scenario it is an error as soon as messages come; a process that takes the link over is struck."""
    scene.queue("classic")
    link = mqchaos.link()
    with pytest.raises(UsageError, match=r"consumer_crash.*start it by mqchaos\.consumer\(\.\.\.\)"):
        scene.publish(count=COUNT)
    with pytest.raises(UsageError, match=r"consumer_crash.*start it by mqchaos\.consumer\(\.\.\.\)"):
        mqchaos.producer(correct.ack_after_work)
    scene.forked(correct.ack_after_work, name=None, link=link)
    scene.publish(count=COUNT)
    mqchaos.verify()


@pytest.mark.chaos(consumer_crash(before=ack(5)))
def test_process_faults_beside_a_link_that_is_opened_late(mqchaos, scene):
    """A link that was opened after the messages is refused when the run settles, unless a process took it over."""
    scene.queue("classic")
    scene.publish(count=COUNT)
    link = mqchaos.link()
    with pytest.raises(UsageError, match="which no fault can strike"):
        mqchaos.settle()
    scene.forked(correct.ack_after_work, name=None, link=link)
    mqchaos.verify()


@pytest.mark.chaos(consumer_crash(before=ack(5), consumer="worker"))
def test_one_inside_and_one_outside(mqchaos, scene):
    """A fault that names a consumer with a process strikes that; both consume, and all is done."""
    scene.queue("classic")
    scene.consumer("correct", "ack_after_work_once", env={"WORK": 0.02})
    book = Book(work=0.02)
    with Thread(mqchaos.link("own").url, book):
        scene.publish(count=COUNT)
        account = mqchaos.verify()
    assert len(account.effected) == COUNT


@pytest.mark.chaos(DROP, guarantee="exactly-once", settle_timeout=2.0, effect_timeout=1.0, allow="*")
def test_one_that_does_not_come_back_may_be_at_work(mqchaos, scene, at_the_end):
    """Nobody can end it: with work in hand it leaves `exactly-once` open, in the last account as well."""
    at_the_end(
        lambda account: (
            any(one.detail == "not_back" for one in account.findings) or pytest.fail(text(account))
        )
    )
    scene.queue("classic")
    held = threading.Event()

    class Slow(Book):
        def write(self, message):
            if len(self.done) == 6:
                held.wait(20)
            super().write(message)

    with Thread(mqchaos.link().url, Slow(), reconnects=False):
        scene.publish(count=COUNT)
        account = mqchaos.settle()
        held.set()
    assert "stalled" in violations(account), text(account)


@pytest.mark.chaos(DROP)
def test_a_fixed_port(mqchaos):
    """What stands in a configuration file is an address of the link's; a consumer's process may have it, too."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            UsageError, match=rf"^link\('broker'\): port={port} .*address already in use"
        ) as error:
            mqchaos.link("broker", port=port)
        assert "\n" not in str(error.value)
    link = mqchaos.link("broker", port=port)
    assert (link.host, link.port) == ("127.0.0.1", port)
    mqchaos.queue("orders")
    with pytest.raises(UsageError, match="taken in this test"):
        mqchaos.link("broker")
    for wrong in ({"link": link, "name": "worker"}, {"link": link, "replicas": 2}, {"link": "broker"}):
        with pytest.raises(UsageError, match=r"^consumer\(\)"):
            mqchaos.consumer(correct.ack_after_work, **wrong)
    consumer = mqchaos.consumer(correct.ack_after_work, link=link)
    assert (consumer.name, consumer.link.port) == ("broker", port)
    mqchaos.publish("orders", COUNT, body=order)
    mqchaos.verify()


@pytest.mark.chaos(baseline())
def test_a_port_of_another_link(mqchaos):
    """The ports of links are shared with nobody, though sockets of ours may share theirs."""
    mqchaos.queue("orders")
    link = mqchaos.link("one")
    with pytest.raises(UsageError, match="cannot be had"):
        mqchaos.link("two", port=link.port)
    with pytest.raises(UsageError, match="a number from 1 to 65535"):
        mqchaos.link("two", port="5672")
    with pytest.raises(UsageError, match="letters, digits"):
        mqchaos.link("a link")
    with Thread(link.url, Book()):
        mqchaos.publish("orders", COUNT)
        mqchaos.verify()


@pytest.fixture
def environment(monkeypatch):
    """Look at the environment after the test, which had a variable of ours before."""
    monkeypatch.setenv("MQCHAOS_RUN", "before")
    yield
    assert os.environ["MQCHAOS_RUN"] == "before"
    assert "MQCHAOS_EFFECTS" not in os.environ


@pytest.mark.chaos(baseline())
def test_the_environment_is_left_as_it_was(environment, mqchaos):
    """The probe finds the test's file by the environment, while the test lasts."""
    mqchaos.queue("orders")
    url = mqchaos.link().url
    assert os.environ["MQCHAOS_RUN"] == mqchaos.history.run
    assert Path(os.environ["MQCHAOS_EFFECTS"]).is_file()
    with Thread(url, Book()):
        mqchaos.publish("orders", COUNT)
        mqchaos.verify()


@pytest.mark.chaos(baseline(), allow="*")
def test_nothing_on_the_link(mqchaos):
    """A link that nobody uses: the queue stalls, and the account says that nobody reads it."""
    mqchaos.queue("orders")
    mqchaos.link()
    mqchaos.publish("orders", COUNT)
    account = mqchaos.settle(timeout=1.0)
    assert violations(account) == {"stalled"}, text(account)
    assert finding(account, "stalled").detail == "nobody_consumes"
