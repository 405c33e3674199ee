"""Acked before effect, confirmed: a crash between an ack and its work lost the message."""

from __future__ import annotations

from dataclasses import replace

from pytest_mqchaos.checks import lost
from pytest_mqchaos.checks.around_acks import MARKED_FIRST
from pytest_mqchaos.model.case import Case
from pytest_mqchaos.model.findings import Finding

__all__ = ["check"]


def check(case: Case) -> list[Finding]:
    """Find the losses that prove the order; without one it is a hazard."""
    return [
        replace(
            one,
            kind="acked_before_effect",
            detail="confirmed",
            claim="was acknowledged before its effect, and a crash in between lost it",
        )
        for one in lost.check(case)
        if one.detail == "by_consumer"
        and one.fault is not None
        and not one.unknown
        # Who takes for done what was only begun acknowledges after what it takes for the work.
        and MARKED_FIRST not in one.mend
    ]
