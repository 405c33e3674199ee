"""Faults: what is to break, on whom, and at which moment. Configuration only; strikes live in `experiment`.

Each public function returns a frozen `Fault`. They are functions, not classes, so that `chaos(connection_drop)`
without parentheses is told apart from a fault.
"""

from __future__ import annotations

from pytest_mqchaos.model.faults.broker import broker_crash, broker_freeze, broker_restart
from pytest_mqchaos.model.faults.fault import Fault, Scenario, scenario
from pytest_mqchaos.model.faults.making import allowed
from pytest_mqchaos.model.faults.network import (
    bandwidth,
    black_hole,
    connection_drop,
    connection_reset,
    fragment,
    latency,
    refuse,
    stall,
)
from pytest_mqchaos.model.faults.payload import (
    DEBATABLE_KINDS,
    UNREADABLE_KINDS,
    malformed_payload,
    poison_message,
    repeated_publish,
)
from pytest_mqchaos.model.faults.process import consumer_crash, consumer_freeze, consumer_terminate
from pytest_mqchaos.model.faults.protocol import lost_ack, lost_confirm
from pytest_mqchaos.model.faults.scenarios import baseline, combine
from pytest_mqchaos.model.faults.sweeping import sweep
from pytest_mqchaos.model.faults.trust import canary

__all__ = [
    "DEBATABLE_KINDS",
    "UNREADABLE_KINDS",
    "Fault",
    "Scenario",
    "allowed",
    "bandwidth",
    "baseline",
    "black_hole",
    "broker_crash",
    "broker_freeze",
    "broker_restart",
    "canary",
    "combine",
    "connection_drop",
    "connection_reset",
    "consumer_crash",
    "consumer_freeze",
    "consumer_terminate",
    "fragment",
    "latency",
    "lost_ack",
    "lost_confirm",
    "malformed_payload",
    "poison_message",
    "refuse",
    "repeated_publish",
    "scenario",
    "stall",
    "sweep",
]
