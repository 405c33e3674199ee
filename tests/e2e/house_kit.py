"""Sessions that have a folder for temporary files in common, and what their tests note of the servers they had."""

import collections
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

from ends_kit import DOCKER, Session, on_engine, there, traces

KEEP = "--mqchaos-keep"
HEAD = """
import json, os, pathlib, signal, sys, time
import pytest
from pytest_mqchaos import *
from consumers import correct

HERE = pathlib.Path(__file__).parent

def reached(name):
    (HERE / name).touch()

def until(name):
    deadline = time.monotonic() + 60
    while not (HERE / name).exists():
        assert time.monotonic() < deadline, name
        time.sleep(0.01)

def note(mqchaos, **more):
    said = {"worker": os.environ.get("PYTEST_XDIST_WORKER", ""), "broker": mqchaos.broker.description, **more}
    with (HERE / "notes").open("a") as file:
        file.write(json.dumps(said) + "\\n")

def look(mqchaos):
    note(mqchaos, namespaces=mqchaos._run.broker.namespaces())

def work(mqchaos, count=5, meanwhile=lambda: None):
    note(mqchaos)
    mqchaos.queue("orders")
    mqchaos.consumer(correct.ack_after_work, env={"WORK": "0.02"})
    mqchaos.publish("orders", count=count, body=lambda n, rng: {"n": n})
    meanwhile()
    account = mqchaos.settle()
    assert account.verdict == "pass", account
"""


def chaos(*names, scenarios="baseline()", work="work(mqchaos)"):
    """Return the source of tests that do some work."""
    return "".join(
        f"\n@pytest.mark.chaos({scenarios})\ndef test_{name}(mqchaos):\n    {work}\n" for name in names
    )


BY_HAND = "work(mqchaos, 30, mqchaos.broker.restart)"


class House:
    """A folder for temporary files that several sessions have in common, and these sessions."""

    def __init__(self, folder):
        self.folder = folder
        self.temporary = folder / "tmp"
        self.sessions = []
        self.closed = threading.Event()
        self.tags = set()
        """Of all runs of servers that there were."""
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        while not self.closed.wait(0.1):
            for pattern in ("mqchaos-*", "mqchaos-*/mqchaos-*", "mqchaos-kept-*/*/mqchaos-*"):
                found = {one.name.removeprefix("mqchaos-") for one in there(self.temporary, pattern)}
                self.tags = self.tags | found  # a new set: the test may be walking over the old one

    def begin(self, source, *arguments, **env):
        """Start a session, and return it."""
        folder = self.folder / f"session{len(self.sessions)}"
        folder.mkdir()
        arguments = (f"--rootdir={self.folder}", *arguments)  # servers are kept for one project
        session = Session(folder, "", *arguments, source=HEAD + source, temporary=self.temporary, env=env)
        self.sessions.append(session)
        return session

    def run(self, source, *arguments, outcome="", code=0, **env):
        """Run a session to its end, and return it."""
        session = self.begin(source, *arguments, **env)
        return self.ended(session, outcome, code)

    def ended(self, session, outcome="", code=0):
        """Wait for the end of a session that has to end so."""
        session.process.wait(120)
        assert session.process.returncode == code, session.output()
        assert outcome in session.output(), session.output()
        return session

    def close(self):
        """End all that is left, of a test that failed."""
        self.closed.set()
        for one in self.sessions:
            one.process.kill()
            one.process.wait()
        self.stop("--force")
        kill(*traces(self.folder))

    def holders(self):
        """Return the processes that hold servers here."""
        return {pid for pid, command in traces(self.folder).items() if b"sharing.host" in command}

    def stop(self, *arguments):
        """Run `python -m pytest_mqchaos stop`, and return its exit status and what it said."""
        ran = subprocess.run(
            [sys.executable, "-m", "pytest_mqchaos", "stop", *arguments],
            env={**os.environ, "TMPDIR": str(self.temporary)},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout + ran.stderr

    def nothing_left(self, within=10.0 if DOCKER else 3.0):
        """Assert that soon nothing is left but, of kept servers, the lock of their place."""
        deadline = time.monotonic() + within
        while left := (traces(self.folder), self.files(), on_engine(self.tags)):
            if not any(left):
                return
            assert time.monotonic() < deadline, f"{left}\n" + "\n".join(one.output() for one in self.sessions)
            time.sleep(0.02)

    def files(self):
        """Return what is left of ours among the temporary files."""
        return [
            str(one)
            for one in there(self.temporary, "**/*")
            if "mqchaos" in str(one.relative_to(self.temporary))
            and one.name != "lock"
            and not re.fullmatch(r"mqchaos-kept-\d+(/[0-9a-f]{12})?", str(one.relative_to(self.temporary)))
        ]


def notes(session):
    """Return what the tests of a session noted."""
    path = session.folder / "notes"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def brokers(session):
    """Return the workers' names by the broker that their tests were on."""
    found = collections.defaultdict(set)
    for each in notes(session):
        found[each["broker"]].add(each["worker"])
    return dict(found)


def kill(*pids):
    """Send SIGKILL."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def crash(name, how):
    """Return the source of a test that ends its worker in the middle of its work."""
    return f"""
@pytest.mark.chaos(baseline(), evidence="broker", allow="*")
def test_{name}(mqchaos):
    note(mqchaos)
    mqchaos.queue("orders")
    mqchaos.consumer(correct.ack_after_work)
    mqchaos.publish("orders", count=5, body=lambda n, rng: {{"n": n}})
    {how}
"""


def waiting(name):
    """Return the source of a test that waits until it may go on."""
    return f"""
def test_{name}():
    reached("{name}")
    until("go on")
"""
