"""The workload: numbered, keyed, seeded, with bad messages among the good ones."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.workload.plan import Publication, keys, plan
from pytest_mqchaos.model.faults import connection_drop, malformed_payload, poison_message
from pytest_mqchaos.model.messages import digest
from pytest_mqchaos.payloads import KeyRule, readable_as_json


def planned(count=10, *, queue="orders", run="k3f9", seed=1, **options):
    """Return a plan of a small workload."""
    return plan(run=run, seed=seed, queue=queue, count=count, **options)


async def asynchronous(message):
    """Return what nobody awaits."""
    return 1


def error(**options) -> str:
    """Return the one line that wrong arguments get."""
    with pytest.raises(UsageError) as caught:
        plan(run="k3f9", seed=1, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plain_workload():
    """Ids are dense and in order, stand in the header and in message_id, and the key is the default order."""
    made = planned(3)
    assert [m.id for m in made.messages] == ["orders-k3f9-000001", "orders-k3f9-000002", "orders-k3f9-000003"]
    assert [m.key for m in made.messages] == ["k3f9-1", "k3f9-2", "k3f9-3"]
    for entry in made.entries:
        message = entry.message
        assert entry.headers == {"x-mqchaos-id": message.id}
        assert entry.properties == {"content_type": "application/json", "message_id": message.id}
        assert message.digest == digest(message.body)
        assert (message.queue, message.exchange, message.routing_key) == ("orders", "", "orders")
        assert (message.expect, message.poison, message.key_shared) == (1, False, False)
        assert (message.persistent, message.confirm, message.mandatory) == (True, True, True)
    assert made.next_number == 4
    assert made.target == "queue 'orders'"


def test_bodies_of_the_tests_own_have_no_key_by_themselves():
    """Nobody knows which field would be one."""
    assert [m.key for m in planned(1, body={"order": 1}).messages] == [None]


def test_an_exchange():
    """Its name is the stem of the ids; the routing key goes along."""
    made = planned(1, queue=None, exchange="events", routing_key="a.b")
    (message,) = made.messages
    assert message.id == "events-k3f9-000001"
    assert (message.queue, message.exchange, message.routing_key) == ("", "events", "a.b")
    assert made.target == "exchange 'events'"


def test_ids_are_one_word_and_short():
    """A name with blanks and line ends, or of 255 bytes, makes ids that fit in a line and in message_id."""
    assert planned(1, queue="my\nown queue").messages[0].id == "my_own_queue-k3f9-000001"
    assert len(planned(1, queue="q" * 255).messages[0].id) < 128


def test_functions_see_number_and_generator():
    """body, headers and properties may be functions, and message_id be the test's own."""
    made = planned(
        2,
        body=lambda n, rng: {"n": n, "x": rng.random()},
        headers=lambda n, rng: {"tenant": n % 2},
        properties=lambda n, rng: {"message_id": f"own-{n}", "priority": rng.randrange(3)},
        key="n",
    )
    assert [m.key for m in made.messages] == ["1", "2"]
    assert [e.headers["tenant"] for e in made.entries] == [1, 0]
    assert [e.properties["message_id"] for e in made.entries] == ["own-1", "own-2"]
    assert json.loads(made.messages[0].body)["x"] != json.loads(made.messages[1].body)["x"]


def test_same_seed_same_workload():
    """A replay differs by the run's token only; another seed differs."""
    options = {
        "faults": [malformed_payload(share=0.5)],
        "rate": 9.0,
        "arrivals": "poisson",
        "body": lambda n, r: str(r.random()),
    }
    one, two, other = planned(**options), planned(run="zzzz", **options), planned(seed=2, **options)
    assert [m.body for m in one.messages] == [m.body for m in two.messages]
    assert [(m.number, m.kind) for m in one.messages] == [(m.number, m.kind) for m in two.messages]
    assert list(one.schedule()) == list(two.schedule()) != list(other.schedule())
    assert [m.body for m in one.messages] != [m.body for m in other.messages]


