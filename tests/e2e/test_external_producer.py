"""A publisher of the application on a broker that somebody else runs: its names bear the run's prefix, too."""

from test_external import broker, project, url  # noqa: F401 - fixtures

pytest_plugins = ["pytester"]

PUBLISHER = """
import json, os, sys, time
import pika

PREFIX = "" if "ignores_prefix" in sys.argv else os.environ["MQCHAOS_PREFIX"]
channel = None
for n in range(1, 31):
    while True:
        try:
            if channel is None:
                connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
                channel = connection.channel()
                if "confirms" in sys.argv:
                    channel.confirm_delivery()
            body = json.dumps({"order": f"order-{n}"}).encode()
            properties = pika.BasicProperties(message_id=f"order-{n}", delivery_mode=2)
            channel.basic_publish("", PREFIX + "orders", body, properties)
            time.sleep(0.005)
            break
        except pika.exceptions.AMQPError:
            channel = None
            if "confirms" not in sys.argv:
                break
    with open(os.environ["MQCHAOS_SENT"], "a") as sent:
        sent.write(f"order-{n}\\n")
connection.close()
"""
TESTS = """
from pytest_mqchaos import lost_confirm, publish

def start(mqchaos, tmp_path, *arguments):
    mqchaos.queue("orders", dead_letter="orders.dead")
    mqchaos.effects(tmp_path / "log")
    mqchaos.consumer(["python", "worker.py"], env={"LOG": str(tmp_path / "log")})
    return mqchaos.producer(["python", "publisher.py", *arguments], name="billing", key="order")

@pytest.mark.chaos(baseline(), connection_drop(after=publish(5)), connection_reset(before=publish(5)),
                   malformed_payload(share=0.2, kinds=["not_json"]), consumer_crash(before=ack(5)))
def test_correct(mqchaos, tmp_path):
    start(mqchaos, tmp_path, "confirms")
    account = mqchaos.settle()
    assert len(account.effected) == 30

@pytest.mark.chaos(connection_reset(before=publish(5)), allow="*")
def test_no_confirms(mqchaos, tmp_path):
    start(mqchaos, tmp_path)
    account = mqchaos.settle()
    assert 5 in account.lost
    assert {finding.name for finding in account.violations} == {"lost:by_publisher"}
"""
BREACH = """
@pytest.mark.chaos(baseline())
def test_breach(mqchaos, tmp_path):
    mqchaos.queue("orders")
    mqchaos.effects(tmp_path / "log")
    mqchaos.consumer(["python", "worker.py"], env={"LOG": str(tmp_path / "log")})
    mqchaos.producer(["python", "publisher.py", "confirms", "ignores_prefix"], name="billing")
"""


def test_verdicts_by_prefix(project, url):  # noqa: F811
    """A correct publisher passes, and one without confirms is caught."""
    (project.path / "publisher.py").write_text(PUBLISHER)
    ran = project.run(TESTS, f"--mqchaos-url={url}")
    ran.outcomes(passed=6)


def test_a_publisher_that_leaves_the_prefix(project, url):  # noqa: F811
    """One that publishes to somebody else's queue is cut off, and the run fails with the reason."""
    (project.path / "publisher.py").write_text(PUBLISHER)
    ran = project.run(BREACH, f"--mqchaos-url={url}")
    assert "billing publishes to 'orders', which has not this run's prefix" in ran.text
    assert "passed" not in ran.result.parseoutcomes()
