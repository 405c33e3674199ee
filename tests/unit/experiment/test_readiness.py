"""When a consumer is ready, and what is said of one that is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from types import SimpleNamespace

import pytest

from pytest_mqchaos.errors import ChaosError, NotReady
from pytest_mqchaos.experiment.consumers.readiness import await_connected, await_ready
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History


class FakeReplica:
    """A process, and what it left behind."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.restarting = False
        self.trouble: ChaosError | None = None
        self.doubt = ""
        self.elsewhere: list[str] = []
        self.exit_code: int | None = None
        self.left: list[int] = []
        self.link = SimpleNamespace(mask=lambda text: text.replace("s3cr3t", "***"))

    @property
    def over(self) -> bool:
        return not self.alive and not self.restarting

    def left_behind(self) -> list[int]:
        return self.left

    def describe_failure(self) -> str:
        return "it wrote nothing"

    def foreign_connections(self, ours: Collection[int] = ()) -> list[str]:
        return [end for end in self.elsewhere if int(end.rpartition(":")[2]) not in ours]


class Ground:
    """A run whose history the test writes."""

    def __init__(self, *, replicas: int = 1, queues: tuple[str, ...] = ()) -> None:
        names = ["worker", *(f"worker#{n}" for n in range(2, replicas + 1))]
        self.history = History("k3f9")
        self.consumer = SimpleNamespace(replicas=[FakeReplica(name) for name in names], queues=queues)
        self.sharing = SimpleNamespace(check=lambda: None)
        self.wires = {
            name: SimpleNamespace(
                upstream_error="",
                client_error="",
                refusal="",
                connected=list,
                weather=SimpleNamespace(lag=0.0),
            )
            for name in names
        }
        self.services: dict[str, SimpleNamespace] = {}
        self.links = SimpleNamespace(
            named=lambda name: SimpleNamespace(wire=self.wires[name]),
            services=lambda: list(self.services),
            service=lambda name: SimpleNamespace(wire=self.services[name]),
        )
        self.http: dict[str, SimpleNamespace] = {}
        self.inside = SimpleNamespace(links=[])
        self.namespace = "mqchaos-k3f9"
        self.broker = SimpleNamespace(vhost=lambda namespace: namespace)

    def ready(self, *, timeout: float = 0.02, since: int = 0) -> None:
        await_ready(self, self.consumer, since=since, timeout=timeout)

    def opened(self, link: str = "worker", *, vhost: str = "mqchaos-k3f9") -> None:
        self.history.append(facts.LinkOpened(at=0, link=link, connection=1, vhost=vhost))

    def subscribed(self, queue: str, link: str = "worker") -> None:
        self.history.append(
            facts.Subscribed(at=0, link=link, connection=1, channel=1, consumer_tag="c", queue=queue)
        )

    def declared(self, queue: str, *, exclusive: bool) -> None:
        self.history.append(
            facts.QueueDeclared(
                at=0, link="worker", connection=1, channel=1, queue=queue, exclusive=exclusive
            )
        )

    def trouble(self) -> str:
        with pytest.raises(ChaosError) as caught:
            self.ready()
        assert "\n" not in str(caught.value)
        return str(caught.value)


def test_any_queue_will_do() -> None:
    """Where none was named."""
    ground = Ground()
    ground.subscribed("orders")
    ground.ready()


def test_polling_is_reading() -> None:
    """`basic.get` counts as a subscription does."""
    ground = Ground()
    ground.history.append(facts.Polled(at=0, link="worker", connection=1, channel=1, queue="orders"))
    ground.ready()


def test_a_queue_of_its_own_is_none() -> None:
    """An exclusive queue is for replies or commands; a shared one that is declared is not."""
    ground = Ground()
    ground.declared("amq.gen-1", exclusive=True)
    ground.subscribed("amq.gen-1")
    assert (
        ground.trouble()
        == "worker did not consume any queue within 0.02 s: it reads amq.gen-1; it wrote nothing"
    )
    ground.declared("orders", exclusive=False)
    ground.subscribed("orders")
    ground.ready()


