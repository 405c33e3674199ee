"""The words of a command line, as a test writes them."""

from __future__ import annotations

import os

from pytest_mqchaos.errors import UsageError

__all__ = ["command_word"]


def command_word(word: object, where: str) -> str:
    """Return a word of a command as text; `where` is how an error begins.

    Raises:
        UsageError: if it is no text, path or number.
    """
    __tracebackhide__ = True
    if isinstance(word, os.PathLike):
        word = os.fspath(word)
    if isinstance(word, int | float) and not isinstance(word, bool):
        word = str(word)
    if not isinstance(word, str) or "\0" in word:
        raise UsageError(f"{where}: a command's words are text, paths or numbers")
    return word
