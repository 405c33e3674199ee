"""The watch over effects: it tells when it came late itself, which is how busy the machine is."""

from __future__ import annotations

import threading
import time

from pytest_mqchaos.experiment.effects.board import Board
from pytest_mqchaos.experiment.effects.watch import EffectsWatch
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History


def test_a_look_that_comes_late_is_told() -> None:
    """While the link's thread is held up no look can come, and the next one says how late it is."""
    history = History("k3f9")
    thread = LoopThread()
    try:
        watch = EffectsWatch(Board(history, lambda effect: None), thread, history)
        watch.start()
        with history.changed:
            thread.soon(time.sleep, 0.3)  # what holds the thread up
            told = history.changed.wait_for(lambda: any(isinstance(one, facts.Lagged) for one in history), 10)
        watch.end()
    finally:
        thread.close()
    assert told
    worst = [one.seconds for one in history if isinstance(one, facts.Lagged)]
    assert worst == sorted(worst)
    assert worst[-1] > 0.2


def test_a_look_that_fails_is_not_the_last_one() -> None:
    """Whatever else is read with the effects, they are looked for to the end."""
    looks: list[float] = []
    again = threading.Event()

    def aside() -> None:
        looks.append(time.monotonic())
        if len(looks) > 1:
            again.set()
        raise OSError("unreadable")

    history = History("k3f9")
    thread = LoopThread()
    thread.loop.set_exception_handler(lambda loop, context: None)  # what we let fail is told to nobody
    try:
        watch = EffectsWatch(Board(history, lambda effect: None), thread, history, aside)
        watch.start()
        assert again.wait(10), f"{len(looks)} looks"
        watch.end()
    finally:
        thread.close()
