"""Where the work shows: the sources of effects that a test names, opened as soon as their place is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_mqchaos.errors import ChaosError, UsageError
from pytest_mqchaos.experiment.effects.feed import entry_field
from pytest_mqchaos.experiment.run import Run
from pytest_mqchaos.model import events as facts
from pytest_mqchaos.model.history import now

__all__ = ["Sources"]

Key = Callable[[Any], object]
_PLACES = "a path, a callable that returns ids or keys, or one of queue=, exchange=, output="


@dataclass(frozen=True, slots=True)
class _Path:
    """A file whose place may not be known yet: a relative one lies in the consumer's directory."""

    path: Path
    name: str
    of: str | None
    key: Key | None


@dataclass(slots=True)
class _Output:
    """An expression for the output of consumers, and those whose output is read already."""

    pattern: re.Pattern[str]
    name: str
    of: str | None
    key: Key | None
    attached: int = 0


class Sources:
    """The sources of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._paths: list[_Path] = []
        self._files: list[_Path] = []
        """All files that were named."""
        self._outputs: list[_Output] = []
        self._tied: dict[str, str] = {}
        """Consumers that sources are tied to, and how the first of them was named."""
        self._names: set[str] = set()

    def add(
        self, source: object = None, *, queue: Any = None, exchange: Any = None, routing_key: Any = "#",
        output: Any = None, key: Any = None, of: Any = None, name: Any = None,
    ) -> None:  # fmt: skip
        """Name a source of effects; see `Chaos.effects`."""
        __tracebackhide__ = True
        given = {"queue": queue, "exchange": exchange, "output": output}
        call = _call(source, given)
        _refuse(call, source, given, routing_key=routing_key, key=key, of=of, name=name)
        text = isinstance(key, str)
        rule = entry_field(key) if text else key
        if queue is not None or exchange is not None:
            kind: Literal["queue", "exchange"] = "queue" if queue is not None else "exchange"
            chosen = self._named(kind, f"{kind} {queue or exchange}", of, name, call)
            self._run.outlets.add(
                name=chosen, call=call, queue=queue, exchange=exchange, routing_key=routing_key, of=of,
                key=_field(key) if text else key)  # fmt: skip
            self._run.board.named = True
        elif output is not None:
            pattern = re.compile(output)
            chosen = self._named("output", f"output {pattern.pattern}", of, name, call)
            self._outputs.append(_Output(pattern, chosen, of, rule))
            self._run.board.named = True
        elif callable(source):
            self._add_call(source, rule, of, name, call)
        else:
            self._refuse_late(Path(str(source)), of, call)
            chosen = self._named("file", str(source), of, name, call)
            self._paths.append(_Path(Path(str(source)), chosen, of, rule))
            self._files.append(self._paths[-1])
            self._run.board.named = self._run.board.named_in_order = True
        self.resolve()

    def _refuse_late(self, path: Path, of: str | None, call: str) -> None:
        """Raise if nobody can write to a file, since the containers that could were started without it.

        Raises:
            ChaosError: saying so.
        """
        __tracebackhide__ = True
        meant = [one for one in self._run.consumers if of in (None, one.name)]
        for one in meant:
            if one.sees is None or any((one.cwd / path).is_relative_to(place) for place in one.sees):
                return
        if meant:
            raise ChaosError(
                f"{call} comes too late: the container of {meant[-1].name} was started without that file; call "
                "mqchaos.effects(...) before mqchaos.consumer(docker_image(...))"
            )

    def files(self, consumer: str) -> list[Path]:
        """Return the files where the work of a consumer shows, as the test named them."""
        return [one.path for one in self._files if one.of in (None, consumer)]

    def _add_call(
        self, source: Callable[..., object], key: object, of: object, name: object, call: str
    ) -> None:
        __tracebackhide__ = True
        read = source if key is None else _keyed_call(source, key)  # type: ignore[arg-type]
        shown = getattr(source, "__name__", "effects")
        chosen = self._named("call", shown, of, name, call, dry=True)
        self._run.board.add_call(read, name=chosen, consumer=of)  # type: ignore[arg-type]
        self._named("call", shown, of, name, call)

    def _named(
        self, kind: Literal["file", "call", "queue", "exchange", "output"], shown: str, of: Any, name: Any, call: str,
        *, dry: bool = False,
    ) -> str:  # fmt: skip
        """Choose the source's name, and make it known, unless `dry`.

        Raises:
            UsageError: if the test gave one that is taken.
        """
        __tracebackhide__ = True
        taken = self._names | self._run.http.keys()
        if name is not None and name in taken:
            raise UsageError(f"{call}: name={name!r} is taken by another source of effects of this test")
        stem = chosen = name or shown
        number = 2
        while chosen in taken:
            chosen, number = f"{stem}-{number}", number + 1
        if not dry:
            self._names.add(chosen)
            if of is not None:
                self._tied.setdefault(of, call)
            self._run.history.append(facts.SourceNamed(at=now(), source=chosen, kind=kind, of=of))
        return str(chosen)

    def resolve(self, *, last: bool = False) -> None:
        """Open what has its place by now: files, outputs, queues at exchanges.

        Args:
            last: whether messages will come now: it is the last moment.

        Raises:
            UsageError: at the last moment a source is tied to a consumer that is not there.
            ChaosError: or at an exchange that is not.
        """
        __tracebackhide__ = True
        self._open_files(last=last)
        for one in self._outputs:
            self._attach(one)
        self._run.outlets.bind(last=last)
        if last:
            self.refuse_unknown()

    def refuse_unknown(self) -> None:
        """Raise where a source is tied to a consumer that is not there.

        Raises:
            UsageError: naming it.
        """
        __tracebackhide__ = True
        known = [consumer.name for consumer in self._run.consumers] + sorted(self._run.inside.names)
        for name, call in self._tied.items():
            if known and name not in known:
                raise UsageError(
                    f"{call}: of={name!r}: no consumer has that name; there are: {', '.join(known)}"
                )

    def _open_files(self, *, last: bool) -> None:
        paths, self._paths = self._paths, []
        for one in paths:
            folders = [Path(each.cwd) for each in self._run.consumers if one.of in (None, each.name)]
            path = one.path
            if not path.is_absolute():
                if not folders and not last:
                    self._paths.append(one)
                    continue
                path = (folders[-1] if folders else Path.cwd()) / path
            self._run.board.add_file(path, name=one.name, consumer=one.of, named=True, key=one.key)

    def _attach(self, one: _Output) -> None:
        """Read the output of the consumers that are there by now, each once."""
        replicas = [
            replica
            for consumer in self._run.consumers
            if one.of in (None, consumer.name)
            for replica in consumer.replicas
        ]
        for replica in replicas[one.attached :]:
            self._run.board.add_file(
                replica.output_path, name=one.name, consumer=replica.name, named=True, key=one.key,
                pattern=one.pattern)  # fmt: skip
        one.attached = len(replicas)


def _call(source: object, given: Mapping[str, object]) -> str:
    """How the test named a source."""
    words = [f"{name}={value!r}" for name, value in given.items() if value is not None]
    if source is not None:
        words.insert(0, getattr(source, "__name__", None) or repr(source))
    return f"effects({', '.join(words)})"


def _refuse(call: str, source: object, given: Mapping[str, object], **more: object) -> None:
    """Refuse what is no source, with one line that says what is."""
    __tracebackhide__ = True
    places = sum(value is not None for value in (source, *given.values()))
    if places != 1:
        raise UsageError(f"{call}: one place where the work shows: {_PLACES}")
    if source is not None and not callable(source) and not (isinstance(source, str | Path) and str(source)):
        raise UsageError(f"effects({source!r}): {_PLACES}")
    for name, value in given.items():
        text = value.pattern if name == "output" and isinstance(value, re.Pattern) else value
        if text is not None and not (isinstance(text, str) and text):
            mend = (
                "; what goes through the default exchange is queue="
                if value == "" and name == "exchange"
                else ""
            )
            raise UsageError(f"{call}: {name}= is a text that is not empty{mend}")
    if given["exchange"] is None and more["routing_key"] != "#":
        raise UsageError(f"{call}: routing_key={more['routing_key']!r} goes with exchange=")
    if not isinstance(more["routing_key"], str):
        raise UsageError(f"{call}: routing_key={more['routing_key']!r}: a text")
    key, published = more["key"], given["queue"] is not None or given["exchange"] is not None
    if key is not None and not callable(key) and not (isinstance(key, str) and key):
        what = "the message" if published else "each entry"
        raise UsageError(f"{call}: key={key!r}: the name of a JSON field, or a function of {what}")
    for name in ("of", "name"):
        if more[name] is not None and not (isinstance(more[name], str) and more[name]):
            raise UsageError(
                f"{call}: {name}={more[name]!r}: {'the name of a consumer' if name == 'of' else 'a name'}"
            )
    try:
        re.compile(given["output"] or "")  # type: ignore[call-overload]
    except re.error as error:
        raise UsageError(f"{call}: no regular expression: {error}") from None


def _field(name: str) -> Key:
    """Return what reads a field of a message's JSON body; of one that has none, nothing."""

    def read(message: Any) -> object:
        try:
            content = message.json
        except (ValueError, RecursionError):
            return None
        return content.get(name) if isinstance(content, dict) else None

    return read


def _keyed_call(source: Callable[..., object], key: Key) -> Callable[[], object]:
    def read() -> object:
        found = source()
        if isinstance(found, Mapping):
            return {key(entry): count for entry, count in found.items()}
        return [key(entry) for entry in found]  # type: ignore[attr-defined]

    read.__name__ = getattr(source, "__name__", "effects")
    return read
