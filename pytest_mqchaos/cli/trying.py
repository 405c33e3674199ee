"""`try`: a consumer under the battery, with no test written.

```
arguments ──► Plan ──► the text of a test file ──► --write PATH
                             └──► a folder of its own ──► pytest ──► account, report, exit status
```
What is run is what is written: there is one way only. A word that cannot be understood is one line and status 2,
before anything is started.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pytest_mqchaos.cli.testfile import Plan, stem, text
from pytest_mqchaos.errors import ChaosError, UsageError

__all__ = ["add_arguments", "run", "unquoted"]

HELP = "break a consumer with no test written; exit status 1 if a promise was not kept"

_USAGE = 'python -m pytest_mqchaos try "node worker.js" --queue orders --body order.json [option ...]'
_MORE = """\
a scenario is a fault and its moment: consumer_crash:before=ack:5, refuse:duration=2:after=delivery:3, baseline;
several at once with +, as in lost_ack+malformed_payload:share=0.2; each of many moments, consumer_crash:after=ack:1-20

exit status: 0 every promise was kept, 1 one was not, 2 or 4 the command line is wrong, 3 it could not be tried or
judged (no RabbitMQ can be had, the consumer does not start, a fault never struck), 130 after Ctrl-C
"""


_INTERPRETER = re.compile(r"(python|node|nodejs|ruby|perl|php)[\d.]*")
_SCRIPTS = (".py", ".js", ".mjs", ".cjs", ".rb", ".pl", ".php")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments: of the consumer, its work, what is to break; and the plugin's options."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.usage, parser.epilog, parser.allow_abbrev = _USAGE, _MORE, False
    parser.add_argument(
        "consumer", metavar="COMMAND", help='what starts the consumer, as one word: "node worker.js"'
    )
    _messages(parser.add_argument_group("messages"))
    _consumer(parser.add_argument_group("the consumer"))
    _work(
        parser.add_argument_group(
            "where its work shows", "without any, an acknowledged message counts as worked on"
        )
    )
    _promises(parser.add_argument_group("what breaks, and what is promised"))
    _options(
        parser.add_argument_group(
            "as of pytest", "with or without `mqchaos-`: --mqchaos-url is the same as --url"
        )
    )


def _messages(group: Any) -> None:
    add = group.add_argument
    add("--queue", metavar="NAME", help="the queue that it reads, and that messages are published to")
    add("--exchange", metavar="NAME", help="publish to this exchange instead; with --routing-key")
    add("--routing-key", metavar="KEY")
    add("--body", metavar="FILE", type=Path, help="an example of a message (default: a small JSON order)")
    add("--key", metavar="FIELD", help="the JSON field that names a message, and is made each message's own "
        "(default: guessed by its name)")  # fmt: skip
    add("--count", metavar="N", type=_count, default=50, help="how many messages (default: 50)")
    add("--rate", metavar="R", type=_positive, help="messages a second (default: at once)")
    add(
        "--definitions",
        metavar="FILE",
        help="RabbitMQ's definitions file: queues, exchanges, bindings, policies",
    )
    add("--declare", action="store_true", help="declare the queue, for a consumer that does not do so itself")
    add("--dead-letter", metavar="QUEUE", help="where messages belong that cannot be processed")


def _consumer(group: Any) -> None:
    add = group.add_argument
    add("--cwd", metavar="DIR", help="the folder that it is started in (default: this one)")
    add("--env", metavar="NAME=VALUE", action="append", default=[], help="a variable of its environment; {url}, "
        "{host}, {port}, {user}, {password}, {vhost} are filled in. $AMQP_URL is there anyway")  # fmt: skip
    add("--replicas", metavar="N", type=_count, help="how many of it (default: 1)")
    add(
        "--restart",
        choices=("on-fault", "always", "never"),
        help="when it is started again (default: on-fault)",
    )
    add(
        "--ready-timeout",
        metavar="S",
        type=_positive,
        help="seconds within which it must consume (default: 15)",
    )


def _work(group: Any) -> None:
    add = group.add_argument
    add("--effects", metavar="FILE", help="it writes there: an id or key of a message, a line each")
    add("--effects-output", metavar="REGEX", help="it prints there: the first group, or all, is an id or key")
    add("--evidence", choices=("any", "effects", "broker"), help="any: work that shows itself in "
        "$MQCHAOS_EFFECTS or by the probe, else acks (default); effects: no effect is no work; "
        "broker: acks alone")  # fmt: skip


def _promises(group: Any) -> None:
    add = group.add_argument
    add("--scenario", metavar="FAULT", action="append", default=[], help="a fault instead of the standard battery; "
        "may be repeated")  # fmt: skip
    add("--guarantee", choices=("at-most-once", "at-least-once", "exactly-once"), default="at-least-once",
        help="what is promised (default: at-least-once)")  # fmt: skip
    add("--allow", metavar="FINDING", action="append", default=[], help="report it, and do not fail for it")
    add(
        "--poison",
        choices=("dead-letter", "discard"),
        help="what must become of a message that cannot be processed",
    )
    add("--write", metavar="PATH", type=Path, help="keep the test that does all this")


def _options(group: Any) -> None:
    from pytest_mqchaos.options import TRIED

    for option in TRIED:
        names = (f"--{option.flag.removeprefix('--mqchaos-')}", option.flag)
        if option.ini == "bool":
            action = argparse.BooleanOptionalAction
            group.add_argument(*names, dest=option.key, action=action, default=None, help=option.help)
        else:
            group.add_argument(*names, dest=option.key, metavar=option.metavar, help=option.help)


def unquoted(command: str, rest: list[str]) -> str:
    """Return what mends words that nobody understood, where they look like those of a command; else nothing."""
    plain = [number for number, word in enumerate(rest) if not word.startswith("-")]
    if not plain or plain[0] != 0:
        return ""
    return f': quote the command: try "{" ".join([command, *rest[: plain[-1] + 1]])}"'


def run(arguments: argparse.Namespace) -> int:
    """Try the consumer, print the account, and return the exit status."""
    from pytest_mqchaos.cli.trial import Trial

    try:
        plan = _plan(arguments)
        source = text(plan)
        path = None if arguments.write is None else _write(arguments.write, source, plan)
    except ChaosError as error:
        print(f"try: {error}", file=sys.stderr)
        return 2
    return Trial(plan, source, arguments, path).run()


def _plan(arguments: argparse.Namespace) -> Plan:
    from pytest_mqchaos.choices import allowed
    from pytest_mqchaos.cli.example import read
    from pytest_mqchaos.cli.scenarios import expanded, parse

    if not arguments.queue and not arguments.exchange:
        raise UsageError("--queue NAME: the queue that the consumer reads (or --exchange NAME)")
    if arguments.queue and arguments.exchange:
        raise UsageError("--queue and --exchange: messages are published to one of them")
    if arguments.routing_key and not arguments.exchange:
        raise UsageError("--routing-key is of an --exchange: messages to a --queue have its name")
    allowed(tuple(arguments.allow))
    _check_options(arguments)
    example = None
    if arguments.body is not None:
        example = read(
            arguments.body, key=arguments.key, queue=arguments.queue or arguments.routing_key or ""
        )
    elif arguments.key not in (None, "order"):
        raise UsageError(f"--key {arguments.key}: a message of which form? Give an example by --body FILE")
    arguments.scenario = [word for each in arguments.scenario for word in expanded(each)]
    plan = Plan(
        command=arguments.consumer,
        example=example,
        scenarios=tuple(parse(each) for each in arguments.scenario),
        consumer=_of_consumer(arguments),
        effects_output=_expression(arguments.effects_output),
        definitions=_definitions(arguments.definitions),
        options=_of_mark(arguments),
        **{name: getattr(arguments, name) for name in _AS_GIVEN},
    )
    for scenario in plan.scenarios:
        allowed(scenario.scenario.allow)
    _check_command(plan)
    return plan


_AS_GIVEN = ("queue", "exchange", "routing_key", "count", "rate", "declare", "dead_letter", "effects")


def _of_mark(arguments: argparse.Namespace) -> dict[str, object]:
    options: dict[str, object] = {"guarantee": arguments.guarantee}
    shows = arguments.effects is not None or arguments.effects_output is not None
    if arguments.evidence or not shows:
        options["evidence"] = arguments.evidence or "any"
    if arguments.poison:
        options["poison"] = arguments.poison
    if arguments.allow:
        options["allow"] = tuple(arguments.allow)
    return options


def _of_consumer(arguments: argparse.Namespace) -> dict[str, object]:
    options: dict[str, object] = {}
    if arguments.env:
        options["env"] = dict(_variable(each) for each in arguments.env)
    if arguments.cwd is not None:
        if not Path(arguments.cwd).is_dir():
            raise UsageError(f"--cwd {arguments.cwd}: no such folder")
        options["cwd"] = arguments.cwd
    for name in ("replicas", "restart", "ready_timeout"):
        if (value := getattr(arguments, name)) is not None:
            options[name] = value
    return options


def _variable(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*", name):
        raise UsageError(f"--env {word!r}: NAME=VALUE")
    return name, value


def _expression(pattern: str | None) -> str | None:
    if pattern is not None:
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"--effects-output {pattern!r}: no regular expression: {error}") from None
    return pattern


def _definitions(path: str | None) -> str | None:
    """Read a file of definitions once, before there are servers to load it into."""
    from pytest_mqchaos.brokers.rabbitmq.definitions import read

    if path is not None:
        call = f"--definitions {path}"
        try:
            raw = Path(path).read_bytes()
        except FileNotFoundError:
            raise UsageError(f"{call}: no such file") from None
        except OSError as error:
            raise UsageError(f"{call}: {error.strerror}") from None
        read(raw, call=call, vhost=None)
    return path


def _check_options(arguments: argparse.Namespace) -> None:
    """Read what is pytest's later, so that an error in it names the option as it was typed."""
    from pytest_mqchaos.options import TRIED, check

    typed = [word.partition("=")[0] for word in arguments.words]
    for option in TRIED:
        value = getattr(arguments, option.key)
        if value is not None:
            short = option.flag.replace("mqchaos-", "", 1)
            check(option, value, short if short in typed else option.flag)


