"""What the README shows, taken apart: its blocks of code and their language."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the blocks of one language; `""` for those that name none."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def files() -> dict[str, str]:
    """Return the Python blocks by the file name in their first line."""
    return {block.split("\n", 1)[0].removeprefix("# "): block for block in blocks("python")}
