"""What is said of an engine that does not answer, and of an image that is not here: one line and what mends it."""

import errno
import os
import socket

import pytest
import requests
from docker.errors import APIError, DockerException

from pytest_mqchaos.servers.address import cause, no_engine, not_pulled

SOCKET = "unix:///var/run/docker.sock"


def wrapped(inner):
    """Return an exception as docker-py raises it: the reason some layers down, the text a chain of names."""
    try:
        try:
            raise requests.exceptions.ConnectionError(
                "Max retries exceeded (Caused by X('<Y object>'))"
            ) from inner
        except requests.exceptions.ConnectionError as error:
            raise DockerException(f"Error while fetching server API version: {error}") from error
    except DockerException as error:
        return error


def os_error(number):
    """Return the operating system's error of a number."""
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (wrapped(os_error(errno.ECONNREFUSED)), "Connection refused"),
        (wrapped(TimeoutError("read")), "no answer in time"),
        (requests.exceptions.ReadTimeout("HTTPConnectionPool(...): Read timed out."), "no answer in time"),
        (os_error(errno.EACCES), "Permission denied"),
        (
            APIError("500 Server Error for http+docker://localhost/...", explanation="no such host"),
            "no such host",
        ),
        (DockerException("Invalid address: tcp://me:secret@h:1"), "Invalid address: tcp://***@h:1"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_cause_is_what_lies_at_the_bottom(error, words):
    """Of a chain of exceptions the reason is told, without a class's name or a password."""
    assert cause(error) == words


def test_a_long_reason_is_cut_between_words():
    """A foreign text of many lines is one line that ends with a word."""
    said = cause(DockerException("word\n" * 100))
    assert len(said) <= 164
    assert said.endswith("word ...")


@pytest.mark.parametrize(
    ("number", "programs", "mend"),
    [
        (errno.EACCES, "dockerd", "`usermod -aG docker $USER` and a new login let you use it"),
        (errno.ECONNREFUSED, "dockerd", "`systemctl start docker` starts it"),
        (errno.ENOENT, "", "`apt-get install docker.io` or Docker Desktop brings one"),
    ],
)
def test_what_brings_an_engine(monkeypatch, number, programs, mend):
    """What is missing, the rights, the daemon or all of it, has its own way out."""
    monkeypatch.setattr("shutil.which", lambda name, **_: f"/usr/sbin/{name}" if name in programs else None)
    said = no_engine(SOCKET, wrapped(os_error(number)))
    assert said == f"no Docker engine answers at {SOCKET} ({os.strerror(number)}); {mend}"


def test_an_address_of_the_users_own():
    """An address out of the environment is named as that, without its password."""
    said = no_engine("tcp://me:secret@127.0.0.1:1", os_error(errno.ECONNREFUSED))
    assert said == (
        "no Docker engine answers at tcp://***@127.0.0.1:1 (Connection refused); "
        "DOCKER_HOST or `docker context use` names another one"
    )


def test_an_image_that_cannot_be_pulled():
    """The image, the reason, and the command that brings it."""
    error = APIError("500 ...", explanation='Get "https://registry.example/v2/": no such host')
    assert not_pulled("rabbitmq:4", error) == (
        "the image rabbitmq:4 is not here and cannot be pulled "
        '(Get "https://registry.example/v2/": no such host); `docker pull rabbitmq:4` brings it'
    )


def test_a_socket_that_is_there_and_silent_is_no_cause_of_its_own():
    """A name that does not resolve is said as the resolver says it."""
    assert "not known" in cause(wrapped(socket.gaierror(-2, "Name or service not known")))
