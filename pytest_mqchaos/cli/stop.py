"""`stop`: end the servers that sessions with `--mqchaos-keep` left up."""

from __future__ import annotations

import argparse
import sys
import time

from pytest_mqchaos.errors import ChaosError
from pytest_mqchaos.servers.sharing import Place, end, kept_places

__all__ = ["add_arguments", "run"]

HELP = "end the servers that --mqchaos-keep left up; exit status 1 if some are in use"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--force", action="store_true", help="also those that a session uses just now, whose tests then fail"
    )


def run(arguments: argparse.Namespace) -> int:
    """End them, a line for each, and return 0 unless some are left."""
    try:
        places = kept_places()
    except ChaosError as error:
        print(error, file=sys.stderr)
        return 1
    held = [place for place in places if place.state() is not None]
    if not held:
        print("no servers are kept")
    status = max((_ended(place, force=arguments.force) for place in held), default=0)
    for place in places:
        place.remove_unused()
    return status


def _ended(place: Place, *, force: bool) -> int:
    state = place.state() or {}
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(float(state.get("since", 0))))
    try:
        what = end(place, force=force)
    except ChaosError as error:
        print(f"not ended: {state.get('description')}: {error}; --force ends them", file=sys.stderr)
        return 1
    print(f"ended: {what} (kept since {since})")
    return 0
