"""Network faults: what they say of themselves, and the line that a wrong argument gets."""

import pytest

import pytest_mqchaos
from pytest_mqchaos import (
    UsageError,
    bandwidth,
    baseline,
    black_hole,
    combine,
    delivery,
    fragment,
    latency,
    seconds,
    stall,
)


@pytest.mark.parametrize(
    ("fault", "identity", "text"),
    [
        (stall(), "stall", "stall()"),
        (stall(duration=1), "stall", "stall()"),
        (
            stall(after=delivery(3), duration=2),
            "stall-after-delivery-3-duration-2",
            "stall(after=delivery(3), duration=2.0)",
        ),
        (black_hole(), "black_hole", "black_hole()"),
        (black_hole(duration=0.5), "black_hole-duration-0.5", "black_hole(duration=0.5)"),
        (latency(), "latency", "latency()"),
        (
            latency(delay=0.05, jitter=0.02),
            "latency-delay-0.05-jitter-0.02",
            "latency(delay=0.05, jitter=0.02)",
        ),
        (bandwidth(20_000), "bandwidth-bytes_per_second-20000", "bandwidth(bytes_per_second=20000)"),
        (bandwidth(bytes_per_second=9), "bandwidth-bytes_per_second-9", "bandwidth(bytes_per_second=9)"),
        (fragment(16), "fragment-size-16", "fragment(size=16)"),
        (fragment(size=1, name="crumbs"), "crumbs", "fragment(size=1)"),
    ],
)
def test_ids_and_texts(fault, identity, text):
    """The id holds what differs from the defaults; the text is what a user would write."""
    assert (fault.id, str(fault), fault.family) == (identity, text, "network")


def test_what_lasts():
    """Latency, bandwidth and fragments last until the run has settled, unless they are given a duration."""
    assert [fault.lasting for fault in (latency(), bandwidth(9), fragment(1))] == [True] * 3
    assert [fault.lasting for fault in (stall(), black_hole(), latency(duration=1))] == [False] * 3


def test_they_compose():
    """A combination's id joins theirs."""
    assert combine(latency(), stall(after=seconds(1))).id == "latency+stall-after-seconds-1"


@pytest.mark.parametrize("name", ["stall", "black_hole", "latency", "bandwidth", "fragment"])
def test_they_are_public(name):
    """Each is imported from the package, and is none without its parentheses."""
    assert name in pytest_mqchaos.__all__
    with pytest.raises(
        UsageError, match=rf"{name}\(\): forgotten parentheses: write {name}\(.*\), not {name}"
    ):
        getattr(pytest_mqchaos, name)(len)


RATE = "bytes a second, at least 1"
SIZE = "a whole number of bytes, at least 1"


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: stall(duration=0), "stall(): duration=0: a number above 0"),
        (lambda: stall(duration=True), "stall(): duration=True: a number above 0"),
        (lambda: stall(duration="long"), "stall(): duration='long': a number above 0"),
        (lambda: stall(2.0), "stall(): takes keyword arguments only, got 2.0"),
        (lambda: black_hole(duration=-1), "black_hole(): duration=-1: a number above 0"),
        (lambda: black_hole(duration=float("inf")), "black_hole(): duration=inf: a number above 0"),
        (lambda: latency(delay=-0.1), "latency(): delay=-0.1: a number above 0"),
        (lambda: latency(delay=0), "latency(): delay=0: a number above 0"),
        (lambda: latency(delay=True), "latency(): delay=True: a number above 0"),
        (lambda: latency(delay=None), "latency(): delay=None: a number above 0"),
        (lambda: latency(jitter=-0.1), "latency(): jitter=-0.1: a number above 0, at most 0.1"),
        (lambda: latency(jitter=0.2), "latency(): jitter=0.2: a number above 0, at most 0.1"),
        (lambda: latency(jitter=False), "latency(): jitter=False: a number above 0, at most 0.1"),
        (lambda: latency(duration=0), "latency(): duration=0: a number above 0"),
        (bandwidth, "bandwidth(): bytes_per_second= is missing: write bandwidth(100_000)"),
        (lambda: bandwidth(0), f"bandwidth(): bytes_per_second=0: {RATE}"),
        (lambda: bandwidth(True), f"bandwidth(): bytes_per_second=True: {RATE}"),
        (lambda: bandwidth("fast"), f"bandwidth(): bytes_per_second='fast': {RATE}"),
        (lambda: bandwidth(float("nan")), f"bandwidth(): bytes_per_second=nan: {RATE}"),
        (lambda: bandwidth(9, 9), "bandwidth(): takes keyword arguments only, got 9"),
        (fragment, "fragment(): size= is missing: write fragment(16)"),
        (lambda: fragment(0), f"fragment(): size=0: {SIZE}"),
        (lambda: fragment(1.5), f"fragment(): size=1.5: {SIZE}"),
        (lambda: fragment(True), f"fragment(): size=True: {SIZE}"),
        (
            lambda: latency(after=delivery),
            "latency(): after=delivery: forgotten parentheses: write after=delivery(3)",
        ),
        (
            lambda: stall(before=seconds(1)),
            "stall(): before=seconds(1): nothing can be held before a time; write after=seconds(1)",
        ),
    ],
)
def test_wrong_arguments(call, line):
    """A wrong argument is one line that names it and says what is right."""
    with pytest.raises(UsageError) as raised:
        call()
    assert str(raised.value) == line


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        (baseline(), "baseline() has no fault to combine"),
        (combine(stall(), latency()), "name its faults instead: stall(), latency()"),
    ],
)
def test_a_scenario_is_no_part_of_another(inner, said):
    """What is in it can be said instead."""
    with pytest.raises(UsageError) as caught:
        combine(inner, stall())
    assert str(caught.value) == f"combine(): a scenario within another one: {said}"
