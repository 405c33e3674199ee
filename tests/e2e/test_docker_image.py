"""The user's consumer as a container: struck, seen and judged as a process is, whatever the broker runs on."""

import os
import signal
import subprocess
import sys

import pytest
from e2e_kit import numbers, text
from ends_kit import Session, until
from image_kit import USER, image
from service_kit import engine_client

from pytest_mqchaos import (
    ChaosError,
    UsageError,
    ack,
    baseline,
    connection_drop,
    consumer_crash,
    consumer_freeze,
    consumer_terminate,
    delivery,
    docker_image,
    publish,
)
from pytest_mqchaos.consumers import launching, proc

COUNT = 20
QUEUES = pytest.mark.parametrize("queue_type", ["classic", "quorum"])


@pytest.fixture(scope="session")
def worker():
    """The image's name."""
    return image()


@pytest.fixture
def containers():
    """Return what lists the consumers' containers of a run by their labels."""
    client = engine_client()
    yield lambda run: client.api.containers(
        all=True, filters={"label": [f"mqchaos.run={run}", "mqchaos.role=consumer"]}
    )
    client.close()


# --- faults, and what they reveal ---


@QUEUES
@pytest.mark.chaos(
    baseline(),
    connection_drop(after=delivery(3)),
    consumer_crash(before=ack(5)),
    consumer_crash(after=delivery(7)),
    consumer_crash(before=ack(5), process="main"),
    consumer_terminate(after=delivery(4)),
    consumer_freeze(after=ack(5), duration=0.5),
    evidence="effects",
)
def test_a_correct_consumer_passes(scene, worker, queue_type):
    """It works, and then acks: whatever strikes it, nothing is lost and nothing else is flagged."""
    scene.queue(queue_type)
    scene.mqchaos.consumer(docker_image(worker), name="worker")
    scene.publish(count=COUNT)
    account = scene.mqchaos.verify()
    assert account.verdict == "pass", text(account)
    assert numbers(account.effected) == list(range(1, COUNT + 1))


@QUEUES
@pytest.mark.parametrize("kind", ["ackfirst", "apart", "threads"])
@pytest.mark.chaos(consumer_crash(after=ack(5)), allow="*")
def test_ack_before_work_loses_exactly_one(scene, worker, queue_type, kind):
    """It works right after its ack, in its first process or in a child's own group, or soon: it does not get there."""
    scene.queue(queue_type)
    scene.mqchaos.consumer(docker_image(worker, [kind]), name="worker")
    scene.publish(count=COUNT)
    account = scene.mqchaos.settle()
    assert account.lost == [5], text(account)
    assert len(account.effected) == COUNT - 1


@QUEUES
@pytest.mark.chaos(consumer_crash(after=delivery(7)), allow="*", evidence="effects")
def test_automatic_ack_loses(scene, worker, queue_type):
    """What it had in hand is gone, and nothing else."""
    scene.queue(queue_type)
    scene.mqchaos.consumer(docker_image(worker, "auto"), name="worker")
    scene.publish(count=COUNT)
    account = scene.mqchaos.settle()
    assert 7 in account.lost, text(account)
    assert len(account.lost) + len(account.effected) == COUNT


@pytest.mark.chaos(consumer_crash(before=ack(5), process="child"))
def test_a_child_alone(scene, worker):
    """The parent starts another, in the same container."""
    scene.queue("classic")
    consumer = scene.mqchaos.consumer(docker_image(worker, ["parent"]), name="worker")
    (first,) = consumer.pids
    scene.publish(count=COUNT)
    account = scene.mqchaos.verify()
    assert consumer.pids == [first]
    assert "child: signal: killed" in consumer.output
    assert numbers(account.effected) == list(range(1, COUNT + 1))


@pytest.mark.chaos(
    consumer_crash(before=ack(5)),
    consumer_crash(after=delivery(7)),
    consumer_terminate(after=delivery(4)),
    consumer_freeze(after=ack(5), duration=0.5),
    evidence="effects",
)
def test_where_only_the_engine_may_signal(scene, worker, monkeypatch):
    """Its processes are another user's, or in another machine: it is paused and killed, and the account says so."""
    monkeypatch.setattr(launching, "may_signal", lambda user: False)
    scene.queue("classic")
    scene.mqchaos.consumer(docker_image(worker), name="worker")
    scene.publish(count=COUNT)
    account = scene.mqchaos.verify()
    assert account.verdict == "pass", text(account)
    assert "its engine pauses it, some milliseconds late" in " ".join(account.notes)


