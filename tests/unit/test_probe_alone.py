"""The light distribution: one code, one version, and nothing that Python 3.8 could not read or would have to get."""

from __future__ import annotations

import ast
import sys
import tomllib
from pathlib import Path

import pytest

from pytest_mqchaos import probe

ROOT = Path(__file__).parents[2]
SOURCE = Path(probe.__file__).read_text(encoding="utf-8")


def project(path: str) -> dict:
    """Return what a distribution says of itself."""
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))["project"]


def test_it_is_the_same_file() -> None:
    """What is changed in one place is changed in both."""
    if not (ROOT / "pytest_mqchaos").is_dir():
        pytest.skip("the package was moved out of the checkout: it is the built one that is tested")
    assert (ROOT / "probe" / "mqchaos_probe" / "__init__.py").samefile(ROOT / "pytest_mqchaos" / "probe.py")


def test_both_have_one_version() -> None:
    """And one licence."""
    whole, light = project("pyproject.toml"), project("probe/pyproject.toml")
    assert light["version"] == whole["version"]
    assert light["license"] == whole["license"]
    assert (ROOT / "probe" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_it_needs_nothing() -> None:
    """No distribution, and of the standard library what a process has anyway; `socket` once a fault asks for it."""
    assert project("probe/pyproject.toml")["dependencies"] == []
    tree = ast.parse(SOURCE)
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
    assert named == {"os", "threading"}
    every = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }  # fmt: skip
    assert every <= sys.stdlib_module_names | {"__future__"}


def test_python_3_8_can_read_it() -> None:
    """As far as the grammar goes; tests/e2e/test_probe_on_its_own.py runs it there."""
    ast.parse(SOURCE, feature_version=(3, 8))
    assert project("probe/pyproject.toml")["requires-python"] == ">=3.8"
