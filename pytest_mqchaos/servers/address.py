"""Where the Docker engine is, and in one line why it is not: what was tried, and what brings it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
from urllib.parse import urlsplit

from pytest_mqchaos.errors import ServerUnavailable
from pytest_mqchaos.model.printable import cut, masked, printable

__all__ = ["cause", "engine_address", "no_engine", "not_pulled"]

_LONGEST = 160


def engine_address() -> str:
    """Where the engine is, by the environment or Docker's context: on this host, and there.

    A socket is tried here first, since docker-py leaves one open when its constructor fails.

    Raises:
        ServerUnavailable: there is none, or it is not on this host.

    """
    from testcontainers.core.docker_client import get_docker_host

    host = get_docker_host() or "unix:///var/run/docker.sock"
    address = urlsplit(host)
    if address.scheme in ("unix", "http+unix"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(address.path)
            except OSError as error:
                raise ServerUnavailable(no_engine(host, error)) from None
    elif address.hostname not in ("localhost", "::1") and not (address.hostname or "").startswith("127."):
        raise ServerUnavailable(
            f"the Docker engine at {masked(host)} is not on this host, where its ports would be reached; {_NAMED}"
        )
    return host


def no_engine(host: str, error: BaseException) -> str:
    """Say that no engine answers at an address, why, and the one thing that mends it."""
    return f"no Docker engine answers at {masked(host)} ({cause(error)}); {_mend(host, error)}"


def not_pulled(image: str, why: object) -> str:
    """Say that an image is missing, and what brings it."""
    said = cause(why) if isinstance(why, BaseException) else _short(str(why))
    return f"the image {image} is not here and cannot be pulled ({said}); `docker pull {image}` brings it"


def cause(error: BaseException) -> str:
    """What is at the bottom of an exception, in a few words: a library's own text names its classes and no reason."""
    found: BaseException | None = error
    deepest = error
    seen = set()
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        deepest = found
        found = _beneath(found)
    explanation = getattr(deepest, "explanation", None)
    if explanation:
        return _short(
            explanation.decode(errors="replace") if isinstance(explanation, bytes) else str(explanation)
        )
    if "timed out" in str(deepest).lower() or isinstance(deepest, TimeoutError):
        return "no answer in time"
    if isinstance(deepest, OSError) and deepest.strerror:
        return deepest.strerror
    return _short(str(deepest)) or type(deepest).__name__


def _beneath(error: BaseException) -> BaseException | None:
    """The exception that another one is about."""
    if getattr(error, "explanation", None):
        return None
    inner = [error.__cause__, getattr(error, "reason", None), *error.args, error.__context__]
    return next((each for each in inner if isinstance(each, BaseException)), None)


def _short(text: str) -> str:
    """A foreign text as one line of bearable length, cut between words."""
    text = printable(" ".join(re.sub(r"[\x00-\x1f]", " ", text).split()))
    if len(text) <= _LONGEST:
        return text
    return cut(text, _LONGEST).rpartition(" ")[0].rstrip(" :,;(") + " ..."


_NAMED = "DOCKER_HOST or `docker context use` names another one"


def _mend(host: str, error: BaseException) -> str:
    number = _errno(error)
    if urlsplit(host).scheme not in ("unix", "http+unix"):
        return _NAMED
    if number == errno.EACCES:
        return "`usermod -aG docker $USER` and a new login let you use it"
    if number in (errno.ENOENT, errno.ECONNREFUSED):
        if shutil.which("dockerd", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin"):
            return "`systemctl start docker` starts it"
        return "`apt-get install docker.io` or Docker Desktop brings one"
    return "`docker info` says more"


def _errno(error: BaseException) -> int | None:
    found: BaseException | None = error
    for _ in range(10):
        if isinstance(found, OSError) and found.errno:
            return found.errno
        found = None if found is None else _beneath(found)
    return None
