"""Where the work shows: the sources of effects that a test names, opened as soon as their place is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.experiment.run import Run

__all__ = ["Sources"]


class Sources:
    """The sources of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._paths: list[tuple[str | Path, Callable[[object], object] | None]] = []

    def add(self, source: object, key: Callable[[object], object] | None) -> None:
        """Name a source of effects; see `Chaos.effects`."""
        __tracebackhide__ = True
        if callable(source):
            call = source if key is None else _keyed_call(source, key)
            self._run.board.add_call(call, name=getattr(source, "__name__", "effects"))
        elif isinstance(source, str | Path) and str(source):
            self._paths.append((source, key))
            self._run.board.named = True
            self.resolve()
        else:
            raise UsageError(f"effects({source!r}): a path, or a callable that returns ids or keys")

    def resolve(self, *, last: bool = False) -> None:
        """Open the effects files whose place is known: a relative one lies in the consumer's directory.

        Args:
            last: whether to take the current directory where there is no consumer yet.
        """
        paths, self._paths = self._paths, []
        folders = [Path(consumer.cwd) for consumer in self._run.consumers]
        for source, key in paths:
            path = Path(source)
            if not path.is_absolute():
                if not folders and not last:
                    self._paths.append((source, key))
                    continue
                path = (folders[-1] if folders else Path.cwd()) / path
            self._run.board.add_file(path, name=str(source), consumer=None, named=True, key=key)


def _keyed_call(source: Callable[..., object], key: Callable[[object], object]) -> Callable[[], object]:
    def read() -> object:
        found = source()
        if isinstance(found, Mapping):
            return {key(entry): count for entry, count in found.items()}
        return [key(entry) for entry in found]  # type: ignore[attr-defined]

    read.__name__ = getattr(source, "__name__", "effects")
    return read
