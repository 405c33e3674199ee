"""The effects of a run: every source where work shows, read into the history as it shows.

Files are read whenever the wire sees a settlement, before it is passed on: an effect that is not there then came
after the ack. Callables are asked only from the test's thread, so nothing is known of their order.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pytest_mqchaos.effects.callable import EffectsCall
from pytest_mqchaos.effects.file import EffectsFile
from pytest_mqchaos.effects.resolve import Resolver
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.events import Delivered, Effected
from pytest_mqchaos.model.history import History, now

__all__ = ["Board"]

_NOT_GIVEN = "that no consumer has been given yet"


class Board:
    """All sources of effects of one run; safe from any thread."""

    def __init__(self, history: History, on_effect: Callable[[Effected], None]) -> None:
        self.seen: Counter[str] = Counter()
        """Effects by message, as far as read."""
        self.named = False
        """Whether the test named a source."""
        self.trouble: ChaosError | None = None
        """Why a source could not be read; whoever reads on the link's thread has nobody to tell."""
        self._history = history
        self._on_effect = on_effect
        self._begun = False
        self._resolver = Resolver(history.messages)
        self._files: list[tuple[EffectsFile, str, str | None, Callable[[object], object] | None]] = []
        self._calls: list[tuple[EffectsCall, str, Counter[str]]] = []
        self._looked: dict[EffectsFile | EffectsCall, int] = {}
        """When each source was looked at last."""
        self._lock = threading.RLock()
        self._calling = threading.RLock()
        """Held while the test's own code reads a source."""

    @property
    def shows(self) -> bool:
        """Whether effects are evidence here: a source was named, the probe was imported, or a file written to."""
        return self.named or any(source.probed or source.touched for source, *_ in self._files)

    @property
    def ordered(self) -> bool:
        """Whether there is a source whose order against the acks can be known: a file."""
        return any(source.probed or source.touched for source, *_ in self._files) or (
            self.named and not self._calls
        )

    def add_file(
        self,
        path: Path,
        *,
        name: str,
        consumer: str | None,
        named: bool,
        key: Callable[[object], object] | None = None,
    ) -> None:
        """Read effects from a file, one id or key a line; `key` makes the id or key out of a line.

        Raises:
            ChaosError: if it is named after the first publish and holds what cannot be work of this run.
        """
        with self._lock:
            source = EffectsFile(path)
            self._files.append((source, name, consumer, key))
            self.named = self.named or named
            if self._begun and named:
                since = self._look_at(source)
                lines = self._lines(source, name, key)
                early = self._early(lines)
                refused = frozenset(early)
                for line in lines:  # the rest is work, which what is shown of a test that fails here knows of
                    if line not in refused:
                        self._record(line, 1, name, consumer, since=since)
                self.check()
                self._refuse(name, early, _NOT_GIVEN)

    def add_call(self, function: Callable[[], object], *, name: str) -> None:
        """Ask a callable of the test for its effects.

        Raises:
            ChaosError: if it is named after the first publish and holds what cannot be work of this run.
        """
        with self._lock:
            call = EffectsCall(function)
            counted: Counter[str] = Counter()
            self._calls.append((call, name, counted))
            self.named = True
            if self._begun:
                found = call.read()
                early = self._early(found)
                counted.update({entry: found[entry] for entry in early})
                self._refuse(name, early, _NOT_GIVEN)

    def refuse_leftovers(self) -> None:
        """Raise if a source already holds messages of this run, before the first publish.

        Raises:
            ChaosError: naming the source and what it holds.
        """
        with self._lock:
            self._begun = True
            for source, name, _, key in self._files:
                self._look_at(source)
                lines = self._lines(source, name, key)
                self._refuse(name, [line for line in lines if self._known(line)])
            self.check()
            for call, name, counted in self._calls:
                self._look_at(call)
                found = call.read()
                self._refuse(name, [entry for entry in found if self._known(entry)])
                counted.update(found)

    def poll(self, *, final: bool = False) -> None:
        """Read what is new in every file; before the first publish nothing is, and leftovers stay to be seen."""
        with self._lock:
            if not self._begun:
                return
            for source, name, consumer, key in self._files:
                since = self._look_at(source)
                for line in self._lines(source, name, key, final=final):
                    self._record(line, 1, name, consumer, since=since)

    def check(self) -> None:
        """Raise if a source could not be read.

        Raises:
            ChaosError: naming it, and what went wrong.
        """
        if self.trouble is not None:
            raise self.trouble

    def _lines(
        self, source: EffectsFile, name: str, key: Callable[[object], object] | None, *, final: bool = False
    ) -> list[str]:
        found: list[str] = []
        try:
            found.extend(line if key is None else str(key(line)) for line in source.read(final=final))
        except Exception as error:
            text = " ".join(str(error).split()) or "no text"
            what = (
                f"could not be read: {text}"
                if isinstance(error, OSError)
                else f"key raised {type(error).__name__}: {text}"
            )
            self.trouble = self.trouble or ChaosError(f"the effects source {name}: {what}")
        return found

    def poll_calls(self) -> None:
        """Ask every callable; in the test's thread only."""
        for call, name, counted in list(self._calls):
            with self._calling:
                since = self._look_at(call)
                found = call.read()
            with self._lock:
                for entry, count in found.items():
                    more = count - counted[entry]
                    if more > 0:
                        counted[entry] = count
                        self._record(entry, more, name, None, since=since, in_order=False)

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

    @property
    def has_calls(self) -> bool:
        """Whether there are sources that only the test's thread can read."""
        return bool(self._calls)

    def asker(self, name: str, entry: str) -> tuple[str | None, str | None]:
        """Whose effects file it is that has a name, and which message an entry would stand for there."""
        with self._lock:
            links = [consumer for source, _, consumer, _ in self._files if source.path.name == name]
        found = self._resolver.resolve(entry)
        return next(iter(links), None), found.message or next(iter(found.candidates), None)

    def probed(self, consumer: str | None) -> bool:
        """Whether a consumer has said that it has the probe."""
        return any(source.probed for source, _, whose, _ in self._files if whose == consumer)

    def look(self, message: str | None) -> bool | None:
        """Whether the effect of `message` is there already; None if effects cannot be seen as they happen."""
        if message is None or not self.ordered:
            return None
        return self.seen[message] > 0

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
    ) -> None:
        found = self._resolver.resolve(entry)
        if found.kind == "foreign":
            return
        message = found.message
        if found.kind == "ambiguous":
            # Several messages carry the key: the effect goes to the one that has fewest of those it should have.
            planned = self._history.messages
            message = min(found.candidates, key=lambda one: self.seen[one] - planned[one].expect)
        event = Effected(at=now(), message=message, source=source, name=entry, consumer=consumer, count=count,
                         since=since, in_order=in_order)  # fmt: skip
        if message is not None:
            self.seen[message] += count
        self._history.append(event)
        self._on_effect(event)
