"""The parts that servers are made of, without any server."""

import signal
import subprocess
import sys
import threading

import pytest

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.servers.process import Child, free_ports, one_line, tail
from pytest_mqchaos.servers.toxiproxy import ToxiproxyServer
from pytest_mqchaos.servers.waiting import wait_for


def test_importing_servers_loads_no_library():
    """The package and its settings cost an unrelated test run nothing."""
    code = (
        "import sys; from pytest_mqchaos.servers import ServerSettings; ServerSettings()\n"
        "print([m for m in ('docker', 'testcontainers', 'requests', 'pika', 'toxiproxy') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_waiting_ends_with_the_fact():
    """The wait ends as soon as nothing is lacking."""
    states = iter(["no", "not yet", None])
    wait_for("it", lambda: next(states), timeout=5.0, interval=0.0)


def test_a_wait_in_vain_says_what_was_awaited_and_seen():
    """The error of a wait names what was awaited, how long, and the last thing seen."""
    with pytest.raises(ChaosError, match=r"^waited 0.05 s for the broker; last seen: connection refused$"):
        wait_for("the broker", lambda: "connection refused", timeout=0.05, interval=0.01)


def test_free_ports_differ_and_are_out_of_the_way():
    """Ports are different and below those that systems give to outgoing connections."""
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(20_000 <= port < 32_000 for port in ports)


def test_the_tail_of_a_log(tmp_path):
    """The last lines of a file, in one line without colours; a missing file has none."""
    log = tmp_path / "log"
    log.write_text("first\n\x1b[31mboom\x1b[0m\n\nlast\n")
    assert tail(log, 3) == "\x1b[31mboom\x1b[0m\n\nlast"
    assert one_line(tail(log, 3)) == "boom | last"
    assert tail(tmp_path / "none", 3) == ""
    assert one_line("") == "none"


@pytest.fixture
def child(tmp_path):
    """Return a maker of children, which are ended at the end."""
    made = []

    def make(code):
        output = tmp_path / "out"
        made.append(Child.start([sys.executable, "-c", code], env={}, cwd=tmp_path, output=output))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_a_child_has_a_session_of_its_own(child):
    """The terminal's Ctrl-C does not reach a child: it leads its own session."""
    one = child("import os; print(os.getsid(0), os.getpid(), flush=True); input()")
    one.process.wait(10.0)  # its input is empty, so it ends with an EOFError
    first = tail(one.output, 20).splitlines()[0].split()
    assert first == [str(one.pid), str(one.pid)]


def test_a_child_that_ignores_sigterm_is_killed(child):
    """After its grace a stubborn child is killed; ending it again changes nothing."""
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('x', flush=True)\n"
        "while True: time.sleep(1)"
    )
    one = child(code)
    wait_for("the child", lambda: None if tail(one.output, 1) else "nothing said", timeout=10.0)
    assert one.end(grace=0.1) == -signal.SIGKILL
    assert one.end() == -signal.SIGKILL
    assert not one.alive()


def test_a_frozen_child_ends(child):
    """SIGKILL reaches a stopped process too."""
    one = child("while True: pass")
    one.signal(signal.SIGSTOP)
    assert one.end() == -signal.SIGKILL


def toxiproxy(published=None):
    """Return a Toxiproxy that does not run."""
    return ToxiproxyServer(
        kind="docker" if published else "process",
        version="2.12.0",
        api=("127.0.0.1", 8474),
        upstream="rabbitmq:5672",
        place="container c",
        _running=None,
        _published=published,
    )


def test_published_ports_are_handed_out_and_taken_back():
    """A container's ports are lent one by one, and a port taken back is lent again."""
    server = toxiproxy({8700: 41000, 8701: 41001})
    assert server.listen_address() == ("0.0.0.0:8700", ("127.0.0.1", 41000))
    assert server.listen_address() == ("0.0.0.0:8701", ("127.0.0.1", 41001))
    with pytest.raises(ChaosError, match="all 2 links of the Toxiproxy container are in use"):
        server.listen_address()
    server.release("0.0.0.0:8700")
    server.release("0.0.0.0:8700")
    assert server.listen_address()[0] == "0.0.0.0:8700"


def test_published_ports_are_lent_once_to_threads():
    """Links that are made at the same time get different ports."""
    server = toxiproxy({8700 + n: 41000 + n for n in range(40)})
    got = []
    threads = [threading.Thread(target=lambda: got.append(server.listen_address()[0])) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 40


def test_a_process_listens_where_we_say():
    """A Toxiproxy of this host listens on a free port of the loopback interface, where our side connects."""
    listen, (host, port) = toxiproxy().listen_address()
    assert listen == f"{host}:{port}"
    assert host == "127.0.0.1"
