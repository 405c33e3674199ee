"""One namespace on a broker that somebody else runs: a vhost of its own, a prefix, or the names as they are.

It only looks; what a run leaves there is removed by `clearing`.
"""

from __future__ import annotations

import math
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_mqchaos.brokers._witness import Witness
from pytest_mqchaos.brokers.rabbitmq.counter import Counter
from pytest_mqchaos.brokers.rabbitmq.joined import Settings
from pytest_mqchaos.brokers.rabbitmq.management import Management, Policies
from pytest_mqchaos.brokers.rabbitmq.policies import in_force
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.declared import BUILT_IN, Declared
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.model.topology import Binding, Topology

__all__ = ["Config", "Place", "is_old", "own_name"]

_OWN = re.compile(r"mqchaos-[a-z2-9]{4}-(?P<hour>[0-9a-f]{5})[0-9a-f]{4}(?=\.|$)")
_HOUR, _OLD = 3600, 24
_EXCHANGE, _KEY = "dead-letter-exchange", "dead-letter-routing-key"
_REPLIES = "amq.rabbitmq.reply-to"
"""No queue, but a way back to whoever asked."""
_JUST_NOW, _LATELY = 0.1, 1.0


def own_name(namespace: str) -> str:
    """Return a name that no other run has, with the hour in it: `mqchaos-k3f9-77a1f4c1d`."""
    return f"{namespace}-{int(time.time()) // _HOUR & 0xFFFFF:05x}{secrets.token_hex(2)}"


