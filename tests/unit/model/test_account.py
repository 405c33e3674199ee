"""The account: these findings over these events give this verdict, these sequences, these numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from account_builders import (
    CRASH,
    PUBLISHER,
    UNKNOWN,
    VACUOUS,
    account,
    acked,
    case,
    confirmed,
    delivered,
    done,
    found,
    ms,
    name,
    one_lost,
    published,
    workload,
)

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import (
    Claimed,
    ConsumerEnded,
    Event,
    FaultArmed,
    FaultFired,
    FaultHealed,
    Rejected,
    Rested,
    Returned,
    SettleEnded,
)
from pytest_mqchaos.model.faults import connection_drop, consumer_crash
from pytest_mqchaos.model.findings import FINDING_KINDS, Finding, Hazard
from pytest_mqchaos.model.sequences import FaultRecord, Messages
from pytest_mqchaos.model.triggers import ack, delivery


def test_the_repr_of_a_sequence_is_one_line() -> None:
    """`assert not account.lost` shows which messages, and of how many."""
    assert repr(one_lost().lost) == "<lost: 1 of 200: orders-k3f9-000017>"


@pytest.mark.parametrize(
    ("findings", "allow", "strict", "verdict", "failed"),
    [
        ([], (), True, "pass", False),
        ([found("duplicated", 1, violation=False)], (), True, "pass", False),
        ([found("lost", 1)], (), False, "fail", True),
        ([found("lost", 1)], (("lost", ""),), True, "fail", False),
        ([found("lost", 1, detail="by_policy")], (("lost:by_policy", ""),), True, "fail", False),
        ([found("lost", 1, detail="by_consumer")], (("lost:by_policy", ""),), True, "fail", True),
        ([found("lost", 1), found("stalled", 2)], (("lost", ""),), True, "fail", True),
        ([found("lost", 1), found("stalled", 2)], (("*", ""),), True, "fail", False),
        ([UNKNOWN], (), False, "unknown", False),
        ([UNKNOWN], (), True, "unknown", True),
        ([UNKNOWN], (("*", ""),), True, "unknown", False),
        ([UNKNOWN], (("lost", ""),), True, "unknown", False),
        ([found("lost", 1, unknown=True, violation=False)], (), True, "pass", False),
        ([VACUOUS], (), False, "unknown", True),
        ([VACUOUS], (("*", ""), ("vacuous", "")), False, "unknown", True),
        ([VACUOUS, found("lost", 1)], (), False, "fail", True),
        ([VACUOUS, found("lost", 1)], (("lost", ""),), False, "fail", True),
        ([UNKNOWN, found("stalled", 1)], (), False, "fail", True),
        ([UNKNOWN, found("stalled", 1)], (("stalled", ""),), False, "fail", False),
    ],
)
def test_verdict_and_failure(
    findings: list[Finding], allow: tuple[tuple[str, str], ...], strict: bool, verdict: str, failed: bool
) -> None:
    """The verdict follows from the guarantee alone, the failure from `allow` and strict too; vacuous always fails."""
    judged = account(*findings, allow=allow, strict=strict)

    assert (judged.verdict, judged.failed) == (verdict, failed)


def ended_life(finding: Finding, *events: Event) -> list[str]:
    """Return the life of message 1, which was lost as the finding says, as `text <- note` lines."""
    whole = [published(1), confirmed(1), *events, SettleEnded(at=ms(900), settled=True)]
    made = Account(case(whole, workload(2), faults=(CRASH,)), [finding], [])
    return [f"{step.text} {step.margin}".rstrip() for step in made.lives[name(1)].events]


@pytest.mark.parametrize("fault", [None, 0])
def test_a_life_ends_where_its_message_was_let_go(fault: int | None) -> None:
    """A crash long after the ack is in the life of a message that was lost by it, and of no other that was lost."""
    lost = found("lost", 1, detail="by_consumer", fault=fault)
    life = ended_life(
        lost,
        delivered(1, 60),
        acked(1, 70, effect_seen=False),
        *done(2, 80),
        FaultFired(at=ms(225), fault=0, description=str(CRASH), target="worker", message=name(2)),
        ConsumerEnded(at=ms(226), consumer="worker", pid=1, exit_code=-9, by="fault"),
    )

    assert life == [
        "published, confirmed",
        "delivered to worker (tag 1)",
        "acknowledged by worker <- before its effect",
        "no effect until the end" if fault is None else f"worker killed <- {CRASH}",
    ]


def test_a_process_that_ended_by_itself_stays_in_the_life() -> None:
    """No fault explains that loss, and the end of the process does."""
    exit_code = ConsumerEnded(at=ms(71), consumer="worker", pid=1, exit_code=3, by="itself")
    life = ended_life(found("lost", 1, detail="by_consumer"), delivered(1, 60), acked(1, 70), exit_code)

    assert life[-2:] == ["worker ended by itself (exit code 3)", "no effect until the end"]


def test_what_a_policy_took_away_has_an_end() -> None:
    """A queue drops without a frame: the life of what it dropped says so at its end."""
    claim = "lost by policy: `orders` holds at most 3 messages and dead-letters them nowhere"

    assert ended_life(found("lost", 1, detail="by_policy", claim=claim)) == [
        "published, confirmed",
        "no queue holds it any more <- orders holds at most 3 messages",
    ]


def test_what_was_rejected_has_its_end_already() -> None:
    """The reject is the last step of its life: what became of it the finding says."""
    rejected = Rejected(
        at=ms(70), link="worker", connection=2, channel=1, message=name(1), tag=1, requeue=False
    )
    life = ended_life(
        found("lost", 1, detail="by_policy", claim="lost by policy: x"), delivered(1, 60), rejected
    )

    assert life[-1] == "rejected by worker (reject without requeue)"


def test_every_kind_of_finding_is_an_attribute() -> None:
    """Each kind gives its messages by name, an empty sequence where nothing was found."""
    for kind in FINDING_KINDS:
        empty: Messages = getattr(account(), kind)
        assert (len(empty), bool(empty)) == (0, False)
        assert len(getattr(account(found(kind, 3)), kind)) == 1


def test_the_findings_of_one_kind_are_one_sequence() -> None:
    """Details are joined, in the order of the messages' numbers, each message once."""
    judged = account(found("lost", 9, 3, detail="by_policy"), found("lost", 3, 4, detail="by_consumer"))

    assert judged.lost.numbers == (3, 4, 9)