def _check_script(line: Sequence[str], cwd: Path) -> None:
    """Raise if an interpreter is to run a script that is not there: it would say so once for each scenario.

    Only a plain name is looked at: what an option of the interpreter makes of the next word is its own affair.
    """
    name = line[1] if len(line) > 1 else ""
    interpreter = _INTERPRETER.fullmatch(Path(line[0]).name)
    if interpreter and Path(name).suffix in _SCRIPTS and "{" not in name and not (cwd / name).exists():
        raise UsageError(f"the script {name!r} was not found (in {cwd})")


def _check_command(plan: Plan) -> None:
    """Look for the program, and its script, before there are servers to wait for."""
    from pytest_mqchaos.consumers.commands import words
    from pytest_mqchaos.consumers.program import find

    env: Any = plan.consumer.get("env") or {}
    cwd = Path(str(plan.consumer.get("cwd", "."))).absolute()
    try:
        line = words(plan.command, ())
        find(line, env.get("PATH", os.environ.get("PATH", os.defpath)), cwd)
        _check_script(line, cwd)
    except UsageError as error:
        raise UsageError(re.sub(r"^consumer\((.*?)\): ", r"\1 ", str(error)).lstrip()) from None


def _write(path: Path, source: str, plan: Plan) -> Path:
    """Write the test, unless that would replace another one.

    Raises:
        UsageError: if it would, or cannot be written.
    """
    if path.is_dir():
        path /= f"test_{stem(plan)}.py"
    if path.suffix != ".py":
        raise UsageError(f"--write {path}: a test is a file that ends in .py")
    try:
        if path.exists() and path.read_text(encoding="utf-8", errors="replace") != source:
            raise UsageError(
                f"--write {path}: is there already, and is left alone: name another, or remove it"
            )
        path.write_text(source, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--write {path}: {error.strerror}") from None
    return path


def _count(word: str) -> int:
    try:
        value = int(word)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number above 0")
    return value


def _positive(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number above 0")
    return value
