"""The options of the group *mqchaos*: where a value comes from, and what it may be.

A value is taken from the first of these that has one; an error names the value and that place.

```
command line      --mqchaos-settle-timeout=5
the test's mark   chaos(settle_timeout=5)             (see markers.py)
environment       PYTEST_MQCHAOS_SETTLE_TIMEOUT=5
ini               mqchaos_settle_timeout = 5
default
```
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_mqchaos.errors import UsageError

if TYPE_CHECKING:
    from pytest_mqchaos.experiment.settings import SessionSettings

__all__ = [
    "OPTIONS",
    "TRIED",
    "Option",
    "Setting",
    "add_options",
    "check",
    "check_command_line",
    "in_environment",
    "kind_of",
    "on_ci",
    "server_kind",
    "session_settings",
    "setting",
]

Origin = Literal["command line", "environment", "ini", "default"]
_RANKS: tuple[Origin, ...] = ("command line", "environment", "ini", "default")


class Option:
    """One option: its name without the prefix, and what its text may be.

    `read` turns the text into the value, and a `ValueError` of it says what was expected; `ini` is the type in
    a configuration file; `secret` values are addresses with a password. (No dataclass: that costs a millisecond.)
    """

    def __init__(
        self,
        name: str,
        *,
        read: Callable[[str], object],
        default: object,
        help: str,
        metavar: str | None = None,
        ini: Any = "string",
        secret: bool = False,
    ) -> None:
        self.name, self.read, self.default, self.secret = name, read, default, secret
        self.help, self.metavar, self.ini = help, metavar, ini

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return f"--mqchaos-{self.name.replace('_', '-')}"

    @property
    def key(self) -> str:
        """The option in a configuration file, and where argparse keeps it."""
        return f"mqchaos_{self.name}"

    @property
    def variable(self) -> str:
        """The option in the environment."""
        return f"PYTEST_MQCHAOS_{self.name.upper()}"

    def shown(self, value: object) -> str:
        """The value as it may be seen: an address without its password."""
        if self.secret:
            from pytest_mqchaos.brokers.rabbitmq.address import masked
        else:
            from pytest_mqchaos.model.printable import masked
        return masked(str(value))


class Setting:
    """An option's value, where it came from, and both in words, with `{}` for the value."""

    def __init__(self, value: Any, origin: Origin, words: str = "") -> None:
        self.value, self.origin, self.words = value, origin, words


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return read


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("a name")
    return text


def _scenarios(text: str) -> str:
    from pytest_mqchaos.cli.scenarios import written

    try:
        written(text)
    except UsageError as error:
        raise ValueError(f"a scenario: {error}") from None
    return text


def _amqp_url(text: str) -> str:
    from pytest_mqchaos.brokers.rabbitmq.address import BrokerAddress

    BrokerAddress.parse(text)
    return text


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError("a number of seconds above 0")
    return value