@pytest.mark.parametrize(
    "queue",
    ["0f6c.reply.celery.pidbox", "celery@host.celery.pidbox", "celeryev.9e1cf5d9-742c"],
)
def test_a_queue_of_celerys_own_is_none(queue: str) -> None:
    """Older workers declare those as anybody's, and read them a second before their tasks."""
    ground = Ground()
    ground.declared(queue, exclusive=False)
    ground.subscribed(queue)
    assert f"it reads {queue};" in ground.trouble()
    ground.subscribed("orders.pidboxes")
    ground.ready()


def test_a_queue_of_celerys_own_that_is_named_is_waited_for() -> None:
    """Who names it means it."""
    ground = Ground(queues=("celery@host.celery.pidbox",))
    ground.subscribed("celery@host.celery.pidbox")
    ground.ready()


def test_what_the_broker_refuses_is_said() -> None:
    """A consumer that tries again and again need not write why; the wire has seen it."""
    ground = Ground()
    ground.opened()
    text = "ACCESS_REFUSED - configure access to queue 'orders' in vhost '/' refused for user 'ci'"
    ground.history.append(
        facts.ChannelClosed(at=0, link="worker", connection=1, channel=1, by="broker", code=403, text=text)
    )
    assert ground.trouble() == (
        f"worker did not consume any queue within 0.02 s: the broker closed its channel: 403 {text}; "
        "it is connected and has subscribed to nothing; it wrote nothing"
    )


def test_all_queues_named_are_wanted() -> None:
    """One of two is not enough."""
    ground = Ground(queues=("billing", "shipping"))
    ground.subscribed("billing")
    assert ground.trouble().startswith(
        "worker did not consume billing and shipping within 0.02 s: it reads billing;"
    )
    ground.subscribed("shipping")
    ground.ready()


def test_every_replica_is_waited_for() -> None:
    """And the one that is missing is named."""
    ground = Ground(replicas=2)
    ground.subscribed("orders")
    assert ground.trouble().startswith("worker#2 did not consume any queue")
    ground.subscribed("orders", link="worker#2")
    ground.ready()


def test_what_was_before_its_start_is_not_its() -> None:
    """A consumer that is started again reads anew."""
    ground = Ground()
    ground.subscribed("orders")
    with pytest.raises(ChaosError):
        ground.ready(since=len(ground.history))


def test_it_is_noticed_as_it_happens() -> None:
    """Without waiting for a deadline."""
    ground = Ground()
    threading.Timer(0.02, ground.subscribed, ("orders",)).start()
    started = time.monotonic()
    ground.ready(timeout=10)
    assert time.monotonic() - started < 5


def test_one_that_ended() -> None:
    """At once, with how it ended."""
    ground = Ground()
    ground.consumer.replicas[0].alive = False
    assert ground.trouble() == "worker ended before it consumed: it wrote nothing"


def test_one_that_went_to_the_background() -> None:
    """It forked, and its first process left: whether it has subscribed already or not."""
    ground = Ground()
    replica = ground.consumer.replicas[0]
    replica.alive, replica.exit_code, replica.left = False, 0, [4711, 4712]
    away = ", and left 4711, 4712 in the background (let it run in the foreground, without an option for a daemon)"
    assert ground.trouble() == f"worker ended before it consumed{away}: it wrote nothing"
    ground.subscribed("orders")
    ground.wires["worker"].connected = lambda: ["relay"]
    assert ground.trouble() == f"the first process of worker ended{away}"


@pytest.mark.parametrize(
    ("exit_code", "left", "connected"), [(0, [], True), (0, [4711], False), (1, [4711], True)]
)
def test_one_that_has_done_its_work_already(exit_code: int, left: list[int], connected: bool) -> None:
    """Ready is ready: neither a helper that lingers nor a connection that is about to end make it a daemon."""
    ground = Ground()
    replica = ground.consumer.replicas[0]
    replica.alive, replica.exit_code, replica.left = False, exit_code, left
    ground.wires["worker"].connected = lambda: ["relay"] if connected else []
    ground.subscribed("orders")
    ground.ready()


def test_one_that_is_being_restarted_has_its_time() -> None:
    """A supervisor may need two tries."""
    ground = Ground()
    ground.consumer.replicas[0].alive = False
    ground.consumer.replicas[0].restarting = True
    threading.Timer(0.02, ground.subscribed, ("orders",)).start()
    ground.ready(timeout=10)


