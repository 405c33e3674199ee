"""The verdict: when it is given, what it shows, and when it is not given at all."""

from __future__ import annotations

import pytest
from chaos_bench import Bench, block

ONE_RUN = [
    "session of the main process",
    "open test_orders.py::test_it",
    "conclude",
    "close",
    "session closed",
]
LOST = """\
lost: 1 of 200 messages
  orders-k3f9-000017 lost by the consumer: its ack reached the broker, its work was never done
     0.016  published, confirmed
     0.016  delivered to worker (tag 17)
     0.016  acknowledged by worker         <- before its effect
  mend: acknowledge after the work. To allow just this: allow=("lost:by_consumer",)
  again: pytest test_orders.py::test_it --mqchaos-seed=0"""


def test_passes(bench: Bench) -> None:
    """A run that keeps its promise passes; the verdict comes before the fixture is torn down."""
    bench.run("def test_it(mqchaos): ...").assert_outcomes(passed=1)
    assert bench.log == ONE_RUN


def test_violation(bench: Bench) -> None:
    """A violation is a failure of the call phase: the lives of the messages, no frames, and a summary line alone."""
    result = bench.run("def test_it(mqchaos):\n    mqchaos.lose(17)", "--show-capture=no")
    result.assert_outcomes(failed=1)
    assert block(result, "test_it") == LOST.splitlines()
    assert "FAILED test_orders.py::test_it - lost: 1 of 200 messages" in result.outlines
    assert bench.log == ONE_RUN


@pytest.mark.parametrize(
    ("ci", "tb"), [("1", "auto"), ("", "long"), ("", "short"), ("", "native"), ("", "auto")]
)
def test_violation_in_every_style(bench: Bench, monkeypatch: pytest.MonkeyPatch, ci: str, tb: str) -> None:
    """Neither the traceback's style nor a CI, which does not cut summary lines, changes what is shown."""
    monkeypatch.setenv("CI", ci)
    result = bench.run("def test_it(mqchaos):\n    mqchaos.lose(17)", f"--tb={tb}", "--show-capture=no")
    assert block(result, "test_it") == LOST.splitlines()
    assert result.outlines[-2:-1] == ["FAILED test_orders.py::test_it - lost: 1 of 200 messages"]


def test_violation_in_one_line(bench: Bench) -> None:
    """`--tb=line` shows the test's own line and the message."""
    result = bench.run("def test_it(mqchaos):\n    mqchaos.lose(17)", "--tb=line")
    result.stdout.fnmatch_lines(["*test_orders.py:4: lost: 1 of 200 messages"])


def test_sections(bench: Bench) -> None:
    """A failing test carries what its run has to show, with no control character that a terminal would obey."""
    result = bench.run("def test_it(mqchaos):\n    mqchaos.lose(17)")
    assert block(result, "Captured stdout call") == ["said while concluding"]
    assert block(result, "mqchaos: worker") == [r"working on \x1b[31m17"]


def test_no_sections_of_what_passes(bench: Bench) -> None:
    """A test that passes shows nothing of its run, also under -rA."""
    assert "working on" not in bench.run("def test_it(mqchaos): ...", "-rA").stdout.str()


def test_own_failure(bench: Bench) -> None:
    """After the test's own failure there is one look, shown as a section, and no verdict."""
    result = bench.run("def test_it(mqchaos):\n    mqchaos.lose(17)\n    assert not mqchaos.settle().lost")
    result.assert_outcomes(failed=1)
    assert block(result, "mqchaos") == LOST.splitlines()
    assert "E       assert not <lost: 1 of 200: orders-k3f9-000017>" in block(result, "test_it")
    assert bench.log[2:] == ["snapshot", "close", "session closed"]


def test_own_failure_without_an_account(bench: Bench) -> None:
    """Where the look itself fails, the test's own failure stands, and the section says so."""
    result = bench.run("def test_it(mqchaos):\n    mqchaos.error = 'the broker is gone'\n    assert 1 == 2")
    assert "E       assert 1 == 2" in block(result, "test_it")
    assert block(result, "mqchaos") == ["no account: the broker is gone"]


def test_comparison(bench: Bench) -> None:
    """A failed comparison of an account's messages says who is too many or missing, and shows the first lives."""
    result = bench.run(
        "def test_it(mqchaos):\n    mqchaos.lose(17)\n    account = mqchaos.settle()\n    assert account.lost == [3]"
    )
    shown = block(result, "test_it")
    start = shown.index("E       assert <lost: 1 of 200: orders-k3f9-000017> == [3]")
    assert shown[start + 1 : start + 7] == [
        "E         not expected in lost: orders-k3f9-000017",
        "E         missing in lost: 3",
        "E         orders-k3f9-000017",
        "E              0.016  published, confirmed",
        "E              0.016  delivered to worker (tag 17)",
        "E              0.016  acknowledged by worker         <- before its effect",
    ]


