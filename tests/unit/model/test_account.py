"""The account: these findings over these events give exactly this verdict, these sequences, this text."""

from __future__ import annotations

from account_builders import acked, case, confirmed, delivered, done, ms, name, published, workload

from pytest_mqchaos.model.account import Account
from pytest_mqchaos.model.events import ConsumerEnded, ConsumerStarted, FaultArmed, FaultFired
from pytest_mqchaos.model.faults import consumer_crash
from pytest_mqchaos.model.findings import Finding
from pytest_mqchaos.model.triggers import ack

CRASH = consumer_crash(after=ack(17))
AGAIN = "pytest 'tests/test_orders.py::test_orders[consumer_crash-after-ack-17]' --mqchaos-seed=4711"
LOST = Finding(
    kind="lost",
    detail="by_consumer",
    messages=(name(17),),
    claim="lost by the consumer: its ack reached the broker, its work was never done",
    cause="consumer_crash(after=ack(17))",
    mend="acknowledge after the work",
    fault=0,
    violation=True,
)


def one_lost() -> Account:
    """Return the account of the example that the documents show."""
    events = [event for n in range(1, 17) for event in done(n)]
    events = [
        FaultArmed(at=ms(-5), fault=0, description=str(CRASH)),
        ConsumerStarted(at=ms(-4), consumer="worker", pid=100),
        *events,
        published(17, 412),
        confirmed(17, 413),
        delivered(17, 431),
        acked(17, 431.2, effect_seen=False),
        FaultFired(
            at=ms(432.9), fault=0, description=str(CRASH), target="worker", message=name(17), actor="signal"
        ),
        ConsumerEnded(at=ms(433), consumer="worker", pid=100, exit_code=-9, by="fault", restarts=True),
        ConsumerStarted(at=ms(434), consumer="worker", pid=101),
        *(event for n in range(18, 201) for event in done(n, 500)),
    ]
    return Account(
        case(events, workload(200), faults=(CRASH,)),
        [LOST],
        [],
        allow=(),
        strict=False,
        seed=4711,
        timings={},
        again=AGAIN,
        scenario=CRASH.id,
    )


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


def test_the_repr_of_a_sequence_is_one_line() -> None:
    """`assert not account.lost` shows which messages, and of how many."""
    assert repr(one_lost().lost) == "<lost: 1 of 200: orders-k3f9-000017>"
