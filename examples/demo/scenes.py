"""The tests of the demo. Some fail, and are meant to: `__main__.py` knows which, and says so.

The file is named so that no ordinary run collects it.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_mqchaos import (
    Chaos,
    ack,
    baseline,
    broker_restart,
    connection_drop,
    consumer_crash,
    delivery,
    lost_ack,
    malformed_payload,
    refuse,
)

ORDERS = Path(__file__).parents[1] / "orders_pika"

Play = Callable[..., None]


@pytest.fixture
def play(mqchaos: Chaos, tmp_path: Path) -> Play:
    """Let a worker of ../orders_pika book 25 orders; what becomes of them is the plugin's to judge."""

    def play(*command: str | Path, restart: str = "on-fault") -> None:
        book = tmp_path / "orders.log"
        mqchaos.effects(book)
        mqchaos.consumer(
            ["python", *map(str, command)],
            name="worker",
            cwd=ORDERS,
            env={"ORDERS_LOG": str(book), "PYTHONPATH": str(ORDERS)},
            restart=restart,
        )
        mqchaos.publish("orders", count=25, key="order")

    return play


def mended(script: str) -> str:
    """Return the script with its ack one line further down."""
    lines = script.splitlines(keepends=True)
    ack = next(number for number, line in enumerate(lines) if "basic_ack" in line)
    lines[ack : ack + 2] = reversed(lines[ack : ack + 2])
    return "".join(lines)


@pytest.mark.chaos(
    baseline(),
    connection_drop(after=delivery(17)),
    refuse(after=delivery(17)),
    consumer_crash(before=ack(17)),
    lost_ack(before=ack(17)),
    broker_restart(after=ack(17)),
    malformed_payload(),
    guarantee="exactly-once",
)
def test_worker(play: Play) -> None:
    """The worker that is right."""
    play("worker.py")


@pytest.mark.chaos(baseline(), consumer_crash(after=ack(17)))
def test_ack_first(play: Play) -> None:
    """It acks before the work."""
    play("-m", "wrong.ack_first")


@pytest.mark.chaos(consumer_crash(after=ack(17)))
def test_ack_first_mended(play: Play, tmp_path: Path) -> None:
    """The same, with its ack one line further down."""
    script = tmp_path / "mended.py"
    script.write_text(mended((ORDERS / "wrong" / "ack_first.py").read_text()))
    play(script)


@pytest.mark.chaos(
    consumer_crash(after=delivery(17), name="crash-at-most-once", guarantee="at-most-once"),
    consumer_crash(after=delivery(17), name="crash-at-least-once", guarantee="at-least-once"),
)
def test_auto_ack(play: Play) -> None:
    """It lets the broker forget what it has sent: that keeps one promise, and breaks the other."""
    play("-m", "wrong.auto_ack")


@pytest.mark.chaos(
    lost_ack(before=ack(17), name="lost_ack-at-least-once", guarantee="at-least-once"),
    lost_ack(before=ack(17), name="lost_ack-exactly-once", guarantee="exactly-once"),
)
def test_not_idempotent(play: Play) -> None:
    """It books an order again that comes again."""
    play("-m", "wrong.not_idempotent")


@pytest.mark.chaos(connection_drop(after=delivery(17)), settle_timeout=2.0)
def test_reconnects_idle(play: Play) -> None:
    """It connects again, and does not subscribe again."""
    play("-m", "wrong.reconnects_idle")


@pytest.mark.chaos(malformed_payload(), poison="dead-letter")
def test_acks_poison(play: Play) -> None:
    """It acks what it cannot read."""
    play("-m", "wrong.acks_poison")


@pytest.mark.chaos(malformed_payload(), poison="dead-letter", settle_timeout=2.0)
def test_requeues_poison(play: Play) -> None:
    """It sends back what it cannot read."""
    play("-m", "wrong.requeues_poison")
