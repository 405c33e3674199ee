"""`doctor`: what chaos tests need, what of it is here, and the one command that brings what is missing.

Nothing is started and nothing is pulled, unless `--start` asks for a trial.
"""

from __future__ import annotations

import argparse
import importlib.metadata
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
from pytest_mqchaos.errors import ChaosError, ServerUnavailable, UsageError
from pytest_mqchaos.model.messages import new_run
from pytest_mqchaos.model.printable import printable

__all__ = ["Found", "add_arguments", "run", "runnable", "survey"]

HELP = "say what chaos tests need and what of it is here; exit status 0 when one could run"

_URL = "PYTEST_MQCHAOS_URL"
_KINDS = ("docker", "process", "external")
_ASKED = ("servers", "network", "rabbitmq_image", "toxiproxy_image", "url", "isolation", "management_url",
          "allow_remote", "container")  # fmt: skip
_DISTURBING = {
    "pytest-socket": "`--disable-socket` keeps us from our own servers: allow 127.0.0.1",
    "pytest-rerunfailures": "a loss that a rerun hides fails the session all the same, unless --mqchaos-allow-reruns",
    "pytest-forked": "each test in a process of its own starts its own servers",
    "pytest-timeout": "`timeout_method = thread` ends the process without any teardown; `signal` is sound",
}


@dataclass(frozen=True, slots=True)
class Found:
    """One line of the survey.

    `offers` names the kinds of server (`docker`, `process`, `external`) that this is a part of, where it is one.
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
    print(f"\nchaos tests run here with {' and '.join(map(_how, kinds))}")
    return _trial() if arguments.start else 0


def _how(kind: str) -> str:
    return _URL if kind == "external" else f"--mqchaos-servers={kind}"


def _widest(found: list[Found]) -> int:
    return max(len(each.what) for each in found)


def runnable(found: list[Found]) -> list[str]:
    """Return the kinds of server all of whose parts are here."""
    return [
        kind for kind in _KINDS if {each.state for each in found if kind in each.offers.split()} == {"ok"}
    ]


def survey() -> Iterator[Found]:
    """Look at Python, the servers of each kind, Toxiproxy, and plugins that are known to disturb.

    What the environment says of servers counts, as it does for chaos tests.
    """
    yield Found("ok", "Python", platform.python_version())
    for name in ("pytest", "pytest-mqchaos"):
        yield Found("ok", name, importlib.metadata.version(name))
    try:
        settings = _settings()
    except UsageError as error:  # so say all chaos tests
        yield Found("missing", "environment", str(error), " ".join(_KINDS))
        settings = servers.ServerSettings()
    yield from _docker(settings)
    yield from _process()
    if settings.servers == "external":
        yield _external(settings)
    yield _toxiproxy()
    yield from _folder()
    for name, why in _DISTURBING.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        yield Found("note", name, f"{version}: {why}")


def _settings() -> servers.ServerSettings:
    """The servers that the environment asks for.

    Raises:
        UsageError: if something in it cannot be read.
    """
    from pytest_mqchaos.model.origins import Origins
    from pytest_mqchaos.options import in_environment, kind_of

    found = {name: in_environment(name) for name in _ASKED}
    given: dict[str, Any] = {name: one.value for name, one in found.items()}
    given["servers"] = kind_of(found["servers"], found["url"])
    origins = Origins({name: one.words for name, one in found.items()})
    return servers.ServerSettings(**given, tool_folder=Path(".tools/bin").absolute(), origins=origins)


def _docker(settings: servers.ServerSettings) -> Iterator[Found]:
    from pytest_mqchaos.servers.engine import Engine

    try:
        engine = Engine.connect("doctor", timeout=5.0)
    except ServerUnavailable as error:
        yield Found("missing", "Docker engine", f"{error} (for docker servers)", "docker")
        return
    try:
        yield Found("ok", "Docker engine", engine.version, "docker")
        for image in (settings.rabbitmq_image, settings.toxiproxy_image):
            yield _image(engine, image)
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


def _external(settings: servers.ServerSettings) -> Found:
    """Whether the broker that the environment names takes us; it is left as it is."""
    from pytest_mqchaos.brokers import launcher
    from pytest_mqchaos.brokers._protocol import External

    external = External(
        url=settings.url,
        isolation=settings.isolation,
        management_url=settings.management_url,
        allow_remote=settings.allow_remote,
        origins=settings.origins,
    )
    try:
        broker = launcher("rabbitmq").open_external(external)
    except ChaosError as error:
        return Found("missing", "external RabbitMQ", printable(f"{error} (for {_URL})"), "external")
    said = broker.description
    broker.stop()
    return Found("ok", "external RabbitMQ", said, "external")


def _toxiproxy() -> Found:
    tools = Path(".tools/bin").absolute()
    program = shutil.which("toxiproxy-server") or shutil.which("toxiproxy-server", path=tools)
    if program:
        return Found("ok", "toxiproxy-server", program)
    mend = "`go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0`, and name it toxiproxy-server"
    return Found(
        "note", "toxiproxy-server", f"not on PATH: process servers let our wire break the network ({mend})"
    )


def _folder() -> Iterator[Found]:
    from pytest_mqchaos.brokers.rabbitmq.node import unfit
    from pytest_mqchaos.servers.session import too_full

    what = "temporary folder"
    try:
        with tempfile.NamedTemporaryFile(prefix="mqchaos-"):
            folder = Path(tempfile.gettempdir()).absolute()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Found("missing", what, f"{error.strerror}: {error.filename}", " ".join(_KINDS))
        return
    if why := unfit(folder):
        yield Found("missing", what, why, "process")
    if why := too_full(folder, free):
        yield Found("missing", what, why, " ".join(_KINDS))
        return
    enough = free > 500 << 20
    said = f"{folder}, {free >> 20:,} MiB free" + ("" if enough else " (a broker wants some 500)")
    yield Found("ok" if enough else "note", what, printable(said))


def _trial(clock: Callable[[], float] = time.monotonic) -> int:
    began = clock()
    with tempfile.TemporaryDirectory(prefix="mqchaos-") as folder:
        try:
            running = servers.start(_settings(), run=new_run(), directory=Path(folder))
        except ChaosError as error:
            print(printable(f"the trial failed: {error}"))
            return 1
        print(f"{running.description}\nstarted in {clock() - began:.1f} s")
        running.stop()
    return 0
