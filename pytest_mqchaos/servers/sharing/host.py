"""The process that holds shared servers: run as a program by the first who needs them (`guest` does it).

It leaves that process's session and is nobody's child, so that the end of whoever started it is not its own. Its
words come as one line of JSON on the input; on the output it says in one line that the servers are up, or why not.

```
 {"settings": {...}, "folder": PATH, "run": TAG, "kept": false, "idle": 28800}
 ──► {"up": true} | {"unavailable": TEXT} | {"error": TEXT}
```
It ends when it is told to, when one of the watched processes ends (its guard sees to that, and to this process), when
whoever started it is gone before it heard of the servers, when nobody could find them any more or, where they are kept,
when nobody has used them for `idle` seconds.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from pytest_mqchaos.brokers import launcher
from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.servers.session import Servers, start
from pytest_mqchaos.servers.settings import ServerSettings
from pytest_mqchaos.servers.sharing.listener import Listener
from pytest_mqchaos.servers.sharing.place import Place
from pytest_mqchaos.servers.sharing.talk import Ending, Taken
from pytest_mqchaos.servers.sharing.tidying import serves, tidy, without

__all__ = ["Host", "main"]

_BROKER = "rabbitmq"
_LOOK = 0.5
_AGAIN = 1.0
"""Seconds after which the process is told again to end."""


class Host:
    """What guests may ask of the servers that this process holds; each question comes on a thread of its own."""

    def __init__(self, servers: Servers, *, kept: bool) -> None:
        self._servers = servers
        self._kept = kept
        self._namespaces = frozenset(servers.broker.namespaces())
        self._launcher = launcher(_BROKER)
        self._changed = threading.Condition()
        """Guards what follows; it is never held while a server is asked, so that every question is answered in time."""
        self._guests: dict[str, int] = {}
        self._given: dict[str, str] = {}
        """Addresses of proxies, and the guests that have them."""
        self._tidying = False
        self.ending = threading.Event()
        self._unused_since = time.monotonic()

    def answer(self, said: dict[str, Any]) -> object:
        """Answer one question.

        Raises:
            ChaosError: it cannot be answered.
        """
        broker, toxiproxy = self._servers.broker, self._servers.toxiproxy
        match said.get("do"):
            case "facts":
                return self.facts()
            case "whole":
                return self._whole()
            case "broker":
                return self._launcher.serve(
                    broker, said["name"], said["arguments"], timeout=float(said["patience"])
                )
            case "listen" if toxiproxy is not None:
                listen, address = toxiproxy.listen_address()
                with self._changed:
                    self._given[listen] = str(said.get("guest"))
                return [listen, *address]
            case "release" if toxiproxy is not None:
                with self._changed:
                    self._given.pop(said["listen"], None)
                return toxiproxy.release(said["listen"])
            case "toxiproxy" if toxiproxy is not None:
                return toxiproxy.alive()
            case "stop":
                return self._stop(force=bool(said.get("force")))
        raise ChaosError(f"there is no {said.get('do')!r} to ask the holder of the servers for")

    def facts(self) -> dict[str, Any]:
        """What a guest must know."""
        toxiproxy = self._servers.toxiproxy
        return {
            "pid": os.getpid(),
            "broker": self._launcher.facts(self._servers.broker),
            "toxiproxy": None
            if toxiproxy is None
            else {
                "kind": toxiproxy.kind,
                "version": toxiproxy.version,
                "api": list(toxiproxy.api),
                "upstream": toxiproxy.upstream,
                "description": toxiproxy.description,
            },
            "without": self._servers.without,
            "description": self._servers.description,
        }

    def come(self, session: str) -> dict[str, Any]:
        """Take in a guest; those of one session at a time where the servers are kept.

        Raises:
            Taken: another session uses them.
            Ending: they are ending.
        """
        facts = self.facts()  # first: whoever was not told of them is no guest, and never leaves
        with self._changed:
            self._changed.wait_for(lambda: not self._tidying)
            if self.ending.is_set():
                raise Ending("these servers are ending")
            if self._kept and set(self._guests) - {session}:
                raise Taken("another session uses these servers")
            self._guests[session] = self._guests.get(session, 0) + 1
        return facts

    def leave(self, session: str, guest: str) -> None:
        """Let a guest go, and what it had of Toxiproxy if it died; behind a session kept servers are as they were."""
        with self._changed:
            self._guests[session] -= 1
            last = not self._guests[session]
            if last:
                del self._guests[session]
            left = [one for one, has in self._given.items() if has == guest or (self._kept and last)]
            for one in left:
                del self._given[one]
            self._unused_since = time.monotonic()
            self._tidying = self._kept and last
        if self._kept and last:
            self._tidy(left)
        else:
            without(self._servers.toxiproxy, left)

    def _tidy(self, left: Collection[str]) -> None:
        """Make kept servers what they were, with these addresses of proxies; nobody comes in meanwhile."""
        usable = False
        try:
            usable = tidy(self._servers, self._namespaces, left)
        finally:
            with self._changed:
                if not usable:
                    self.ending.set()
                self._tidying = False
                self._unused_since = time.monotonic()
                self._changed.notify_all()

    def hold(self, idle: float, known: Callable[[], bool]) -> None:
        """Wait until the servers are to end: told so, or not used for `idle` seconds, or not `known` any more."""
        while not self.ending.wait(min(_LOOK, idle)):
            with self._changed:
                unused = 0.0 if self._guests or self._tidying else time.monotonic() - self._unused_since
                if unused > idle or (unused and not known()):
                    self.ending.set()

    def _whole(self) -> bool:
        broker, toxiproxy = self._servers.broker, self._servers.toxiproxy
        if not broker.alive() or (toxiproxy is not None and not toxiproxy.alive()):
            return False
        with self._changed:
            stood_unused = self._kept and sum(self._guests.values()) <= 1
        return not stood_unused or serves(broker)

    def _stop(self, *, force: bool) -> dict[str, Any]:
        with self._changed:
            if not force:
                self._changed.wait_for(lambda: not self._tidying)
            if self._guests and not force:
                raise ChaosError("a session uses them just now")
            self.ending.set()
        return self.facts()


def _detach() -> None:
    """Be nobody's child: the parent ends at once, so that nobody has to wait for us."""
    if os.fork():
        os._exit(0)


