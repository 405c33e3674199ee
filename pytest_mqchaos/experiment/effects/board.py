"""The effects of a run: every source where work shows, read into the history as it shows.

Files are read whenever the wire sees a settlement, before it is passed on: an effect that is not there then came
after the ack. Callables are asked only from the test's thread, so nothing is known of their order.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_mqchaos.effects.callable import EffectsCall
from pytest_mqchaos.effects.file import EffectsFile
from pytest_mqchaos.effects.resolve import Resolver
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.effects.feed import Feed
from pytest_mqchaos.model.events import Delivered, Effected, SourceNamed
from pytest_mqchaos.model.history import History, now

__all__ = ["Board"]

_NOT_GIVEN = "that no consumer has been given yet"


class Board:
    """All sources of effects of one run; safe from any thread."""

    def __init__(self, history: History, on_effect: Callable[[Effected], None]) -> None:
        self.seen: dict[str, Counter[str]] = {}
        """Effects by source and message, as far as read."""
        self.strays: dict[str, tuple[int, str]] = {}
        """By source, how many entries name no message of the run, and the first; those that were there before aside."""
        self.named = False
        """Whether the test named a source."""
        self.named_in_order = False
        """Whether it named one whose order against the acks is known: a file that the consumer writes."""
        self._seen_in_order: set[str] = set()
        """Messages whose effect such a source has shown."""
        self._worked: set[str] = set()
        """Messages with an effect in any source."""
        self.trouble: ChaosError | None = None
        """Why a source could not be read; whoever reads on the link's thread has nobody to tell."""
        self._history = history
        self._on_effect = on_effect
        self._begun = False
        self._resolver = Resolver(history.messages)
        self._files: list[Feed] = []
        self._calls: list[tuple[EffectsCall, str, Counter[str], str | None]] = []
        self._told = False
        """Whether there is a source that tells of each effect when it happens."""
        self._inside = False
        """Whether it was said that consumers have the probe."""
        self._looked: dict[EffectsFile | EffectsCall, int] = {}
        """When each source was looked at last."""
        self._lock = threading.RLock()
        self._calling = threading.RLock()
        """Held while the test's own code reads a source."""
        self.doubled = ""
        """The message whose next effect is counted twice, by the canary."""
        self.single = ""
        """The source where it showed, if that cannot hold an entry twice."""
        self._reader: Callable[[Callable[[], dict[str, int]]], dict[str, int]] | None = None
        """Who calls the test's own code, where that is not whoever polls."""

    @property
    def shows(self) -> bool:
        """Whether effects are evidence here: a source was named, the probe was imported, or a file written to."""
        return self.named or self._written

    @property
    def _written(self) -> bool:
        """Whether there is a file that the consumer itself wrote effects to."""
        return any(one.in_order and (one.file.probed or one.file.touched) for one in self._files)

    @property
    def ordered(self) -> bool:
        """Whether there is a source whose order against the acks can be known: a file, or one that tells at once."""
        return self._told or self._written or (self.named_in_order and not self._calls)

    def add_file(
        self,
        path: Path,
        *,
        name: str,
        consumer: str | None,
        named: bool,
        key: Callable[[object], object] | None = None,
        pattern: re.Pattern[str] | None = None,
        wrapped: bool = False,
    ) -> None:
        """Read effects from a file, one id or key a line; `key` makes the id or key out of a line.

        With `pattern` it is a program's output, and what the pattern finds in its lines are ids or keys; `wrapped` is
        what a wrapped function of a consumer tells.

        Raises:
            ChaosError: if it is named after the first publish and holds what cannot be work of this run.
        """
        with self._lock:
            file = EffectsFile(path, comments=pattern is None)
            one = Feed(file, name, consumer, key, pattern, given=not named, wrapped=wrapped)
            self._files.append(one)
            self.named = self.named or named
            self.named_in_order = self.named_in_order or (named and one.in_order)
            if self._begun and named:
                since = self._look_at(one.file)
                lines = self._lines(one)
                early = self._early(lines)
                refused = frozenset(early)
                for line in lines:  # the rest is work, which what is shown of a test that fails here knows of
                    if line not in refused:
                        self._record(line, 1, name, consumer, since=since, in_order=one.in_order)
                self.check()
                self._refuse(name, early, _NOT_GIVEN)

    def add_call(self, function: Callable[[], object], *, name: str, consumer: str | None = None) -> None:
        """Ask a callable of the test for its effects, those of one consumer or of anybody.

        Raises:
            ChaosError: if it is named after the first publish and holds what cannot be work of this run.
        """
        with self._lock:
            call = EffectsCall(function)
            counted: Counter[str] = Counter()
            self._calls.append((call, name, counted, consumer))
            self.named = True
            if self._begun:
                found = call.read()
                early = self._early(found)
                counted.update({entry: found[entry] for entry in early})
                self._refuse(name, early, _NOT_GIVEN)

    def add_teller(self) -> None:
        """Expect a source that tells of each effect when it happens, on the link's thread: by `tell`."""
        self.named = self._told = True

    def tell(self, entry: str, *, name: str, consumer: str | None, since: int, message: str | None) -> None:
        """Take down an effect that has just happened.

        Args:
            entry: the id or key.
            name: of the source.
            consumer: whose effect it is, as far as that is known.
            since: when it had surely not happened yet.
            message: which message it is of; None for one that the run never published.
        """
        with self._lock:
            if self._begun:
                self._record(entry, 1, name, consumer, since=since, message=message)

    def whose(self, entry: str, done: Callable[[str], int] | None = None) -> str | None:
        """Return which message a name stands for; None for none of this run's.

        Args:
            entry: the id or key.
            done: how much is done for a message, or under way: of several with one key it is the one with the least.
                Without it, the first of them.
        """
        found = self._resolver.resolve(entry)
        if done is None:
            return next(iter(found.candidates), None)
        planned = self._history.messages
        return min(found.candidates, key=lambda one: done(one) - planned[one].expect, default=None)

    def refuse_leftovers(self) -> None:
        """Raise if a source already holds messages of this run, before the first publish.

        Raises:
            ChaosError: naming the source and what it holds.
        """
        with self._lock:
            self._begun = True
            for one in self._files:
                self._look_at(one.file)
                lines = self._lines(one)
                self._refuse(one.name, [line for line in lines if self._known(line)])
            self.check()
            for call, name, counted, _ in self._calls:
                self._look_at(call)
                found = call.read()
                self._refuse(name, [entry for entry in found if self._known(entry)])
                counted.update(found)

    def poll(self, *, final: bool = False) -> None:
        """Read what is new in every file; before the first publish nothing is, and leftovers stay to be seen."""
        with self._lock:
            if not self._begun:
                return
            for one in self._files:
                since = self._look_at(one.file)
                for line in self._lines(one, final=final):
                    self._record(line, 1, one.name, one.consumer, since=since, in_order=one.in_order)
                self._note_probe(one)

    def _note_probe(self, one: Feed) -> None:
        """Say, the first time, that a consumer has the probe, or writes to the file that it was given."""
        if one.given and not one.wrapped and not self._inside and (one.file.probed or one.file.touched):
            self._inside = True
            self._history.append(SourceNamed(at=now(), source=one.name, kind="probe"))

    def bare(self) -> dict[str, str]:
        """Return which files that the test named are not there or empty, by source: a path may be taken otherwise."""
        found = {}
        for one in self._files:
            path = one.file.path.absolute()
            if not one.given and one.in_order and not (path.exists() and path.stat().st_size):
                found[one.name] = f"{path}: {'empty' if path.exists() else 'not there'}"
        return found

    def check(self) -> None:
        """Raise if a source could not be read.

        Raises:
            ChaosError: naming it, and what went wrong.
        """
        if self.trouble is not None:
            raise self.trouble

    def _lines(self, one: Feed, *, final: bool = False) -> list[str]:
        found = one.read(final=final)
        self.trouble = self.trouble or one.trouble
        return found

    def poll_calls(self) -> None:
        """Ask every callable; in the test's thread only."""
        for call, name, counted, consumer in list(self._calls):
            with self._calling:
                since = self._look_at(call)
                found = call.read() if self._reader is None else self._reader(call.read)
            with self._lock:
                for entry, count in found.items():
                    more = count - counted[entry]
                    if more > 0:
                        counted[entry] = count
                        self._record(
                            entry, more, name, consumer, since=since, in_order=False, single=call.single
                        )

    @contextmanager
    def not_calling(self, timeout: float) -> Iterator[None]:
        """Keep the test's own code from reading a source meanwhile; it is waited for at most `timeout` seconds.

        A process that is forked while another thread is in, say, SQLite has that library's locks for ever.
        """
        held = self._calling.acquire(timeout=timeout)
        try:
            yield
        finally:
            if held:
                self._calling.release()

    def read_by(self, reader: Callable[[Callable[[], Any]], Any] | None) -> None:
        """Let somebody else call the test's own code from now on; None for whoever polls."""
        self._reader = reader

    def close(self) -> None:
        """Close all files; nothing more is read. May be called again."""
        with self._lock:
            for one in self._files:
                one.file.close()

    def let_anybody(self, path: Path) -> None:
        """Several consumers write to a file from now on: whose an effect is cannot be told any more."""
        with self._lock:
            for one in self._files:
                if one.file.path == path:
                    one.consumer = None

    def asker(self, name: str, entry: str) -> tuple[str | None, str | None]:
        """Whose effects file it is that has a name, and which message an entry would stand for there."""
        with self._lock:
            links = [one.consumer for one in self._files if one.file.path.name == name]
        found = self._resolver.resolve(entry)
        return next(iter(links), None), found.message or next(iter(found.candidates), None)

    def probed(self, consumer: str | None) -> bool:
        """Whether a consumer has said that it has the probe."""
        return any(one.file.probed for one in self._files if one.consumer == consumer)

    def look(self, message: str | None) -> bool | None:
        """Whether the effect of `message` is there already; None if effects cannot be seen as they happen."""
        if message is None or not self.ordered:
            return None
        return message in self._seen_in_order

    def record(self, message: str, count: int, source: str, consumer: str | None) -> None:
        """Take in work for a message that somebody else has seen; of its order nothing is known."""
        with self._lock:
            self._record(message, count, source, consumer, since=None, in_order=False)

    @property
    def worked(self) -> int:
        """How many messages have an effect so far."""
        return len(self._worked)

    def _known(self, entry: str) -> bool:
        return bool(self._resolver.resolve(entry).candidates)

    def _refuse(self, name: str, held: list[str], when: str = "before the first publish") -> None:
        if held:
            raise ChaosError(
                f"the effects source {name} already holds {len(held)} messages of this run {when} "
                f"({held[0]}): give each test a source of its own, or empty it first"
            )

    def _early(self, entries: Iterable[str]) -> list[str]:
        """Return which entries, read just now, are of messages that no consumer was given.

        Every delivery is recorded before it is passed on, so nobody worked on them in this run. What was delivered
        may be work already; and where a delivery could not be told apart, it may have been of any message.
        """
        given = {
            event.message
            for event in self._history.snapshot()
            if isinstance(event, Delivered) and event.passed
        }
        if None in given:
            return []
        found = [(entry, self._resolver.resolve(entry).candidates) for entry in entries]
        return [entry for entry, messages in found if messages and given.isdisjoint(messages)]

    def _look_at(self, source: EffectsFile | EffectsCall) -> int | None:
        """Return when a source was looked at last, before this time; what is new there came after that."""
        since, self._looked[source] = self._looked.get(source), now()
        return since

    def _record(
        self,
        entry: str,
        count: int,
        source: str,
        consumer: str | None,
        *,
        since: int | None,
        in_order: bool = True,
        message: str | None = None,
        single: bool = False,
    ) -> None:
        found = self._resolver.resolve(entry)
        if found.kind == "foreign":
            had, first = self.strays.get(source, (0, entry))
            self.strays[source] = (had + count, first)
            return
        message = message or found.message
        seen = self.seen.setdefault(source, Counter())
        if found.kind == "ambiguous" and message is None:
            # Several messages carry the key: the effect goes to the one that has fewest of those it should have.
            planned = self._history.messages
            message = min(found.candidates, key=lambda one: seen[one] - planned[one].expect)
        event = Effected(at=now(), message=message, source=source, name=entry, consumer=consumer, count=count,
                         since=since, in_order=in_order)  # fmt: skip
        if message is not None:
            seen[message] += count
            if in_order:
                self._seen_in_order.add(message)
            self._worked.add(message)
        self._history.append(event)
        self._on_effect(event)
        if message is not None and message == self.doubled:
            self.doubled = ""
            self._count_again(event, single=single)

    def _count_again(self, event: Effected, *, single: bool) -> None:
        """Count an effect twice, unless its source would show one as well."""
        if single:
            self.single = event.source
        else:
            self.seen[event.source][str(event.message)] += 1
            self._history.append(replace(event, at=now(), count=1, planted=True))
