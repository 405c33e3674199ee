"""Servers that all workers of pytest-xdist share, and servers that stay for the next session.

More of it, for quiet hours: `campaign_sharing.py`.
"""

import collections
import re

from ends_kit import DOCKER, LOOPBACK, family, listeners, there, until
from house_kit import BY_HAND, KEEP, brokers, chaos, crash, kill, notes, waiting


def test_one_for_all_workers_and_another_one_for_what_disturbs(house):
    """Two workers are on one RabbitMQ; what disturbs it, by its scenario or by hand and saying so, has another.

    Whoever has both goes on with each of them.
    """
    source = (
        chaos("one", "two", "three", "four")
        + chaos("restart", scenarios="broker_restart(after=ack(5))", work="work(mqchaos, 30)")
        + chaos("refused", work="mqchaos.broker.restart()")
        + chaos("by_hand", scenarios="baseline(), own_broker=True", work=BY_HAND)
        + chaos("five", "six", "seven", "eight", scenarios="connection_drop(after=ack(3))")
    )
    session = house.run(source, "-n2", outcome="1 failed, 10 passed", code=1)
    shared = [broker for broker, workers in brokers(session).items() if workers == {"gw0", "gw1"}]
    assert len(shared) == 1, brokers(session)
    count = collections.Counter(each["broker"] in shared for each in notes(session))
    assert count == {True: 8, False: 2}
    assert len(re.findall(r"^E .*", session.output(), re.MULTILINE)) == 1
    one_line = "NotPossible: broker_restart(): other workers of pytest-xdist use this RabbitMQ; with @pytest.mark.chaos"
    assert one_line in session.output()
    house.nothing_left()


def test_a_worker_that_dies_takes_nothing_with_it(house):
    """Others go on where they are, and whoever replaces it comes there, too."""
    source = crash("exit", "os._exit(3)") + chaos("a") + crash("kill", "os.kill(os.getpid(), 9)")
    session = house.run(source + chaos("b", "c", "d"), "-n2", outcome="2 failed, 4 passed", code=1)
    assert len(brokers(session)) == 1, brokers(session)
    assert len({each["worker"] for each in notes(session)}) >= 3
    house.nothing_left()


def test_the_holder_is_killed(house):
    """Tests that come after it have servers anew, one for both workers, and of the old ones nothing is left.

    Before, and with all workers at it, every socket is one of loopback.
    """
    source = chaos("a") + waiting("wait0") + chaos("b") + waiting("wait1") + chaos("y", "z")
    session = house.begin(source, "-n2", "--maxschedchunk=1")
    both = session.folder / "wait0", session.folder / "wait1"
    until(session.output, 120, lambda: all(one.exists() for one in both))
    old = house.holders()
    assert len(old) == 1
    addresses = listeners({each for pid in (session.process.pid, *old) for each in family(pid)})
    assert len(addresses) >= (2 if DOCKER else 4), (
        "of both workers at least, and of the servers where they are ours"
    )
    assert {address for address, _ in addresses} <= LOOPBACK
    kill(*old)
    (session.folder / "go on").touch()
    house.ended(session, "6 passed")
    assert len(brokers(session)) == 2, brokers(session)
    assert sum(len(workers) for workers in brokers(session).values()) == 4, brokers(session)
    house.nothing_left()


def test_kept_servers(house):
    """The next session has the same servers, whoever was killed on them; a second one at a time has its own."""
    first = house.run(chaos("a"), KEEP)
    (holder,) = house.holders()
    (broker,) = brokers(first)
    killed = house.begin(
        chaos(
            "b", work="work(mqchaos, 1, lambda: (mqchaos.broker.freeze(), reached('frozen'), until('never')))"
        ),
        KEEP,
    )
    until(killed.output, 60, (killed.folder / "frozen").exists)
    assert set(brokers(killed)) == {broker}
    status, said = house.stop()
    assert (status, "a session uses them just now; --force ends them" in said) == (1, True), said
    beside = house.run(chaos("c"), KEEP)
    assert set(brokers(beside)) != {broker}
    kill(killed.process.pid)
    killed.process.wait()
    after = house.run(chaos("d", "e", work="work(mqchaos, meanwhile=lambda: look(mqchaos))"), KEEP, "-n2")
    assert set(brokers(after)) == {broker}
    assert house.holders() == {holder}
    left = [each["namespaces"] for each in notes(after) if "namespaces" in each]
    assert all(1 <= len(set(one) - {"/"}) <= 2 for one in left), left
    status, said = house.stop()
    assert status == 0
    assert said.startswith("ended: RabbitMQ"), said
    house.nothing_left()
    assert there(house.temporary, "mqchaos-kept-*") == []
    assert house.stop() == (0, "no servers are kept\n")


def test_a_session_that_is_killed_while_kept_servers_start(house):
    """Nothing of them is left: nobody heard where they are."""
    session = house.begin(chaos("a"), KEEP)
    until(session.output, 30, lambda: there(house.temporary, "mqchaos-kept-*/*/mqchaos-*/servers-*"))
    kill(session.process.pid)
    session.process.wait()
    house.nothing_left()


def test_a_controller_that_is_killed_while_a_worker_starts_servers(house):
    """Nothing is left: no holder that comes up when nobody needs it any more."""
    session = house.begin(chaos("a", "b", "c"), "-n2")
    until(session.output, 30, lambda: there(house.temporary, "mqchaos-*/mqchaos-*/servers-*"))
    kill(session.process.pid)
    session.process.wait()
    house.nothing_left(within=15.0)  # xdist's workers are not ours to end
