"""Documents read back: what is none, is refused in one line that names the file."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hostile import INJECTIONS, document_full_of
from report_builders import failing, passing, session

from pytest_mqchaos.report.document import document, write
from pytest_mqchaos.report.html import page
from pytest_mqchaos.report.markdown import markdown
from pytest_mqchaos.report.reading import NoReport, chosen, read
from pytest_mqchaos.report.unfinished import Unfinished

WHOLE = session(failing(), passing())
OLD = {
    **{name: WHOLE[name] for name in ("plugin", "started", "servers", "runs")},
    "schema": "1.0",
}


def changed(*path: Any, value: Any) -> str:
    """Return the document as JSON with one value replaced."""
    made = copy.deepcopy(WHOLE)
    inner = made
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return json.dumps(made)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """A document comes back as it was, by its file or by its directory, and renders to the same bytes."""
    path = write(tmp_path, WHOLE)
    assert read(path) == read(tmp_path) == WHOLE
    assert page(read(path)) == page(WHOLE)
    assert markdown(read(path)) == markdown(WHOLE)


@pytest.mark.parametrize("evil", INJECTIONS)
def test_hostile_text_is_kept(tmp_path: Path, evil: str) -> None:
    """Whatever stands in a document is read, and renders as the session rendered it."""
    made = document_full_of(evil)
    assert page(read(write(tmp_path, made))) == page(made)


def test_earlier_and_later(tmp_path: Path) -> None:
    """Every 1.x is read: an earlier one has less, a later one more."""
    path = tmp_path / "report.json"
    for made in (OLD, {**WHOLE, "schema": "1.7", "more": 1}):
        path.write_text(json.dumps(made))
        assert read(path) == made


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON: Expecting value"),
        ("{", "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ('{"schema": "1.1", "runs": [NaN]}', "not JSON: NaN is no number of JSON"),
        (f'{{"schema": "1.1", "runs": {"9" * 5000}}}', "not JSON: Exceeds the limit"),
        ("[]", "no report of pytest-mqchaos"),
        ("{}", "no report of pytest-mqchaos"),
        ('{"schema": 1, "runs": []}', "no report of pytest-mqchaos"),
        ('{"schema": "2.0", "runs": []}', "its schema is 2.0, and this version reads 1.x (1.1 and earlier)"),
        ('{"schema": "\\u001b[31m", "runs": []}', "its schema is \\x1b[31m, and"),
        ('{"schema": "1.1", "runs": []}', "no report of pytest-mqchaos: it has no plugin"),
        (changed("runs", 0, "counts", value=7), "no report of pytest-mqchaos: runs[0].counts is not object"),
        (changed("runs", 0, "baseline", value=9), "no report of pytest-mqchaos: it points at runs that"),
        (changed("runs", 0, "baseline", value=-1), "no report of pytest-mqchaos: it points at runs that"),
        (changed("overview", "first", value=9), "no report of pytest-mqchaos: it points at runs that"),
        (changed("overview", "causes", 0, "runs", value=[5]), "no report of pytest-mqchaos: it points at"),
        (changed("overview", "causes", 0, "runs", value=[]), "no report of pytest-mqchaos: a cause without"),
    ],
    ids=str,
)  # fmt: skip
def test_no_report(tmp_path: Path, text: str, why: str) -> None:
    """One line: the file, and what is wrong with it."""
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(NoReport) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: {why}")
    assert said.isprintable()


def test_no_text_and_no_file(tmp_path: Path) -> None:
    """Bytes that are no text, a file that is not there, a directory without a report."""
    path = tmp_path / "x.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NoReport, match="not JSON: 'utf-8' codec"):
        read(path)
    for missing in (tmp_path / "gone.json", tmp_path):
        with pytest.raises(NoReport, match=r"No such file or directory$"):
            read(missing)


HEAD = {name: WHOLE[name] for name in ("schema", "plugin", "started", "settings", "environment")}


def begun(name: str) -> dict[str, Any]:
    """Return the entry of a test that began."""
    return {"begun": failing(nodeid=name, outcome="error")}


def left(tmp_path: Path) -> Path:
    """Return the file that a session left."""
    (path,) = tmp_path.glob("unfinished-*.jsonl")
    return path


def test_what_a_cut_session_left(tmp_path: Path) -> None:
    """Its runs, what it skipped, and the test that ran when it was cut; a line that was cut off is left out."""
    file = Unfinished(tmp_path, HEAD)
    first, second = failing(), passing()
    skipped = {"nodeid": "t.py::x", "scenario": "baseline", "reason": "no"}
    servers = {"version": "4.0.5"}
    for entry in (
        begun(first["nodeid"]),
        {"run": first, "servers": servers, "worker": "gw1"},
        {"skipped": skipped},
        {"run": second, "servers": servers, "worker": "gw1"},
        {"outcome": [second["nodeid"], 1, "error"]},
        begun("t.py::cut"),
    ):
        file.add(entry)
    with left(tmp_path).open("a") as stream:
        stream.write('{"run": {"nodeid": "t.py::torn')
    known = read(left(tmp_path))
    cut = {**begun("t.py::cut")["begun"]}
    cut["error"] = cut["summary"] = "the session was ended by force while this test ran"
    assert known == document(
        [first, {**second, "outcome": "error"}, cut],
        servers,
        WHOLE["plugin"],
        WHOLE["started"],
        skipped=[skipped],
        settings=WHOLE["settings"],
        environment=WHOLE["environment"],
    )
    file.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "{}\n{}\n", '{"schema": "1.1"}\n[]\n', "7\n", '{"x": 1\n{}\n'])
def test_no_unfinished_session(tmp_path: Path, text: str) -> None:
    """A file of that name with something else in it is refused as any other."""
    path = tmp_path / "unfinished-1.jsonl"
    path.write_text(text)
    with pytest.raises(NoReport) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_directory_with_what_a_cut_session_left(tmp_path: Path) -> None:
    """Named by its directory it is found where it is the only one; a report beside it comes first."""
    file = Unfinished(tmp_path, HEAD)
    file.add({"run": failing(), "servers": {}, "worker": "gw0"})
    assert chosen(tmp_path) == left(tmp_path)
    assert read(tmp_path) == read(left(tmp_path))
    (tmp_path / "unfinished-4194305.jsonl").touch()
    with pytest.raises(NoReport) as caught:
        read(tmp_path)
    mine = left_by_name(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no report.json, and of sessions that were cut short {mine[0]}, {mine[1]}: name one of them"
    )
    write(tmp_path, WHOLE)
    assert read(tmp_path) == WHOLE


def left_by_name(tmp_path: Path) -> list[str]:
    """Return the names of the files that sessions left, in order."""
    return sorted(each.name for each in tmp_path.glob("unfinished-*.jsonl"))


def test_the_next_session_clears(tmp_path: Path) -> None:
    """What a dead session left goes as the next begins, as its report does; that of a living one stays."""
    for process in (1, 4_194_305):  # the first lives, the second is above what Linux ever gives
        (tmp_path / f"unfinished-{process}.jsonl").touch()
    Unfinished(tmp_path, HEAD).remove()
    assert [each.name for each in tmp_path.iterdir()] == ["unfinished-1.jsonl"]


def test_a_directory_made_for_nothing_goes(tmp_path: Path) -> None:
    """A directory that was made for the file goes with it; where it cannot be made nothing is said."""
    Unfinished(tmp_path / "a" / "b", HEAD).remove()
    assert not (tmp_path / "a" / "b").exists()
    file = Unfinished(Path("/dev/null/x"), HEAD)
    file.add({})
    file.remove()
