"""The house's walls: which layer may import what, who may touch a client library, and what a module offers.

```
plugin   the modules at the top of the package         the only ones that import pytest
run      experiment/
parts    brokers/ servers/ link/ consumers/ effects/   each its own client libraries
pure     wire/ checks/ payloads/ report/               standard library (report/ also Jinja2)
base     model/ errors kernel probe                    standard library
```
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "pytest_mqchaos"
ROOT = Path(__file__).parents[1] / PACKAGE

PLUGIN, RUN, PARTS, PURE, BASE = 4, 3, 2, 1, 0
LAYERS = {
    **dict.fromkeys(("model", "errors", "kernel", "probe"), BASE),
    **dict.fromkeys(("wire", "checks", "payloads", "report"), PURE),
    **dict.fromkeys(("brokers", "servers", "link", "consumers", "effects"), PARTS),
    "experiment": RUN,
}
"""By the name below the package; whatever else stands at its top is of the plugin's layer."""
UPWARD = {
    (
        "experiment.chaos",
        "failures",
    ): "`verify` raises DeliveryError, a failure of pytest's and so of the plugin",
}
CLIENTS = {
    "pika": {"brokers"},
    "testcontainers": {"servers"},
    "docker": {"servers", "brokers"},
    "toxiproxy": {"link", "servers"},
    "requests": {"link", "servers"},  # what toxiproxy-python and docker raise
    "trustme": {"link"},
    "filelock": {"servers"},
    "jinja2": {"report"},
    "markupsafe": {"report"},  # what Jinja2 escapes with
    "pytest": {"testing"},
    "_pytest": {"testing"},
}
"""Where each third-party library may be imported, besides pytest in the plugin's layer."""
READS_CODE = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "code", "codeop"}
"""Modules that run what they read: whoever may write to them may run code here."""
MULTIPROCESSING = {"multiprocessing", "multiprocessing.connection", "concurrent.futures.process"}
"""Modules whose pipes and queues speak pickle."""
SHELLS = {
    "os.system",
    "os.popen",
    "pty.spawn",
    "commands.getoutput",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell",
}
"""Functions that give a text to a shell. A broker's `os:cmd` is Erlang's, and text of ours alone."""
IN_CONTAINERS = {"brokers.rabbitmq.container"}
"""Where `sh -c` has a script that stands in our code, in the broker's container; what varies is its arguments."""
CODE = {"eval", "exec", "compile", "builtins.eval", "builtins.exec", "builtins.compile", "__import__"}
"""Functions that make code of a text."""


@dataclass(frozen=True)
class Import:
    """One import of a module, by their names below the package where they are ours."""

    importer: str
    imported: str
    line: int
    typing: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def modules() -> dict[str, ast.Module]:
    """Return the package's modules by their name below it."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def part_of(name: str) -> str:
    """Return the first part of a module's name below the package."""
    return name.partition(".")[0]


def layer_of(name: str) -> int:
    """Return the layer of a module of ours."""
    return LAYERS.get(part_of(name), PLUGIN)


@cache
def imports() -> tuple[Import, ...]:
    """Return every import of the package, also within functions."""
    return tuple(each for name, tree in modules().items() for each in _imports(name, tree))


