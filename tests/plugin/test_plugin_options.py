"""The options: where a value comes from, what it may be, and how a test is repeated."""

from __future__ import annotations

import re
import shlex

import pytest
from chaos_bench import Bench, block

SHOW = """
def test_it(mqchaos):
    from fake_mqchaos import SETTINGS
    print("has", SETTINGS[-1])
    print("runs", mqchaos.settings)
"""
MODERN = pytest.version_tuple >= (9,)


def shown(result: pytest.RunResult, name: str) -> str:
    """Return a setting that the test printed."""
    found = re.search(rf"has SessionSettings\(.*?\b{name}=('[^']*'|[^,)]+)", result.stdout.str())
    assert found, result.stdout.str()
    return found[1].strip("'")


@pytest.mark.parametrize(
    ("name", "default", "ini", "env", "flag"),
    [
        ("servers", "auto", "docker", "process", "docker"),
        ("network", "auto", "wire", "toxiproxy", "wire"),
        ("rabbitmq_image", "rabbitmq:4", "a:1", "b:2", "c:3"),
        ("toxiproxy_image", "ghcr.io/shopify/toxiproxy:2.12.0", "a:1", "b:2", "c:3"),
        ("settle_timeout", "30.0", "5.0", "6.5", "7.0"),
    ],
)
def test_precedence(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, default: str, ini: str, env: str, flag: str
) -> None:
    """The command line beats the environment, which beats the configuration file, which beats the default."""
    assert shown(bench.run(SHOW, "-s"), name) == default
    bench.pytester.makeini(f"[pytest]\nmqchaos_{name} = {ini}\n")
    assert shown(bench.run(None, "-s"), name) == ini
    monkeypatch.setenv(f"PYTEST_MQCHAOS_{name.upper()}", env)
    assert shown(bench.run(None, "-s"), name) == env
    assert shown(bench.run(None, "-s", f"--mqchaos-{name.replace('_', '-')}={flag}"), name) == flag


