"""Other plugins beside ours on a real broker: a time-out leaves nothing, coverage of consumers, all of them at once."""

import json
import os
import subprocess
import sys

import pytest
from e2e_kit import HERE
from test_ends import session  # noqa: F401  # a fixture

WORKER = """
import os, pika
from pytest_mqchaos import probe

def work(channel, method, properties, body):
    probe.effect(properties.message_id)
    channel.basic_ack(method.delivery_tag)

def never_called():
    return 1

def main():
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"]))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume("orders", work)
    channel.start_consuming()

if __name__ == "__main__":
    main()
"""
TESTS = """
import asyncio, pathlib, pytest
from pytest_mqchaos import ack, baseline, connection_drop, consumer_crash, delivery

@pytest.mark.chaos(baseline(), consumer_crash(after=ack(4)))
def test_good(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["python", "worker.py"])
    mqchaos.publish("orders", count=8)

@pytest.mark.chaos(baseline())
def test_bad(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["python", "worker.py"])
    mqchaos.publish("orders", count=8, expect=2)

@pytest.mark.asyncio
@pytest.mark.chaos(baseline())
async def test_async(mqchaos):
    mqchaos.queue("orders")
    await asyncio.to_thread(mqchaos.consumer, ["python", "worker.py"])
    mqchaos.publish("orders", count=8)

def test_plain(): ...
"""
COVERAGE = """
[run]
branch = true
patch = subprocess
sigterm = true
"""


def run(folder, *arguments, worker=WORKER, tests=TESTS):
    """Run pytest on the project in a folder of its own, with these plugins only."""
    (folder / "worker.py").write_text(worker)
    (folder / "test_orders.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    (folder / ".coveragerc").write_text(COVERAGE)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST_"))
    }
    environment |= {
        "PYTHONPATH": f"{HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_MQCHAOS_SERVERS": os.environ.get("PYTEST_MQCHAOS_SERVERS", "process"),
    }
    environment.pop("CI", None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "mqchaos",
        "-p",
        "no:cacheprovider",
        "--color=no",
        *arguments,
    ]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def runs(folder):
    """Return the runs of the folder's report: scenario, attempt, outcome, verdict by test."""
    document = json.loads((folder / "mqchaos-report" / "report.json").read_text())
    return sorted(
        (run["test"].partition("[")[0], run["scenario"], run["attempt"], run["outcome"], run["verdict"])
        for run in document["runs"]
    )


@pytest.mark.parametrize("method", ["signal", "thread"])
@pytest.mark.parametrize(
    ("phase", "arguments"),
    [
        ("call", ["--timeout=8", "-o", "timeout_func_only=true"]),
        ("settle", ["--timeout=8", "-o", "timeout_func_only=true"]),
        ("teardown", ["--timeout=45"]),
    ],
)
def test_a_timeout_leaves_nothing(session, method, phase, arguments):  # noqa: F811
    """pytest-timeout, by either method and whatever the test is at, leaves no process, port or folder."""
    pytest.importorskip("pytest_timeout")
    running = session(phase, f"--timeout-method={method}", *arguments)
    running.wait()
    assert "Timeout" in running.output()
    assert running.process.returncode == 1, running.output()
    running.nothing_left()
    left = {path.suffix for path in (running.folder / "mqchaos-report").iterdir() if path.is_file()}
    assert left == ({".jsonl"} if method == "thread" else {".html", ".json"})


def test_coverage_of_consumers(tmp_path):
    """With pytest-cov and `patch = subprocess` it is counted what the processes of a consumer ran, and what not."""
    pytest.importorskip("pytest_cov")
    done = run(tmp_path, "-p", "pytest_cov", "--cov=worker", "--cov-report=json", "-k", "test_good")
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = json.loads((tmp_path / "coverage.json").read_text())["files"].values()
    lines = WORKER.splitlines()
    missed = {lines[number - 1].strip() for number in file["missing_lines"]}
    assert missed == {"return 1"}, done.stdout


def test_all_together(tmp_path):
    """With seven plugins at once on real brokers every verdict is what it is alone, and every attempt is told."""
    modules = ("xdist", "pytest_asyncio", "pytest_timeout", "pytest_rerunfailures", "pytest_repeat",
               "pytest_randomly", "pytest_cov")  # fmt: skip
    for module in modules:
        pytest.importorskip(module)
    names = ("xdist", "pytest_asyncio.plugin", "timeout", "rerunfailures", "repeat", "randomly", "pytest_cov")
    loaded = [word for name in names for word in ("-p", name)]
    done = run(tmp_path, *loaded, "-n2", "--timeout=120", "--reruns=1", "--count=2", "--cov=worker")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 failed, 8 passed, 2 rerun" in done.stdout
    bad = [("test_bad", "baseline", attempt, "failed", "fail") for attempt in (1, 2) for _ in range(2)]
    good = [
        ("test_async", "baseline"),
        ("test_good", "baseline"),
        ("test_good", "consumer_crash-after-ack-4"),
    ]
    assert runs(tmp_path) == sorted(
        [*bad, *((*each, 1, "passed", "pass") for each in good for _ in range(2))]
    )