def test_a_body_does_not_depend_on_the_count():
    """Message 5 is the same in a workload of 5 and of 500: a smaller failing run stays the same run."""
    small, large = (planned(count, body=lambda n, rng: str(rng.random())) for count in (5, 500))
    assert [m.body for m in small.messages] == [m.body for m in large.messages[:5]]


@settings(deadline=None)
@given(count=st.integers(1, 60), share=st.floats(0.01, 1.0), seed=st.integers(0, 99))
def test_malformed_messages_are_added(count, share, seed):
    """Share of the count, at least one; numbered behind the good ones; a good one behind each; none readable."""
    made = planned(count, seed=seed, faults=[malformed_payload(share=share)], poison="dead-letter")
    good = [m for m in made.messages if not m.poison]
    bad = [m for m in made.messages if m.poison]
    assert [m.number for m in good] == list(range(1, count + 1))
    assert [m.number for m in bad] == list(range(count + 1, count + 1 + max(1, round(share * count))))
    assert not made.messages[-1].poison
    assert not any(readable_as_json(m.body) for m in bad)
    assert all(m.expect == 0 for m in bad)
    assert not {m.key for m in bad} & {m.key for m in good}
    kinds = Counter(m.kind for m in bad)
    assert max(kinds.values()) - min(kinds.values(), default=0) <= 1 or len(bad) < 4


def test_kinds_can_be_chosen():
    """Only those named are made."""
    made = planned(20, faults=[malformed_payload(share=0.5, kinds=["empty", "not_json"])])
    assert {m.kind for m in made.messages if m.poison} == {"empty", "not_json"}


def test_malformed_messages_of_a_constant_body_get_a_key_of_their_own():
    """They are made from the body with its key replaced; the good ones all share theirs."""
    made = planned(
        3, body={"order": 5, "x": 1}, key="order", faults=[malformed_payload(kinds=["truncated"], share=1)]
    )
    bad = [m for m in made.messages if m.poison]
    assert [m.key for m in bad] == ["poison-k3f9-4", "poison-k3f9-5", "poison-k3f9-6"]
    assert not any(m.key_shared for m in bad)
    assert all(b"5" not in m.body.replace(b"poison-k3f9-5", b"") for m in bad)
    assert all(m.key == "5" and m.key_shared for m in made.messages if not m.poison)


def test_malformed_messages_whose_key_only_the_test_knows():
    """A constant body with a key function: the malformed message has no key for us."""
    made = planned(2, body="same", key=lambda m: m.body.decode(), faults=[malformed_payload()])
    assert [m.key for m in made.messages if m.poison] == [None]


def test_functions_that_know_the_good_numbers_only():
    """A list of exactly `count` bodies serves the bad messages too, without their key."""
    orders = [{"order": f"a{i}"} for i in range(4)]
    fault = malformed_payload(share=1, kinds=["truncated", "byte_order_mark", "oversize"])
    made = planned(4, body=lambda n, rng: orders[n - 1], key="order", faults=[fault])
    bad = [m for m in made.messages if m.poison]
    assert len(bad) == 4
    assert {m.key for m in bad} == {f"poison-k3f9-{n}" for n in (5, 6, 7, 8)}


def test_poison_of_the_tests_own():
    """Its body is sent as it is, as often as asked for; what else it has is that of any other message."""
    made = planned(
        4, faults=[poison_message({"order": None}, count=2)], properties={"type": "t"}, key="order"
    )
    bad = [e for e in made.entries if e.message.poison]
    assert [e.message.body for e in bad] == [b'{"order": null}'] * 2
    assert [e.message.kind for e in bad] == ["own", "own"]
    assert [e.message.number for e in bad] == [5, 6]
    assert all(
        e.properties["content_type"] == "application/json" and e.properties["type"] == "t" for e in bad
    )
    assert [e.message.key for e in bad] == [None, None]


