"""The live line: on a terminal, while a run is in flight, and without a trace afterwards."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from chaos_bench import IMPORTS, Bench
from terminal_screen import on_terminal, screen

import pytest_mqchaos

LINE = "12 published, 3 in flight, 8 effected; refuse() armed"
NARROW = {40: "8 effected of 12; 1 fault armed", 45: "8 effected of 12, 3 in flight; refuse armed"}
SOURCE = """
import threading

def shown():
    return any(each.name == "mqchaos-progress" for each in threading.enumerate())

def seen(chaos):
    open("shown", "a").write(f"{shown()}\\n")
    if WAIT and shown():
        for _ in range(3):  # at the third look the line of the second has been written
            assert chaos.glances.acquire(timeout=10)

def test_plain(): ...

@pytest.mark.chaos(baseline(), refuse(name="x" * 23))
def test_it(mqchaos):
    print("captured")
    seen(mqchaos)

def test_failing(mqchaos):
    seen(mqchaos)
    mqchaos.lose(17)

def test_last(mqchaos):
    seen(mqchaos)
"""


LOOKED = "def test_it(mqchaos):\n    assert all(mqchaos.glances.acquire(timeout=10) for _ in range(3))\n"
"""A test that goes on once the line has been there."""


class Terminal:
    """Runs of pytest on a terminal."""

    def __init__(self, bench: Bench) -> None:
        self.path = bench.path
        (self.path / "at_once.py").write_text(
            "import pytest_mqchaos.progress as p\np._FIRST = p._EVERY = 0.01\n"
        )

    def run(
        self, *args: str, source: str = SOURCE, wait: bool = True, columns: int = 80, rows: int = 24,
        answers: dict[str, str] | None = None, **env: str,
    ) -> str:  # fmt: skip
        """Run pytest on the source and return what it wrote; with `wait` each test is looked at several times."""
        (self.path / "test_orders.py").write_text(IMPORTS + source.replace("WAIT", str(wait)))
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ("COLUMNS", "NO_COLOR", "PY_COLORS")
        }
        paths = [str(Path(pytest_mqchaos.__file__).parents[1]), str(self.path)]
        plugins = ["-p", "pytest_mqchaos.plugin", *(["-p", "at_once"] if wait else [])]
        return on_terminal(
            [sys.executable, "-m", "pytest", *plugins, "-p", "no:cacheprovider", *args],
            cwd=self.path,
            env={**kept, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(paths), **env},
            columns=columns,
            rows=rows,
            answers=answers,
        )

    def shown(self) -> set[str]:
        """Whether the line was there in the tests of the last run."""
        path = self.path / "shown"
        said = set(path.read_text().split())
        path.unlink()
        return said


@pytest.fixture
def terminal(bench: Bench) -> Terminal:
    """A terminal for runs of pytest."""
    return Terminal(bench)


def without_times(lines: list[str]) -> list[str]:
    """Return what stands on a screen without durations and the rules that these shorten."""
    return [re.sub(r"=+", "=", re.sub(r"\d+\.\d+s", "0s", line)) for line in lines]


@pytest.mark.parametrize("columns", [40, 45, 80])
@pytest.mark.parametrize("flag", ["--tb=short", "-v", "-rA"])
def test_without_a_trace(terminal: Terminal, flag: str, columns: int) -> None:
    """The line is written, and in the end the screen is the same as without it, wherever the cursor was."""
    size = {"columns": columns, "rows": 12}
    live = terminal.run(flag, wait=True, **size)
    assert "True" in terminal.shown()
    assert NARROW.get(columns, LINE) in live
    still = terminal.run(flag, wait=False, **size)
    assert without_times(screen(live, **size)) == without_times(screen(still, **size))
    assert "8 effected" not in "\n".join(screen(live, **size))


@pytest.mark.parametrize(
    ("args", "env"),
    [
        (["-q"], {}),
        (["-s"], {}),
        (["-p", "no:terminal"], {}),
        (["--color=no"], {}),
        (["-o", "log_cli=true"], {}),
        (["--log-cli-level=INFO"], {}),
        (["-n1", "-p", "xdist"], {}),
        ([], {"CI": "true"}),
        ([], {"TERM": "dumb"}),
        ([], {"NO_COLOR": "1"}),
    ],
    ids=str,
)
def test_not_there(terminal: Terminal, args: list[str], env: dict[str, str]) -> None:
    """In CI, quiet, without capture, with a plain or busy terminal and in workers nothing is shown."""
    written = terminal.run(*args, **env)
    assert terminal.shown() == {"False"}
    assert "12 published" not in written
    assert "\x1b[1A" not in written


def test_not_without_a_terminal(bench: Bench) -> None:
    """What goes to a file or a pipe has no line."""
    result = bench.run(SOURCE.replace("WAIT", "False"), subprocess=True)
    assert result.parseoutcomes() == {"passed": 4, "failed": 1}
    assert set((bench.path / "shown").read_text().split()) == {"False"}


def test_a_debugger_has_the_terminal(terminal: Terminal) -> None:
    """At a breakpoint the line goes at once and does not come back: the prompt stands alone."""
    source = f"{LOOKED}    breakpoint()\n    x = 1\n"
    written = terminal.run(source=source, answers={"(Pdb) ": "c\n"})
    assert "12 published" in written
    lines = screen(written)
    assert "(Pdb) c" in lines
    assert not [line for line in lines if "published" in line and "chaos test" not in line]
    assert any("PDB set_trace" in line for line in lines)


@pytest.mark.parametrize("end", ["\\n", ""])
@pytest.mark.parametrize("fixture", ["capsys", "capfd"])
def test_what_a_test_says_aloud(terminal: Terminal, fixture: str, end: str) -> None:
    """Where a test suspends the capture the line goes first, and what it prints stands as it would without it."""
    aloud = f"    with {fixture}.disabled():\n        print('said aloud', end='{end}')\n"
    quiet = LOOKED.splitlines()[0].replace("mqchaos", f"mqchaos, {fixture}")
    after = "def test_next(mqchaos): ...\n"
    source = LOOKED.replace("(mqchaos)", f"(mqchaos, {fixture})") + aloud + after
    written = terminal.run(source=source)
    assert "12 published" in written
    still = terminal.run(source=f"{quiet}\n{aloud}{after}", wait=False)
    assert without_times(screen(written)) == without_times(screen(still))


def test_interrupted(terminal: Terminal) -> None:
    """Ctrl-C while the line is there removes it before pytest says so."""
    source = f"{LOOKED}    raise KeyboardInterrupt\n"
    lines = screen(terminal.run(source=source))
    assert not [line for line in lines if "published" in line]
    assert any("KeyboardInterrupt" in line for line in lines)


def test_a_look_that_fails(terminal: Terminal) -> None:
    """Trouble with the line costs the line, and nothing else."""
    source = "def test_it(mqchaos):\n    mqchaos.glance = None\n"
    assert "1 passed" in terminal.run(source=source)
