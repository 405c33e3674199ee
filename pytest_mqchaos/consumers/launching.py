"""From what a test names as its consumer to what starts a process of it: a command, a callable, an image."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from pytest_mqchaos.consumers import commands
from pytest_mqchaos.consumers.addresses import LinkAddress
from pytest_mqchaos.consumers.afar import Containers, stop_signal
from pytest_mqchaos.consumers.contained import launch
from pytest_mqchaos.consumers.forked import fork
from pytest_mqchaos.consumers.process import Process
from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.image import ContainerPlan, DockerImage, ImageFacts

__all__ = ["ImageTarget", "Target", "launcher", "may_signal", "seen_inside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTarget:
    """An image on an engine that has it."""

    image: DockerImage
    facts: ImageFacts
    containers: Containers
    folder: Path
    """The run's own, which is in the container by the same path."""
    files: Sequence[Path] = ()
    """Where its work shows: each is in the container too, a relative one in its working directory."""


Target = str | Path | Sequence[str | Path] | Callable[..., object] | ImageTarget


def launcher(
    target: Target,
    *,
    link: LinkAddress,
    env: Mapping[str, str],
    cwd: Path,
    args: Sequence[object],
    output: Path,
    guard: Callable[[], AbstractContextManager[None]],
) -> Callable[[], Process]:
    """Return what starts a process of one replica.

    Args:
        target: what the test named.
        link: the replica's.
        env: its whole environment.
        cwd: its working directory; of an image, where relative paths of this host are taken from.
        args: further ones of the command or callable.
        output: the file that its output goes to.
        guard: held around a fork.

    Raises:
        UsageError: if it cannot be started.
    """
    __tracebackhide__ = True
    if isinstance(target, ImageTarget):
        return _of_image(target, link, env, cwd, args, output)
    if not callable(target):
        line = commands.resolve(commands.words(target, args), link, env, cwd)
        return lambda: Process(commands.spawn(line, env=env, cwd=cwd, output=output))
    _refuse_generator(target)
    call = partial(target, link.url, *(link.fill(a) if isinstance(a, str) else a for a in args))
    return lambda: Process(fork(call, env=env, cwd=cwd, output=output, guard=guard()))


def _refuse_generator(target: Callable[..., object]) -> None:
    __tracebackhide__ = True
    function: object = target
    while isinstance(function, partial):
        function = function.func
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        name = getattr(function, "__name__", repr(function))
        raise UsageError(f"consumer({name}): it has a yield, so nothing of it runs when it is called")


def _of_image(
    target: ImageTarget,
    link: LinkAddress,
    env: Mapping[str, str],
    cwd: Path,
    args: Sequence[object],
    output: Path,
) -> Callable[[], Process]:
    __tracebackhide__ = True
    image, facts = target.image, target.facts
    here = facts.reach.native and may_signal(image.user or facts.user)
    plan = ContainerPlan(
        image=image.image,
        name=link.name,
        command=_command(target, link, args),
        entrypoint=None if image.entrypoint is None else tuple(map(link.fill, image.entrypoint)),
        env=(*(f"{name}={value}" for name, value in env.items()), *sorted(facts.env.keys() - env.keys())),
        user=image.user,
        working_dir=image.working_dir,
        mounts=_mounts(target, cwd),
        network=facts.reach.network,
        init=image.init and here,
    )
    return partial(
        launch,
        target.containers,
        plan,
        output,
        stop=stop_signal(facts.stop_signal),
        port=link.port,
        here=here,
    )


def may_signal(user: str) -> bool:
    """Whether the processes of an image's user may be signalled by this one: it is root, or the same."""
    return os.geteuid() == 0 or user.partition(":")[0] == str(os.getuid())


def _command(target: ImageTarget, link: LinkAddress, args: Sequence[object]) -> tuple[str, ...] | None:
    """Return the command with its placeholders filled in and its further arguments; None for the image's own."""
    __tracebackhide__ = True
    image = target.image
    more = commands.more(args)
    if image.command is None and not more:
        return None
    own = target.facts.command if image.entrypoint is None else ()
    return tuple(map(link.fill, [*(own if image.command is None else image.command), *more]))


def _mounts(target: ImageTarget, cwd: Path) -> tuple[tuple[str, str, bool], ...]:
    __tracebackhide__ = True
    found = [(str(target.folder), str(target.folder), False)]
    for host, inner in target.image.volumes.items():
        outer = cwd / host
        if not outer.exists():
            raise UsageError(
                f"docker_image(volumes={{{host!r}: {inner!r}}}): there is no {str(outer)!r} on this host"
            )
        place, _, way = inner.partition(":")
        found.append((str(outer.resolve()), place, way == "ro"))
    inside = PurePosixPath(target.image.working_dir or target.facts.working_dir)
    for path in dict.fromkeys(target.files):
        outer = Path(os.path.normpath(cwd / path))
        if not any(
            outer.is_relative_to(host) or outer.resolve().is_relative_to(host) for host, _, _ in found
        ):
            _make_writable(outer)
            found.append((str(outer), os.path.normpath(inside / path), False))
    return tuple(found)


def seen_inside(target: Target, cwd: Path) -> tuple[Path, ...] | None:
    """Return the files and folders of this host that are in an image's containers; None where it is no image."""
    __tracebackhide__ = True
    if not isinstance(target, ImageTarget):
        return None
    return tuple(Path(outer) for outer, _, _ in _mounts(target, cwd))


def _make_writable(path: Path) -> None:
    """Let there be a file that whoever the container runs as may append to."""
    __tracebackhide__ = True
    try:
        path.touch()
    except OSError as error:
        why = error.strerror or error
        raise UsageError(
            f"effects({str(path)!r}): it cannot be made for the container to write to ({why})"
        ) from None
    with suppress(OSError):  # another's, who has to know
        path.chmod(path.stat().st_mode | 0o666)
