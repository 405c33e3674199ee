"""A session without servers, loaded into runs of pytester: the account is what the test asks for.

What happens to it is written to `fake.log`, a line each, in the order in which it happened.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.experiment.workload.producing import _refuse_faults
from pytest_mqchaos.failures import DeliveryError
from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.events import Acked, Confirmed, Delivered, Effected, Event, Published
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.guarantees import guarantee
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import Message, digest, message_id
from pytest_mqchaos.report.live import Glance

SETTINGS: list[Any] = []
"""The settings of each session so far."""
LOG = Path("fake.log").absolute()


def log(line: str) -> None:
    """Write a line to `fake.log`, whichever process this is."""
    with LOG.open("a") as file:
        file.write(f"{line}\n")


INSIDE: dict[str, Any] = {"__name__": "pytest_mqchaos.experiment.fake", "guarantee": guarantee}
exec(
    compile(
        "def promise(name):\n"
        "    try:\n        guarantee(name)\n"
        "    except Exception as error:\n        raise type(error)(str(error)) from error\n",
        "pytest_mqchaos/experiment/fake.py",
        "exec",
    ),
    INSIDE,
)
"""Code that runs as if it were the package's own, without hiding its frames."""


class FakeChaos:
    """The value of the fixture: `lose` and the like plan the account that `conclude` returns."""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        self.scenario = settings.scenario.id
        self.seed = settings.seed
        self.lost: tuple[int, ...] = ()
        self.findings: list[Finding] = []
        self.error = ""
        self.said = ""
        self.at_close = ""
        self.closed = False
        self.spoiled = False
        self.glances = threading.Semaphore(0)
        """Released at each glance, so that a test can wait until somebody looked."""

    def glance(self) -> Glance:
        """Return how far the run is."""
        self.glances.release()
        faults = [("refuse()", "armed")]
        return Glance(
            published=12, in_flight=3, effected=8, dead_lettered=None, faults=faults, settling=False
        )

    def note(self, text: str) -> None:
        """Let the account tell a reader something."""
        log(text)

    def lose(self, *numbers: int) -> None:
        """Lose these messages."""
        self.lost += numbers

    def say(self, text: str) -> None:
        """Let the consumer print this."""
        self.said += text

    def find(self, claim: str) -> None:
        """Find a violation."""
        self.findings.append(Finding(kind="corrupted", claim=claim, cause=claim, violation=True))

    def cannot_judge(self) -> None:
        """Be unable to say whether messages were lost."""
        self.findings.append(Finding(kind="lost", claim="no effects were seen", violation=True, unknown=True))

    def prove_nothing(self) -> None:
        """Let no fault strike."""
        self.findings.append(Finding(kind="vacuous", claim="consumer_crash never struck", unknown=True))

    def producer(self) -> None:
        """Refuse what a producer cannot be combined with, as the real one does."""
        __tracebackhide__ = True
        armed = [SimpleNamespace(fault=fault) for fault in self.settings.scenario.faults]
        inside = SimpleNamespace(refuse=lambda _fault, **_others: None)
        run = SimpleNamespace(injector=SimpleNamespace(armed=armed), http={}, inside=inside, consumers=())
        _refuse_faults(run)  # type: ignore[arg-type]

    def promise(self, name: str) -> None:
        """Refuse, some frames down in the package, as a call does that was written wrongly."""
        __tracebackhide__ = True
        INSIDE["promise"](name)

    def account(self) -> Account:
        """Return what was planned."""
        messages = {}
        events: list[Event] = []
        for n in range(1, 201):
            body = b'{"order": %d}' % n
            name = message_id("orders", "k3f9", n)
            messages[name] = Message(id=name, number=n, body=body, digest=digest(body), queue="orders")
            events += _life(name, n, worked=n not in self.lost)
        findings = list(self.findings)
        if self.lost:
            findings.append(
                Finding(
                    kind="lost",
                    detail="by_consumer",
                    messages=tuple(message_id("orders", "k3f9", n) for n in self.lost),
                    claim="lost by the consumer: its ack reached the broker, its work was never done",
                    mend="acknowledge after the work",
                    violation=True,
                )
            )
        case = Case(
            events=events,
            messages=messages,
            ledger=Ledger.of(events, messages),
            guarantee=self.settings.guarantee,
            final=True,
        )
        return Account(
            case,
            findings,
            (),
            allow=self.settings.allow,
            strict=self.settings.strict,
            seed=self.seed,
            again=self.settings.again,
            scenario=self.scenario,
        )

    def settle(self) -> Account:
        """Return the account."""
        return self.account()

    def verify(self) -> Account:
        """Return the account, or raise."""
        log("verify")
        account = self.account()
        if account.failed:
            raise DeliveryError(account)
        return account

    def conclude(self) -> Account:
        """Give the verdict."""
        log("conclude")
        print("said while concluding")
        if self.error == "Ctrl-C":
            raise KeyboardInterrupt
        if self.error:
            raise ChaosError(self.error)
        return self.account()

    def snapshot(self, *, ask: bool = True) -> Account | None:
        """Look once."""
        log("snapshot")
        if self.error and self.error != "Ctrl-C":
            raise ChaosError(self.error)
        return self.account()

    def pause_faults(self) -> None:
        """Stand still for a debugger."""
        log("pause")

    def resume_faults(self) -> None:
        """Go on behind it."""
        log("resume")

    def sections(self) -> list[tuple[str, str]]:
        """Return what a failing report carries."""
        return [("mqchaos: worker", f"working on \x1b[31m17\r\n{self.said}")]

    def keep(self, directory: Path, *, bodies: str, most: int) -> list[str]:
        """Copy what there is."""
        (directory / "history.jsonl").write_text(f"bodies {bodies}, at most {most} bytes\n")
        return ["history.jsonl"]

    def entrust(self, report: Path, nodeid: str, attempt: int, *, bodies: str) -> None:
        """Have nobody keep anything: there is nothing to keep."""

    def close(self) -> None:
        """End all of it."""
        if not self.closed:
            self.closed = True
            log("close")
            if self.at_close:
                raise ChaosError(self.at_close)


