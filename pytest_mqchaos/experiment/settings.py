"""What the plugin hands to the experiment: one set of settings for the session, one for each test."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pytest_mqchaos.model.faults import Scenario
from pytest_mqchaos.model.guarantees import Guarantee
from pytest_mqchaos.model.origins import Origins

__all__ = ["SessionSettings", "TestSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What holds for the whole session: which servers, which report, how strict."""

    servers: str = "auto"
    """`auto`, `docker`, `process` or `external`."""
    network: str = "auto"
    """`auto`, `toxiproxy` or `wire`."""
    rabbitmq_image: str = "rabbitmq:4"
    toxiproxy_image: str = "ghcr.io/shopify/toxiproxy:2.12.0"
    url: str = field(default="", repr=False)
    """The address of an external broker, password and all."""
    isolation: str = "auto"
    """How runs are kept apart on an external broker: `auto`, `vhost`, `prefix` or `none`."""
    management_url: str = field(default="", repr=False)
    container: str = ""
    """The one container of an external broker that may be disturbed."""
    allow_remote: bool = False
    """Whether an external broker may be on another host."""
    origins: Origins = field(default_factory=Origins)
    """Where each of these came from."""
    require: str = ""
    """What must be there: without a `broker` that permits a scenario, it fails instead of being skipped."""
    settle_timeout: float = 30.0
    """Seconds without progress, unless a test says otherwise."""
    strict: bool = False
    """Whether an unknown verdict fails."""
    report: Path
    """The absolute path of the report's directory; it need not exist."""
    rootdir: Path
    ci: bool = False
    """Whether `CI` is set: then missing servers are an error."""
    worker: str = ""
    """The id of the xdist worker, or nothing."""
    place: str = ""
    """The folder where the workers of one session find the servers that they share, or nothing."""
    keep: bool = False
    """Whether servers outlive the session, and are found by the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSettings:
    """What holds for one test: its scenario, its promise, its patience and its seed."""

    __test__: ClassVar[bool] = False

    nodeid: str
    attempt: int = 1
    """Counted from 1: a plugin that runs failed tests again sets the fixture up again."""
    scenario: Scenario
    """`scenario.id` is what stands in the node id; `baseline` for a test without the mark."""
    guarantee: Guarantee
    """The scenario's own, or else the mark's."""
    evidence: str = "auto"
    """`auto`, `any`, `effects` or `broker`."""
    poison: str = "auto"
    """`auto`, `dead-letter` or `discard`."""
    allow: tuple[tuple[str, str], ...] = ()
    """Names of findings and hazards with the reason, or nothing: the mark's and the scenario's."""
    settle_timeout: float = 30.0
    effect_timeout: float = 5.0
    seed: int
    """From which every random choice of the test follows."""
    strict: bool = False
    asynchronous: bool = False
    """Whether the test's function is a coroutine's."""
    own_broker: bool = False
    """Whether the test disturbs the broker by hand, so that no other may be on it."""
    again: str
    """The whole command line that repeats this test, seed included."""

    @property
    def disturbs(self) -> bool:
        """Whether other tests on the same broker would feel it."""
        return self.own_broker or any(fault.family == "broker" for fault in self.scenario.faults)
