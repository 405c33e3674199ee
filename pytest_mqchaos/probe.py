"""The effect probe: one line from the consumer that says "my work for this message is done".

Light enough for production code: it imports `os` and `threading` only, and without a chaos test it does nothing.
"""

from __future__ import annotations
