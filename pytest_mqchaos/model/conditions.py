"""A condition that Ctrl-C cannot leave locked.

`threading.Condition` takes its lock in a function of Python's: a signal that comes when the lock is taken and that
function has not returned raises where no `with` gives it back, and every other thread waits for it for good. Here a
`with` is led to the lock's own two methods, which are of C: no signal is handled between them and the block.
"""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Condition"]


class Condition(threading.Condition):
    """A `threading.Condition` whose `with` takes the lock in one step, and gives it back in one."""

    _lock: Any

    @property
    def __enter__(self) -> Any:
        """The lock's own."""
        return self._lock.__enter__

    @property
    def __exit__(self) -> Any:  # noqa: PLE0302 - it is what is found that is called
        """The lock's own."""
        return self._lock.__exit__
