"""The directory of a run that failed, or that its process died in, is kept beside the report.

Whatever fails here is a line in the failure's section, and fails nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mqchaos.experiment.kept.shelf import FOLDER, MOST_BYTES, Shelf
from pytest_mqchaos.fixtures import Trial, ground
from pytest_mqchaos.model.printable import printable
from pytest_mqchaos.options import setting

if TYPE_CHECKING:
    import pytest

    from pytest_mqchaos.experiment.chaos import Chaos
    from pytest_mqchaos.experiment.settings import TestSettings

__all__ = ["entrust", "if_cut", "keep_failed"]


def entrust(config: pytest.Config, chaos: Chaos, settings: TestSettings) -> None:
    """Have the guard keep the directory of a run that begins, should this process be killed in it."""
    report = ground(config).settings.report
    Shelf(report).clear_cut(settings.nodeid, settings.attempt)
    chaos.entrust(report, settings.nodeid, settings.attempt, bodies=setting(config, "report_bodies").value)


def if_cut(config: pytest.Config, settings: TestSettings) -> str:
    """Return where the guard would keep it, relative to the report."""
    place = Shelf(ground(config).settings.report).place(settings.nodeid, settings.attempt, cut=True)
    return f"{FOLDER}/{place.name}"


def keep_failed(item: pytest.Item, here: Trial) -> str:
    """Keep the directory of a run that failed, say so in its trial, and return what a reader is told."""
    shelf = Shelf(ground(item.config).settings.report)
    nodeid, attempt = here.settings.nodeid, here.settings.attempt
    target = shelf.place(nodeid, attempt)
    bodies = setting(item.config, "report_bodies").value
    try:
        names = shelf.put(
            target, nodeid, attempt, lambda part: here.chaos.keep(part, bodies=bodies, most=MOST_BYTES)
        )
    except Exception as error:  # an ornament: the failure stands without it
        why = error.strerror if isinstance(error, OSError) else None
        return printable(f"not kept: {target}: {why or f'{type(error).__name__}: {error}'}")
    here.kept = f"{FOLDER}/{target.name}"
    files = ", ".join(names) or "nothing was written"
    return printable(f"{_from_here(item.config, target)}: {files}")


def _from_here(config: pytest.Config, path: Path) -> Path:
    here = config.invocation_params.dir
    return path.relative_to(here) if path.is_relative_to(here) else path
