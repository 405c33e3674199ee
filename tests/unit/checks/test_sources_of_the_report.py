"""The report names the sources of effects, and what each of them lacks."""

from __future__ import annotations

from check_builders import Run

from pytest_mqchaos.model import events as e
from pytest_mqchaos.report.figures.sources import sources


def test_what_each_showed() -> None:
    """Effects, messages, and how many of those expected are missing or too many."""
    run = Run(3)
    run.add(e.SourceNamed, source="booked", kind="call", of=None)
    run.add(e.SourceNamed, source="mailed", kind="queue", of="worker")
    run.start().subscribe().publish()
    for number in (1, 2, 3):
        run.effect(number, source="booked").ack(run.deliver(number))
    run.effect(1, 2, 2, source="mailed").settled()
    told = {one["name"]: one for one in sources(run.ledger())}
    assert told["booked"] == {
        "name": "booked", "kind": "call", "of": None, "effects": 3, "messages": 3, "wanted": 3, "missing": 0,
        "doubled": 0,
    }  # fmt: skip
    assert told["mailed"] == {
        "name": "mailed", "kind": "queue", "of": "worker", "effects": 3, "messages": 2, "wanted": 3, "missing": 1,
        "doubled": 1,
    }  # fmt: skip


def test_files_that_nobody_named_are_the_probes() -> None:
    """One source, however many processes write to it."""
    run = Run(1).subscribe().publish().effect(1, source="$MQCHAOS_EFFECTS").settled()
    assert [(one["name"], one["kind"], one["wanted"]) for one in sources(run.ledger())] == [
        ("$MQCHAOS_EFFECTS", "probe", 1)
    ]


def test_a_wrapped_function_is_told_as_one() -> None:
    """It shows under the name that the test gave for it."""
    run = Run(1)
    run.add(e.SourceNamed, source="shop.handlers:book", kind="function")
    run.subscribe().publish().effect(1, source="shop.handlers:book").settled()
    assert [(one["name"], one["kind"]) for one in sources(run.ledger())] == [
        ("shop.handlers:book", "function")
    ]
