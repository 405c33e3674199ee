"""The story of one message: a walk over the events around it that says each in a sentence.

The walk keeps who holds the message, because a fault, the end of a process, a lost link or a broker's stop
belongs into a life only if it met the message there: in an open delivery, in work begun and not done, or at
rest in the broker.
"""

from __future__ import annotations

from pytest_mqchaos.model.story.tell import tell
from pytest_mqchaos.model.story.walk import Step

__all__ = ["Step", "tell"]
