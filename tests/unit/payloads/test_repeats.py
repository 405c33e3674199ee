"""Repeated messages: how many, which, where, and that they are what they were."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mqchaos.experiment.workload.plan import Publication, plan
from pytest_mqchaos.model.faults import malformed_payload, repeated_publish


def planned(count=20, *faults, seed=1, **options):
    """Return the plan of a workload with these faults."""
    return plan(run="k3f9", seed=seed, queue="orders", count=count, faults=faults, **options)


@settings(deadline=None)
@given(count=st.integers(1, 80), share=st.floats(0.01, 1.0), seed=st.integers(0, 99), malformed=st.booleans())
def test_some_are_sent_twice(count, share, seed, malformed):
    """Share of the count, at least one; each good, behind its first, the same in all, and few messages later."""
    others = [malformed_payload(kinds="empty")] if malformed else []
    made = planned(count, repeated_publish(share=share), *others, seed=seed)
    again = [(place, entry) for place, entry in enumerate(made.entries) if entry.repeats]
    assert len(again) == max(1, round(share * count))
    assert len({entry.message.id for _, entry in again}) == len(again)
    for place, entry in again:
        assert not entry.message.poison
        earlier = [n for n, one in enumerate(made.entries[:place]) if one.message.id == entry.message.id]
        assert len(earlier) == 1
        first = made.entries[earlier[0]]
        assert not first.repeats
        assert (first.message, first.headers, first.properties) == (
            entry.message,
            entry.headers,
            entry.properties,
        )
        assert sum(not one.repeats for one in made.entries[earlier[0] + 1 : place]) <= 8


def test_the_rest_of_the_plan_is_as_without():
    """Messages, numbers, keys and order are those of the plan without it."""
    bare, made = planned(20, malformed_payload()), planned(20, malformed_payload(), repeated_publish())
    assert made.messages == bare.messages
    assert made.next_number == bare.next_number == 23
    assert len(made.entries) == len(bare.entries) + 2
    assert not any(m.key_shared for m in made.messages)
    assert len(list(made.schedule())) == 24


def test_a_publication_names_each_once():
    """Its ids are those of the messages, however often they are sent."""
    publication = Publication(planned(20, repeated_publish(share=1.0)), publishing=None)
    assert len(publication.ids) == len(set(publication.ids)) == 20


def test_places_follow_from_the_seed():
    """The same seed repeats the same, another one others; some follow at once, some later."""

    def places(seed):
        made = planned(100, repeated_publish(), seed=seed)
        return [(entry.message.number, place) for place, entry in enumerate(made.entries) if entry.repeats]

    assert places(1) == places(1) != places(2)
    made = planned(100, repeated_publish(share=1.0))
    gaps = set()
    first = {}
    for place, entry in enumerate(made.entries):
        if entry.repeats:
            gaps.add(sum(not one.repeats for one in made.entries[first[entry.message.id] + 1 : place]))
        first.setdefault(entry.message.id, place)
    assert gaps == set(range(9))


def test_twice_by_two_faults():
    """Each of several repeats its own share."""
    made = planned(10, repeated_publish(share=0.5), repeated_publish(share=1.0))
    assert sum(entry.repeats for entry in made.entries) == 15


@pytest.mark.parametrize("number", [1, 2])
def test_a_second_publication(number):
    """It repeats messages of its own."""
    made = planned(10, repeated_publish(), first_number=1 + 10 * (number - 1))
    (one,) = [entry for entry in made.entries if entry.repeats]
    assert 10 * (number - 1) < one.message.number <= 10 * number
