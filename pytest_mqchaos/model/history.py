"""The history of one run: every event in the order seen, in memory and on disk as it happens.

The file holds one JSON object a line, written with one `os.write` each, unless the disk takes less, on a descriptor
opened for appending, so that the death of the process loses nothing that was seen.
"""

from __future__ import annotations

import dataclasses
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import overload

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.conditions import Condition
from pytest_mqchaos.model.events import Event
from pytest_mqchaos.model.messages import Message

__all__ = ["History", "now"]

now = time.monotonic_ns
"""The one clock of a run, in nanoseconds."""


class History(Sequence[Event]):
    """The events of one run; appending is safe from any thread.

    `messages` maps each id of the workload to its message. Subscribers are called in the appending thread, in
    order, under the history's lock: they are quick and append nothing.
    """

    def __init__(self, run: str, path: Path | None = None) -> None:
        self.run = run
        self.path = path
        self.messages: dict[str, Message] = {}
        self.changed = Condition(threading.RLock())
        self._events: list[Event] = []
        self._subscribers: list[Callable[[Event], None]] = []
        self._trouble: OSError | None = None
        self._file = (
            None
            if path is None
            else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        )

    def plan(self, message: Message) -> None:
        """Make a message of the workload known, before it is published."""
        with self.changed:
            self.messages[message.id] = message
            self._write({"event": "Planned", **_fields(message)})

    def append(self, event: Event) -> None:
        """Add a fact, on disk too, and tell the subscribers."""
        with self.changed:
            self._events.append(event)
            if self._file is not None:
                self._write({"event": type(event).__name__, **_fields(event)})
            for subscriber in self._subscribers:
                subscriber(event)
            self.changed.notify_all()

    def check(self) -> None:
        """Raise if a fact could not be written: no verdict rests on a history of which the disk has half.

        Raises:
            ChaosError: with the reason.
        """
        if self._trouble is not None:
            raise ChaosError(
                f"the history of the run could not be written ({self._trouble.strerror or self._trouble}) to "
                f"{self.path}: TMPDIR=... names a folder with more room"
            )

    def subscribe(self, subscriber: Callable[[Event], None]) -> None:
        """Call `subscriber` with every event from now on, and first with those already here."""
        with self.changed:
            for event in self._events:
                subscriber(event)
            self._subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Callable[[Event], None]) -> None:
        """Stop telling `subscriber`; unknown ones are ignored."""
        with self.changed:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

    def snapshot(self) -> tuple[Event, ...]:
        """Return the events so far."""
        with self.changed:
            return tuple(self._events)

    def close(self) -> None:
        """Close the file; the events stay readable."""
        with self.changed:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | Sequence[Event]:
        return self._events[index]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.snapshot())

    def _write(self, record: dict[str, object]) -> None:
        """Write a line; after one that could not be written there are no more, so that none is missing between.

        What is appended is told to all the same, so that nobody waits for it; `check` is what ends the run.
        """
        if self._file is None:
            return
        line = _encode(record).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError as error:
            self._trouble = error
            os.close(self._file)
            self._file = None


_NAMES: dict[type, tuple[str, ...]] = {}


def _fields(value: Event | Message) -> dict[str, object]:
    kind = type(value)
    names = _NAMES.get(kind)
    if names is None:
        names = _NAMES[kind] = tuple(field.name for field in dataclasses.fields(kind))
    return {name: getattr(value, name) for name in names}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return {"hex": value[:256].hex(), "size": len(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


_encode = json.JSONEncoder(default=_plain, separators=(",", ":"), check_circular=False).encode
