"""Refined guarantees: a correct consumer keeps each under faults, a planted bug breaks it, to the message."""

import pytest
from consumers import correct
from e2e_kit import COUNT, finding, numbers, text, violations

from pytest_mqchaos import (
    ack,
    at_least_once,
    baseline,
    broker_restart,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_terminate,
    delivery,
    exactly_once,
    exponential,
    failover,
    fixed,
    lost_ack,
    ordered,
    poison_message,
    prefetch,
    retry,
    within,
)

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
FAULTS = (
    baseline(),
    connection_drop(after=delivery(7)),
    connection_reset(before=ack(5)),
    consumer_crash(before=ack(6)),
    lost_ack(before=ack(4)),
    broker_restart(after=ack(9)),
)
QUICK = {"WORK": 0.005}


def of_customer(n, _rng=None):
    """Return the body of an order of one of two customers."""
    return {"n": n, "customer": n % 2}


def customer(message):
    """Return whose order it is: what stays in order among itself."""
    return f"{message.headers['tenant']}/{message.json['customer']}"


@both
@pytest.mark.chaos(*FAULTS, guarantee=exactly_once + ordered("customer"))
def test_in_order(scene, mqchaos, queue_type):
    """One consumer at a time, with a dedup store, keeps the order of each customer under every fault."""
    scene.queue(queue_type)
    scene.forked(correct.dedup, env=QUICK)
    scene.publish(body=of_customer)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not account.reordered
    assert account.guarantee == "exactly-once + ordered('customer')"


@both
@pytest.mark.chaos(connection_drop(after=ack(5)), guarantee=at_least_once + ordered(customer))
def test_two_replicas_with_one_active(scene, mqchaos, queue_type):
    """A single active consumer keeps the order of what a function names, over a failover too."""
    scene.queue(queue_type, arguments={"x-single-active-consumer": True})
    scene.forked(correct.ack_after_work, replicas=2, env={"WORK": 0.01, "PREFETCH": 5})
    scene.publish(body=of_customer, headers={"tenant": "north"})
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


@both
@pytest.mark.chaos(
    baseline(), connection_drop(after=ack(26)), guarantee=at_least_once + ordered("customer"), allow="*"
)
def test_put_off(scene, mqchaos, queue_type):
    """What a consumer puts off is overtaken, and named, with a fault behind it too."""
    scene.queue(queue_type)
    scene.consumer("wrong", "postpones", env={"PREFETCH": 10, "WORK": 0.005})
    scene.publish(body=of_customer)
    account = mqchaos.settle()
    assert numbers(account.reordered) == [3, 13, 23], text(account)
    assert {one.detail for one in account.findings if one.kind == "reordered"} == {"by_consumer"}
    assert violations(account) == {"reordered"}, text(account)
    assert account.verdict == "fail"
    done = numbers_in_order(scene)
    assert done.index(5) < done.index(3)


def numbers_in_order(scene):
    """Return which messages the consumers say were done, in their order."""
    return [int(each.rpartition("-")[2]) for each in scene.diary("done")]


@both
@pytest.mark.chaos(baseline(), guarantee=at_least_once + ordered("customer"), allow="*")
def test_two_replicas_at_once(scene, mqchaos, queue_type):
    """Two replicas on one queue: a slow message is overtaken, and concurrency is the cause."""
    scene.queue(queue_type)
    scene.consumer("wrong", "dawdles", replicas=2, env={"PREFETCH": 1, "WORK": 0.01})
    scene.publish(body=of_customer)
    account = mqchaos.settle()
    assert {3, 13, 23} <= set(numbers(account.reordered)), text(account)
    assert finding(account, "reordered").detail == "concurrency", text(account)
    assert "worker and worker#2" in finding(account, "reordered").cause
    assert violations(account) == {"reordered"}, text(account)


@pytest.mark.chaos(baseline())
def test_an_order_that_nobody_promised(scene, mqchaos):
    """Without the refinement the same consumer passes."""
    scene.queue("classic")
    scene.consumer("wrong", "postpones", env={"PREFETCH": 10, "WORK": 0.005})
    scene.publish(body=of_customer)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(account.effected) == COUNT


@both
@pytest.mark.chaos(*FAULTS, guarantee=at_least_once + within(1.0))
def test_in_time(scene, mqchaos, queue_type):
    """A consumer that keeps up is in time; what a fault delays is not held against it."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish(rate=40)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not account.late


@both
@pytest.mark.chaos(
    baseline(), connection_drop(after=ack(29)), guarantee=at_least_once + within(1.0), allow="*"
)
def test_one_nap(scene, mqchaos, queue_type):
    """The message that took too long is late, with what waited behind it in the consumer's hands; no other."""
    scene.queue(queue_type)
    scene.consumer("wrong", "naps", env={"PREFETCH": 1, "WORK": 0.005})
    scene.publish(rate=4, count=30)
    account = mqchaos.settle()
    assert numbers(account.late)[0] == 7, text(account)
    assert set(numbers(account.late)) <= {7, 8}, text(account)
    details = {one.detail: numbers(one.messages) for one in account.findings if one.kind == "late"}
    assert details["in_hand"] == [7], text(account)
    assert violations(account) == {"late"}, text(account)
    assert account.verdict == "fail"


