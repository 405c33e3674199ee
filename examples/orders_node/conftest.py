"""How the tests start a worker; without Node or its packages they say what is missing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_mqchaos import Chaos, Consumer

HERE = Path(__file__).parent

Start = Callable[..., Consumer]


@pytest.fixture(scope="session")
def node() -> str:
    """The program `node`, with the packages of this folder at hand."""
    program = shutil.which("node")
    if program and (HERE / "node_modules" / "amqplib").is_dir():
        return program
    missing = "no program `node`" if program is None else f"no packages: run `npm ci` in {HERE.name}"
    if os.environ.get("CI"):
        pytest.fail(f"{missing} (CI is set)", pytrace=False)
    pytest.skip(missing)


@pytest.fixture
def start(node: str, mqchaos: Chaos, tmp_path: Path) -> Start:
    """Start a worker by the name of its file; its book is where its work shows."""

    def start(script: str = "worker.js", **options: Any) -> Consumer:
        book = tmp_path / "orders.log"
        mqchaos.effects(book)
        return mqchaos.consumer([node, script], cwd=HERE, env={"ORDERS_LOG": str(book)}, **options)

    return start
