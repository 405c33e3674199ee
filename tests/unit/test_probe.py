"""The effect probe: one line, whole, from wherever it is called."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_mqchaos import probe


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of a running test."""
    path = tmp_path / "worker.effects"
    path.touch()
    monkeypatch.setenv("MQCHAOS_EFFECTS", str(path))
    yield path
    probe._announced.discard(str(path))


def run(program: str, path: Path | None) -> subprocess.CompletedProcess[str]:
    """Run a program as a consumer would be, in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(Path(probe.__file__).parents[1])}
    env.pop("MQCHAOS_EFFECTS", None)
    if path is not None:
        env["MQCHAOS_EFFECTS"] = str(path)
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_an_effect_is_one_line(file: Path) -> None:
    """The first use says that the probe is there."""
    probe.effect("orders-k3f9-000017")
    probe.effect("orders-k3f9-000018")
    assert file.read_text() == "#probe\norders-k3f9-000017\norders-k3f9-000018\n"


def test_ids_and_keys_may_be_text_numbers_and_bytes(file: Path) -> None:
    """As applications have them."""
    for name in ("a b", 17, -1, b"raw", "ä", "#17"):
        probe.effect(name)
    assert file.read_text().splitlines() == ["#probe", "a b", "17", "-1", "raw", "ä", "#17"]


def test_bytes_that_are_no_text_are_written_as_they_are(file: Path) -> None:
    """Also where they came through a text with escapes for them."""
    probe.effect(b"\xff")
    probe.effect("\udcff")
    assert file.read_bytes() == b"#probe\n\xff\n\xff\n"


@pytest.mark.parametrize("name", ["a\nb", "a\r", b"\n", "\r\nx"])
def test_a_line_break_is_an_error(file: Path, name: str | bytes) -> None:
    """One line that names the value, and nothing is written."""
    with pytest.raises(
        ValueError, match=r"probe\.effect\(.*\): an id or key has no line break|is not empty"
    ) as raised:
        probe.effect(name)
    assert "\n" not in str(raised.value)
    assert file.read_text() == ""


@pytest.mark.parametrize("name", ["", b"", "  "])
def test_an_empty_name_is_an_error(file: Path, name: str | bytes) -> None:
    """It would be a line that nobody counts."""
    with pytest.raises(ValueError, match=r"is not empty"):
        probe.effect(name)
    assert file.read_text() == ""


@pytest.mark.parametrize("name", [None, 1.5, True, ["a"], object])
def test_another_kind_of_name_is_an_error(file: Path, name: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(TypeError, match=r"an id or key is a str, an int or bytes"):
        probe.effect(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, ""])
def test_without_a_test_it_does_nothing(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    """In production there is no file, and no check of arguments that could break what worked."""
    if value is None:
        monkeypatch.delenv("MQCHAOS_EFFECTS", raising=False)
    else:
        monkeypatch.setenv("MQCHAOS_EFFECTS", value)
    probe.effect("a")
    probe.effect("a\nb")
    probe.effect(None)  # type: ignore[arg-type]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not made: nobody would read it."""
    monkeypatch.setenv("MQCHAOS_EFFECTS", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="none"):
        probe.effect("a")
    assert not (tmp_path / "none").exists()