def test_poison_does_not_take_a_good_messages_key():
    """An effect under that key is the good message's, which stays unambiguous."""
    made = planned(2, body=lambda n, rng: {"order": n}, key="order", faults=[poison_message({"order": 1})])
    assert [(m.poison, m.key, m.key_shared) for m in sorted(made.messages, key=lambda m: m.number)] == [
        (False, "1", False),
        (False, "2", False),
        (True, None, False),
    ]


def test_several_payload_faults_and_others():
    """All bad messages are numbered in the order they are published in; other faults are left alone."""
    made = planned(10, faults=[malformed_payload(), poison_message("x"), connection_drop()])
    assert [m.number for m in made.messages if m.poison] == [11, 12]


def test_more_bad_than_good():
    """There may be more poison than places."""
    made = planned(1, faults=[poison_message("x", count=5)])
    assert [m.poison for m in made.messages] == [True] * 5 + [False]


def test_a_second_publication_goes_on():
    """Numbers are dense over the run, and a key of an earlier publication is shared."""
    first = planned(3, body=lambda n, rng: {"order": n % 3}, key="order")
    keys = [m.key for m in first.messages]
    second = planned(
        3, first_number=first.next_number, taken_keys=["1"], body=lambda n, rng: {"order": n % 3}, key="order"
    )
    assert keys == ["1", "2", "0"]
    assert [m.id for m in second.messages] == [f"orders-k3f9-{n:06d}" for n in (4, 5, 6)]
    assert [m.key_shared for m in second.messages] == [True, False, False]


def test_the_keys_of_an_order():
    """`ordered(by)` finds a key in each good message, by a field or by a function of all that it is made of."""
    made = planned(
        4,
        body=lambda n, rng: {"c": n % 2},
        headers={"tenant": "north"},
        faults=[malformed_payload(share=0.5)],
    )
    by_field = keys(made, KeyRule("c", "ordered"))
    by_function = keys(made, KeyRule(lambda m: f"{m.headers['tenant']}/{m.json['c']}", "ordered"))
    assert [by_field[m.id] for m in sorted(made.messages, key=lambda m: m.number) if not m.poison] == list(
        "1010"
    )
    assert set(by_function.values()) == {"north/0", "north/1"}
    assert by_field.keys() == by_function.keys() == {m.id for m in made.messages if not m.poison}


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (
            "customer",
            "publish(): ordered('customer'): the body of message 1 has no field 'customer': b'{\"c\": 1}'",
        ),
        (
            lambda m: None,
            "publish(): ordered(a function): by(message 1) returned None: a key is text or a number, and not empty",
        ),
        (
            asynchronous,
            "publish(): ordered(asynchronous): by(message 1) is async: a plain function is needed here",
        ),
    ],
)
def test_a_message_without_a_key_for_its_order(rule, line):
    """A good message that the order cannot be told of is one line, before anything is sent."""
    with pytest.raises(UsageError) as caught:
        keys(planned(1, body={"c": 1}), KeyRule(rule, "ordered"))
    assert str(caught.value) == line


def test_expect():
    """A number for all, or a function of the message with its key."""
    assert {m.expect for m in planned(3, expect=2).messages} == {2}
    made = planned(4, key="order", expect=lambda m: 0 if m.key == "k3f9-2" else m.json["quantity"] * 0 + 1)
    assert [m.expect for m in made.messages] == [1, 0, 1, 1]