def test_verify(bench: Bench) -> None:
    """A violation that `verify` raises is shown as the verdict is, and not judged again."""
    result = bench.run(
        "def test_it(mqchaos):\n    mqchaos.lose(17)\n    mqchaos.verify()", "--show-capture=no"
    )
    result.assert_outcomes(failed=1)
    assert block(result, "test_it") == LOST.splitlines()
    assert "FAILED test_orders.py::test_it - lost: 1 of 200 messages" in result.outlines
    assert bench.log[2:] == ["verify", "close", "session closed"]


def test_error_of_the_verdict(bench: Bench) -> None:
    """Where no verdict can be given, the test fails in one line."""
    result = bench.run(
        "def test_it(mqchaos):\n    mqchaos.error = 'orders: nothing was confirmed'", "--show-capture=no"
    )
    result.assert_outcomes(failed=1)
    assert block(result, "test_it") == ["orders: nothing was confirmed"]
    assert "FAILED test_orders.py::test_it - orders: nothing was confirmed" in result.outlines


def test_error_in_the_test(bench: Bench) -> None:
    """A call that is written wrongly shows the user's line and what is wrong, and none of our frames."""
    result = bench.run("""
        def helper(mqchaos):
            mqchaos.promise("always")

        def test_it(mqchaos):
            helper(mqchaos)
    """)
    result.assert_outcomes(failed=1)
    error = "guarantee='always': one of 'at-most-once', 'at-least-once', 'exactly-once'"
    shown = block(result, "test_it")
    assert [line for line in shown if line[:1] in (">", "E")] == [
        ">       helper(mqchaos)",
        '>       mqchaos.promise("always")',
        f"E       pytest_mqchaos.errors.UsageError: {error}",
    ]
    assert not [line for line in shown if "pytest_mqchaos/" in line or "During handling" in line]
    assert f"FAILED test_orders.py::test_it - {error}" in result.outlines


def test_error_at_close(bench: Bench) -> None:
    """What goes wrong when all is ended is an error of the teardown, in one line."""
    result = bench.run("def test_it(mqchaos):\n    mqchaos.at_close = 'vhost k3f9 could not be deleted'")
    result.assert_outcomes(passed=1, errors=1)
    assert block(result, "ERROR at teardown of test_it")[0] == "vhost k3f9 could not be deleted"
    assert bench.report["runs"][0]["outcome"] == "error"


@pytest.mark.parametrize(
    ("leave", "counts"),
    [
        ("pytest.skip('no')", {"skipped": 1}),
        ("import unittest; raise unittest.SkipTest('no')", {"skipped": 1}),
        ("pytest.xfail('no')", {"xfailed": 1}),
        ("pytest.exit('no')", {}),
    ],
)
def test_not_judged(bench: Bench, leave: str, counts: dict[str, int]) -> None:
    """After skip, xfail or exit nothing is judged, and everything is ended."""
    bench.run(f"def test_it(mqchaos):\n    mqchaos.lose(17)\n    {leave}").assert_outcomes(**counts)
    assert bench.log[2:] == ["close", "session closed"]


def test_interrupted(bench: Bench) -> None:
    """After Ctrl-C nothing is judged either: what was seen is kept, without a verdict, and everything is ended."""
    bench.run("def test_it(mqchaos):\n    mqchaos.lose(17)\n    raise KeyboardInterrupt", subprocess=True)
    assert bench.log[2:] == ["snapshot", "close", "session closed"]
    (run,) = bench.report["runs"]
    assert (run["verdict"], run["outcome"]) == (None, "error")


