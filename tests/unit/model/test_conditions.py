"""A condition under Ctrl-C: whatever is interrupted, its lock is given back."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from pytest_mqchaos.model.conditions import Condition
from pytest_mqchaos.model.history import History


def free(condition: threading.Condition) -> bool:
    """Whether another thread can have it."""
    found: list[bool] = []

    def take() -> None:
        if condition.acquire(timeout=0.2):
            condition.release()
            found.append(True)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return bool(found)


def interrupted_behind(name: str, work: Callable[[], None]) -> bool:
    """Do some work; Ctrl-C comes once a method of C of that name has returned to code of Python's, if it does."""

    def ctrl_c(_frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_return" and getattr(argument, "__name__", "") == name:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(ctrl_c)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.mark.parametrize("lock", [threading.RLock, threading.Lock])
@pytest.mark.parametrize("name", ["__enter__", "__exit__"])
def test_ctrl_c_leaves_it_free(name: str, lock: Callable[[], Any]) -> None:
    """There is no moment between the lock and the block; behind the block it is given back already."""
    condition = Condition(lock())

    def work() -> None:
        with condition:
            pass

    assert interrupted_behind(name, work) == (name == "__exit__")
    assert free(condition)


def test_one_of_the_standard_library_is_left_locked() -> None:
    """Which is why there is another: the moment that the test above makes is one that there is."""
    condition = threading.Condition()

    def work() -> None:
        with condition:
            pass

    assert interrupted_behind("__enter__", work)
    assert not free(condition)


def test_it_is_a_condition() -> None:
    """It is held within the block, waits, and is told; an error in the block gives it back."""
    condition = Condition()
    with condition:
        assert not free(condition)
        assert not condition.wait(timeout=0.01)
        threading.Thread(target=lambda: _notify(condition)).start()
        assert condition.wait(timeout=10)
    with pytest.raises(ValueError, match="x"), condition:
        raise ValueError("x")
    assert free(condition)


def _notify(condition: threading.Condition) -> None:
    with condition:
        condition.notify_all()


def test_the_history_has_one() -> None:
    """Its lock is taken by the test's thread, on which Ctrl-C comes, and by all others."""
    assert isinstance(History("k3f9").changed, Condition)
