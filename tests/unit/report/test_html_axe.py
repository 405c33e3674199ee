"""The page under axe, the accessibility checker: a passing, a failing and an unknown one, light and dark."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from account_builders import found
from report_builders import NODE, failing, judged, passing, session
from test_order import by_the_consumer, recorded
from test_overheard import heard
from test_promised import ALL, everything

from pytest_mqchaos.report.document import run_record
from pytest_mqchaos.report.html import page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(__file__).parents[2] / "axe" / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH"),
    pytest.mark.skipif(not AXE.exists(), reason="no axe-core: `make setup` gets it by npm"),
]
RUN = """
onload = () => {
  document.querySelectorAll('details').forEach(each => { each.open = true; });
  axe.run({resultTypes: ['violations']}).then(found => {
    const told = document.createElement('pre');
    told.id = 'told';
    told.textContent = JSON.stringify({rules: found.passes.length, violations: found.violations.map(
      each => [each.id, each.nodes.length, each.nodes[0].html.slice(0, 300), each.nodes[0].failureSummary])});
    document.body.append(told);
  });
};
"""


def unknown() -> dict[str, Any]:
    """Return a run that could not be judged."""
    account = judged(found("lost", 1, unknown=True, claim="cannot be seen", mend="name a source"))
    return run_record(account, nodeid=NODE, attempt=1, outcome="passed", reproduce="pytest x")


PAGES = {
    "passing": lambda: session(passing(), passing(scenario="refuse")),
    "failing": lambda: session(
        failing(),
        heard(),
        recorded(by_the_consumer()),
        recorded(everything("orders"), ALL, order_keys={}),
        passing(scenario="refuse"),
        skipped=[{"nodeid": "t.py::t", "scenario": "baseline", "reason": "no"}],
    ),
    "unknown": lambda: session(unknown()),
}


def checked(folder: Path, text: str, width: int) -> dict[str, Any]:
    """Return what axe says of a page, all of its details open; its own policy would keep the checker out."""
    text, cut = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert cut == 1
    target = folder / "page.html"
    script = f"<script>{AXE.read_text(encoding='utf-8')}</script><script>{RUN}</script>"
    target.write_text(text.replace("</body>", f"{script}</body>"), encoding="utf-8")
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},1000",
        "--virtual-time-budget=60000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [*command, target.as_uri()], capture_output=True, text=True, check=False, timeout=120
    )
    told = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert told is not None, done.stderr
    made: dict[str, Any] = json.loads(html.unescape(told[1]))
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation(tmp_path: Path, name: str, scheme: str) -> None:
    """Names, roles, headings, contrast, tab stops: axe has no complaint, with everything open."""
    text = page(PAGES[name]())
    dark = "screen and (prefers-color-scheme: dark)"
    assert text.count(dark) == 1
    text = text.replace(dark, "(min-width: 1px)" if scheme == "dark" else "(max-width: 1px)")
    made = checked(tmp_path, text, 1280)

    assert made["violations"] == []
    assert made["rules"] > 15
