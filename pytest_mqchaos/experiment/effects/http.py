"""Services that consumers call over HTTP, and that we stand in for: each good answer is an effect.

```
 request ──► Called ──► faults before ──► delay ──► status ──► answer written ──► Effected (2xx) ──► faults after
                              └── its caller was killed: the request dies with it, nothing is done
```
The work is done in the moment of the answer, and by its status: a 2xx is work, whether anybody is left to read it or
not, since a service in production does not notice that either. So a consumer that gave up waiting and calls again
has its work done twice, unless the service knows the request again by its `Idempotency-Key`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_mqchaos.effects.callable import name_of
from pytest_mqchaos.effects.http import Caller, HttpServer
from pytest_mqchaos.experiment.effects.board import Board
from pytest_mqchaos.experiment.effects.raised import Raised
from pytest_mqchaos.experiment.striking.calls import Calls, CallStrikes
from pytest_mqchaos.link.listener import listen
from pytest_mqchaos.link.loop import LoopThread
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.model.names import service_variable
from pytest_mqchaos.model.transient import Transient
from pytest_mqchaos.wire.http import Request

__all__ = ["Http", "Plan", "Stand", "many"]

_GOOD = range(200, 300)
_SHOWN = 5
_ON_ITS_WAY = 0.5
"""Seconds that the end of a connection may need through a proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a service answers."""

    name: str
    key: str | Callable[[Request], object]
    status: int
    body: bytes
    delay: float
    fail: Transient | None
    idempotency: str | None
    seed: int

    def names(self, request: Request, raised: Raised) -> str | None:
        """The id or key that a request says, None if it says none; what the test's rule `raised` is taken down."""
        try:
            if callable(self.key):
                return name_of(self.key(request))
            content = request.json
        except Exception as error:
            # a test's rule meets what a consumer makes of malformed messages, and of its own health
            if callable(self.key):
                raised.note(error)
            return None
        value = content.get(self.key) if isinstance(content, dict) else None
        return str(value) if isinstance(value, float) else name_of(value)


