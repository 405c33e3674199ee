"""The address of a link, and how a consumer comes to know it: placeholders and environment."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.names import service_variable

__all__ = ["LinkAddress", "environment", "misspelt", "without_password"]

_URLS = ("MQCHAOS_URL", "AMQP_URL", "RABBITMQ_URL", "CELERY_BROKER_URL")
_SECRET = 4
"""Characters from which on a password is hidden wherever it stands."""
_KNOWN = ("url", "host", "port", "user", "password", "vhost", "prefix", "ca", "http")
_PLACEHOLDER = re.compile(rf"\{{({'|'.join(_KNOWN)}|http:[\w.+-]+)\}}")
_WORD = re.compile(r"\{(\w+)\}")
_ALIKE = 0.7
"""How much of a word in braces must be that of a placeholder to be a slip of the keyboard, as difflib counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAddress:
    """Where one replica finds the broker: its link."""

    name: str
    url: str = field(repr=False)
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    vhost: str
    prefix: str = ""
    """What each name begins with, where the broker is shared by prefix."""
    trust: Mapping[str, str] = field(default_factory=dict)
    """Variables that name the files of what it is to trust, where the link speaks TLS."""
    services: Mapping[str, str] = field(default_factory=dict)
    """The addresses of services that we stand in for, by name; the first is meant where none is named."""

    @property
    def ca(self) -> str:
        """The file of the certificate authority that signed the link's certificate; empty in plain text."""
        return self.trust.get("MQCHAOS_CA", "")

    def mask(self, text: str) -> str:
        """Return a text without the password; one that is no secret is hidden in addresses only."""
        return without_password(text, user=self.user, password=self.password)

    def fill(self, text: str, where: str = "") -> str:
        """Replace `{url} {host} {port} {user} {password} {vhost} {prefix} {ca} {http}`, literally; other braces stay.

        `{http:billing}` is the service of that name.

        Args:
            text: what is filled in.
            where: how an error is to call it; by default the text itself.

        Raises:
            UsageError: if it names a service that nothing stands in for: that can mean nothing else.
        """
        __tracebackhide__ = True
        return _PLACEHOLDER.sub(partial(self._value, where or repr(text)), text)

    def _value(self, where: str, found: re.Match[str]) -> str:
        __tracebackhide__ = True
        kind, _, name = found[1].partition(":")
        if kind != "http":
            return str(getattr(self, kind))
        url = self.services.get(name or next(iter(self.services), ""))
        if url is not None:
            return url
        there = ", ".join(self.services)
        raise UsageError(
            f"consumer(): {where}: {found[0]} stands for no service: "
            + (
                f"there is {there}"
                if there
                else "mqchaos.http(...) stands in for one, before its consumer starts"
            )
        )

    def seen_from(self, host: str) -> LinkAddress:
        """Return this address for who calls our loopback interface `host`."""
        if host == self.host:
            return self
        services = {
            name: url.replace(f"//{self.host}:", f"//{host}:", 1) for name, url in self.services.items()
        }
        url = self.url.replace(f"@{self.host}:{self.port}", f"@{host}:{self.port}", 1)
        return replace(self, host=host, url=url, services=services)

    @property
    def variables(self) -> dict[str, str]:
        """The variables of what it is to trust, and of the services: `MQCHAOS_HTTP_URL` and one by each name."""
        found = dict(self.trust)
        for name, url in self.services.items():
            found.setdefault("MQCHAOS_HTTP_URL", url)
            found.setdefault(service_variable(name), url)
        return found


def without_password(text: str, *, user: str, password: str) -> str:
    """Return a text without a broker's password; one that is no secret is hidden in addresses only."""
    for secret in dict.fromkeys((quote(password, safe=""), password)):
        if secret:
            text = text.replace(f":{secret}@", ":***@")
            if len(secret) >= _SECRET and secret != user:
                text = text.replace(secret, "***")
    return text


def environment(
    address: LinkAddress,
    *,
    effects: Path,
    run: str,
    env: Mapping[str, object] | None,
    base: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the whole environment of a consumer: `base` or ours, the link's address, and the test's own, which wins.

    Python's output is not buffered unless somebody says otherwise (`PYTHONUNBUFFERED`, empty or None for
    buffered), so that its last lines are not lost to a SIGKILL. Only standard output and error are meant by
    that: what the consumer writes elsewhere stays as buffered as it is.

    Raises:
        UsageError: if a name or value is no text.
    """
    __tracebackhide__ = True
    found = dict(os.environ if base is None else base)
    found.pop("PYTEST_CURRENT_TEST", None)
    found.setdefault("PYTHONUNBUFFERED", "1")
    found.update(dict.fromkeys(_URLS, address.url))
    found["MQCHAOS_EFFECTS"] = str(effects)
    found["MQCHAOS_RUN"] = run
    found["MQCHAOS_PREFIX"] = address.prefix
    found.update(address.variables)
    if address.services:  # a proxy of the company's has no way to our loopback
        hosts = {urlsplit(url).hostname or "" for url in address.services.values()}
        for proxy in ("no_proxy", "NO_PROXY"):
            found[proxy] = ",".join(filter(None, [found.get(proxy, ""), *sorted(hosts)]))
    if env is not None and not isinstance(env, Mapping):
        raise UsageError(f"consumer(): env={env!r}: a dict of names to values, None removes a name")
    for name, value in (env or {}).items():
        if not isinstance(name, str) or not name or "=" in name or "\0" in name:
            raise UsageError(f"consumer(): env={{{name!r}: ...}}: this is no name of a variable")
        if value is None:
            found.pop(name, None)
        else:
            text = _text(name, value)
            found[name] = address.fill(text, f"env={{{name!r}: {text!r}}}")
    return found


def misspelt(env: Mapping[str, object] | None, words: Iterable[object]) -> str:
    """Say which words in braces look like a placeholder that was meant; empty if none does.

    Braces of other meanings stay as they are, so this is no error: it is said of a program that does not get ready.

    Args:
        env: the test's own variables.
        words: of the command, and further arguments.
    """
    named = [(f"env {name}", value) for name, value in (env or {}).items()]
    for where, text in (*named, *(("its command", word) for word in words)):
        for word in _WORD.findall(text) if isinstance(text, str) else ():
            meant = get_close_matches(word.lower(), _KNOWN, 1, _ALIKE)
            if meant and word not in _KNOWN:
                return f"`{{{word}}}` in {where} stands for nothing: did you mean {{{meant[0]}}}?"
    return ""


def _text(name: str, value: object) -> str:
    __tracebackhide__ = True
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or "\0" in value:
        raise UsageError(
            f"consumer(): env={{{name!r}: {value!r}}}: a value is text, or None to remove the name"
        )
    return value
