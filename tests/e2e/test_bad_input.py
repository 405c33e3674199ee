"""Bad input and bad luck: one clear line, no frames of ours, nothing left running, other tests undisturbed."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from e2e_kit import HERE

HEAD = """
import os, pathlib, signal, time
import pytest
from pytest_mqchaos import *
from consumers import correct, wrong

def run(mqchaos, target=correct.ack_after_work, count=10, queue="orders", **options):
    mqchaos.queue("orders", dead_letter="orders.dead")
    mqchaos.consumer(target, env={"WORK": "0.005"}, **options)
    mqchaos.publish(queue, count=count, body=lambda n, rng: {"n": n})

@pytest.mark.chaos(connection_drop(after=delivery(3)))
def test_good_before(mqchaos):
    run(mqchaos)
"""
TAIL = """
@pytest.mark.chaos(connection_drop(after=delivery(3)))
def test_good_after(mqchaos):
    run(mqchaos)
"""


def ours():
    """Return the processes of the sessions below that still run, by the mark in their environment."""
    mark = f"E2E_MARK={os.getpid()}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0") and process.name != str(os.getpid()):
                found.append(
                    (int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ")[:120])
                )
        except OSError:
            continue
    return found


class Session:
    """A session of pytest in a folder of its own: its output, its outcomes, its report."""

    def __init__(self, folder, source, *arguments, environment=None, whole=True):
        self.folder = folder
        (folder / "test_it.py").write_text(
            (HEAD if whole else "") + textwrap.dedent(source) + (TAIL if whole else "")
        )
        (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH")))),
            "COLUMNS": "200",
            "E2E_MARK": str(os.getpid()),
            **(environment or {}),
        }
        environment.pop("CI", None)
        command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *arguments]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            self.output, _ = process.communicate(timeout=150)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            self.output, _ = process.communicate(timeout=30)
            pytest.fail(f"the session hangs\n{self.output}")
        self.code = process.returncode
        self.passed = set(re.findall(r"^PASSED \S*?::(\S+)", self.output, re.M))

    def no_frames_of_ours(self):
        """Assert that no line of the package stands in the output."""
        assert "pytest_mqchaos/" not in self.output, self.output
        assert "Traceback (most recent call last)" not in self.output, self.output
        assert "INTERNALERROR" not in self.output, self.output

    def unknown_because(self, test, cause):
        """Assert that the report says of a failed test that it cannot be judged, and why."""
        runs = json.loads((self.folder / "mqchaos-report" / "report.json").read_text())["runs"]
        (run,) = [run for run in runs if f"::{test}[" in run["nodeid"]]
        telling = [each for each in run["findings"] if each["unknown"]]
        assert (run["outcome"], run["verdict"]) == ("failed", "unknown"), run
        assert any(cause in f"{each['claim']} {each['cause']}" for each in telling), telling
        assert cause in run["summary"], run["summary"]

    def undisturbed(self):
        """Assert that the good tests passed."""
        assert "test_good_before[connection_drop-after-delivery-3]" in self.passed, self.output
        assert "test_good_after[connection_drop-after-delivery-3]" in self.passed, self.output


@pytest.fixture(autouse=True)
def nothing_left():
    """Assert that a test leaves no process behind."""
    yield
    assert not ours()


WRONG = """
@pytest.mark.chaos(connection_drop(after=delivery(99)))
def test_beyond_the_end(mqchaos):
    run(mqchaos)

@pytest.mark.chaos(lost_ack(before=ack(3)))
def test_never_acks(mqchaos):
    run(mqchaos, wrong.auto_ack)

@pytest.mark.chaos(consumer_crash(before=effect(3)))
def test_no_probe(mqchaos):
    run(mqchaos)

