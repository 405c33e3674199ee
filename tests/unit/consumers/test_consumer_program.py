"""The program of a command: what cannot run is one line that names the way out, and nothing is started."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_mqchaos.consumers import commands, program
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model import events as facts

Place = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return what puts a file into a folder whose name has a space."""
    folder = tmp_path / "my app"
    folder.mkdir()

    def put(name: str, content: str | bytes, mode: int = 0o755) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    return put


def refused(bench: Any, target: object, **options: Any) -> str:
    """Return the one line by which a command is refused."""
    with pytest.raises(UsageError) as raised:
        bench.start(target, **options)
    assert bench.of(facts.ConsumerStarted) == []
    text = str(raised.value)
    assert "\n" not in text
    return text.removeprefix("consumer(): the command ")


def test_a_path_with_a_space_runs(bench: Any, place: Place) -> None:
    """As a list, as a path, and quoted in a string."""
    script = place("run.sh", "#!/bin/sh\necho ran $1\n")
    for number, target in enumerate(([str(script), "on"], script, f"'{script}' on")):
        consumer = bench.start(target, name=f"w{number}")
        bench.await_output(consumer, "ran")


def test_a_path_with_a_space_that_a_string_splits(bench: Any, place: Place) -> None:
    """What was meant is there, and is named."""
    script = place("run.sh", "#!/bin/sh\n")
    text = refused(bench, f"{script} --now", cwd=script.parent)
    assert text == (
        f"{str(script).split(' ')[0]!r} was not found (in {script.parent}); {str(script)!r} is there: "
        "quote a path with spaces, or give the command as a list"
    )


def test_a_path_object_is_a_file_and_no_name_on_path(bench: Any, place: Place) -> None:
    """Alone or first in a list, without a slash it lies in the consumer's directory."""
    script = place("true", "#!/bin/sh\necho mine\n")
    for number, target in enumerate((Path("true"), [Path("true")])):
        bench.await_output(bench.start(target, name=f"w{number}", cwd=script.parent), "mine")


def test_a_tilde_is_not_expanded(bench: Any, tmp_path: Path) -> None:
    """There is no shell, and the line says so, of the command and of the directory."""
    for target in ("~/worker.sh --now", ["~/worker.sh"]):
        assert refused(bench, target, cwd=tmp_path) == (
            f"'~/worker.sh' was not found (in {tmp_path}); '~' is for shells, and there is none here: "
            "write the whole path"
        )
    with pytest.raises(UsageError) as raised:
        bench.start(["true"], cwd="~/nowhere")
    assert str(raised.value) == (
        "consumer(): cwd='~/nowhere': there is no such directory; '~' is for shells: write the whole path"
    )


def test_a_file_of_the_directory_is_not_on_path(bench: Any, place: Place) -> None:
    """How it is written is in the line."""
    folder = place("worker-x.sh", "#!/bin/sh\n").parent
    place("worker_x.py", "")
    assert refused(bench, "worker-x.sh", cwd=folder) == (
        f"'worker-x.sh' was not found on PATH; it is in {folder}: write './worker-x.sh'"
    )
    assert refused(bench, "worker_x.py", cwd=folder) == (
        f"'worker_x.py' was not found on PATH; it is in {folder}: write 'python worker_x.py'"
    )


def test_a_script_of_this_pythons_environment_is_not_on_path(
    bench: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment that was not activated: its programs lie beside its Python."""
    beside = place("celery-x", "#!/bin/sh\n")
    monkeypatch.setattr(sys, "executable", str(beside.parent / "python"))
    assert refused(bench, "celery-x -A tasks worker") == (
        f"'celery-x' was not found on PATH; it is beside this Python: put {str(beside.parent)!r} on PATH, "
        f"or write {str(beside)!r}"
    )


def test_a_directory_is_no_program(bench: Any, tmp_path: Path) -> None:
    """It is called what it is."""
    assert (
        refused(bench, [str(tmp_path)], cwd=tmp_path) == f"{str(tmp_path)!r} is a directory (in {tmp_path})"
    )


def test_a_file_that_is_not_executable(bench: Any, place: Place) -> None:
    """One of Python needs not be, if Python is named."""
    folder = place("worker.py", "print()", 0o644).parent
    place("worker.sh", "#!/bin/sh\n", 0o644)
    assert (
        refused(bench, "./worker.sh", cwd=folder)
        == f"'./worker.sh' is not executable (in {folder}): chmod +x it"
    )
    assert refused(bench, "./worker.py", cwd=folder) == (
        f"'./worker.py' is not executable (in {folder}): chmod +x it, or write 'python ./worker.py'"
    )


@pytest.mark.parametrize("content", ["import os\nprint('ran')\n", ""])
def test_a_script_without_an_interpreter_is_not_run_by_a_shell(
    bench: Any, place: Place, content: str
) -> None:
    """The system would run it by `sh`, whatever it is written in: `import` is a program there."""
    folder = place("worker.py", content).parent
    assert refused(bench, "./worker.py", cwd=folder) == (
        "'./worker.py' names no interpreter: begin it with '#!/usr/bin/env python3' or the like, "
        "or write 'python ./worker.py'"
    )


def test_windows_line_ends_are_told(bench: Any, place: Place) -> None:
    """The system would say that a file is missing which is there."""
    folder = place("worker.sh", "#!/bin/sh\r\necho ran\r\n").parent
    assert refused(bench, "./worker.sh", cwd=folder) == (
        "'./worker.sh' has a first line that ends in CR LF: save it with Unix line ends"
    )


def test_a_script_of_an_environment_that_was_moved(bench: Any, place: Place) -> None:
    """On PATH as well: its first line names a Python that is not there any more."""
    folder = place("celery-x", "#!/old/venv/bin/python\n").parent
    assert refused(bench, "celery-x", env={"PATH": str(folder)}) == (
        "'celery-x' asks for '/old/venv/bin/python', which is not there"
    )


def test_what_may_run_passes(place: Place) -> None:
    """A program of the system, a script with blanks in its first line, one that only may be executed."""
    assert program.find(["sh"], "/bin", Path("/")) == "/bin/sh"
    script = place("odd", "#! /bin/sh -e\n")
    assert program.find(["./odd"], "", script.parent) == str(script)
    native = Path(shutil.which("true") or "/bin/true")
    assert program.find([str(native)], "", Path("/")) == str(native)


def test_a_program_that_cannot_be_looked_at_is_the_systems_business(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be executable all the same."""
    script = place("secret", "#!/bin/sh\n", 0o711)

    def closed(*_: object, **__: object) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(Path, "open", closed)
    assert program.find([str(script)], "", script.parent) == str(script)


def test_a_virtual_environments_python_is_not_resolved(bench: Any) -> None:
    """Its link is run, not what it leads to: that would be outside of the environment."""
    assert commands.words("python x.py", ()) == [sys.executable, "x.py"]
    consumer = bench.start([sys.executable, "-c", "import sys; print(sys.prefix)"])
    bench.await_output(consumer, sys.prefix)
