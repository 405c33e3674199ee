"""Faults of the payload: messages that are added to the workload, or sent twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from pytest_mqchaos.model.faults.fault import Fault
from pytest_mqchaos.model.faults.making import make, number, reject_positional, usage

__all__ = ["DEBATABLE_KINDS", "UNREADABLE_KINDS", "malformed_payload", "poison_message", "repeated_publish"]

UNREADABLE_KINDS = ("truncated", "empty", "not_json", "invalid_utf8")
"""Kinds of malformed payload that no reader can take for sound."""

DEBATABLE_KINDS = (
    "wrong_type",
    "missing_field",
    "wrong_field_type",
    "null_field",
    "not_a_number",
    "huge_number",
    "duplicate_keys",
    "deep_nesting",
    "nul_bytes",
    "byte_flip",
    "oversize",
    "byte_order_mark",
    "wrong_content_type",
    "wrong_content_encoding",
)
"""Kinds of malformed payload that a consumer may refuse, and may rightly process too."""


def malformed_payload(
    *positional: object,
    share: float = 0.1,
    kinds: Iterable[str] | None = None,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Add malformed messages, made from the test's own body, at seeded places of the workload.

    Args:
        share: of the workload's count, within (0, 1]: `round(share * count)` are added, at least one.
        kinds: any of these. Unreadable: `truncated`, `empty`, `not_json`, `invalid_utf8`. Debatable, since a
            consumer may rightly process them: `wrong_type`, `missing_field`, `wrong_field_type`, `null_field`,
            `not_a_number`, `huge_number`, `duplicate_keys`, `deep_nesting`, `nul_bytes`, `byte_flip`, `oversize`,
            `byte_order_mark`, `wrong_content_type`, `wrong_content_encoding`. By default all that the test's body
            can be made into, each once before any twice; under `poison="dead-letter"` and `"discard"` the
            unreadable ones only.
        name: replaces the fault's id in the test's name.
        guarantee: what is promised under this fault, instead of the marker's.
        allow: findings that are reported and do not fail the test.

    Raises:
        UsageError: if `share` is out of range or a kind unknown.
    """
    __tracebackhide__ = True
    reject_positional("malformed_payload", positional)
    value = number("malformed_payload", "share", share, most=1.0)
    chosen = None if kinds is None else ((kinds,) if isinstance(kinds, str) else tuple(kinds))
    known = UNREADABLE_KINDS + DEBATABLE_KINDS
    for kind in chosen or ():
        if kind not in known:
            usage("malformed_payload", f"kinds={kind!r}: one of {', '.join(known)}")
    if chosen == ():
        usage("malformed_payload", "kinds=(): name at least one kind, or leave it out for all")
    return make("malformed_payload", "payload", (), options={"share": (value, 0.1), "kinds": (chosen, None)},
                 name=name, guarantee=guarantee, allow=allow)  # fmt: skip


def poison_message(
    body: object = None,
    *positional: object,
    count: int = 1,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Add `count` messages with the user's own bad `body` (bytes, str, or a dict or list sent as JSON).

    Raises:
        UsageError: if `body` is of another kind or `count` is not positive.
    """
    __tracebackhide__ = True
    if callable(body):
        usage("poison_message", "forgotten parentheses: write poison_message(b'...'), not poison_message")
    reject_positional("poison_message", positional)
    if not isinstance(body, bytes | str | dict | list):
        usage("poison_message", f"body={body!r}: bytes, str, or a dict or list that is sent as JSON")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        usage("poison_message", f"count={count!r}: a whole number, at least 1")
    made = make("poison_message", "payload", (), options={"count": (count, 1)}, name=name,
                 guarantee=guarantee, allow=allow)  # fmt: skip
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return replace(made, options=(*made.options, ("body", raw)))


def repeated_publish(
    *positional: object,
    share: float = 0.1,
    name: str | None = None,
    guarantee: object = None,
    allow: object = (),
) -> Fault:
    """Publish some good messages twice, with the same id and properties, as a retrying publisher does.

    Each has two copies then, and still one effect: a consumer that promises exactly-once has to notice.

    Args:
        share: of the workload's count, within (0, 1]: `round(share * count)` are repeated, at least one, at seeded
            places; each repetition follows directly or a few messages later.
        name: replaces the fault's id in the test's name.
        guarantee: what is promised under this fault, instead of the marker's.
        allow: findings that are reported and do not fail the test.

    Raises:
        UsageError: if `share` is out of range.
    """
    __tracebackhide__ = True
    reject_positional("repeated_publish", positional)
    value = number("repeated_publish", "share", share, most=1.0)
    return make("repeated_publish", "payload", (), options={"share": (value, 0.1)}, name=name,
                 guarantee=guarantee, allow=allow)  # fmt: skip
