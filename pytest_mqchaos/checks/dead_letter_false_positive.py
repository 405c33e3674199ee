"""Dead-letter false positive: a good message rests in a terminal dead-letter queue.

One whose every try was meant to fail, at a service of ours, is not: it got fewer tries than it needed, which is the
consumer's choice; it is reported all the same. Nor is one that is to have no effect (`expect=0`) in a queue that the
test named: that is where a message ends whose work cannot be done. But what a filter ignores is acknowledged; where
there are such messages, one that was given up without a cause stands out.
"""

from __future__ import annotations

from pytest_mqchaos.checks.answers import Answers
from pytest_mqchaos.checks.causes import return_cause
from pytest_mqchaos.checks.grouping import Groups, Reason
from pytest_mqchaos.checks.whereabouts import Whereabouts
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.copies import Copy, Record
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find good messages among the dead letters, by the reason that they were put there for."""
    groups = Groups(case, "dead_letter_false_positive")
    answers = Answers(case)
    ignored = _ignored(case)
    where: Whereabouts | None = None
    for record in case.ledger.records.values():
        if not record.good:
            continue
        for copy in record.copies:
            if copy.state == "resting":
                where = where or Whereabouts(case)
                died = copy.death_reason is not None and not _published(record, copy)
                if died or copy.queue in where.roles.dead_letter_queues:
                    meant = not record.message.expect and copy.queue in case.dead_letters
                    meant = meant and (not ignored or bool(answers.refusal(record.id)))
                    groups.add(_reason(case, answers, record, copy, meant=meant), record.id)
    return groups.findings()


def _ignored(case: Case) -> bool:
    """Whether there are messages that are to have no effect and were acknowledged: what a filter does with them."""
    return any(
        record.good and not record.message.expect and record.accepted
        for record in case.ledger.records.values()
    )


_BY_BROKER = ("rejected", "delivery_limit", "expired", "maxlen")
"""RabbitMQ's reasons; any other header of that name is a program's own."""


def _published(record: Record, copy: Copy) -> bool:
    """Whether the application published it there: one that hands headers on hands on those of older deaths too."""
    return any(
        one.routing_key == copy.queue and not one.exchange and one.passed and one.deaths == copy.deaths
        for one in record.republications
    )


def _reason(case: Case, answers: Answers, record: Record, copy: Copy, *, meant: bool) -> Reason:
    died = copy.death_reason in _BY_BROKER and not _published(record, copy)
    detail = str(copy.death_reason) if died else "published"
    source = f"`{copy.death_queue}`" if copy.death_queue else "its queue"
    cause, fault, mend = answers.refusal(record.id), None, ""
    if detail == "rejected":
        rejected = [one for one in record.deliveries if one.settlement == "dropped"]
        who = rejected[-1].link if rejected else "a consumer"
        words = f"rejected by {who}"
        mend = "reject only what can never be processed; requeue or retry what failed for a while"
    elif detail == "delivery_limit":
        words = f"given up by {source} after too many returns"
        returned = [one for one in record.deliveries if one.returned]
        if returned and not cause:
            cause, fault = return_cause(case, returned[-1])
    elif detail == "expired":
        words = f"expired in {source}"
    elif detail == "maxlen":
        words = f"pushed out of {source}, which was full"
    else:
        words = "published there by the application"
    claim = f"good, and at rest in the dead-letter queue `{copy.queue}`: {words}"
    if meant:
        return Reason(detail=detail, claim=f"{claim}; expect=0 says that it is to have no effect", cause=cause,
                      information=True)  # fmt: skip
    if early := answers.given_up_early(record.id):
        return Reason(detail="given_up", claim=f"{claim}; {early}", cause=cause,
                      mend="try more often, if that is too early", information=True)  # fmt: skip
    return Reason(detail=detail, claim=claim, cause=cause, fault=fault, mend=mend)