@both
@pytest.mark.chaos(*FAULTS, guarantee=at_least_once + prefetch(5))
def test_prefetch_kept(scene, mqchaos, queue_type):
    """A consumer that sets its prefetch after each reconnect keeps it under every fault."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, replicas=2, env={"WORK": 0.01, "PREFETCH": 5})
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not account.prefetch_breach


@both
@pytest.mark.chaos(connection_drop(after=ack(5)), guarantee=at_least_once + prefetch(5), allow="*")
def test_prefetch_forgotten(scene, mqchaos, queue_type):
    """After a reconnect without a prefetch everything comes at once, and the fault that showed it is named."""
    scene.queue(queue_type)
    scene.consumer("wrong", "forgets_prefetch", env={"PREFETCH": 5, "WORK": 0.02})
    scene.publish()
    account = mqchaos.settle()
    found = finding(account, "prefetch_breach")
    assert found.detail == "after_reconnect"
    assert "without a prefetch after a reconnect: connection_drop(after=ack(5))" in found.cause
    assert numbers(account.prefetch_breach)[-1] == COUNT, text(account)
    # 6 to 10 may be in hand, and one or two be done by the time that the rest comes
    assert 15 <= len(account.prefetch_breach) <= 20, text(account)
    assert violations(account) == {"prefetch_breach"}, text(account)


@both
@pytest.mark.chaos(
    consumer_crash(after=delivery(6)),
    consumer_crash(before=ack(6)),
    consumer_terminate(after=delivery(7)),
    broker_restart(after=ack(6)),
    guarantee=at_least_once + failover(2.0),
)
def test_taken_over(scene, mqchaos, queue_type):
    """Of two replicas one takes over at once what the other held."""
    scene.queue(queue_type)
    scene.forked(correct.ack_after_work, replicas=2, restart="on-fault", env={"WORK": 0.01, "PREFETCH": 3})
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not account.failover_miss


@both
@pytest.mark.chaos(consumer_crash(after=ack(5)), guarantee=at_least_once + failover(1.0), allow="*")
def test_nobody_took_over(scene, mqchaos, queue_type):
    """A lone consumer that is started again after two seconds leaves what it held lying."""
    scene.queue(queue_type)
    scene.consumer("wrong", "not_idempotent", restart_delay=2.0, env={"PREFETCH": 3, "WORK": 0.01})
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.failover_miss) in ([6, 7], [6, 7, 8]), text(account)
    found = finding(account, "failover_miss")
    assert (found.detail, found.cause) == ("slow", "consumer_crash(after=ack(5))"), text(account)
    assert violations(account) == {"failover_miss"}, text(account)


FIVES = [5, 10, 15, 20, 25, 30]


def waiting_room(scene, queue_type, ttl=None, name="orders.wait"):
    """Declare a queue in which messages wait before they come back to `orders`."""
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"}
    scene.queue(queue_type, name=name, arguments=back if ttl is None else {**back, "x-message-ttl": ttl})


@both
@pytest.mark.chaos(
    *FAULTS[
        :-1
    ],  # RabbitMQ dead-letters at most once: a restart may lose what is on its way to the waiting room
    poison_message(b"\xff{", count=2),
    guarantee=at_least_once + retry(fixed(0.3), attempts=3),
)
def test_backs_off(scene, mqchaos, queue_type):
    """A retry through a waiting room keeps its schedule, behind a backlog and under faults too."""
    waiting_room(scene, queue_type, ttl=300)
    away = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.wait"}
    scene.queue(queue_type, arguments=away)
    scene.queue(queue_type, name="orders.dead")
    mqchaos.dead_letters("orders.dead")
    scene.forked(correct.backs_off, env={"PREFETCH": 1, "WORK": 0.03})
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert not account.retry_schedule, text(account)


@both
@pytest.mark.chaos(*FAULTS, guarantee=at_least_once + retry(exponential(0.2), attempts=3))
def test_publishes_again(scene, mqchaos, queue_type):
    """Copies with an expiration that doubles keep an exponential schedule."""
    scene.queue(queue_type)
    waiting_room(scene, queue_type, name="orders.wait.0")
    waiting_room(scene, queue_type, name="orders.wait.1")
    scene.forked(correct.publishes_again, env={"PREFETCH": 5, "WORK": 0.01})
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


@both
@pytest.mark.chaos(
    baseline(), connection_drop(after=ack(8)), guarantee=at_least_once + retry(fixed(0.2), attempts=2)
)
def test_sleeps_and_requeues(scene, mqchaos, queue_type):
    """A consumer that sleeps before it gives a message back keeps the schedule."""
    scene.queue(queue_type)
    scene.forked(correct.sleeps_and_requeues, env={"PREFETCH": 3, "WORK": 0.01})
    scene.publish()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


BUGS = {
    "early": {"DELAY": 0.1},
    "late": {"DELAY": 4.0, "FACTOR": 1.0},
    "too_many": {"FAILURES": 3, "DELAY": 0.3, "FACTOR": 1.0},
}


@both
@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.chaos(baseline(), guarantee=at_least_once + retry(fixed(0.3), attempts=3), allow="*")
def test_another_schedule(scene, mqchaos, queue_type, bug):
    """Delays that are too short or too long, and one attempt too many, are found in each message that failed."""
    scene.queue(queue_type)
    for each in range(3):
        waiting_room(scene, queue_type, name=f"orders.wait.{each}")
    scene.forked(correct.publishes_again, env={"PREFETCH": 5, "WORK": 0.01, **BUGS[bug]})
    scene.publish()
    account = mqchaos.settle()
    found = {one.detail: numbers(one.messages) for one in account.findings if one.kind == "retry_schedule"}
    assert found == {bug: FIVES}, text(account)
    assert violations(account) == {"retry_schedule"}, text(account)


@both
@pytest.mark.chaos(
    poison_message(b"\xff{", count=2), guarantee=at_least_once + retry(fixed(0), attempts=4), allow="*"
)
def test_gives_up_too_soon(scene, mqchaos, queue_type):
    """Three tries where four were promised, for the two messages that cannot be processed."""
    scene.queue(queue_type, dead_letter="orders.dead")
    scene.forked(correct.three_tries, env=QUICK)
    scene.publish()
    account = mqchaos.settle()
    assert numbers(account.retry_schedule) == [31, 32], text(account)
    assert finding(account, "retry_schedule").detail == "too_few"
    assert violations(account) == {"retry_schedule"}, text(account)


def too_much(scene, queue_type, arguments, **options):
    """Publish thirty orders to a queue that holds ten, and read it afterwards."""
    scene.queue(queue_type, arguments={"x-max-length": 10, **arguments}, **options)
    scene.publish().wait(15)
    scene.consumer("wrong", "not_idempotent", env=QUICK)
    return scene.mqchaos.settle()


FIRST = list(range(1, 21))


@both
@pytest.mark.chaos(baseline(), allow="*")
@pytest.mark.parametrize("declared", [False, True])
def test_dropped(scene, queue_type, declared):
    """The oldest are dropped: lost by policy, and told apart by what was declared for dead letters."""
    scene.mqchaos.exchange("orders.dlx")
    account = too_much(scene, queue_type, {"x-dead-letter-exchange": "orders.dlx"} if declared else {})
    assert numbers(account.overflow) == FIRST, text(account)
    found = finding(account, "overflow")
    assert found.detail == ("not_dead_lettered" if declared else "dropped")
    assert found.cause == "`orders` holds at most 10 messages (drop-head)"
    assert numbers(account.lost) == FIRST
    assert violations(account) == {"lost"}, text(account)


@both
@pytest.mark.chaos(baseline(), allow="*")
def test_dead_lettered_as_declared(scene, queue_type):
    """Where dead letters have a queue, what was too much is there, and said to be."""
    account = too_much(scene, queue_type, {}, dead_letter="orders.dead")
    assert numbers(account.overflow) == FIRST, text(account)
    assert finding(account, "overflow").detail == "dead_lettered"
    assert "overflow" not in violations(account), text(account)


@both
@pytest.mark.chaos(baseline())
def test_refused(scene, queue_type):
    """What a full queue refuses its publisher is told of: information, exactly those without a confirm."""
    account = too_much(scene, queue_type, {"x-overflow": "reject-publish"})
    confirmed = set(numbers(account.confirmed))
    assert numbers(account.overflow) == [n for n in range(1, COUNT + 1) if n not in confirmed], text(account)
    assert len(account.overflow) >= 10
    assert finding(account, "overflow").detail == "refused"
    assert account.verdict == "pass", text(account)


@pytest.mark.chaos(baseline(), allow="*")
def test_refused_and_not_dead_lettered_though_declared(scene):
    """A classic queue that dead-letters what it refuses, to nobody."""
    scene.mqchaos.exchange("orders.dlx")
    arguments = {"x-overflow": "reject-publish-dlx", "x-dead-letter-exchange": "orders.dlx"}
    account = too_much(scene, "classic", arguments)
    assert len(account.overflow) >= 10
    assert finding(account, "overflow").detail == "not_dead_lettered", text(account)
    assert not violations(account), text(account)