def test_strict_and_report(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """`strict` is a flag with a no, on where `CI` is set; `report` is relative to the root directory."""
    assert shown(bench.run(SHOW, "-s"), "strict") == "False"
    monkeypatch.setenv("CI", "true")
    assert shown(bench.run(None, "-s"), "strict") == "True"
    bench.pytester.makeini("[pytest]\nmqchaos_strict = no\nmqchaos_report = out/chaos\n")
    result = bench.run(None, "-s")
    assert (shown(result, "strict"), shown(result, "ci")) == ("False", "True")
    assert (bench.path / "out" / "chaos" / "report.json").is_file()
    monkeypatch.setenv("PYTEST_MQCHAOS_STRICT", "1")
    assert shown(bench.run(None, "-s"), "strict") == "True"
    assert shown(bench.run(None, "-s", "--no-mqchaos-strict"), "strict") == "False"


def test_mark_stands_between(bench: Bench) -> None:
    """A mark's `settle_timeout` and `seed` beat the configuration file and yield to the command line."""
    bench.pytester.makeini("[pytest]\nmqchaos_settle_timeout = 5\nmqchaos_seed = 5\n")
    source = "@pytest.mark.chaos(baseline(), settle_timeout=6, seed=6)" + SHOW
    marked = bench.run(source, "-s").stdout.str()
    assert "settle_timeout=6.0, effect" in marked
    assert "--mqchaos-seed=6" in marked
    given = bench.run(None, "-s", "--mqchaos-settle-timeout=7", "--mqchaos-seed=7").stdout.str()
    assert "settle_timeout=7.0, effect" in given
    assert "--mqchaos-seed=7" in given


@pytest.mark.skipif(not MODERN, reason="[tool.pytest] came with pytest 9")
@pytest.mark.parametrize("seed", ['"4711"', "4711"])
def test_native_toml(bench: Bench, seed: str) -> None:
    """`[tool.pytest]` takes numbers as numbers and flags as flags; a seed also as a text, which may say random."""
    if seed == "4711" and pytest.version_tuple < (9, 2):
        pytest.skip("options of several types came with pytest 9.2")
    bench.pytester.makepyprojecttoml(
        f"[tool.pytest]\nmqchaos_settle_timeout = 5\nmqchaos_strict = true\nmqchaos_seed = {seed}\n"
        'mqchaos_servers = "process"\nstrict = true\n'
    )
    result = bench.run(SHOW, "-s")
    result.assert_outcomes(passed=1)
    assert [shown(result, name) for name in ("settle_timeout", "strict", "servers")] == [
        "5.0",
        "True",
        "process",
    ]
    assert "--mqchaos-seed=4711" in result.stdout.str()


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (
            "--mqchaos-servers=podman",
            "--mqchaos-servers: 'podman' is not one of auto, docker, process, external",
        ),
        ("--mqchaos-network=tc", "--mqchaos-network: 'tc' is not one of auto, toxiproxy, wire"),
        ("--mqchaos-settle-timeout=-1", "--mqchaos-settle-timeout: '-1' is not a number of seconds above 0"),
        (
            "--mqchaos-settle-timeout=nan",
            "--mqchaos-settle-timeout: 'nan' is not a number of seconds above 0",
        ),
        ("--mqchaos-seed=1.5", "--mqchaos-seed: '1.5' is not a whole number from 0 on, or random"),
        ("--mqchaos-rabbitmq-image=", "--mqchaos-rabbitmq-image: '' is not a name"),
        (
            "--mqchaos-scenario=refuse lost_ack:before=ack:x",
            "--mqchaos-scenario: 'refuse lost_ack:before=ack:x' is not a scenario: "
            "'lost_ack:before=ack:x': before=ack 'x' is not a whole number",
        ),
    ],
)
def test_wrong_on_the_command_line(bench: Bench, argument: str, said: str) -> None:
    """A wrong option of the command line ends the session at once, in one line."""
    result = bench.run("def test_other(): ...", argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.errlines if line] == [f"ERROR: {said}"]


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("env", "PYTEST_MQCHAOS_SEED: 'dice' is not a whole number from 0 on, or random"),
        ("ini", "mqchaos_seed in tox.ini: 'dice' is not a whole number from 0 on, or random"),
        ("-o", "mqchaos_seed in -o: 'dice' is not a whole number from 0 on, or random"),
    ],
)
def test_wrong_elsewhere(bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str, said: str) -> None:
    """A wrong value of the environment or the configuration names its place, in chaos tests only."""
    args = []
    if where == "env":
        monkeypatch.setenv("PYTEST_MQCHAOS_SEED", "dice")
    elif where == "ini":
        bench.pytester.makeini("[pytest]\nmqchaos_seed = dice\n")
    else:
        args = ["-o", "mqchaos_seed=dice"]
    result = bench.run("def test_other(): ...\n@pytest.mark.chaos\ndef test_it(mqchaos): ...", *args)
    result.assert_outcomes(passed=1, errors=5)
    for name in ("baseline", "connection_drop"):
        assert block(result, f"ERROR at setup of test_it[{name}]") == [said]


@pytest.mark.parametrize(("key", "value"), [("settle_timeout", "soon"), ("strict", "perhaps")])
def test_wrong_type_in_the_configuration(bench: Bench, key: str, value: str) -> None:
    """A value of the wrong type in the configuration file is one line that names key and file."""
    bench.pytester.makeini(f"[pytest]\nmqchaos_{key} = {value}\n")
    result = bench.run("def test_other(): ...\ndef test_it(mqchaos): ...")
    result.assert_outcomes(passed=1, errors=1)
    (line,) = block(result, "ERROR at setup of test_it")
    assert line.startswith(f"mqchaos_{key} in tox.ini: ")
    assert value in line


