"""How the tests start a worker, and publish tasks as Celery would."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_mqchaos import Chaos, Consumer

HERE = Path(__file__).parent

Start = Callable[..., Consumer]
Task = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="session")
def protocol() -> Any:
    """What makes Celery's messages, for any app; skips without Celery."""
    try:
        from celery import Celery
    except ImportError:
        missing = f"no Celery: run `pip install celery` for {HERE.name}"
        if os.environ.get("CI"):
            pytest.fail(f"{missing} (CI is set)", pytrace=False)
        pytest.skip(missing)
    return Celery("publisher", set_as_current=False).amqp


@pytest.fixture(scope="session")
def task(protocol: Any) -> Task:
    """Options of `mqchaos.publish` for calls of a task, each with the number of an order as its argument.

    Celery makes the messages itself, by its protocol 2: what the worker is to know stands in the headers, the
    arguments in the body.
    """

    def task(name: str) -> dict[str, Any]:
        def message(n: int) -> Any:
            return protocol.as_task_v2(task_id=f"task-{n}", name=name, args=(f"order-{n}",))

        def headers(n: int, rng: random.Random) -> dict[str, Any]:
            return dict(message(n).headers)

        def properties(n: int, rng: random.Random) -> dict[str, Any]:
            mime = {"content_type": "application/json", "content_encoding": "utf-8"}
            return mime | {"correlation_id": message(n).properties["correlation_id"]}

        def body(n: int, rng: random.Random) -> str:
            return json.dumps(message(n).body)

        return {"headers": headers, "properties": properties, "body": body, "key": lambda m: m.json[0][0]}

    return task


@pytest.fixture
def start(protocol: Any, mqchaos: Chaos, tmp_path: Path) -> Start:
    """Start a worker by the name of its module; its book is where its work shows.

    Two of Celery's habits cost seconds that tests do not need: it asks for neighbours at its start, and sleeps at its
    warm shutdown (`REMAP_SIGTERM` makes that a cold one; leave it out where `consumer_terminate` is what is tested).
    """

    def start(module: str = "shop", *, concurrency: int = 2, takes: float = 0.02, **options: Any) -> Consumer:
        book = tmp_path / "orders.log"
        if "effect_after" not in options:
            mqchaos.effects(book)
        worker = ["python", "-m", "celery", "-A", module, "worker"]
        return mqchaos.consumer(
            [*worker, "--without-mingle", f"--concurrency={concurrency}"],
            name="worker",
            cwd=HERE,
            env={"ORDERS_LOG": str(book), "AN_ORDER_TAKES": str(takes), "REMAP_SIGTERM": "SIGQUIT"},
            **options,
        )

    return start
