"""The spoiler: which kinds are made by default, in which turns, and never with another message's key."""

import json
import string
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.workload.plan import plan
from pytest_mqchaos.model.faults import DEBATABLE_KINDS, UNREADABLE_KINDS, malformed_payload, poison_message

ALL_KINDS = UNREADABLE_KINDS + DEBATABLE_KINDS
TEXT_KINDS = {
    *UNREADABLE_KINDS,
    "nul_bytes",
    "byte_flip",
    "oversize",
    "byte_order_mark",
    "wrong_content_type",
    "wrong_content_encoding",
}
PARTLY = ("missing_field", "null_field", "wrong_field_type")


def planned(count=20, *, share=1.0, kinds=None, seed=1, **options):
    """Return the plan of a workload with malformed messages."""
    fault = malformed_payload(share=share, kinds=kinds)
    return plan(run="k3f9", seed=seed, queue="orders", count=count, faults=[fault], **options)


def malformed(made):
    """Return the malformed messages of a plan, by their numbers."""
    return sorted((m for m in made.messages if m.poison), key=lambda m: m.number)


def kinds_of(made):
    """Return how many messages of each kind there are."""
    return Counter(m.kind for m in malformed(made))


@pytest.mark.parametrize("seed", range(5))
def test_each_kind_once_before_any_twice(seed):
    """Under auto all kinds are made of the default order, in an order that the seed shuffles."""
    assert kinds_of(planned(18, seed=seed)) == dict.fromkeys(ALL_KINDS, 1)
    few = kinds_of(planned(100, share=0.1, seed=seed))
    assert set(few.values()) == {1}
    assert len(few) == 10
    many = kinds_of(planned(100, seed=seed))
    assert set(many.values()) == {5, 6}


def test_the_seed_chooses_the_kinds():
    """Another seed has other kinds first."""
    few = [set(kinds_of(planned(10, share=0.2, seed=seed))) for seed in range(20)]
    assert len({frozenset(kinds) for kinds in few}) > 3
    assert all(kinds <= set(UNREADABLE_KINDS) for kinds in few), "what nobody can read comes first"
    assert len({frozenset(kinds_of(planned(10, share=0.6, seed=seed))) for seed in range(20)}) > 10


@pytest.mark.parametrize("poison", ["dead-letter", "discard"])
def test_what_must_be_refused_is_unreadable(poison):
    """Where the test says what becomes of poison, nothing is made by default that may rightly be processed."""
    assert kinds_of(planned(20, poison=poison)) == dict.fromkeys(UNREADABLE_KINDS, 5)
    named = planned(20, poison=poison, kinds="byte_order_mark")
    assert kinds_of(named) == {"byte_order_mark": 20}


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (lambda n, rng: f"order {n} of lamps", TEXT_KINDS),
        ("hello", TEXT_KINDS),
        (b"", TEXT_KINDS - {"byte_flip"}),
        (lambda n, rng: b"\xc3\xff%d" % n, TEXT_KINDS - {"nul_bytes", "byte_order_mark"}),
        (lambda n, rng: [n, n], set(ALL_KINDS) - {"duplicate_keys", *PARTLY}),
        (lambda n, rng: [f"n{n}"], TEXT_KINDS | {"wrong_type", "deep_nesting"}),
        (lambda n, rng: f"{n}", TEXT_KINDS - {"byte_flip"} | {"wrong_type", "deep_nesting"}),
        (lambda n, rng: {}, TEXT_KINDS | {"wrong_type", "deep_nesting"}),
    ],
)
def test_kinds_that_cannot_be_made_are_left_out(body, kinds):
    """Bodies that are no JSON, or no object, have by default the kinds that can be made of them, in turn."""
    made = kinds_of(planned(3 * len(kinds), body=body))
    assert made == dict.fromkeys(kinds, 3)


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("missing_field", b"\xff", "it needs a JSON body with a field, and that of message 2 is b'\\xff'"),
        ("wrong_type", "x" * 99, "it needs a JSON body, and that of message 2 is b'" + "x" * 80 + "'..."),
        ("huge_number", "x", "it needs a JSON body with a field or a number, and that of message 2 is b'x'"),
        ("byte_flip", "117", "it needs a body of more than digits, and that of message 2 is b'117'"),
        ("nul_bytes", b"\xff", "it needs a body of text, and that of message 2 is b'\\xff'"),
    ],
)
def test_named_kinds_that_cannot_be_made_are_an_error(kind, body, why):
    """The line names the fault, the kind, what it needs and what there is."""
    with pytest.raises(UsageError) as caught:
        planned(1, kinds=[kind], body=body)
    assert str(caught.value) == (
        f"malformed_payload(share=1.0, kinds=({kind!r},)): {kind} cannot be made of this workload: {why}"
    )


