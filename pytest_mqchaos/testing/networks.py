"""What every network shows a client: the checks of the conformance suite.

Each takes a `NetworkBench` and raises an `AssertionError` if the network shows something else. All are of TCP: what
arrives, when, in what order, and how a connection ends, also one on which nobody says anything.
"""

from __future__ import annotations

from collections.abc import Callable

from pytest_mqchaos.testing import cuts, silences, slowness
from pytest_mqchaos.testing.bench import NetworkBench

__all__ = ["NETWORK_CHECKS"]

NETWORK_CHECKS: tuple[Callable[[NetworkBench], None], ...] = (
    cuts.bytes_pass_unchanged,
    cuts.a_drop_is_an_end_of_stream,
    cuts.a_reset_is_felt_on_an_idle_connection,
    cuts.a_refusal_refuses,
    silences.a_stall_lets_nothing_through_and_loses_nothing,
    silences.a_stall_ends_early,
    silences.a_stall_keeps_ends_back_too,
    silences.a_black_hole_is_silent_and_ends_with_a_reset,
    silences.a_black_hole_keeps_ends_to_itself,
    silences.new_connections_meet_what_is_in_force,
    silences.holes_end_with_the_last,
    slowness.latency_is_per_direction,
    slowness.bandwidth_bounds_the_rate,
    slowness.fragments_are_small,
    slowness.slow_and_stalled_at_once,
    slowness.who_does_not_read_holds_nobody_up,
)
"""Every check, in an order from simple to odd."""
