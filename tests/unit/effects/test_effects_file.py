"""Effects files as consumers write them: what is new since the last look."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mqchaos.effects import EffectsFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file will be."""
    return tmp_path / "orders.log"


def add(path: Path, data: bytes) -> None:
    """Append to a file, as a consumer does."""
    with path.open("ab") as file:
        file.write(data)


def held(path: Path) -> list[str]:
    """Return the descriptors of ours that lead to a file."""
    own = Path("/proc/self/fd")
    return [one for one in os.listdir(own) if os.path.realpath(own / one) == str(path)]  # noqa: PTH208


def test_new_lines_are_read_once(path: Path) -> None:
    """In order, and nothing twice."""
    source = EffectsFile(path)
    add(path, b"a\nb\n")
    assert source.read() == ["a", "b"]
    assert source.read() == []
    add(path, b"c\n")
    assert source.read() == ["c"]


def test_a_file_that_is_not_there_yet_is_empty(path: Path) -> None:
    """It counts as untouched until something is written."""
    source = EffectsFile(path)
    assert source.read() == source.read(final=True) == []
    path.touch()
    assert source.read() == []
    assert not source.touched
    add(path, b"a\n")
    assert source.read() == ["a"]
    assert source.touched


def test_half_a_line_waits_for_its_end(path: Path) -> None:
    """An unflushed line is no effect yet, though the file was written to."""
    source = EffectsFile(path)
    add(path, b"orders-1\norde")
    assert source.read() == ["orders-1"]
    assert source.read() == []
    add(path, b"rs-2")
    assert source.read() == []
    add(path, b"\nx")
    assert source.read() == ["orders-2"]
    assert source.read(final=True) == ["x"]
    assert source.read(final=True) == []


def test_a_last_line_without_an_end_counts_in_the_end(path: Path) -> None:
    """Also where nothing changed since the last look."""
    source = EffectsFile(path)
    add(path, b"a")
    assert source.read() == []
    assert source.read(final=True) == ["a"]


def test_the_probe_and_comments_are_no_effects(path: Path) -> None:
    """A key may begin with the sign of a comment."""
    source = EffectsFile(path)
    add(path, b"# started by us\n#\n#\tx\n#17\n#probes\n")
    assert source.read() == ["#17", "#probes"]
    assert not source.probed
    add(path, b"#probe\r\na\n")
    assert source.read() == ["a"]
    assert source.probed


def test_a_comment_touches_the_file(path: Path) -> None:
    """Somebody who writes there means it."""
    source = EffectsFile(path)
    add(path, b"# hello\n")
    assert source.read() == []
    assert source.touched


def test_line_ends_blank_lines_marks_and_strange_bytes_are_tolerated(path: Path) -> None:
    """As programs of any language write them."""
    source = EffectsFile(path)
    add(path, b"\xef\xbb\xbfa\r\n\r\n   \n\nb \n\xff\xfe\n\xc3\xa4\n c\n")
    assert source.read() == ["a", "b ", "\\xff\\xfe", "ä", " c"]


def test_a_truncated_file_is_read_from_its_beginning(path: Path) -> None:
    """A consumer that opens its log with `w` at each start."""
    source = EffectsFile(path)
    add(path, b"a\nb\nhalf")
    assert source.read() == ["a", "b"]
    path.write_bytes(b"c\n")
    assert source.read() == ["c"]
    path.write_bytes(b"")
    assert source.read() == []
    add(path, b"d\n")
    assert source.read() == ["d"]


def test_a_file_that_was_rewritten_longer_is_read_from_its_beginning(path: Path) -> None:
    """Its size alone does not tell, what stands before does."""
    source = EffectsFile(path)
    add(path, b"a\nb\n")
    assert source.read() == ["a", "b"]
    path.write_bytes(b"c\nd\ne\n")
    assert source.read() == ["c", "d", "e"]


def test_a_file_that_was_rewritten_as_long_as_before_is_read_again(path: Path) -> None:
    """Its size does not tell, the moment of its last change does."""
    source = EffectsFile(path)
    add(path, b"a\nb\n")
    assert source.read() == ["a", "b"]
    path.write_bytes(b"a\nc\n")
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))  # however coarse the clock of the file system is
    assert source.read() == ["a", "c"]


def test_a_rotated_file_loses_nothing(path: Path) -> None:
    """What was written before the rotation and not read yet counts, with its last line."""
    source = EffectsFile(path)
    add(path, b"a\n")
    assert source.read() == ["a"]
    add(path, b"b\nc")
    path.rename(path.with_suffix(".1"))
    add(path, b"d\n")
    assert source.read() == ["b", "c", "d"]


def test_a_removed_file_loses_nothing(path: Path) -> None:
    """And one that comes again is a new one."""
    source = EffectsFile(path)
    add(path, b"a\n")
    source.read()
    add(path, b"b\n")
    path.unlink()
    assert source.read() == ["b"]
    assert source.read() == []
    add(path, b"a\n")
    assert source.read() == ["a"]


def test_a_closed_source_is_read_no_more(path: Path) -> None:
    """It holds one descriptor, and none when closed, whoever looks at it late."""
    source = EffectsFile(path)
    add(path, b"a\n")
    source.read()
    assert len(held(path)) == 1
    source.close()
    source.close()
    add(path, b"b\n")
    assert source.read(final=True) == []
    assert held(path) == []


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A folder is none."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        EffectsFile(tmp_path / "folder").read()


def test_a_long_file_is_read_in_pieces(path: Path) -> None:
    """Lines that lie across the pieces are whole."""
    names = [f"orders-{n:08d}" for n in range(200_000)]
    path.write_text("\n".join(names) + "\n")
    assert EffectsFile(path).read() == names


def test_a_look_at_a_file_that_did_not_change_is_cheap(path: Path) -> None:
    """It is taken before every settlement: well under 50 µs even on a busy machine, 3 µs on an idle one."""
    source = EffectsFile(path)
    add(path, b"a\n" * 1000)
    source.read()
    best = min(_seconds(source) for _ in range(20))
    assert best < 50e-6


def _seconds(source: EffectsFile) -> float:
    started = time.perf_counter()
    for _ in range(200):
        source.read()
    return (time.perf_counter() - started) / 200


def test_many_threads_may_look(path: Path) -> None:
    """Each line goes to one of them."""
    source = EffectsFile(path)
    found: list[str] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            found.extend(source.read())

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for n in range(2000):
        os.write(descriptor, b"%d\n" % n)
    os.close(descriptor)
    over.set()
    for thread in threads:
        thread.join()
    found.extend(source.read())
    assert sorted(map(int, found)) == list(range(2000))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=12)), st.data())
def test_however_it_is_written_the_lines_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], data: st.DataObject
) -> None:
    """Looking between writes changes nothing."""
    path = tmp_path_factory.mktemp("lines") / "log"
    source, found = EffectsFile(path), []
    for piece in pieces:
        add(path, piece)
        if data.draw(st.booleans()):
            found += source.read()
    found += source.read(final=True)
    path.touch()
    assert found == EffectsFile(path).read(final=True)
    source.close()
