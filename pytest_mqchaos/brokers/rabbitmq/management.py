"""RabbitMQ's management API: vhosts, and what of queues is configuration.

Its counts are statistics that lag by seconds, so none of them is used here: names, arguments, bindings and policies
are read from the broker's own tables. `http.client` keeps one connection open and is enough.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pytest_mqchaos.errors import ChaosError

__all__ = ["Management", "Policies"]

Policies = tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]
"""The user policies and the operator policies of a vhost."""

_TIMEOUT = 5.0
_BARE = "?disable_stats=true&enable_queue_totals=false"
_OK, _CREATED, _NO_CONTENT = 200, 201, 204
_REFUSED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


class Management:
    """The API at one address (`url`, which may hold a password); safe from several threads.

    Args:
        url: such as `http://localhost:15672`; a login in it wins over `user` and `password`.
        user: of the API, unless the URL has one.
        password: that user's.
        context: for an address that begins with `https`.
    """

    def __init__(self, url: str, *, user: str, password: str, context: ssl.SSLContext | None = None) -> None:
        self.url = url
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (15671 if self._secure else 15672)
        self._path = parts.path.rstrip("/")
        self._context = context
        if parts.username:
            user, password = unquote(parts.username), unquote(parts.password or "")
        self.user = user
        self._headers = {
            "Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii"),
            "Content-Type": "application/json",
        }
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    def __str__(self) -> str:
        """Its address, without a login."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._secure else 'http'}://{host}:{self._port}{self._path}"

    @property
    def host(self) -> str:
        """Where it is."""
        return self._host

    def tags(self) -> frozenset[str]:
        """What the user may do: `administrator`, `policymaker`, `management`, ...

        Raises:
            ChaosError: nobody answers, or the user may not ask.
        """
        found = self._get("/whoami", what="asking who we are").get("tags", ())
        return frozenset(found.split(",") if isinstance(found, str) else found)

    def cluster_name(self) -> str:
        """The name of the cluster that the API is of; empty where it may not be known."""
        with suppress(ChaosError):
            said = self._get("/overview?columns=cluster_name", what="asking for the cluster")
            return str(said.get("cluster_name", ""))
        return ""

    def create_vhost(self, name: str, user: str) -> bool:
        """Make a vhost with all permissions for `user`; return whether it was not there before, else it is let be.

        Args:
            name: a fresh one, such as nobody else chooses: what is there when it is asked for a second time, as no
                answer to the first one came, was made by the first one.
            user: who may do everything there.

        Raises:
            ChaosError: the broker refuses or does not answer; the vhost may be there.
        """
        what = f"creating the vhost {name!r}"
        made = self._put(f"/vhosts/{_quoted(name)}", {"description": "of a run of pytest-mqchaos"}, what=what)
        if made.status != _CREATED and not made.again:
            return False
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        self._put(f"/permissions/{_quoted(name)}/{_quoted(user)}", rights, what=f"{what}: its permissions")
        return True

    def delete_vhost(self, name: str) -> None:
        """Delete a vhost and all in it; one that is gone is no error.

        Raises:
            ChaosError: the broker refuses.
        """
        self._ask(
            "DELETE",
            f"/vhosts/{_quoted(name)}",
            None,
            f"deleting the vhost {name!r}",
            (_NO_CONTENT, _NOT_FOUND),
        )

    def vhosts(self) -> tuple[str, ...]:
        """The names of all vhosts that the user sees."""
        return tuple(one["name"] for one in self._get("/vhosts?columns=name", what="listing the vhosts"))

    def default_queue_type(self, vhost: str) -> str:
        """The type of a queue that asks for none; empty where the vhost does not say."""
        with suppress(ChaosError):
            said = self._get(f"/vhosts/{_quoted(vhost)}", what="asking for a vhost").get("default_queue_type")
            return said if isinstance(said, str) and said != "undefined" else ""
        return ""

    def queues(self, vhost: str) -> list[Mapping[str, Any]]:
        """Every queue: name, type, durable, auto_delete, exclusive, arguments."""
        return self._list(f"/queues/{_quoted(vhost)}{_BARE}", what=f"the queues of {vhost!r}")

    def exchanges(self, vhost: str) -> list[Mapping[str, Any]]:
        """Every exchange: name and type."""
        return self._list(f"/exchanges/{_quoted(vhost)}{_BARE}", what=f"the exchanges of {vhost!r}")

    def bindings(self, vhost: str) -> list[Mapping[str, Any]]:
        """Every binding: source, destination, destination_type, routing_key, arguments."""
        return self._list(f"/bindings/{_quoted(vhost)}", what=f"the bindings of {vhost!r}")

    def policies(self, vhost: str) -> Policies | None:
        """The user policies and the operator policies of a vhost; None where the user may not know."""
        try:
            own = self._list(f"/policies/{_quoted(vhost)}", what=f"the policies of {vhost!r}")
            operators = self._list(f"/operator-policies/{_quoted(vhost)}", what=f"the policies of {vhost!r}")
        except _Refused:
            return None
        return own, operators

    def set_policy(self, vhost: str, policy: Mapping[str, Any]) -> None:
        """Set a policy of a vhost.

        Raises:
            ChaosError: the broker refuses.
        """
        body = {
            name: policy[name] for name in ("pattern", "definition", "priority", "apply-to") if name in policy
        }
        what = f"policy {policy['name']!r}"
        self._put(f"/policies/{_quoted(vhost)}/{_quoted(str(policy['name']))}", body, what=what)

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        with self._lock:
            self._drop()

    # --- how it is asked ---

    def _list(self, path: str, *, what: str) -> list[Mapping[str, Any]]:
        found = self._get(path, what=what)
        # Newer versions may answer in pages.
        items = found.get("items", []) if isinstance(found, dict) else found
        return list(items)

    def _get(self, path: str, *, what: str) -> Any:
        return self._ask("GET", path, None, what, (_OK,)).said

    def _put(self, path: str, body: Mapping[str, object], *, what: str) -> _Answer:
        return self._ask("PUT", path, body, what, (_CREATED, _NO_CONTENT))

    def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None, what: str, wanted: tuple[int, ...]
    ) -> _Answer:
        """Ask, once more on a new connection where an old one was closed meanwhile."""
        data = None if body is None else json.dumps(body).encode()
        with self._lock:
            for attempt in (1, 2):
                had_one = self._connection is not None
                try:
                    status, text = self._once(method, f"{self._path}/api{path}", data)
                    break
                except (OSError, http.client.HTTPException) as error:
                    self._drop()
                    if had_one and attempt == 1:
                        continue
                    raise ChaosError(f"{what}: the management API at {self}: {_why(error)}") from None
        if status not in wanted:
            kind = _Refused if status in (_REFUSED, _FORBIDDEN) else ChaosError
            raise kind(f"{what}: the management API at {self} answers {status}{_said(text)}")
        try:
            return _Answer(status, json.loads(text) if text else None, again=attempt > 1)
        except ValueError:
            raise ChaosError(f"{what}: what answers at {self} is no management API") from None

    def _once(self, method: str, path: str, data: bytes | None) -> tuple[int, bytes]:
        connection = self._connection
        if connection is None:
            if self._secure:
                connection = http.client.HTTPSConnection(
                    self._host, self._port, timeout=_TIMEOUT, context=self._context
                )
            else:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT)
            self._connection = connection
        connection.request(method, path, data, self._headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    said: Any
    again: bool
    """Whether it was asked twice: what was asked for may have been done before."""


class _Refused(ChaosError):
    """The user may not."""


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_TIMEOUT:g} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


def _said(text: bytes) -> str:
    """What an error's JSON says."""
    try:
        reason = json.loads(text).get("reason", "")
    except (ValueError, AttributeError):
        return ""
    return f" ({' '.join(str(reason).split())[:160]})" if reason else ""
