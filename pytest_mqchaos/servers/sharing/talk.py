"""How a host is spoken to: a connection for each question, and a line of JSON each way.

```
 guest ──{"token": T, "do": NAME, ...}──► host
       ◄──{"value": V} or {"error": TEXT} or {"taken": TEXT} or {"ending": TEXT}──
```
The token stands in a file that only its owner reads; whoever has not got it is not answered.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field
from typing import Any

from pytest_mqchaos.errors import ChaosError

__all__ = ["Address", "Ending", "Gone", "Refused", "Silent", "Taken", "read_line", "stay", "write_line"]

_LONGEST = 16 * 1024 * 1024
_TIMEOUT = 10.0


class Gone(ChaosError):
    """The process that holds the servers does not answer: nobody listens at its port."""


class Silent(Gone):
    """Somebody listens there and gives no answer: a busy holder, one that hangs, or another program at its port."""


class Refused(ChaosError):
    """The holder takes in no guest."""

    word = ""


class Taken(Refused):
    """Another session uses these servers just now."""

    word = "taken"


class Ending(Refused):
    """These servers are ending."""

    word = "ending"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a host listens on the loopback interface, and what lets one in."""

    port: int
    token: str = field(repr=False)

    def ask(self, do: str, *, timeout: float = _TIMEOUT, **words: object) -> Any:
        """Ask one question and return the answer.

        Raises:
            Gone: the host is not there.
            Silent: it does not answer within `timeout` seconds, or as no host does.
            ChaosError: it answers with an error.
        """
        with self._connection(do, timeout) as connection:
            return _answer(connection, {"token": self.token, "do": do, **words}, do)

    def _connection(self, do: str, timeout: float) -> socket.socket:
        try:
            return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        except ConnectionRefusedError as error:
            raise Gone(f"{do}: {_ENDED} ({error.strerror})") from None
        except OSError as error:
            raise Silent(f"{do}: {_ENDED} ({error.strerror or error})") from None


_ENDED = "the process that holds the servers does not answer"


def stay(address: Address, *, timeout: float = _TIMEOUT, **words: object) -> tuple[socket.socket, Any]:
    """Become a guest: one is for as long as the connection is open. It is returned with the host's answer.

    Raises:
        Gone: the host is not there.
        Silent: it does not answer within `timeout` seconds, or as no host does.
        Taken: another session uses its servers.
        Ending: it takes no guest any more.
        ChaosError: it answers with an error.
    """
    connection = address._connection("stay", timeout)
    try:
        answer = _answer(connection, {"token": address.token, "do": "stay", **words}, "stay")
    except BaseException:
        connection.close()
        raise
    connection.settimeout(None)
    return connection, answer


def _answer(connection: socket.socket, said: dict[str, object], do: str) -> Any:
    try:
        write_line(connection, said)
        answer = read_line(connection)
    except (OSError, ValueError, RecursionError) as error:
        raise Silent(f"{do}: {_ENDED} ({error})") from None
    if answer is None:
        raise Silent(f"{do}: {_ENDED} (it closed the connection)")
    for refusal in (Taken, Ending):
        if refusal.word in answer:
            raise refusal(str(answer[refusal.word]))
    if "error" in answer:
        raise ChaosError(str(answer["error"]))
    return answer.get("value")


def write_line(connection: socket.socket, said: dict[str, object]) -> None:
    """Send a line."""
    connection.sendall(json.dumps(said).encode() + b"\n")


def read_line(connection: socket.socket) -> dict[str, Any] | None:
    """Return the next line; None if the other side has ended.

    Raises:
        ValueError: it is no object in JSON, or too long.
    """
    data = bytearray()
    while not data.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            return None
        data += part
        if len(data) > _LONGEST:
            raise ValueError("too long a line")
    said = json.loads(data)
    if not isinstance(said, dict):
        raise ValueError("no object")
    return said
