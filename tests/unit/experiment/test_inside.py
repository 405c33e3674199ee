"""Consumers inside the test itself: what is known of them, and what no fault may do to them."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from pytest_mqchaos import ack, connection_drop, consumer_crash, consumer_freeze, consumer_terminate
from pytest_mqchaos.consumers.addresses import LinkAddress
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.consumers.inside import Inside, Link
from pytest_mqchaos.experiment.consumers.loops import Loops


def inside_with(*names: str, asynchronous: bool = False) -> tuple[Inside, Any]:
    """Return the consumers inside a test, and the last of their links."""
    inside = Inside(Loops(asynchronous=asynchronous))
    links = [
        inside.add(
            LinkAddress(
                name=name, url=f"amqp://guest:secret@127.0.0.1:5673/{name}", host="127.0.0.1", port=5673,
                user="guest", password="secret", vhost=name,
            )
        )
        for name in names
    ]  # fmt: skip
    return inside, links[-1] if links else None


def test_what_a_link_tells() -> None:
    """All that a client may want of its address; what is printed of it has no password."""
    _, link = inside_with("in-process")
    assert (link.name, link.host, link.port) == ("in-process", "127.0.0.1", 5673)
    assert (link.user, link.password, link.vhost, link.ca) == ("guest", "secret", "in-process", "")
    assert link.url == "amqp://guest:secret@127.0.0.1:5673/in-process"
    assert repr(link) == "<link in-process: 127.0.0.1:5673>"


def test_a_plain_test() -> None:
    """Its consumers, threads, may do something as long as they like."""
    inside, link = inside_with("in-process")
    assert link.url
    assert inside.living == {"in-process"}
    assert not inside.stopped


def test_a_task_is_over_with_its_loop() -> None:
    """Its address was taken where the loop ran; now it does not."""
    inside, link = inside_with("in-process")

    async def test() -> tuple[bool, frozenset[str]]:
        assert link.url
        return inside.stopped, inside.living

    assert asyncio.run(test()) == (False, frozenset({"in-process"}))
    assert inside.stopped
    assert inside.living == frozenset()


def test_a_thread_beside_a_loop_goes_on() -> None:
    """It took the address by itself, so it is no task, whatever became of the test's loop."""
    inside, link = inside_with("in-process", asynchronous=True)
    thread = threading.Thread(target=lambda: link.url)
    thread.start()
    thread.join()
    assert not inside.stopped
    assert inside.living == {"in-process"}


def test_an_address_that_was_taken_before_the_loop_ran() -> None:
    """By a fixture: a task may have it or a thread. It may go on, and nothing it left is blamed on it."""
    inside, link = inside_with("in-process", asynchronous=True)
    assert link.url
    assert inside.stopped
    assert inside.living == {"in-process"}


@pytest.mark.parametrize(
    "fault",
    [
        consumer_crash(),
        consumer_crash(before=ack(5), consumer="in-process"),
        consumer_freeze(consumer="in-process#1"),
        consumer_terminate(consumer="*"),
    ],
    ids=str,
)
def test_no_fault_strikes_the_process_of_the_test(fault: Any) -> None:
    """Whether it names the consumer or not."""
    inside, _ = inside_with("in-process")
    with pytest.raises(
        UsageError, match="the consumer on the link 'in-process' runs in the test's own process"
    ):
        inside.refuse(fault, others=())


def test_a_process_that_takes_the_link_over_may_be_struck() -> None:
    """A fault is refused as long as the link is the test's own, and not when it was left to a process."""
    inside, _ = inside_with("broker")
    with pytest.raises(
        UsageError, match=r"'broker' runs in the test's own process.*takes this link over by link="
    ):
        inside.refuse(consumer_crash(), others=("worker",))
    inside.give("broker")
    inside.refuse(consumer_crash(), others=("broker",))


@pytest.mark.parametrize(
    "fault", [consumer_crash(consumer="worker"), consumer_crash(consumer="*"), connection_drop()], ids=str
)
def test_faults_that_mean_somebody_else(fault: Any) -> None:
    """A consumer with a process, everybody who has one, or the network."""
    inside, _ = inside_with("in-process")
    inside.refuse(fault, others=("worker",))


def test_a_fault_that_does_not_say_whom_it_means() -> None:
    """It might be this one, on which its moment came: the error says that it is to name a consumer."""
    inside, _ = inside_with("in-process")
    with pytest.raises(UsageError, match=r"or name the consumer that is meant: consumer=\.\.\.$"):
        inside.refuse(consumer_crash(before=ack(5)), others=("worker",))


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the file of effects until it is forgotten; then all is as it was."""
    monkeypatch.setenv("MQCHAOS_RUN", "before")
    monkeypatch.delenv("MQCHAOS_EFFECTS", raising=False)
    inside, _ = inside_with("one", "two")
    inside.tell("/run/one.effects", "k3f9")
    inside.tell("/run/one.effects", "k3f9")
    assert (os.environ["MQCHAOS_EFFECTS"], os.environ["MQCHAOS_RUN"]) == ("/run/one.effects", "k3f9")
    inside.forget()
    inside.forget()
    assert os.environ["MQCHAOS_RUN"] == "before"
    assert "MQCHAOS_EFFECTS" not in os.environ


def test_a_link_that_is_left_to_a_process() -> None:
    """It is nobody's inside the test any more."""
    inside, link = inside_with("broker")
    assert inside.holds(link)
    assert inside.give("broker").port == 5673
    assert not inside.holds(link)
    assert not inside.names
    assert not inside.standing()


def test_how_they_stand() -> None:
    """Alive, as far as anybody can know, and ended by nobody."""
    inside, _ = inside_with("in-process")
    (fact,) = inside.standing()
    assert (fact.name, fact.alive, fact.inside, fact.exit_code) == ("in-process", True, True, None)
    assert isinstance(inside.links[0], Link)
