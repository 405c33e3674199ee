"""What a RabbitMQ that did not start says, in one line: its claim, not the tree of Erlang terms behind it."""

from __future__ import annotations

import re
from itertools import takewhile

from pytest_mqchaos.model.printable import cut, printable
from pytest_mqchaos.servers.process import one_line, plain

__all__ = ["boot_words", "port_taken"]

_TAKEN = re.compile(
    r"eaddrinuse|already in use|already a epmd|is taken|dist_port_already_used|could not bind|"
    r"could_not_start_listener|in use by another",
    re.IGNORECASE,
)
_CHATTER = re.compile(r"^epmd: .*(?:partial packet|ipaddr ::1: )|^\S+ \S+ \[(?:info|debug|notice)\]")
"""epmd tries ::1 besides the address it is told, and complains where a machine has no IPv6."""
_NOISE = re.compile(
    r"^\W*$|Crash dump is being written|^\s*(?:BOOT FAILED|Stack trace|Starting broker|Config file\(s\):|Logs:|"
    r"<stdout>)|\.log$|closed TCP connection",
    re.IGNORECASE,
)
_STAMP = re.compile(r"^\d{4}-\d\d-\d\d \S+ \[\w+\] <[\d.]+> ?")
_CLAIM = re.compile(
    r"^(?:ERROR|Error during startup|Error description|Failed to [^:]*|Cannot [^:]*):?\s*(.*)"
)
_LINES = 6
_LONGEST = 300


def port_taken(text: str) -> bool:
    """Whether a node ended because somebody else had one of its ports."""
    return bool(_TAKEN.search(text))


def boot_words(output: str) -> str:
    """What a node said about its end: its claim where it makes one, else its last lines that say something."""
    lines = [
        _STAMP.sub("", line).rstrip() for line in plain(output).splitlines() if not _CHATTER.search(line)
    ]
    for number, line in enumerate(lines):
        if _CLAIM.match(line):
            claim = takewhile(lambda one: not _NOISE.search(one), lines[number:])
            return _fitted(list(claim)[:_LINES])
    telling = [line for line in lines if not _NOISE.search(line)]
    return _fitted(telling[-_LINES:]) if telling else one_line(output)


def _fitted(lines: list[str]) -> str:
    text = printable(" | ".join(" ".join(line.split()) for line in lines if line.strip()))
    return text if len(text) <= _LONGEST else cut(text, _LONGEST)
