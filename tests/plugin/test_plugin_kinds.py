"""Kinds of tests: coroutines, unittest, classes, doctests, fixtures asked for late."""

from __future__ import annotations

import pytest
from chaos_bench import Bench, block

ASYNCIO_INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_asyncio(bench: Bench, mode: str) -> None:
    """Under pytest-asyncio the verdict comes when the coroutine is done."""
    pytest.importorskip("pytest_asyncio")
    bench.pytester.makeini(ASYNCIO_INI)
    result = bench.run(
        """
        import asyncio
        from fake_mqchaos import log

        @pytest.mark.asyncio
        @pytest.mark.chaos(baseline(), refuse())
        async def test_it(mqchaos):
            await asyncio.sleep(0.01)
            log("done")
            if mqchaos.scenario == "refuse":
                mqchaos.lose(17)

        @pytest.mark.asyncio
        async def test_fails(mqchaos):
            await asyncio.sleep(0)
            assert 0
        """,
        f"--asyncio-mode={mode}",
        plugins=["asyncio"],
    )
    result.assert_outcomes(passed=1, failed=2)
    assert "FAILED test_orders.py::test_it[refuse] - lost: 1 of 200 messages" in result.outlines
    assert [line for line in bench.log if line in ("done", "conclude", "snapshot")] == [
        *("done", "conclude") * 2,
        "snapshot",
    ]


def test_anyio(bench: Bench) -> None:
    """Under anyio the verdict comes when the coroutine is done."""
    pytest.importorskip("anyio")
    result = bench.run(
        """
        from fake_mqchaos import log

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_it(mqchaos):
            log("done")
            mqchaos.lose(17)
        """,
        plugins=["anyio"],
    )
    result.assert_outcomes(failed=1)
    assert "FAILED test_orders.py::test_it - lost: 1 of 200 messages" in result.outlines
    assert [line for line in bench.log if line in ("done", "conclude")] == ["done", "conclude"]


UNITTEST = """
import unittest

class Chaotic(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _chaos(self, mqchaos):
        self.mqchaos = mqchaos
"""


@pytest.mark.parametrize(
    ("body", "counts", "log"),
    [
        ("pass", {"passed": 1}, ["conclude", "close"]),
        ("self.mqchaos.lose(17)", {"failed": 1}, ["conclude", "close"]),
        ("self.fail('no')", {"failed": 1}, ["snapshot", "close"]),
        ("self.skipTest('no')", {"skipped": 1}, ["close"]),
        ("self.mqchaos.lose(17); self.mqchaos.verify()", {"failed": 1}, ["verify", "close"]),
        ("self.mqchaos.promise('x')", {"failed": 1}, ["snapshot", "close"]),
    ],
)
def test_unittest(bench: Bench, body: str, counts: dict[str, int], log: list[str]) -> None:
    """A method of a unittest.TestCase is judged as any other test."""
    result = bench.run(UNITTEST + f"\n    def test_it(self):\n        {body}\n")
    result.assert_outcomes(**counts)
    assert bench.log[2:-1] == log
    if "lose" in body:
        assert "FAILED test_orders.py::Chaotic::test_it - lost: 1 of 200 messages" in result.outlines
    assert not [line for line in result.outlines if "pytest_mqchaos/experiment" in line]


@pytest.mark.parametrize(
    ("mark", "said"),
    [("chaos(refuse())", ""), ("chaos", "cannot"), ("chaos(refuse(), baseline())", "cannot")],
)
def test_unittest_has_one_scenario(bench: Bench, mark: str, said: str) -> None:
    """A method of unittest cannot be parametrized: it runs the one scenario that its mark names."""
    result = bench.run(
        UNITTEST
        + f"\n    @pytest.mark.{mark}\n    def test_it(self):\n        assert self.mqchaos.scenario == 'refuse'\n"
    )
    result.assert_outcomes(**({"errors": 1} if said else {"passed": 1}))
    if said:
        assert block(result, "ERROR at setup of Chaotic.test_it") == [
            "chaos: unittest methods, doctests and request.getfixturevalue cannot be parametrized: "
            "name one scenario, such as chaos(baseline())"
        ]


def test_doctest(bench: Bench) -> None:
    """A doctest may ask for the fixture, and is judged."""
    (bench.path / "test_doc.txt").write_text(
        ">>> getfixture('mqchaos').lose(17)\n>>> getfixture('mqchaos').scenario\n'baseline'\n"
    )
    marked = "pytestmark = pytest.mark.chaos\ndef helper():\n    '''\n    >>> 1\n    1\n    '''"
    result = bench.run(marked, "--doctest-modules")
    result.assert_outcomes(passed=1, failed=1)
    assert "FAILED test_doc.txt::test_doc.txt - lost: 1 of 200 messages" in result.outlines


def test_late_request(bench: Bench) -> None:
    """A test that asks for the fixture while it runs has the baseline, and is judged."""
    result = bench.run("def test_it(request):\n    request.getfixturevalue('mqchaos').lose(17)")
    assert "FAILED test_orders.py::test_it - lost: 1 of 200 messages" in result.outlines


def test_nested_scopes(bench: Bench) -> None:
    """A fixture of a wider scope cannot have the test's own broker, and pytest says so."""
    result = bench.run("""
        @pytest.fixture(scope="module")
        def orders(mqchaos): ...
        def test_it(orders): ...
    """)
    result.assert_outcomes(errors=1)
    assert "ScopeMismatch" in result.stdout.str()


def test_warnings_are_not_ours(bench: Bench) -> None:
    """What a test warns about while it is judged is shown as its own; -W error changes nothing of ours."""
    result = bench.run(
        "@pytest.mark.chaos\ndef test_it(mqchaos):\n    mqchaos.settle()", "-W", "error", "--strict-markers"
    )
    result.assert_outcomes(passed=5)