def _flag(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered not in _TRUE | _FALSE:
        raise ValueError("true or false")
    return lowered in _TRUE


def _seed(text: str) -> int | str:
    if text == "random":
        return text
    if not (text.isascii() and text.isdigit()):
        raise ValueError("a whole number from 0 on, or random")
    return int(text)


_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_SEED_TYPE: Any = int | str if pytest.version_tuple >= (9, 2) else "string"

OPTIONS = (
    Option("servers", read=_one_of("auto", "docker", "process", "external"), default="auto", metavar="KIND",
           help="how RabbitMQ and Toxiproxy come to be: docker, process (programs of this host), external (a --mqchaos-"
                "url), or auto: docker where the engine has or gets the images, else process (default: auto)"),
    Option("url", read=_amqp_url, default="", metavar="URL", secret=True,
           help="a RabbitMQ that runs already, amqp://user:password@host:5672/ or amqps://...?cacertfile=FILE; "
                "means --mqchaos-servers=external. It is never stopped, and only what a run made is deleted"),
    Option("isolation", read=_one_of("auto", "vhost", "prefix", "none"), default="auto", metavar="KIND",
           help="how runs are kept apart on an external RabbitMQ: vhost (each its own, by the management API), prefix "
                "(the consumer puts $MQCHAOS_PREFIX before each name), none (one session at a time, on queues that "
                "nobody else uses), or auto: vhost where the user may, else prefix (default: auto)"),
    Option("management_url", read=_text, default="", metavar="URL", secret=True,
           help="the management API of an external RabbitMQ (default: port 15672 of its host)"),
    Option("container", read=_text, default="", metavar="ID",
           help="a docker container with the external RabbitMQ, which tests may stop, kill and freeze"),
    Option("allow_remote", read=_flag, default=False, ini="bool",
           help="the external RabbitMQ may be on another host"),
    Option("require", read=_one_of("broker"), default="", metavar="WHAT",
           help="broker: what cannot run for want of a RabbitMQ (that may be disturbed) fails, and is not skipped"),
    Option("network", read=_one_of("auto", "toxiproxy", "wire"), default="auto", metavar="KIND",
           help="who does the network's faults: toxiproxy, wire (ours), or auto: Toxiproxy if there (default: auto)"),
    Option("rabbitmq_image", read=_text, default="rabbitmq:4", metavar="IMAGE",
           help="image of docker servers (default: rabbitmq:4)"),
    Option("toxiproxy_image", read=_text, default="ghcr.io/shopify/toxiproxy:2.12.0", metavar="IMAGE",
           help="image of docker servers (default: ghcr.io/shopify/toxiproxy:2.12.0)"),
    Option("battery", read=_one_of("quick", "full"), default="full", metavar="KIND",
           help="which scenarios of the standard battery run, where a mark names none: quick, for pull requests "
                "(baseline, connection_drop, consumer_crash; the others are skipped), or full (default: full)"),
    Option("scenario", read=_scenarios, default="", metavar="WORDS",
           help="run chaos tests under these scenarios instead of those that their marks name, separated by blanks: "
                "consumer_crash:after=ack:1-20 lost_ack (the words of `python -m pytest_mqchaos try`; default: none)"),
    Option("canary", read=_flag, default=False, ini="bool",
           help="add the scenario canary() to every chaos test: the plugin loses one message and doubles one effect "
                "by itself, and a test that does not find exactly these fails, with the reason"),
    Option("keep", read=_flag, default=False, ini="bool",
           help="leave the servers up for the next session; `python -m pytest_mqchaos stop` ends them, and so do "
                "eight hours without use"),
    Option("settle_timeout", read=_positive, default=30.0, metavar="S", ini="float",
           help="seconds without progress after which what is not settled becomes findings (default: 30)"),
    Option("strict", read=_flag, default=None, ini="bool",
           help="an unknown verdict fails (default: when CI is set)"),
    Option("allow_reruns", read=_flag, default=False, ini="bool",
           help="a broken promise in an attempt does not change the exit status where the test passed when it was run "
                "again (default: then it is 1)"),
    Option("report", read=_text, default="mqchaos-report", metavar="DIR",
           help="folder of report.json, relative to the root, written when a chaos test ran (default: mqchaos-report)"),
    Option("report_bodies", read=_one_of("none", "digest", "full"), default="digest", metavar="KIND",
           help="what the report tells of the bodies of messages: none, their digest, or full: their first "
                "256 bytes (default: digest)"),
    Option("report_md", read=_text, default="", metavar="PATH",
           help="file for the report as Markdown, relative to the root directory; with GITHUB_STEP_SUMMARY set it "
                "is appended there in any case (default: none)"),
    Option("report_junit", read=_text, default="", metavar="PATH",
           help="file for the report as JUnit XML with a case for each check and run, relative to the root directory; "
                "pytest's own --junitxml has the verdict as properties of each test (default: none)"),
    Option("seed", read=_seed, default=0, metavar="N|random", ini=_SEED_TYPE,
           help="a test's random choices follow from its node id and this number; "
                "random draws one, and what repeats a test names it (default: 0)"),
)  # fmt: skip
_AS_GIVEN = ("url", "isolation", "management_url", "container", "allow_remote", "require", "network", "rabbitmq_image",
             "toxiproxy_image", "keep", "settle_timeout")  # fmt: skip
"""What the session's settings have by the same name, as it was read."""
TRIED = tuple(option for option in OPTIONS if option.name != "scenario")
"""Those that `python -m pytest_mqchaos try` takes too: it has a `--scenario` of its own."""
_BY_NAME = {option.name: option for option in OPTIONS}


def add_options(parser: pytest.Parser) -> None:
    """Add the group *mqchaos* to the command line and its keys to the configuration file."""
    group = parser.getgroup("mqchaos", "mqchaos: chaos tests of message-queue consumers")
    for option in OPTIONS:
        if option.ini == "bool":
            group.addoption(
                option.flag, action=argparse.BooleanOptionalAction, default=None, help=option.help
            )
        else:
            group.addoption(option.flag, default=None, metavar=option.metavar, help=option.help)
        parser.addini(option.key, option.help, type=option.ini, default=None)


def setting(config: pytest.Config, name: str) -> Setting:
    """Return the value of the option `name` and where it came from.

    Raises:
        UsageError: if it cannot be read; the text names the value and where it came from.
    """
    option = _BY_NAME[name]
    given = config.getoption(option.key, None)
    if given is not None:
        return Setting(_read(option, given, option.flag), "command line", f"{option.flag}={{}}")
    found = in_environment(name)
    if found.origin == "environment":
        return found
    place = _ini_place(config, option)
    try:
        written = config.getini(option.key)
    except (TypeError, ValueError, pytest.UsageError) as error:
        raise UsageError(f"{option.key} {place}: {error}") from None
    if written is not None:
        return Setting(_read(option, written, f"{option.key} {place}"), "ini", f"{option.key} = {{}} {place}")
    return Setting(option.default, "default")


def in_environment(name: str) -> Setting:
    """Return the value of the option `name` for who has no configuration: that of the environment, or the default.

    Raises:
        UsageError: if it cannot be read.
    """
    option = _BY_NAME[name]
    if text := os.environ.get(option.variable, ""):
        return Setting(_read(option, text, option.variable), "environment", f"{option.variable}={{}}")
    return Setting(option.default, "default")


def _read(option: Option, value: object, where: str) -> object:
    if isinstance(value, bool):
        return value
    try:
        return option.read(str(value))
    except ValueError as error:
        raise UsageError(f"{where}: {option.shown(value)!r} is not {error}") from None


def check(option: Option, value: object, flag: str) -> None:
    """Raise if a value of a command line cannot be read.

    Raises:
        UsageError: naming the option as it was typed, and the value.
    """
    _read(option, value, flag)


def _ini_place(config: pytest.Config, option: Option) -> str:
    if any(text.startswith(f"{option.key}=") for text in config.getoption("override_ini", None) or ()):
        return "in -o"
    return f"in {config.inipath.name}" if config.inipath else "in the configuration"


def check_command_line(config: pytest.Config) -> None:
    """Read what the command line says of us, so that an error in it ends the session at once.

    The environment and the configuration file are read when a chaos test is set up: sessions without one
    have nothing to do with them.
    """
    for option in OPTIONS:
        if config.getoption(option.key, None) is not None:
            try:
                setting(config, option.name)
            except UsageError as error:
                raise pytest.UsageError(str(error)) from None


def on_ci() -> bool:
    """Whether `CI` is set to something that does not say no."""
    return os.environ.get("CI", "").strip().lower() not in _FALSE | {""}


def server_kind(config: pytest.Config) -> str:
    """Return the kind of servers that the options mean.

    Raises:
        UsageError: they contradict each other.
    """
    return kind_of(setting(config, "servers"), setting(config, "url"))


def kind_of(servers: Setting, url: Setting) -> str:
    """The kind of servers: an address means external, unless a nearer place names another; not one place both.

    Raises:
        UsageError: one place names both.
    """
    if not url.value or servers.value in ("auto", "external"):
        return "external" if url.value else str(servers.value)
    nearer = _RANKS.index(servers.origin) - _RANKS.index(url.origin)
    if nearer == 0:
        both = f"{servers.words.replace('{}', str(servers.value))} and {url.words.partition('{}')[0].rstrip('= ')}"
        raise UsageError(
            f"{both}: the address of a RabbitMQ that runs already means --mqchaos-servers=external"
        )
    return str(servers.value) if nearer < 0 else "external"


def session_settings(config: pytest.Config, worker: str, place: str = "") -> SessionSettings:
    """Return what holds for the whole session; `place` is where xdist's workers find each other's servers.

    Raises:
        UsageError: if an option cannot be read.
    """
    from pytest_mqchaos.experiment.settings import SessionSettings
    from pytest_mqchaos.model.origins import Origins
    from pytest_mqchaos.reproduce import COMMAND

    found = {option.name: setting(config, option.name) for option in OPTIONS}
    value = {name: one.value for name, one in found.items()}
    strict = value["strict"]
    return SessionSettings(
        servers=kind_of(found["servers"], found["url"]),
        strict=on_ci() if strict is None else strict,
        report=config.rootpath / Path(value["report"]).expanduser(),
        rootdir=Path.cwd()
        if COMMAND in config.stash
        else config.rootpath,  # `try` runs in a folder of its own
        ci=on_ci(),
        worker=worker,
        place=place,
        origins=Origins({name: found[name].words for name in ("servers", *_AS_GIVEN)}),
        **{name: value[name] for name in _AS_GIVEN},
    )
