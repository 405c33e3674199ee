"""The effect probe: one line from the consumer that says "my work for this message is done".

Light enough for production code: it imports `os` and `threading` only, and without a chaos test it does nothing.
In one it blocks only while a fault waits for the moment before an effect.

```python
from pytest_mqchaos import probe

def handle(order):
    save(order)
    probe.effect(order["id"])       # after the work, before or after the ack: as the application does it
```

The same module is `mqchaos_probe`, of a distribution that has nothing else in it and runs on Python 3.8 (`probe/`).

The line goes to the file named by `MQCHAOS_EFFECTS`. The first line from each process that uses the probe is
`#probe`, by which the test knows that missing effects are missing work.
"""

# light: pathlib would cost more than the probe
# ruff: noqa: PTH110, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import os
import threading

TYPE_CHECKING = False  # as in the package: `typing` costs more than the probe
if TYPE_CHECKING:
    from typing import Any

__all__ = ["effect", "sent"]

_announced: set[str] = set()
_announcing = threading.Lock()
if hasattr(os, "register_at_fork"):  # the lock may be held by a thread that a fork leaves behind
    os.register_at_fork(
        before=_announcing.acquire, after_in_parent=_announcing.release, after_in_child=_announcing.release
    )


def effect(id: str | int | bytes) -> None:
    """Tell the running chaos test that the work for a message is done; without one do nothing.

    One write of one line, complete when it returns: a process that is killed the moment after has told it.
    While a fault of the test waits for this very moment (`before=effect(n)`), it asks the test first, and returns
    when that fault has struck; at all other times nothing is waited for. Safe in threads and in forked processes;
    the file is opened anew each time, so that an application that closes or replaces descriptors cannot lead the
    line astray.

    Args:
        id: the message's id (header `x-mqchaos-id`), or the application's own key of it.

    Raises:
        TypeError: if `id` is not a str, int or bytes.
        ValueError: if `id` is empty or contains a line break.
        OSError: if the test's file is missing or cannot be written to.
    """
    path = os.environ.get("MQCHAOS_EFFECTS")
    if path:
        _effect(path, id)


def _effect(path: str, id: str | int | bytes) -> None:
    """Tell it in a file of the test's."""
    line = _line(id)
    asking = _ask(path, line)
    try:
        if path not in _announced:
            with _announcing:
                first = path not in _announced
                _append(path, b"#probe\n" + line if first else line)
                _announced.add(path)
        else:
            _append(path, line)
    finally:
        if asking is not None:
            asking.close()  # by which the test knows that it is written


def sent(id: str | int | bytes) -> None:
    """Tell the running chaos test that a publisher holds a message for sent; without one do nothing.

    To be called where the application believes it: from then on the message must arrive. One write of one line to
    the file named by `MQCHAOS_SENT`, complete when it returns.

    Args:
        id: the message's `message_id`, or the application's own key of it.

    Raises:
        TypeError: if `id` is not a str, int or bytes.
        ValueError: if `id` is empty or contains a line break.
        OSError: if the test's file is missing or cannot be written to.
    """
    path = os.environ.get("MQCHAOS_SENT")
    if path:
        _append(path, _line(id, "sent"))


def _line(value: object, call: str = "effect") -> bytes:
    if isinstance(value, bool) or not isinstance(value, (str, int, bytes)):
        raise TypeError(f"probe.{call}({value!r}): an id or key is a str, an int or bytes")
    raw = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    if not raw.strip():
        raise ValueError(f"probe.{call}({value!r}): an id or key is not empty")
    if b"\n" in raw or b"\r" in raw:
        raise ValueError(f"probe.{call}({value!r}): an id or key has no line break")
    return raw + b"\n"


def _ask(path: str, line: bytes) -> Any:
    """Ask the test before an effect, if one of its faults waits for that; whatever goes wrong, the work goes on.

    Returns:
        The connection, to be closed when the effect is written; None if nobody was to be asked.
    """
    gate = os.path.join(os.path.dirname(path), "gate")
    if not os.path.exists(gate):
        return None
    import socket  # by those that ask only

    try:
        with open(gate, encoding="ascii") as opened:
            port, token = opened.read().split()
        test = socket.create_connection(("127.0.0.1", int(port)), timeout=5.0)
    except (OSError, ValueError):
        return None  # it was shut meanwhile: nothing waits any more
    try:
        test.settimeout(None)  # a strike takes its time; its end, and the test's, ends the connection
        test.sendall(b"%s\n%s\n%s" % (token.encode(), os.fsencode(os.path.basename(path)), line))
        test.recv(1)
    except OSError:
        pass
    except BaseException:
        test.close()
        raise
    return test


def _append(path: str, line: bytes) -> None:
    # The test made the file: without O_CREAT a path that is not there is an error, not a file nobody reads.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        written = os.write(descriptor, line)
    finally:
        os.close(descriptor)
    if written != len(line):
        raise OSError(f"{path}: only {written} of {len(line)} bytes of a line were written")


def _announce(variable: str = "MQCHAOS_EFFECTS") -> None:
    """Write `#probe` at import time where a chaos test is on: then no effect at all is no work at all.

    A test's file that cannot be written to is an error of the first effect, never of an import.
    """
    path = os.environ.get(variable)
    if path and path not in _announced:
        try:
            _append(path, b"#probe\n")
        except OSError:
            return
        _announced.add(path)


_announce()
