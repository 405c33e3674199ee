"""How the templates are read, and what they may do with a text: it is escaped unless it is ours.

Jinja2 is imported when the first page is made, not before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.report import words
from pytest_mqchaos.report.claims import behind

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["SHORT", "environment", "markup", "short", "style_sheet"]

_TEMPLATES = Path(__file__).with_name("templates")
_TICKED = re.compile("`([^`]+)`")
_TOLD = {"x-queue-type"}
SHORT = 400
"""Most characters of a reason."""
_JOINT = re.compile(r"(::|[-+_/])|(?=\[)")


@cache
def environment() -> Environment:
    """Return what renders the templates: everything is escaped, and a name that is not there is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
        auto_reload=False,
    )
    made.filters |= {
        "seconds": words.seconds,
        "span": words.span,
        "number": words.number,
        "ending": words.ending,
        "weight": words.weight,
        "setting": words.setting,
        "percent": words.percent,
        "rate": words.rate,
        "behind": behind,
        "beside": _beside,
        "breakable": _breakable,
        "other_arguments": _other_arguments,
        "short": short,
        "ticked": _ticked,
        "sentence": _sentence,
    }
    made.globals |= {"SYMBOLS": words.SYMBOLS, "WORDS": words.WORDS}
    return made


def markup(text: str) -> Any:
    """Return a text of our own that is markup already."""
    from markupsafe import Markup

    return Markup(text)


def style_sheet() -> str:
    """Return the page's style."""
    return (_TEMPLATES / "style.css").read_text(encoding="utf-8")


def _finalize(value: object) -> object:
    """Take out of a text what would turn, hide or break it; what is markup already is ours."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value)
    return value


def _escaped(text: str) -> str:
    from markupsafe import escape

    return str(escape(printable(text)))


def short(text: str) -> str:
    """Return a text that is cut where it would fill the page."""
    return printable(text, SHORT)


def _other_arguments(queue: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the arguments of a queue, as JSON, that are told neither by its type nor by what is in force."""
    told = {f"x-{name.replace('_', '-')}" for name in queue["in_force"]} | _TOLD
    return [(name, json.dumps(value)) for name, value in queue["arguments"].items() if name not in told]


def _beside(path: str) -> str:
    """Return a link to a directory by its path as seen from the page; whatever else it says it stays a path."""
    return f"./{quote(path, errors='replace')}/"


def _ticked(text: str) -> object:
    """Return a sentence with what stands between backquotes as code."""
    return markup(_TICKED.sub(r"<code>\1</code>", _escaped(text)))


def _breakable(text: str) -> object:
    """Return a name that a narrow screen may break at its joints."""
    return markup(_JOINT.sub(lambda found: f"{found[0]}<wbr>", _escaped(text)))


def _sentence(text: str) -> str:
    """Return a text that begins as a sentence does; what looks like code stays what it is."""
    first = text.partition(" ")[0]
    return text if "_" in first or "(" in first else f"{text[:1].upper()}{text[1:]}"