@pytest.mark.chaos(connection_drop(after=publish(5)), evidence="effects")
def test_its_own_publisher_in_an_image(scene, worker):
    """What it publishes is the workload, until it ends."""
    scene.queue("classic")
    scene.mqchaos.consumer(docker_image(worker), name="worker")
    producer = scene.mqchaos.producer(
        docker_image(worker, "publishes"), name="shop", env={"COUNT": "20"}, restart="always"
    )
    account = scene.mqchaos.settle()
    assert producer.exit_code == 0
    assert len(account.effected) == COUNT, text(account)
    assert not account.lost


# --- what it is given, and what is known of it ---


@pytest.mark.chaos(baseline(), evidence="effects")
def test_what_it_finds(scene, worker):
    """Addresses by variables and placeholders; of the image's environment all but what is removed, of ours nothing."""
    scene.queue("classic")
    names = ["AMQP_URL", "MQCHAOS_URL", "RABBITMQ_URL", "CELERY_BROKER_URL", "MQCHAOS_RUN", "MQCHAOS_EFFECTS"]
    names += ["FLAVOUR", "COLOUR", "HERE", "VIRTUAL_ENV", "PYTEST_VERSION"]
    consumer = scene.mqchaos.consumer(
        docker_image(worker, ["says", *names], working_dir="/elsewhere"),
        name="worker",
        env={"HERE": "{host}:{port}", "COLOUR": None},
        args=["{vhost}"],
    )
    scene.publish(count=3)
    scene.mqchaos.verify()
    said = dict(
        line.split(" ", 3)[1:4:2] for line in consumer.output.splitlines() if line.startswith("says ")
    )
    assert {said[name] for name in names[:4]} == {consumer.link.url}
    assert said["HERE"] == f"{consumer.link.host}:{consumer.link.port}"
    assert said["MQCHAOS_RUN"] == scene.mqchaos.history.run
    assert said["FLAVOUR"] == "vanilla"
    assert {name for name, value in said.items() if not value} >= {"COLOUR", "VIRTUAL_ENV", "PYTEST_VERSION"}
    assert f"in /elsewhere as {USER}\n" in consumer.output
    assert consumer.link.vhost in consumer.output.splitlines()[0]


@pytest.mark.parametrize("where", ["relative", "absolute", "volume"])
@pytest.mark.chaos(consumer_crash(before=ack(3)), evidence="effects")
def test_files_of_effects(scene, worker, where, tmp_path):
    """A relative one is where it works, an absolute one at its own path; a folder of the user's may hold it as well."""
    scene.queue("classic")
    book = {"relative": "book", "absolute": str(tmp_path / "book"), "volume": "/data/book"}[where]
    volumes = {}
    if where == "volume":
        tmp_path.chmod(0o777)
        (tmp_path / "book").touch()
        (tmp_path / "book").chmod(0o666)
        volumes = {tmp_path: "/data"}
    scene.mqchaos.effects(tmp_path / "book" if where == "volume" else book)
    scene.mqchaos.consumer(
        docker_image(worker, volumes=volumes), name="worker", cwd=tmp_path, env={"BOOK": book}
    )
    scene.publish(count=5)
    account = scene.mqchaos.verify()
    assert numbers((tmp_path / "book").read_text().split()).count(3) == 2
    assert len(account.effected) == 5


@pytest.mark.chaos(baseline(), evidence="effects")
def test_two_replicas_speak_tls(scene, worker):
    """Each has a link, a container and an effects file; the authority's file is inside."""
    pytest.importorskip("trustme")
    scene.queue("classic")
    consumer = scene.mqchaos.consumer(docker_image(worker), name="worker", replicas=2, tls=True)
    assert len(set(consumer.pids)) == 2
    scene.publish(count=COUNT)
    scene.mqchaos.verify()