def _imports(name: str, tree: ast.Module) -> Iterator[Import]:
    typed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: imports are absolute here"
            targets = [_target(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        yield from (Import(name, target, node.lineno, id(node) in typed) for target in dict.fromkeys(targets))


def _target(module: str, name: str) -> str:
    """Return the module that `from module import name` loads."""
    below = f"{module}.{name}".removeprefix(f"{PACKAGE}.")
    return f"{PACKAGE}.{below}" if module.startswith(PACKAGE) and below in modules() else module


def own() -> list[tuple[Import, str]]:
    """Return the imports of our own modules, with their names below the package."""
    return [
        (each, each.imported.removeprefix(PACKAGE).removeprefix("."))
        for each in imports()
        if each.imported.partition(".")[0] == PACKAGE
    ]


def third_party() -> list[tuple[Import, str]]:
    """Return the imports of libraries that are not Python's, with the library."""
    top = [(each, each.imported.partition(".")[0]) for each in imports()]
    return [(each, name) for each, name in top if name not in sys.stdlib_module_names | {PACKAGE}]


def test_lower_layers_import_no_higher_ones() -> None:
    """A module imports its own layer and lower ones only, also for typing."""
    wrong = [
        str(each)
        for each, target in own()
        if layer_of(each.importer) < layer_of(target) and (each.importer, target) not in UPWARD and target
    ]
    assert wrong == []


def test_third_party_where_it_belongs() -> None:
    """Base and pure layers import the standard library only, client libraries stay in the part that needs them."""
    wrong = []
    for each, library in third_party():
        at_home = part_of(each.importer) in CLIENTS.get(library, set())
        of_plugin = library in ("pytest", "_pytest") and layer_of(each.importer) == PLUGIN
        if not at_home and not of_plugin:
            wrong.append(str(each))
    assert wrong == []


def test_pytests_private_parts_are_for_typing() -> None:
    """Of pytest's private modules we import names for typing only."""
    assert [str(each) for each, library in third_party() if library == "_pytest" and not each.typing] == []


def test_parts_do_not_import_each_other() -> None:
    """The parts are put together by the run. Only a broker's folder may start itself by what `servers/` offers.

    `servers/` itself knows brokers by their protocol and registry, and none by its name.
    """
    wrong = []
    for each, target in own():
        if not (layer_of(each.importer) == layer_of(target) == PARTS):
            continue
        ends = part_of(each.importer), part_of(target)
        registry = ends == ("servers", "brokers") and target in ("brokers", "brokers._protocol")
        if ends[0] != ends[1] and ends != ("brokers", "servers") and not registry:
            wrong.append(str(each))
    assert wrong == []


def test_brokers_do_not_import_each_other() -> None:
    """Everything that knows a broker stands in its folder, and no folder of the kind knows another."""
    wrong = []
    for each, target in own():
        source, aim = each.importer.split("."), target.split(".")
        siblings = source[:1] == aim[:1] == ["brokers"] and len(source) > 1 and len(aim) > 1
        if siblings and source[1] != aim[1] and not aim[1].startswith("_"):
            wrong.append(str(each))
    assert wrong == []


def test_light_modules_load_nothing_heavy() -> None:
    """What every pytest run imports, it imports at the top: of ours only the plugin's layer and the errors."""
    light = (
        "plugin", "admission", "attempts", "failures", "fixtures", "frames", "options", "telling", "verdict", "xdist"
    )  # fmt: skip
    wrong = []
    for name in light:
        top = {node.lineno for node in modules()[name].body if isinstance(node, ast.Import | ast.ImportFrom)}
        wrong += [
            str(each)
            for each, target in own()
            if each.importer == name and each.line in top and target and target not in {*light, "errors"}
        ]
    assert wrong == []


def _defined(tree: ast.Module) -> set[str]:
    """Return the public functions and classes of a module; hooks are pytest's to find."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    names = {node.name for node in tree.body if isinstance(node, kinds)}
    return {name for name in names if not name.startswith(("_", "pytest_"))}


def _assigned(tree: ast.Module) -> set[str]:
    """Return the public constants and type aliases of a module."""
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    return {target.id for target in targets if isinstance(target, ast.Name) and target.id[0] != "_"}


def _offered(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            value: list[str] = ast.literal_eval(node.value)
            return value
    return None


def _imported(tree: ast.Module) -> set[str]:
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name for node in nodes for alias in node.names}


@pytest.mark.parametrize("name", sorted(modules()))
def test_all_is_what_is_public(name: str) -> None:
    """`__all__` names every public function and class, and nothing that is not there.

    Constants and types may be named or not; a name that is handed on from elsewhere is named with care.
    """
    tree = modules()[name]
    defined, offered = _defined(tree), _offered(tree)
    if not defined and offered is None:
        return
    assert offered is not None, f"{name}: no __all__"
    assert len(offered) == len(set(offered))
    assert defined - set(offered) == set(), "public, and not in __all__"
    known = defined | _assigned(tree) | _imported(tree) | ({"__version__"} if not name else set())
    assert set(offered) - known == set(), "in __all__, and not there"


def test_public_names_have_homes() -> None:
    """Each lazy public name is one that its home offers, and the lists for editors and for Python agree."""
    tree = modules()[""]
    typed = {
        alias.asname or alias.name
        for each in ast.walk(tree)
        if isinstance(each, ast.If)
        for node in each.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE)
        for alias in node.names
    }
    offered = set(_offered(tree) or ())
    assert typed | {"__version__"} == offered
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom) and (each.module or "").startswith(f"{PACKAGE}."):
            home = (each.module or "").removeprefix(f"{PACKAGE}.")
            assert {alias.name for alias in each.names} <= set(_offered(modules()[home]) or ()), home


def of_names(tree: ast.Module) -> dict[str, str]:
    """Return what each imported name of a module stands for, by its name there: `run` for `subprocess.run`."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.asname or part_of(alias.name): alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def dangers(tree: ast.Module) -> list[str]:
    """Return what a module does that could run a text of somebody else's: loads pickles, asks a shell, evaluates."""
    found, names = [], of_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            loaded = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            loaded = {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = ast.unparse(node).partition(".")
            called = f"{names.get(first, first)}{dot}{rest}"
            found += [f"{node.lineno}: {called}"] * (called in SHELLS | CODE)
            continue
        elif isinstance(node, ast.keyword) and node.arg in ("shell", "executable"):
            never = isinstance(node.value, ast.Constant) and not node.value.value
            found += [] if never else [f"{node.value.lineno}: {node.arg}={ast.unparse(node.value)}"]
            continue
        elif isinstance(node, ast.List | ast.Tuple):
            words = [each.value for each in node.elts if isinstance(each, ast.Constant)]
            shell = (
                words and isinstance(words[0], str) and words[0].rpartition("/")[2] in ("sh", "bash", "dash")
            )
            found += [f"{node.lineno}: {ast.unparse(node)}"] * bool(shell and "-c" in words)
            continue
        else:
            continue
        bad = {name for name in loaded if part_of(name) in READS_CODE} | loaded & MULTIPROCESSING
        found += [f"{node.lineno}: imports {name}" for name in sorted(bad)]
    return sorted(set(found))


def test_no_pickle_and_no_shell() -> None:
    """No module loads a pickle, gives a text to a shell, or makes code of a text: what others write stays a text."""
    script = "['sh', '-c', _SHELL, _COOKIE, *shell_arguments(_NODE, name=name)]"
    found = [(name, each.partition(": ")[2]) for name, tree in modules().items() for each in dangers(tree)]
    assert found == [(name, script) for name in IN_CONTAINERS]


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from marshal import loads",
        "import multiprocessing.connection",
        "import shelve as store",
        "import subprocess as s; s.run('ls', shell=True)",
        "subprocess.Popen(words, shell=wanted)",
        "import os; os.system('ls')",
        "from os import popen as p; p('ls')",
        "from subprocess import getoutput; getoutput('ls')",
        "import asyncio; run = asyncio.create_subprocess_shell",
        "subprocess.run(['/bin/sh', '-c', text])",
        "eval(text)",
        "import builtins; builtins.exec(text)",
    ],
)
def test_what_a_shell_or_a_pickle_looks_like(line: str) -> None:
    """Each way to run a text of somebody else's is seen, under another name too."""
    assert dangers(ast.parse(line)) != []


def test_hooks_only_hand_on() -> None:
    """A hook of the plugin is at most ten lines besides its docstring."""
    for node in modules()["plugin"].body:
        if isinstance(node, ast.FunctionDef):
            first, last = node.body[1], node.body[-1]
            assert (last.end_lineno or 0) - first.lineno < 10, node.name
