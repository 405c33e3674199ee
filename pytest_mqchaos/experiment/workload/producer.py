"""The application's own publisher: its process, and how far its publishing is."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from pytest_mqchaos import payloads
from pytest_mqchaos.consumers.consumer import Consumer, LinkAddress, Replica
from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.experiment.workload.adoption import Adoption
from pytest_mqchaos.experiment.workload.claims import Claims
from pytest_mqchaos.experiment.workload.spoiling import Seen
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import now

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.run import Run

__all__ = ["FIRST", "Producer"]

FIRST = 10
"""Messages of a producer among which the moments lie that a test left open."""
_LOOK_AGAIN = 0.02
_SHOWN = 80
"""Bytes of a body that are shown."""
_ROUTES = 3
"""Ways to nowhere that are named."""


class Producer:
    """A program of the application that publishes, on a link of its own; what it publishes is the workload."""

    def __init__(
        self,
        run: Run,
        program: Consumer,
        adoption: Adoption,
        claims: Claims,
        *,
        count: int | None,
        until: str,
        quiet: float,
        rule: payloads.KeyRule,
    ) -> None:
        self.rule = rule
        """How the key of a message is found."""
        self.name = program.name
        self.program = program
        self.claims = claims
        self._run = run
        self._adoption = adoption
        self._count = count
        self._until = until
        self._quiet = quiet
        self._stirred = time.monotonic()
        self._told = False

    # --- what a test may look at, and do ---

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that its messages have in this run, in the order of publishing; one sent twice stands once.

        What another producer had sent before is among them: it has published that, too.
        """
        with self._run.history.changed:
            return tuple(self._adoption.published)

    @property
    def size(self) -> int:
        """How many messages it has published; of one that has hardly begun the first ten, or all of them."""
        return max(len(self.ids), min(self._count or FIRST, FIRST))

    @property
    def replica(self) -> Replica:
        """Its process, and those that were there before it."""
        return self.program.replicas[0]

    @property
    def pids(self) -> list[int]:
        """The pid of its first process, as long as it runs."""
        return self.program.pids

    @property
    def link(self) -> LinkAddress:
        """Its link."""
        return self.program.link

    @property
    def output(self) -> str:
        """All that it wrote to standard output and error."""
        return self.program.output

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self.program.exit_code

    def crash(self, process: str = "group") -> None:
        """Kill it (SIGKILL); as `Consumer.crash`."""
        __tracebackhide__ = True
        self.program.crash(process)

    def terminate(self, grace: float = 10.0) -> float:
        """Ask it to end (SIGTERM), and return the seconds it took; as `Consumer.terminate`."""
        __tracebackhide__ = True
        return self.program.terminate(grace)

    def freeze(self) -> None:
        """Stop it where it stands (SIGSTOP)."""
        __tracebackhide__ = True
        self.program.freeze()

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        self.program.thaw()

    def restart(self) -> None:
        """Start it anew, whatever its policy; one that runs is terminated first."""
        __tracebackhide__ = True
        self.program.restart()
        self.stir()

    def wait(self, timeout: float | None = None) -> Producer:
        """Wait until it has published all, and return itself.

        Args:
            timeout: seconds, without end by default.

        Raises:
            ChaosError: if it has not by then, or went wrong.
        """
        __tracebackhide__ = True
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.done:
            self._run.check()
            if deadline is not None and time.monotonic() > deadline:
                raise ChaosError(
                    f"{self.name} has not ended its publishing after {timeout:g} s: {self.progress()}"
                )
            with self._run.history.changed:
                self._run.history.changed.wait(_LOOK_AGAIN)
        if self.error is not None:
            raise self.error
        return self

    def progress(self) -> str:
        """Say how far it is: `42 published, it still runs (pid 4711, 3.1 s)`."""
        return f"{len(self.ids)} published, {_briefly(self.replica)}"

    # --- what settling asks for ---

    @property
    def done(self) -> bool:
        """Whether nothing more is published by it: it has ended, or, if it stays, it is quiet."""
        link = self._run.links.named(self.name)
        if self.replica.over:
            return link is None or not link.wire.connected()
        if self._until != "quiet":
            return False
        if self._run.disturbed() or self.replica.restarting or self.replica.frozen:
            self.stir()  # it may want to go on, and cannot
        enough = len(self.ids) >= (self._count or 1)
        return enough and self._silence() >= self._quiet

    @property
    def error(self) -> ChaosError | None:
        """What went wrong with it, as far as no fault explains that."""
        replica = self.replica
        if replica.over:
            return None if self._struck() and replica.exit_code != 0 else self._wrong_end(replica)
        if not self.done and self._silence() > self._run.test.settle_timeout and not self._run.disturbed():
            return ChaosError(self._stuck())
        return None

    def keys(self, rule: payloads.KeyRule) -> dict[str, str]:
        """Return the key of each of its messages by its id, under a rule that may be another than `key=`."""
        __tracebackhide__ = True
        with self._run.history.changed:
            own = tuple(self._adoption.ids)  # what another has sent first has its key from there
        found = {name: self._key(name, rule) for name in own}
        return {name: key for name, key in found.items() if key is not None}

    def seen(self) -> list[Seen]:
        """Its messages, and how each was sent first; those too large to be read are left out."""
        with self._run.history.changed:
            sent, messages = self._adoption.sent, self._run.history.messages
            return [Seen(messages[name], sent[name]) for name in self._adoption.ids if messages[name].digest]

    def close(self) -> None:
        """End it; may be called again."""
        self.program.end_all(0.2)
        self.claims.close()

    def conclude(self) -> None:
        """Take in what it said at last, and hold that each of its messages can be told from the others.

        Raises:
            ChaosError: if they cannot, or the rule that the test gave for their key fits none.
        """
        __tracebackhide__ = True
        self._keyed()
        self.claims.conclude()
        alike = self._adoption.alike()
        if alike:
            raise ChaosError(
                f"{len(alike)} of {len(self._adoption.ids)} messages of {self.name} cannot be told apart: they read "
                "the same and have no message_id of their own; let it set one, or name what tells them apart with "
                "producer(..., key=)"
            )
        self._unheard()
        process, code = self.replica.process, self.exit_code
        if self.replica.over and process is not None and code != 0 and not self._told:
            self._told = True
            how = "was ended by a fault" if process.ender == "fault" else "was struck by a fault and ended"
            text = f"{self.name} {how} (exit code {code}) after {len(self.ids)} messages"
            self._run.history.append(facts.Noted(at=now(), text=text))

    def _keyed(self) -> None:
        """Hold that the rule for keys fits at least one of the messages; those that were too large to be read aside."""
        __tracebackhide__ = True
        read = [one.message for one in self.seen()]
        if self.rule.rule is None or not read or any(one.key is not None for one in read):
            return
        first = f"(the first: {read[0].body[:_SHOWN]!r})"
        try:
            self._key(read[0].id, self.rule)
        except ChaosError as error:
            why = str(error).removeprefix("publish(): ").removeprefix(f"{self.rule.written}: ")
            first = f"{first}: {why}" if callable(self.rule.rule) else first
        raise ChaosError(
            f"producer({self.rule.written}): none of {len(read)} messages of {self.name} has it {first}"
        )

    def _key(self, name: str, rule: payloads.KeyRule) -> str | None:
        __tracebackhide__ = True
        message = self._run.history.messages[name]
        known = self._adoption.sent[name].properties
        properties = {"message_id": message.message_id, **known.contract()}
        return rule(payloads.Draft(message.number, name, message.body, known.headers(), properties))

    def _unheard(self) -> None:
        """Note what went to exchanges that led it to no queue: nobody is to hear it, or a routing key is wrong."""
        with self._run.history.changed:
            leads = self._run.ledger.roles().leads_to
            messages = [self._run.history.messages[name] for name in self._adoption.ids]
            deaf = Counter(
                (one.exchange, one.routing_key)
                for one in messages
                if one.exchange and not one.mandatory and not leads(one.exchange, one.routing_key)
            )
        for (exchange, key), count in deaf.most_common(_ROUTES):
            text = f"{count} messages of {self.name} to exchange {exchange!r} with key {key!r} were led to no queue"
            self._run.history.append(facts.Noted(at=now(), text=text))

    def stir(self) -> None:
        """Take down that something happened with it just now."""
        self._stirred = time.monotonic()

    def _silence(self) -> float:
        """Seconds since it published, or anything kept it from that."""
        return time.monotonic() - max(self._stirred, self._adoption.last)

    def _wrong_end(self, replica: Replica) -> ChaosError | None:
        ended, count = replica.process, len(self.ids)
        if ended is None or ended.ender == "plugin":
            return None
        if replica.exit_code != 0:
            if ended.ender == "fault":
                return None
            return ChaosError(
                f"{self.name} failed after {count} messages, and no fault struck it: {_briefly(replica)}"
            )
        if self._count is not None and count < self._count:
            return ChaosError(
                f"{self.name} ended normally, and published {count} of {self._count} messages: {_briefly(replica)}"
            )
        return None

    def _struck(self) -> bool:
        """Whether a fault struck its link, its process or the broker."""
        with self._run.history.changed:
            strikes = self._run.ledger.surroundings.strikes
            return any(one.event.changed and one.hits(self.name) for one in strikes)

    def _stuck(self) -> str:
        waited = f"{self.name} has published nothing for {self._run.test.settle_timeout:g} s"
        if self._until == "quiet":
            return f"{waited}: {len(self.ids)} of {self._count or 'any'} messages; {self.progress()}"
        return (
            f'{waited} and has not ended: {self.progress()}; for one that stays, producer(..., until="quiet") '
            "takes its silence for the end"
        )


def _briefly(replica: Replica) -> str:
    """How it ended or stands, in one line: the rest of its output is a section of the failure."""
    return replica.describe_failure().partition("\n")[0]
