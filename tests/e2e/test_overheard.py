"""What a consumer says while it is struck, on a real broker: its lines stand in the life of the message, by time."""

import json

from test_companions import WORKER, run

TALKING = WORKER.replace(
    "    probe.effect(properties.message_id)\n",
    "    print('begin', properties.message_id, flush=True)\n    probe.effect(properties.message_id)\n"
    "    print('done', properties.message_id, flush=True)\n",
)
TESTS = """
import pytest
from pytest_mqchaos import ack, consumer_crash

@pytest.mark.chaos(consumer_crash(before=ack(30)), guarantee="exactly-once")
def test_twice(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["python", "worker.py"])
    mqchaos.publish("orders", count=100)
"""


def test_lines_stand_where_they_were_written(tmp_path):
    """The struck message was begun and done before the kill, and by the next process again, in its own life."""
    done = run(tmp_path, worker=TALKING, tests=TESTS)
    path = tmp_path / "mqchaos-report" / "report.json"
    assert path.exists(), done.stdout + done.stderr
    (told,) = json.loads(path.read_text())["runs"]
    (life,) = told["lives"]
    steps = life["events"]
    kill = next(place for place, step in enumerate(steps) if step["kind"] == "consumer_ended")
    begun = [line for line in life["output"] if line["text"] == f"begin {life['id']}"]
    ended = [line for line in life["output"] if line["text"] == f"done {life['id']}"]
    for lines in (begun, ended):
        first, again = lines
        assert first["place"] <= kill < again["place"]
        assert first["at"] <= steps[kill]["at"] < again["at"]
    times = [line["at"] for line in life["output"]]
    assert times == sorted(times)
    processes = told["consumers"][0]["processes"]
    assert [len(each["output_at"]) for each in processes] == [len(each["output"]) for each in processes]
