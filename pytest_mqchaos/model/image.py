"""The user's own program as an image: what a test says of the container that is started from it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.command_words import command_word

__all__ = ["ContainerPlan", "DockerImage", "ImageFacts", "Reach", "docker_image"]

_SPACE = " \t\r\n"
_WAYS = ("rw", "ro")


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerImage:
    """An image, and how its program is started; made by `docker_image`."""

    image: str
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    user: str | None = None
    working_dir: str | None = None
    volumes: Mapping[str, str] = field(default_factory=dict)
    init: bool = True

    def __str__(self) -> str:
        """As a test writes it."""
        return f"docker_image({self.image!r})"

    @property
    def stem(self) -> str:
        """The last part of its name, without registry, tag and digest: `worker` of `repo/worker:1`."""
        return self.image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def docker_image(
    image: str,
    command: str | Sequence[object] | None = None,
    *,
    entrypoint: str | Sequence[object] | None = None,
    user: str | int | None = None,
    working_dir: str | None = None,
    volumes: Mapping[object, str] | None = None,
    init: bool = True,
) -> DockerImage:
    """Name an image whose program is the consumer (or producer): `mqchaos.consumer(docker_image("repo/worker:1"))`.

    Each start makes a new container, and its end removes it: a restarted one has nothing of what the last one wrote.
    It finds the broker by the same variables and placeholders as a command does; of this process's environment it has
    nothing else. `$MQCHAOS_EFFECTS` and every file that `mqchaos.effects(path)` named before are in it.

    Args:
        image: its name, as `docker run` takes it; one that is not here is pulled.
        command: what is run instead of the image's own command; a string is split as a shell would, without a shell.
        entrypoint: instead of the image's own.
        user: as whom: a name or number, `"1000:1000"`; the image's own by default.
        working_dir: its working directory, inside; the image's own by default. `consumer(cwd=...)` is the folder of
            this host that relative paths of effects and volumes are taken from.
        volumes: further files and folders of this host, each with where it is to be inside: `{"./conf": "/conf:ro"}`.
        init: whether a small init of Docker's is process 1, as under `docker run --init`. Without it a moment at which
            the consumer itself sends (`after=ack(5)`) is struck some hundred microseconds late: the kernel keeps from
            process 1 the signal that stops it inside its `send`. For images that must be process 1 (s6-overlay).

    Raises:
        UsageError: if one is nothing that a container can have.
    """
    __tracebackhide__ = True
    if not isinstance(image, str) or not image or image.startswith("-") or any(c in image for c in _SPACE):
        raise UsageError(f"docker_image({image!r}): the name of an image, such as 'repo/worker:1'")
    if not isinstance(init, bool):
        raise UsageError(f"docker_image(init={init!r}): True, or False")
    if isinstance(user, bool) or (user is not None and not (isinstance(user, str | int) and str(user))):
        raise UsageError(f"docker_image(user={user!r}): a name or a number, such as '1000:1000'")
    if working_dir is not None and not (
        isinstance(working_dir, str) and PurePosixPath(working_dir).is_absolute()
    ):
        raise UsageError(f"docker_image(working_dir={working_dir!r}): an absolute path inside the container")
    return DockerImage(
        image=image,
        command=_words("command", command),
        entrypoint=_words("entrypoint", entrypoint),
        user=None if user is None else str(user),
        working_dir=working_dir,
        volumes=_volumes(volumes),
        init=init,
    )


def _words(name: str, value: object) -> tuple[str, ...] | None:
    __tracebackhide__ = True
    if value is None:
        return None
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise UsageError(f"docker_image({name}={value!r}): {error}") from None
    if isinstance(words, bytes) or not isinstance(words, Sequence) or not words:
        raise UsageError(f"docker_image({name}={value!r}): a command (a list, or a string)")
    return tuple(command_word(word, f"docker_image({name}=...): {word!r}") for word in words)


def _volumes(value: object) -> dict[str, str]:
    __tracebackhide__ = True
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageError(
            f"docker_image(volumes={value!r}): a dict of paths of this host to paths inside the container"
        )
    found = {}
    for host, inner in value.items():
        path, colon, way = inner.partition(":") if isinstance(inner, str) else ("", "", "")
        outer = os.fspath(host) if isinstance(host, os.PathLike) else host
        good = isinstance(outer, str) and outer and PurePosixPath(path).is_absolute()
        if not good or (colon and way not in _WAYS):
            raise UsageError(
                f"docker_image(volumes={{{outer!r}: {inner!r}}}): a path of this host, and an absolute one inside "
                "the container (with ':ro' where it only reads there)"
            )
        found[str(outer)] = inner
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How a container of this engine reaches what listens on our loopback interface only."""

    network: str
    """The engine's network that it is in: `host` or `bridge`."""
    host: str
    """What our loopback interface is called there."""
    native: bool
    """Whether its processes are processes of this kernel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What an engine says of an image that it has."""

    reach: Reach
    env: Mapping[str, str]
    command: tuple[str, ...]
    working_dir: str
    user: str
    stop_signal: str
    """As the image has it: a name, with or without SIG, or a number; empty for SIGTERM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPlan:
    """One container that is about to be made."""

    image: str
    name: str
    """What stands in the container's name: the replica's."""
    command: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    env: tuple[str, ...]
    """As the engine takes it: `NAME=value`, and `NAME` alone for one of the image's that is left out."""
    user: str | None
    working_dir: str | None
    mounts: tuple[tuple[str, str, bool], ...]
    """Paths of this host, where they are to be inside, and whether they are only read there."""
    network: str
    init: bool
