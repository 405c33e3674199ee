"""What the pages say can be followed: links lead somewhere, code compiles, names and options exist."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import itertools
import re
import shlex
import subprocess
import sys
import textwrap
from types import ModuleType
from typing import NoReturn

import pytest
from pages import PAGES, ROOT, anchors, blocks, commands, links, prose

import pytest_mqchaos
from pytest_mqchaos import cli
from pytest_mqchaos.choices import Chosen
from pytest_mqchaos.model.findings import DETAILS
from pytest_mqchaos.options import OPTIONS
from pytest_mqchaos.report.html import page as rendered
from pytest_mqchaos.report.reading import read

GALLERY = sorted((ROOT / "docs" / "gallery").glob("*.json"))


@pytest.mark.parametrize(
    ("page", "path", "anchor"), [(page, *link) for page in PAGES for link in links(page)]
)
def test_a_link_leads_somewhere(page: str, path: str, anchor: str) -> None:
    """Each relative link names a file or folder of the repository, and its anchor a heading there."""
    assert (ROOT / path).exists()
    assert not anchor or anchor in anchors(path)


def test_the_anchors_are_those_that_are_generated() -> None:
    """Without capitals, signs and code's backticks, words joined by hyphens."""
    assert {"a-broker-that-runs-already"} <= anchors("docs/external.md")
    assert anchors("docs/servers.md") >= {"under-pytest-xdist", "from-one-session-to-the-next"}


@pytest.mark.parametrize(
    ("page", "code"), [(page, code) for page in PAGES for code in blocks(page, "python")]
)
def test_python_is_python(page: str, code: str) -> None:
    """Each block compiles, and what it takes from this package or asks of the fixture is there."""
    tree = ast.parse(textwrap.dedent(code), page)
    compile(tree, page, "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_mqchaos"):
            module = importlib.import_module(node.module or "")
            assert [each.name for each in node.names if not hasattr(module, each.name)] == []
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "mqchaos"
        ):
            assert hasattr(pytest_mqchaos.Chaos, node.attr)


def test_python_of_every_page_is_seen() -> None:
    """A block of a language by another name would not be looked at."""
    known = {"python", "console", "text", "toml", "ini", "yaml", "json", "javascript", "bash", "sh", ""}
    named = {
        language
        for page in PAGES
        for language in re.findall(r"^```(.*)\n(?:.|\n)*?^```$", (ROOT / page).read_text(), re.MULTILINE)
    }
    assert {each for each in named if not each.startswith("{")} <= known


@pytest.fixture(scope="module")
def pytest_options() -> set[str]:
    """Every option of pytest with what is installed here."""
    shown = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", shown.stdout))


@pytest.mark.parametrize(("page", "line"), [(page, line) for page in PAGES for line in commands(page)])
def test_a_command_can_be_typed(page: str, line: str, pytest_options: set[str], monkeypatch) -> None:
    """Each command line of pytest or of this package is one whose options and commands exist."""
    words = [word for word in shlex.split(line) if not re.match(r"[A-Z_]+=", word)]
    words = words[2:] if words[0] == "python" else words
    if words[0] == "pytest":
        options = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert options <= pytest_options
        return
    monkeypatch.setattr(argparse.ArgumentParser, "error", _refused)
    monkeypatch.setattr(cli, "_COMMANDS", {name: _Idle(module) for name, module in cli._COMMANDS.items()})
    for chosen in itertools.product(*(word.split("|") for word in words[1:])):
        with contextlib.suppress(_Incomplete):  # named in a sentence, with its arguments left out
            assert cli.main(chosen) == 0


class _Idle:
    """A command that reads its arguments and does nothing."""

    def __init__(self, command: ModuleType) -> None:
        self.HELP, self.add_arguments = command.HELP, command.add_arguments

    def run(self, _arguments: argparse.Namespace) -> int:
        return 0


class _Incomplete(Exception):
    """The arguments are right as far as they go."""


def _refused(_parser: argparse.ArgumentParser, message: str) -> NoReturn:
    if message.startswith("the following arguments are required"):
        raise _Incomplete
    raise AssertionError(message)


@pytest.mark.parametrize("page", PAGES)
def test_options_that_are_named_exist(page: str) -> None:
    """Each option of ours that the running text names is one of the plugin's."""
    known = {option.flag for option in OPTIONS} | {f"--no-{option.flag[2:]}" for option in OPTIONS}
    assert set(re.findall(r"(?<![\w-])--(?:no-)?mqchaos-[a-z-]*[a-z]", prose(page))) <= known


def test_the_reference_has_every_public_name() -> None:
    """What can be imported from the package stands in the reference; what stands there can be had."""
    text = (ROOT / "docs" / "reference.md").read_text()
    named = set(re.findall(r"^\.\. auto\w+:: pytest_mqchaos\.(\w+)$", text, re.MULTILINE))
    assert named | {"Delivery", "probe", "__version__"} == set(pytest_mqchaos.__all__)


def test_the_reference_has_every_option_of_the_mark() -> None:
    """The table of the mark's options is that of the package."""
    mark = (ROOT / "docs" / "reference.md").read_text().partition("## The fixture")[0]
    assert re.findall(r"^\| `(\w+)` \|", mark, re.MULTILINE) == list(Chosen.__dataclass_fields__)


def test_the_model_has_every_detail() -> None:
    """The table of details is what `allow=` takes."""
    table = (
        (ROOT / "docs" / "model.md").read_text().partition("### The details")[2].partition("## Hazards")[0]
    )
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE))
    assert {kind: tuple(re.findall(r"\w+", row)) for kind, row in rows.items()} == DETAILS


@pytest.mark.parametrize("report", GALLERY, ids=lambda path: path.stem)
def test_the_gallery_can_be_shown(report) -> None:
    """Each report can be read, is small and linked from the gallery, and names no place of the machine it is from."""
    assert report.stat().st_size < 200_000
    assert ("docs/gallery/" + report.name, "") in links("docs/gallery.md")
    text = report.read_text(encoding="utf-8")
    assert re.findall(r"(?<![\w.:/])/(?:home|root|tmp|usr|var|work|opt)/[^\"]*", text) == []
    assert "<h1>" in rendered(read(report))
