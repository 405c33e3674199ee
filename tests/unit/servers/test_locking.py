"""Locks whose file goes with them: nobody ever has one that others cannot find."""

import io
import json
import subprocess
import sys
import threading

import pytest
from filelock import FileLock, Timeout

from pytest_mqchaos.servers import locking
from pytest_mqchaos.servers.sharing import place as module
from pytest_mqchaos.servers.sharing.place import kept_place

KEEPS = """
import sys
from pathlib import Path
from pytest_mqchaos.servers.locking import take
lock = take(Path(sys.argv[1]), 0.0)
print("has it", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    """Where the lock is."""
    return tmp_path / "lock"


def test_one_has_it(path):
    """A second one does not, and when it is given up its file is gone."""
    lock = locking.take(path, 0.0)
    with pytest.raises(Timeout):
        locking.take(path, 0.0)
    locking.give_up(lock, path)
    assert not path.exists()
    locking.give_up(locking.take(path, 0.0), path)


def test_a_file_that_goes_while_it_is_waited_for(path, monkeypatch):
    """Who locked a file that is not the one that stands there takes that one instead."""
    acquire, times = FileLock.acquire, []

    def late(self, *arguments, **options):
        if not times:
            path.unlink()  # right after it was opened, by who had it
        times.append(self)
        return acquire(self, *arguments, **options)

    monkeypatch.setattr(FileLock, "acquire", late)
    lock = locking.take(path, 5.0)
    assert len(times) == 2
    with pytest.raises(Timeout):
        locking.take(path, 0.0)
    locking.give_up(lock, path)


def test_many_at_once(path):
    """Of many that take it and remove its file, one at a time has it."""
    inside, most, done = [], [], []

    def work():
        for _ in range(20):
            lock = locking.take(path, 30.0)
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            locking.give_up(lock, path)
        done.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(done), max(most)) == (4, 1)


def test_the_errand_of_a_session_that_died(path, monkeypatch):
    """Its file is removed, but not while another session has it, and that there is none is no error."""
    with subprocess.Popen(
        [sys.executable, "-c", KEEPS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"has it\n"
        for left in (True, False, False):
            monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"path": str(path)})))
            locking.main()
            assert path.exists() == left
            other.kill()
            other.wait()


def test_a_place_that_is_removed_while_a_session_comes(tmp_path, monkeypatch):
    """The session makes it anew, for itself alone."""
    monkeypatch.setattr(module.tempfile, "tempdir", str(tmp_path))
    place, take, times = kept_place("it"), locking.take, []

    def late(path, timeout):
        if not times:
            times.append(path)
            place.remove_unused()  # `stop`, between our folder and our lock
        return take(path, timeout)

    with place.alone():
        pass
    monkeypatch.setattr(locking, "take", late)
    with place.alone():
        assert times
        assert place.folder.stat().st_mode & 0o777 == 0o700
        assert place.folder.parent.stat().st_mode & 0o777 == 0o700
        place.remove_unused()
        assert place.folder.exists()
