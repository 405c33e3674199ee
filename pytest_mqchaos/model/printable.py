"""Text that is safe to show: on a terminal, in a log, in a report.

Whatever a consumer, a broker or a payload wrote may hold terminal sequences, line breaks, text that runs
backwards, a password in a URL, or a megabyte. Everything shown goes through here.
"""

from __future__ import annotations

import re

__all__ = ["body_text", "cut", "masked", "printable"]

_LONGEST = 20_000
_SECRET = 8192
"""Characters that a password may have beyond what is shown: a token of OAuth 2 is one."""
_SCHEME = 40
"""Characters in which the name of a scheme and a quote before it are looked for."""
_SPACE = re.compile(r"\s")
_QUOTED = re.compile(r'"[A-Za-z][\w+.-]*$')
_STRING = re.compile(r'((?:[^"\\]|\\.)*)"(?:[,:}\]]|$)')
_LOGIN = re.compile(r"[^/?#@]*@|[^/@]*:(?!\d+(?:[/?#]|$))")
_SECRETS = re.compile(r"([?&](?:password|passwd|pwd|secret|token|api_?key)=)[^&#\s'\"<>]+", re.IGNORECASE)


def masked(text: str) -> str:
    """Return `text` with the credentials of every URL in it replaced by `***`.

    They end at the last `@` before white space or the next URL, since a password may hold quotes and brackets, and one
    that is written wrongly slashes; in a string of JSON with its end, if that is plain. The time is linear in the
    text's length.
    """
    if "://" not in text:
        return text
    head, *rest = text.split("://")
    befores = [head, *rest]
    return _SECRETS.sub(r"\1***", "://".join([head, *map(_without_login, befores, rest)]))


def _without_login(before: str, rest: str) -> str:
    """Return what stands behind `://` without a login; `before` is what stands before that."""
    word = _SPACE.split(rest, maxsplit=1)[0]
    string = _STRING.match(word) if _QUOTED.search(before[-_SCHEME:]) else None
    if string is not None and ("@" in string[1] or not _LOGIN.match(string[1])):
        word = string[1]
    at = word.rfind("@")
    return f"***{rest[at:]}" if at > 0 and _LOGIN.match(rest, 0, at + 1) else rest


def cut(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters, its end replaced by `...` where it is longer."""
    return text if len(text) <= limit else text[: max(limit - 3, 0)] + "..."


def printable(text: str, limit: int | None = None) -> str:
    r"""Return `text` as one line that a terminal shows as it is: masked, escaped, cut.

    Control characters, line breaks, invisible and text-turning characters and lone surrogates become escapes
    such as `\x1b`.
    """
    text = masked(text[: _LONGEST + _SECRET])[:_LONGEST]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _escape(c) for c in text)
    return text if limit is None else cut(text, limit)


def body_text(body: bytes, limit: int = 256) -> str:
    r"""Return a payload as one printable line, cut at `limit`; bytes that are no text become `\xff`."""
    most = 4 * limit + _SECRET
    text = printable(body[:most].decode("utf-8", "backslashreplace"))
    if len(text) <= limit and len(body) <= most:
        return text
    return cut(text + "...", limit)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
