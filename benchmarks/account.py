"""What an account costs: 100,000 messages, every tenth of them lost, from events to text and document.

Run it with `python -m benchmarks.account [messages]`; it prints seconds and peak memory, and asserts nothing.
"""

from __future__ import annotations

import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import Acked, Confirmed, Delivered, Effected, Event, Published
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.guarantees import at_least_once
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import Message, message_id
from pytest_mqchaos.report.document import document, run_record

WIRE: dict[str, Any] = {"link": "worker", "connection": 2, "channel": 1}
OURS: dict[str, Any] = {"link": "publisher", "connection": 1, "channel": 1}


def run(count: int) -> tuple[list[Event], dict[str, Message], list[str]]:
    """Return the events and messages of a run, and the ids of those that are lost."""
    events: list[Event] = []
    messages: dict[str, Message] = {}
    lost: list[str] = []
    for n in range(1, count + 1):
        name = message_id("orders", "k3f9", n)
        messages[name] = Message(id=name, number=n, body=b'{"order": 1}', digest="0" * 16, queue="orders")
        at = n * 1_000
        events.append(Published(at=at, message=name, **OURS))
        events.append(Confirmed(at=at + 10, message=name, **OURS))
        events.append(Delivered(at=at + 20, message=name, tag=n, queue="orders", **WIRE))
        events.append(Acked(at=at + 30, message=name, tag=n, effect_seen=False, **WIRE))
        if n % 10:
            events.append(Effected(at=at + 40, message=name, source="orders.log", name=name))
        else:
            lost.append(name)
    return events, messages, lost


def timed(what: str, do: Callable[[], object]) -> None:
    """Print how long a step took."""
    began = time.perf_counter()
    do()
    print(f"{time.perf_counter() - began:8.3f} s  {what}")


def main() -> None:
    """Measure, and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    events, messages, lost = run(count)
    finding = Finding(kind="lost", detail="by_consumer", messages=tuple(lost), claim="lost", violation=True)
    case: Any = SimpleNamespace(
        events=events,
        messages=messages,
        faults=(),
        guarantee=at_least_once,
        evidence="effects",
        dead_letters=frozenset(),
        ledger=Ledger.of(events, messages),
    )
    account = Account(case, [finding], [])
    print(f"{count:,} messages, {len(events):,} events, {len(lost):,} lost")
    timed("counts (one pass)", lambda: account.counts)
    timed("index of lives (one pass)", lambda: account.lives)
    timed("text, five lives", account.text)
    timed("repr of the lost", lambda: repr(account.lost))
    timed(
        "document and JSON",
        lambda: json.dumps(
            document(
                [run_record(account, nodeid="t", attempt=1, outcome="failed", reproduce="", scenario="b")],
                {},
                "0",
                "2026-01-01T00:00:00Z",
            )
        ),
    )
    timed("every life in words", lambda: [life.events for life in account.lives.values()])
    tracemalloc.start()
    again = Account(case, [finding], [])
    again.text()
    print(f"{tracemalloc.get_traced_memory()[1] / 1e6:8.1f} MB peak of an account and its text")


if __name__ == "__main__":
    main()
