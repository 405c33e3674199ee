"""The commands of `python -m pytest_mqchaos`, one module each."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pytest_mqchaos.cli import doctor, report, stop, trying

__all__ = ["main"]

_COMMANDS = {"doctor": doctor, "report": report, "stop": stop, "try": trying}


def main(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name and return its exit status.

    Raises:
        SystemExit: with status 2 and one line, if the arguments cannot be read.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pytest_mqchaos",
        description="Beside pytest: what chaos tests need, and what they left.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, module in _COMMANDS.items():
        own = commands.add_parser(name, help=module.HELP, description=module.HELP)
        module.add_arguments(own)
        own.set_defaults(run=module.run, words=tuple(arguments), parser=own)
    chosen, rest = parser.parse_known_args(arguments)
    if rest:
        hint = trying.unquoted(chosen.consumer, rest) if chosen.run is trying.run else ""
        chosen.parser.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    return int(chosen.run(chosen))
