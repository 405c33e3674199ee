"""The page in a real browser: what it makes of hostile text, and whether a phone has to scroll sideways."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hostile import INJECTIONS, document_full_of
from report_builders import failing, passing, session
from test_html_zoom import stretched
from test_order import by_the_consumer, recorded
from test_overheard import heard
from test_promised import ALL, everything

from pytest_mqchaos.report.html import page

GALLERY = Path(__file__).parents[3] / "docs" / "gallery"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
LOOK = """
const told = [...document.querySelectorAll('iframe')].map(frame => {
  const page = frame.contentDocument, seen = [...page.querySelectorAll('*')];
  page.querySelectorAll('details').forEach(each => { each.open = true; });
  page.querySelectorAll('.timeline .scroll').forEach(each => { each.scrollLeft = 300; });
  const root = page.documentElement, within = '.scroll, .output, nav, .skip, .hidden';
  return {
    elements: seen.length,
    active: seen.filter(each => each.matches('script, iframe, img, object, embed, link, base, form, input, math'))
      .map(each => each.outerHTML.slice(0, 200)),
    handlers: seen.flatMap(each => each.getAttributeNames().filter(name => name.startsWith('on'))),
    leaving: [...page.querySelectorAll('[href]')].filter(each => !each.getAttribute('href').startsWith('#')).length,
    width: root.scrollWidth, room: root.clientWidth,
    beyond: seen.filter(each => each.getBoundingClientRect().right > root.clientWidth + 1 && !each.closest(within))
      .slice(0, 5).map(each => each.outerHTML.slice(0, 200)),
    tables: [...page.querySelectorAll('thead')].filter(each => !each.closest('.matrix:not(.dense)')
      && getComputedStyle(each).display === 'none').length,
    idle: [...page.querySelectorAll('[tabindex="0"]')].filter(each => each.scrollWidth <= each.clientWidth)
      .map(each => each.outerHTML.slice(0, 200)),
    stuck: seen.filter(each => each.scrollWidth > each.clientWidth && getComputedStyle(each).overflowX === 'auto'
      && each.getAttribute('tabindex') !== '0' && !each.querySelector('a')).map(each => each.outerHTML.slice(0, 200)),
    named: [...page.querySelectorAll('.names text')].filter(each => each.getBoundingClientRect().width > 0
      && each.getBoundingClientRect().left < each.closest('.scroll').getBoundingClientRect().right).length,
    clipped: [...page.querySelectorAll('.scroll')].filter(each => each.querySelector('table')
      && each.scrollWidth > each.clientWidth).map(each => [each.getAttribute('aria-labelledby'), each.scrollWidth]),
    hinted: [...page.querySelectorAll('.scroll')].filter(each => each.scrollWidth > each.clientWidth)
      .every(each => getComputedStyle(each).backgroundImage.split('gradient').length === 5
        && getComputedStyle(each.firstElementChild).backgroundColor === 'rgba(0, 0, 0, 0)'),
    near: [...page.querySelectorAll('.near .edge')].map(each => each.getBoundingClientRect().left
      + each.closest('.scroll').scrollLeft < each.closest('.scroll').getBoundingClientRect().right),
  };
});
const said = document.createElement('pre');
said.id = 'told';
said.textContent = JSON.stringify(told);
document.body.append(said);
"""


def looked_at(folder: Path, pages: list[str], width: int) -> list[dict[str, Any]]:
    """Return what a browser says of pages of a width: each stands in a frame, and has no script of its own."""
    frames = "".join(
        f'<iframe width="{width}" height="900" srcdoc="{html.escape(each)}"></iframe>' for each in pages
    )
    outer = folder / "frames.html"
    outer.write_text(
        f"<!doctype html><meta charset=utf-8>{frames}<script>onload = () => {{{LOOK}}};</script>",
        encoding="utf-8",
    )
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", outer.as_uri()], capture_output=True, text=True, check=False, timeout=120
    )
    found = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    told: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    assert len(told) == len(pages)
    return told


def test_hostile_text_makes_no_element(tmp_path: Path) -> None:
    """Of thirty texts a browser makes no element, no handler and no link that leaves the page."""
    pages = [page(document_full_of(evil)) for evil in INJECTIONS]
    for evil, told in zip(INJECTIONS, looked_at(tmp_path, pages, 1000), strict=True):
        assert told["elements"] > 300, evil
        assert (told["active"], told["handlers"], told["leaving"]) == ([], [], 0), evil


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off(tmp_path: Path, width: int) -> None:
    """With all details open nothing lies beyond the edge but in a part that scrolls, and tables keep their heads."""
    documents = [
        session(failing(), recorded(by_the_consumer())),
        session(heard(), recorded(everything("orders.of.a.very.long.name" * 3), ALL, order_keys={})),
        session(passing()),
        session(failing(), passing(), passing(scenario="refuse")),
    ]
    for told in looked_at(tmp_path, [page(each) for each in documents], width):
        assert (told["width"] <= told["room"], told["beyond"], told["tables"]) == (True, [], 0)


def every_panel(*, failed: bool = True) -> dict[str, Any]:
    """Return a run with the widest tables: where work shows, what was tried again, what was taken over."""
    span = {"shortest": 0.204386, "p50": 0.204449, "longest": 10.204596}
    over = {"consumer": "worker#2", "at": 10.016408, "messages": 1200}
    tried = {"attempt": 2, "messages": 1200, **span, "due_after": 0.2, "due_until": 0.4}
    wide = {
        "sources": [{"name": "$MQCHAOS_EFFECTS", "kind": "probe", "of": None, "effects": 1200, "messages": 1200,
                     "wanted": 1200, "missing": 0, "doubled": 0}],
        "retry": {"policy": "fixed(0.2)", "attempts": 3, "scheduling_delay": 0.005, "messages": 3, "most": 3,
                  "early": int(failed), "late": 0, "too_many": 0, "too_few": 0, "rows_left_out": 0, "told": [],
                  "left_out": 0, "rows": [{**tried, "tolerated_after": 0.18, "tolerated_until": 11.225481}]},
        "failover": {"seconds": 1.0, "held": 8, "taken_over": 8, "longest": 0.245887, "slow": int(failed), "never": 0,
                     "unsure": 0, "rows_left_out": 0, "told": [], "left_out": 0,
                     "rows": [{**over, "by": "worker#2", "soonest": 0.24523, "latest": 10.245887}]},
        "takeovers": [{**over, "held": 1200, **span}],
        "pauses": [tried],
    }  # fmt: skip
    if failed:
        return {**failing(), **wide}
    return {
        **passing(),
        **wide,
        "retry": None,
        "failover": None,
    }  # which would stand in place of the other two


def kept_promises() -> dict[str, Any]:
    """Return the panels of promises that were kept: they stand among the numbers."""
    run = every_panel()
    return {"retry": {**run["retry"], "early": 0}, "failover": {**run["failover"], "slow": 0}}


@pytest.mark.parametrize("width", [1280, 1600])
def test_no_table_is_clipped(tmp_path: Path, width: int) -> None:
    """On a desk every table of every panel is seen whole, also with long names."""
    long = "orders.of.a.very.long.name" * 3
    documents = [
        session(failing(), heard(), recorded(by_the_consumer())),
        session(recorded(everything("orders"), ALL, order_keys={})),
        session(recorded(everything(long), ALL, order_keys={})),
        session(every_panel(), every_panel(failed=False), {**passing(), **kept_promises()}),
        *(json.loads(path.read_text(encoding="utf-8")) for path in sorted(GALLERY.glob("*.json"))),
    ]
    for told in looked_at(tmp_path, [page(each) for each in documents], width):
        assert told["clipped"] == []


def test_what_scrolls_says_so(tmp_path: Path) -> None:
    """On a phone a shadow lies at the edge where there is more, and nothing stands in front of it."""
    documents = [session(failing(), heard()), session(recorded(everything("orders"), ALL, order_keys={}))]
    for told in looked_at(tmp_path, [page(each) for each in documents], 390):
        assert (told["hinted"], bool(told["clipped"])) == (True, True)


def test_only_what_scrolls_is_a_tab_stop(tmp_path: Path) -> None:
    """On a phone every tab stop but a link has something to scroll to, and all that scrolls can be reached."""
    documents = [
        session(failing(), heard()),
        session(passing()),
        session(recorded(everything("orders"), ALL)),
    ]
    for told in looked_at(tmp_path, [page(each) for each in documents], 390):
        assert (told["idle"], told["stuck"]) == ([], [])


def test_a_narrow_timeline_keeps_its_lanes_named(tmp_path: Path) -> None:
    """Scrolled to the right on a phone the names of the lanes stand over the drawing; where all is seen, nowhere."""
    narrow, wide = (looked_at(tmp_path, [page(session(failing()))], width)[0] for width in (390, 1280))

    assert (narrow["named"], wide["named"]) == (4, 0)


def test_a_strike_from_near_is_in_sight(tmp_path: Path) -> None:
    """On a phone the strike stands in what is seen of its timeline before anybody scrolls."""
    (told,) = looked_at(tmp_path, [page(session(stretched()))], 390)

    assert (set(told["near"]), told["named"] > 4) == ({True}, True)
