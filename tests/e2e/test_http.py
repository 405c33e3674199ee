"""Consumers whose work is an HTTP call: each good answer of `mqchaos.http` is an effect, in order against the acks."""

from __future__ import annotations

import collections
import http.client

import pytest
from e2e_kit import COUNT, finding, numbers, text, violations

from pytest_mqchaos import (
    ChaosError,
    UsageError,
    ack,
    baseline,
    broker_restart,
    call,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_freeze,
    consumer_terminate,
    delivery,
    effect,
    lost_ack,
    malformed_payload,
    transient,
)

both = pytest.mark.parametrize("queue_type", ["classic", "quorum"])
RETRY = {"x-message-ttl": 100, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders"}


def start(scene, mqchaos, kind, queue_type="classic", *, retry=False, count=COUNT, env=None, **http):
    """Start a calling consumer with the queues that it needs, and publish orders."""
    mqchaos.http(key="order", **http)
    mqchaos.queue("orders.dead")
    mqchaos.dead_letters("orders.dead")
    to = "orders.retry" if retry else "orders.dead"
    if retry:
        mqchaos.queue("orders.retry", arguments=RETRY)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": to}
    scene.queue(queue_type, arguments=arguments)
    scene.consumer("calling", kind, env=env)
    mqchaos.publish("orders", count=count, key="order")


def life_of(account, number):
    """The life of a message, by its number."""
    (life,) = [life for life in account.published if life.number == number]
    return life


def calls_of(account, number):
    """The statuses that a message's calls were answered with, read off its life."""
    steps = [step for step in life_of(account, number).events if step.kind == "answered"]
    return [int(step.text.split()[2].strip(",")) for step in steps]


def error_of(function):
    """Return what the error says that a call raises."""
    try:
        function()
    except (ChaosError, UsageError) as error:
        return str(error)
    return "no error"


# --- correct consumers stay silent ---


@both
@pytest.mark.chaos(baseline(), settle_timeout=10.0)
def test_a_retry_through_a_waiting_room(scene, mqchaos, queue_type):
    """The first two tries of some messages fail; what comes back by TTL and dead letter goes well at the third."""
    start(scene, mqchaos, "retries", queue_type, retry=True, fail=transient(2, share=0.2))
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    answered = collections.Counter(scene.diary("answered"))
    failed = [line for line in answered if line.endswith(" 503")]
    assert len(failed) == 6
    assert {answered[line] for line in failed} == {2}
    assert len(account.effected) == COUNT


@both
@pytest.mark.chaos(
    consumer_crash(before=ack(10)),
    consumer_crash(before=call(10)),
    consumer_crash(after=call(10)),
    consumer_crash(after=effect(10)),
    connection_reset(after=call(10)),
    lost_ack(after=call(10)),
    consumer_terminate(after=call(10)),
    broker_restart(after=call(10)),
    malformed_payload(kinds=["truncated", "empty"]),
    guarantee="exactly-once",
    poison="dead-letter",
)
def test_an_idempotency_key(scene, mqchaos, queue_type):
    """A service that knows a call again does the work once, whatever breaks."""
    mqchaos.http(key="order", fail=transient(1, share=0.2))
    mqchaos.queue("orders.dead")
    mqchaos.dead_letters("orders.dead")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "orders.dead"}
    scene.queue(queue_type, arguments=arguments)
    scene.consumer("calling", "stubborn")
    mqchaos.publish("orders", count=COUNT, key="order")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


@pytest.mark.parametrize("kind", ["tries_again", "requeues"])
@pytest.mark.chaos(baseline(), consumer_crash(before=call(7)), connection_drop(before=call(7)))
def test_a_retry_at_once(scene, mqchaos, kind):
    """Whether it tries again itself, or by the queue: at least once is kept."""
    start(scene, mqchaos, kind, fail=transient(2, share=0.2))
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


# --- planted bugs ---


@both
@pytest.mark.chaos(baseline(), allow="*", settle_timeout=5.0)
def test_an_answer_that_nobody_looks_at(scene, mqchaos, queue_type):
    """Acknowledged though the service said 503: lost, and the account says with which answer."""
    start(scene, mqchaos, "deaf", queue_type, fail=transient(2, share=0.1))
    account = mqchaos.settle()
    refused = {line.split()[0] for line in scene.diary("answered") if line.endswith(" 503")}
    assert len(refused) == 3
    assert {life.key for life in account.lost} == refused, text(account)
    assert violations(account) == {"lost"}, text(account)
    assert "http answered" in finding(account, "lost").cause
    assert "503" in finding(account, "lost").cause


