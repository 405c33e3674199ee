"""The mark's scenarios: which tests come of them, and under which names."""

from __future__ import annotations

import shlex

import pytest
from chaos_bench import Bench

BATTERY = ["baseline", "connection_drop", "consumer_crash", "malformed_payload", "broker_restart"]


def test_one_test_for_each_scenario(bench: Bench) -> None:
    """Each fault named is one test, under an id of fault, moment, and arguments that differ from their default."""
    assert bench.ids("""
        @pytest.mark.chaos(
            connection_drop(after=delivery(3)),
            consumer_crash(before=ack(5)),
            malformed_payload(share=0.1),
            combine(refuse(duration=2), poison_message(b"x", count=3)),
            baseline(),
            guarantee="at-least-once",
        )
        def test_orders(mqchaos): ...
    """) == [
        "test_orders[connection_drop-after-delivery-3]",
        "test_orders[consumer_crash-before-ack-5]",
        "test_orders[malformed_payload]",
        "test_orders[refuse-duration-2+poison_message-count-3]",
        "test_orders[baseline]",
    ]


@pytest.mark.parametrize("mark", ["@pytest.mark.chaos", "@pytest.mark.chaos()", "@pytest.mark.chaos(seed=7)"])
def test_standard_battery(bench: Bench, mark: str) -> None:
    """A mark that names no scenario brings the standard battery, whatever its options."""
    assert bench.ids(f"{mark}\ndef test_it(mqchaos): ...") == [f"test_it[{name}]" for name in BATTERY]


def test_unmarked(bench: Bench) -> None:
    """A test that uses the fixture without the mark runs as it is called, as the baseline, and is selected by -m."""
    source = """
        def test_it(mqchaos):
            assert mqchaos.scenario == "baseline"
        def test_other(): ...
    """
    assert bench.ids(source, "-m", "chaos", "--strict-markers") == ["test_it"]
    bench.run(None, "-m", "chaos").assert_outcomes(passed=1, deselected=1)


def test_scenario_stands_first(bench: Bench) -> None:
    """The scenario is the first parameter, whatever else parametrizes the test: marks, fixtures, hooks."""
    bench.pytester.makeconftest("""
        import pytest
        pytest_plugins = ["fake_mqchaos"]

        @pytest.fixture(params=["a"])
        def letter(request):
            return request.param

        @pytest.hookimpl(tryfirst=True)
        def pytest_generate_tests(metafunc):
            if "size" in metafunc.fixturenames:
                metafunc.parametrize("size", ["big"])
    """)
    assert bench.ids("""
        @pytest.mark.parametrize("x", [1, 2])
        @pytest.mark.chaos(refuse())
        @pytest.mark.parametrize("y", ["z"])
        def test_it(x, y, letter, size, mqchaos): ...
    """) == ["test_it[refuse-big-a-z-1]", "test_it[refuse-big-a-z-2]"]


def test_marks_are_joined(bench: Bench) -> None:
    """The scenarios of module, class and function follow each other, equal ones once."""
    assert bench.ids("""
        pytestmark = [pytest.mark.chaos(refuse()), pytest.mark.chaos(baseline())]

        @pytest.mark.chaos(refuse(), connection_drop())
        class TestOrders:
            @pytest.mark.chaos(consumer_crash(), connection_drop())
            @pytest.mark.chaos(consumer_crash(process="main"))
            def test_it(self, mqchaos): ...
    """) == [
        "TestOrders::test_it[baseline]",
        "TestOrders::test_it[refuse]",
        "TestOrders::test_it[connection_drop]",
        "TestOrders::test_it[consumer_crash]",
        "TestOrders::test_it[consumer_crash-process-main]",
    ]


def test_param(bench: Bench) -> None:
    """`pytest.param` names a scenario and marks it; its marks reach an equal one that stands elsewhere."""
    source = """
        pytestmark = pytest.mark.chaos(refuse())

        @pytest.mark.chaos(
            pytest.param(connection_drop(), id="cut"),
            pytest.param(refuse(), marks=pytest.mark.xfail(raises=AssertionError, strict=True)),
        )
        def test_it(mqchaos):
            assert mqchaos.scenario in ("cut", "refuse")
            if mqchaos.scenario == "refuse":
                mqchaos.lose(1)
    """
    assert bench.ids(source) == ["test_it[refuse]", "test_it[cut]"]
    bench.run(None).assert_outcomes(passed=1, xfailed=1)


