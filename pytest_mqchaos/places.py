"""Where a scenario stands in the source: the line of its fault in the mark, for annotations of a CI job.

A mark does not know its line, so that is read from the source: the n-th `chaos` of the function, class or module
that bears it, and in it the argument that became the scenario. Where the source is written in another way (arguments
unpacked by `*`, a mark made elsewhere), the line is that of the mark, or of the test.
"""

from __future__ import annotations

import ast
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_mqchaos.choices import MARK
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.markers import origin, planned

__all__ = ["place", "wanted"]

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def wanted() -> bool:
    """Whether anybody reads annotations here: a job of GitHub Actions."""
    return bool(os.environ.get("GITHUB_ACTIONS", "").strip())


def place(item: pytest.Item, fault: int | None) -> tuple[str, int]:
    """Return the file, as GitHub knows it, and the line of the item's scenario.

    Args:
        item: the test.
        fault: the number of the fault in a combination that is to blame, if one is.
    """
    path, line, _ = item.location
    where = item.config.rootpath / path, (line or 0) + 1
    try:
        found = _in_source(item, fault)
    except (ChaosError, OSError, SyntaxError, ValueError, TypeError, AttributeError):
        found = None  # written in another way than we read: the test's own line will do
    file, number = found or where
    for root in (os.environ.get("GITHUB_WORKSPACE"), item.config.rootpath):
        if root and file.is_relative_to(root):
            return file.relative_to(root).as_posix(), number
    return str(file), number


def _in_source(item: pytest.Item, fault: int | None) -> tuple[Path, int] | None:
    owner, number, index = origin(item, planned(item))
    if owner is None:
        return None
    marks = list(_marks(owner))
    if number >= len(marks):
        return None
    return owner.path, _line(marks[number], index, fault)


def _marks(owner: Any) -> Iterator[ast.expr]:
    """Yield the marks of a function, class or module as written, in the order in which pytest has them."""
    tree = ast.parse(owner.path.read_bytes())
    node = _definition(tree, owner)
    if isinstance(node, _DEFINITIONS):
        yield from (each for each in reversed(node.decorator_list) if _is_chaos(each))
    for statement in [] if node is None or isinstance(node, _DEFINITIONS[:2]) else node.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            value = statement.value
            several = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
            yield from (each for each in several if _is_chaos(each))


def _definition(
    tree: ast.Module, owner: Any
) -> ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | None:
    if isinstance(owner, pytest.Module):
        return tree
    function = getattr(owner, "obj", None) if isinstance(owner, pytest.Item) else None
    first = None if function is None else inspect.unwrap(function).__code__.co_firstlineno
    name = getattr(owner, "originalname", None) or owner.name
    for node in ast.walk(tree):
        if isinstance(node, _DEFINITIONS) and node.name == name:
            begins = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first in (None, begins):
                return node
    return None


def _is_chaos(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    return isinstance(called, ast.Attribute | ast.Name) and ast.unparse(called).rpartition(".")[2] == MARK


def _line(mark: ast.expr, index: int | None, fault: int | None) -> int:
    """Return the line of a mark's argument, of the part of a combination that is to blame, or of the mark."""
    node: ast.expr = mark
    for number, name in ((index, MARK), (fault, "combine")):
        if number is None or not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith(name):
            break
        if number >= len(node.args) or any(isinstance(each, ast.Starred) for each in node.args[: number + 1]):
            break
        node = node.args[number]
    return node.lineno
