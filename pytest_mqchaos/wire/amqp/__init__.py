"""AMQP 0-9-1 as RabbitMQ speaks it: a scanner that reads along without changing a byte.

`ConnectionScanner` takes the bytes of both directions of one connection and returns them as `Segment`s,
each with the event that it means. `protocol` opens with the model.
"""

from pytest_mqchaos.wire.amqp.properties import Properties, digest
from pytest_mqchaos.wire.amqp.scaling import Scaler
from pytest_mqchaos.wire.amqp.scanner import ConnectionScanner
from pytest_mqchaos.wire.amqp.segments import Segment

__all__ = ["ConnectionScanner", "Properties", "Scaler", "Segment", "digest"]