def _serve(words: dict[str, Any]) -> None:
    """Start the servers, say so, and hold them until the end."""
    place = Place(Path(words["folder"]), kept=bool(words["kept"]))
    run, directory = str(words["run"]), place.directory(words["run"])
    heard = threading.Event()
    servers = None
    try:
        _on_signals(signal.default_int_handler)  # while they start, too
        threading.Thread(target=_await_starter, args=(heard,), name="mqchaos-starter", daemon=True).start()
        around = None if place.kept else place.folder
        servers = start(_settings(words["settings"]), run=run, directory=directory, place=around)
        host = Host(servers, kept=place.kept)
        listener = Listener(host, secrets.token_hex(16))
        threading.Thread(target=listener.serve_forever, name="mqchaos-host", daemon=True).start()
        place.write(
            {"port": listener.server_address[1], "token": listener.token, "run": run, "pid": os.getpid(),
             "since": time.time(), "engine": servers.engine, "description": servers.description}
        )  # fmt: skip
        heard.set()
        if _say({"up": True}):
            host.hold(float(words["idle"]) if place.kept else math.inf, lambda: place.of(run))
    except KeyboardInterrupt:
        pass
    finally:
        _on_signals(signal.SIG_IGN)
        place.clear(run)
        try:
            if servers is not None:
                servers.stop()
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            if not place.kept:
                place.remove_empty()


def _settings(given: dict[str, Any]) -> ServerSettings:
    tools = given["tool_folder"]
    return ServerSettings(
        **{**given, "tool_folder": None if tools is None else Path(tools), "watched": tuple(given["watched"])}
    )


def _on_signals(action: Any) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, action)


def _await_starter(heard: threading.Event) -> None:
    """Let this process end if nobody reads any more what it will say: there will be nobody who knows of it."""
    poll = select.poll()
    poll.register(1, 0)  # the end of its reader comes in any case
    poll.poll()
    while (
        not heard.is_set()
    ):  # once is not enough: right before a call that blocks, Python notices it after that
        os.kill(os.getpid(), signal.SIGTERM)
        heard.wait(_AGAIN)


def _say(said: dict[str, object]) -> bool:
    """Say the one line to whoever started us, and whether it was there to hear; then nobody hears us any more."""
    try:
        os.write(1, json.dumps(said).encode() + b"\n")
    except OSError:
        return False
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.close(silence)
    return True


def main() -> None:
    """Read the words, start the servers and hold them."""
    words = json.loads(sys.stdin.readline())
    _detach()
    try:
        _serve(words)
    except ServerUnavailable as error:
        _say({"unavailable": str(error)})
    except ChaosError as error:
        _say({"error": str(error)})
    except Exception as error:
        _say({"error": f"the process that holds the servers: {type(error).__name__}: {error}"})
        raise


if __name__ == "__main__":
    main()
