"""Roles of queues: read, waiting room, terminal; and where dead letters lead."""

from __future__ import annotations

from typing import Any

from pytest_mqchaos.model.roles import Leads, Roles
from pytest_mqchaos.model.topology import Binding, QueueState, Topology


def to(queue: str) -> dict[str, Any]:
    """Return the settings of a queue whose dead letters go to another by the default exchange."""
    return {"dead_letter_exchange": "", "dead_letter_routing_key": queue}


def roles(
    queues: dict[str, dict[str, Any]],
    *bindings: tuple[str, str, str],
    exchanges: dict[str, str] | None = None,
    **known: Any,
) -> Roles:
    """Return roles of queues with these settings; bindings are exchange, key and queue; `orders` is read."""
    topology = Topology(
        exchanges=exchanges or {},
        bindings=tuple(
            Binding(exchange=x, destination=q, kind="queue", routing_key=key) for x, key, q in bindings
        ),
    )
    states = {name: QueueState(name=name, type="classic", **settings) for name, settings in queues.items()}
    return Roles(Leads(topology), states, **({"read": ["orders"], "published": [("", "orders")]} | known))


def test_a_dead_letter_queue_is_terminal() -> None:
    """A queue that nobody reads and that leads nowhere is terminal, and reached by dead letters."""
    found = roles({"orders": to("dead"), "dead": {}, "results": {}})
    assert found.terminal == {"dead", "results"}
    assert found.dead_letter_queues == {"dead"}
    assert found.dead_letter_targets("orders") == {"dead"}


def test_a_waiting_room_leads_back() -> None:
    """A queue whose messages go back to one that is read is a waiting room."""
    found = roles({"orders": to("wait"), "wait": to("orders") | {"message_ttl": 2.0}})
    assert (found.terminal, found.waiting_rooms, found.wait_in("wait")) == (frozenset(), {"wait"}, 2.0)


def test_a_chain_of_waiting_rooms() -> None:
    """A path over several queues leads back too."""
    found = roles({"orders": {}, "wait.1": to("wait.2"), "wait.2": to("orders")})
    assert found.waiting_rooms == {"wait.1", "wait.2"}


def test_a_circle_that_nobody_reads_is_terminal() -> None:
    """Queues that only lead to each other hold what they got."""
    assert roles({"orders": {}, "a": to("b"), "b": to("a")}).terminal == {"a", "b"}


def test_a_messages_own_expiration_is_a_wait() -> None:
    """The expiration of what the application publishes there counts."""
    found = roles(
        {"orders": {}, "wait": to("orders")}, onward=[("", "wait")], expirations={("", "wait"): 3.0}
    )
    assert found.wait_in("wait") == 3.0


def test_a_queue_of_the_workload_may_be_a_waiting_room() -> None:
    """A test that publishes with a delay, into a queue that nobody reads and whose messages expire back."""
    delay = {"orders": {}, "delay": to("orders")}
    published = [("", "delay")]
    assert roles(delay, published=published).waiting_rooms == frozenset()
    found = roles(delay, published=published, expirations={("", "delay"): 40.0})
    assert (found.waiting_rooms, found.wait_in("delay")) == ({"delay"}, 40.0)
    timed = {"orders": {}, "delay": to("orders") | {"message_ttl": 50.0}}
    assert roles(timed, published=published).waiting_rooms == {"delay"}


def test_of_two_times_to_live_the_shorter_holds() -> None:
    """A message that would live longer than its queue lets it leaves with the queue's."""
    wait = to("orders") | {"message_ttl": 2.0}
    found = roles({"orders": {}, "wait": wait}, onward=[("", "wait")], expirations={("", "wait"): 60.0})
    assert found.wait_in("wait") == 2.0


def test_a_queue_of_the_workload_is_never_terminal() -> None:
    """A queue that the test publishes to is work, though nobody reads it: a typo is the commonest bug."""
    found = roles({"orders": {}, "order": {}}, read=["order"])
    assert found.terminal == frozenset()
    assert found.workload == {"orders"}


def test_a_queue_that_a_consumer_is_to_read_is_never_terminal() -> None:
    """A queue that was named for a consumer is work."""
    assert roles({"orders": {}, "mail": {}}, expected=["mail"]).terminal == frozenset()


def test_a_named_dead_letter_queue_that_nothing_drives_out_is_terminal() -> None:
    """A named dead-letter queue keeps what it holds, unless a time to live sends it back."""
    assert roles({"orders": {}, "dead": to("orders")}, dead_letters=["dead"]).terminal == {"dead"}
    assert (
        roles({"orders": {}, "dead": to("orders") | {"message_ttl": 1.0}}, dead_letters=["dead"]).terminal
        == set()
    )


def test_exchanges_are_followed() -> None:
    """Direct, topic and fanout exchanges are followed by their keys; of others every binding counts."""
    for kind, key in (
        ("direct", "orders"),
        ("fanout", ""),
        ("topic", "ord*"),
        ("topic", "#"),
        ("headers", "x"),
    ):
        found = roles(
            {"orders": {"dead_letter_exchange": "dlx"}, "dead": {}},
            ("dlx", key, "dead"),
            exchanges={"dlx": kind},
        )
        expected = {"dead"} if (kind, key) != ("topic", "ord*") else frozenset()
        assert found.dead_letter_targets("orders") == expected, (kind, key)


def test_dead_letters_keep_the_key_they_came_with() -> None:
    """Without a routing key of its own, a queue's dead letters carry the workload's."""
    found = roles(
        {"mail": {"dead_letter_exchange": "dlx"}, "dead": {}},
        ("events", "eu.*", "mail"),
        ("dlx", "eu.de", "dead"),
        exchanges={"dlx": "direct", "events": "topic"},
        read=["mail"],
        published=[("events", "eu.de")],
    )
    assert found.workload == {"mail"}
    assert found.dead_letter_targets("mail") == {"dead"}


def test_an_exchange_that_is_not_there_leads_nowhere() -> None:
    """A dead-letter exchange that nobody declared drops what comes."""
    assert roles({"orders": {"dead_letter_exchange": "gone"}}).reach("orders") == frozenset()
