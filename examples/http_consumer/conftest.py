"""How the tests start a worker: in this folder, with a payment service that we stand in for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_mqchaos import Chaos, Consumer

HERE = Path(__file__).parent

Start = Callable[..., Consumer]


@pytest.fixture
def start(mqchaos: Chaos) -> Start:
    """Start a worker by the name of its module; `service` says how the payment service behaves."""

    def start(module: str = "worker", **service: Any) -> Consumer:
        mqchaos.http(key="order", name="payments", **service)
        mqchaos.dead_letters("orders.dead")
        return mqchaos.consumer(
            ["python", "-m", module],
            name=module.rpartition(".")[2],
            cwd=HERE,
            env={"PAYMENTS_URL": "{http}", "RETRY_MS": "200"},
        )

    return start