def _life(name: str, n: int, *, worked: bool) -> list[Event]:
    at = n * 1_000_000
    link = {"link": "worker", "connection": 2, "channel": 1}
    seen: list[Event] = [
        Published(at=at, link="publisher", connection=1, channel=1, message=name),
        Confirmed(at=at + 1, link="publisher", connection=1, channel=1, message=name),
        Delivered(at=at + 2, message=name, tag=n, queue="orders", **link),
        Acked(at=at + 4, message=name, tag=n, effect_seen=worked, **link),
    ]
    if worked:
        seen.insert(3, Effected(at=at + 3, message=name, source="orders.log", name=name))
    return seen


class FakeSession:
    """Opens fake chaos; `FAKE_UNAVAILABLE` in the environment says why it cannot."""

    description = ""

    def __init__(self, settings: Any) -> None:
        self.settings = settings
        SETTINGS.append(settings)
        log(f"session of {settings.worker or 'the main process'}")

    def facts(self) -> dict[str, str]:
        """Return the servers of the report."""
        return {"broker": "rabbitmq", "version": "4.0.5", "description": self.description}

    def open(self, test: Any) -> FakeChaos:
        """Return the chaos of one test."""
        log(f"open {test.nodeid}")
        if os.environ.get("FAKE_UNAVAILABLE"):
            raise ServerUnavailable(os.environ["FAKE_UNAVAILABLE"])
        self.description = "RabbitMQ 4.0.5 (fake), Toxiproxy 2.12.0 (fake)"
        return FakeChaos(test)

    def close(self) -> None:
        """End the session; with `FAKE_INTERRUPT` in the environment, Ctrl-C comes the first time."""
        if os.environ.pop("FAKE_INTERRUPT", ""):
            log("close interrupted")
            raise KeyboardInterrupt
        log("session closed")


@pytest.hookimpl
def pytest_mqchaos_session(settings: Any) -> FakeSession:
    """Take the place of the real session."""
    return FakeSession(settings)
