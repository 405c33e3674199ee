"""`report`: a document shown again, several joined into one, two compared.

```
show   report.json ──► terminal, index.html, report.md
merge  A B ... ──────► DIR/report.json, DIR/index.html, DIR/failed/
diff   OLD NEW ──────► what became better or worse; status 1 on a regression
```
A file that holds no report is one line on standard error that names it, and status 2.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_mqchaos.errors import ChaosError

__all__ = ["add_arguments", "run"]

HELP = "show the report of a session again, merge those of several, or say what became better or worse"

_DIFF = (
    "what became better or worse; exit status 1 on a regression: a test of both that became worse, "
    "or one that only NEW has and that fails"
)

Record = Mapping[str, Any]

_COLOURS = {"red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m"}
_FILES = {"html": "index.html", "md": "report.md", "junit": "junit.xml", "terminal": "report.txt"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the three commands."""
    commands = parser.add_subparsers(metavar="show|merge|diff", required=True)
    show = commands.add_parser("show", help="render a document again: the same as the session wrote")
    show.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help="report.json, what a cut session left, or its directory",
    )
    show.add_argument(
        "-o", dest="directory", metavar="DIR", type=Path, help="write a file there (default: print)"
    )
    show.add_argument("--format", choices=tuple(_FILES), help="default: terminal, or with -o html")
    show.set_defaults(report=_show)
    merge = commands.add_parser("merge", help="join documents: shards of a job, machines, a cut session")
    merge.add_argument("files", metavar="FILE", type=Path, nargs="+")
    merge.add_argument("-o", dest="directory", metavar="DIR", type=Path, required=True)
    merge.set_defaults(report=_merge)
    diff = commands.add_parser("diff", help=_DIFF, description=_DIFF)
    diff.add_argument("old", metavar="OLD", type=Path)
    diff.add_argument("new", metavar="NEW", type=Path)
    diff.set_defaults(report=_diff)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked and return the exit status: 2 where a file holds no report or cannot be written."""
    from pytest_mqchaos.model.printable import printable

    command: Callable[[argparse.Namespace], int] = arguments.report
    try:
        return command(arguments)
    except ChaosError as error:
        print(error, file=sys.stderr)
    except BrokenPipeError:
        # who read our output has seen enough; Python would complain once more when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(printable(f"{error.filename}: cannot be written: {error.strerror or error}"), file=sys.stderr)
    return 2


def _show(arguments: argparse.Namespace) -> int:
    from pytest_mqchaos.cli.keeping import pointed, present

    document = _read(arguments.file)
    directory: Path | None = arguments.directory
    at = arguments.file
    document = present(document, at) if directory is None else pointed(document, at, directory)
    kind = arguments.format or ("terminal" if directory is None else "html")
    made = _rendered(arguments.file, document, kind, colours=directory is None and _wants_colours())
    if directory is None:
        _put(made)
    else:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / _FILES[kind]).write_bytes(made)
    return 0


def _read(path: Path) -> Record:
    """Return the document that is meant; what a cut session left in a named directory is taken with a word on it."""
    from pytest_mqchaos.model.printable import printable
    from pytest_mqchaos.report.reading import chosen, read

    file = chosen(path)
    document: Record = read(file)
    if path.is_dir() and file.name != "report.json":
        note = f"{path}: no report.json; this is {file.name}, of a session that was cut short"
        print(printable(note), file=sys.stderr)
    return document


def _rendered(path: Path, document: Record, kind: str, *, colours: bool) -> bytes:
    """Return a document in one of its forms.

    Raises:
        NoReport: if it obeys its schema and is still no document that could be ours.
    """
    from pytest_mqchaos.report.reading import NoReport

    forms: dict[str, Callable[[Record], str]] = {
        "html": _page,
        "md": _markdown,
        "junit": _junit,
        "terminal": lambda known: _terminal(known, colours=colours),
    }
    try:
        return forms[kind](document).encode("utf-8")
    except (
        Exception
    ) as error:  # a schema does not say all: whatever else is wrong with a foreign file is no bug of ours
        raise NoReport(path, f"cannot be shown: {type(error).__name__}: {error}") from None


def _page(document: Record) -> str:
    from pytest_mqchaos.report.html import page

    return page(document)


def _markdown(document: Record) -> str:
    from pytest_mqchaos.report.markdown import markdown

    return markdown(document)


def _junit(document: Record) -> str:
    from pytest_mqchaos.report.junit import junit

    return junit(document)


def _terminal(document: Record, *, colours: bool) -> str:
    from pytest_mqchaos.report.terminal import summary_lines

    width = shutil.get_terminal_size().columns
    lines = summary_lines(document["runs"], None, width)
    return "".join(f"{_coloured(line, markup) if colours else line}\n" for line, markup in lines)


def _wants_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _coloured(line: str, markup: Mapping[str, bool]) -> str:
    begin = "".join(_COLOURS[name] for name, wanted in markup.items() if wanted)
    return f"{begin}{line}\x1b[0m" if begin else line


def _merge(arguments: argparse.Namespace) -> int:
    from pytest_mqchaos.cli.keeping import carry, located
    from pytest_mqchaos.model.printable import printable
    from pytest_mqchaos.report.document import write
    from pytest_mqchaos.report.html import write_page
    from pytest_mqchaos.report.merge import merge
    from pytest_mqchaos.report.reading import NoReport

    files: Sequence[Path] = arguments.files
    documents = [located(_read(path), path) for path in files]
    try:
        whole = merge(documents)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:  # as above
        raise NoReport(files[-1], f"cannot be merged: {type(error).__name__}: {error}") from None
    whole = carry(whole, arguments.directory)
    path = write(arguments.directory, whole)
    shown = printable(str(write_page(path.parent, whole)))
    _put(f"{printable(whole['overview']['headline'])}\nreport: {shown}\n".encode())
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    from pytest_mqchaos.model.printable import printable
    from pytest_mqchaos.model.sequences import plural
    from pytest_mqchaos.report.diff import diff
    from pytest_mqchaos.report.reading import NoReport

    old, new = _read(arguments.old), _read(arguments.new)
    try:
        found = diff(old, new)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:  # as above
        raise NoReport(arguments.new, f"cannot be compared: {type(error).__name__}: {error}") from None
    lines = [
        f"{each.sort:8} {printable(each.about, 300)}: {printable(each.text, 400)}" for each in found.changes
    ]
    counts = [sum(each.sort == sort for each in found.changes) for sort in ("worse", "better")]
    lines.append(
        f"{counts[0]:,} worse, {counts[1]:,} better; {plural(found.both, 'test')} in both, "
        f"{found.only_old:,} only in OLD, {found.only_new:,} only in NEW"
    )
    _put("".join(f"{line}\n" for line in lines).encode())
    return int(found.regression)


def _put(text: bytes) -> None:
    """Print UTF-8, whatever the encoding of the terminal: a form is the same bytes here and in a file."""
    sys.stdout.flush()
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()
