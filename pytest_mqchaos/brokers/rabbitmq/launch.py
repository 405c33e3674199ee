"""How a RabbitMQ of this run is started: as a process or in a container (see `Launcher`)."""

from __future__ import annotations

from pytest_mqchaos.brokers.rabbitmq.container import ALIAS, AMQP_PORT, start_container
from pytest_mqchaos.brokers.rabbitmq.node import start_process
from pytest_mqchaos.brokers.rabbitmq.opening import external_place, open_external

__all__ = ["INNER_ADDRESS", "external_place", "open_external", "start_container", "start_process"]

INNER_ADDRESS = f"{ALIAS}:{AMQP_PORT}"