class Stand:
    """One service of one run: decides on each request, and takes down what became of it."""

    def __init__(
        self, plan: Plan, *, history: History, thread: LoopThread, board: Board, calls: Calls
    ) -> None:
        self.plan = plan
        self.seen: Counter[int] = Counter()
        """Answers to calls of messages, by status."""
        self.strangers: list[str] = []
        """Requests that named no message of the run."""
        self.misnamed: list[str] = []
        """Those of them that seem to have meant one."""
        self.raised = Raised()
        """What the test's function for the key raised."""
        self.broken: list[str] = []
        """What could not be read, and why."""
        self.server = HttpServer(self._asked, broken=self.broken.append, spawn=thread.spawn, listen=listen)
        self._addresses: dict[str | None, str] = {}
        self._thread = thread
        self._history = history
        self._board = board
        self._calls = calls
        self._tries: Counter[str] = Counter()
        self._doing: Counter[str] = Counter()
        """Calls of each message that went well, or are under way."""
        self._ailing: set[str] = set()
        """Messages whose first tries fail."""
        self._known: set[tuple[str, str, str]] = set()
        """Requests that were done, by method, path and idempotency key."""
        self._chosen = 0

    def address(self, link: str | None) -> str:
        """The URL of this service for a consumer's replica; for None one that is nobody's."""
        if link not in self._addresses:
            opening = self.server.open(link)
            host, port = self._thread.call(opening, timeout=10.0, what=f"opening {self.plan.name}")
            self._addresses[link] = f"http://{host}:{port}"
        return self._addresses[link]

    @property
    def ports(self) -> set[int]:
        """Where it listens."""
        return {int(address.rpartition(":")[2]) for address in self._addresses.values()}

    def choose(self, good: Sequence[str]) -> None:
        """Choose of a publication's good messages those whose first tries fail, before the first of them is sent."""
        self._chosen += 1
        if self.plan.fail is not None and good:
            rng = random.Random(f"{self.plan.seed} {self.plan.name} transient {self._chosen}")
            self._ailing |= self.plan.fail.choose(good, rng)

    def close(self) -> None:
        """End it."""

        async def end() -> None:
            self.server.close()

        self._thread.call(end(), timeout=10.0, what=f"closing {self.plan.name}")

    def notes(self) -> tuple[str, ...]:
        """What a reader of the account should know of the calls."""
        name, total = self.plan.name, sum(self.seen.values())
        by_status = ", ".join(f"{count} with {status}" for status, count in sorted(self.seen.items()))
        found = [f"{name}: {many(total, 'call')} answered ({by_status})"] if total else []
        if not (total or self.strangers or self.broken):
            found = [f"{name}: no request came; a consumer finds its address in ${service_variable(name)}"]
        for what, lines in (("named no message", self.strangers), ("could not be read", self.broken)):
            if lines:
                shown = ", ".join(dict.fromkeys(lines[:_SHOWN]))
                found.append(f"{name}: {many(len(lines), 'request')} {what}: {shown}")
        return tuple(found)

    # --- on the link's thread ---

    async def _asked(self, request: Request, caller: Caller) -> None:
        named = self.plan.names(request, self.raised)
        message = None if named is None else self._board.whose(named, lambda one: self._doing[one])
        if message is None or named is None:
            await self._strange(request, caller, named)
            return
        self._tries[message] += 1
        self._doing[message] += 1
        came = facts.Called(
            at=now(), message=message, source=self.plan.name, consumer=caller.link, request=str(request),
            attempt=self._tries[message])  # fmt: skip
        self._history.append(came)
        strikes = self._calls.came(self.plan.name, caller.link, message)
        done = False
        try:
            await self._calls.before(strikes)
            if strikes.before and await self._died(strikes, caller):
                return  # with its caller, or with the way to it: nothing was done
            await asyncio.sleep(self.plan.delay)  # what the test says that the service takes
            done = self._answer(request, caller, named, came, strikes)
        finally:
            self._doing[message] -= not done

    async def _died(self, strikes: CallStrikes, caller: Caller) -> bool:
        """Whether a request died of what struck before it; a cut on its way comes through a proxy, a moment later."""
        deadline = self._thread.loop.time() + (_ON_ITS_WAY if strikes.cut else 0.0)
        while not caller.gone and self._thread.loop.time() < deadline:
            await asyncio.sleep(0.002)  # a bounded poll of the kernel: nothing tells when a peer is gone
        return caller.gone

    def _answer(
        self, request: Request, caller: Caller, named: str, came: facts.Called, strikes: CallStrikes
    ) -> bool:
        """Answer a call and take down what was done; return whether it was work. All in one step of the loop."""
        status, refused = self._status(came)
        mark = self._mark(request)
        repeated = status in _GOOD and mark in self._known
        self._calls.answering(strikes)
        heard = caller.answer(status, self.plan.body if status in _GOOD else b'{"error": "as the test says"}')
        self.seen[status] += 1
        self._history.append(
            facts.Answered(
                at=now(),
                message=came.message,
                source=came.source,
                consumer=came.consumer,
                attempt=came.attempt,
                status=status,
                refused=refused,
                repeated=repeated,
                heard=heard,
            )
        )
        works = status in _GOOD and not repeated
        if works:
            if mark is not None:
                self._known.add(mark)
            self._board.tell(
                named, name=self.plan.name, consumer=came.consumer, since=came.at, message=came.message
            )
        self._calls.answered(strikes)
        return works

    def _status(self, came: facts.Called) -> tuple[int, bool]:
        """What a call is answered with, and whether that is a failure that passes."""
        fail = self.plan.fail
        if fail is not None and came.message in self._ailing and came.attempt <= fail.tries:
            return fail.status, True
        return self.plan.status, False

    def _mark(self, request: Request) -> tuple[str, str, str] | None:
        """What a request is known by again; None without an idempotency key."""
        header = self.plan.idempotency
        value = None if header is None else request.headers.get(header)
        return (request.method, request.path, value) if value else None

    async def _strange(self, request: Request, caller: Caller, named: str | None) -> None:
        """Answer a request that names no message of the run: a health check, or somebody's mistake."""
        came = now()
        words = str(request) if named is None else f"{request} ({named[:60]!r})"
        self.strangers.append(words)
        if named is not None or request.body:
            self.misnamed.append(words if named is not None else f"{request} {request.body[:60]!r}")
        await asyncio.sleep(self.plan.delay)  # what the test says that the service takes
        caller.answer(self.plan.status, self.plan.body)
        if named is not None and self.plan.status in _GOOD:
            self._board.tell(named, name=self.plan.name, consumer=caller.link, since=came, message=None)


def many(count: int, word: str) -> str:
    """Return a number of things in words: `1 call`, `1,200 calls`."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


class Http:
    """A service that the consumer calls; what `mqchaos.http` returns."""

    def __init__(self, stand: Stand, history: History) -> None:
        self._stand = stand
        self._history = history

    @property
    def name(self) -> str:
        """What the account calls it."""
        return self._stand.plan.name

    @property
    def url(self) -> str:
        """An address of it for whoever is no consumer of the test's: a call there is of no known consumer."""
        return self._stand.address(None)

    @property
    def address(self) -> str:
        """`host:port` of that, as for `mqchaos.link(name, upstream=...)`."""
        return self.url.removeprefix("http://")

    @property
    def calls(self) -> list[facts.Answered]:
        """The calls of messages that were answered so far, in order: `message`, `consumer`, `attempt`, `status`."""
        name = self.name
        return [each for each in self._history if isinstance(each, facts.Answered) and each.source == name]

    def __repr__(self) -> str:
        return f"<http {self.name}: {len(self.calls)} calls answered>"
