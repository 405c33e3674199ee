"""What the kernel says: groups, connections, and the thread that starts processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest

from pytest_mqchaos.consumers import proc
from pytest_mqchaos.consumers.supervisor import Supervisor

CONNECT = (
    "import socket, time; s = socket.create_connection(({host!r}, {port}));"
    " print('up', flush=True); time.sleep(100)"
)


def test_a_connection_elsewhere_is_found(bench: Any) -> None:
    """A consumer that talks to a broker other than its link is told by the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        consumer = bench.start(["python", "-c", CONNECT.format(host="127.0.0.1", port=port)])
        bench.await_output(consumer, "up")
        assert consumer.replicas[0].foreign_connections() == [f"127.0.0.1:{port}"]
        assert consumer.replicas[0].foreign_connections({port}) == []


def test_a_connection_of_a_child_is_found(bench: Any) -> None:
    """The whole group counts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = CONNECT.format(host="127.0.0.1", port=port)
        consumer = bench.start(["sh", "-c", f'{os.environ.get("PYTHON", "python3")} -c "$0"; true', program])
        bench.await_output(consumer, "up")
        assert consumer.replicas[0].foreign_connections() == [f"127.0.0.1:{port}"]


def test_a_connection_over_the_sixth_version_is_found(bench: Any) -> None:
    """Its address stands in brackets."""
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no ::1")
    with server:
        port = server.getsockname()[1]
        consumer = bench.start(["python", "-c", CONNECT.format(host="::1", port=port)])
        bench.await_output(consumer, "up")
        assert consumer.replicas[0].foreign_connections() == [f"[::1]:{port}"]


def test_its_own_link_and_its_clients_are_not_elsewhere(bench: Any) -> None:
    """Neither the link's port nor those who connect to a port that the consumer listens at."""
    program = (
        "import socket, time; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True);"
        "c = s.accept(); print('up', flush=True); time.sleep(100)"
    )
    consumer = bench.start(["python", "-c", program])
    bench.await_output(consumer, "\n")
    with socket.create_connection(("127.0.0.1", int(consumer.output))):
        bench.await_output(consumer, "up")
        assert consumer.replicas[0].foreign_connections() == []


PAIR = """
import os, socket, time
with socket.create_server(("127.0.0.1", 0)) as server:
    pair = socket.create_connection(server.getsockname()), server.accept()[0]
if {fork} and os.fork():
    pair[0].close()
elif {fork}:
    pair[1].close()
print("up", flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("fork", [False, True])
def test_what_it_says_to_itself_is_not_elsewhere(bench: Any, fork: bool) -> None:
    """A pair of sockets over loopback, with which pika wakes its loops, also where a child has its other end."""
    consumer = bench.start(["python", "-c", PAIR.format(fork=fork)])
    bench.until(lambda: consumer.output.count("up") == 1 + fork, lambda: consumer.output)
    assert consumer.replicas[0].foreign_connections() == []


def test_what_has_ended_is_connected_to_nothing(bench: Any) -> None:
    """Nor is what was never started."""
    consumer = bench.consumer(["true"])
    assert consumer.replicas[0].foreign_connections() == []
    assert consumer.describe_failure() == "worker: it was not started"


def test_a_name_with_parentheses_confuses_nobody(bench: Any, tmp_path: Any) -> None:
    """The kernel shows a process's name as it is."""
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to("/bin/sleep")
    consumer = bench.start([str(odd), "100"])
    bench.until(
        lambda: proc.members(consumer.pids[0]) == consumer.pids, lambda: f"{proc.members(consumer.pids[0])}"
    )
    assert consumer.pids[0] in proc.children(os.getpid())


def test_processes_are_listed_by_ps_where_there_is_no_proc() -> None:
    """The fields are the same."""
    listed = {stat.pid: stat for stat in proc._by_ps()}
    assert listed[os.getpid()].parent == os.getppid()
    assert listed[os.getpid()].group == os.getpgrp()


def test_jobs_run_on_one_thread_in_order() -> None:
    """What they raise belongs to the caller."""
    supervisor = Supervisor("starts")
    first = supervisor.call(threading.get_ident)
    assert first != threading.get_ident()
    assert supervisor.call(lambda: supervisor.call(threading.get_ident)) == first
    with pytest.raises(ZeroDivisionError):
        supervisor.call(lambda: 1 // 0)
    assert supervisor.call(threading.get_ident) == first
    supervisor.close()


def test_a_later_job_does_not_hold_up_one_that_is_due() -> None:
    """Delays are waited for together."""
    supervisor, seen, done = Supervisor("starts"), [], threading.Event()
    supervisor.later(600.0, lambda: seen.append("far"))
    supervisor.later(0.01, lambda: (seen.append("near"), done.set()))
    supervisor.call(lambda: seen.append("now"))
    assert done.wait(10)
    assert sorted(seen) == ["near", "now"]
    supervisor.close()


def test_a_closed_supervisor_takes_no_job() -> None:
    """And forgets those that had not begun."""
    supervisor, seen = Supervisor("starts"), []
    supervisor.later(0.02, lambda: seen.append("late"))
    supervisor.close()
    assert not supervisor.later(0.0, lambda: seen.append("after"))
    with pytest.raises(RuntimeError, match="starts was closed"):
        supervisor.call(lambda: None)
    assert seen == []


def test_who_speaks_on_a_port() -> None:
    """The process that has a connection, by its own end of it; not the one at its other end."""
    program = (
        "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); "
        "print(s.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", program, str(server.getsockname()[1])]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
            accepted, _ = server.accept()
            with accepted:
                assert child.stdout is not None
                port = int(child.stdout.readline())
                assert proc.speaker(port, [os.getpid(), child.pid]) == child.pid
                assert proc.speaker(port, [os.getpid()]) is None
                child.communicate()
                assert proc.speaker(port, [child.pid]) is None
