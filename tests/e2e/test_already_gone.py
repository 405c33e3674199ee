"""A fault that meets a consumer or a connection that is already gone: what docs/faults.md says of each family."""

import os
import time
from pathlib import Path

import pytest
from consumers import correct, kit
from e2e_kit import finding, numbers, text, violations

from pytest_mqchaos import (
    DeliveryError,
    ack,
    bandwidth,
    black_hole,
    broker_crash,
    broker_freeze,
    broker_restart,
    combine,
    connection_drop,
    connection_reset,
    consumer_crash,
    consumer_freeze,
    consumer_terminate,
    delivery,
    fragment,
    latency,
    lost_ack,
    publish,
    refuse,
    stall,
)
from pytest_mqchaos.model import events as facts

FIRST, COUNT = 10, 20
ALL = list(range(1, COUNT + 1))
LATER = publish(FIRST + 1)
"""The moment at which the one that is struck has gone, and another consumer has work still to come."""
QUICK = {"WORK": 0.005}
NOTHING = pytest.mark.xfail(
    strict=True, raises=DeliveryError, reason="it proves nothing: that is what is tested"
)


def moment(**options):
    """Return the arguments of a fault that strikes `gone` later."""
    return {"after": LATER, "consumer": "gone", **options}


ON_CONNECTIONS = (connection_drop(**moment()), connection_reset(**moment()))
ON_LINKS = (
    refuse(**moment(duration=3.0)),
    stall(**moment(duration=3.0)),
    black_hole(**moment(duration=3.0)),
    latency(delay=0.02, **moment()),
    latency(delay=0.02, **moment(duration=3.0)),
    bandwidth(20_000, **moment()),
    fragment(16, **moment()),
)
ON_PROCESSES = (
    consumer_crash(**moment()),
    consumer_crash(process="main", **moment()),
    consumer_terminate(**moment()),
    consumer_freeze(**moment(duration=0.3)),
)


def once_there(look):
    """Wait until something is there, and return it."""
    deadline = time.monotonic() + 15
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)  # between two looks
    return found


def seen(mqchaos, kind, link):
    """Return the events of a kind on a link."""
    return [event for event in mqchaos.history if isinstance(event, kind) and event.link == link]


def struck(mqchaos):
    """Return what is told of the only strike."""
    (fired,) = [event for event in mqchaos.history if isinstance(event, facts.FaultFired)]
    return fired


def felt_nothing(mqchaos):
    """Assert that the run, in which all went well, proves nothing, for the strike changed nothing."""
    account = mqchaos.settle()
    assert numbers(account.effected) == ALL, text(account)
    assert not violations(account) - {"vacuous"}, text(account)
    assert account.verdict == "unknown", text(account)
    assert "changed nothing: gone felt nothing of it" in str(finding(account, "vacuous").claim)
    assert not struck(mqchaos).changed


@pytest.fixture
def ended(scene, mqchaos):
    """Have a consumer that has ended for good before the fault strikes, and another one that goes on with the work."""
    scene.queue("classic")
    gone = scene.forked(correct.ack_after_work, name="gone", restart="never", env=QUICK)
    scene.publish(count=FIRST)
    once_there(lambda: len(scene.diary("done")) == FIRST)
    gone.terminate()
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish(count=COUNT - FIRST)


@NOTHING
@pytest.mark.chaos(*ON_CONNECTIONS, *ON_LINKS, *ON_PROCESSES)
def test_a_consumer_that_has_ended_for_good(scene, mqchaos, ended):
    """Nobody is left who could feel it: vacuous, though another consumer goes on with the work."""
    felt_nothing(mqchaos)


@NOTHING
@pytest.mark.chaos(lost_ack(**moment()))
def test_an_ack_of_a_consumer_that_has_ended_for_good(scene, mqchaos, ended):
    """It acks nothing any more: what waits for its next ack never strikes, and says so."""
    account = mqchaos.settle()
    assert account.verdict == "unknown", text(account)
    assert "never struck" in str(finding(account, "vacuous").claim)


BROKER = (broker_restart, broker_crash, broker_freeze)


