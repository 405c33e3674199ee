"""`doctor`: what chaos tests need, what of it is here, and the one command that brings what is missing.

Nothing is started and nothing is pulled, unless `--start` asks for a trial.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_mqchaos import servers
from pytest_mqchaos.errors import ChaosError, ServerUnavailable
from pytest_mqchaos.model.messages import new_run

__all__ = ["Found", "add_arguments", "run", "runnable", "survey"]

HELP = "say what chaos tests need and what of it is here; exit status 0 when one could run"

_DISTURBING = {
    "pytest-socket": "`--disable-socket` keeps us from our own servers: allow 127.0.0.1",
    "pytest-rerunfailures": "a rerun may hide a loss that happens now and then: mark chaos tests without reruns",
    "pytest-forked": "each test in a process of its own starts its own servers",
    "pytest-timeout": "`timeout_method = thread` ends the process without any teardown; `signal` is sound",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One line of the survey.

    `offers` names the kind of server (`docker`, `process`) that this is a part of, where it is one.
    """

    state: Literal["ok", "missing", "note"]
    what: str
    detail: str
    offers: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--start", action="store_true", help="also start the servers once, as a first chaos test would"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the survey, and return 0 when a chaos test could run."""
    found = list(survey())
    for each in found:
        print(f"{each.state:7}  {each.what:{_widest(found)}}  {each.detail}".rstrip())
    kinds = runnable(found)
    if not kinds:
        print(
            "\nno chaos test can run here: it needs a Docker engine with both images, a RabbitMQ to start, "
            "or one that runs already (--mqchaos-url)"
        )
        return 1
    print(f"\nchaos tests run here with {' and '.join(f'--mqchaos-servers={kind}' for kind in kinds)}")
    return _trial() if arguments.start else 0


def _widest(found: list[Found]) -> int:
    return max(len(each.what) for each in found)


def runnable(found: list[Found]) -> list[str]:
    """Return the kinds of server all of whose parts are here."""
    return [
        kind
        for kind in ("docker", "process")
        if (states := {each.state for each in found if each.offers == kind}) and states == {"ok"}
    ]


def survey() -> Iterator[Found]:
    """Look at Python, the servers of each kind, Toxiproxy, and plugins that are known to disturb."""
    yield Found("ok", "Python", platform.python_version())
    for name in ("pytest", "pytest-mqchaos"):
        yield Found("ok", name, importlib.metadata.version(name))
    yield from _docker()
    yield from _process()
    yield _toxiproxy()
    yield _folder()
    for name, why in _DISTURBING.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        yield Found("note", name, f"{version}: {why}")


def _docker() -> Iterator[Found]:
    from pytest_mqchaos.servers.engine import Engine

    try:
        engine = Engine.connect("doctor", timeout=5.0)
    except ServerUnavailable as error:
        yield Found("missing", "Docker engine", f"{error} (for docker servers)", "docker")
        return
    settings = servers.ServerSettings()
    try:
        yield Found("ok", "Docker engine", engine.version, "docker")
        for image, variable in (
            (settings.rabbitmq_image, "PYTEST_MQCHAOS_RABBITMQ_IMAGE"),
            (settings.toxiproxy_image, "PYTEST_MQCHAOS_TOXIPROXY_IMAGE"),
        ):
            yield _image(engine, os.environ.get(variable) or image)
    finally:
        engine.close()


def _image(engine: Any, image: str) -> Found:
    what = f"image {image}"
    if engine.holds(image):
        return Found("ok", what, "here", "docker")
    trouble = engine.pull_trouble(image)
    if trouble:
        return Found("missing", what, f"{trouble} (for docker servers)", "docker")
    return Found("ok", what, "not here yet; the first chaos test pulls it", "docker")


def _process() -> Iterator[Found]:
    from pytest_mqchaos.brokers.rabbitmq.find import find_installation

    try:
        installation = find_installation()
    except ServerUnavailable as error:
        yield Found("missing", "RabbitMQ", f"{error} (for process servers)", "process")
        return
    yield Found("ok", "RabbitMQ", f"{_rabbitmq_version(installation.home)} in {installation.home}", "process")
    yield Found("ok", "Erlang", f"{_erlang_version(installation.erl)}, {installation.erl}", "process")
    yield Found("ok", "epmd", str(installation.epmd), "process")


def _rabbitmq_version(home: Path) -> str:
    names = (
        re.fullmatch(r"rabbit-([\d.]+\S*?)(?:\.ez)?", path.name) for path in (home / "plugins").iterdir()
    )
    return next((found[1] for found in names if found), "of unknown version")


def _erlang_version(erl: Path) -> str:
    releases = erl.resolve().parent.parent / "releases"
    names = sorted(path.name for path in releases.glob("[0-9]*")) if releases.is_dir() else []
    return f"OTP {names[-1]}" if names else "of unknown version"


def _toxiproxy() -> Found:
    tools = Path(".tools/bin").absolute()
    program = shutil.which("toxiproxy-server") or shutil.which("toxiproxy-server", path=tools)
    if program:
        return Found("ok", "toxiproxy-server", program)
    mend = "`go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0`, and name it toxiproxy-server"
    return Found(
        "note", "toxiproxy-server", f"not on PATH: process servers let our wire break the network ({mend})"
    )


def _folder() -> Found:
    try:
        with tempfile.NamedTemporaryFile(prefix="mqchaos-"):
            folder = tempfile.gettempdir()
    except OSError as error:
        return Found("missing", "temporary folder", f"{error.strerror}: {error.filename}", "process")
    free = shutil.disk_usage(folder).free
    enough = free > 500 << 20
    said = f"{folder}, {free >> 20:,} MiB free" + ("" if enough else " (a broker wants some 500)")
    return Found("ok" if enough else "note", "temporary folder", said)


def _trial(clock: Callable[[], float] = time.monotonic) -> int:
    began = clock()
    with tempfile.TemporaryDirectory(prefix="mqchaos-") as folder:
        settings = servers.ServerSettings(tool_folder=Path(".tools/bin").absolute())
        try:
            running = servers.start(settings, run=new_run(), directory=Path(folder))
        except ChaosError as error:
            print(f"the trial failed: {error}")
            return 1
        print(f"{running.description}\nstarted in {clock() - began:.1f} s")
        running.stop()
    return 0
