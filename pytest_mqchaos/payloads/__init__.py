"""What the messages of a workload are made of: bodies, headers, properties, keys, arrivals; pure."""

from pytest_mqchaos.payloads.arrivals import ARRIVALS, checked_arrivals, offsets
from pytest_mqchaos.payloads.attributes import (
    ID_HEADER,
    PROPERTIES,
    checked_headers,
    checked_properties,
    told_headers,
)
from pytest_mqchaos.payloads.bodies import default_body, encoded
from pytest_mqchaos.payloads.debatable import DEBATABLE, debatable
from pytest_mqchaos.payloads.drafts import Draft, made, rng, told, whole
from pytest_mqchaos.payloads.keys import KeyRule
from pytest_mqchaos.payloads.maker import Maker
from pytest_mqchaos.payloads.malformed import KINDS, malformed, readable_as_json
from pytest_mqchaos.payloads.plans import Plan, Planned
from pytest_mqchaos.payloads.repeats import repeated
from pytest_mqchaos.payloads.spoiler import Spoiler

__all__ = [
    "ARRIVALS",
    "DEBATABLE",
    "ID_HEADER",
    "KINDS",
    "PROPERTIES",
    "Draft",
    "KeyRule",
    "Maker",
    "Plan",
    "Planned",
    "Spoiler",
    "checked_arrivals",
    "checked_headers",
    "checked_properties",
    "debatable",
    "default_body",
    "encoded",
    "made",
    "malformed",
    "offsets",
    "readable_as_json",
    "repeated",
    "rng",
    "told",
    "told_headers",
    "whole",
]
