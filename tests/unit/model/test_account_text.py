"""The account in words: these findings over these events give exactly this text."""

from __future__ import annotations

from dataclasses import replace

import pytest
from account_builders import (
    AGAIN,
    UNKNOWN,
    VACUOUS,
    account,
    case,
    delivered,
    done,
    found,
    name,
    one_lost,
    workload,
)

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.account import Account, Delivery
from pytest_mqchaos.model.findings import Finding, Hazard


def test_a_lost_message_reads_as_the_documents_show() -> None:
    """The failure block of the documents comes out letter by letter."""
    assert one_lost().text(summary=True) == "\n".join(
        [
            "lost: 1 of 200 messages",
            "  orders-k3f9-000017 lost by the consumer: its ack reached the broker, its work was never done",
            "     0.412  published, confirmed",
            "     0.431  delivered to worker (tag 17)",
            "     0.431  acknowledged by worker         <- before its effect",
            "     0.433  worker killed                  <- consumer_crash(after=ack(17))",
            '  mend: acknowledge after the work. To allow just this: allow=("lost:by_consumer",)',
            f"  again: {AGAIN}",
        ]
    )


@pytest.mark.parametrize(
    ("findings", "summary"),
    [
        ([], "200 messages, 200 effected: at-least-once"),
        ([found("lost", 1)], "lost: 1 of 200 messages"),
        ([found("lost", 1), found("lost", 2, detail="by_policy")], "lost: 2 of 200 messages"),
        (
            [found("stalled", count=37), found("lost", 1)],
            "lost: 1 of 200 messages; stalled: 37 of 200 messages",
        ),
        ([found("stalled", claim="nobody consumes `orders`")], "stalled: nobody consumes `orders`"),
        ([found("stalled", count=900)], "stalled: 900 messages"),
        ([found("unexpected", 900)], "unexpected: 1 message"),
        ([UNKNOWN], "unknown: lost: 1 of 200 messages cannot be judged"),
        ([found("lost", unknown=True, claim="check: boom")], "unknown: lost cannot be judged: check: boom"),
        ([VACUOUS], "vacuous: consumer_crash(after=ack(900)) never struck"),
        (
            [VACUOUS, found("lost", 1)],
            "lost: 1 of 200 messages; vacuous: consumer_crash(after=ack(900)) never struck",
        ),
        ([found("duplicated", 1, violation=False)], "200 messages, 200 effected: at-least-once"),
    ],
)
def test_the_summary_is_one_line(findings: list[Finding], summary: str) -> None:
    """What stands behind `FAILED ... - ` names kinds and numbers, in the order of a report."""
    assert account(*findings).summary == summary


def test_the_summary_counts_poison_among_poison() -> None:
    """A finding about poison is of the poison messages, one about losses of the good ones."""
    judged = account(found("poison_stuck", 201), found("lost", 1), found("dead_letter_miss", 202), poison=20)

    assert judged.summary == (
        "lost: 1 of 200 messages; poison_stuck: 1 of 20 poison messages; dead_letter_miss: 1 of 220 messages"
    )


def test_a_pass_by_the_brokers_view_says_so() -> None:
    """Where an ack counts as work, summary and text say whose view it is."""
    judged = account(evidence="broker")

    assert judged.summary == "200 messages, 200 effected: at-least-once (broker's view)"
    assert judged.text() == "  broker's view: an acknowledged message counts as worked on"


def test_what_is_allowed_is_reported() -> None:
    """An allowed violation keeps its place in the account, with its reason; what met nothing is named."""
    judged = account(
        found("duplicated", 1, 2),
        allow=(("duplicated", "the ledger deduplicates"), ("lost:by_policy", "")),
        hazards=[Hazard(kind="auto_ack", claim="automatic ack")],
    )

    assert (
        judged.summary == "200 messages, 200 effected: at-least-once; allowed: duplicated: 2 of 200 messages"
    )
    assert judged.unmatched_allow == ("lost:by_policy",)
    assert [each.allowed for each in judged.findings] == ["the ledger deduplicates"]
    assert judged.text() == "\n".join(
        [
            "  allowed (the ledger deduplicates): duplicated: 2 of 200 messages",
            "  hazard: automatic ack",
            '  allow names "lost:by_policy", which this run did not find',
        ]
    )


