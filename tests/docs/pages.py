"""The pages a reader has: their text, links, headings and blocks of code."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["PAGES", "ROOT", "anchors", "blocks", "commands", "links", "prose"]

ROOT = Path(__file__).parents[2]
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
]

_OURS = re.compile(r"(\w+=\S* )*(pytest|python -m (pytest|pytest_mqchaos))( |$)")
_FENCED = re.compile(r"^```(.*?)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    """Return a page's text without its blocks of code."""
    return _FENCED.sub("", _text(page))


def blocks(page: str, *languages: str) -> list[str]:
    """Return the blocks of these languages; `""` for those that name none."""
    return [text for language, text in _FENCED.findall(_text(page)) if language in languages]


def links(page: str) -> list[tuple[str, str]]:
    """Return the relative links as pairs of the file that is meant, from the root, and the anchor in it."""
    found = []
    for target in re.findall(r"\]\((?![a-z]+:)([^)\s]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        meant = (ROOT / page).parent.joinpath(path).resolve() if path else ROOT / page
        found.append((meant.relative_to(ROOT).as_posix(), anchor))
    return found


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site name them."""
    titles = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.strip().replace(" ", "-") for title in plain}


def commands(page: str) -> list[str]:
    """Return what a reader may type of ours: command lines in blocks, indented or fenced, and in the running text.

    There a command of this package may stand by its own name: `report merge A B -o DIR`.
    """
    lines = [line for text in blocks(page, "", "console", "text", "bash", "sh") for line in text.splitlines()]
    lines += [line for line in prose(page).splitlines() if line.startswith("    ")]
    spoken = re.findall(r"`([^`]+)`", re.sub(r"\n(?!\n)", " ", prose(page)))
    lines += [
        re.sub(r"^(?=(?:doctor|report|stop|try) )", "python -m pytest_mqchaos ", each) for each in spoken
    ]
    typed = (line.strip().removeprefix("$ ").partition("  #")[0].strip() for line in lines)
    return [line for line in typed if _OURS.match(line)]