def test_a_full_disk_is_an_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line would be another id."""
    monkeypatch.setattr(os, "write", lambda descriptor, data: len(data) - 1)
    with pytest.raises(OSError, match=r"only 8 of 9 bytes of a line were written"):
        probe.effect("a")


def test_threads_write_whole_lines(file: Path) -> None:
    """And announce the probe once."""
    barrier = threading.Barrier(8)

    def work(n: int) -> None:
        barrier.wait(10)
        for i in range(200):
            probe.effect(f"{n}-{i}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = file.read_text().splitlines()
    assert lines[0] == "#probe"
    assert sorted(lines[1:]) == sorted(f"{n}-{i}" for n in range(8) for i in range(200))


def test_forked_processes_write_whole_lines(tmp_path: Path) -> None:
    """Children write with their parent, also when it forks while a thread announces the probe."""
    path = tmp_path / "effects"
    path.touch()
    done = run(
        "import os, threading\n"
        "from pytest_mqchaos import probe\n"
        "probe._announced.clear()\n"
        "thread = threading.Thread(target=lambda: [probe.effect(f't-{i}') for i in range(300)])\n"
        "thread.start()\n"
        "pids = []\n"
        "for n in range(4):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        for i in range(300): probe.effect(f'{n}-{i}')\n"
        "        os._exit(0)\n"
        "    pids.append(pid)\n"
        "thread.join()\n"
        "print([os.waitpid(pid, 0)[1] for pid in pids])\n".replace(
            "import os,", "import os, warnings,", 1
        ).replace("thread = ", "warnings.simplefilter('ignore')\nthread = ", 1),
        path,
    )
    assert (done.stdout, done.stderr) == ("[0, 0, 0, 0]\n", "")
    lines = [line for line in path.read_text().splitlines() if line != "#probe"]
    assert sorted(lines) == sorted(f"{n}-{i}" for n in ("t", 0, 1, 2, 3) for i in range(300))


def test_an_import_announces_the_probe(tmp_path: Path) -> None:
    """A consumer that has it and never uses it does no work."""
    path = tmp_path / "effects"
    path.touch()
    assert run("import pytest_mqchaos.probe", path).returncode == 0
    assert path.read_text() == "#probe\n"
    assert run("from pytest_mqchaos import probe; probe.effect(1); probe.effect(2)", path).returncode == 0
    assert path.read_text() == "#probe\n#probe\n1\n2\n"


def test_an_import_never_fails(tmp_path: Path) -> None:
    """Whatever the variable names: the error belongs to the first effect."""
    assert run("import pytest_mqchaos.probe", tmp_path / "none").returncode == 0
    done = run("from pytest_mqchaos import probe; probe.effect(1)", tmp_path)
    assert "IsADirectoryError" in done.stderr


def test_descriptors_closed_by_the_application_do_no_harm(tmp_path: Path) -> None:
    """A daemon closes all of them, and opens others with the same numbers."""
    path, other = tmp_path / "effects", tmp_path / "other"
    path.touch()
    done = run(
        "import os\n"
        "from pytest_mqchaos import probe\n"
        "probe.effect('a')\n"
        "os.closerange(3, 100)\n"
        f"held = [os.open({str(other)!r}, os.O_RDWR | os.O_CREAT) for _ in range(20)]\n"
        "probe.effect('b')\n",
        path,
    )
    assert done.returncode == 0, done.stderr
    assert path.read_text() == "#probe\na\nb\n"
    assert other.read_text() == ""


def test_a_killed_process_has_told_its_last_effect(tmp_path: Path) -> None:
    """Nothing is buffered."""
    path = tmp_path / "effects"
    path.touch()
    done = run(
        "import os, signal\n"
        "from pytest_mqchaos import probe\n"
        "probe.effect('a')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
        path,
    )
    assert done.returncode == -9
    assert path.read_text() == "#probe\na\n"


def test_it_is_light() -> None:
    """Its import brings nothing along but `os` and `threading`, and nothing of pytest."""
    done = run(
        "import __future__, sys, os, threading\n"
        "before = set(sys.modules)\n"
        "import pytest_mqchaos.probe\n"
        "print(sorted(set(sys.modules) - before))\n",
        None,
    )
    assert done.stdout == "['pytest_mqchaos', 'pytest_mqchaos.probe']\n", done.stderr


def test_a_reload_changes_nothing(file: Path) -> None:
    """An application that reloads its modules gets the same probe."""
    again = importlib.reload(probe)
    again.effect("a")
    assert file.read_text().splitlines()[-1] == "a"
