"""The report as one page of HTML: self-contained, readable without script, style and network.

```
report.json ──complete──► every field of this version ──page──► index.html
                                              ├─ timeline: marks ──► SVG, by scale and rows
                                              └─ budget: what must be seen first is told in full
```
It computes no figure: geometry, words and an order only. Everything that comes from outside stays text: Jinja2
escapes it, and `printable` takes out what would turn or hide text. The page's own policy forbids all but its style.
"""

from __future__ import annotations

from pytest_mqchaos.report.html.pages import MOST, page, write_page

__all__ = ["MOST", "page", "write_page"]
