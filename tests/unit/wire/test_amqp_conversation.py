"""Every frame in one conversation: the same events and bytes, whatever the sizes of the reads."""

from __future__ import annotations

import pytest
from amqp_conversation import EVENTS, SCRIPT, STEPS
from amqp_streams import Played, Step, cut, joined, said
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import frame

from pytest_mqchaos.wire.amqp import events as e

TURNS = joined(STEPS)
LONGEST = max(len(data) for _, data in TURNS)


def check(steps: list[Step]) -> Played:
    """Play the conversation in these reads and compare events and bytes."""
    played = Played(steps)
    assert played.events == EVENTS
    for side in ("client", "server"):
        assert played.passed(side) == said(STEPS, side)
    return played


def test_every_frame_gives_its_event() -> None:
    """Each frame gives exactly the events that its line of the script names."""
    played = Played(())
    for step, events in SCRIPT:
        assert played.play([step]) == events
    check(STEPS)


def test_all_kinds_of_events_are_in_the_conversation() -> None:
    """The script leaves out no event but those that need a fault or a barrier."""
    kinds = {getattr(e, name) for name in e.__all__} - {
        e.Peer,
        e.WireEvent,
        e.BarrierAnswered,
        e.BodyPassed,
        e.NotAmqp,
    }
    assert {type(event) for event in EVENTS} == kinds


@pytest.mark.parametrize("offset", range(1, LONGEST))
def test_a_cut_anywhere_changes_nothing(offset: int) -> None:
    """Two reads per turn, cut at each offset, give the same events and bytes."""
    check(cut(TURNS, lambda data: (data[:offset], data[offset:])))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_small_reads_change_nothing(size: int) -> None:
    """Reads of a few bytes give the same events and bytes."""
    check(cut(TURNS, lambda data: (data[at : at + size] for at in range(0, len(data), size))))


@settings(deadline=None)
@given(st.lists(st.integers(min_value=1, max_value=60), min_size=1))
def test_any_reads_change_nothing(sizes: list[int]) -> None:
    """Reads of arbitrary sizes give the same events and bytes."""

    def cutter(data: bytes) -> list[bytes]:
        pieces, at = [], 0
        while at < len(data):
            step = sizes[len(pieces) % len(sizes)]
            pieces.append(data[at : at + step])
            at += step
        return pieces

    check(cut(TURNS, cutter))


def test_a_segment_with_an_event_is_whole_frames() -> None:
    """The oracle reads each event's segment to its last byte, so dropping one keeps the stream intact."""
    for _, segment in check(TURNS).segments:
        if segment.event is None:
            continue
        data, kinds = segment.data, []
        while data:
            used, _, unmarshalled = frame.unmarshal(data)
            kinds.append(type(unmarshalled).__name__)
            data = data[used:]
        assert kinds[1:] in ([], ["ContentHeader"], ["ContentHeader", "ContentBody"])


def test_a_segment_knows_where_it_ends() -> None:
    """`end` counts the bytes of its direction up to and including the segment."""
    played = check(STEPS)
    for side in ("client", "server"):
        total = 0
        for each, segment in played.segments:
            if each == side:
                total += len(segment.data)
                assert segment.end == total


def test_bytes_of_no_interest_come_in_one_segment() -> None:
    """Frames without an event that stand together in a read are one segment."""
    played = Played()
    played.client(b"\x08\x00\x00\x00\x00\x00\x00\xce" * 5)
    assert len(played.segments) == 2
