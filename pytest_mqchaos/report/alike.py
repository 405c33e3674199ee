"""Texts that say the same of other replicas, or with other sizes: how they are known, and how they are one text.

```
worker had it in hand    worker#2 had it in hand         one pattern: worker had it in hand
                                                         united: each of worker and worker#2 had it in hand
a prefetch of 8, and had 6 in hand ... 7 in hand         united: a prefetch of 8, and had 6 to 7 in hand
```
Consumers of different names, and whatever stands in backquotes (queues, ids), stay apart; so do exit codes, signals
and answers of a service, which are numbers by name only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["apart", "pattern", "united"]

_REPLICA = re.compile(r"(.+)#\d+")
_SIZE = (
    r"(?<=prefetch of )\d[\d,]*|"
    r"(?<![\w.,#-])\d[\d,]*(?:\.\d+)?(?= (?:in hand|ready|s|ms|bytes?|messages?|times|deliver(?:y|ies)|attempts?)\b)"
)
_SPAN = re.compile(r"\d[\d,.]* to (?=\d)")
_BETWEEN = r"(?:, | and |, and )"

Part = tuple[str, str]
"""What a piece of a text is (`text`, `who` or `size`), and the piece."""


def pattern(text: str, names: Iterable[str]) -> str:
    """Return what a text has in common with those that say the same of other replicas, or with other sizes.

    Args:
        text: a cause or a claim.
        names: of the consumers of its run; `worker#2` is a replica where `worker` is one of them.
    """
    known = frozenset(names)
    return "".join(_kept(sort, piece, known) for sort, piece in _parts(text, known))


def united(texts: Sequence[tuple[str, Iterable[str]]]) -> str:
    """Return one text for several of one `pattern`, each with its run's names: replicas in a row, sizes as spans."""
    columns = zip(*(list(_parts(text, frozenset(names))) for text, names in texts), strict=True)
    return "".join(_one(column[0][0], [piece for _, piece in column]) for column in columns)


def apart(text: str) -> str:
    """Return a text as one of those that were `united` in it: without *each of*, a span of sizes as its end."""
    return _SPAN.sub("", text.replace("each of ", ""))


def _parts(text: str, known: frozenset[str]) -> Iterator[Part]:
    who = _who(known)
    place = 0
    for found in re.finditer(rf"`[^`]*`|(?P<who>{who})|(?P<size>{_SIZE})", text):
        sort = found.lastgroup
        if sort is not None:
            yield "text", text[place : found.start()]
            yield sort, found[0]
            place = found.end()
    yield "text", text[place:]


def _who(known: frozenset[str]) -> str:
    """Return the expression for one consumer or several of them in a row; one that never fits where none is known."""
    if not known:
        return r"(?!)"
    one = "|".join(re.escape(name) for name in sorted(known, key=lambda name: (-len(name), name)))
    one = rf"(?<![\w#-])(?:{one})(?![\w#-])"
    return f"{one}(?:{_BETWEEN}{one})*"


def _kept(sort: str, piece: str, known: frozenset[str]) -> str:
    if sort == "text":
        return piece
    if sort == "size":
        return "#"
    found = (_REPLICA.fullmatch(name) for name in known)
    bases = {each[0]: each[1] for each in found if each is not None and each[1] in known}
    return " and ".join(dict.fromkeys(bases.get(name, name) for name in _names(piece)))


def _names(piece: str) -> list[str]:
    return re.split(_BETWEEN, piece)


def _one(sort: str, pieces: Sequence[str]) -> str:
    """Return one piece for those of all texts; where it is the same in all, as it is."""
    different = list(dict.fromkeys(pieces))
    if len(different) == 1:
        return different[0]
    if sort == "size":
        sizes = sorted(different, key=lambda piece: float(piece.replace(",", "")))
        return f"{sizes[0]} to {sizes[-1]}"
    names = sorted({name for piece in different for name in _names(piece)}, key=_by_number)
    return f"each of {', '.join(names[:-1])} and {names[-1]}"


def _by_number(name: str) -> tuple[str, int]:
    base, _, number = name.rpartition("#")
    return (base, int(number)) if base and number.isdigit() else (name, 0)
