"""`python -m pytest_mqchaos report`: what it writes and prints, its status, and bad input in one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hostile import INJECTIONS, document_full_of
from report_builders import failing, passing, session

from pytest_mqchaos.cli import main
from pytest_mqchaos.report.document import write
from pytest_mqchaos.report.html import page, write_page
from pytest_mqchaos.report.markdown import markdown
from pytest_mqchaos.report.reading import read
from pytest_mqchaos.report.unfinished import Unfinished

WHOLE = session(failing(), passing(), skipped=[{"nodeid": "t.py::x", "scenario": "drop", "reason": "no"}])


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The document of a session, as it was written."""
    return str(write(tmp_path / "session", WHOLE))


def report(*arguments: object) -> int:
    """Run the command in this process and return its status."""
    return main(["report", *map(str, arguments)])


def test_show_in_the_terminal(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By default the terminal's summary is printed, twice the same, without colours where nobody looks."""
    assert report("show", file) == 0
    first = capsys.readouterr().out
    assert report("show", file) == 0
    assert capsys.readouterr().out == first
    assert first.startswith("2 chaos tests, 20 messages, 4 faults struck: 1 failed, 1 as promised\n")
    assert "\x1b" not in first


def test_show_with_colours(
    file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal the headline has its colour, unless the user wants none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    report("show", file)
    assert capsys.readouterr().out.startswith("\x1b[31m2 chaos tests, ")
    monkeypatch.setenv("NO_COLOR", "1")
    report("show", file)
    assert "\x1b" not in capsys.readouterr().out


def test_show_as_the_session_wrote_it(file: str, tmp_path: Path) -> None:
    """The page and the Markdown are the bytes that the session wrote, and with -o the page is the default."""
    wrote = write_page(tmp_path / "session", WHOLE).read_bytes()
    for arguments in ([], ["--format", "html"], ["--format", "md"]):
        assert report("show", file, "-o", tmp_path / "again", *arguments) == 0
    assert (tmp_path / "again" / "index.html").read_bytes() == wrote == page(WHOLE).encode()
    assert (tmp_path / "again" / "report.md").read_text(encoding="utf-8") == markdown(WHOLE)


def test_a_cut_session_by_its_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The directory of a session that was killed is as good as what it left there, with a word on it; two are named."""
    head = {name: WHOLE[name] for name in ("schema", "plugin", "started", "settings", "environment")}
    Unfinished(tmp_path / "cut", head).add({"run": failing(), "servers": {}, "worker": "gw0"})
    note = f"{tmp_path}/cut: no report.json; this is unfinished-{os.getpid()}.jsonl, of a session that was cut short\n"
    assert report("show", tmp_path / "cut") == 0
    said = capsys.readouterr()
    assert (said.out.splitlines()[0], said.err) == (
        "1 chaos test, 10 messages, 2 faults struck: 1 failed",
        note,
    )
    assert report("merge", tmp_path / "cut", "-o", tmp_path / "joined") == 0
    assert (capsys.readouterr().err, len(read(tmp_path / "joined")["runs"])) == (note, 1)
    shutil.copy(*(tmp_path / "cut" / f"unfinished-{name}.jsonl" for name in (os.getpid(), 4_194_305)))
    assert report("show", tmp_path / "cut") == 2
    assert capsys.readouterr().err.count("unfinished-") == 2


def test_show_prints_any_form(file: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without -o every form goes to standard output."""
    assert report("show", file, "--format=html") == 0
    assert capsysbinary.readouterr().out == page(WHOLE).encode()
    assert report("show", file, "--format=md") == 0
    assert capsysbinary.readouterr().out == markdown(WHOLE).encode()


def test_merge(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two parts become the document and the page of the whole."""
    parts = [
        write(tmp_path / "a", session(failing())),
        write(tmp_path / "b", session(passing(), skipped=[*WHOLE["skipped"]])),
    ]
    assert report("merge", *parts, "-o", tmp_path / "all") == 0
    assert (tmp_path / "all" / "report.json").read_bytes() == Path(file).read_bytes()
    assert (tmp_path / "all" / "index.html").read_text(encoding="utf-8") == page(WHOLE)
    assert capsys.readouterr().out == (
        f"1 of 2 chaos tests failed.\nreport: {tmp_path / 'all' / 'index.html'}\n"
    )


def kept(directory: Path, said: str = "failed/it-1", **fields: Any) -> Path:
    """Write the document of a failed run with the directory that was kept of it; return its path."""
    folder = directory / said
    folder.mkdir(parents=True)
    (folder / "kept.json").write_text("{}")
    (folder / "history.jsonl").write_text(f"of {directory.name}\n")
    (folder / "aside").symlink_to("/etc/passwd")
    return write(directory, session({**failing(**fields), "kept": said}))


def told(directory: Path) -> list[str | None]:
    """Return what the runs of a merged document say was kept of them, by what stands there."""
    runs = read(directory)["runs"]
    return [
        (directory / run["kept"] / "history.jsonl").read_text() if "kept" in run else None for run in runs
    ]


def test_merge_brings_what_was_kept(tmp_path: Path) -> None:
    """Each run points at its own directory beside the merged report, also where two have one name, and again."""
    parts = [kept(tmp_path / "a"), kept(tmp_path / "b", outcome="passed")]
    for _ in range(2):
        assert report("merge", *parts, "-o", tmp_path / "all") == 0
        assert told(tmp_path / "all") == ["of a\n", "of b\n"]
    assert {each.name for each in (tmp_path / "all" / "failed").iterdir()} == {"it-1", "it-1.2"}
    assert not (tmp_path / "all" / "failed" / "it-1" / "aside").exists(), "only plain files are taken"
    assert report("merge", tmp_path / "all", *parts, "-o", tmp_path / "again") == 0
    assert told(tmp_path / "again") == ["of a\n", "of b\n"], "where it stands makes no run another one"
    assert report("merge", parts[1], parts[0], "-o", tmp_path / "b") == 0
    assert told(tmp_path / "b") == ["of b\n", "of a\n"], "into the folder of one of them"


def test_what_is_not_kept_is_not_named(tmp_path: Path) -> None:
    """A directory that is gone, or that a foreign document claims elsewhere, is neither named nor copied."""
    gone = kept(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone" / "failed")
    kept(tmp_path / "victim")
    foreign = write(tmp_path / "foreign", session({**failing(), "kept": "../victim/failed/it-1"}))
    mine = tmp_path / "all" / "failed" / "it-1"
    mine.mkdir(parents=True)
    (mine / "notes").touch()
    for number, path in enumerate((gone, foreign)):
        assert report("merge", path, "-o", tmp_path / str(number)) == 0
        assert told(tmp_path / str(number)) == [None]
        assert not (tmp_path / str(number) / "failed").exists()
    assert report("merge", kept(tmp_path / "other"), "-o", tmp_path / "all") == 0
    assert (mine / "notes").exists(), "what is none of ours stays"
    assert told(tmp_path / "all") == ["of other\n"]


def test_show_names_only_what_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was kept of a run is named in Markdown as the session named it, and no more once it is gone."""
    path = kept(tmp_path / "session")
    assert report("show", path, "--format", "md") == 0
    assert "Kept with the report: `failed/it-1`" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "session" / "failed")
    assert report("show", path, "--format", "md") == 0
    assert "Kept with the report" not in capsys.readouterr().out


def test_show_elsewhere_points_back(tmp_path: Path) -> None:
    """A page that is written elsewhere links to what was kept beside the document."""
    path = kept(tmp_path / "session")
    assert report("show", path, "-o", tmp_path / "some" / "where") == 0
    page_there = (tmp_path / "some" / "where" / "index.html").read_text(encoding="utf-8")
    assert '<a href="./../../session/failed/it-1/">' in page_there
    assert report("show", path, "-o", tmp_path / "session") == 0
    assert (tmp_path / "session" / "index.html").read_bytes() == page(read(path)).encode()
    shutil.rmtree(tmp_path / "session" / "failed")
    assert report("show", path, "-o", tmp_path / "some" / "where") == 0
    assert "<dt>Kept</dt>" not in (tmp_path / "some" / "where" / "index.html").read_text(encoding="utf-8")


def test_diff(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A regression has the status 1, what became better or stayed has 0; the lines say what."""
    good = write(tmp_path / "good", session(failing(outcome="passed"), passing()))
    healed = json.loads(good.read_text())
    healed["runs"][0] |= {"findings": [], "state": "well", "failed": False, "verdict": "pass"}
    good.write_text(json.dumps(healed))
    assert report("diff", good, file) == 1
    assert capsys.readouterr().out.splitlines() == [
        "worse    tests/test_orders.py::test_orders[consumer_crash-after-ack-3]: was as promised, now failed",
        "worse    tests/test_orders.py::test_orders[consumer_crash-after-ack-3]: "
        "new lost:by_consumer, 1 of 10 messages",
        "2 worse, 0 better; 2 tests in both, 0 only in OLD, 0 only in NEW",
    ]
    assert report("diff", file, good) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 worse, 2 better; ")
    assert report("diff", file, file) == 0


@pytest.mark.parametrize("evil", INJECTIONS)
def test_nothing_foreign_reaches_the_terminal(
    evil: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a document says of its tests, what is printed is printable lines."""
    bad = write(tmp_path / "bad", document_full_of(f"\x1b]0;{evil}\x07\r\u202e"))
    good = write(tmp_path / "good", session(passing()))
    report("show", bad)
    report("diff", good, bad)
    report("diff", bad, good)
    report("merge", bad, good, "-o", tmp_path / "all")
    said = capsys.readouterr()
    assert said.err == ""
    assert all(line.isprintable() for line in said.out.split("\n"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file or directory"),
        ("{", "not JSON: Expecting property name"),
        ('{"schema": "3.0", "runs": []}', "its schema is 3.0, and this version reads 1.x"),
        ('{"name": "package"}', "no report of pytest-mqchaos"),
    ],
)
@pytest.mark.parametrize("command", ["show", "merge", "diff-old", "diff-new"])
def test_bad_input(
    command: str, text: str | None, why: str, file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command refuses what is no report in one line that names the file, with status 2, and writes nothing."""
    bad = tmp_path / "bad.json"
    if text is not None:
        bad.write_text(text)
    arguments = {
        "show": ["show", bad, "-o", tmp_path / "out"],
        "merge": ["merge", file, bad, "-o", tmp_path / "out"],
        "diff-old": ["diff", bad, file],
        "diff-new": ["diff", file, bad],
    }[command]
    assert report(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{bad}: {why}")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_a_schema_does_not_say(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A document that obeys its schema and still cannot be ours is a line too."""
    made = json.loads(Path(file).read_text())
    made["overview"]["states"] = {"splendid": 1}
    Path(file).write_text(json.dumps(made))
    assert report("show", file, "--format=md") == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"{file}: cannot be shown: KeyError: 'splendid'\n")


def test_nowhere_to_write(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that cannot be made is one line too."""
    for arguments in (["show", file, "-o", "/dev/null/x"], ["merge", file, "-o", "/dev/null/x"]):
        assert report(*arguments) == 2
        assert capsys.readouterr().err == "/dev/null/x: cannot be written: Not a directory\n"


def test_as_a_command(file: str, tmp_path: Path) -> None:
    """As a stranger runs it, in any encoding, and with a reader that leaves early."""
    command = [sys.executable, "-m", "pytest_mqchaos", "report"]
    poor = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run([*command, "show", file, "--format=md"], env=poor, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (markdown(WHOLE).encode(), b"")
    evil = write(tmp_path / "evil", document_full_of("ö→"))
    done = subprocess.run([*command, "diff", file, evil], env=poor, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"")  # a test that only the new one has, and that fails
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "wb") as nobody:
        done = subprocess.run(
            [*command, "show", file, "--format=html"], check=False, stdout=nobody, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_one_document_is_merged_too(file: str, tmp_path: Path) -> None:
    """Of one document the merge is that document."""
    assert report("merge", file, "-o", tmp_path / "one") == 0
    assert read(tmp_path / "one") == WHOLE
