"""Text that is safe to show: on a terminal, in a log, in a report.

Whatever a consumer, a broker or a payload wrote may hold terminal sequences, line breaks, text that runs
backwards, a password in a URL, or a megabyte. Everything shown goes through here.
"""

from __future__ import annotations

import re

__all__ = ["body_text", "cut", "masked", "printable"]

_LONGEST = 20_000
_QUOTES = "\\s'\"<>"
_CREDENTIALS = re.compile(
    rf"(?<=://)(?:[^/?#{_QUOTES}]{{1,512}}@|[^/@{_QUOTES}]{{0,256}}:(?!\d+(?:[/?#]|$))[^{_QUOTES}]{{0,256}}@)"
)
_SECRETS = re.compile(
    rf"([?&](?:password|passwd|pwd|secret|token|api_?key)=)[^&#{_QUOTES}]{{1,512}}", re.IGNORECASE
)


def masked(text: str) -> str:
    """Return `text` with the credentials of every URL in it replaced by `***`."""
    if "://" not in text:
        return text
    return _SECRETS.sub(r"\1***", _CREDENTIALS.sub("***@", text))


def cut(text: str, limit: int) -> str:
    """Return `text` in at most `limit` characters, its end replaced by `...` where it is longer."""
    return text if len(text) <= limit else text[: max(limit - 3, 0)] + "..."


def printable(text: str, limit: int | None = None) -> str:
    r"""Return `text` as one line that a terminal shows as it is: masked, escaped, cut.

    Control characters, line breaks, invisible and text-turning characters and lone surrogates become escapes
    such as `\x1b`.
    """
    text = masked(text[:_LONGEST])
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _escape(c) for c in text)
    return text if limit is None else cut(text, limit)


def body_text(body: bytes, limit: int = 256) -> str:
    r"""Return a payload as one printable line, cut at `limit`; bytes that are no text become `\xff`."""
    text = printable(body[: 4 * limit + 512].decode("utf-8", "backslashreplace"))
    if len(text) <= limit and len(body) <= 4 * limit + 512:
        return text
    return cut(text + "...", limit)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
