"""A management command books each order exactly once, whatever becomes of the broker, the database and itself."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_mqchaos import (
    Chaos,
    ack,
    baseline,
    connection_reset,
    consumer_crash,
    delivery,
    malformed_payload,
    refuse,
)


@pytest.mark.chaos(
    baseline(),
    consumer_crash(before=ack(5)),  # committed, and not acked
    connection_reset(link="pg", after=delivery(10)),
    refuse(link="pg", after=delivery(10), duration=0.5),
    malformed_payload(),
    guarantee="exactly-once",
)
def test_whatever_breaks(mqchaos: Chaos, start) -> None:
    """The command, the database, the broker, the messages."""
    start()
    mqchaos.publish("orders", count=20, key="order")


@pytest.mark.chaos(connection_reset(link="pg", after=ack(5)), allow="*", effect_timeout=1.0)
def test_acks_inside(mqchaos: Chaos, start) -> None:
    """The order whose commit failed after its ack is lost."""
    start("consume_acks_inside")
    mqchaos.publish("orders", count=20, key="order")

    assert mqchaos.settle().lost == [5]


@pytest.mark.chaos(connection_reset(link="pg", after=ack(1, delay=0.25)), allow="*", effect_timeout=1.0)
def test_marks_first(mqchaos: Chaos, start) -> None:
    """The order that was marked as done and not booked is lost: when it comes again it counts as done."""
    start("consume_marks_first")
    mqchaos.publish("orders", count=3, key="order")

    assert mqchaos.settle().lost == [2]


def test_on_the_database_of_pytest_django(postgres: int, tmp_path: Path) -> None:
    """The tests of `with_pytest_django.py` pass, in a session of their own: Django's settings are a session's."""
    if importlib.util.find_spec("pytest_django") is None:
        pytest.skip("no pytest-django: run `pip install pytest-django`")
    ours = ("PYTEST_ADDOPTS", "PYTEST_XDIST", "PYTEST_CURRENT_TEST")
    command = ["-m", "pytest", "-c", "pyproject.toml", "--ds=settings", "with_pytest_django.py"]
    said = subprocess.run(
        [sys.executable, *command, f"--mqchaos-report={tmp_path}", "-p", "no:cacheprovider"],
        cwd=Path(__file__).parent,
        env={name: value for name, value in os.environ.items() if not name.startswith(ours)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "3 passed" in said.stdout