def test_strangers_stand_behind_the_messages() -> None:
    """An id that nobody published has no place among their numbers."""
    strange = replace(found("unexpected", 1), messages=("x-k3f9-000001", name(4), name(2)))
    assert [*account(strange).unexpected.ids] == [name(2), name(4), "x-k3f9-000001"]


def test_what_was_only_said_to_be_sent_counts_among_what_may_be_lost() -> None:
    """Of 23 messages that a publisher said it sent, 20 were published: three are lost of 23, not of 20."""
    messages = workload(23)
    events = [event for n in range(1, 21) for event in done(n)]
    claims = [Claimed(at=ms(9), message=name(n), producer="billing", name=f"o-{n}") for n in range(1, 24)]
    judged = Account(case([*events, *claims], messages), [found("lost", 21, 22, 23)], [])
    assert judged.summary == "lost: 3 of 23 messages"
    assert repr(judged.lost).startswith("<lost: 3 of 23: ")
    assert judged.counts["published"] == judged.total("duplicated") == 20


def test_the_messages_of_a_hazard_are_in_the_sequence_of_its_kind() -> None:
    """`assert not account.acked_before_effect` asserts what a clean run only warns of; each message is there once."""
    early = Hazard(kind="acked_before_effect", claim="acks came first", messages=(name(3), name(4)))
    assert account(found("acked_before_effect", 3), hazards=[early]).acked_before_effect.ids == (
        name(3),
        name(4),
    )
    assert account(hazards=[early]).counts["lost"] == 0


def test_what_cannot_be_judged_is_not_in_the_sequence() -> None:
    """An unknown loss is no loss: `assert not account.lost` holds, and the verdict says unknown."""
    assert not account(UNKNOWN).lost
    assert account(UNKNOWN).counts["lost"] == 0


def test_a_finding_that_names_no_message_is_true_all_the_same() -> None:
    """`assert not account.stalled` fails where messages were counted that nobody can name."""
    stalled = account(found("stalled", count=37)).stalled

    assert bool(stalled)
    assert repr(stalled) == "<stalled: 37 of 200>"
    assert bool(account(VACUOUS).vacuous)


