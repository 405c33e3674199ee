"""What was declared in a run, as far as it was seen: by clients on its links, and by the run itself.

It stands in for a broker that cannot be asked for its queues and bindings. Names are plain ones (see `names`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pytest_mqchaos.model.history import now
from pytest_mqchaos.model.topology import Binding, Topology

__all__ = ["BUILT_IN", "Declaration", "Declared"]

BUILT_IN: Mapping[str, str] = {
    "": "direct",
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.headers": "headers",
    "amq.match": "headers",
    "amq.topic": "topic",
}
"""Exchanges that every namespace has, with their types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A queue as it was declared; `known` is False where its name was only mentioned."""

    name: str
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    arguments: Mapping[str, object] = field(default_factory=dict)
    known: bool = True


class Declared:
    """Queues, exchanges and bindings of one run; safe from any thread.

    Attributes:
        made: queues and exchanges that the run itself made, and that were not there before.
        breach: the first use of a name that others may use too, where the run shares its namespace; else empty.
        heard: called when there is a name more in `made` or `ever`, by whichever thread has told it.
    """

    def __init__(self) -> None:
        self.made: dict[tuple[str, str], None] = {}
        self.breach = ""
        self.heard: Callable[[], None] = lambda: None
        self._queues: dict[str, Declaration] = {}
        self._exchanges: dict[str, str] = {}
        self._bindings: dict[tuple[str, str, str, str], Binding] = {}
        self._ever: dict[tuple[str, str], None] = {}
        self._since: dict[str, int] = {}
        self._lock = threading.Lock()

    # --- what is told ---

    def make(self, kind: str, full: str) -> None:
        """The run itself has made a queue or exchange that was not there before."""
        self.made[kind, full] = None
        self.heard()

    def queue(self, one: Declaration) -> None:
        """A queue was declared; a mere mention does not hide what is known of it."""
        self._named("queue", one.name)
        with self._lock:
            if one.known or one.name not in self._queues:
                self._queues[one.name] = one
            if one.exclusive:
                self._since[one.name] = now()

    def exchange(self, name: str, type: str) -> None:
        """An exchange was declared."""
        self._named("exchange", name)
        with self._lock:
            self._exchanges[name] = type

    def _named(self, kind: str, name: str) -> None:
        with self._lock:
            new = (kind, name) not in self._ever
            self._ever[kind, name] = None
        if new:
            self.heard()

    def bind(self, binding: Binding) -> None:
        """A queue or exchange was bound."""
        with self._lock:
            self._bindings[_place(binding)] = binding
            if binding.kind == "queue" and binding.destination in self._since:
                self._since[binding.destination] = now()

    def unbind(self, binding: Binding) -> None:
        """A binding was taken away."""
        with self._lock:
            self._bindings.pop(_place(binding), None)

    def delete(self, kind: str, name: str) -> None:
        """A queue or exchange was deleted, and its bindings with it."""
        with self._lock:
            (self._queues if kind == "queue" else self._exchanges).pop(name, None)
            for place, binding in list(self._bindings.items()):
                source = kind == "exchange" and binding.exchange == name
                if source or (binding.kind, binding.destination) == (kind, name):
                    del self._bindings[place]

    # --- what is asked ---

    @property
    def queues(self) -> dict[str, Declaration]:
        """The queues by name."""
        with self._lock:
            return dict(self._queues)

    @property
    def private(self) -> dict[str, int]:
        """The exclusive queues, and since when what is published comes to them (at the latest)."""
        with self._lock:
            return {name: at for name, at in self._since.items() if name in self._queues}

    @property
    def ever(self) -> tuple[tuple[str, str], ...]:
        """Every kind and name that was ever declared or mentioned, the last one first."""
        with self._lock:
            return tuple(reversed(self._ever))

    def topology(self) -> Topology:
        """The exchanges and bindings: those that were seen, which need not be all."""
        with self._lock:
            own = (
                Binding(exchange="", destination=name, kind="queue", routing_key=name)
                for name in self._queues
            )
            return Topology(
                exchanges={**BUILT_IN, **self._exchanges},
                bindings=tuple(sorted((*own, *self._bindings.values()), key=_place)),
                complete=False,
            )


def _place(binding: Binding) -> tuple[str, str, str, str]:
    return (binding.exchange, binding.kind, binding.destination, binding.routing_key)
