"""How the tests build and start a worker; without Go they say so."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_mqchaos import Chaos, Consumer

HERE = Path(__file__).parent

Start = Callable[..., Consumer]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all programs of this module, built."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        if os.environ.get("CI"):
            pytest.fail("no program `go` (CI is set)", pytrace=False)
        pytest.skip("no program `go`")
    folder = tmp_path_factory.mktemp("programs")
    build = subprocess.run(
        [go, "build", "-o", f"{folder}/", "./worker", "./wrong/..."],
        cwd=HERE,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if build.returncode:
        pytest.fail(f"go build: {build.stderr}", pytrace=False)
    return folder


@pytest.fixture
def start(programs: Path, mqchaos: Chaos, tmp_path: Path) -> Start:
    """Start a worker by the name of its program; its book is where its work shows."""

    def start(program: str = "worker", **options: Any) -> Consumer:
        book = tmp_path / "orders.log"
        mqchaos.effects(book)
        return mqchaos.consumer([str(programs / program)], env={"ORDERS_LOG": str(book)}, **options)

    return start
