"""Run one of the consumers as a command: ``python -m consumers correct ack_after_work``."""

import importlib
import os
import sys

module, name = sys.argv[1:]
getattr(importlib.import_module(f"consumers.{module}"), name)(os.environ["AMQP_URL"])
