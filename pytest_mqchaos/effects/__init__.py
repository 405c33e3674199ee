"""Where the work of a consumer shows: a file with one id or key a line, or a callable that returns them."""

from __future__ import annotations

from pytest_mqchaos.effects.callable import EffectsCall
from pytest_mqchaos.effects.file import EffectsFile
from pytest_mqchaos.effects.resolve import Resolution, Resolver

__all__ = ["EffectsCall", "EffectsFile", "Resolution", "Resolver"]
