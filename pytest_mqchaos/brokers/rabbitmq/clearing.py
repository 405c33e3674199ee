"""The end of a run on a broker that somebody else runs: what the run made is removed, and nothing else.

Whatever is deleted goes through `delete`, which knows what is the run's own and refuses everything else.
"""

from __future__ import annotations

import time
from contextlib import suppress

from pytest_mqchaos.brokers.rabbitmq.place import Place
from pytest_mqchaos.brokers.rabbitmq.resting import drain
from pytest_mqchaos.errors import ChaosError, NotPossible

__all__ = ["clear", "delete"]

_LET_GO = 2.0
"""Seconds that the broker has to notice that the run's consumers are gone."""


def clear(place: Place) -> None:
    """Remove what the run made in its place; a vhost of its own is deleted as a whole, elsewhere.

    Raises:
        ChaosError: something of it is left, and why.
    """
    trouble: list[ChaosError] = []
    try:
        if place.names.prefix:
            _clear_prefix(place, trouble)
        elif not place.whole:
            _clear_shared(place, trouble)
    finally:
        place.counter.close()
    if trouble:
        raise trouble[0]


def delete(place: Place, kind: str, full: str) -> None:
    """Delete one queue or exchange, if it is the run's.

    Raises:
        NotPossible: it is not.
        ChaosError: the broker refuses.
    """
    made = (kind, full) in place.declared.made
    if not (place.ours(full) or (made and not full.startswith("amq."))):
        raise NotPossible(f"deleting the {kind} {full!r}: it is not of this run")
    place.counter.delete(kind, full)


def _clear_prefix(place: Place, trouble: list[ChaosError]) -> None:
    names = [(kind, place.names.full(name)) for kind, name in place.declared.ever]
    if (management := place.management) is not None:
        with suppress(ChaosError):
            names += [("queue", str(one["name"])) for one in management.queues(place.vhost)]
            names += [("exchange", str(one["name"])) for one in management.exchanges(place.vhost)]
    for kind, full in dict.fromkeys(names):
        if place.ours(full):
            try:
                delete(place, kind, full)
            except ChaosError as error:
                trouble.append(error)


def _clear_shared(place: Place, trouble: list[ChaosError]) -> None:
    """Take our messages out of the queues that were used, and delete those that we made."""
    made = list(place.declared.made)
    for queue in sorted(place.reached):
        try:
            if ("queue", queue) not in made:
                _take_ours(place, queue)
        except ChaosError as error:
            trouble.append(error)
    for kind, name in reversed(made):
        try:
            delete(place, kind, name)
        except ChaosError as error:
            trouble.append(error)


def _take_ours(place: Place, queue: str) -> None:
    witness = place.witness
    if witness is None:
        return
    deadline = time.monotonic() + _LET_GO
    while True:
        answer = place.counter.count([queue]).get(queue)
        if answer is None or answer.locked:
            return
        if not answer.consumers or time.monotonic() > deadline:
            break
        time.sleep(0.02)  # between two questions: nothing tells when the broker has noticed
    if answer.ready:
        _, why = drain(
            place.url,
            queue,
            answer.ready,
            ours=lambda one: witness.ours(one.message_id, one.mqchaos_id, one.body),
        )
        if why:
            raise ChaosError(f"taking our messages out of {queue!r}: {why}")