def test_one_that_could_not_be_started_again() -> None:
    """The reason is known: nothing is waited for."""
    ground = Ground()
    ground.consumer.replicas[0].trouble = ChaosError("worker could not be started again: no memory")
    assert ground.trouble() == "worker could not be started again: no memory"


def test_connected_and_silent() -> None:
    """It came through its link and subscribed to nothing."""
    ground = Ground()
    ground.opened()
    assert "it is connected and has subscribed to nothing" in ground.trouble()


def test_connected_elsewhere() -> None:
    """To which broker, and where its address is."""
    ground = Ground()
    ground.consumer.replicas[0].elsewhere = ["127.0.0.1:5672"]
    assert (
        "it talks to 127.0.0.1:5672 instead of its link; take the address from $MQCHAOS_URL"
        in ground.trouble()
    )


def test_services_of_the_test_are_not_elsewhere() -> None:
    """What it reaches through us is no broker of somebody else's: neither a link to a database nor our HTTP server."""
    ground = Ground()
    ground.services["pg"] = SimpleNamespace(port=5433)
    ground.http["pay"] = SimpleNamespace(ports={8081})
    ground.consumer.replicas[0].elsewhere = ["127.0.0.1:5433", "127.0.0.1:8081"]
    assert ": it never connected; " in ground.trouble()
    ground.consumer.replicas[0].elsewhere.append("127.0.0.1:5672")
    assert ": it talks to 127.0.0.1:5672 instead of its link; " in ground.trouble()


def test_connected_elsewhere_besides() -> None:
    """One that talks to its link, too, does not do so instead."""
    ground = Ground()
    ground.opened()
    ground.consumer.replicas[0].elsewhere = ["127.0.0.1:5672"]
    assert (
        ": it is connected and has subscribed to nothing; besides its link it talks to 127.0.0.1:5672; "
        in ground.trouble()
    )


def test_many_addresses_elsewhere_are_counted() -> None:
    """Three are told, of the rest how many there are."""
    ground = Ground()
    ground.consumer.replicas[0].elsewhere = [f"10.0.0.{n}:5672" for n in range(1, 6)]
    three = "10.0.0.1:5672, 10.0.0.2:5672, 10.0.0.3:5672 and 2 more"
    assert f": it talks to {three} instead of its link; " in ground.trouble()
    ground.opened()
    assert f"; besides its link it talks to {three}; " in ground.trouble()


def test_on_a_link_that_the_test_opened() -> None:
    """A process that found it in a file has to be started on it."""
    ground = Ground()
    ground.inside.links.append(SimpleNamespace(name="broker", port=5673))
    ground.consumer.replicas[0].elsewhere = ["127.0.0.1:5673"]
    assert (
        ": it talks to 127.0.0.1:5673, and that is the link 'broker' of the test: consumer(..., link=link) starts it "
        "there, under the name 'broker'; "
    ) in ground.trouble()


IN_ANOTHER = (
    "it is connected to vhost '/', and this run's is 'mqchaos-k3f9': take {vhost} besides {host} and {port}, or the "
    "whole {url}"
)


def test_in_another_vhost() -> None:
    """Queues of another vhost are others, whatever their names; that is told when its time is over, or it ended."""
    ground = Ground()
    ground.opened(vhost="/")
    ground.subscribed("orders")
    assert (
        ground.trouble() == f"worker did not consume any queue within 0.02 s: {IN_ANOTHER}; it wrote nothing"
    )
    ground.consumer.replicas[0].alive = False
    assert ground.trouble() == f"worker ended before it consumed; {IN_ANOTHER}: it wrote nothing"


@pytest.mark.parametrize("first", ["/", "mqchaos-k3f9"])
def test_a_second_vhost_besides(first: str) -> None:
    """Which one it opens first is its own affair."""
    ground = Ground()
    ground.opened(vhost=first)
    ground.subscribed("audit")
    ground.opened(vhost="mqchaos-k3f9" if first == "/" else "/")
    ground.ready()


