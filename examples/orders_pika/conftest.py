"""How the tests start a worker: in this folder, with a new book."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_mqchaos import Chaos, Consumer

HERE = Path(__file__).parent

Start = Callable[..., Consumer]


@pytest.fixture
def start(mqchaos: Chaos, tmp_path: Path) -> Start:
    """Start a worker by the name of its module; its book is where its work shows."""

    def start(module: str = "worker", **options: Any) -> Consumer:
        book = tmp_path / "orders.log"
        mqchaos.effects(book)
        return mqchaos.consumer(
            ["python", "-m", module],
            name=module.rpartition(".")[2],
            cwd=HERE,
            env={"ORDERS_LOG": str(book)},
            **options,
        )

    return start
