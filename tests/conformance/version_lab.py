"""Where the versions are measured: the rows of docs/versions.md, and a namespace with clients of its own."""

import contextlib
import re
from pathlib import Path

import pika
from clients import Client

from pytest_mqchaos.servers.waiting import wait_for

PAGE = Path(__file__).parents[2] / "docs" / "versions.md"
KINDS = ("classic", "quorum")
MEASURES = {}


def row(name):
    """Register a measure: what it returns stands in the row of that name."""

    def register(measure):
        assert name not in MEASURES, name
        MEASURES[name] = measure
        return measure

    return register


def told():
    """Return what the page tells: by row, the words by version."""
    found, versions = {}, []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        first, *cells = (
            [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else [""]
        )
        if cells and re.fullmatch(r"\d+\.\d+", cells[0]):
            versions = cells
        elif cells and not set(first) <= set("-: "):
            assert first not in found, first
            found[first] = dict(zip(versions, cells, strict=True))
    return found


def nearest(version, known):
    """Return the newest known version that is not newer than this one: what is new must differ visibly."""

    def number(text):
        return tuple(map(int, text.split(".")[:2]))

    return max(
        (one for one in known if number(one) <= number(version)), key=number, default=min(known, key=number)
    )


class Lab:
    """A namespace of a broker, and clients of it that are gone at the end."""

    def __init__(self, broker, namespace):
        self.broker = broker
        self._namespace = namespace
        self._clients = []

    def client(self):
        """Return a new connection with a channel."""
        self._clients.append(Client(self.broker.url(self._namespace)))
        return self._clients[-1]

    def state(self, queue):
        """Return what the census says of a queue."""
        return next(one for one in self.broker.census(self._namespace) if one.name == queue)

    def await_ready(self, queue, count):
        """Wait until so many are ready and none is in hand."""

        def lacking():
            state = self.state(queue)
            return None if state.exact and (state.ready, state.messages) == (count, count) else str(state)

        wait_for(f"{count} ready in {queue!r}", lacking, timeout=15)

    def close(self):
        """Leave."""
        for one in self._clients:
            with contextlib.suppress(pika.exceptions.AMQPError, OSError):
                if one.connection.is_open and one.connection._impl._transport._sock.fileno() >= 0:
                    one.connection.close()


def got(one, queue):
    """Return the next message of a queue (method, properties, body), which has to come."""
    found = []

    def lacking():
        found[:] = one.channel.basic_get(queue)
        return "nothing" if found[0] is None else None

    wait_for(f"a message of {queue!r}", lacking, timeout=10)
    return found


def refused(error):
    """Return who closed what, in words."""
    where = "channel" if isinstance(error, pika.exceptions.ChannelClosedByBroker) else "connection"
    return f"{where} closed, {error.reply_code}"
