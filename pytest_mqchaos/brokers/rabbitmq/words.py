"""What a RabbitMQ that did not start says, in one line: its claim, not the tree of Erlang terms behind it."""

from __future__ import annotations

import re

from pytest_mqchaos.model.printable import cut, printable
from pytest_mqchaos.servers.process import one_line, plain

__all__ = ["boot_words", "port_taken"]

_TAKEN = re.compile(
    r"eaddrinuse|already in use|already a epmd|is taken|dist_port_already_used|could not bind|"
    r"could_not_start_listener|in use by another",
    re.IGNORECASE,
)
_NOISE = re.compile(
    r"^epmd: .*partial packet|Crash dump is being written|^\W*$|^\s*(?:BOOT FAILED|Stack trace|Starting broker|"
    r"Config file\(s\):|Logs:|<stdout>)|\.log$|^\S+ \S+ \[(?:info|debug|notice)\]|closed TCP connection",
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
    """What a node said about its end: behind BOOT FAILED its claim, else its last lines that say something."""
    lines = [_STAMP.sub("", line).rstrip() for line in plain(output).splitlines() if not _NOISE.search(line)]
    for number, line in enumerate(lines):
        if _CLAIM.match(line):
            return _fitted(lines[number : number + _LINES])
    return _fitted(lines[-_LINES:]) if lines else one_line(output)


def _fitted(lines: list[str]) -> str:
    text = printable(" | ".join(" ".join(line.split()) for line in lines if line.strip()))
    return text if len(text) <= _LONGEST else cut(text, _LONGEST)
