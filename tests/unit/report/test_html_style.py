"""The page's colours: enough contrast for every text on what it stands on, with style and without, and on paper."""

from __future__ import annotations

import re

import pytest
from report_builders import failing, session
from test_html import HTML

from pytest_mqchaos.report.html import page


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, by WCAG 2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


GROUNDS = ("paper", "card", "tint", "bad-tint", "unsure-tint", "good-tint", "let-tint", "none-tint")
TEXTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ink", "soft", "link"), GROUNDS),
    **{
        state: ("paper", "card", "tint", f"{state}-tint")
        for state in ("bad", "unsure", "good", "let", "none")
    },
    "pink": ("card", "tint"),
}
"""Each colour of a text, and what it may stand on."""


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, by WCAG 2."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(scheme: str) -> None:
    """Text has a contrast of 4.5 on what it stands on, marks of 3, light and dark."""
    style = HTML.joinpath("templates", "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", blocks[scheme == "dark"]))
    rules = style.partition("* { box-sizing")[2]

    texts = set(re.findall(r"(?<![-\w])color: var\(--([\w-]+)\)", rules))
    texts |= set(re.findall(r"(?:text|-name|\.tick|\.small|\.number) \{ fill: var\(--([\w-]+)\)", rules))
    assert texts == set(TEXTS)
    assert set(re.findall(r"background: var\(--([\w-]+)\)", rules)) <= set(GROUNDS)
    for text, grounds in TEXTS.items():
        for ground in grounds:
            assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)
    assert contrast(colour["card"], colour["orange"]) >= 4.5  # the number on a flag
    for mark in ("blue", "violet", "green", "ochre", "orange", "pink"):
        for ground in ("card", "tint"):
            assert contrast(colour[mark], colour[ground]) >= 3, mark


def test_contrast_without_style() -> None:
    """What is written into a drawing can be read by its own attributes: on white, and the number on its flag."""
    text = page(session(failing()))
    (flag,) = set(re.findall(r'class="flag"[^>]* fill="(#\w{6})"', text))
    (number,) = set(re.findall(r'class="flag-number"[^>]* fill="#(\w{3})"', text))
    written = set(re.findall(r'<text[^>]* fill="(#\w{6})"', text))

    assert contrast(flag, "#" + "".join(2 * digit for digit in number)) >= 4.5
    assert written
    assert all(contrast(fill, "#ffffff") >= 4.5 for fill in written)


def test_paper_is_white() -> None:
    """Print takes every colour from the light scheme: the dark one is for screens only."""
    style = HTML.joinpath("templates", "style.css").read_text(encoding="utf-8")

    assert re.findall(r"@media ([^{]*prefers-color-scheme[^{]*) \{", style) == [
        "screen and (prefers-color-scheme: dark)"
    ]
    assert "color-scheme: light" in style.partition("@media print")[2]