def test_interrupted_while_closing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ctrl-C that cuts the end of the servers short does not keep them: they are ended once more."""
    monkeypatch.setenv("FAKE_INTERRUPT", "1")
    bench.run("def test_it(mqchaos): ...", subprocess=True)
    assert bench.log[-2:] == ["close interrupted", "session closed"]


@pytest.mark.parametrize(
    ("arguments", "lost", "counts"),
    [
        ("", True, {"xfailed": 1}),
        ("raises=AssertionError", True, {"xfailed": 1}),
        ("raises=DeliveryError", True, {"xfailed": 1}),
        ("raises=ValueError", True, {"failed": 1}),
        ("", False, {"xpassed": 1}),
        ("strict=True", False, {"failed": 1}),
        ("strict=True, raises=AssertionError", True, {"xfailed": 1}),
        ("run=False", True, {"xfailed": 1}),
    ],
)
def test_xfail(bench: Bench, arguments: str, lost: bool, counts: dict[str, int]) -> None:
    """An expected violation is an `AssertionError` of the call phase, whatever `xfail` says about it."""
    losing = "mqchaos.lose(17)" if lost else "pass"
    bench.run(
        f"@pytest.mark.xfail({arguments})\ndef test_it(mqchaos):\n    {losing}", "-o", "xfail_strict=false"
    ).assert_outcomes(**counts)


def test_unknown(bench: Bench) -> None:
    """Unknown is a status of its own: its letter, its word, its count; the session is green all the same."""
    source = "def test_it(mqchaos):\n    mqchaos.cannot_judge()\ndef test_other(): ..."
    result = bench.run(source)
    assert result.ret == 0
    assert "test_orders.py ?.                                        " in result.stdout.str()
    assert "1 passed, 1 unknown in" in result.outlines[-1]
    verbose = bench.run(None, "-v")
    verbose.stdout.fnmatch_lines(["test_orders.py::test_it UNKNOWN *"])


@pytest.mark.parametrize("strict", ["--mqchaos-strict", "CI"])
def test_unknown_is_strict(bench: Bench, monkeypatch: pytest.MonkeyPatch, strict: str) -> None:
    """Unknown fails under `--mqchaos-strict`, which is on where `CI` is set, and not under `--no-mqchaos-strict`."""
    source = "def test_it(mqchaos):\n    mqchaos.cannot_judge()"
    if strict == "CI":
        monkeypatch.setenv("CI", "true")
    result = bench.run(source, *([strict] if strict != "CI" else []))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED *test_it - unknown: lost cannot be judged: no effects were seen"])
    assert bench.run(None, "--no-mqchaos-strict").ret == 0


def test_unknown_is_allowed(bench: Bench) -> None:
    """`allow="*"` takes unknown as well: the test decides by itself, and passes."""
    bench.run("@pytest.mark.chaos(baseline(), allow='*')\ndef test_it(mqchaos):\n    mqchaos.cannot_judge()")
    bench.run(None).assert_outcomes(passed=1)


def test_vacuous(bench: Bench) -> None:
    """A run that proves nothing fails, strict or not, whatever is allowed."""
    bench.run(
        "@pytest.mark.chaos(baseline(), allow='*')\ndef test_it(mqchaos):\n    mqchaos.prove_nothing()",
        "--no-mqchaos-strict",
    ).assert_outcomes(failed=1)


def test_allowed(bench: Bench) -> None:
    """A violation that is allowed passes."""
    bench.run(
        "@pytest.mark.chaos(baseline(), allow={'lost:by_consumer': 'known'})\n"
        "def test_it(mqchaos):\n    mqchaos.lose(17)"
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(("answer", "counts"), [("True", {"failed": 1}), ("False", {"passed": 1})])
def test_verdict_hook(bench: Bench, answer: str, counts: dict[str, int]) -> None:
    """A conftest has the last word, and hears of each run that begins and ends."""
    bench.pytester.makeconftest(f"""
        pytest_plugins = ["fake_mqchaos"]
        def pytest_mqchaos_run_started(settings): print("started", settings.scenario.id)
        def pytest_mqchaos_run_finished(item, account): print("finished", item.name, account.verdict)
        def pytest_mqchaos_verdict(account): return {answer}
    """)
    lose = "mqchaos.lose(17)" if answer == "False" else "pass"
    result = bench.run(f"def test_it(mqchaos):\n    {lose}", "-s")
    result.assert_outcomes(**counts)
    verdict = "fail" if answer == "False" else "pass"
    result.stdout.fnmatch_lines(["*started baseline", f"*finished test_it {verdict}"])


def test_server_unavailable(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without servers chaos tests skip with the line that says what was tried."""
    monkeypatch.setenv("FAKE_UNAVAILABLE", "no RabbitMQ: no docker, no rabbitmq-server on PATH")
    source = """
        @pytest.mark.chaos
        def test_it(mqchaos): ...
        def test_other(): ...
    """
    result = bench.run(source, "-rs")
    result.assert_outcomes(passed=1, skipped=5)
    assert (
        "SKIPPED [5] test_orders.py:5: no RabbitMQ: no docker, no rabbitmq-server on PATH" in result.outlines
    )
    assert not (bench.path / "mqchaos-report").exists()


