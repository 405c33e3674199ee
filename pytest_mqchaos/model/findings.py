"""Findings: what a check says about a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["DETAILS", "FINDING_KINDS", "HAZARD_KINDS", "Finding", "Hazard", "Verdict", "worst"]

Verdict = Literal["pass", "unknown", "fail"]

FINDING_KINDS = (
    "lost",
    "persistence_loss",
    "stranded",
    "duplicated",
    "redelivered",
    "requeue_storm",
    "poison_stuck",
    "unacknowledged",
    "stalled",
    "acked_before_effect",
    "poison_effected",
    "dead_letter_miss",
    "dead_letter_false_positive",
    "unexpected",
    "corrupted",
    "illegal_transition",
    "reordered",
    "late",
    "prefetch_breach",
    "failover_miss",
    "retry_schedule",
    "overflow",
    "blind",
    "vacuous",
)
"""Every kind of finding, in the order of a report: what goes round stands before what waits behind it.

Each is a Python name and an attribute of the account.
"""

DETAILS: dict[str, tuple[str, ...]] = {
    "lost": ("by_consumer", "by_broker", "by_publisher", "by_policy", "in_transit", "nothing_shows"),
    "persistence_loss": ("by_declaration", "by_broker"),
    "duplicated": ("by_consumer", "by_redelivery", "by_copies", "by_publisher", "by_broker", "not_back"),
    "redelivered": ("explained", "unexplained"),
    "unacknowledged": ("leaked", "hung", "zombie"),
    "stalled": (
        "nobody_consumes",
        "not_reconnected",
        "not_consuming",
        "consumer_ended",
        "behind_unacknowledged",
        "silent",
        "waiting_room",
        "stream",
        "unsettled",
    ),
    "acked_before_effect": ("confirmed",),
    "poison_stuck": ("head_of_line", "crash_loop", "limit"),
    "poison_effected": ("accepted",),
    "dead_letter_miss": (
        "dropped",
        "no_target",
        "wrong_queue",
        "wrong_reason",
        "altered",
        "twice",
        "effected_too",
        "perhaps_accepted",
    ),
    "dead_letter_false_positive": (
        "rejected",
        "delivery_limit",
        "expired",
        "maxlen",
        "published",
        "given_up",
    ),
    "corrupted": ("headers", "own_copy"),
    "illegal_transition": ("settled", "returned"),
    "reordered": ("by_consumer", "by_broker", "concurrency", "gone_back"),
    "late": ("in_queue", "in_retry", "in_hand"),
    "prefetch_breach": ("above", "unlimited", "after_reconnect", "by_broker"),
    "failover_miss": ("slow", "never"),
    "retry_schedule": ("early", "late", "too_few", "too_many"),
    "overflow": ("dropped", "dead_lettered", "refused", "not_dead_lettered"),
    "blind": ("lost", "duplicated"),
}
"""What `allow` may name behind a kind, `lost:by_policy`; what a kind has besides is without a detail."""

HAZARD_KINDS = (
    "acked_before_effect",
    "effect_before_ack",
    "auto_ack",
    "double_settlement",
    "late_effect",
    "unlimited_prefetch",
)
"""Every kind of hazard: what was seen on the wire that a fault at the wrong moment turns into a finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One claim about some messages, with its cause.

    `violation` says whether the guarantee counts it; `unknown` that it cannot be judged (then `claim` says why
    and `mend` what would make it judgeable). `allowed` is the reason if the test allows it.
    """

    kind: str
    detail: str = ""
    messages: tuple[str, ...] = ()
    """Ids of the messages it is about, in published order."""
    count: int | None = None
    """How many, where more than `messages` can name (`ready` messages of a stalled queue)."""
    claim: str = ""
    """What happened, as the end of a line that begins with the message: `lost by the consumer: its ack ...`."""
    cause: str = ""
    """The likely cause: the fault that explains it, the policy, the consumer's end."""
    mend: str = ""
    """What to change in the consumer, in a few words."""
    fault: int | None = None
    """The number of the fault that explains it."""
    source: str = ""
    """The source of effects that it was judged by, where there are several."""
    violation: bool = False
    unknown: bool = False
    information: bool = False
    """Whether it breaks no promise, though the guarantee counts findings of its kind."""
    allowed: str | None = None

    @property
    def name(self) -> str:
        """Kind and detail, as `allow` names it: `lost:by_consumer`."""
        return f"{self.kind}:{self.detail}" if self.detail else self.kind

    @property
    def how_to_allow(self) -> str:
        """The narrowest way to allow it. Nothing allows what is vacuous."""
        return "" if self.kind == "vacuous" else f'allow=("{self.name}",)'


@dataclass(frozen=True, slots=True, kw_only=True)
class Hazard:
    """What one run already shows to be fragile, though nothing broke."""

    kind: str
    claim: str
    messages: tuple[str, ...] = ()
    consumer: str = ""
    count: int = 0
    confirmed: bool = False
    """Whether a finding of this run proves it."""
    mend: str = ""


def worst(*verdicts: Verdict) -> Verdict:
    """Return the worst of some verdicts: `pass` < `unknown` < `fail`."""
    if "fail" in verdicts:
        return "fail"
    return "unknown" if "unknown" in verdicts else "pass"