def test_the_vhost_of_somebody_elses_broker() -> None:
    """There the run may be in the user's own."""
    ground = Ground()
    ground.broker.vhost = lambda _: "/"
    ground.opened(vhost="/")
    ground.subscribed("orders")
    ground.ready()


def test_a_producer_in_another_vhost() -> None:
    """It publishes to exchanges of others."""
    ground = Ground()
    ground.opened(vhost="/")
    replica = ground.consumer.replicas[0]
    with pytest.raises(ChaosError) as raised:
        await_connected(ground, replica, since=0, timeout=0.02)
    assert str(raised.value).startswith(
        f"worker was not connected through its link within 0.02 s: {IN_ANOTHER} ("
    )
    ground.opened()
    await_connected(ground, replica, since=0, timeout=0.02)


def test_a_connection_that_the_broker_refuses() -> None:
    """Its words are told, without credentials, whether the program ended or tries for ever."""
    ground = Ground()
    ground.wires["worker"].refusal = "530 NOT_ALLOWED - vhost 'shop' not found (amqp://ci:s3cr3t@host)"
    said = (
        "the broker refused its connection: 530 NOT_ALLOWED - vhost 'shop' not found (amqp://***@host); "
        "take {vhost}, {user} and {password} besides {host} and {port}, or the whole {url}"
    )
    assert ground.trouble() == f"worker did not consume any queue within 0.02 s: {said}; it wrote nothing"
    ground.consumer.replicas[0].elsewhere = ["127.0.0.1:5432"]
    assert f": {said}; besides its link it talks to 127.0.0.1:5432; " in ground.trouble()
    ground.consumer.replicas[0].alive = False
    assert ground.trouble() == f"worker ended before it consumed; {said}: it wrote nothing"


def test_a_refusal_that_it_got_over() -> None:
    """What a later connection was not met with is no reason."""
    ground = Ground()
    ground.wires["worker"].refusal = "530 NOT_ALLOWED - vhost 'shop' not found"
    ground.opened()
    assert ": it is connected and has subscribed to nothing; it wrote" in ground.trouble()


def test_a_link_that_leads_nowhere() -> None:
    """That is not the consumer's fault."""
    ground = Ground()
    ground.wires["worker"].upstream_error = "Connect call failed"
    assert "its link could not reach the broker (Connect call failed)" in ground.trouble()


def test_never_connected() -> None:
    """With where its address is."""
    assert (
        "it never connected; its address is in $MQCHAOS_URL, $AMQP_URL and the placeholder {url}"
        in Ground().trouble()
    )


def test_a_link_that_is_slow() -> None:
    """A consumer that a fault keeps from being ready in time is told apart from one that never connects."""
    ground = Ground()
    ground.wires["worker"].weather.lag = 2.0
    assert "slows its link down from the start: a greater ready_timeout= gives it time" in ground.trouble()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("", ": it never connected; "),
        (
            "what was said on its link is no AMQP 0-9-1: the stream begins with a TLS handshake",
            "; it speaks TLS, and its link plain text: consumer(..., tls=True) makes one that speaks TLS",
        ),
        ("its TLS failed: unknown ca", "; its TLS failed: unknown ca"),
    ],
)
def test_a_client_that_was_not_understood_is_told_why(error: str, said: str) -> None:
    """What a link could not make out of a client's words stands where the error is, whether it ended or not."""
    ground = Ground()
    ground.wires["worker"].client_error = error
    with pytest.raises(ChaosError) as raised:
        ground.ready()
    assert said in str(raised.value)
    ground.consumer.replicas[0].alive = False
    with pytest.raises(ChaosError, match="ended before it consumed") as raised:
        ground.ready()
    assert (said in str(raised.value)) == bool(error)


@pytest.mark.parametrize("ends", [True, False])
def test_a_placeholder_that_looks_misspelt(ends: bool) -> None:
    """One that ended, or did not get ready, may have been told a word in braces where an address was meant."""
    ground = Ground()
    (worker,) = ground.consumer.replicas
    worker.doubt = "`{hots}` in env RH stands for nothing: did you mean {host}?"
    worker.alive = not ends
    with pytest.raises(
        NotReady, match=r" \(`\{hots\}` in env RH stands for nothing: did you mean \{host\}\?\)[:;] "
    ):
        ground.ready()
