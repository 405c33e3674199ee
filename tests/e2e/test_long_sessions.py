"""What a session of thousands of chaos tests needs: none of them leaves a descriptor, and many others' do no harm."""

import json

from house_kit import chaos

NOTING = """
import urllib.request
import pika
from pytest_mqchaos import probe

@pytest.fixture(autouse=True)
def descriptors():
    folder = "/proc/self/fd"
    found = [os.readlink(f"{folder}/{one}") for one in os.listdir(folder) if os.path.lexists(f"{folder}/{one}")]
    with (HERE / "descriptors").open("a") as file:
        file.write(json.dumps(found) + "\\n")

def books(url):
    def book(channel, method, properties, body):
        time.sleep(0.01)
        with open(os.environ["LEDGER"], "a") as ledger:
            ledger.write(properties.message_id + "\\n")
        probe.effect(properties.message_id)
        urllib.request.urlopen(os.environ["MQCHAOS_HTTP_URL"], json.dumps({"n": properties.message_id}).encode())
        print("booked", properties.message_id, flush=True)
        channel.basic_publish("", "booked", body, properties)
        channel.basic_ack(method.delivery_tag)

    while True:
        try:
            channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
            channel.basic_qos(prefetch_count=3)
            channel.basic_consume("orders", book)
            channel.start_consuming()
        except pika.exceptions.AMQPError:
            time.sleep(0.05)

def sends(url):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    for number in range(10):
        channel.basic_publish("", "orders", b"{}", pika.BasicProperties(message_id=f"m{number}", delivery_mode=2))
        probe.sent(f"m{number}")
    connection.close()

@pytest.mark.parametrize("turn", range(3))
@pytest.mark.chaos(connection_reset(after=delivery(3)), consumer_crash(consumer="books", before=ack(3)), allow="*")
def test_all_sorts(mqchaos, turn, tmp_path):
    mqchaos.queue("orders")
    mqchaos.queue("booked")
    mqchaos.http(key="n")
    mqchaos.link("own")
    mqchaos.effects(tmp_path / "ledger")
    mqchaos.effects(queue="booked")
    mqchaos.effects(output="booked (.*)")
    mqchaos.consumer(books, name="books", replicas=2, env={"LEDGER": str(tmp_path / "ledger")})
    mqchaos.producer(sends)
    assert mqchaos.settle().effected
"""
MANY = """
import os, resource

WANTED = 1_100
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * WANTED)), hard))
held = [os.open(os.devnull, os.O_RDONLY) for _ in range(WANTED)]
"""


def test_no_test_leaves_a_descriptor(house):
    """Whatever a test has of links, files, consumers, publishers and services: the next one finds no more open."""
    session = house.run(NOTING, outcome="6 passed")
    found = [json.loads(line) for line in (session.folder / "descriptors").read_text().splitlines()]
    assert len(found) == 6
    second, last = found[1], found[-1]  # the first one's servers are started by then
    assert len(second) == len(last), sorted(set(last) - set(second))


def test_a_session_with_more_descriptors_than_select_takes(house):
    """All of ours are numbers above 1023: of the guard, the servers, the links, and a callable that is crashed."""
    source = MANY + chaos("forked", scenarios="consumer_crash(after=ack(3))", work="work(mqchaos, 10)")
    house.run(source, outcome="1 passed")