def test_sequences_compare_with_ids_and_numbers() -> None:
    """A test may say which messages it expects by id, number or life, in order or as a set."""
    lost = account(found("lost", 3, 17, 40)).lost

    assert lost == [3, 17, 40]
    assert lost == (name(3), 17, name(40))
    assert lost == {40, 17, 3}
    assert lost == {name(3), name(17), 40}
    assert lost == account(found("lost", 3, 17, 40)).lost
    assert lost != [17, 3, 40]
    assert lost != [3, 17]
    assert lost != {3, 17}
    assert lost != "orders"
    assert account().lost == []
    assert (17 in lost, name(17) in lost, lost[1] in lost, 18 in lost) == (True, True, True, False)
    assert (lost[0].id, lost[-1].number, lost[:2] == [3, 17]) == (name(3), 40, True)


def test_a_long_sequence_shows_its_first_five() -> None:
    """The repr stays one line, however many there are."""
    lost = account(found("lost", *range(1, 43))).lost

    assert repr(lost) == (
        "<lost: 42 of 200: orders-k3f9-000001, orders-k3f9-000002, orders-k3f9-000003, orders-k3f9-000004, "
        "orders-k3f9-000005, ... and 37 more>"
    )
    assert repr(account().lost) == "<lost: 0 of 200>"


def test_states_are_sequences_too() -> None:
    """Published, confirmed, effected and dead-lettered are the messages that were seen so."""
    rested = Rested(at=ms(900), message=name(201), queue="orders.dead", death_reason="rejected")
    returned = Returned(at=ms(900), message=name(200), **PUBLISHER)
    parked = Rested(at=ms(900), message=name(5), queue="orders.parked")
    judged = account(poison=1, events=[rested, returned, parked])

    assert (len(judged.published), len(judged.effected)) == (201, 201)
    assert name(200) not in judged.confirmed
    assert judged.dead_lettered == [201]
    assert account(events=[parked], dead_letters=frozenset({"orders.parked"})).dead_lettered == [5]


def test_a_dead_letter_queue_that_is_read_counts_as_well() -> None:
    """Where a named dead-letter queue has a consumer of its own, its deliveries show what arrived."""
    read = delivered(5, 900, queue="orders.dead", link="undertaker", connection=7)

    assert account(events=[read], dead_letters=frozenset({"orders.dead"})).dead_lettered == [5]


def test_counts_join_the_losses() -> None:
    """`counts.lost` has both losses in it; the other numbers are those of the sequences."""
    judged = account(
        found("lost", 1), found("persistence_loss", 2), found("duplicated", 3, violation=False), poison=2
    )

    assert judged.counts == {
        "published": 202,
        "confirmed": 202,
        "effected": 202,
        "lost": 2,
        "duplicated": 1,
        "redelivered": 0,
        "unacknowledged": 0,
        "dead_lettered": 0,
        "poison": 2,
    }


def test_the_faults_of_a_run() -> None:
    """Each fault has a record: what it is, whether it was armed, when it struck, on whom, and when all was whole."""
    drop, crash = connection_drop(after=delivery(3)), consumer_crash(after=ack(900), consumer="worker")
    judged = account(
        faults=(drop, crash),
        events=[
            FaultArmed(at=ms(1), fault=0, description=str(drop)),
            FaultArmed(at=ms(1), fault=1, description=str(crash)),
            FaultFired(at=ms(500), fault=0, description=str(drop), target="worker", message=name(3),
                       actor="toxiproxy", trigger="delivery 3"),
            FaultHealed(at=ms(700), fault=0),
        ],
    )  # fmt: skip

    assert judged.faults == (
        FaultRecord(
            kind="connection_drop",
            description="connection_drop(after=delivery(3))",
            target="worker",
            armed=True,
            fired=True,
            changed=True,
            at=0.5,
            healed=0.7,
            strikes=1,
            message=name(3),
            trigger="delivery 3",
            actor="toxiproxy",
        ),
        FaultRecord(
            kind="consumer_crash",
            description="consumer_crash(after=ack(900), consumer='worker')",
            target="worker",
            armed=True,
        ),
    )


def test_a_fault_by_hand_is_known_from_its_events() -> None:
    """What was injected by hand and is not among the case's faults has a record as well."""
    judged = account(
        events=[FaultFired(at=ms(5), fault=0, description="refuse()", target="worker", changed=False)]
    )

    assert [(each.kind, each.fired, each.changed) for each in judged.faults] == [("refuse", True, False)]