SEEDS = """
@pytest.mark.chaos(baseline(), refuse())
def test_it(mqchaos):
    print("seed", mqchaos.seed)
"""


def seeds(result: pytest.RunResult) -> list[int]:
    """Return the seeds that the tests printed."""
    return [int(line.split()[-1]) for line in result.outlines if "seed " in line]


def test_seed(bench: Bench) -> None:
    """A seed follows from the node id, and with N from both; the same comes again."""
    first = seeds(bench.run(SEEDS, "-s"))
    assert len(set(first)) == 2
    assert seeds(bench.run(None, "-s")) == first
    assert seeds(bench.run(None, "-s", "--mqchaos-seed=0")) == first
    other = seeds(bench.run(None, "-s", "--mqchaos-seed=4711"))
    assert not {*first} & {*other}
    assert seeds(bench.run(None, "-s", "--mqchaos-seed=4711", "-k", "refuse")) == other[1:]


def test_random_seed(bench: Bench) -> None:
    """`random` draws another number each time, and the command that repeats a test names it."""
    source = SEEDS + "    mqchaos.lose(17)\n"
    first = bench.run(source, "-s", "--mqchaos-seed=random")
    assert seeds(first) != seeds(bench.run(None, "-s", "--mqchaos-seed=random"))
    again = [line.partition("again: ")[2] for line in first.outlines if line.startswith("  again: ")]
    assert seeds(bench.run(None, "-s", *shlex.split(again[1])[1:])) == seeds(first)[1:]


def test_again_repeats_what_was_given(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that repeats a test has the options of command line and environment, from where it was called."""
    monkeypatch.setenv("PYTEST_MQCHAOS_NETWORK", "wire")
    bench.pytester.makeini("[pytest]\nmqchaos_settle_timeout = 5\n")
    bench.pytester.mkdir("sub")
    (bench.path / "sub" / "test_a b.py").write_text(
        'import pytest\n@pytest.mark.parametrize("x", ["it\'s"])\ndef test_it(mqchaos, x): mqchaos.lose(1)\n'
    )
    monkeypatch.chdir(bench.path / "sub")
    result = bench.run(None, "--mqchaos-servers=process", "--no-mqchaos-strict", "--mqchaos-report=out")
    again = next(line.partition("again: ")[2] for line in result.outlines if line.startswith("  again: "))
    assert shlex.split(again) == [
        "pytest",
        "test_a b.py::test_it[it's]",
        "--mqchaos-servers=process",
        "--mqchaos-network=wire",
        "--no-mqchaos-strict",
        "--mqchaos-seed=0",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "given"),
    [
        ("SERVERS", "process", "--mqchaos-url=amqp://127.0.0.1/"),
        ("URL", "amqp://127.0.0.1/", "--mqchaos-servers=process"),
    ],
)
def test_again_leaves_out_what_a_nearer_place_made_void(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, given: str
) -> None:
    """An address and servers that are not external may stand in two places, and never on one command line."""
    monkeypatch.setenv(f"PYTEST_MQCHAOS_{variable}", value)
    result = bench.run("def test_it(mqchaos): mqchaos.lose(1)", given)
    again = next(line.partition("again: ")[2] for line in result.outlines if line.startswith("  again: "))
    assert shlex.split(again)[2:] == [given, "--mqchaos-seed=0"]


def test_help(bench: Bench) -> None:
    """`--help` shows the group with every option, and every key of the configuration file."""
    result = bench.run("", "--help")
    text = result.stdout.str()
    assert "mqchaos: chaos tests of message-queue consumers:" in text
    for name in (
        "servers",
        "network",
        "rabbitmq-image",
        "toxiproxy-image",
        "settle-timeout",
        "report",
        "report-bodies",
        "report-md",
        "seed",
    ):
        assert f"--mqchaos-{name}=" in text
        assert f"mqchaos_{name.replace('-', '_')} (" in text
    assert "--mqchaos-strict, --no-mqchaos-strict" in text
