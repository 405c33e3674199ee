"""How a RabbitMQ of this run is come by: as a process, in a container, or one that runs (see `Launcher`)."""

from __future__ import annotations

from pytest_mqchaos.brokers.rabbitmq.container import ALIAS, AMQP_PORT, start_container
from pytest_mqchaos.brokers.rabbitmq.distant import attach, facts, serve
from pytest_mqchaos.brokers.rabbitmq.node import start_process
from pytest_mqchaos.brokers.rabbitmq.opening import external_place, open_external

__all__ = [
    "INNER_ADDRESS",
    "attach",
    "external_place",
    "facts",
    "open_external",
    "serve",
    "start_container",
    "start_process",
]

INNER_ADDRESS = f"{ALIAS}:{AMQP_PORT}"
