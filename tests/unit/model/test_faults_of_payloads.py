"""Payload faults: what they say of themselves, and the line that a wrong argument gets."""

import pytest

import pytest_mqchaos
from pytest_mqchaos import UsageError, combine, malformed_payload, repeated_publish
from pytest_mqchaos.model.faults import DEBATABLE_KINDS, UNREADABLE_KINDS


@pytest.mark.parametrize(
    ("fault", "identity", "text"),
    [
        (repeated_publish(), "repeated_publish", "repeated_publish()"),
        (repeated_publish(share=0.1), "repeated_publish", "repeated_publish()"),
        (repeated_publish(share=1), "repeated_publish-share-1", "repeated_publish(share=1.0)"),
        (repeated_publish(share=0.25, name="retries"), "retries", "repeated_publish(share=0.25)"),
        (
            malformed_payload(kinds="oversize"),
            "malformed_payload-kinds-oversize",
            "malformed_payload(kinds=('oversize',))",
        ),
        (
            malformed_payload(kinds=["empty", "nul_bytes"]),
            "malformed_payload-kinds-empty+nul_bytes",
            "malformed_payload(kinds=('empty', 'nul_bytes'))",
        ),
    ],
)
def test_ids_and_texts(fault, identity, text):
    """The id holds what differs from the defaults; the text is what a user would write."""
    assert (fault.id, str(fault), fault.family) == (identity, text, "payload")


def test_guarantee_and_allow():
    """A fault's own guarantee and allowances go with it into a scenario."""
    fault = repeated_publish(guarantee="exactly-once", allow={"duplicated": "known"})
    assert str(fault.guarantee) == "exactly-once"
    assert fault.allow == (("duplicated", "known"),)
    assert combine(malformed_payload(), fault).id == "malformed_payload+repeated_publish"
    assert combine(fault).guarantee == fault.guarantee


def test_it_is_public():
    """It is imported from the package, and is none without its parentheses."""
    assert pytest_mqchaos.repeated_publish is repeated_publish
    assert "repeated_publish" in pytest_mqchaos.__all__


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: repeated_publish(share=0), "repeated_publish(): share=0: a number above 0, at most 1"),
        (lambda: repeated_publish(share=1.01), "repeated_publish(): share=1.01: a number above 0, at most 1"),
        (
            lambda: repeated_publish(share="all"),
            "repeated_publish(): share='all': a number above 0, at most 1",
        ),
        (lambda: repeated_publish(0.5), "repeated_publish(): takes keyword arguments only, got 0.5"),
        (
            lambda: repeated_publish(len),
            "repeated_publish(): forgotten parentheses: write repeated_publish(), not repeated_publish",
        ),
        (
            lambda: repeated_publish(name="a b"),
            "repeated_publish(): name='a b': letters, digits and _ . + - only",
        ),
        (
            lambda: malformed_payload(kinds=["empty", "rotten"]),
            "malformed_payload(): kinds='rotten': one of " + ", ".join(UNREADABLE_KINDS + DEBATABLE_KINDS),
        ),
        (
            lambda: malformed_payload(kinds=[]),
            "malformed_payload(): kinds=(): name at least one kind, or leave it out for all",
        ),
    ],
)
def test_wrong_arguments(call, line):
    """Fault, argument and value stand in one line."""
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value) == line