def test_a_hazard_can_be_allowed() -> None:
    """A hazard that is named in `allow` is matched, and is not in the text."""
    judged = account(
        hazards=[Hazard(kind="auto_ack", claim="automatic ack", consumer="worker")], allow=(("auto_ack", ""),)
    )

    assert (judged.unmatched_allow, judged.text()) == ((), "")


def test_a_hazard_on_a_clean_run_is_named_with_its_mend() -> None:
    """A run that passes says what a fault would turn into a finding; one that is proved needs no line."""
    early = Hazard(
        kind="acked_before_effect",
        claim="200 of 200 acks came before their effect",
        consumer="worker",
        mend="acknowledge after the work",
    )

    assert account(hazards=[early]).text() == (
        "  hazard: 200 of 200 acks came before their effect (worker); mend: acknowledge after the work"
    )
    assert account(hazards=[replace(early, confirmed=True)]).text() == ""


def test_many_messages_show_five_lives_and_the_way_out_once() -> None:
    """Each finding shows its first lives, how many more there are, its cause and how to allow just it."""
    judged = account(
        found(
            "lost",
            *range(1, 43),
            detail="by_policy",
            claim="lost by policy",
            cause="a limit",
            mend="raise it.",
        ),
        again="pytest 'x'",
    )
    lines = judged.text().splitlines()

    assert [line for line in lines if line.startswith("  orders")] == [
        f"  {name(n)} lost by policy" for n in range(1, 6)
    ]
    assert lines[-4:] == [
        "  ... and 37 more (see the report)",
        "  cause: a limit",
        '  mend: raise it. To allow just this: allow=("lost:by_policy",)',
        "  again: pytest 'x'",
    ]
    assert len(lines) == 5 * 5 + 4


def test_a_life_is_shown_once() -> None:
    """A message with two findings has its life under the first of them."""
    lines = account(found("poison_stuck", 1), found("requeue_storm", 1)).text().splitlines()

    assert lines[6:8] == [
        "  orders-k3f9-000001 poison_stuck in some way (its life stands above)",
        '  To allow just this: allow=("poison_stuck",)',
    ]


def test_messages_whose_lives_were_shown_share_a_line() -> None:
    """Of three messages with two findings the second finding names all three at once."""
    lines = account(found("poison_stuck", 1, 2, 3), found("requeue_storm", 1, 2)).text().splitlines()

    assert lines[11] == "  orders-k3f9-000003 poison_stuck in some way"
    assert (
        lines[16] == "  orders-k3f9-000001, orders-k3f9-000002 poison_stuck in some way (lives stand above)"
    )


def test_a_finding_without_messages_is_one_line() -> None:
    """What is about no message begins with its own name, and with its number where it has one."""
    judged = account(found("stalled", count=37, claim="nobody consumes `orders`", mend="name the queue"))

    assert judged.text() == "\n".join(
        [
            "  stalled: 37 messages: nobody consumes `orders`",
            '  mend: name the queue. To allow just this: allow=("stalled",)',
        ]
    )


def test_unknown_says_what_makes_it_known() -> None:
    """What cannot be judged says why, about which messages, and what to do; not how to allow a loss."""
    judged = account(replace(UNKNOWN, messages=(name(1), name(2))), found("stalled", unknown=True))

    assert judged.text() == "\n".join(
        [
            "  orders-k3f9-000001 cannot be seen",
            "  ... and 1 more (see the report)",
            "  mend: name a source",
            "  stalled cannot be judged: stalled in some way",
        ]
    )


def test_what_cannot_be_judged_is_told_once() -> None:
    """Where the summary has said all of it, no line below says it again."""
    judged = account(
        found("stalled", detail="unsettled", unknown=True, claim="it could not be settled: boom")
    )
    assert judged.text(summary=True) == "unknown: stalled cannot be judged: it could not be settled: boom"
    assert judged.text() == "  stalled:unsettled cannot be judged: it could not be settled: boom"


