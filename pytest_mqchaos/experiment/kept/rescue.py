"""What is kept of a run whose process is killed in it: the guard runs this module before it removes the run's folder.

The guard outlives pytest and knows nothing of runs: what is to be done stands on this program's input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mqchaos.experiment.kept.keeping import copy_files
from pytest_mqchaos.experiment.kept.shelf import Shelf

if TYPE_CHECKING:
    from pytest_mqchaos.brokers._protocol import Errands

__all__ = ["Rescue", "main", "rescue"]

_MODULE = "pytest_mqchaos.experiment.kept.rescue"
_MOST = 20_000_000
"""Bytes that are kept of a run: whoever was killed wants to be rid of all of it soon."""


class Rescue:
    """Keeps the guard informed of the run that is under way.

    Args:
        errands: the guard.
        directory: of the run.
        user: by which the run talks to the broker.
        password: its password, which is told nowhere.
    """

    def __init__(self, errands: Errands, directory: Path, *, user: str, password: str) -> None:
        self._errands = errands
        self._directory = directory
        self._login = {"user": user, "password": password}

    def entrust(self, report: Path, nodeid: str, attempt: int, *, bodies: str) -> None:
        """Have the run's directory kept beside the report if this process dies."""
        words = {
            "directory": str(self._directory.absolute()),
            "report": str(report.absolute()),
            "nodeid": nodeid,
            "attempt": attempt,
            "bodies": bodies,
            **self._login,
        }
        self._errands.errand(self._name, _MODULE, words, first=True)

    def done(self) -> None:
        """The run is over, or was kept by us."""
        self._errands.done(self._name)

    @property
    def _name(self) -> str:
        return f"rescue {self._directory.name}"


def rescue(words: Mapping[str, Any]) -> None:
    """Keep the directory of a run; one that is gone already was not in need of it.

    Args:
        words: as `Rescue` tells them.

    Raises:
        OSError: if it cannot be written.
    """
    directory = Path(words["directory"])
    if directory.is_dir():
        login = {"user": words["user"], "password": words["password"]}
        fill = partial(copy_files, directory, bodies=words["bodies"], most=_MOST, **login)
        shelf = Shelf(Path(words["report"]))
        test = words["nodeid"], words["attempt"]
        shelf.put(shelf.place(*test, cut=True), *test, fill)


def main() -> None:
    """Keep what the input tells of; run by the guard of a session that died."""
    rescue(json.load(sys.stdin))


if __name__ == "__main__":
    main()
