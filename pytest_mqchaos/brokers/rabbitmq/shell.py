"""The line to the broker's own VM: one `erl` that stays open over its standard input and output.

`rabbitmqctl` starts a VM of its own for every call (0.6 s) and `erl_call` is missing in images; a shell that
stays costs a few milliseconds a call and serves from several threads at once. What it runs is
`mqchaos.erl`, sent to it as its first line of input and compiled there.
"""

from __future__ import annotations

import base64
import itertools
import json
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from pytest_mqchaos.errors import ChaosError

__all__ = ["PipeStream", "Shell", "Stream", "shell_arguments"]

GRACE = 2.0
"""Seconds beyond a call's own time-out, which the shell keeps by itself."""
_BOOTSTRAP = """
Read = fun Read(Text, Forms) ->
    case erl_scan:tokens([], Text, 1) of
        {done, {ok, Tokens, _}, Rest} ->
            {ok, Form} = erl_parse:parse_form(Tokens),
            Read(Rest, [Form | Forms]);
        _ -> lists:reverse(Forms)
    end
end,
Source = base64:decode(string:trim(io:get_line(""))),
{ok, mqchaos, Binary} = compile:forms(Read(unicode:characters_to_list(Source), [])),
{module, mqchaos} = code:load_binary(mqchaos, "mqchaos", Binary),
mqchaos:main('%s', Binary, "%s").
"""


class Stream(Protocol):
    """The standard input and output of a shell, wherever it runs."""

    def send(self, data: bytes) -> None:
        """Write all of `data` to its input."""

    def receive(self) -> bytes:
        """The next bytes of its output; empty when it has ended."""

    def close(self) -> None:
        """End its input, and the shell with it; may be called again."""


class PipeStream:
    """A shell that is a child process of ours."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def send(self, data: bytes) -> None:
        """Write all of `data` to its input."""
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def receive(self) -> bytes:
        """The next bytes of its output; empty when it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.read1()  # type: ignore[attr-defined, no-any-return]

    def close(self) -> None:
        """Kill it: a shell whose input merely ends would take the broker with it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def shell_arguments(node: str, *, name: str, epmd_pid: int | None = None) -> list[str]:
    """The arguments of `erl` for a shell beside `node`; `epmd_pid` is ended with the broker at our death."""
    return [
        *("-noshell", "-hidden", "-sname", name, "-start_epmd", "false", "+sbwt", "none"),
        *("-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-kernel", "logger_level", "critical"),
        *("-eval", _BOOTSTRAP % (node, epmd_pid or "")),
    ]


class Shell:
    """Calls into the broker's VM, each bounded in time; safe from several threads."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[tuple[str, Any]]] = {0: Future()}
        self._lock = threading.Lock()
        self._closed = False
        self._noise = ""
        source = Path(__file__).with_name("mqchaos.erl").read_bytes()
        threading.Thread(target=self._listen, name="mqchaos-erl", daemon=True).start()
        self._send(base64.b64encode(source) + b"\n")

    @property
    def closed(self) -> bool:
        """Whether the shell has ended."""
        return self._closed

    @property
    def last_words(self) -> str:
        """What it said last that was no answer."""
        return self._noise[:200]

    def call(self, function: str, arguments: Sequence[str] = (), *, timeout: float, what: str) -> Any:
        """Call a function of `mqchaos.erl` in the broker's VM and return its value.

        Raises:
            ChaosError: no answer within `timeout` seconds, or an error; the text begins with `what`.

        """
        number = next(self._numbers)
        answer: Future[tuple[str, Any]] = Future()
        with self._lock:
            if self._closed:
                raise ChaosError(
                    f"{what}: the Erlang shell beside RabbitMQ has ended{self._and_last_words()}"
                )
            self._waiting[number] = answer
        words = [str(number), str(int(timeout * 1000)), function]
        words += ["=" + base64.b64encode(argument.encode()).decode() for argument in arguments]
        self._send((" ".join(words) + "\n").encode())
        try:
            status, value = answer.result(timeout + GRACE)
        except TimeoutError:
            raise ChaosError(f"{what}: no answer from RabbitMQ within {timeout:g} s") from None
        finally:
            self._waiting.pop(number, None)
        if status != "ok":
            raise ChaosError(f"{what}: {_reason(str(value), timeout)}")
        return value

    def close(self) -> None:
        """End the shell; calls that wait get a `ChaosError`. May be called again."""
        self._closed = True
        self._stream.close()

    def _send(self, line: bytes) -> None:
        with self._lock, suppress(OSError, ValueError):
            self._stream.send(line)

    def _listen(self) -> None:
        rest = b""
        with suppress(OSError, ValueError):
            while part := self._stream.receive():
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    self._take(line.decode("ascii", "replace"))
        if rest:
            self._noise = rest.decode("ascii", "replace")
        with self._lock:
            self._closed = True
            waiting = list(self._waiting.values())
        self._stream.close()
        for answer in waiting:
            if not answer.done():
                answer.set_result(("error", f"the Erlang shell ended{self._and_last_words()}"))

    def _take(self, line: str) -> None:
        number, _, rest = line.partition(" ")
        status, _, text = rest.partition(" ")
        answer = self._waiting.get(int(number)) if number.isdecimal() and status in ("ok", "error") else None
        if answer is not None and not answer.done():
            answer.set_result((status, json.loads(text)))
        elif line.strip() and answer is None:
            self._noise = line.strip()

    def _and_last_words(self) -> str:
        return f" ({self.last_words})" if self.last_words else ""


def _reason(text: str, timeout: float) -> str:
    """An Erlang error in one line, its commonest ones in words."""
    if text == "timeout":
        return f"no answer from RabbitMQ within {timeout:g} s"
    if text == "noconnection":
        return "RabbitMQ is down"
    if text == "stopped":
        return "RabbitMQ is stopped"
    return " ".join(text.split())[:300]
