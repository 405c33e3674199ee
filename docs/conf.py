"""How Sphinx makes the site of these pages: `make docs`.

The pages are Markdown that reads well where it lies, too. What only a site can have is made here: the reference out of
the package's own docstrings and its table of options, and the gallery's pages out of the reports beside it.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # these sources are described, whatever is installed

from pytest_mqchaos.model.guarantees import Guarantee  # noqa: E402
from pytest_mqchaos.options import OPTIONS, Option  # noqa: E402
from pytest_mqchaos.report.html import page  # noqa: E402
from pytest_mqchaos.report.reading import read  # noqa: E402

project = "pytest-mqchaos"
copyright = "the authors of pytest-mqchaos"  # noqa: A001  (Sphinx names it so)
release = version = importlib.metadata.version(project)

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["gallery"]
myst_heading_anchors = 3  # the anchors that GitHub gives the same headings

smartquotes = False  # two hyphens before an option are two hyphens
default_role = "code"  # the docstrings' backticks are Markdown's
add_module_names = False
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"  # users are given these objects, and make none
autodoc_default_options = {"exclude-members": "__init__, __new__"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Signatures name types of the standard library and of inner modules, which have no page here.
nitpick_ignore_regex = [("py:.*", r"(?!pytest_mqchaos\.\w+$).*")]

html_theme = "furo"
html_title = f"{project} {release}"
html_show_copyright = False
html_copy_source = False


class Options(SphinxDirective):
    """`{mqchaos-options}`: the plugin's options as it declares them, with their keys and variables."""

    def run(self) -> list[nodes.Node]:
        """Return a definition list."""
        return [nodes.definition_list("", *map(described, OPTIONS))]


def described(option: Option) -> nodes.definition_list_item:
    """Return an option as it is typed, its help, and its other names."""
    if option.ini == "bool":
        typed = f"`{option.flag}`, `--no-{option.flag.removeprefix('--')}`"
    else:
        typed = f"`{option.flag}={option.metavar}`"
    names = f"`{option.variable}` in the environment, `{option.key}` in the configuration file"
    told = (nodes.paragraph("", "", *ticked(text)) for text in (option.help, names))
    return nodes.definition_list_item("", nodes.term("", "", *ticked(typed)), nodes.definition("", *told))


def ticked(text: str) -> list[nodes.Node]:
    """Return a text with what stands between backticks as code."""
    parts = text.split("`")
    return [
        nodes.literal(part, part) if number % 2 else nodes.Text(part)
        for number, part in enumerate(parts)
        if part
    ]


def at_home_here(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let links be those of the site.

    Reports of the gallery become the pages that are made of them. What lies outside of this folder has no page here,
    and the repository no address that is known to us: it is named, without a link.
    """
    text = re.sub(r"\[([^]]+)\]\((gallery/[\w-]+)\.json\)", r'<a href="\2.html">\1</a>', source[0])
    source[0] = re.sub(r"\[([^]]+)\]\(\.\./[^)]+\)", r"\1", text)


def render_gallery(app: Sphinx, exception: Exception | None) -> None:
    """Make a page of each report of the gallery, by the renderer of this very version."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "gallery"
    folder.mkdir(exist_ok=True)
    for report in sorted((HERE / "gallery").glob("*.json")):
        (folder / f"{report.stem}.html").write_text(page(read(report)), encoding="utf-8")
        shutil.copy(report, folder)


class Colons:
    """Keeps the docstrings of attributes as written: napoleon takes what stands before a colon for their type."""

    def __init__(self) -> None:
        self.written: dict[str, list[str]] = {}

    def remember(
        self, app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
    ) -> None:
        """Before napoleon."""
        if what in ("attribute", "data", "property"):
            self.written[name] = list(lines)

    def restore(
        self, app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
    ) -> None:
        """After it."""
        lines[:] = self.written.pop(name, lines)


def promise(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Let a guarantee say what it promises, and not what its class is."""
    if isinstance(obj, Guarantee):
        lines[:] = [obj.promise]


def signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, arguments: str | None, result: str | None
) -> tuple[str | None, str | None]:
    """Leave out what only makes a mistake an error that says so: a fault's positional arguments, missing ones."""
    if arguments is not None:
        arguments = arguments.replace("*positional: object", "*").replace(" = _NOTHING", "")
    return arguments, result


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the above."""
    app.add_directive("mqchaos-options", Options)
    app.connect("source-read", at_home_here)
    colons = Colons()
    app.connect("autodoc-process-docstring", colons.remember, priority=400)  # napoleon comes at 500
    app.connect("autodoc-process-docstring", colons.restore, priority=600)
    app.connect("autodoc-process-docstring", promise, priority=700)
    app.connect("autodoc-process-signature", signature)
    app.connect("build-finished", render_gallery)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
