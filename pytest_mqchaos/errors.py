"""The exceptions of the plugin, each one line that names the value and where it came from."""

from __future__ import annotations

__all__ = ["ChaosError", "NoCanary", "NotPossible", "NotReady", "ServerUnavailable", "UsageError"]


class ChaosError(Exception):
    """The test itself, or the ground under it, is at fault: no verdict could be given.

    The text is one line that says what was awaited or found, and the way out. It is never raised for a
    verdict: those are `DeliveryError`.
    """


class UsageError(ChaosError):
    """A fault, trigger, option or call was written wrongly; the text names the value and where it stands."""


class ServerUnavailable(ChaosError):
    """No server of the kind asked for could be had; the text says what was tried and how to get each."""


class NotReady(ChaosError):
    """A consumer ended before it consumed, or did not consume in time; the text says what was seen of it."""


class NotPossible(ChaosError):
    """What a test asks for cannot be done to this broker, for it is not ours; the text says what would permit it."""


class NoCanary(NotPossible):
    """A test publishes in a way that leaves a canary nothing to choose from; the text says which."""
