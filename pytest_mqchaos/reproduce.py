"""How a test is repeated: its seed, and the command line that says all that matters.

A test's seed follows from its node id and the session's number N; `--mqchaos-seed=N` brings the same again.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Callable

import pytest

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.options import OPTIONS, Option, server_kind, setting

__all__ = ["COMMAND", "again", "base_seed", "test_seed"]

COMMAND = pytest.StashKey[Callable[[str, int], str]]()
"""What says the command by a test's node id and the number N, in a session whose test file does not stay."""
_DRAWN = pytest.StashKey[int]()


def base_seed(config: pytest.Config) -> int:
    """Return the session's number N; a random one is drawn once, and by the controller for all its workers."""
    value = setting(config, "seed").value
    if value != "random":
        return int(value)
    if _DRAWN not in config.stash:
        drawn = getattr(config, "workerinput", {}).get("mqchaos_seed")
        config.stash[_DRAWN] = int.from_bytes(os.urandom(4), "big") if drawn is None else drawn
    return config.stash[_DRAWN]


def test_seed(nodeid: str, number: int) -> int:
    """Return the seed of one test: the first four bytes of SHA-256 over the number and the node id."""
    return int.from_bytes(
        hashlib.sha256(f"{number}:{nodeid}".encode("utf-8", "surrogatepass")).digest()[:4], "big"
    )


test_seed.__test__ = False  # type: ignore[attr-defined]  # not a test, wherever it is imported


def again(config: pytest.Config, nodeid: str, number: int) -> str:
    """Return the command line that repeats a test: its node id, its number N, and the options that were given.

    Options of the configuration file are left out: they stand there still.
    """
    if COMMAND in config.stash:
        return config.stash[COMMAND](nodeid, number)
    words = ["pytest", _from_here(config, nodeid)]
    for name, flag in (("rootdir", "--rootdir"), ("inifilename", "--config-file")):
        value = config.getoption(name, None)
        if value:
            words.append(f"{flag}={value}")
    idle = _overruled(config)
    for option in OPTIONS:
        if option.name == idle:
            continue
        if option.name == "seed":
            words.append(f"{option.flag}={number}")
        elif not option.name.startswith(("report", "allow_reruns", "battery")):
            words += _given(config, option)
    return shlex.join(words)


def _overruled(config: pytest.Config) -> str:
    """Return which of `servers` and `url` a nearer place made void: on one command line they are an error."""
    servers, url = setting(config, "servers"), setting(config, "url")
    if not url.value or servers.value in ("auto", "external"):
        return ""
    try:
        return "servers" if server_kind(config) == "external" else "url"
    except UsageError:  # both were on one command line already, and that is what failed
        return ""


def _from_here(config: pytest.Config, nodeid: str) -> str:
    """Return a node id, which is relative to the root directory, as the command line takes it."""
    here = config.invocation_params.dir
    if here == config.rootpath:
        return nodeid
    path, separator, rest = nodeid.partition("::")
    return f"{os.path.relpath(config.rootpath / path, here)}{separator}{rest}"


def _given(config: pytest.Config, option: Option) -> list[str]:
    found = setting(config, option.name)
    if found.origin not in ("command line", "environment"):
        return []
    if isinstance(found.value, bool):
        return [option.flag if found.value else option.flag.replace("--", "--no-", 1)]
    value = f"{found.value:g}" if isinstance(found.value, float) else option.shown(found.value)
    return [f"{option.flag}={value}"]