@pytest.mark.chaos(baseline(), evidence="broker", allow="*")
def test_by_hand(scene, worker, containers):
    """Crash, freeze, thaw, terminate, restart; each start is a container of its own, and one that ended is removed."""
    scene.queue("classic")
    consumer = scene.mqchaos.consumer(docker_image(worker), name="worker", restart="never")
    run = scene.mqchaos._run.programs._run
    (first,) = containers(run)
    consumer.freeze()
    assert proc.stands(consumer.pids[0])
    consumer.thaw()
    assert consumer.terminate() < 5
    assert "heard quit" in consumer.output  # the image's STOPSIGNAL
    assert (consumer.exit_code, consumer.pids) == (0, [])
    consumer.restart()
    scene.publish(count=1)
    scene.mqchaos.wait(delivery(1))
    (second,) = until("two at once", 5, lambda: len(found := containers(run)) == 1 and found)
    assert second["Id"] != first["Id"]
    consumer.crash()
    assert consumer.exit_code == -signal.SIGKILL
    until("it is left", 5, lambda: not containers(run))


@pytest.mark.chaos(baseline(), evidence="broker")
def test_what_is_deaf_as_process_1(scene, worker):
    """It has no handler for the image's stop signal: as in earnest it goes on until it is killed, and that is said."""
    scene.queue("classic")
    consumer = scene.mqchaos.consumer(docker_image(worker, "deaf"), name="worker", restart="never")
    assert consumer.terminate(grace=0.5) >= 0.5
    assert consumer.exit_code == -signal.SIGKILL
    consumer.restart()
    scene.publish(count=3)
    account = scene.mqchaos.verify()
    assert "its program has no handler for SIGQUIT" in " ".join(account.notes)


@pytest.mark.chaos(baseline(), evidence="broker", allow="*")
def test_errors_are_one_line(scene, worker):
    """What was asked for, what came of it, and the way out."""
    scene.queue("classic")
    start = scene.mqchaos.consumer
    with pytest.raises(ChaosError, match=r"(?s)^fails ended before it consumed: exit code 3; .*no such plan"):
        start(docker_image(worker, "fails"), name="fails")
    with pytest.raises(
        ChaosError, match=r"sleeps did not consume any queue within 0.5 s: it never connected"
    ):
        start(docker_image(worker, "sleeps"), name="sleeps", ready_timeout=0.5)
    with pytest.raises(
        UsageError, match=r"the image mqchaos/none:1 is not here and cannot be pulled .*docker build"
    ):
        start(docker_image("mqchaos/none:1"))
    with pytest.raises(
        UsageError, match=r"its container could not be started: .*no such user|unable to find user"
    ):
        start(docker_image(worker, user="nobody-here"), name="unknown")
    with pytest.raises(UsageError, match="no function is wrapped inside an image"):
        start(docker_image(worker), effect_after="shop:book")
    with pytest.raises(UsageError, match="cwd='/nowhere': there is no such directory"):
        start(docker_image(worker), cwd="/nowhere")
    start(docker_image(worker), name="worker")
    with pytest.raises(
        ChaosError, match=r"comes too late: the container of worker was started without that file"
    ):
        scene.mqchaos.effects("orders.log")
    scene.publish(count=3)


# --- its end ---

KILLED = """
import os, pathlib, time
import pytest
from pytest_mqchaos import baseline, docker_image

@pytest.mark.chaos(baseline(), evidence="broker")
def test_it(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(docker_image(os.environ["IMAGE"]), replicas=2)
    mqchaos.consumer(docker_image(os.environ["IMAGE"], "deaf"), name="deaf").freeze()
    pathlib.Path("reached").touch()
    time.sleep(60)
"""


@pytest.mark.parametrize("name", ["KILL", "TERM", "INT"])
def test_nothing_is_left(tmp_path, worker, containers, name):
    """However its session ends, three seconds later no container of a consumer is left."""
    session = Session(tmp_path, "call", "-x", source=KILLED, env={"IMAGE": worker})
    try:
        session.await_phase("call")
        (tag,) = session.tags
        assert len(containers(tag)) == 3
        os.kill(session.process.pid, getattr(signal, f"SIG{name}"))
        session.process.wait(30)
        until("containers are left", 3, lambda: not containers(tag))
        session.nothing_left()
    finally:
        session.process.kill()
        session.process.wait()


def test_who_uses_no_image_loads_no_docker():
    """The library of the engine is loaded with the first image, not with its name."""
    program = (
        "import sys; from pytest_mqchaos import docker_image; docker_image('a'); "
        "import pytest_mqchaos.servers.session, pytest_mqchaos.experiment.session; "
        "print([n for n in ('docker', 'requests') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
