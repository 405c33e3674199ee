"""What a producer says it sent: `probe.sent(id)`, or a line a message in the file `$MQCHAOS_SENT`.

A claim whose publish was not seen yet waits for it. What was still not seen when the run has settled was never
sent: it becomes a message that nobody published, which only a publisher can lose.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from pytest_mqchaos.effects.file import EffectsFile
from pytest_mqchaos.effects.resolve import Resolver
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.workload.adoption import Adoption
from pytest_mqchaos.model.events import Claimed
from pytest_mqchaos.model.history import History, now

__all__ = ["Claims"]


class Claims:
    """The claims of one producer; safe from any thread. `trouble` tells why they cannot be read, if so.

    Args:
        paths: the files where it says what it sent; what they hold already is of somebody else.
        producer: its name.
        history: of the run.
        adoption: knows what it published.
    """

    def __init__(self, paths: Sequence[Path], producer: str, history: History, adoption: Adoption) -> None:
        self._sources = [EffectsFile(path) for path in paths]
        self._producer = producer
        self._history = history
        self._adoption = adoption
        self._resolver = Resolver(history.messages)
        self._waiting: list[str] = []
        self._claimed: set[str] = set()
        self._lock = threading.Lock()
        self.trouble: ChaosError | None = None
        """Why they could not be read, the first time."""
        for source in self._sources:
            self._read(source, final=True)

    def poll(self, *, final: bool = False) -> None:
        """Read what is new, and note what it stands for as far as that is known."""
        with self._lock:
            found = [
                *self._waiting,
                *(name for one in self._sources for name in self._read(one, final=final)),
            ]
            self._waiting = [name for name in found if not self._noted(name)]

    def _read(self, source: EffectsFile, *, final: bool) -> list[str]:
        try:
            return source.read(final=final)
        except OSError as error:
            why = f"what {self._producer} says it sent cannot be read: {source.path}: {error.strerror}"
            self.trouble = self.trouble or ChaosError(why)
            return []

    def conclude(self) -> None:
        """Read the claims a last time; what nobody saw published is made known as that.

        Raises:
            ChaosError: if none of them names a message that was published, though some were; if they cannot be read.
        """
        __tracebackhide__ = True
        self.poll(final=True)
        if self.trouble is not None:
            raise self.trouble
        with self._lock:
            names, self._waiting = self._waiting, []
            if names and not self._claimed and self._adoption.published:
                self._waiting = names
                raise ChaosError(
                    f"{self._producer} said that it sent {len(names)} messages ({names[0]}, ...), and none of the "
                    f"{len(self._adoption.published)} that it published goes by such a name: say their message_id, or "
                    "tell the key with producer(..., key=)"
                )
            for name in names:
                self._note(self._adoption.claimed(name), name)

    def close(self) -> None:
        """Close the files; nothing more is read. May be called again."""
        for source in self._sources:
            source.close()

    def _noted(self, name: str) -> bool:
        own = [one for one in self._resolver.resolve(name).candidates if one not in self._claimed]
        if not own:
            return bool(self._resolver.resolve(name).candidates)  # said twice
        self._note(own[0], name)
        return True

    def _note(self, message: str, name: str) -> None:
        self._claimed.add(message)
        self._history.append(Claimed(at=now(), message=message, producer=self._producer, name=name))
