"""What a test says of an image, and what it may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_mqchaos.errors import UsageError
from pytest_mqchaos.model.image import docker_image


def test_all_that_may_be_said() -> None:
    """Commands are words, paths text, numbers of users too."""
    made = docker_image(
        "registry:5000/repo/worker:1",
        command="worker --queue 'a b'",
        entrypoint=["run", Path("/x"), 2],
        user=1000,
        working_dir="/app",
        volumes={Path("conf"): "/conf:ro"},
        init=False,
    )
    assert made.command == ("worker", "--queue", "a b")
    assert made.entrypoint == ("run", "/x", "2")
    assert (made.user, made.working_dir, made.volumes, made.init) == (
        "1000",
        "/app",
        {"conf": "/conf:ro"},
        False,
    )


@pytest.mark.parametrize(
    "image",
    [
        "worker",
        "worker:1",
        "repo/worker:1",
        "registry:5000/repo/worker:1",
        "repo/worker@sha256:1234",
        "worker@sha256:1",
    ],
)
def test_its_name_is_the_last_part(image: str) -> None:
    """Neither registry, port, tag nor digest is part of what the account calls it."""
    assert docker_image(image).stem == "worker"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"image": None}, "docker_image(None): the name of an image, such as 'repo/worker:1'"),
        ({"image": ""}, "docker_image(''): the name of an image, such as 'repo/worker:1'"),
        ({"image": "a b"}, "docker_image('a b'): the name of an image, such as 'repo/worker:1'"),
        ({"image": "-it"}, "docker_image('-it'): the name of an image, such as 'repo/worker:1'"),
        ({"command": []}, "docker_image(command=[]): a command (a list, or a string)"),
        ({"command": 3}, "docker_image(command=3): a command (a list, or a string)"),
        ({"command": "a 'b"}, 'docker_image(command="a \'b"): No closing quotation'),
        (
            {"entrypoint": [None]},
            "docker_image(entrypoint=...): None: a command's words are text, paths or numbers",
        ),
        ({"user": True}, "docker_image(user=True): a name or a number, such as '1000:1000'"),
        ({"working_dir": "app"}, "docker_image(working_dir='app'): an absolute path inside the container"),
        ({"init": 1}, "docker_image(init=1): True, or False"),
        (
            {"volumes": ["a:/b"]},
            "docker_image(volumes=['a:/b']): a dict of paths of this host to paths inside the container",
        ),
        (
            {"volumes": {"a": "b"}},
            "docker_image(volumes={'a': 'b'}): a path of this host, and an absolute one inside the container "
            "(with ':ro' where it only reads there)",
        ),
        (
            {"volumes": {"a": "/b:rx"}},
            "docker_image(volumes={'a': '/b:rx'}): a path of this host, and an absolute one inside the container "
            "(with ':ro' where it only reads there)",
        ),
    ],
)
def test_wrong_words_are_one_line(said: dict[str, Any], line: str) -> None:
    """It names the value, and what would be right."""
    with pytest.raises(UsageError) as caught:
        docker_image(**{"image": "worker", **said})
    assert str(caught.value) == line
