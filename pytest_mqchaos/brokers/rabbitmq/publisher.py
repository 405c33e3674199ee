"""The publisher: a plan sent in the background on a link of its own, through whatever breaks that link.

One thread, one connection at a time. Confirms are not waited for one by one: a `Flight` says how many messages may
be in the air. When a connection is lost it is made again, and goes on with the next message that was not sent;
none is repeated by itself (a plan may hold a message twice).
"""

from __future__ import annotations

import codecs
import threading
import time
from collections.abc import Callable

from pytest_mqchaos.brokers.rabbitmq.client import broker_code, quiet, reason
from pytest_mqchaos.brokers.rabbitmq.flight import Flight, Outcome
from pytest_mqchaos.brokers.rabbitmq.line import Line
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.model.events import PublishFailed
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.names import Names
from pytest_mqchaos.payloads import Plan

__all__ = ["Publisher"]

_APPEAR = 15.0
"""Seconds that the queue, or a binding of the exchange, has to appear."""

_LOOK_AGAIN = 0.05
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.25
_NOT_FOUND = 404
_PASSING = {320, _NOT_FOUND, 541}
"""Reply codes that may pass: forced by an operator, no such exchange now, internal error."""


class Publisher:
    """A plan under way to RabbitMQ. `outcomes` says what became of each message so far, by its id."""

    def __init__(
        self,
        url: str,
        plan: Plan,
        history: History,
        *,
        target_ready: Callable[[], bool] = lambda: True,
        patience: float = 30.0,
        appear_timeout: float = _APPEAR,
        names: Names | None = None,
        outage: Callable[[], bool] = lambda: False,
    ) -> None:
        self.error: ChaosError | None = None
        self._url = url
        self._plan = plan
        self._history = history
        self._target_ready = target_ready
        self._names = names or Names()
        self._patience = patience
        self._appear_timeout = appear_timeout
        self._outage = outage
        self._flight = Flight(plan)
        self._ended = threading.Event()
        self._closing = threading.Event()
        self._line: Line | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"mqchaos publisher to {plan.target}", daemon=True
        )

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """What became of the messages so far, by id; those in the air or not sent are missing."""
        return dict(self._flight.outcomes)

    @property
    def done(self) -> bool:
        """Whether it ended: nothing more is sent, and no answer awaited."""
        return self._ended.is_set()

    def start(self) -> None:
        """Begin to publish, as soon as the target is there."""
        import pika.exceptions

        # Nothing may be imported in the background: a consumer forked meanwhile could never import it again.
        assert pika.exceptions
        codecs.lookup("idna")
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it ended, at most `timeout` seconds; return whether it did."""
        return self._ended.wait(timeout)

    def progress(self) -> str:
        """Say how far it is: `42 confirmed, 3 unanswered, 55 not sent`."""
        return self._flight.progress()

    def close(self) -> None:
        """End it within a few seconds, wherever it is. May be called again, also if it was never started."""
        self._closing.set()
        line = self._line
        if line is not None:
            line.interrupt()
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._ended.set()

    def _run(self) -> None:
        failed = "the run ended before it was sent"
        try:
            with quiet():
                self._await_target()
                self._publish()
        except ChaosError as error:
            self.error, failed = error, str(error)
        except Exception as error:
            failed = f"the publisher failed: {type(error).__name__}: {' '.join(str(error).split())}"
            self.error = ChaosError(failed)
        finally:
            try:
                self._flight.lost()
                for message in self._flight.abandon():
                    self._history.append(PublishFailed(at=now(), message=message.id, reason=failed))
            finally:
                self._ended.set()  # whatever became of that: somebody waits for it

    def _await_target(self, since: str = "") -> None:
        """Wait until what is published to exists."""
        deadline = time.monotonic() + self._appear_timeout
        trouble = ""
        while not self._closing.is_set():
            try:
                if self._target_ready():
                    return
                trouble = ""
            except ChaosError as error:
                trouble = f" ({error})"
            if time.monotonic() > deadline:
                raise ChaosError(self._missing(since) + trouble)
            self._closing.wait(_LOOK_AGAIN)

    def _missing(self, since: str) -> str:
        name, after = self._plan.queue or self._plan.exchange, f"after {self._appear_timeout:g} s"
        if since:
            return f"publish(): {self._plan.target} is gone, and not back {after}: {since}"
        if self._plan.queue:
            return (
                f"publish(): there is no queue {name!r} {after}: declare it with mqchaos.queue({name!r}), "
                "or start the consumer that declares it first"
            )
        return (
            f"publish(): no queue is bound to exchange {name!r} {after}: bind one with "
            f"mqchaos.queue(..., exchange={name!r}), or start the consumer that does it first"
        )

    def _publish(self) -> None:
        """Send all, over as many connections as it takes."""
        pause = _FIRST_PAUSE
        progress_at = time.monotonic()
        while not self._closing.is_set():
            line = self._line = Line(
                self._url,
                self._plan,
                self._flight,
                patience=self._patience,
                names=self._names,
                outage=self._outage,
                on_failed=self._failed,
                on_landed=self._ended.set,
            )
            if not self._closing.is_set():
                line.run()
            self._flight.lost()
            if line.progress_at > progress_at:
                pause, progress_at = _FIRST_PAUSE, line.progress_at
            if self._closing.is_set():
                return
            self._refused(line.ended_by)
            if self._flight.landed and not line.stuck:
                return
            if self._outage():  # how long that lasts is the test's choice, or the broker's
                progress_at = time.monotonic()
            self._out_of_patience(line.ended_by, time.monotonic() - progress_at)
            if broker_code(line.ended_by) == _NOT_FOUND:
                self._await_target(reason(line.ended_by))
            self._closing.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _refused(self, ended_by: object) -> None:
        """Raise if the broker ended it for something that another connection does not mend."""
        code = broker_code(ended_by)
        if code is not None and code not in _PASSING:
            raise ChaosError(f"publish() to {self._plan.target}: the broker refuses: {reason(ended_by)}")

    def _out_of_patience(self, ended_by: object, silence: float) -> None:
        """Raise if it has got no further for too long."""
        if silence > self._patience:
            raise ChaosError(
                f"publish() to {self._plan.target} got no further for {silence:.0f} s: {reason(ended_by)}; "
                f"{self.progress()}"
            )

    def _failed(self, error: Exception) -> None:
        """The next message cannot be written in the form of the protocol."""
        message = self._flight.failed()
        text = f"{type(error).__name__}: {error}"
        self.error = self.error or ChaosError(f"publish(): message {message.id} cannot be sent: {text}")
        self._history.append(PublishFailed(at=now(), message=message.id, reason=text))
