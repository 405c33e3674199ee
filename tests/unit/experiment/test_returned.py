"""What the broker returned to our publisher: which words are made of it."""

from __future__ import annotations

import pytest
from check_builders import Run

from pytest_mqchaos.experiment.workload.returned import none_taken, returned_note
from pytest_mqchaos.model import events as e


def returned(run: Run, *numbers: int, routing_key: str = "old.eu", exchange: str = "tk") -> Run:
    """Publish messages that no queue takes: a return, and the confirm that follows it."""
    for number in numbers:
        run.publish(number, confirm=False, exchange=exchange, routing_key=routing_key)
        run.answer(number, e.Returned, code=312, text="NO_ROUTE").answer(number)
    return run


def told(run: Run) -> tuple[str, tuple[str, ...]]:
    """Return the error and the note of a run."""
    records = run.ledger().records.values()
    return none_taken(records, run.events), returned_note(records, run.events)


def test_all_of_them() -> None:
    """The error says where they were sent, what the broker said, and what to do."""
    error, _ = told(returned(Run(3), 1, 2, 3))
    assert error == (
        "nothing was confirmed: all 3 messages were returned: no queue took them (312 NO_ROUTE: exchange 'tk', routing "
        "key 'old.eu'): declare the queue, or bind it with that key, or start the consumer that does so before "
        "mqchaos.publish(...)"
    )


def test_some_of_them() -> None:
    """The note says how many, and where."""
    _, note = told(returned(Run(3).publish(1), 2, 3))
    assert note == (
        "2 of 3 messages were returned: no queue took them (312 NO_ROUTE: exchange 'tk', routing key 'old.eu')",
    )


def test_one_to_a_queue_that_is_not_there() -> None:
    """Through the default exchange it is the queue that is named."""
    _, note = told(returned(Run(2).publish(1), 2, exchange="", routing_key="odrers"))
    assert note == ("1 of 2 messages was returned: no queue took it (312 NO_ROUTE: queue 'odrers')",)


def test_many_keys() -> None:
    """The commonest stand there, and how many more there are."""
    run = Run(5)
    for number in range(1, 6):
        returned(run, number, routing_key=f"k{number}")
    assert told(run)[1][0].endswith("routing key 'k3'; and 2 more places)")


@pytest.mark.parametrize("fields", [{}, {"producer": "billing"}])
def test_none_to_tell_of(fields: dict[str, str]) -> None:
    """What a queue took, and what a producer makes of a return of its own, is not told here."""
    run = Run(2, **fields)
    run = returned(run, 1, 2) if fields else run.publish()
    assert told(run) == ("", ())


def test_returned_and_taken_when_it_was_sent_again() -> None:
    """A queue took it in the end."""
    assert told(returned(Run(1), 1).publish(1)) == ("", ())
