"""The canary: what the plugin loses and doubles by itself is found, whole and alone; or the test is told why not."""

import contextlib
import sqlite3

import pytest
from consumers import correct, wrong
from e2e_kit import finding, numbers, text, violations
from inside_kit import Book, Thread

from pytest_mqchaos import canary

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
COUNT = 20


def seen(account):
    """Assert that the plants were found, and nothing else; return the two messages."""
    assert account.verdict == "pass", text(account)
    assert not account.failed
    assert not violations(account), text(account)
    (lost,), (doubled,) = numbers(account.lost), numbers(account.duplicated)
    assert lost != doubled
    names = {one.name for one in account.findings} - {"redelivered:explained"}
    assert names == {"lost:planted", "duplicated:planted"}, text(account)
    assert "effect_before_ack" not in {one.kind for one in account.hazards}, text(account)
    return lost, doubled


@both
@pytest.mark.parametrize("consumer", ["ack_after_work", "ack_after_work_once", "batched", "transactional"])
@pytest.mark.chaos(canary(), allow=())
def test_it_is_seen(scene, mqchaos, queue_type, consumer):
    """By consumers of all sorts, and what was lost was given to none of them."""
    scene.queue(queue_type)
    scene.forked(getattr(correct, consumer), env={"WORK": 0.005})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    lost, doubled = seen(account)
    assert set(scene.done()) == set(range(1, COUNT + 1)) - {lost}
    assert scene.done()[doubled] == 1


@both
@pytest.mark.chaos(canary())
def test_it_is_seen_in_the_test_itself(mqchaos, queue_type):
    """By a thread that polls for what it consumes, and a source of the test's own."""
    mqchaos.queue("orders", arguments={"x-queue-type": queue_type})
    book = Book(probes=False)
    mqchaos.effects(lambda: list(book.done))
    with Thread(mqchaos.link().url, book):
        mqchaos.publish("orders", COUNT)
        seen(mqchaos.verify())


@pytest.mark.chaos(canary(), guarantee="exactly-once")
def test_a_database_sees_it(scene, mqchaos, tmp_path):
    """Rows of a table with a key, read by a query, are counted one by one."""
    database = tmp_path / "orders.db"
    with contextlib.closing(sqlite3.connect(database)) as opened:
        opened.execute("create table done (id text primary key)")

    def rows():
        with contextlib.closing(sqlite3.connect(database)) as reading:
            return reading.execute("select id from done").fetchall()

    scene.queue("classic")
    mqchaos.effects(rows)
    scene.forked(correct.database, env={"DATABASE": str(database), "WORK": 0.005})
    scene.publish(
        count=COUNT, body=lambda n, _: {"n": n, "order": f"order-{mqchaos.history.run}-{n}"}, key="order"
    )
    seen(mqchaos.settle())


@pytest.mark.chaos(canary(), guarantee="exactly-once", allow="*")
def test_a_set_cannot_see_twice(mqchaos):
    """A source that returns a set sees the loss, and is told what it can never see."""
    mqchaos.queue("orders")
    book = Book(probes=False)
    mqchaos.effects(lambda: set(book.done))
    with Thread(mqchaos.link().url, book):
        mqchaos.publish("orders", COUNT)
        account = mqchaos.settle()
    assert account.verdict == "fail"
    assert violations(account) == {"blind"}, text(account)
    assert finding(account, "blind").name == "blind:duplicated"
    assert "holds each entry once, as a set does" in finding(account, "blind").cause
    assert len(account.lost) == 1


@pytest.mark.chaos(canary())
def test_what_is_not_promised_need_not_be_seen(mqchaos):
    """At least once, a set is as good as a list: it is told, and fails nothing."""
    mqchaos.queue("orders")
    book = Book(probes=False)
    mqchaos.effects(lambda: set(book.done))
    with Thread(mqchaos.link().url, book):
        mqchaos.publish("orders", COUNT)
        account = mqchaos.verify()
    assert finding(account, "blind").name == "blind:duplicated"
    assert not violations(account), text(account)


@pytest.mark.chaos(canary(), evidence="broker", allow="*")
def test_the_brokers_view_cannot_see_it(mqchaos):
    """An acknowledged message counts as worked on: nothing that a consumer loses is ever seen."""
    mqchaos.queue("orders")
    with Thread(mqchaos.link().url, Book()):
        mqchaos.publish("orders", COUNT)
        account = mqchaos.settle()
    assert account.verdict == "fail"
    assert "blind:lost" in {one.name for one in account.findings if one.violation}, text(account)
    assert "it is the broker's view" in finding_of_loss(account).cause
    assert not account.lost


@pytest.mark.chaos(canary(), allow="*")
def test_without_any_evidence(mqchaos):
    """No source is named and none is used: it is told so."""
    mqchaos.queue("orders")
    with Thread(mqchaos.link().url, Book(probes=False)):
        mqchaos.publish("orders", COUNT)
        account = mqchaos.settle()
    assert account.verdict == "fail"
    assert finding_of_loss(account).cause == "no source of effects is named, and none was seen"


@pytest.mark.chaos(canary(), allow="*")
def test_another_bug_is_not_the_canarys(scene, mqchaos):
    """What a consumer loses besides is a violation as ever, apart from the plant."""
    scene.queue("classic")
    scene.forked(wrong.skips_some, env={"WORK": 0.005})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "fail", text(account)
    assert violations(account) == {"lost"}, text(account)
    (planted,) = [one for one in account.findings if one.name == "lost:planted"]
    assert set(numbers(account.lost)) == set(range(1, COUNT + 1)) - set(scene.done())
    assert set(numbers(planted.messages)) < set(numbers(account.lost))
    assert not account.blind


def finding_of_loss(account):
    """Return the finding that a loss cannot be seen."""
    (found,) = [one for one in account.findings if one.name == "blind:lost"]
    return found
