"""The test that `try` runs, and that `--write` keeps: the text of a file as somebody would write it by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_mqchaos.cli.example import Example
from pytest_mqchaos.cli.scenarios import Written
from pytest_mqchaos.cli.sources import call, literal

__all__ = ["Plan", "stem", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was asked for; None and what is empty is left out of the test."""

    command: str
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    count: int = 50
    rate: float | None = None
    example: Example | None = None
    """None for the plugin's own small order."""
    scenarios: Sequence[Written] = ()
    """None for the standard battery."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Of the mark."""
    consumer: Mapping[str, object] = field(default_factory=dict)
    """Arguments of `mqchaos.consumer`."""
    definitions: str | None = None
    declare: bool = False
    dead_letter: str | None = None
    effects: str | None = None
    effects_output: str | None = None

    @property
    def stage(self) -> str:
        """Where the messages go: the name of a queue or an exchange."""
        return self.queue or self.exchange or ""

    @property
    def key(self) -> str | None:
        """The field that names a message."""
        return "order" if self.example is None else self.example.key

    @property
    def shows(self) -> bool:
        """Whether the test names a place where the work shows."""
        return self.effects is not None or self.effects_output is not None


def stem(plan: Plan) -> str:
    """Return the name of the test and its file, without `test_`."""
    words = re.findall(r"[A-Za-z0-9]+", plan.stage)
    return "_".join(words).lower() or "consumer"


def text(plan: Plan) -> str:
    """Return the source of a test file that does what the plan says."""
    names = sorted(set().union(*(one.names for one in plan.scenarios)))
    body = _own_body(plan)
    parts = [
        f'"""Chaos tests of a consumer, `{_one_line(plan.command)}`, written by `python -m pytest_mqchaos try`.\n\n'
        'Run them from the folder that the command is started in.\n"""\n',
        *(f"import {module}" for module in _modules(plan)),
        *([""] if _modules(plan) else []),
        "import pytest",
        *([_imports(names)] if names else []),
        *_example(plan),
        "\n",
        f"@{_mark(plan)}",
        f"def test_{stem(plan)}(mqchaos):",
        f'    """Each message is worked on as promised, whatever breaks: `{_one_line(plan.stage)}`."""',
        *(f"    {line}".rstrip() for line in (*body, *_calls(plan))),
    ]
    return "\n".join(parts) + "\n"


def _one_line(words: str) -> str:
    return re.sub(r'[\\"\s]+', " ", words).strip()[:60]


def _modules(plan: Plan) -> list[str]:
    sort = plan.example.sort if plan.example is not None and plan.example.key is not None else None
    return {None: [], "uuid": ["uuid"], "text": ["secrets"]}.get(sort, ["random"])


def _imports(names: Sequence[str]) -> str:
    line = f"from pytest_mqchaos import {', '.join(names)}"
    inner = "".join(f"    {name},\n" for name in names)
    return line if len(line) <= 100 else f"from pytest_mqchaos import (\n{inner})"


def _example(plan: Plan) -> list[str]:
    if plan.example is None:
        return []
    return ["", f"EXAMPLE = {literal(plan.example.body)}"]


def _own_body(plan: Plan) -> list[str]:
    """The lines that make each message's key its own: fresh in each run, for a consumer may remember what it did."""
    if plan.example is None or plan.example.key is None:
        return []
    begin, made = {
        "uuid": ("run = uuid.uuid4()", "str(uuid.uuid5(run, str(n)))"),
        "text": ("run = secrets.token_hex(4)", 'f"{run}-{n}"'),
        "number": (_FIRST, "first + n"),
        "digits": (_FIRST, "str(first + n)"),
    }[plan.example.sort]
    return [
        "# keys are fresh each time: a consumer may remember what it has done",
        begin,
        "",
        "def body(n, rng):",
        f"    return {{**EXAMPLE, {literal(plan.example.key)}: {made}}}",
        "",
    ]


_FIRST = "first = random.SystemRandom().randrange(10**8, 2 * 10**9)"


def _mark(plan: Plan) -> str:
    arguments = [one.source for one in plan.scenarios]
    arguments += [f"{name}={literal(value)}" for name, value in plan.options.items()]
    return call("pytest.mark.chaos", arguments) if arguments else "pytest.mark.chaos"


def _calls(plan: Plan) -> list[str]:
    """The test's calls, in an order that works: what has to be there before the consumer comes first."""
    lines = []
    if plan.definitions is not None:
        lines.append(f"mqchaos.definitions({literal(plan.definitions)})")
    if plan.declare and plan.queue is not None:
        options = [] if plan.dead_letter is None else [f"dead_letter={literal(plan.dead_letter)}"]
        lines.append(call("mqchaos.queue", [literal(plan.queue), *options], 4))
    elif plan.dead_letter is not None:
        lines.append(f"mqchaos.dead_letters({literal(plan.dead_letter)})")
    given = [f"{name}={literal(value, 8)}" for name, value in plan.consumer.items()]
    lines.append(call("mqchaos.consumer", [literal(plan.command), *given], 4))
    if plan.effects is not None:
        lines.append(f"mqchaos.effects({literal(plan.effects)})  # an id or key a line")
    if plan.effects_output is not None:
        lines.append(f"mqchaos.effects(output={_pattern(plan.effects_output)})")
    if not plan.shows:
        lines.append("# mqchaos.effects(...): without it an acknowledged message counts as worked on")
    lines.append(_publish(plan))
    return lines


def _pattern(expression: str) -> str:
    raw = f'r"{expression}"'
    simple = '"' not in expression and "\n" not in expression and not expression.endswith("\\")
    return raw if simple and "\\" in expression else literal(expression)


def _publish(plan: Plan) -> str:
    arguments = [] if plan.queue is None else [literal(plan.queue)]
    arguments.append(f"count={plan.count}")
    if plan.example is not None:
        arguments.append("body=body" if plan.example.key is not None else "body=EXAMPLE")
    if plan.key is not None:
        arguments.append(f"key={literal(plan.key)}")
    others = {name: getattr(plan, name) for name in ("exchange", "routing_key", "rate")}
    arguments += [f"{name}={literal(value)}" for name, value in others.items() if value is not None]
    return call("mqchaos.publish", arguments, 4)
