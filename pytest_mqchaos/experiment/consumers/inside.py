"""Consumers inside the test itself: a thread of its process, or a task on its own event loop.

They have a link, and no process of their own: no fault can strike one, and nobody but the test can end them.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from pytest_mqchaos.consumers.addresses import LinkAddress
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.consumers.loops import Loops
from pytest_mqchaos.experiment.consumers.names import aimed
from pytest_mqchaos.model.case import ConsumerFacts
from pytest_mqchaos.model.faults import Fault

__all__ = ["EFFECTS", "Inside", "Link"]

EFFECTS = "(in-process).effects"
"""No consumer can be called that: the file is nobody else's."""


class Link:
    """An address of its own for a consumer that the test runs itself: faults break it, and the wire watches it."""

    def __init__(self, address: LinkAddress, loops: Loops) -> None:
        self._address = address
        self._loops = loops
        self._on_loop = self._in_thread = False

    @property
    def name(self) -> str:
        """What faults call it: `connection_drop(consumer="in-process")`."""
        return self._address.name

    @property
    def url(self) -> str:
        """The broker's address through the link, `amqp://...`."""
        self._note()
        return self._address.url

    @property
    def host(self) -> str:
        """The host, for clients that take it apart from the port."""
        self._note()
        return self._address.host

    @property
    def port(self) -> int:
        """The port."""
        return self._address.port

    @property
    def user(self) -> str:
        """The user."""
        return self._address.user

    @property
    def password(self) -> str:
        """The password."""
        return self._address.password

    @property
    def vhost(self) -> str:
        """The virtual host."""
        return self._address.vhost

    @property
    def ca(self) -> str:
        """The file of the authority that signed the link's certificate; empty in plain text."""
        return self._address.ca

    @property
    def over(self) -> bool:
        """Whether its consumer can do no more: it was a task, and no loop of the test's runs."""
        return self._loops.stopped and not self._in_thread and self._on_loop

    @property
    def uncertain(self) -> bool:
        """Whether its consumer may be such a task, for all that was seen."""
        return self._loops.stopped and not self._in_thread

    def _note(self) -> None:
        if self._loops.note() is not None and not self._loops.elsewhere:
            self._on_loop = True
        elif self._loops.elsewhere:
            self._in_thread = True

    def __repr__(self) -> str:
        """One line, without the password."""
        return f"<link {self.name}: {self._address.host}:{self._address.port}>"


class Inside:
    """The links of one run whose consumers are the test's own."""

    def __init__(self, loops: Loops) -> None:
        self.loops = loops
        self._links: dict[str, Link] = {}
        self._before: dict[str, str | None] = {}

    def add(self, address: LinkAddress) -> Link:
        """Make the link of one more consumer."""
        link = self._links[address.name] = Link(address, self.loops)
        link._note()
        return link

    def give(self, name: str) -> LinkAddress:
        """Leave a link to a process, and return its address."""
        return self._links.pop(name)._address

    def tell(self, effects: str, run: str) -> None:
        """Say in the environment of this process where effects go, until `forget`: the probe looks there."""
        for name, value in (("MQCHAOS_EFFECTS", effects), ("MQCHAOS_RUN", run)):
            self._before.setdefault(name, os.environ.get(name))
            os.environ[name] = value

    def forget(self) -> None:
        """Leave the environment as it was."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before = {}

    @property
    def names(self) -> frozenset[str]:
        """The names of the links."""
        return frozenset(self._links)

    @property
    def links(self) -> tuple[Link, ...]:
        """The links, in the order opened."""
        return tuple(self._links.values())

    def holds(self, link: object) -> bool:
        """Whether a link is one of these."""
        return any(link is one for one in self._links.values())

    @property
    def living(self) -> frozenset[str]:
        """The links whose consumers may still do something."""
        return frozenset(name for name, link in self._links.items() if not link.over)

    @property
    def stopped(self) -> bool:
        """Whether a consumer is, or may be, a task whose loop does not run."""
        return any(link.uncertain for link in self._links.values())

    def standing(self) -> tuple[ConsumerFacts, ...]:
        """How the consumers stand: alive, as far as anybody can know."""
        return tuple(
            ConsumerFacts(name=name, alive=True, restart="never", inside=True) for name in self._links
        )

    def refuse(self, fault: Fault, *, others: Collection[object]) -> None:
        """Raise if a fault would strike the process of one of these consumers: that is the test's own.

        It is asked when messages come, not when a link is opened: until then a process may take the link over.

        Args:
            fault: whatever it is.
            others: consumers with a process, as far as there are any.

        Raises:
            UsageError: saying why, and what to do instead.
        """
        __tracebackhide__ = True
        if fault.family != "process" or (fault.consumer == "*" and others):
            return
        hit = [name for name in self._links if aimed(fault.consumer, name)]
        if hit:
            raise UsageError(
                f"{fault}: the consumer on the link {hit[0]!r} runs in the test's own process, which no fault can "
                "strike: start it by mqchaos.consumer(...) for that (before the first publish(); a process takes this "
                "link over by link=), or name "
                + (
                    "the consumer that is meant: consumer=..."
                    if others
                    else "the scenarios without such faults"
                )
            )
