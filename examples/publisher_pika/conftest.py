"""How the tests start a publisher and the worker that books its orders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_mqchaos import Chaos, Producer

HERE = Path(__file__).parent

Start = Callable[..., Producer]


@pytest.fixture
def start(mqchaos: Chaos, tmp_path: Path) -> Start:
    """Declare the queue, start the worker, and then a publisher by the name of its module."""

    def start(
        module: str = "publisher",
        *,
        count: int = 40,
        queue: str = "orders",
        arguments: dict[str, Any] | None = None,
        work: float = 0.005,
        **options: Any,
    ) -> Producer:
        book, sent = tmp_path / "orders.log", tmp_path / "sent.log"
        mqchaos.queue("orders", arguments=arguments)
        mqchaos.effects(book)
        mqchaos.consumer(["python", "worker.py"], cwd=HERE, env={"ORDERS_LOG": str(book), "WORK": str(work)})
        return mqchaos.producer(
            ["python", "-m", module],
            name="publisher.py",
            cwd=HERE,
            env={"SENT_LOG": str(sent), "COUNT": str(count), "QUEUE": queue},
            sent=sent,
            **options,
        )

    return start
