"""What a session leaves for its readers: the document, the page beside it, and the summary of a CI job.

```
runs ──document──► report.json
          ├──────► index.html          beside it
          ├──────► Markdown            appended to $GITHUB_STEP_SUMMARY, written to --mqchaos-report-md
          └──────► JUnit XML           written to --mqchaos-report-junit
```
The document comes first: no trouble with what is made of it may cost it.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_mqchaos.options import OPTIONS, Option, setting

if TYPE_CHECKING:
    from pytest_mqchaos.report.unfinished import Unfinished

__all__ = ["Written", "unfinished", "write_reports"]

_SUMMARY = "GITHUB_STEP_SUMMARY"


class Written:
    """What was written, and what could not be."""

    def __init__(self) -> None:
        self.path: Path | None = None
        """For people: the page, or the document where there is no page."""
        self.document: Mapping[str, Any] | None = None
        self.troubles: list[str] = []


def write_reports(
    config: pytest.Config,
    runs: Sequence[Mapping[str, Any]],
    skipped: Sequence[Mapping[str, Any]],
    servers: Mapping[str, Any],
    started: str,
) -> Written:
    """Write all reports of a session; what fails is told and keeps nothing else from being written."""
    from pytest_mqchaos import __version__
    from pytest_mqchaos.errors import UsageError
    from pytest_mqchaos.options import session_settings
    from pytest_mqchaos.report.document import document, write

    written = Written()
    directory: Path | str = "the report"
    try:
        directory = session_settings(config, "").report
        whole = document(
            [_still_kept(run, directory) for run in runs],
            servers,
            __version__,
            started,
            finished=datetime.now().astimezone().isoformat(timespec="seconds"),
            skipped=skipped,
            settings=_settings(config),
            environment=_environment(),
        )
        written.document = whole
        written.path = write(directory, whole)
    except UsageError as error:
        written.troubles.append(f"no report: {error}")
        return written
    except OSError as error:
        written.troubles.append(f"no report: {directory} cannot be written: {error.strerror or error}")
        return written
    _page(directory, whole, written)
    _markdown(config, whole, written)
    _junit(config, whole, written)
    return written


def _still_kept(run: Mapping[str, Any], directory: Path) -> Mapping[str, Any]:
    """Return a run without the directory that was kept of it if that is gone: of many failures the newest stay."""
    if "kept" not in run or (directory / run["kept"]).is_dir():
        return run
    return {name: value for name, value in run.items() if name != "kept"}


def unfinished(
    config: pytest.Config, started: str, skipped: Iterable[Mapping[str, Any]]
) -> Unfinished | None:
    """Begin the file that a session leaves if it is ended by force; None where the options cannot be read."""
    from pytest_mqchaos import __version__
    from pytest_mqchaos.errors import UsageError
    from pytest_mqchaos.options import session_settings
    from pytest_mqchaos.report.document import SCHEMA_VERSION
    from pytest_mqchaos.report.unfinished import Unfinished

    try:
        directory, settings = session_settings(config, "").report, _settings(config)
    except UsageError:
        return None
    begun = Unfinished(
        directory,
        {
            "schema": SCHEMA_VERSION,
            "plugin": __version__,
            "started": started,
            "settings": settings,
            "environment": _environment(),
        },
    )
    for each in skipped:
        begun.add({"skipped": each})
    return begun


def _settings(config: pytest.Config) -> list[dict[str, object]]:
    """The options as anybody may read them: no password of an address, neither in the report nor on its way there."""
    found = [(option, setting(config, option.name)) for option in OPTIONS]
    return [
        {"name": option.name, "value": _shown(option, one.value), "origin": one.origin}
        for option, one in found
    ]


def _shown(option: Option, value: object) -> object:
    return option.shown(value) if isinstance(value, str) else value


def _environment() -> dict[str, str]:
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "pytest": pytest.__version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _page(directory: Path, whole: Mapping[str, Any], written: Written) -> None:
    try:
        from pytest_mqchaos.report.html import write_page

        written.path = write_page(directory, whole)
    except Exception as error:  # the document stands, whatever becomes of its ornaments
        written.troubles.append(f"no index.html: {type(error).__name__}: {error}")


def _markdown(config: pytest.Config, whole: Mapping[str, Any], written: Written) -> None:
    path, summary = setting(config, "report_md").value, os.environ.get(_SUMMARY, "").strip()
    if not path and not summary:
        return
    try:
        from pytest_mqchaos.report.markdown import markdown

        text = markdown(whole, where=_relative(config, written.path))
        if path:
            _put(config, path, text)
        if summary:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(
                    f"\n\n{text}" if file.tell() else text
                )  # behind text without an end a heading is none
    except Exception as error:  # as above
        written.troubles.append(f"no Markdown: {type(error).__name__}: {error}")


def _relative(config: pytest.Config, path: Path | None) -> str:
    """Return a path as a reader of the job finds it: from the root directory, where it lies within."""
    if path is None:
        return ""
    whole = path.absolute()
    return str(whole.relative_to(config.rootpath)) if whole.is_relative_to(config.rootpath) else str(path)


def _junit(config: pytest.Config, whole: Mapping[str, Any], written: Written) -> None:
    path = setting(config, "report_junit").value
    if not path:
        return
    try:
        from pytest_mqchaos.report.junit import junit

        _put(config, path, junit(whole))
    except Exception as error:  # as above
        written.troubles.append(f"no JUnit XML: {type(error).__name__}: {error}")


def _put(config: pytest.Config, path: str, text: str) -> None:
    """Write a file that the user named, relative to the root directory."""
    target = config.rootpath / Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
