"""What a test writes as a command, and what is run."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_mqchaos.consumers import commands
from pytest_mqchaos.consumers.addresses import LinkAddress, environment, misspelt
from pytest_mqchaos.errors import UsageError

LINK = LinkAddress(
    name="worker",
    url="amqp://user:secret@127.0.0.1:9/a%2Fb",
    host="127.0.0.1",
    port=9,
    user="user",
    password="secret",
    vhost="a/b",
)
SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))"


def shown(bench: Any, **options: Any) -> tuple[list[str], dict[str, str], str]:
    """Run a program that says what it was given."""
    args = options.pop("args", ())
    consumer = bench.start(["python", "-c", SHOW], args=args, **options)
    consumer.replicas[0].process.handled.wait(20)
    argv, env, cwd = json.loads(consumer.output)
    return argv, env, cwd


def test_words_of_a_string_are_split_as_a_shell_would() -> None:
    """Quotes group, and nothing is expanded."""
    assert commands.words("node 'my consumer.js' --n=$HOME *", ("x y",)) == [
        "node",
        "my consumer.js",
        "--n=$HOME",
        "*",
        "x y",
    ]


@pytest.mark.parametrize("name", ["python", "python3"])
def test_a_bare_python_is_this_interpreter(name: str) -> None:
    """`python worker.py` runs under the interpreter of the tests."""
    assert commands.words([name, "worker.py"], ()) == [sys.executable, "worker.py"]


def test_words_may_be_paths_and_numbers() -> None:
    """Paths and numbers become text."""
    assert commands.words([Path("/bin/x"), 3], (1.5, Path("a"))) == ["/bin/x", "3", "1.5", "a"]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("", "consumer(''): the command is empty"),
        ([], "consumer([]): the command is empty"),
        ([""], "consumer(['']): the command is empty"),
        ("a 'b", 'consumer("a \'b"): No closing quotation'),
        (7, "consumer(7): a command (a list or a string), a callable, or docker_image(...)"),
        (b"x", "consumer(b'x'): a command (a list or a string), a callable, or docker_image(...)"),
        (["x", None], "consumer(): None in ['x', None]: a command's words are text, paths or numbers"),
        (
            ["x", "a\0"],
            "consumer(): 'a\\x00' in ['x', 'a\\x00']: a command's words are text, paths or numbers",
        ),
    ],
)
def test_what_is_no_command_is_one_line(target: object, text: str) -> None:
    """Each mistake is named with its value."""
    with pytest.raises(UsageError) as raised:
        commands.words(target, ())
    assert str(raised.value) == text


@pytest.mark.parametrize("target", ["mqchaos-no-such-program", ["./none.sh"]])
def test_a_program_that_is_not_there_is_one_line(bench: Any, tmp_path: Path, target: object) -> None:
    """Nothing is started, and the line names the command."""
    with pytest.raises(UsageError) as raised:
        bench.start(target, cwd=tmp_path)
    text = str(raised.value)
    assert "was not found" in text
    assert repr(target if isinstance(target, str) else target[0]) in text  # type: ignore[index]
    assert "\n" not in text


def test_a_directory_that_is_not_there_is_one_line(bench: Any, tmp_path: Path) -> None:
    """A bad `cwd` names its value."""
    with pytest.raises(UsageError, match=r"cwd='.*nowhere': there is no such directory"):
        bench.start(["true"], cwd=tmp_path / "nowhere")


def test_a_program_is_searched_on_the_path_of_its_own_environment(bench: Any, tmp_path: Path) -> None:
    """`env={"PATH": ...}` counts for finding the command too."""
    script = tmp_path / "own-tool"
    script.write_text("#!/bin/sh\necho found\n")
    script.chmod(0o755)
    consumer = bench.start("own-tool", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    bench.await_output(consumer, "found")


def test_placeholders_are_filled_in_literally(bench: Any) -> None:
    """In target, arguments and values of the environment; other braces stay as they are."""
    every = "{url} {host} {port} {user} {password} {vhost} {} {other} {0} {{url}} %d"
    argv, env, _ = shown(
        bench, args=(every, "--url={url}"), env={"DSN": "{host}:{port}{vhost}", "RAW": "{x!r}"}
    )
    url = "amqp://user:secret@127.0.0.1:9/a%2Fb"
    assert argv == [f"{url} 127.0.0.1 9 user secret a/b {{}} {{other}} {{0}} {{{url}}} %d", f"--url={url}"]
    assert env["DSN"] == "127.0.0.1:9a/b"
    assert env["RAW"] == "{x!r}"


def test_what_is_filled_in_is_not_read_again() -> None:
    """A password that looks like a placeholder stays a password."""
    odd = LinkAddress(name="w", url="u", host="h", port=1, user="{password}", password="{url}", vhost="v")
    assert odd.fill("{user} {password}") == "{password} {url}"


@pytest.mark.parametrize(
    ("services", "text", "line"),
    [
        (
            {},
            "{http}",
            r"env={'URL': '{http}'}: {http} stands for no service: mqchaos.http(...) stands in for one",
        ),
        (
            {"mail": "http://m", "pay": "http://p"},
            "{http:mial}/x",
            "env={'URL': '{http:mial}/x'}: {http:mial} stands for no service: there is mail, pay",
        ),
    ],
)
def test_a_service_that_is_not_there_is_one_line(services: dict[str, str], text: str, line: str) -> None:
    """`{http...}` can mean nothing else: one that stands for nothing is an error with the services there are."""
    link = LinkAddress(
        name="w", url="u", host="h", port=1, user="u", password="p", vhost="v", services=services
    )
    with pytest.raises(UsageError) as error:
        environment(link, effects=Path("e"), run="k3f9", env={"URL": text})
    assert line in str(error.value)
    with pytest.raises(UsageError, match=r"^consumer\(\): '.*': \{http"):
        link.fill(text)


@pytest.mark.parametrize(
    ("env", "words", "said"),
    [
        ({"RH": "amqp://{hots}"}, (), "`{hots}` in env RH stands for nothing: did you mean {host}?"),
        ({"RH": "{HOST}"}, (), "`{HOST}` in env RH stands for nothing: did you mean {host}?"),
        ({}, ("run", "--p={prot}"), "`{prot}` in its command stands for nothing: did you mean {port}?"),
        ({"A": "{host}", "B": "{name}", "C": None, "D": 5}, ("{}", "{x!r}", 7), ""),
        (None, (), ""),
    ],
)
def test_a_misspelt_placeholder(env: Any, words: tuple[object, ...], said: str) -> None:
    """Words in braces that are nearly one of ours are told; others mean something else."""
    assert misspelt(env, words) == said


def test_the_environment_carries_the_link(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """All four names of the URL, the effects file that is there, and the run."""
    monkeypatch.setenv("AMQP_URL", "amqp://elsewhere")
    _, env, _ = shown(bench)
    url = "amqp://user:secret@127.0.0.1:9/a%2Fb"
    assert [env[n] for n in ("MQCHAOS_URL", "AMQP_URL", "RABBITMQ_URL", "CELERY_BROKER_URL")] == [url] * 4
    assert Path(env["MQCHAOS_EFFECTS"]).is_file()
    assert env["MQCHAOS_RUN"] == "abcd"
    assert "PYTEST_CURRENT_TEST" not in env


def test_a_link_of_tls_comes_with_what_is_to_be_trusted() -> None:
    """The files' variables are in the environment, the authority's is a placeholder too; the test's own wins."""
    trust = {"MQCHAOS_CA": "/run/ca.pem", "SSL_CERT_FILE": "/run/trusted.pem"}
    link = replace(LINK, trust=trust)
    found = environment(link, effects=Path("e"), run="abcd", env={"JAVA_CA": "{ca}", "SSL_CERT_FILE": "mine"})
    assert (found["MQCHAOS_CA"], found["JAVA_CA"], found["SSL_CERT_FILE"]) == ("/run/ca.pem",) * 2 + ("mine",)
    assert "MQCHAOS_CA" not in environment(LINK, effects=Path("e"), run="abcd", env=None)


