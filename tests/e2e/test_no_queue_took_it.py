"""What no queue takes: the broker returns it, or throws it away where it was not to say so: neither passes unseen."""

import re

import pytest
from test_bad_input import Session

SOURCE = """
import pytest
from pytest_mqchaos import *
from consumers import correct

BODY = {"body": lambda n, rng: {"n": n}}

def routed(mqchaos, **fields):
    mqchaos.exchange("tk", "topic")
    mqchaos.queue("orders", exchange="tk", routing_key="new.*")
    mqchaos.consumer(correct.ack_after_work)

@pytest.mark.chaos(baseline(), consumer_crash(), lost_confirm(before=confirm(2)), broker_restart(after=publish(2)))
def test_all(mqchaos):
    routed(mqchaos)
    mqchaos.publish(exchange="tk", routing_key="old.eu", count=5, **BODY)

@pytest.mark.chaos(baseline())
def test_half(mqchaos):
    routed(mqchaos)
    mqchaos.publish(exchange="tk", routing_key="new.eu", count=5, **BODY)
    mqchaos.publish(exchange="tk", routing_key="old.eu", count=5, **BODY)
    account = mqchaos.settle()
    assert account.notes == (
        "5 of 10 messages were returned: no queue took them (312 NO_ROUTE: exchange 'tk', routing key 'old.eu')",)
    assert (account.verdict, len(account.confirmed)) == ("pass", 5)

@pytest.mark.chaos(baseline(), lost_confirm(before=confirm(1)), broker_restart(after=publish(2)))
def test_none(mqchaos):
    routed(mqchaos)
    mqchaos.publish(exchange="tk", routing_key="new.eu", count=1 if "lost" in mqchaos.scenario else 5, **BODY)
    assert not any("returned" in note for note in mqchaos.settle().notes)

@pytest.mark.chaos(baseline())
def test_not_mandatory(mqchaos):
    routed(mqchaos)
    mqchaos.publish(exchange="tk", routing_key="old.eu", count=5, mandatory=False, **BODY)
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """All of them in one session."""
    return Session(tmp_path_factory.mktemp("returned"), SOURCE, "-q", whole=False)


def failures(session, name):
    """Return the last words of the runs of a test that failed."""
    return re.findall(rf"^(?:FAILED|ERROR) \S*?::{name}\[\S+\] - (.*)$", session.output, re.M)


def test_all_were_returned(session):
    """Under any scenario the run has nothing to judge, and says so in one line."""
    lines = failures(session, "test_all")
    assert len(lines) == 4, session.output
    for line in lines:
        # what was on its way when the broker stopped was neither returned nor confirmed
        assert re.match(
            r"nothing was confirmed: (all 5|\d of 5) messages were returned: no queue took them ", line
        )
        assert "(312 NO_ROUTE: exchange 'tk', routing key 'old.eu')" in line
    session.no_frames_of_ours()


@pytest.mark.parametrize("name", ["test_half", "test_none"])
def test_some_or_none_were(session, name):
    """Those that were are in a note, and nothing else is."""
    assert failures(session, name) == [], session.output


def test_nobody_was_told(session):
    """The broker confirmed it and threw it away: the publisher is at fault, not the broker."""
    assert "lost by the publisher: exchange 'tk' with routing key 'old.eu' led to no queue" in session.output
