"""A handler that tells of its work by the probe, for a test that has it wrapped besides."""

from pytest_mqchaos import probe


def tell(order_id):
    """Book one order by its number, and say so."""
    probe.effect(order_id)