def test_the_tests_own_environment_wins(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`env` replaces what we set, and None removes a name."""
    monkeypatch.setenv("FROM_OUTSIDE", "1")
    _, env, _ = shown(bench, env={"AMQP_URL": "mine", "RABBITMQ_URL": None, "FROM_OUTSIDE": None, "N": 3})
    assert env["AMQP_URL"] == "mine"
    assert "RABBITMQ_URL" not in env
    assert "FROM_OUTSIDE" not in env
    assert env["N"] == "3"


@pytest.mark.parametrize(
    ("outside", "own", "expected"),
    [(None, {}, "1"), ("", {}, ""), (None, {"PYTHONUNBUFFERED": None}, None)],
)
def test_pythons_output_is_unbuffered_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, outside: str | None, own: dict[str, object], expected: str | None
) -> None:
    """A killed consumer's last lines are kept by default."""
    if outside is None:
        monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    else:
        monkeypatch.setenv("PYTHONUNBUFFERED", outside)
    found = environment(LINK, effects=Path("e"), run="abcd", env=own)
    assert found.get("PYTHONUNBUFFERED") == expected


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({3: "x"}, "env={3: ...}: this is no name of a variable"),
        ({"A=B": "x"}, "env={'A=B': ...}: this is no name of a variable"),
        ({"A": True}, "env={'A': True}: a value is text, or None to remove the name"),
        ({"A": ["x"]}, "env={'A': ['x']}: a value is text, or None to remove the name"),
        (["A=1"], "env=['A=1']: a dict of names to values, None removes a name"),
    ],
)
def test_a_wrong_environment_is_one_line(env: Any, text: str) -> None:
    """The name and the value are in it."""
    with pytest.raises(UsageError) as raised:
        environment(LINK, effects=Path("e"), run="abcd", env=env)
    assert str(raised.value) == f"consumer(): {text}"


