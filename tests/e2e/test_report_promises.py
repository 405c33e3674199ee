"""The panels of promises, limits, returns and heartbeats on a real broker, recomputed from the history."""

import json

import pytest
import recomputed_promises
from test_companions import run

# Each test promises a prefetch that its worker does not keep: it fails, and its history is kept.
WORKER = """
import os, time, pika
from pytest_mqchaos import probe

def work(channel, method, properties, body):
    time.sleep(float(os.environ.get("WORK", "0")))
    probe.effect(properties.message_id)
    channel.basic_ack(method.delivery_tag)

def main():
    while True:
        try:
            parameters = pika.URLParameters(os.environ["AMQP_URL"])
            parameters.heartbeat = int(os.environ.get("HEARTBEAT", "60"))
            channel = pika.BlockingConnection(parameters).channel()
            channel.basic_qos(prefetch_count=int(os.environ.get("PREFETCH", "10")))
            channel.basic_consume("orders", work)
            channel.start_consuming()
        except pika.exceptions.AMQPError:
            time.sleep(0.05)

main()
"""
TESTS = """
import pytest
from pytest_mqchaos import ack, at_least_once, baseline, consumer_freeze, delivery, prefetch, within

@pytest.mark.chaos(baseline(), guarantee=at_least_once + within(0.1) + prefetch(2))
def test_slow(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["python", "worker.py"], env={"WORK": "0.01"})
    mqchaos.publish("orders", count=40)

@pytest.mark.chaos(baseline(), guarantee=at_least_once + prefetch(1))
def test_too_many(mqchaos):
    mqchaos.queue("orders", arguments={"x-max-length": 5})
    mqchaos.publish("orders", count=30).wait()
    mqchaos.consumer(["python", "worker.py"])

@pytest.mark.chaos(baseline(), guarantee=at_least_once + prefetch(1))
def test_nowhere(mqchaos):
    mqchaos.queue("orders")
    mqchaos.exchange("events")
    mqchaos.queue("other", exchange="events", routing_key="somewhere")
    mqchaos.consumer(["python", "worker.py"])
    mqchaos.publish("orders", count=20)
    mqchaos.publish(exchange="events", routing_key="nowhere", count=5)

@pytest.mark.chaos(
    consumer_freeze(after=delivery(6), duration=6.0), guarantee=at_least_once + prefetch(2) + within(2.0)
)
def test_stands_still(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["python", "worker.py"], env={"HEARTBEAT": "1", "WORK": "0.005"})
    mqchaos.publish("orders", count=30)
"""


FIGURES = {
    "within": ("test_slow", "test_stands_still"),
    "overflow": ("test_too_many",),
    "returns": ("test_nowhere",),
}
"""Which test has which figure; a prefetch and heartbeats have all of them."""


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Return the folder of the report of all four tests."""
    folder = tmp_path_factory.mktemp("promises")
    done = run(folder, worker=WORKER, tests=TESTS)
    path = folder / "mqchaos-report"
    assert (path / "report.json").exists(), done.stdout + done.stderr
    return path


def told(folder):
    """Return the runs of a report by their tests."""
    return {run["test"]: run for run in json.loads((folder / "report.json").read_text())["runs"]}


def test_the_figures_follow_from_the_history(reported):
    """Times, hands, drops, returns and silences of each run are those of its history."""
    looked, wrong = recomputed_promises.main(reported)
    assert wrong == [], "\n".join(wrong)
    assert set(looked) == {"test_slow", "test_too_many", "test_nowhere", "test_stands_still"}
    assert all(count > 8 for count in looked.values()), looked


def test_each_promise_has_its_figure(reported):
    """Where it was promised or declared, and nowhere else."""
    runs = told(reported)
    for name, tests in FIGURES.items():
        assert {test for test, run in runs.items() if run[name] is not None} == set(tests), name
    assert all(run["prefetch"]["beyond"] and run["heartbeats"]["agreed"] for run in runs.values())


def test_what_was_planted_is_in_them(reported):
    """The queue of five, the five that went nowhere, the late ones, and the consumer that stood still."""
    runs = told(reported)
    assert runs["test_slow"]["within"]["kept"] < 30
    assert runs["test_too_many"]["overflow"]["dropped"] == 25
    assert (runs["test_nowhere"]["returns"]["messages"], runs["test_nowhere"]["returns"]["taken"]) == (5, 0)
    still = runs["test_stands_still"]
    timeout = still["heartbeats"]["told"][0]
    assert (timeout["by"], timeout["heartbeat"], timeout["fault"]) == ("broker", 1, 0)
    assert timeout["held"] > 0
    assert still["within"]["late"] == 0 < still["within"]["excused"]


def test_a_wrong_figure_is_found(reported):
    """A report that says anything else than its history is told on."""
    runs = told(reported)
    changed = json.loads(json.dumps(runs["test_nowhere"]))
    changed["returns"]["messages"] += 1
    changed["prefetch"]["most"] += 1
    made = recomputed_promises.compare(changed, reported / changed["kept"] / "history.jsonl")
    assert {each.partition(":")[0] for each in made.wrong} == {
        "messages returned",
        "never taken",
        "most in hand",
    }
