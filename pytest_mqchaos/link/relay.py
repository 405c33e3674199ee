"""One connection through the wire: two pipes between a client's socket and a socket towards the broker.

```
            ┌────────────── Relay ──────────────┐
 client ◄──►│ _Side   Pipe "client" ──►   _Side │◄──► Toxiproxy ◄──► broker
            │         ◄── Pipe "server"         │
            └──────────────┬────────────────────┘
                           tap: every event, before it is passed on
```
Between a pipe and a socket lies a `Passage`, where the weather of the link is felt.

Bytes pass unchanged and in order. At an event the tap may answer with a strike: then both pipes stand still, the
strike decides whether that event's bytes are passed on (`Held.pass_on`) or die (`Held.take`), and the stream goes
on or the connection ends. An end is mirrored: a FIN as a FIN once all before it was passed on.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Literal, cast

from pytest_mqchaos.link import ending
from pytest_mqchaos.link.barriers import Barriers
from pytest_mqchaos.link.held import Held
from pytest_mqchaos.link.observer import Observer
from pytest_mqchaos.link.pipe import Pipe
from pytest_mqchaos.link.record import End, Record
from pytest_mqchaos.link.tap import Strike, Tap
from pytest_mqchaos.link.tripwire import Halted, Tripwire
from pytest_mqchaos.link.ways import Ways
from pytest_mqchaos.link.weather import Weather
from pytest_mqchaos.model.events import Acked, Delivered, LinkEvent
from pytest_mqchaos.model.history import History, now
from pytest_mqchaos.wire.amqp import ConnectionScanner, Scaler, Segment
from pytest_mqchaos.wire.amqp.events import NotAmqp, Settled, WireEvent

__all__ = ["Relay", "Strike", "Tap"]


class Relay:
    """One client connection and its counterpart towards the broker."""

    def __init__(
        self,
        *,
        number: int,
        observer: Observer,
        history: History,
        tap: Tap,
        on_closed: Callable[[Relay], None],
        on_trouble: Callable[[Exception], None],
        loop: asyncio.AbstractEventLoop,
        weather: Weather | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.number = number
        self.loop = loop
        self.weather = weather or Weather()
        self.observer = observer
        self.scanner = ConnectionScanner()
        self.scaler: Scaler | None = None
        """What scales the delays that the client says, if anything does."""
        self.closed = False
        self.done: asyncio.Future[None] = loop.create_future()
        self.client: asyncio.Transport | None = None
        self.upstream: asyncio.Transport | None = None
        self.from_client = Pipe(self, "client")
        self.from_server = Pipe(self, "server")
        self.ways = Ways(self, tls)
        self.not_amqp = ""
        """Why nothing that is said here can be read, or the client was not understood."""
        self.cause: End | None = None
        """Who ends this connection, if a fault is about to."""
        self.upstream_gone = asyncio.Event()
        self.tripwire: Tripwire | None = None
        """What stops the client when it sends, while a strike may be near."""
        self._record = Record(history, observer)
        self._tap = tap
        self._on_closed = on_closed
        self._on_trouble = on_trouble
        self._early: list[bytes] = []
        self._barriers = Barriers(loop)
        self._holds = 0
        self._tasks: set[asyncio.Task[None]] = set()

    # --- sockets ---

    def upstream_ready(self, transport: asyncio.Transport) -> None:
        """Take the socket towards the broker, and send what the client said meanwhile."""
        self.upstream = transport
        early, self._early = self._early, []
        for data in early:
            self.ways.client_data(data)

    def client_data(self, data: bytes) -> None:
        """Take bytes of the client; they wait until the broker's side is connected."""
        if self.closed or (self.ways.swallowing and self.upstream is None):
            return
        if self.upstream is None:
            self._early.append(data)
        else:
            self.ways.client_data(data)

    def writing(self, receiver: Literal["client", "server"], *, paused: bool) -> None:
        """Pass the receiver's back-pressure on to the sender."""
        (self.from_server if receiver == "client" else self.from_client).choke(paused=paused)

    # --- events ---

    def judge(self, pipe: Pipe, segment: Segment) -> bool:
        """Whether a segment passes now; otherwise a strike has taken it over."""
        try:
            return self._judge(pipe, segment)
        except Exception as error:  # a mistake of ours is not the consumer's: its bytes pass, the run fails
            self._on_trouble(error)
            return True

    def _judge(self, pipe: Pipe, segment: Segment) -> bool:
        event = cast("WireEvent", segment.event)
        if type(event) is NotAmqp:
            self.not_amqp = f"what was said on its link is no AMQP 0-9-1: {event.reason}"
            return True
        early = self._tap.before_settlement(self) if type(event) is Settled else None
        found = self.observer.describe(event)
        own = self._tap.match(self, found) if found else None
        strikes = [strike for strike in (early, own) if strike is not None]
        if not strikes:
            self.record(found)
            return True
        held = Held(self, pipe, segment, found)
        self.hold()
        task = self.loop.create_task(self._strike(strikes, held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return False

    def judged(self) -> None:
        """Let a client go on that its own sending has stopped: all that was read of it has passed."""
        if self.tripwire is not None:
            self.tripwire.judged()

    def _judging(self) -> bool:
        return self.held or bool(self.from_client.waiting)

    async def _strike(self, strikes: Sequence[Strike], held: Held) -> None:
        try:
            for strike in strikes:
                await strike(held)
        finally:
            held.release()

    def record(self, found: Sequence[LinkEvent], *, passed: bool = True) -> None:
        """Write facts into the history; `passed` is False for what never reached its receiver."""
        self._record.take(found, passed=passed)

    def withhold(self, segment: Segment) -> None:
        """Let a segment die, and record it as not passed."""
        if segment.event is None:
            return
        if type(segment.event) is Settled:
            self._tap.look()
        self._record.take_withheld(self.observer.describe(segment.event))

    def hold(self) -> None:
        """Let both pipes stand still; each call wants a `release`."""
        self._holds += 1
        self.from_client.held = self.from_server.held = True

    @property
    def held(self) -> bool:
        """Whether both pipes stand still."""
        return self._holds > 0

    @property
    def client_left(self) -> bool:
        """Whether the client has closed its end, though what it said before may not have been read yet."""
        own = None if self.client is None else self.client.get_extra_info("socket")
        return self.from_client.ended or ending.left(own)

    def let_goodbye(self) -> None:
        """Let the broker's goodbye through, and nothing else that it says on a connection that stands still."""
        self.from_server.farewell = True
        self.from_server.run()

    def release(self) -> None:
        """Let both pipes run again, once nobody holds them any more."""
        self._holds = max(0, self._holds - 1)
        if self._holds:
            return
        self.from_client.held = self.from_server.held = False
        if self.closed:
            return
        self.from_client.run()
        self.from_server.run()

    # --- facts about what was passed on ---

    async def barrier(self, channel: int, behind: Segment | None, timeout: float) -> bool:
        """Place a barrier behind what was passed on, and return whether it was answered within `timeout`.

        Then the broker has processed every settlement that was passed on before on this channel.
        """
        frame = None if self.closed or channel == 0 else self.scanner.barrier(channel, behind=behind)
        if frame is None:
            return False
        waiter = self._barriers.placed(channel)
        asked = now()
        self.from_client.write(frame)
        try:
            if not await asyncio.wait_for(waiter, timeout):
                return False
        except TimeoutError:
            return False
        self._record.processed(channel, asked=asked)
        return True

    def settle_for(self, delivery: Delivered, found: Sequence[LinkEvent]) -> str:
        """Record a delivery, which the client is not given, and acknowledge it to the broker; return why not."""
        own: list[LinkEvent] = []
        if not delivery.auto_ack:
            waiting = self.from_client.waiting
            position = waiting[0].end - len(waiting[0].data) if waiting else None
            made = self.scanner.acknowledgement(delivery.channel, delivery.tag, at=position)
            if made is None:
                return "its channel is closing, or in the middle of a message"
            frame, event = made
            own = [
                replace(fact, effect_seen=None)
                for fact in self.observer.describe(event)
                if isinstance(fact, Acked)
            ]
            self.from_client.write(frame)
        self.record([*found, *own])
        if delivery.get:
            self.from_server.write(self.scanner.emptiness(delivery.channel))
        return ""

    def answered(self, channel: int) -> None:
        """Take the answer of a barrier: of the oldest, though nobody may wait for it any more."""
        self._barriers.answered(channel)

    async def drained(self, timeout: float) -> bool:
        """Wait until the client's kernel holds all that was written to it; return whether it does."""
        arrived = await self.ways.told_client(timeout)
        return self.client is not None and await ending.drained(self.client, self.loop, timeout) and arrived

    # --- ends ---

    def source_ended(self, pipe: Pipe) -> None:
        """A sender's FIN has arrived and all before it was passed on: mirror it."""
        self.close("client" if pipe.side == "client" else "broker")

    def sender_closed(self, side: Literal["client", "server"]) -> None:
        """A socket is gone; what its sender had said is passed on first, unless a strike holds it."""
        pipe = self.from_client if side == "client" else self.from_server
        pipe.ended = True
        if side == "server":
            self.upstream_gone.set()
        if self.closed:  # our FIN was answered
            own = self.client if side == "client" else self.upstream
            if own is not None:
                own.close()
        elif not pipe.standing:
            pipe.run()

    def close(self, by: End, *, reset: bool = False) -> None:
        """End both sides, with a FIN or (`reset`) with an RST; what waits dies and is recorded as not passed."""
        if self.closed:
            return
        self.closed = True
        self.slacken()
        self.ways.close()
        if not reset and (self.cause or by) != "fault":
            self.ways.say_goodbye()
        for pipe, transport in ((self.from_client, self.client), (self.from_server, self.upstream)):
            if transport is None:
                continue
            if reset:
                ending.reset(transport)
            else:
                ending.finish(transport, self.loop, peer_ended=pipe.ended)
        self._withhold()
        self._barriers.fail()
        self._record.ended(self.cause or by)
        if not self.done.done():
            self.done.set_result(None)
        self._on_closed(self)

    def tighten(self, client: Halted) -> None:
        """Let the kernel stop the client whenever it sends (see `tripwire`), until `slacken`."""
        if self.closed or self.client is None:
            return
        if self.tripwire is None:
            own = self.client.get_extra_info("socket")
            if own is None:
                return
            self.tripwire = Tripwire(own, client, loop=self.loop, judging=self._judging)
        self.tripwire.set()

    def slacken(self) -> None:
        """Let the client send again without being stopped; may be called again."""
        if self.tripwire is not None:
            self.tripwire.clear()
            self.tripwire = None

    def client_stands(self) -> AbstractContextManager[None]:
        """While it lasts a client stands whose next word may be the moment of a strike."""
        return nullcontext() if self.tripwire is None else self.tripwire.standing()

    def abandon(self) -> None:
        """Close what is still open of the sockets, without waiting for the peers to end."""
        for transport in (self.client, self.upstream):
            if transport is not None:
                transport.close()

    def _withhold(self) -> None:
        for pipe in (self.from_client, self.from_server):
            while pipe.waiting:
                self.withhold(pipe.waiting.popleft())