@pytest.mark.chaos(lost_confirm(before=confirm(3)))
def test_no_confirms(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(correct.ack_after_work, env={"WORK": "0.005"})
    mqchaos.publish("orders", count=5, body=lambda n, rng: {"n": n}, confirm=False)

@pytest.mark.chaos(baseline())
def test_more_than_once_by_hand(mqchaos):
    run(mqchaos)
    mqchaos.inject(consumer_freeze(times=3))

@pytest.mark.chaos(baseline())
def test_freezes_nobody(mqchaos):
    mqchaos.queue("orders")
    mqchaos.inject(consumer_freeze())

@pytest.mark.chaos(baseline())
def test_crash_of_a_frozen_broker(mqchaos):
    run(mqchaos)
    mqchaos.broker.freeze()
    mqchaos.broker.crash()

@pytest.mark.chaos(baseline())
def test_unknown_queue(mqchaos):
    mqchaos.queue("other")
    mqchaos.consumer(correct.ack_after_work, env={"QUEUE": "other"})
    mqchaos.publish("ordres", count=3)

@pytest.mark.chaos(baseline())
def test_command_not_found(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["no-such-worker", "--now"])

@pytest.mark.chaos(baseline())
def test_dies_at_once(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["python", "-c", "print('its last words'); raise SystemExit(7)"])

@pytest.mark.chaos(baseline())
def test_goes_to_background(mqchaos):
    def daemon(url):
        if os.fork():
            time.sleep(1)
            os._exit(0)
        os.setsid()
        correct.ack_after_work(url)

    mqchaos.queue("orders")
    consumer = mqchaos.consumer(daemon, queues=["orders", "never"])

@pytest.mark.chaos(baseline())
def test_is_a_generator(mqchaos):
    def worker(url):
        yield url

    mqchaos.queue("orders")
    mqchaos.consumer(worker)

@pytest.mark.chaos(baseline())
def test_script_without_interpreter(mqchaos):
    script = pathlib.Path("my worker.py")
    script.write_text("import time")
    script.chmod(0o755)
    mqchaos.queue("orders")
    mqchaos.consumer(script)

@pytest.mark.chaos(baseline())
def test_blob_in_its_output(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["python", "-c", "import os; print('x' * 5_000_000); print(os.environ['AMQP_URL']); exit(7)"])

@pytest.mark.chaos(baseline())
def test_never_consumes(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["python", "-c", "import time; time.sleep(60)"], ready_timeout=1)

@pytest.mark.chaos(baseline())
def test_no_consumer(mqchaos):
    mqchaos.queue("orders")
    mqchaos.publish("orders", count=3)

@pytest.mark.chaos(baseline())
def test_nothing_published(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(correct.ack_after_work)

@pytest.mark.chaos(baseline())
def test_negative_count(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(correct.ack_after_work)
    mqchaos.publish("orders", count=-1)

@pytest.mark.chaos(baseline())
def test_no_such_consumer(mqchaos):
    run(mqchaos)
    mqchaos.inject(consumer_crash(consumer="nobody"))

@pytest.mark.chaos(baseline())
def test_work_folder_missing(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(["python", "-c", ""], cwd="no/such/folder")

@pytest.mark.chaos(baseline())
def test_stale_effects(mqchaos):
    log = pathlib.Path("orders.log")
    log.write_text("order-1\\n")
    mqchaos.effects(log)
    mqchaos.queue("orders")
    mqchaos.consumer(correct.ack_after_work)
    mqchaos.publish("orders", count=1, key="order", body=lambda n, rng: {"n": n, "order": f"order-{n}"})

@pytest.mark.chaos(connection_drop(after=delivery(3)))
def test_without_the_fixture():
    pass

@pytest.mark.chaos(baseline(), gaurantee="exactly-once")
def test_unknown_option(mqchaos):
    run(mqchaos)

@pytest.mark.chaos(baseline(), guarantee="maybe-once")
def test_unknown_guarantee(mqchaos):
    run(mqchaos)
"""
SAYS = {
    "test_beyond_the_end[connection_drop-after-delivery-99]": ["delivery(99)"],
    "test_never_acks[lost_ack-before-ack-3]": ["automatic ack"],
    "test_no_probe[consumer_crash-before-effect-3]": [
        "came without asking",
        "probe.effect(id)",
        "after=effect(n)",
    ],
    "test_no_confirms[lost_confirm-before-confirm-3]": ["lost_confirm(before=confirm(3))", "never struck"],
    "test_more_than_once_by_hand[baseline]": ["consumer_freeze(times=3)", "give its first moment"],
    "test_freezes_nobody[baseline]": ["there is no consumer yet"],
    "test_crash_of_a_frozen_broker[baseline]": ["the broker is frozen", "thaw()"],
    "test_unknown_queue[baseline]": ["ordres"],
    "test_command_not_found[baseline]": ["no-such-worker"],
    "test_dies_at_once[baseline]": ["7"],
    "test_goes_to_background[baseline]": ["in the background"],
    "test_is_a_generator[baseline]": ["consumer(worker)", "yield"],
    "test_script_without_interpreter[baseline]": ["./my worker.py", "#!/usr/bin/env"],
    "test_blob_in_its_output[baseline]": ["exit code 7", "amqp://***@"],
    "test_never_consumes[baseline]": ["consume"],
    "test_no_consumer[baseline]": ["consumer"],
    "test_nothing_published[baseline]": ["publish"],
    "test_negative_count[baseline]": ["count", "-1"],
    "test_no_such_consumer[baseline]": ["nobody"],
    "test_work_folder_missing[baseline]": ["no/such/folder"],
    "test_stale_effects[baseline]": ["orders.log"],
    "test_without_the_fixture": ["mqchaos"],
    "test_unknown_option": ["gaurantee"],
    "test_unknown_guarantee": ["maybe-once"],
}


@pytest.fixture(scope="module")
def wrongs(tmp_path_factory):
    """Return one session with a row of wrong tests between two good ones."""
    return Session(tmp_path_factory.mktemp("wrongs"), WRONG)


@pytest.mark.parametrize("name", SAYS)
def test_one_line_says_it(wrongs, name):
    """A wrong test fails with a line that names what is wrong."""
    bare = name.partition("[")[0]
    lines = [line for line in wrongs.output.splitlines() if re.match(rf"(FAILED|ERROR) \S*::{bare}\b", line)]
    assert lines, wrongs.output
    told = lines[0].partition(" - ")[2]
    assert told, lines
    section = wrongs.output.partition(f" {bare}")[2].partition("\n____")[0]
    assert all(word in f"{told}\n{section}" for word in SAYS[name]), lines
    assert name not in wrongs.passed


def test_good_tests_between_wrong_ones(wrongs):
    """The good tests of the same session pass, and no frame of ours is shown."""
    wrongs.undisturbed()
    wrongs.no_frames_of_ours()
    assert wrongs.code == 1


def test_output_is_shown_in_short(wrongs):
    """Megabytes in a line stay where they are, and so does the password in an address."""
    assert len(wrongs.output) < 300_000
    assert "guest:guest" not in wrongs.output


def test_last_words_are_shown(wrongs):
    """The output of a consumer that died is in its error."""
    assert "its last words" in wrongs.output


@pytest.mark.parametrize(
    ("marker", "word"),
    [
        ("connection_drop", "connection_drop()"),
        ("connection_drop(after=delivery)", "delivery("),
        ("connection_dorp()", "connection_dorp"),
        ("malformed_payload(share=1.5)", "share"),
        ("malformed_payload(share=-0.1)", "share"),
        ("poison_message(b'x', count=-1)", "count"),
        ("consumer_crash(before=seconds(1))", "seconds"),
        ("connection_drop(after=delivery(0))", "delivery"),
        ("connection_drop(before=ack(1), after=ack(2))", "before"),
        ("refuse(duration=-1)", "duration"),
        ("malformed_payload(kinds=['odd'])", "odd"),
        ("connection_drop(when=3)", "when"),
        ("broker_crash", "broker_crash()"),
        ("consumer_freeze(duration=0)", "duration=0"),
        ("broker_freeze(consumer='worker')", "consumer"),
        ("lost_confirm(before=seconds(1))", "seconds(1)"),
        ("connection_drop(every=10)", "say how often as well, times=3"),
        ("connection_drop(after=delivery(1), times=0)", "times=0"),
        ("connection_drop(after=seconds(1), times=2)", "say how far apart"),
        ("combine()", "combine"),
    ],
)
def test_a_wrong_fault(tmp_path, marker, word):
    """A wrong fault is one line at collection, without our frames; no server is started."""
    source = f"""
        import pytest
        from pytest_mqchaos import *

        @pytest.mark.chaos({marker})
        def test_it(mqchaos):
            pass
    """
    session = Session(tmp_path, source, whole=False)
    assert session.code != 0, session.output
    assert word in session.output
    session.no_frames_of_ours()
    assert "RabbitMQ" not in session.output
    assert len([line for line in session.output.splitlines() if line.startswith("E  ")]) <= 4, session.output


TOXIPROXY = """
def toxiproxies():
    mark = b"E2E_MARK=" + os.environ["E2E_MARK"].encode()
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if b"toxiproxy-server" in (process / "cmdline").read_bytes():
                if str(os.getpid()) in parents(process.name):
                    yield int(process.name)
        except OSError:
            continue

def parents(pid):
    found = []
    while pid not in ("0", "1"):
        found.append(pid)
        pid = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return found

def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 10
    threads = pathlib.Path(f"/proc/{pid}/task")
    while any(path.read_text().rpartition(")")[2].split()[0] != "T" for path in threads.glob("*/stat")):
        assert time.monotonic() < deadline, "it does not stand still"
        time.sleep(0.001)

@pytest.mark.chaos(connection_drop(after=ack(8)))
def test_toxiproxy_dies(mqchaos):
    run(mqchaos, count=30)
    (pid,) = toxiproxies()
    os.kill(pid, signal.SIGKILL)

@pytest.mark.chaos(connection_drop(after=delivery(3)))
def test_good_between(mqchaos):
    run(mqchaos)

@pytest.mark.chaos(baseline())
def test_toxiproxy_hangs(mqchaos):
    run(mqchaos, count=30)
    mqchaos.wait(delivery(5))
    stop(*toxiproxies())

@pytest.fixture
def afterwards():
    yield
    stop(*toxiproxies())

@pytest.mark.chaos(connection_drop(after=delivery(3)))
def test_good_and_hangs_afterwards(afterwards, mqchaos):
    run(mqchaos)
"""


def test_toxiproxy_dies(tmp_path):
    """A Toxiproxy that is killed in a test, or hangs, fails that test in a line; the next ones have another one."""
    session = Session(tmp_path, TOXIPROXY, "--mqchaos-servers=process")
    failed = re.findall(r"^(?:FAILED|ERROR) \S*?::(\w+)\S* - (.*)", session.output, re.M)
    assert [name for name, _ in failed] == ["test_toxiproxy_dies", "test_toxiproxy_hangs"], session.output
    assert all("Toxiproxy" in words for _, words in failed), failed
    session.unknown_because("test_toxiproxy_dies", "Toxiproxy")
    session.unknown_because("test_toxiproxy_hangs", "Toxiproxy")
    session.no_frames_of_ours()
    session.undisturbed()
    assert {"test_good_between[connection_drop-after-delivery-3]"} <= session.passed
    assert {"test_good_and_hangs_afterwards[connection_drop-after-delivery-3]"} <= session.passed


GROUND = """
import re

@pytest.mark.chaos(baseline())
def test_broker_dies(mqchaos):
    run(mqchaos, count=30)
    mqchaos.wait(delivery(5))
    os.kill(int(re.search("process (\\\\d+)", mqchaos.broker.description)[1]), signal.SIGKILL)

@pytest.mark.chaos(connection_drop(after=delivery(3)))
def test_good_between(mqchaos):
    run(mqchaos)

@pytest.mark.chaos(baseline(), connection_drop(after=delivery(8)))
def test_full_disk(mqchaos):
    run(mqchaos, count=30)
    mqchaos.wait(delivery(5))
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, mqchaos.history._file, inheritable=False)
    os.close(full)

@pytest.mark.chaos(baseline())
def test_full_disk_at_the_end(mqchaos):
    run(mqchaos)
    assert not mqchaos.settle().lost
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, mqchaos.history._file, inheritable=False)
    os.close(full)
"""


def test_the_ground_is_gone(tmp_path):
    """A broker that somebody kills and a disk that is full fail that test in a line; the next has what it needs."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = {"TMPDIR": str(temporary)}
    session = Session(tmp_path, GROUND, "--mqchaos-servers=process", environment=environment)
    failed = re.findall(r"^(?:FAILED|ERROR) \S*?::(\w+)\S* - (.*)", session.output, re.M)
    assert [name for name, _ in failed] == [
        "test_broker_dies",
        "test_full_disk",
        "test_full_disk",
        "test_full_disk_at_the_end",
    ], session.output
    assert "the broker died during the test" in failed[0][1]
    session.unknown_because("test_broker_dies", "the broker died during the test")
    for _, words in failed[1:]:
        said = "the history of the run could not be written (No space left on device) to /"
        assert words.startswith(said), words
    session.no_frames_of_ours()
    session.undisturbed()
    assert "test_good_between[connection_drop-after-delivery-3]" in session.passed
    assert list(temporary.iterdir()) == []


def folder_of_commands(tmp_path, **scripts):
    """Return a PATH whose first folder holds commands of ours."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in scripts.items():
        script = folder / name.replace("_", "-")
        script.write_text(text)
        script.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def test_broker_does_not_start(tmp_path):
    """A broker that does not start is one line with the tail of its log; tests without chaos pass."""
    environment = folder_of_commands(
        tmp_path, rabbitmq_server="#!/bin/sh\necho 'no licence to queue' >&2\nexit 3\n"
    )
    source = """
        import pytest
        from pytest_mqchaos import baseline

        @pytest.mark.chaos(baseline())
        def test_chaos(mqchaos):
            pass

        def test_plain():
            pass
    """
    session = Session(
        tmp_path, source, "--mqchaos-servers=process", environment={**environment, "CI": ""}, whole=False
    )
    assert "test_plain" in session.passed, session.output
    assert "test_chaos[baseline]" not in session.passed
    assert "rabbitmq" in session.output.lower()
    assert "no licence to queue" in session.output
    session.no_frames_of_ours()


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("--mqchaos-servers=podman", ["podman", "docker"]),
        ("--mqchaos-settle-timeout=-1", ["-1"]),
        ("--mqchaos-settle-timeout=soon", ["soon"]),
        ("--mqchaos-seed=x", ["x"]),
        ("--mqchaos-network=none", ["none"]),
    ],
)
def test_a_wrong_option(tmp_path, argument, words):
    """A wrong value of an option is one line that names it."""
    source = """
        def test_plain(mqchaos):
            pass
    """
    session = Session(tmp_path, source, argument, whole=False)
    assert session.code != 0
    assert all(word in session.output for word in words), session.output
    session.no_frames_of_ours()


VACUOUS = """
@pytest.mark.chaos(connection_drop(after=ack(500)), allow="*")
def test_vacuous(mqchaos):
    run(mqchaos)
"""


def test_vacuous_fails_in_spite_of_allow(tmp_path):
    """A fault that never struck fails, strict or not, and is unknown in the report."""
    session = Session(tmp_path, VACUOUS)
    assert session.code == 1
    session.undisturbed()
    session.no_frames_of_ours()
    runs = json.loads((tmp_path / "mqchaos-report" / "report.json").read_text())["runs"]
    (run,) = [run for run in runs if "test_vacuous" in run["nodeid"]]
    assert run["verdict"] == "unknown"
    assert run["outcome"] == "failed"
    assert [found["kind"] for found in run["findings"]] == ["vacuous"]
    assert re.search(r"FAILED .*test_vacuous\S* - vacuous", session.output)


FAILING = """
@pytest.mark.chaos(consumer_crash(after=ack(5)))
def test_loses(mqchaos):
    mqchaos.queue("orders")
    mqchaos.consumer(wrong.ack_first, env={"PREFETCH": "1"})
    mqchaos.publish("orders", count=20, body=lambda n, rng: {"n": n})
"""


def test_the_failing_line(tmp_path):
    """A loss is a failure of one line, with the life of the message and what repeats it."""
    session = Session(tmp_path, FAILING)
    session.undisturbed()
    session.no_frames_of_ours()
    (line,) = [line for line in session.output.splitlines() if line.startswith("FAILED ")]
    assert line.endswith("::test_loses[consumer_crash-after-ack-5] - lost: 1 of 20 messages")
    assert "lost by the consumer" in session.output
    assert 'allow=("lost:by_consumer",)' in session.output
    runs = json.loads((tmp_path / "mqchaos-report" / "report.json").read_text())["runs"]
    (run,) = [run for run in runs if "test_loses" in run["nodeid"]]
    assert run["verdict"] == "fail"
    assert run["counts"]["lost"] == 1
    assert "--mqchaos-seed=" in run["reproduce"]
