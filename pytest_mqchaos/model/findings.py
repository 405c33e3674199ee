"""Findings: what a check says about a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["FINDING_KINDS", "HAZARD_KINDS", "Finding", "Hazard", "Verdict", "worst"]

Verdict = Literal["pass", "unknown", "fail"]

FINDING_KINDS = (
    "lost",
    "persistence_loss",
    "stranded",
    "duplicated",
    "redelivered",
    "unacknowledged",
    "stalled",
    "acked_before_effect",
    "requeue_storm",
    "poison_stuck",
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
"""Every kind of finding, in the order of a report. Each is a Python name and an attribute of the account."""

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