def test_a_vacuous_run_says_what_was_seen_instead() -> None:
    """A run that proves nothing says so, and nothing allows it."""
    assert account(VACUOUS).text() == "\n".join(
        [
            "  this run proves nothing: consumer_crash(after=ack(900)) never struck",
            "  cause: there were 200 acks",
        ]
    )


def test_notes_are_shown_up_to_ten() -> None:
    """What else a reader should know has a line each, and a cap."""
    lines = account(notes=[f"note {n}" for n in range(12)]).text().splitlines()

    assert (lines[0], lines[-1], len(lines)) == (
        "  note: note 0",
        "  ... and 2 notes more (see the report)",
        11,
    )


def test_a_storm_is_cut_in_the_text() -> None:
    """The life of a message that goes round for ever shows its beginning and its end."""
    storm = [delivered(1, 900 + n, tag=n) for n in range(1000)]
    lines = account(found("requeue_storm", 1), events=storm).text().splitlines()

    assert len(lines) == 1 + 16 + 1
    assert "       ...  989 steps more" in lines


def test_explain_tells_the_whole_life() -> None:
    """A message is explained by id, number, key or life, with every finding about it."""
    judged = account(
        found("redelivered", 3, violation=False, claim="delivered twice", cause="connection_drop()"),
        hazards=[Hazard(kind="auto_ack", claim="automatic ack", messages=(name(3),))],
    )
    told = "\n".join(
        [
            "orders-k3f9-000003",
            '  body: {"order":3}',
            "     0.000  published, confirmed",
            "     0.002  delivered to worker (tag 3)",
            "     0.003  effect seen (orders.log)",
            "     0.004  acknowledged by worker",
            "  redelivered (information): delivered twice",
            "  cause: connection_drop()",
            "  hazard: automatic ack (1 of 200 messages)",
        ]
    )

    assert judged.explain(3) == told
    assert judged.explain(name(3)) == told
    assert judged.explain(judged.published[2]) == told


def test_explain_says_what_a_message_is() -> None:
    """Poison and its kind, the application's key, and an id that was never published are named."""
    stray = replace(delivered(900, 900), message="orders-zzzz-000001")
    messages = workload(1, 1)
    messages[name(1)] = replace(messages[name(1)], key="A-1")
    judged = Account(case([*done(1), stray], messages), [], [])

    assert judged.explain("A-1").startswith("orders-k3f9-000001 (key A-1)\n")
    assert judged.explain(2) == "orders-k3f9-000002 (poison truncated)\n  body: {\n  nothing was seen of it"
    assert judged.explain("orders-zzzz-000001").startswith(
        "orders-zzzz-000001 (never published in this run)\n"
    )


def test_explain_of_nothing_is_one_line() -> None:
    """A message that the run does not know is an error that says so."""
    with pytest.raises(UsageError, match=r"^explain\(999\): no such message in this run of 200$"):
        account().explain(999)


def test_the_repr_of_an_account_is_one_line() -> None:
    """The verdict and why."""
    assert repr(account(found("lost", 1))) == "<account: fail: lost: 1 of 200 messages>"
    assert Delivery is Account


def test_hostile_findings_stay_on_their_lines() -> None:
    """Whatever a broker, body or URL put into a claim, the account is printable and keeps secrets."""
    bad = "a\x1b[31m\nb\u202e amqp://guest:secret@host/"
    judged = account(
        replace(found("lost", 1), claim=bad, cause=bad, mend=bad, messages=(bad,)),
        hazards=[Hazard(kind="auto_ack", claim=bad, consumer=bad, mend=bad)],
        notes=[bad],
        again=bad,
        allow=((bad, bad),),
    )

    for shown in (judged.summary, repr(judged), repr(judged.lost), *judged.text().splitlines()):
        assert shown.isprintable()
        assert "secret" not in shown


def test_a_mend_that_asks_keeps_its_question_mark() -> None:
    """A sentence that is closed already gets no full stop."""
    judged = account(found("stalled", claim="nobody consumes", mend="is `oders` a misspelt `orders`?"))

    assert judged.text().splitlines()[1] == (
        '  mend: is `oders` a misspelt `orders`? To allow just this: allow=("stalled",)'
    )