def test_the_working_directory_is_the_current_one_unless_given(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative `cwd` counts from the current directory."""
    (tmp_path / "here" / "there").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    assert shown(bench, name="a")[2] == str(tmp_path / "here")
    assert shown(bench, name="b", cwd="there")[2] == str(tmp_path / "here" / "there")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"restart": "sometimes"}, "restart='sometimes': 'on-fault', 'always' or 'never'"),
        ({"restart": True}, "restart=True: 'on-fault', 'always' or 'never'"),
        ({"restart_delay": -1}, "restart_delay=-1: seconds, 0 or more"),
        ({"restart_delay": "1"}, "restart_delay='1': seconds, 0 or more"),
        ({"args": "--fast"}, "args='--fast': a list or tuple of arguments"),
        ({"args": {1}}, "args={1}: a list or tuple of arguments"),
        ({"cwd": 7}, "cwd=7: a path"),
    ],
)
def test_a_wrong_argument_is_one_line(bench: Any, options: dict[str, Any], text: str) -> None:
    """It names the value."""
    with pytest.raises(UsageError) as raised:
        bench.consumer(["true"], **options)
    assert str(raised.value) == f"consumer(): {text}"


def test_any_language_will_do(bench: Any) -> None:
    """A program of Node runs as one of Python does."""
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    consumer = bench.start(["node", "-e", "console.log(process.env.AMQP_URL)"])
    bench.await_output(consumer, "amqp://user:secret@127.0.0.1:9/a%2Fb")


def test_a_command_without_setpriv_runs_all_the_same(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ties a process to us is a comfort, not a condition."""
    commands._tied.cache_clear()
    which: Callable[..., str | None] = shutil.which
    monkeypatch.setattr(shutil, "which", lambda n, **k: None if n == "setpriv" else which(n, **k))
    try:
        bench.await_output(bench.shell("echo hello"), "hello")
        assert commands._tied() == ()
    finally:
        commands._tied.cache_clear()
