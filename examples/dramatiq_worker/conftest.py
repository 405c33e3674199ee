"""How the tests start a worker, and publish messages as dramatiq would."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_mqchaos import Chaos, Consumer

HERE = Path(__file__).parent

# Milliseconds: until it connects again (else 3 s), and until an idle thread looks whether it is to end (else 1 s).
QUICKLY = {"dramatiq_restart_delay": "200", "dramatiq_worker_timeout": "100"}

Start = Callable[..., Consumer]


@pytest.fixture(scope="session")
def message() -> Any:
    """Dramatiq's own class of messages; skips without dramatiq."""
    try:
        from dramatiq import Message
    except ImportError:
        missing = f"no dramatiq: run `pip install 'dramatiq[rabbitmq]'` for {HERE.name}"
        if os.environ.get("CI"):
            pytest.fail(f"{missing} (CI is set)", pytrace=False)
        pytest.skip(missing)
    return Message


@pytest.fixture(scope="session")
def calls(message: Any) -> dict[str, Any]:
    """Options of `mqchaos.publish` for calls of the actor `book`, each with the number of an order."""

    def body(n: int, rng: random.Random) -> bytes:
        call = message(queue_name="orders", actor_name="book", args=(f"order-{n}",), kwargs={}, options={})
        return bytes(call.encode())

    return {"body": body, "key": lambda m: m.json["args"][0]}


@pytest.fixture
def start(message: Any, mqchaos: Chaos, tmp_path: Path) -> Start:
    """Start a worker by the name of its module; its book is where its work shows."""

    def start(module: str = "shop", **options: Any) -> Consumer:
        book = tmp_path / "orders.log"
        if "effect_after" not in options:
            mqchaos.effects(book)
        mqchaos.dead_letters("orders.XQ")
        return mqchaos.consumer(
            ["python", "-m", "dramatiq", module, "--processes=1", "--threads=2"],
            name="worker",
            cwd=HERE,
            env={"ORDERS_LOG": str(book), **QUICKLY},
            queues="orders",
            **options,
        )

    return start