@both
@pytest.mark.chaos(baseline(), allow="*", settle_timeout=5.0)
def test_no_retry(scene, mqchaos, queue_type):
    """Given up after one failure of two that would have passed: told, and no false positive, as the model has it."""
    start(scene, mqchaos, "gives_up", queue_type, fail=transient(2, share=0.1))
    account = mqchaos.settle()
    assert len(account.dead_letter_false_positive) == 3, text(account)
    assert account.verdict == "pass", text(account)
    assert finding(account, "dead_letter_false_positive").detail == "given_up"
    assert "503" in finding(account, "dead_letter_false_positive").cause


@both
@pytest.mark.chaos(consumer_crash(before=call(5)), allow="*", settle_timeout=5.0)
def test_ack_before_the_call(scene, mqchaos, queue_type):
    """What is acknowledged and not called for when it dies is lost: exactly the message of the fifth call."""
    start(scene, mqchaos, "ack_first", queue_type, env={"PREFETCH": 1})
    account = mqchaos.settle()
    assert numbers(account.lost) == [5], text(account)
    assert violations(account) == {"lost"}, text(account)
    assert "consumer_crash" in finding(account, "lost").cause


@both
@pytest.mark.chaos(baseline(), allow="*")
def test_ack_before_the_call_on_a_clean_run(scene, mqchaos, queue_type):
    """Without a fault its hazard is named: the order of ack and call is known."""
    start(scene, mqchaos, "ack_first", queue_type)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert "acked_before_effect" in {hazard.kind for hazard in account.hazards}, text(account)


@both
@pytest.mark.parametrize("prefetch", [1, 10])
@pytest.mark.chaos(consumer_crash(after=call(5)), guarantee="exactly-once", allow="*")
def test_a_crash_between_answer_and_ack(scene, mqchaos, queue_type, prefetch):
    """The service has done it, the consumer never read so: it comes again, and is done twice."""
    start(scene, mqchaos, "retries", queue_type, env={"PREFETCH": prefetch})
    account = mqchaos.settle()
    assert numbers(account.duplicated) == [5], text(account)
    assert violations(account) == {"duplicated"}, text(account)
    assert calls_of(account, 5) == [200, 200]


@both
@pytest.mark.chaos(consumer_crash(before=call(5)), guarantee="exactly-once")
def test_a_crash_before_the_answer(scene, mqchaos, queue_type):
    """A request that dies with its consumer is no work: it comes again, and is done once."""
    start(scene, mqchaos, "retries", queue_type)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert calls_of(account, 5) == [200]
    assert scene.diary("called").count(life_of(account, 5).key) == 2


@pytest.mark.chaos(baseline(), guarantee="exactly-once", allow="*")
def test_a_caller_that_gave_up_waiting(scene, mqchaos):
    """The service does not notice that nobody waits any more: its work is done, and done again."""
    start(scene, mqchaos, "impatient", count=3, delay=0.6, env={"PATIENCE": 0.3})
    account = mqchaos.settle()
    assert "duplicated" in violations(account), text(account)


@pytest.mark.xfail(raises=pytest.fail.Exception, strict=True, reason="the verdict says it once more")
@pytest.mark.chaos(baseline(), allow="*")
def test_a_name_that_nobody_published(scene, mqchaos):
    """Where every call names something else the test's key is at fault, and that is said instead of losses."""
    start(scene, mqchaos, "misnames", count=4)
    said = error_of(mqchaos.settle)
    assert said.startswith(
        "http('http'): 4 requests came, and key='order' found a message of this run in none"
    )


# --- moments ---


@pytest.mark.chaos(consumer_freeze(before=call(4), duration=0.3), guarantee="exactly-once")
def test_a_freeze_lets_the_call_go_on(scene, mqchaos):
    """A consumer that stands still while it is answered reads the answer later, and does nothing twice."""
    start(scene, mqchaos, "retries", retry=True)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert len(scene.diary("called")) == COUNT


