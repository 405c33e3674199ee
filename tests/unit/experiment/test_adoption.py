"""Which message of the workload each publish of a producer is."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from pamqp import commands as c

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.workload.adoption import Adopted, Adoption
from pytest_mqchaos.experiment.workload.claims import Claims
from pytest_mqchaos.experiment.workload.publications import key_of
from pytest_mqchaos.link.identity import Identity
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History
from pytest_mqchaos.model.ledger import Ledger
from pytest_mqchaos.model.messages import digest
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.wire.amqp import Properties
from pytest_mqchaos.wire.amqp.events import PublishSent

RUN = "k3f9"


class Bench:
    """Producers of one run, without a wire."""

    def __init__(self, *names: str, key: object = None) -> None:
        self.history = History(RUN)
        self.ledger = Ledger(self.history.messages)
        self.history.subscribe(self.ledger.apply)
        self.identity = Identity(RUN)
        self.numbering = SimpleNamespace(token=RUN, next_number=1)
        index = Adopted()
        rule = None if key is None else key_of(key)
        if rule is not None:
            self.identity.learn_key(rule)
        self.producers = {
            name: Adoption(
                name,
                numbering=self.numbering,
                index=index,
                history=self.history,
                identity=self.identity,
                names=Names(),
                key_of=rule,
                record=self.ledger.records.get,
            )
            for name in names or ("billing",)
        }

    def sent(
        self, body: object, message_id: str | None = None, *, by: str = "billing", **options: object
    ) -> int:
        """Publish, and return the number of the message that it is."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        properties = Properties(
            c.Basic.Properties(
                message_id=message_id, delivery_mode=2, headers=options.get("headers")
            ).marshal()
        )
        event = PublishSent(
            1, str(options.get("exchange", "")), "orders", False, properties, raw, digest(raw), len(raw), 1
        )
        name = self.producers[by](event)
        self.tell(facts.Published, name, routing_key="orders")
        return self.history.messages[name].number

    def tell(self, kind: type[facts.LinkEvent], name: str, **fields: object) -> None:
        """Append a fact of a message."""
        self.history.append(kind(at=1, link="billing", connection=1, channel=1, message=name, **fields))

    def confirm(self, number: int) -> None:
        """Let the broker confirm a message."""
        self.tell(facts.Confirmed, f"orders-{RUN}-{number:06d}")

    def lose(self) -> None:
        """Let the connection be lost."""
        self.history.append(facts.LinkLost(at=1, link="billing", connection=1, by="fault"))

    def found(self, body: object, message_id: str | None = None) -> str | None:
        """Which message a delivery would be taken for."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        properties = Properties(c.Basic.Properties(message_id=message_id).marshal())
        return self.identity.of(properties, raw, digest(raw))[0]


def test_messages_are_numbered_as_they_are_published() -> None:
    """Each new message has the run's next number, and the queue's name in its id."""
    bench = Bench()
    assert [bench.sent({"n": n}, f"order-{n}") for n in (1, 2, 3)] == [1, 2, 3]
    assert list(bench.history.messages) == [f"orders-{RUN}-{n:06d}" for n in (1, 2, 3)]
    message = bench.history.messages[f"orders-{RUN}-000002"]
    assert (message.queue, message.message_id, message.producer) == ("orders", "order-2", "billing")
    assert (message.persistent, message.mandatory, message.confirm) == (True, False, True)


def test_the_same_id_and_body_are_the_same_message() -> None:
    """A publisher that sends again what was not confirmed sends no second message."""
    bench = Bench()
    assert [bench.sent({"n": n}, f"order-{n}") for n in (1, 2, 2, 1, 3)] == [1, 2, 2, 1, 3]


def test_an_id_that_stands_for_several_bodies_names_none() -> None:
    """Then each body is what its message is known by."""
    bench = Bench()
    assert [bench.sent({"n": n}, "order") for n in (1, 2)] == [1, 2]
    assert bench.found({"n": 1}, "order") == f"orders-{RUN}-000001"
    assert bench.found({"n": 2}, "order") == f"orders-{RUN}-000002"
    assert bench.producers["billing"].alike() == []


def test_a_key_makes_the_same_message_of_another_body() -> None:
    """A retry that is written anew (another time stamp) is the message of its key."""
    bench = Bench(key="order")
    assert [bench.sent({"order": "a", "at": at}) for at in (1, 2)] == [1, 1]
    assert bench.sent({"order": "b", "at": 3}) == 2
    assert bench.found({"order": "a", "at": 9}) == f"orders-{RUN}-000001"


def test_a_key_may_be_told_by_headers() -> None:
    """A function of the message sees the headers and properties that it was sent with."""
    bench = Bench(key=lambda message: message.headers["id"])
    assert [bench.sent(b"ping", headers={"id": name}) for name in "aba"] == [1, 2, 1]


def test_a_body_alone_is_a_retry_where_the_broker_has_not_taken_it() -> None:
    """The same bytes again: a second message where the first was confirmed, else the first once more."""
    bench = Bench()
    assert bench.sent(b"ping") == 1
    bench.lose()
    assert bench.sent(b"ping") == 1
    bench.confirm(1)
    assert bench.sent(b"ping") == 2
    assert bench.producers["billing"].alike() == [f"orders-{RUN}-{n:06d}" for n in (1, 2)]


def test_two_producers_may_send_the_same_message() -> None:
    """Two processes of one application share their ids."""
    bench = Bench("billing", "billing-2")
    assert bench.sent({"n": 1}, "order-1") == 1
    assert bench.sent({"n": 1}, "order-1", by="billing-2") == 1
    assert bench.sent({"n": 2}, "order-2", by="billing-2") == 2
    assert bench.sent({"n": 2}, "order-2", by="billing-2") == 2
    first, second = f"orders-{RUN}-000001", f"orders-{RUN}-000002"
    assert list(bench.producers["billing"].published) == [first]
    assert list(bench.producers["billing-2"].published) == [first, second], "each counts what it published"
    assert bench.producers["billing-2"].ids == [second], "and is the first to publish only the other"


def test_an_exchange_gives_its_name() -> None:
    """A message to an exchange bears that in its id, and its routing key."""
    bench = Bench()
    bench.sent({"n": 1}, "order-1", exchange="events")
    (message,) = bench.history.messages.values()
    assert (message.id, message.exchange, message.queue, message.routing_key) == (
        f"events-{RUN}-000001", "events", "", "orders")  # fmt: skip


# --- what it says it sent -----------------------------------------------------------------------------------


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """A file where a producer says what it sent."""
    path = tmp_path / "billing.sent"
    path.touch()
    return path


def claims_of(bench: Bench, *paths: Path) -> Claims:
    """The claims of the producer."""
    return Claims(paths, "billing", bench.history, bench.producers["billing"])


def claimed(bench: Bench) -> list[str]:
    """What was claimed, in the order noted."""
    return [event.name for event in bench.history if isinstance(event, facts.Claimed)]


def test_a_claim_waits_for_its_publish(said: Path) -> None:
    """An id that nobody published yet is noted once that is seen, and once only."""
    bench = Bench()
    claims = claims_of(bench, said)
    said.write_text("order-1\n")
    claims.poll()
    assert claimed(bench) == []
    bench.sent({"n": 1}, "order-1")
    claims.poll()
    with said.open("a") as file:
        file.write("order-1\n")
    claims.conclude()
    assert claimed(bench) == ["order-1"]
    assert len(bench.history.messages) == 1


def test_what_was_never_published_becomes_a_message(said: Path) -> None:
    """At the end, a claim without a publish is a message that never was."""
    bench = Bench()
    claims = claims_of(bench, said)
    bench.sent({"n": 1}, "order-1")
    said.write_text("order-1\norder-2")
    claims.conclude()
    assert claimed(bench) == ["order-1", "order-2"]
    last = list(bench.history.messages.values())[-1]
    assert (last.id, last.key, last.number) == (f"orders-{RUN}-000002", "order-2", 2)


def test_what_cannot_be_read_is_told_in_one_line(said: Path) -> None:
    """Nobody else is disturbed by it: it is raised when the claims are counted."""
    bench = Bench()
    claims = claims_of(bench, said)
    said.unlink()
    said.mkdir()
    claims.poll()
    with pytest.raises(
        ChaosError, match=r"^what billing says it sent cannot be read: .*billing\.sent: Is a directory$"
    ):
        claims.conclude()


def test_names_of_another_world_are_an_error(said: Path) -> None:
    """Where nothing that was claimed goes by a name of what was published, nobody can say what was lost."""
    bench = Bench()
    claims = claims_of(bench, said)
    bench.sent({"n": 1}, "order-1")
    said.write_text("17\n")
    with pytest.raises(
        ChaosError, match=r"billing said that it sent 1 messages \(17, ...\), and none of the 1"
    ):
        claims.conclude()


def test_what_a_file_held_before_is_not_claimed(said: Path, tmp_path: Path) -> None:
    """A file of the application's own may hold what earlier runs sent."""
    bench = Bench()
    own = tmp_path / "sent.log"
    own.write_text("order-1\n")
    claims = claims_of(bench, said, own)
    bench.sent({"n": 1}, "order-1")
    claims.conclude()
    assert claimed(bench) == []