@pytest.mark.parametrize("strict", [False, True])
def test_ids_are_unique(bench: Bench, strict: bool) -> None:
    """Different scenarios of one name are told apart by our own numbers, also under strict parametrization ids."""
    if strict and pytest.version_tuple < (9,):
        pytest.skip("strict parametrization ids came with pytest 9")
    source = """
        @pytest.mark.chaos(
            poison_message(b"a"), poison_message(b"b"), poison_message(b"c", name="poison_message-2"),
            pytest.param(refuse(), id="refuse"), pytest.param(baseline(), id="refuse"),
        )
        def test_it(mqchaos):
            print("ran", mqchaos.scenario)
    """
    ids = ["poison_message", "poison_message-3", "poison_message-2", "refuse", "refuse-2"]
    args = ["-o", "strict_parametrization_ids=true"] if strict else []
    assert bench.ids(source, *args) == [f"test_it[{name}]" for name in ids]
    result = bench.run(None, "-s", *args)
    assert [line.split()[-1] for line in result.outlines if "ran " in line] == ids


def test_odd_characters(bench: Bench) -> None:
    """A queue's name with brackets, colons, spaces and umlauts makes an id that can be run again."""
    bench.tests("""
        @pytest.mark.chaos(connection_drop(after=delivery(3, queue="a::b [c] ü")))
        def test_it(mqchaos):
            mqchaos.lose(1)
    """)
    result = bench.run()
    result.assert_outcomes(failed=1)
    again = next(line.partition("again: ")[2] for line in result.outlines if "again: " in line)
    bench.run(None, *shlex.split(again)[1:]).assert_outcomes(failed=1)


def test_fixture_through_others(bench: Bench) -> None:
    """The mark holds where the fixture comes by `usefixtures`, another fixture, autouse or an override."""
    assert bench.ids("""
        pytestmark = pytest.mark.chaos(refuse())

        @pytest.fixture
        def orders(mqchaos):
            return mqchaos

        @pytest.mark.usefixtures("mqchaos")
        def test_used(): ...
        def test_through(orders): ...

        class TestAuto:
            @pytest.fixture(autouse=True)
            def _chaos(self, mqchaos): ...
            def test_auto(self): ...

        class TestOverride:
            @pytest.fixture
            def mqchaos(self, mqchaos):
                assert mqchaos.scenario == "refuse"
                return mqchaos
            def test_override(self, mqchaos): ...
    """) == [
        "test_used[refuse]",
        "test_through[refuse]",
        "TestAuto::test_auto[refuse]",
        "TestOverride::test_override[refuse]",
    ]
    bench.run(None).assert_outcomes(passed=4)


def test_baseline_of_the_battery_failed(bench: Bench) -> None:
    """The battery's other scenarios are skipped with the baseline's reason, for the same other parameters only."""
    result = bench.run(
        """
        @pytest.mark.chaos
        @pytest.mark.parametrize("x", ["good", "bad"])
        def test_it(x, mqchaos):
            if x == "bad":
                mqchaos.lose(17)

        @pytest.mark.chaos(baseline(), refuse())
        def test_named(mqchaos):
            mqchaos.lose(17)
        """,
        "-rs",
    )
    result.assert_outcomes(passed=5, skipped=4, failed=3)
    result.stdout.fnmatch_lines(
        ["SKIPPED [4] test_orders.py:5: the baseline failed: lost: 1 of 200 messages"]
    )
    assert not [line for line in bench.log if "open" in line and "crash-bad" in line]


def test_options_are_merged(bench: Bench) -> None:
    """Options are merged key by key, the nearest mark wins, and a fault's own count before all."""
    bench.run("""
        pytestmark = pytest.mark.chaos(guarantee="exactly-once", allow="redelivered", effect_timeout=2)

        @pytest.mark.chaos(evidence="broker", allow={"duplicated": "known"})
        class TestOrders:
            @pytest.mark.chaos(
                refuse(), connection_drop(guarantee="at-most-once", allow=["lost:by_broker"]),
                poison="discard", settle_timeout=7, seed=5,
            )
            def test_it(self, mqchaos):
                s = mqchaos.settings
                own = s.scenario.id == "connection_drop"
                assert str(s.guarantee) == ("at-most-once" if own else "exactly-once")
                assert s.allow == (("duplicated", "known"), *([("lost:by_broker", "")] if own else []))
                assert (s.evidence, s.poison, s.effect_timeout, s.settle_timeout) == ("broker", "discard", 2.0, 7.0)
                assert "--mqchaos-seed=5" in s.again
    """).assert_outcomes(passed=2)


def test_param_carries_options(bench: Bench) -> None:
    """A mark `chaos` on a parameter is the nearest of all."""
    bench.run("""
        @pytest.mark.chaos(pytest.param(refuse(), marks=pytest.mark.chaos(evidence="broker")), baseline())
        def test_it(mqchaos):
            assert mqchaos.settings.evidence == ("broker" if mqchaos.scenario == "refuse" else "auto")
    """).assert_outcomes(passed=2)