def test_server_unavailable_on_ci(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `CI` is set, missing servers are an error of each chaos test, with the same line."""
    monkeypatch.setenv("FAKE_UNAVAILABLE", "no RabbitMQ: no docker, no rabbitmq-server on PATH")
    monkeypatch.setenv("CI", "true")
    result = bench.run("def test_it(mqchaos): ...\ndef test_other(): ...")
    result.assert_outcomes(passed=1, errors=1)
    assert block(result, "ERROR at setup of test_it") == [
        "no RabbitMQ: no docker, no rabbitmq-server on PATH (CI is set: no server is an error)"
    ]


def test_pdb(bench: Bench) -> None:
    """At the prompt of --pdb the consumers of a test that failed by itself are still up."""
    (bench.path / "debugger.py").write_text(
        "import pdb, fake_mqchaos\n"
        "class Debugger(pdb.Pdb):\n"
        "    def interaction(self, frame, traceback): fake_mqchaos.log('prompt')\n"
    )
    bench.pytester.syspathinsert()
    result = bench.run(
        "def test_it(mqchaos):\n    assert 0", "--pdb", "--pdbcls=debugger:Debugger", subprocess=True
    )
    result.assert_outcomes(failed=1)
    assert bench.log[2:] == ["snapshot", "pause", "prompt", "close", "session closed"]


@pytest.mark.parametrize("call", ["breakpoint()", "pytest.set_trace()"])
def test_a_breakpoint_pauses_the_faults(bench: Bench, call: str) -> None:
    """While somebody looks at a prompt no fault strikes by its time; behind it the test goes on as it was."""
    (bench.path / "debugger.py").write_text(
        "import pdb, fake_mqchaos\n"
        "class Debugger(pdb.Pdb):\n"
        "    def interaction(self, frame, traceback):\n"
        "        fake_mqchaos.log('prompt')\n"
        "        self.onecmd('continue')\n"
    )
    bench.pytester.syspathinsert()
    source = f"def test_it(mqchaos):\n    {call}\n    assert mqchaos\n"
    result = bench.run(source, "--pdbcls=debugger:Debugger", subprocess=True)
    result.assert_outcomes(passed=1)
    assert bench.log[2:] == ["pause", "prompt", "resume", "conclude", "close", "session closed"]


def test_a_breakpoint_without_chaos(bench: Bench) -> None:
    """A prompt in a test that uses nothing of ours starts nothing, before and after one that does."""
    (bench.path / "debugger.py").write_text(
        "import pdb\n"
        "class Debugger(pdb.Pdb):\n"
        "    def interaction(self, frame, traceback): self.onecmd('continue')\n"
    )
    bench.pytester.syspathinsert()
    source = (
        "def test_before():\n    breakpoint()\n    assert 1\n"
        "def test_it(mqchaos): ...\n"
        "def test_after():\n    breakpoint()\n    assert 1\n"
    )
    result = bench.run(source, "--pdbcls=debugger:Debugger", subprocess=True)
    result.assert_outcomes(passed=3)
    assert bench.log[2:] == ["conclude", "close", "session closed"]


WIDE = "def test_it(mqchaos):\n    mqchaos.lose(17)"


def test_a_narrow_terminal(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lives stand in the width of pytest, and nothing else of the report is changed: JUnit has the text whole."""
    monkeypatch.setenv("COLUMNS", "60")
    result = bench.run(WIDE, "--show-capture=no", "--junitxml=out.xml")
    shown = [line for line in block(result, "test_it") if not line.startswith("- generated")]

    assert max(len(line) for line in shown) <= 60
    assert " ".join(" ".join(shown).split()) == " ".join(LOST.split())
    assert LOST.splitlines()[1] in (bench.path / "out.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("workers", [(), ("-p", "xdist.plugin", "-n1")])
def test_colours(bench: Bench, workers: tuple[str, ...]) -> None:
    """Where pytest has colours the notes are red, also of a worker's test; where it has none no escape is printed."""
    coloured = bench.run(WIDE, "--show-capture=no", "--color=yes", *workers).stdout.str()
    plain = bench.run(WIDE, "--show-capture=no", "--color=no", *workers).stdout.str()

    assert "\x1b[31m<- before its effect\x1b[0m" in coloured
    assert "\x1b[32m  mend: acknowledge after the work." in coloured
    assert "\x1b" not in plain
    assert LOST in plain


def test_a_failure_of_the_tests_own_is_left_alone(bench: Bench) -> None:
    """Its traceback is pytest's, in pytest's colours."""
    result = bench.run("def test_it(mqchaos):\n    assert 1 == 2, '<- x'", "--color=yes")

    assert "\x1b[31m<- x" not in result.stdout.str()
    assert "AssertionError" in result.stdout.str()
