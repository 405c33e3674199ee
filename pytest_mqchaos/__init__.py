"""Chaos tests for consumers of message queues: real brokers, faults at exact moments, a verdict per message.

Every name is loaded when it is first used, so that a test run without chaos tests pays nothing.
PYTEST_DONT_REWRITE
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # to import it from `typing` would cost a consumer that uses the probe more than the probe
)
if TYPE_CHECKING:
    from typing import Any

    from pytest_mqchaos import probe
    from pytest_mqchaos.consumers.consumer import Consumer
    from pytest_mqchaos.errors import ChaosError, ServerUnavailable, UsageError
    from pytest_mqchaos.experiment.chaos import Chaos
    from pytest_mqchaos.experiment.workload.plan import Publication
    from pytest_mqchaos.experiment.workload.producer import Producer
    from pytest_mqchaos.failures import DeliveryError
    from pytest_mqchaos.model.account import Account, Delivery
    from pytest_mqchaos.model.faults import (
        Fault,
        Scenario,
        bandwidth,
        baseline,
        black_hole,
        broker_crash,
        broker_freeze,
        broker_restart,
        canary,
        combine,
        connection_drop,
        connection_reset,
        consumer_crash,
        consumer_freeze,
        consumer_terminate,
        fragment,
        latency,
        lost_ack,
        lost_confirm,
        malformed_payload,
        poison_message,
        refuse,
        repeated_publish,
        stall,
        sweep,
    )
    from pytest_mqchaos.model.findings import Finding, Hazard
    from pytest_mqchaos.model.guarantees import Guarantee, at_least_once, at_most_once, exactly_once
    from pytest_mqchaos.model.image import DockerImage, docker_image
    from pytest_mqchaos.model.lives import Life
    from pytest_mqchaos.model.refinements import Refinement, failover, ordered, prefetch, retry, within
    from pytest_mqchaos.model.retries import Policy, exponential, fixed, jittered, linear
    from pytest_mqchaos.model.sequences import Messages
    from pytest_mqchaos.model.transient import Transient, transient
    from pytest_mqchaos.model.triggers import (
        Trigger,
        ack,
        call,
        confirm,
        delivery,
        effect,
        nack,
        publish,
        seconds,
    )

    __version__: str

__all__ = [
    "Account",
    "Chaos",
    "ChaosError",
    "Consumer",
    "Delivery",
    "DeliveryError",
    "DockerImage",
    "Fault",
    "Finding",
    "Guarantee",
    "Hazard",
    "Life",
    "Messages",
    "Policy",
    "Producer",
    "Publication",
    "Refinement",
    "Scenario",
    "ServerUnavailable",
    "Transient",
    "Trigger",
    "UsageError",
    "__version__",
    "ack",
    "at_least_once",
    "at_most_once",
    "bandwidth",
    "baseline",
    "black_hole",
    "broker_crash",
    "broker_freeze",
    "broker_restart",
    "call",
    "canary",
    "combine",
    "confirm",
    "connection_drop",
    "connection_reset",
    "consumer_crash",
    "consumer_freeze",
    "consumer_terminate",
    "delivery",
    "docker_image",
    "effect",
    "exactly_once",
    "exponential",
    "failover",
    "fixed",
    "fragment",
    "jittered",
    "latency",
    "linear",
    "lost_ack",
    "lost_confirm",
    "malformed_payload",
    "nack",
    "ordered",
    "poison_message",
    "prefetch",
    "probe",
    "publish",
    "refuse",
    "repeated_publish",
    "retry",
    "seconds",
    "stall",
    "sweep",
    "transient",
    "within",
]

_HOMES = {
    "consumers.consumer": "Consumer",
    "errors": "ChaosError ServerUnavailable UsageError",
    "experiment.chaos": "Chaos",
    "experiment.workload.producer": "Producer",
    "experiment.workload.plan": "Publication",
    "failures": "DeliveryError",
    "model.account": "Account Delivery",
    "model.faults": "Fault Scenario bandwidth baseline black_hole broker_crash broker_freeze broker_restart canary "
    "combine connection_drop connection_reset consumer_crash consumer_freeze consumer_terminate fragment latency "
    "lost_ack lost_confirm malformed_payload poison_message refuse repeated_publish stall sweep",
    "model.findings": "Finding Hazard",
    "model.guarantees": "Guarantee at_least_once at_most_once exactly_once",
    "model.image": "DockerImage docker_image",
    "model.lives": "Life",
    "model.refinements": "Refinement failover ordered prefetch retry within",
    "model.retries": "Policy exponential fixed jittered linear",
    "model.sequences": "Messages",
    "model.transient": "Transient transient",
    "model.triggers": "Trigger ack call confirm delivery effect nack publish seconds",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Load a public name from its home when it is first used (PEP 562)."""
    from importlib import import_module

    if name == "__version__":
        return _version()
    if name == "probe":
        return import_module("pytest_mqchaos.probe")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # not kept here: runs of pytester drop what they imported, and must meet their own modules' names again
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pytest-mqchaos")
    except PackageNotFoundError:  # run from the sources
        return "0+unknown"
