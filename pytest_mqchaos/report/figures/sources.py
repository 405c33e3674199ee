"""The sources of effects: what each showed, of how many messages that it concerns."""

from __future__ import annotations

from typing import Any

from pytest_mqchaos.model.ledger import Ledger

__all__ = ["sources"]


def sources(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the sources, those that the test named first; one without a name of its own is the probe's files."""
    sourcing = ledger.sourcing
    return [_source(ledger, name) for name in sourcing.names]


def _source(ledger: Ledger, name: str) -> dict[str, Any]:
    known = ledger.sourcing.known(name)
    several = ledger.sourcing.several
    wanted = effects = messages = missing = doubled = 0
    for record in ledger.records.values():
        count = record.effects_from.get(name, 0)
        effects += count
        messages += count > 0
        if record.good and record.ok and (not several or name in record.concern):
            wanted += 1
            missing += count < record.message.expect
            doubled += count > record.message.expect
    return {
        "name": name,
        "kind": "probe" if known is None else known.kind,
        "of": None if known is None else known.of,
        "effects": effects,
        "messages": messages,
        "wanted": wanted,
        "missing": missing,
        "doubled": doubled,
    }
