# ruff: noqa: F811
"""Sessions under pytest-xdist, and kept servers, that are ended in all ways at each phase: a campaign for quiet hours.

python -m pytest tests/e2e/campaign_sharing.py             # a quarter of an hour; not part of the suite
"""

import re
import subprocess
from pathlib import Path

import pytest
from ends_kit import children, guards_of, ports, there, until
from house_kit import KEEP, brokers, chaos, kill, waiting
from test_ends import PHASES, SIGNALS, session  # noqa: F401 - a fixture

MINE = [phase for phase in PHASES if phase not in ("collection", "server start")]


@pytest.mark.parametrize("phase", MINE)
@pytest.mark.parametrize("name", SIGNALS)
def test_a_controller_that_ends(session, name, phase):
    """Whatever a worker is at when its controller gets a signal, nothing is left."""
    running = session(phase, "-n1")
    (worker,) = children(running.process.pid)
    running.workers = {worker}
    running.ports -= ports({worker})
    running.send(*SIGNALS[name])
    running.nothing_left()


@pytest.mark.parametrize("name", SIGNALS)
def test_a_session_of_workers_that_ends_while_servers_start(house, name):
    """Nothing is left but xdist's workers, for their while."""
    running = house.begin(chaos("a", "b", "c"), "-n2")
    until(running.output, 60, lambda: there(house.temporary, "mqchaos-*/mqchaos-*/servers-*"))
    running.send(*SIGNALS[name])
    house.nothing_left(within=15.0)


def test_the_guard_of_the_holder_is_killed(house):
    """It has a successor, which cleans behind the holder."""
    running = house.begin(chaos("a") + waiting("wait") + chaos("b"), "-n1")
    until(running.output, 60, (running.folder / "wait").exists)
    (holder,) = house.holders()
    first = guards_of(holder)
    assert len(first) == 1
    kill(*first)
    until("no successor", 5, lambda: guards_of(holder) - first)
    kill(holder)
    (running.folder / "go on").touch()
    house.ended(running, "3 passed")
    assert len(brokers(running)) == 2
    house.nothing_left()


@pytest.mark.parametrize("kind", ["restart", "crash", "freeze"])
def test_kept_servers_that_a_session_disturbs(house, kind):
    """Alone in its session a test disturbs the kept server itself, and the next session has it again."""
    when = "after=ack(5)" + (", duration=1.0" if kind == "freeze" else "")
    source = chaos("it", scenarios=f"broker_{kind}({when})", work="work(mqchaos, 30)")
    first = house.run(source, KEEP)
    second = house.run(source, KEEP)
    address = {broker.rpartition(", ")[2] for broker in (*brokers(first), *brokers(second))}
    assert len(address) == 1, address
    assert len(house.holders()) == 1
    assert house.stop()[0] == 0
    house.nothing_left()


def test_a_folder_for_temporary_files_with_blanks(tmp_path, house):
    """Its name is taken as it is."""
    house.temporary = tmp_path / "a b ü"
    ran = house.run(chaos("a", "b"), "-n2", KEEP, outcome="2 passed")
    assert len(brokers(ran)) == 1
    assert house.stop()[0] == 0
    house.nothing_left()


def test_kept_servers_that_are_broken(house):
    """A broker or a holder that was killed between two sessions is replaced, and nothing of the old is left."""
    disturbing = chaos("restart", scenarios="broker_restart(after=ack(5))", work="work(mqchaos, 30)")
    first = house.run(chaos("a") + disturbing, KEEP)
    assert len(brokers(first)) == 1
    (broker,) = brokers(first)
    kind, name = re.search(r"\((process|container) (\S+),", broker).groups()
    if kind == "process":
        kill(int(name))
    else:
        subprocess.run(["docker", "kill", name], check=True, stdout=subprocess.DEVNULL)
    second = house.run(chaos("a"), KEEP)
    assert brokers(second) != brokers(first)
    holders = house.holders()
    assert len(holders) == 1
    kill(*holders)
    assert house.stop()[0] == 0
    house.nothing_left()


@pytest.mark.parametrize("name", SIGNALS)
def test_a_session_that_ends_while_kept_servers_start(house, name):
    """Nothing of them is left."""
    running = house.begin(chaos("a"), KEEP)
    until(running.output, 60, lambda: there(house.temporary, "mqchaos-kept-*/*/mqchaos-*/servers-*"))
    running.send(*SIGNALS[name])
    house.nothing_left()


def test_two_sessions_at_once(house):
    """Each has its own, however it deals its tests out, and the end of one is not felt by the other."""
    groups = "".join(
        chaos(name).replace("@pytest", f'@pytest.mark.xdist_group("{name[0]}")\n@pytest', 1)
        for name in ("a1", "b1", "a2")
    )
    one = house.begin(groups + waiting("wait") + chaos("c"), "-n2", "--dist=loadgroup")
    broken = chaos("a") + "\ndef test_fails():\n    assert False\n" + chaos("b", "c", "d")
    two = house.run(broken, "-n2", "--dist=loadscope", "--maxfail=1", outcome="1 failed", code=2)
    until(one.output, 60, (one.folder / "wait").exists)
    (one.folder / "go on").touch()
    house.ended(one, "5 passed")
    assert len(brokers(one)) == 1, brokers(one)
    assert not brokers(one).keys() & brokers(two).keys()
    house.nothing_left()


def test_a_worker_that_is_killed_while_it_starts_the_servers(house):
    """The other worker, which waited for it, starts them."""
    source = (
        chaos("a", "b")
        + """
@pytest.fixture(autouse=True, scope="session")
def named():
    (HERE / os.environ["PYTEST_XDIST_WORKER"]).write_text(str(os.getpid()))
"""
    )
    session = house.begin(source, "-n2", "--max-worker-restart=0")
    until(session.output, 60, lambda: there(house.temporary, "mqchaos-*/mqchaos-*/servers-*"))
    (lock,) = there(house.temporary, "mqchaos-*/lock")
    starter = next(
        pid for pid in (int(path.read_text()) for path in session.folder.glob("gw*")) if has_lock(pid, lock)
    )
    kill(starter)
    house.ended(session, "1 failed, 1 passed", code=1)
    assert len(brokers(session)) == 1
    house.nothing_left()


def has_lock(pid, lock):
    """Whether a process has the lock on a file."""
    inode = lock.stat().st_ino
    held = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(int(one[4]) == pid and one[5].endswith(f":{inode}") for one in held if one[1] != "->")
