"""The sources of effects of a run: which of them a message's work has to show in.

Each source is judged for itself: a message that shows in one and not in another is lost there.

```
 tied to a consumer (of=) ──► concerns what stood in a queue that this consumer reads
 one that showed nothing  ──► concerns every message, as far as it was named by the test
 any other                ──► concerns the workloads of which it showed some work: two queues, two logs
```
Those inside of consumers, a function that is wrapped and the probe, are one place as far as consumers differ by them:
the work of one consumer shows by the one, that of another one by the other. Of a consumer that has both each is judged.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pytest_mqchaos.model.copies import Record
from pytest_mqchaos.model.events import Effected, SourceNamed
from pytest_mqchaos.model.names import base_name

__all__ = ["Sourcing"]


class Sourcing:
    """Which sources there are, what they showed, and whom each concerns.

    Args:
        read: queues that were subscribed or polled, and by which links; it grows.
    """

    def __init__(self, read: Mapping[str, Collection[str]]) -> None:
        self._read = read
        self.named: dict[str, SourceNamed] = {}
        """The sources that the test named, in order."""
        self._inside: dict[str, SourceNamed] = {}
        """Those inside of consumers, by what the test calls them: what they show has the name of their file."""
        self._shown: dict[str, set[str]] = {}
        """Of which workloads each source has shown work."""
        self._workers: dict[str, set[str]] = {}
        """Consumers that have shown work, as far as sources tell whose it is, and in which sources."""
        self.several = False
        """Whether it matters which source shows what: there are several, or one of them is a consumer's."""

    @property
    def names(self) -> list[str]:
        """All sources: those named, and those that showed something."""
        return list(dict.fromkeys((*self.named, *self._shown)))

    def known(self, source: str) -> SourceNamed | None:
        """What the run said of a source, the test's or one inside of a consumer; None of files that nobody named."""
        return self.named.get(source) or self._inside.get(source)

    def name(self, event: SourceNamed) -> None:
        """Take in a source that the test named; one inside of a consumer concerns whatever it shows."""
        if event.kind in ("function", "probe"):
            self._inside[event.source] = event
            return
        self.named[event.source] = event
        self.several = self.several or event.of is not None or len(self.names) > 1

    def showed(self, event: Effected, record: Record) -> bool:
        """Take in an effect; return whether other messages are now to be judged anew."""
        places = self._workers.setdefault(base_name(event.consumer or ""), set())
        another = bool(places) and event.source not in self.named
        first = event.source not in places and (record.message.expect > 1 or another)
        places.add(event.source)
        shown = self._shown.setdefault(event.source, set())
        stem = _stem(record)
        if stem in shown:
            return first
        shown.add(stem)
        self.several = self.several or len(self.names) > 1
        return self.several or first

    def weighs(self, record: Record) -> bool:
        """Whether a message's work is more than a number: it matters where it shows, or who did it."""
        return self.several or record.message.expect > 1

    @property
    def to_show(self) -> dict[str, SourceNamed]:
        """The sources where something should show: those named, else, while nothing does, those inside of consumers.

        Who has a function wrapped has the probe by that.
        """
        if self.named or self._shown:
            return self.named
        functions = {name: one for name, one in self._inside.items() if one.kind == "function"}
        return functions or self._inside

    def silent(self, source: str) -> bool:
        """Whether a source has shown nothing at all."""
        return source not in self._shown

    def concern(self, record: Record) -> tuple[str, ...]:
        """Return the sources that a message's work has to show in, none where all are other consumers'."""
        found: list[str] = []
        free: list[str] = []
        stem = _stem(record)
        for source in self.names:
            of = self.named[source].of if source in self.named else None
            if of is not None:
                if self._stood_before(of, record):
                    found.append(source)
                continue
            free.append(source)
            if stem in self._shown.get(source, ()) or self.silent(source):
                found.append(source)
        return tuple(found or free)

    def judge(self, record: Record) -> None:
        """Bring what is told of a record's effects up to date: the fewest and the most of any source."""
        record.concern = concern = self.concern(record)
        had = record.effects_from
        counts = [had.get(one, 0) for one in concern]
        record.most = max(had.values(), default=0)
        inside = [one for one in concern if one not in self.named]
        if len(inside) > 1:
            fewest, most = self._inside_of(record, frozenset(inside))
            counts = [*(had.get(one, 0) for one in concern if one in self.named), fewest]
            record.most = max(most, *(count for one, count in had.items() if one in self.named), 0)
        record.effects = min(counts, default=record.most)
        expected = record.message.expect
        if 1 < len(counts) <= expected == sum(counts) and all(counts) and self._nobodys(concern):
            record.effects = (
                expected  # of a fan-out to two queues each has a log of its own: together they have all
            )
        record.sourced = bool(concern) or not self.named
        record.shares = self._shares(record)
        if record.shares:
            record.effects = sum(count > 0 for count in record.shares.values())
            record.most = expected + sum(max(0, count - 1) for count in record.shares.values())

    def _inside_of(self, record: Record, sources: frozenset[str]) -> tuple[int, int]:
        """The fewest and the most effects that sources inside of consumers show of a message.

        Each is judged for itself among the consumers that have the same ones, and what these have done is added up.
        """
        alike: dict[frozenset[str], dict[str, int]] = {}
        for (consumer, source), count in record.effects_inside.items():
            own = sources & self._workers.get(consumer, set())
            counts = alike.setdefault(own, dict.fromkeys(own, 0))
            counts[source] = counts.get(source, 0) + count
        every = [each.values() for each in alike.values()]
        return sum(min(each) for each in every), sum(max(each) for each in every)

    def _shares(self, record: Record) -> dict[str, int]:
        """How much of a fan-out's work each reader did; empty unless each is to do one piece, and all of it has a name.

        It came from as many queues as effects are expected, each with a reader of its own, and all of these are
        known to show work: then one that works twice does not do another one's part.
        """
        if record.message.expect < 2 or record.republications or "" in record.effects_by:
            return {}
        readers: dict[str, set[str]] = {}
        for one in record.deliveries:
            readers.setdefault(one.queue, set()).add(base_name(one.link))
        names = {name for each in readers.values() for name in each}
        done: dict[str, int] = {}
        for link, count in record.effects_by.items():
            done[base_name(link)] = done.get(base_name(link), 0) + count
        if not len(readers) == len(names) == sum(map(len, readers.values())) == record.message.expect:
            return {}
        if not (done.keys() <= names and all(len(self._workers.get(name, ())) == 1 for name in names)):
            return {}  # of what shows in several sources each is judged for itself
        return {name: done.get(name, 0) for name in sorted(names)}

    def _nobodys(self, sources: tuple[str, ...]) -> bool:
        """Whether none of some sources is tied to a consumer."""
        return all(one not in self.named or self.named[one].of is None for one in sources)

    def _stood_before(self, consumer: str, record: Record) -> bool:
        """Whether a message stood in a queue that a consumer reads, or was sent to one."""
        queues = {copy.queue for copy in record.copies}
        queues.update(one.routing_key for one in record.publications if not one.exchange)
        return any(base_name(link) == consumer for queue in queues for link in self._read.get(queue, ()))


def _stem(record: Record) -> str:
    """The workload that a message is of: where it was published to."""
    message = record.message
    return message.queue or f"{message.exchange} {message.routing_key}"
