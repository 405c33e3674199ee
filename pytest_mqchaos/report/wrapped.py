"""The text of a failure in the width of a terminal, and what of it has which colour.

```
lost: 1 of 200 messages                                     red, bold
  orders-k3f9-000017 lost by the consumer: its ack ...      bold
     0.431  acknowledged by worker   <- before its effect   the note red
  mend: acknowledge after the work.                         green
  again: pytest ...                                         in one line, however long: it is to be copied
```
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping

__all__ = ["Piece", "wrapped"]

Piece = tuple[str, Mapping[str, bool]]
"""A part of a line with its markup, as a writer of pytest's takes it."""

_NARROWEST = 40
_STEP = re.compile(r" *(?:\d+\.\d{3}|\.\.\.)  ")
_LABEL = re.compile(r"  (again|cause|mend|note|hazard|allowed|to allow just this)\b")
_NOTE = "<- "
_MARKUP: Mapping[str, Mapping[str, bool]] = {
    "mend": {"green": True},
    "hazard": {"yellow": True},
    "allowed": {"yellow": True},
}
_INDENT = 12
"""Where a step's words begin: its second, and two spaces."""


def wrapped(text: str, width: int) -> Iterator[list[Piece]]:
    """Yield the lines of a failure's text, none longer than `width` but for what has no place to break it."""
    for number, line in enumerate(text.split("\n")):
        if step := _STEP.match(line):
            yield from _step(line, _fitted(line, width, max(len(step[0]), _INDENT)))
            continue
        label = _LABEL.match(line)
        markup = _MARKUP.get(label[1], {}) if label else {"bold": True} if line[:2] == "  " else {}
        if number == 0:
            markup = {"red": True, "bold": True}
        whole = label is not None and label[1] == "again"
        for part in [line] if whole else _fitted(line, width, 4):
            yield [(part, markup)]


def _fitted(line: str, width: int, indent: int) -> list[str]:
    fitted = textwrap.wrap(
        line,
        max(width, _NARROWEST),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return fitted or [""]


def _step(line: str, parts: list[str]) -> Iterator[list[Piece]]:
    """Yield a step's lines; its note is red to the end."""
    noted = False
    for part in parts:
        plain, found, note = ("", "", part) if noted else part.partition(_NOTE)
        noted = noted or bool(found)
        yield [piece for piece in ((plain, {}), (found + note, {"red": True})) if piece[0]]