@pytest.mark.chaos(
    connection_reset(link="pay", before=call(5)),
    connection_drop(link="pay", after=call(5)),
    consumer_crash(after=call(9)),
    guarantee="exactly-once",
    allow="*",
)
def test_the_way_to_the_service(scene, mqchaos):
    """A request that dies on its way is no work; where the answer does, its work is done, and done again."""
    service = mqchaos.http(key="order")
    way = mqchaos.link("pay", upstream=service.address)
    scene.queue("classic")
    env = {"MQCHAOS_HTTP_URL": f"http://{way.address}", "PREFETCH": "1"}
    scene.consumer("calling", "tries_again", env=env)
    mqchaos.publish("orders", count=COUNT, key="order")
    account = mqchaos.settle()
    struck = {"before-call": [], "drop": [5], "crash": [9]}
    expected = next(numbers for name, numbers in struck.items() if name in mqchaos.scenario)
    assert numbers(account.duplicated) == expected, text(account)
    assert violations(account) <= {"duplicated"}, text(account)
    assert len(account.effected) == COUNT
    assert {one.consumer for one in service.calls} == {None}


@pytest.mark.chaos(consumer_crash(after=call(message=7), times=2), allow="*")
def test_a_message_is_named_by_its_place(scene, mqchaos):
    """`call(message=7)` is its first call, and with `times=2` its second as well."""
    start(scene, mqchaos, "retries", env={"PREFETCH": 1})
    account = mqchaos.settle()
    assert calls_of(account, 7) == [200, 200, 200], text(account)
    assert numbers(account.duplicated) == [7]


@pytest.mark.chaos(consumer_crash(after=delivery(5)))
def test_it_is_waited_for(scene, mqchaos):
    """`wait(call(n))` returns when so many have come, and the handle tells of them."""
    start(scene, mqchaos, "retries")
    mqchaos.wait(call(12))
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)


@pytest.mark.chaos(
    baseline(), guarantee="exactly-once", allow={"lost:nothing_shows": "this consumer never calls billing"}
)
def test_two_services_and_two_replicas(scene, mqchaos):
    """Each service has an address for each replica, and is judged by its name: the one that nobody called is said."""
    first = mqchaos.http(key="order")
    second = mqchaos.http(key=lambda request: request.path.rpartition("/")[2], name="billing")
    scene.queue("classic")
    seen = scene.consumer(
        "calling", "retries", replicas=2, env={"BILLING": "{http:billing}/x", "PLAIN": "{http}"}
    )
    mqchaos.publish("orders", count=COUNT, key="order")
    account = mqchaos.settle()
    assert [(found.kind, found.detail) for found in account.violations] == [("lost", "nothing_shows")], text(
        account
    )
    assert "`billing`" in finding(account, "lost").cause
    assert {each.consumer for each in first.calls} == {"worker", "worker#2"}
    assert second.calls == []
    urls = [link.variables for link in seen.links]
    assert all(each["MQCHAOS_HTTP_URL"] != each["MQCHAOS_BILLING_URL"] for each in urls)
    assert len({each["MQCHAOS_HTTP_URL"] for each in urls}) == 2
    assert seen.links[0].fill("{http:billing}/x") == f"{urls[0]['MQCHAOS_BILLING_URL']}/x"


# --- what is said to those who err ---


@pytest.mark.xfail(raises=pytest.fail.Exception, strict=True, reason="the verdict says it once more")
@pytest.mark.chaos(baseline(), allow="*")
def test_a_consumer_before_its_service(scene, mqchaos):
    """A consumer that was started before could not know the address: the order is the error."""
    scene.queue("classic")
    scene.consumer("calling", "retries", env={"MQCHAOS_HTTP_URL": "http://127.0.0.1:9"})
    with pytest.raises(
        ChaosError, match=r"http\('http'\) comes too late: worker was started .* before mqchaos"
    ):
        mqchaos.http(key="order")
    with pytest.raises(UsageError, match=r"wait\(call\(1\)\): there is no service to call; mqchaos\.http"):
        mqchaos.wait(call(1))


@pytest.mark.chaos(baseline(), allow="*")
def test_requests_of_nobody(scene, mqchaos):
    """A health check, and what is no HTTP at all, are answered and noted, and are no effects."""
    service = mqchaos.http(key="order")
    scene.queue("classic")
    scene.consumer("calling", "retries")
    host, _, port = service.address.partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    connection.request("GET", "/health")
    assert connection.getresponse().read() == b'{"ok": true}'
    connection.sock.sendall(b"NONSENSE\r\n\r\n")
    assert connection.sock.recv(20).startswith(b"HTTP/1.1 400")
    connection.close()
    mqchaos.publish("orders", count=5, key="order")
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    notes = " | ".join(account.notes)
    assert "http: 1 request named no message: GET /health" in notes
    assert "http: 1 request could not be read: answered with 400" in notes
