"""What runs of a session that dies leave on a broker of somebody else's, and the program that removes it.

The guard outlives pytest and knows no broker: it runs this module, with what it was told on its input.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

from pytest_mqchaos.brokers._protocol import External
from pytest_mqchaos.brokers.rabbitmq.address import BrokerAddress
from pytest_mqchaos.brokers.rabbitmq.client import speak_tls
from pytest_mqchaos.brokers.rabbitmq.counter import Counter
from pytest_mqchaos.brokers.rabbitmq.management import Management
from pytest_mqchaos.brokers.rabbitmq.place import Place
from pytest_mqchaos.errors import ChaosError

__all__ = ["Leftovers", "main", "remove"]

_MODULE = "pytest_mqchaos.brokers.rabbitmq.leftovers"


class Leftovers:
    """Keeps the guard informed of what is to be removed; does nothing where there is none.

    Args:
        external: how the broker was named.
        management: the address of its management API with a login, if there is one; empty if there is none.
    """

    def __init__(self, external: External, management: str) -> None:
        self._external = external
        self._management = management
        self._lock = threading.Lock()

    def tell(self, namespace: str, place: Place) -> None:
        """Tell what there is of a run now."""
        if self._external.errands is None:
            return
        with self._lock:  # the last to tell knows the most
            words = {
                "url": self._external.url,
                "management": self._management,
                "vhost": place.vhost,
                "whole": place.whole,
                "names": _names(place),
            }
            self._external.errands.errand(f"namespace {namespace}", _MODULE, words)

    def follow(self, namespace: str, place: Place) -> None:
        """Tell it anew whenever something is declared; a vhost of its own goes as a whole."""
        if not place.whole:
            place.declared.heard = lambda: self.tell(namespace, place)
            self.tell(namespace, place)

    def done(self, namespace: str) -> None:
        """All of it was removed."""
        if self._external.errands is not None:
            self._external.errands.done(f"namespace {namespace}")


def _names(place: Place) -> list[tuple[str, str]]:
    """The kinds and names of what is the run's own there, the last one first."""
    made = list(place.declared.made)[::-1]
    if not place.names.prefix:
        return made
    ever = [(kind, place.names.full(name)) for kind, name in place.declared.ever]
    return list(dict.fromkeys([*(one for one in ever if place.ours(one[1])), *made]))


def remove(words: Mapping[str, Any], *, patience: float = 30.0) -> None:
    """Remove what a run left; what is gone already is no error.

    Args:
        words: as `Leftovers` tells them.
        patience: seconds for a broker that was stopped just then to come back.

    Raises:
        ChaosError: it does not answer, or refuses.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return _remove(words)
        except ChaosError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)  # between two tries: nothing tells when it is back


def _remove(words: Mapping[str, Any]) -> None:
    address = BrokerAddress.parse(words["url"])
    tls = address.context("")
    if tls is not None:
        speak_tls(address.host, address.port, tls)
    if words["whole"]:
        Management(
            words["management"],
            user=address.user,
            password=address.password,
            context=tls[0] if tls is not None else None,
        ).delete_vhost(words["vhost"])
        return
    counter = Counter(address.url(words["vhost"]), "mqchaos leftovers")
    try:
        for kind, name in words["names"]:
            counter.delete(kind, name)
    finally:
        counter.close()


def main() -> None:
    """Remove what the input tells of; run by the guard of a session that died."""
    remove(json.load(sys.stdin))


if __name__ == "__main__":
    main()