def test_a_key_that_only_the_test_can_find():
    """A body with one key for all is made unreadable only: what can be read would name a good message."""
    options = {"body": {"order": 5, "x": 1}, "key": lambda m: m.json["order"]}
    assert set(kinds_of(planned(20, **options))) == set(UNREADABLE_KINDS)
    with pytest.raises(UsageError, match=r"wrong_type cannot be made .*: it could pass for another message"):
        planned(1, kinds=["wrong_type"], **options)


def test_a_constant_body_without_a_key():
    """It is nobody's: all kinds can be made of it, and named ones of a workload of one message."""
    assert set(kinds_of(planned(40, body={"a": 1, "b": "x"}))) == set(ALL_KINDS)
    for kind in ALL_KINDS:
        assert kinds_of(planned(1, body={"a": 1, "b": "x"}, kinds=kind)) == {kind: 1}


_letters = st.text(string.ascii_lowercase[:4], min_size=1, max_size=3)


@settings(deadline=None)
@given(
    keys=st.lists(_letters | st.integers(0, 300).map(str), min_size=2, max_size=30, unique=True),
    seed=st.integers(0, 50),
    field=st.sampled_from(["order", None]),
    extra=st.booleans(),
)
def test_no_malformed_message_has_another_key(keys, seed, field, extra):
    """However close the keys of the workload are, what a reader finds in a malformed message is no other's key."""

    def body(number, rng):
        key = keys[number - 1] if number <= len(keys) // 2 else f"{keys[number % len(keys)]}+{number}"
        return {"order": key, **({"more": key} if extra else {})}

    rule = field or (lambda message: message.json["order"])
    made = planned(len(keys) // 2, seed=seed, body=body, key=rule, kinds=DEBATABLE_KINDS)
    good = {m.key for m in made.messages if not m.poison}
    own = {m.key for m in malformed(made)}
    assert not good & own
    assert not any(m.key_shared for m in made.messages if not m.poison)
    for message in malformed(made):
        try:
            content = json.loads(message.body)
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict) and isinstance(content.get("order"), str):
            assert content["order"] not in good
            assert content["order"] == message.key


@pytest.mark.parametrize("kind", DEBATABLE_KINDS)
def test_the_key_that_a_reader_finds_is_known(kind):
    """An effect under it is the malformed message's, unless it has no key that can be read: then that is known."""
    made = planned(200, kinds=kind, seed=3, body=lambda n, rng: {"n": n}, key="n")
    for message in malformed(made):
        try:
            content = json.loads(message.body)
        except (ValueError, RecursionError):
            assert not message.key_legible
            continue
        read = content.get("n") if isinstance(content, dict) else None
        legible = isinstance(read, str | int | float) and read not in (True, False)
        assert message.key_legible <= legible
        if message.key_legible:
            assert message.key == str(read)
        else:
            assert message.key == str(message.number)


def test_a_body_of_another_message_is_no_malformed_one():
    """Bytes that a flipped bit makes those of a good message are flipped elsewhere, or not at all."""
    letters = string.ascii_lowercase + "{|}~"
    made = planned(15, body=lambda n, rng: letters[n - 1], kinds=None)
    good = {m.body for m in made.messages if not m.poison}
    assert not good & {m.body for m in malformed(made)}


def test_large_bodies_are_few():
    """Where others can be made, large bodies are made so often only; in all they weigh so much and no more."""
    made = kinds_of(planned(900))
    assert made["oversize"] == made["deep_nesting"] == 16
    assert sum(made.values()) == 900
    assert {made[kind] for kind in ALL_KINDS if kind not in ("oversize", "deep_nesting")} <= {54, 55}


@pytest.mark.parametrize(("count", "kinds"), [(200, ["oversize"]), (200, None), (20, ["oversize"])])
def test_a_plan_of_large_bodies_fits_into_memory(count, kinds):
    """Two hundred of them weigh less than a broker's patience, and one is larger than most queues take."""
    sizes = [len(m.body) for m in malformed(planned(count, kinds=kinds)) if m.kind == "oversize"]
    assert sum(sizes) < 60 * 2**20
    assert min(sizes) > 256 * 1024
    assert max(sizes) < 2 * 2**20
    if count == 20:
        assert min(sizes) > 2**20


def test_other_faults_beside_it():
    """Several faults have turns of their own, and the test's own poison stands among them."""
    faults = [malformed_payload(kinds="empty"), malformed_payload(kinds=["wrong_type"]), poison_message("x")]
    made = plan(run="k3f9", seed=1, queue="orders", count=20, faults=faults)
    assert kinds_of(made) == {"empty": 2, "wrong_type": 2, "own": 1}
    assert [m.number for m in malformed(made)] == [21, 22, 23, 24, 25]
