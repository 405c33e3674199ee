"""The figures of a real run's report, recomputed by a script that knows only the report and the history."""

import json

import recomputed
from e2e_kit import HERE
from test_companions import run

# It puts off every tenth: each run breaks its promise, and its history is kept.
TESTS = f"""
import pytest
from pytest_mqchaos import (
    ack, at_least_once, baseline, broker_restart, connection_drop, consumer_crash, fixed, ordered, retry
)

@pytest.mark.chaos(
    baseline(), connection_drop(after=ack(12)), consumer_crash(before=ack(10)), broker_restart(after=ack(15)),
    guarantee=at_least_once + ordered("customer") + retry(fixed(0.05)),
)
def test_figures(mqchaos, tmp_path):
    mqchaos.queue("orders")
    env = {{"DIARY": str(tmp_path / "diary"), "PREFETCH": "10", "WORK": "0.005"}}
    mqchaos.consumer(["python", "-m", "consumers", "wrong", "postpones"], cwd={str(HERE)!r}, env=env, restart="always")
    mqchaos.publish("orders", count=40, rate=200, arrivals="poisson", body=lambda n, _: {{"n": n, "customer": n % 2}})
"""


def test_the_figures_follow_from_the_history(tmp_path):
    """Latency, deliveries, shares, chain, queue, pauses and order of each run are those of its history."""
    done = run(tmp_path, "--mqchaos-report-bodies=full", tests=TESTS)
    looked, wrong = recomputed.main(tmp_path / "mqchaos-report", "customer")
    assert wrong == [], "\n".join(wrong)
    assert looked > 4 * 40, done.stdout + done.stderr


def test_a_wrong_figure_is_found(tmp_path):
    """A report that says anything else than its history is told on."""
    run(tmp_path, "--mqchaos-report-bodies=full", "-k", "baseline", tests=TESTS)
    path = tmp_path / "mqchaos-report" / "report.json"
    document = json.loads(path.read_text())
    (told,) = document["runs"]
    told["latency"]["all"]["p95"] += 0.001
    told["order"]["overtaken"] += 1
    path.write_text(json.dumps(document))
    _, wrong = recomputed.main(path.parent, "customer")
    assert [each.partition(": the report")[0].rpartition(": ")[2] for each in wrong] == [
        "p95 all",
        "how many overtaken",
    ]