def is_old(name: str) -> bool:
    """Whether a vhost or queue bears the name of a run that began more than a day ago."""
    found = _OWN.match(name)
    return found is not None and (int(time.time()) // _HOUR) - int(found["hour"], 16) > _OLD


@dataclass(frozen=True, slots=True)
class Config:
    """What of a namespace is configuration: settings by queue, and the topology. Names are plain ones."""

    queues: Mapping[str, Settings] = field(default_factory=dict)
    topology: Topology = field(default_factory=Topology)


class Place:
    """One namespace of one run.

    Args:
        vhost: where it is.
        names: with the run's prefix, if there is one.
        whole: whether the vhost is the run's own.
        url: of the vhost.
        management: the API, if there is one that we may use.
    """

    def __init__(
        self, vhost: str, names: Names, *, whole: bool, url: str, management: Management | None
    ) -> None:
        self.vhost = vhost
        self.names = names
        self.whole = whole
        self.counter = Counter(url)
        self.lock = threading.Lock()
        self.witness: Witness | None = None
        self.picture: object = None
        """What a census last saw that was not yet decided, and since when it stands."""
        self.since = 0.0
        self.patience = 0.0
        """How long it has to stand to be decided."""
        self.url = url
        self.management = management
        self._taken = -math.inf, Config()
        self._asked = -math.inf
        self._policies: Policies | None = None
        self._default: str | None = None

    @property
    def reached(self) -> frozenset[str]:
        """Plain names of the queues that messages of the run may stand in, by the last look."""
        return self.used() | frozenset(self._taken[1].queues)

    @property
    def declared(self) -> Declared:
        """What was declared in the run."""
        return Declared() if self.witness is None else self.witness.declared

    # --- what there is ---

    def topology(self) -> Topology:
        """The exchanges and bindings: those of a census that was taken just now, or anew."""
        taken, config = self._taken
        return config.topology if time.monotonic() - taken < _JUST_NOW else self.config().topology

    def config(self) -> Config:
        """What the management API says, or else what was seen on the wire."""
        config = self._seen() if self.management is None else self._told(self.management)
        self._taken = time.monotonic(), config
        return config

    def leaderless(self) -> str | None:
        """Which queues do not answer for themselves yet after a start; None if all do."""
        try:
            queues = self.config().queues
        except ChaosError as error:
            return str(error)
        waiting = [
            name
            for name, settings in queues.items()
            if settings.type not in ("classic", "stream") and not self.counter.leads(self.names.full(name))
        ]
        return f"no leader of {', '.join(sorted(waiting))}" if waiting else None

    def _told(self, management: Management) -> Config:
        listed = {one["name"]: one for one in management.queues(self.vhost)}
        policies = self._policies_of(management)
        if self.whole and self._default is None:
            self._default = management.default_queue_type(self.vhost)
        default = self._default or ""
        topology = self._topology(management)
        found = {
            self.names.plain(full): self._settings(full, one, policies, default)
            for full, one in listed.items()
            if self._inside(full)
        }
        if not (self.whole or self.names.prefix):
            reached = self._reached(found, topology)
            found = {name: one for name, one in found.items() if name in reached}
        seen = self._seen().queues
        return Config({**{n: s for n, s in seen.items() if n in self.used()}, **found}, topology)

    def _settings(
        self, full: str, listed: Mapping[str, Any], policies: Policies | None, default: str
    ) -> Settings:
        arguments = dict(listed.get("arguments") or {})
        kind = str(listed.get("type") or _type(arguments) or default or "classic")
        return Settings(
            type=kind.removeprefix("rabbit_").removesuffix("_queue"),
            durable=bool(listed.get("durable", True)),
            exclusive=bool(listed.get("exclusive", False)),
            auto_delete=bool(listed.get("auto_delete", False)),
            arguments=self._plain(arguments),
            policy=None if policies is None else self._plain(in_force(full, kind, *policies)),
        )

    def _reached(self, queues: Mapping[str, Settings], topology: Topology) -> set[str]:
        """The queues that messages of the run may come to: those used, and where their dead letters may go."""
        routes = frozenset() if self.witness is None else self.witness.routes()
        waiting = {*self.used(), *(queue for route in routes for queue in topology.leads_to(*route))}
        reached: set[str] = set()
        while waiting:
            name = waiting.pop()
            reached.add(name)
            if (known := queues.get(name)) is not None:
                waiting |= _dead_letter_targets(known, topology) - reached
        return reached

    def _policies_of(self, management: Management) -> Policies | None:
        """The policies, asked for once a second: nobody changes them in the middle of a test."""
        if time.monotonic() - self._asked > _LATELY:
            self._policies = management.policies(self.vhost)
            self._asked = time.monotonic()
        return self._policies

    def _seen(self) -> Config:
        declared = self.declared
        found = {name: Settings() for name in self.used()}
        for name, one in declared.queues.items():
            found[name] = Settings(
                type=_type(one.arguments),
                durable=one.durable,
                exclusive=one.exclusive,
                auto_delete=one.auto_delete,
                arguments=dict(one.arguments) if one.known else None,
            )
        return Config(found, declared.topology())

    def _topology(self, management: Management) -> Topology:
        plain = self.names.plain
        return Topology(
            exchanges={
                **BUILT_IN,
                **{
                    plain(one["name"]): one["type"]
                    for one in management.exchanges(self.vhost)
                    if self._inside(one["name"])
                },
            },
            bindings=tuple(
                Binding(
                    exchange=plain(one["source"]),
                    destination=plain(one["destination"]),
                    kind=one["destination_type"],
                    routing_key=plain(one["routing_key"]),
                    arguments=one.get("arguments", {}),
                )
                for one in management.bindings(self.vhost)
                if self._inside(one["source"]) or self._inside(one["destination"])
            ),
        )

    def used(self) -> frozenset[str]:
        """Plain names of the queues that the run has to do with, whoever made them."""
        if self.witness is None:
            return frozenset()
        names = self.witness.used() | frozenset(self.witness.declared.queues)
        return frozenset(name for name in names if name and not name.startswith(_REPLIES))

    def _inside(self, full: str) -> bool:
        """Whether a name may be one of the run's: by prefix all that have it, and what the broker named for it."""
        return (
            not self.names.prefix or self.ours(full) or (full.startswith("amq.gen") and full in self.used())
        )

    def ours(self, full: str) -> bool:
        """Whether a name has the run's prefix."""
        return bool(self.names.prefix) and full.startswith(self.names.prefix)

    def _plain(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: self.names.plain(value)
            if key.removeprefix("x-") in (_EXCHANGE, _KEY) and isinstance(value, str)
            else value
            for key, value in arguments.items()
        }


def _type(arguments: Mapping[str, object]) -> str:
    said = (arguments or {}).get("x-queue-type", "")
    return said if isinstance(said, str) else ""


def _dead_letter_targets(queue: Settings, topology: Topology) -> set[str]:
    """The queues that its dead letters may go to, with whatever key they have."""
    both = {
        **(queue.policy or {}),
        **{key.removeprefix("x-"): v for key, v in (queue.arguments or {}).items()},
    }
    exchange, key = both.get(_EXCHANGE), both.get(_KEY)
    if not isinstance(exchange, str):
        return set()
    if isinstance(key, str):
        return set(topology.leads_to(exchange, key)) if exchange else {key}
    keys = {one.routing_key for one in topology.bindings if one.exchange == exchange}
    return {target for each in keys for target in topology.leads_to(exchange, each)} if exchange else set()
