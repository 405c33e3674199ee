"""The thread that starts a consumer's processes: one job after another, and what becomes of those that do not begin."""

from __future__ import annotations

import threading

import pytest

from pytest_mqchaos.consumers.supervisor import Supervisor

TIMEOUT = 10.0


def test_a_call_has_its_result_or_its_error() -> None:
    """The job runs on the thread, which ends when it is closed; then none is taken any more."""
    supervisor = Supervisor("starts")
    thread = supervisor.call(threading.current_thread)
    assert (thread.name, thread.is_alive()) == ("starts", True)
    with pytest.raises(ZeroDivisionError):
        supervisor.call(lambda: 1 / 0)
    supervisor.close()
    assert not thread.is_alive()
    with pytest.raises(RuntimeError, match=r"^starts was closed$"):
        supervisor.call(lambda: 1)


def test_a_call_that_had_not_begun_when_it_was_closed() -> None:
    """Whoever waits for it hears of the end; a job that runs has its time."""
    supervisor = Supervisor("starts")
    begun, go_on, errors = threading.Event(), threading.Event(), []

    def call() -> None:
        try:
            supervisor.call(lambda: None)
        except RuntimeError as error:
            errors.append(str(error))

    supervisor.later(0.0, lambda: (begun.set(), go_on.wait(TIMEOUT)))
    assert begun.wait(TIMEOUT)
    waiting = threading.Thread(target=call, daemon=True)
    waiting.start()
    while not supervisor._jobs:
        waiting.join(0.01)
    closing = threading.Thread(target=supervisor.close)
    closing.start()
    waiting.join(TIMEOUT)
    assert errors == ["starts was closed"]
    assert closing.is_alive()
    go_on.set()
    closing.join(TIMEOUT)
    assert not closing.is_alive()