def test_the_schedule_covers_all():
    """Bad messages are due like good ones."""
    made = planned(10, rate=10, faults=[malformed_payload()])
    assert list(made.schedule()) == pytest.approx([n / 10 for n in range(11)])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "publish(): name a queue, publish('orders'), or an exchange, exchange='events'"),
        ({"queue": "q", "exchange": "e"}, "publish(): queue='q' and exchange='e': name one of them, not both"),
        ({"queue": ""}, "publish(): queue='': a queue has a name"),
        ({"queue": 3}, "publish(): queue=3: a name of at most 255 bytes"),
        ({"queue": "q", "routing_key": "k"}, "publish(): routing_key='k' goes with exchange=, not with queue='q'"),
        ({"exchange": "e", "routing_key": "k" * 256}, "publish(): routing_key='kkkk"),
        ({"queue": "q", "count": 0}, "publish(): count=0: a whole number, at least 1"),
        ({"queue": "q", "count": -5}, "publish(): count=-5: a whole number, at least 1"),
        ({"queue": "q", "count": 1.5}, "publish(): count=1.5: a whole number, at least 1"),
        ({"queue": "q", "count": True}, "publish(): count=True: a whole number, at least 1"),
        ({"queue": "q", "expect": -1}, "publish(): expect=-1: a whole number, at least 0"),
        ({"queue": "q", "expect": lambda m: "2"}, "publish(): expect(message 1) returned '2': a whole number"),
        ({"queue": "q", "expect": lambda m: 1 / 0}, "publish(): expect(message 1) raised ZeroDivisionError: "),
        ({"queue": "q", "expect": asynchronous}, "publish(): expect(message 1) is async: a plain function"),
        ({"queue": "q", "persistent": 1}, "publish(): persistent=1: True or False"),
        ({"queue": "q", "confirm": "no"}, "publish(): confirm='no': True or False"),
        ({"queue": "q", "rate": 0}, "publish(): rate=0: messages a second, above 0"),
        ({"queue": "q", "body": lambda n, rng: 3}, "publish(): body(1, rng) returned 3: bytes, str, or a dict"),
        ({"queue": "q", "headers": lambda n, rng: 3}, "publish(): headers(1, rng) returned 3: a dict of names"),
        ({"queue": "q", "properties": {"to": "me"}}, "publish(): properties={'to': ...}: one of content_type, "),
        ({"queue": "q", "key": "id"}, "publish(): key='id': the body of message 1 has no field 'id': b'"),
        ({"queue": "q", "key": 3}, "publish(): key=3: the name of a JSON field, or a function of the message"),
    ],
)  # fmt: skip
def test_wrong_arguments(options, line):
    """Each gets one line that names the value and the argument."""
    assert error(**options).startswith(line)


class Sending:
    """A publishing that stands still."""

    def __init__(self, *, done=False, error=None):
        self.done = done
        self.error = error
        self.closed = 0

    def wait(self, timeout=None):
        return self.done

    def progress(self):
        return "2 confirmed, 8 not sent"

    def close(self):
        self.closed += 1


def test_publication():
    """It names the good and the bad messages, and hands itself back when it ended."""
    made = planned(3, faults=[malformed_payload()])
    publication = Publication(made, Sending(done=True))
    assert publication.ids == ("orders-k3f9-000001", "orders-k3f9-000002", "orders-k3f9-000003")
    assert publication.poison_ids == ("orders-k3f9-000004",)
    assert (publication.done, publication.error) == (True, None)
    assert publication.wait(1.0) is publication
    assert repr(publication) == "<publication: 4 messages to queue 'orders', 2 confirmed, 8 not sent>"


def test_publication_that_has_not_ended():
    """A wait that runs out says what was awaited, how long, and how far it got."""
    publication = Publication(planned(10), Sending())
    with pytest.raises(ChaosError) as caught:
        publication.wait(0.5)
    assert str(caught.value) == (
        "publishing 10 messages to queue 'orders' has not ended after 0.5 s: 2 confirmed, 8 not sent"
    )


def test_publication_that_failed():
    """A wait raises what ended it, and close reaches the publisher."""
    sending = Sending(done=True, error=ChaosError("refused"))
    publication = Publication(planned(1), sending)
    with pytest.raises(ChaosError, match=r"^refused$"):
        publication.wait()
    publication.close()
    assert sending.closed == 1
