"""The address of a broker that somebody else runs: `amqp://user:password@host:port/vhost?cacertfile=...`.

The password is for the broker alone: no text that is made here shows it.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from pytest_mqchaos.errors import UsageError

__all__ = ["BrokerAddress", "is_loopback", "masked"]

_PORTS = {"amqp": 5672, "amqps": 5671}
_MANAGEMENT = "management"
_TLS = ("cacertfile", "certfile", "keyfile", "server_name_indication", "verify")
_MASK = "***"


def masked(text: str) -> str:
    """Return an address, however broken, without its password: all from the first colon to the last `@`."""
    scheme, slashes, rest = text.partition("://") if "://" in text else ("", "", text)
    login, at, place = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}{slashes}{user}{colon}{_MASK if colon else ''}{at}{place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the broker is, and who we are there."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    vhost: str
    secure: bool
    management: str = field(repr=False, default="")
    """The address of the management API, where the URL says it."""
    tls: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> BrokerAddress:
        """Read an address.

        Raises:
            ValueError: saying what it should be, as the end of "... is not".
        """
        try:
            parts = urlsplit(text)
            port = parts.port
            pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise ValueError("an address such as amqp://user:password@host:5672/") from None
        if parts.scheme not in _PORTS:
            raise ValueError("an address that begins with amqp:// or amqps://")
        if not parts.hostname or port == 0 or re.search(r"\s", text):
            raise ValueError(
                "an address with a host and a port from 1 to 65535, such as amqp://user:pw@host:5672/"
            )
        if parts.path.count("/") > 1 or parts.fragment:
            raise ValueError("an address with at most one / behind its host (write one in a vhost as %2F)")
        user = unquote(parts.username) if parts.username else "guest"
        password = unquote(parts.password or "") if parts.username else "guest"
        if _MASK in (user, password):
            raise ValueError(f"complete: {_MASK} stands for a login that is not shown; fill it in")
        query = _query(pairs, secure=parts.scheme == "amqps")
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            user=user,
            password=password,
            vhost=unquote(parts.path[1:]) or "/",
            secure=parts.scheme == "amqps",
            management=query.pop(_MANAGEMENT, ""),
            tls=query,
        )

    @property
    def place(self) -> str:
        """`host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this one, by its name or number."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        """The address without the password."""
        scheme = "amqps" if self.secure else "amqp"
        return f"{scheme}://{quote(self.user, safe='')}@{self.place}/{self._path(self.vhost)}"

    def url(
        self, vhost: str, *, host: str | None = None, port: int | None = None, secure: bool = False
    ) -> str:
        """The address of a vhost with the password: of the broker, or of a link in front, which is `secure` or not."""
        link = host is not None or port is not None
        place = f"{host or self.host}:{port or self.port}" if link else self.place
        scheme = "amqps" if (secure if link else self.secure) else "amqp"
        credentials = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return f"{scheme}://{credentials}@{place}/{quote(vhost, safe='')}"

    def context(self, where: str) -> tuple[ssl.SSLContext, str] | None:
        """What TLS to the broker needs: the context, and the name in its certificate; None for plain text.

        Args:
            where: how the address was given, for the error.

        Raises:
            UsageError: a file cannot be read, or is not what it should be.
        """
        if not self.secure:
            return None
        authority = self.tls.get("cacertfile")
        name = "cacertfile"
        try:
            made = ssl.create_default_context(cafile=authority)
            if certificate := self.tls.get("certfile"):
                name = "certfile"
                made.load_cert_chain(certificate, self.tls.get("keyfile"))
        except OSError as error:
            raise UsageError(f"{where}: {name}={self.tls[name]}: {error.strerror or error}") from None
        if self.tls.get("verify") == "verify_none":
            made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
        return made, self.tls.get("server_name_indication") or self.host

    @staticmethod
    def _path(vhost: str) -> str:
        return "" if vhost == "/" else quote(vhost, safe="")


def is_loopback(host: str) -> bool:
    """Whether a host is this one, by its name or number."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _query(pairs: list[tuple[str, str]], *, secure: bool) -> dict[str, str]:
    allowed = (_MANAGEMENT, *_TLS) if secure else (_MANAGEMENT,)
    for name, value in pairs:
        if name not in allowed:
            kind = "" if secure or name not in _TLS else " with amqp:// (it goes with amqps://)"
            known = ", ".join(allowed)
            raise ValueError(f"an address that is understood: there is no ?{name}={kind}; there is {known}")
        if name.endswith("file") and not Path(value).is_file():
            raise ValueError(f"an address that can be used: ?{name}={value} is no file")
        if name == "verify" and value not in ("verify_peer", "verify_none"):
            raise ValueError("an address that is understood: ?verify= is verify_peer or verify_none")
    return dict(pairs)