@pytest.mark.chaos(*(fault(after=LATER) for fault in BROKER))
def test_the_broker_when_a_consumer_has_ended_for_good(scene, mqchaos, ended):
    """The broker is struck whoever is left, and who is left feels it."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert struck(mqchaos).changed


@NOTHING
@pytest.mark.chaos(broker_restart(after=ack(FIRST)), broker_freeze(after=ack(FIRST)))
def test_the_broker_when_all_is_done(scene, mqchaos):
    """No message was on its way, and none came later: nobody can tell what the fault would have done to one."""
    scene.queue("classic")
    scene.forked(correct.ack_after_work, env=QUICK)
    scene.publish(count=FIRST)
    account = mqchaos.settle()
    assert account.verdict == "unknown", text(account)
    assert "struck when no message was on its way" in str(finding(account, "vacuous").claim)


def pauses(url):
    """Work on the first orders, hang up, and come back when the test says so."""
    go = Path(os.environ["GO"])

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)
        if kit.order(body)["n"] == FIRST and not go.exists():
            channel.connection.close()

    def session(url):
        kit.consume(url, handle)
        while not go.exists():
            time.sleep(0.01)

    kit.again_and_again(session, url)


@pytest.fixture
def pausing(scene, mqchaos, tmp_path):
    """Return what tells a consumer to come back that lives, and has hung up before the fault strikes."""
    go = tmp_path / "go"
    scene.queue("classic")
    scene.forked(pauses, name="gone", env={**QUICK, "GO": go})
    scene.publish(count=FIRST)
    once_there(lambda: seen(mqchaos, facts.LinkLost, "gone"))
    scene.publish(count=COUNT - FIRST, body=lambda n, rng: {"n": n + FIRST})
    if not mqchaos.scenario.startswith("lost_ack"):  # which waits for an ack
        once_there(lambda: [event for event in mqchaos.history if isinstance(event, facts.FaultFired)])
    return go


@NOTHING
@pytest.mark.chaos(*ON_CONNECTIONS)
def test_a_cut_between_two_connections(scene, mqchaos, pausing):
    """A cut strikes the connections there are: where there is none it is vacuous, and later ones are left alone."""
    pausing.touch()
    felt_nothing(mqchaos)
    assert scene.diary("lost") == []


@pytest.mark.chaos(*ON_LINKS, *ON_PROCESSES)
def test_between_two_connections(scene, mqchaos, pausing):
    """What keeps a link down, silent or slow is there for the next connection; a process lives without one too."""
    pausing.touch()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.effected) == ALL, text(account)
    assert struck(mqchaos).changed
    assert struck(mqchaos).target == "gone"


@pytest.mark.chaos(lost_ack(**moment()))
def test_an_ack_between_two_connections(scene, mqchaos, pausing):
    """The next ack is lost, on whichever connection it comes."""
    pausing.touch()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    swallowed = [event for event in seen(mqchaos, facts.Acked, "gone") if not event.passed]
    first = seen(mqchaos, facts.LinkOpened, "gone")[0].connection
    assert len({event.connection for event in swallowed} - {first}) == 1  # and what it sent before it noticed
    assert all(event.connection != first for event in swallowed)
    assert struck(mqchaos).changed


@pytest.mark.chaos(combine(lost_ack(after=delivery(3)), connection_reset(after=delivery(4))))
def test_an_ack_of_a_connection_that_was_cut(scene, mqchaos):
    """The connection that X was on is cut before it acks: the first ack of the next one is lost instead."""
    scene.queue("classic")
    scene.forked(correct.batched, env={**QUICK, "PREFETCH": 20})
    scene.publish(count=COUNT)
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    acked = seen(mqchaos, facts.Acked, "worker")
    first = seen(mqchaos, facts.LinkOpened, "worker")[0].connection
    (connection,) = {event.connection for event in acked if not event.passed}
    assert connection != first
    assert all(fault.fired for fault in account.faults)


@pytest.mark.chaos(connection_drop(every=COUNT - FIRST - 5, times=2, **moment()))
def test_one_of_two_cuts_met_nobody(scene, mqchaos, tmp_path):
    """A strike that met nobody is one of the strikes there were to be; the run proves what the other one does."""
    go = tmp_path / "go"
    scene.queue("classic")
    scene.forked(pauses, name="gone", env={**QUICK, "GO": go})
    scene.publish(count=FIRST)
    once_there(lambda: seen(mqchaos, facts.LinkLost, "gone"))
    scene.publish(count=4, body=lambda n, rng: {"n": n + FIRST})
    once_there(lambda: [event for event in mqchaos.history if isinstance(event, facts.FaultFired)])
    go.touch()
    once_there(lambda: seen(mqchaos, facts.Subscribed, "gone")[1:])
    scene.publish(count=COUNT - FIRST - 4, body=lambda n, rng: {"n": n + FIRST + 4})
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    fired = [event.changed for event in mqchaos.history if isinstance(event, facts.FaultFired)]
    assert fired == [False, True]


def goes_home(url):
    """Work on the first orders, and end; who starts it again has the next ones."""

    def handle(channel, method, properties, body):
        kit.work(properties, body)
        channel.basic_ack(method.delivery_tag)
        if kit.order(body)["n"] == FIRST:
            channel.connection.close()

    kit.consume(url, handle)


@pytest.fixture
def supervised(scene, mqchaos):
    """Have a consumer that has ended before the fault strikes, and is started again when it has."""
    scene.queue("classic")
    options = {"restart": "always", "restart_delay": 2.0}
    scene.forked(goes_home, name="gone", env=QUICK, **options)
    scene.publish(count=FIRST)
    once_there(lambda: [event for event in mqchaos.history if isinstance(event, facts.ConsumerEnded)])
    scene.publish(count=COUNT - FIRST, body=lambda n, rng: {"n": n + FIRST})


@NOTHING
@pytest.mark.chaos(*ON_CONNECTIONS, *ON_PROCESSES)
def test_a_process_between_two_starts(scene, mqchaos, supervised):
    """Neither a connection nor a process is there to strike: vacuous, and the next process is left alone."""
    felt_nothing(mqchaos)
    assert scene.diary("lost") == []


@pytest.mark.chaos(*ON_LINKS)
def test_a_link_between_two_starts(scene, mqchaos, supervised):
    """What keeps a link down, silent or slow counts as felt by a process that is about to be started."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert numbers(account.effected) == ALL, text(account)
    assert struck(mqchaos).changed


@pytest.mark.chaos(lost_ack(**moment()))
def test_an_ack_between_two_starts(scene, mqchaos, supervised):
    """The next process's first ack is lost."""
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    swallowed = [event for event in seen(mqchaos, facts.Acked, "gone") if not event.passed]
    _, second, *_ = seen(mqchaos, facts.LinkOpened, "gone")
    # The first ack of the next process; what it sent before it noticed is kept from the broker as well.
    assert [event.tag for event in swallowed] == list(range(1, len(swallowed) + 1))
    assert {event.connection for event in swallowed} == {second.connection}
