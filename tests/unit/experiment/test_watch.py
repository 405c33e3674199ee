"""The watch over effects: it tells when it came late itself, which is how busy the machine is."""

from __future__ import annotations

import time

from pytest_mqchaos.experiment.board import Board
from pytest_mqchaos.experiment.watch import EffectsWatch
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
