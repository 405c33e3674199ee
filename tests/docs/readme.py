"""What the README shows: its text, and its Python files."""

from __future__ import annotations

from pages import ROOT, blocks

__all__ = ["PAGE", "TEXT", "files"]

PAGE = "README.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")


def files() -> dict[str, str]:
    """Return the Python blocks by the file name in their first line."""
    return {block.split("\n", 1)[0].removeprefix("# "): block for block in blocks(PAGE, "python")}
