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


def test_whose_publishing_is_meant_stands_in_the_id(bench: Bench) -> None:
    """A moment of a consumer's own publishing, or of one producer's, says whose it is."""
    assert bench.ids("""
        from pytest_mqchaos import confirm, lost_confirm, publish

        @pytest.mark.chaos(consumer_crash(after=publish(3, by="billing")), lost_confirm(before=confirm(by="worker")))
        def test_orders(mqchaos): ...
    """) == [
        "test_orders[consumer_crash-after-publish-3-by-billing]",
        "test_orders[lost_confirm-before-confirm-by-worker]",
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


QUICK = BATTERY[:3]


@pytest.mark.parametrize("where", ["command line", "environment", "ini"])
def test_quick_battery(bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """All of the battery is collected, and what is not quick is skipped with the reason and where it was said."""
    source = """
        @pytest.mark.chaos
        def test_it(mqchaos): ...
        @pytest.mark.chaos(malformed_payload(), broker_restart())
        def test_named(mqchaos): ...
    """
    words: list[str] = []
    if where == "command line":
        words, said = ["--mqchaos-battery=quick"], "--mqchaos-battery=quick"
    elif where == "environment":
        monkeypatch.setenv("PYTEST_MQCHAOS_BATTERY", "quick")
        said = "PYTEST_MQCHAOS_BATTERY=quick"
    else:
        bench.pytester.makeini("[pytest]\nmqchaos_battery = quick\n")
        said = "mqchaos_battery = quick in tox.ini"
    named = ["test_named[malformed_payload]", "test_named[broker_restart]"]
    assert bench.ids(source, *words) == [*(f"test_it[{name}]" for name in BATTERY), *named]
    result = bench.run(None, "-rs", *words)
    result.assert_outcomes(passed=5, skipped=2)
    result.stdout.fnmatch_lines([f"SKIPPED [[]2] *: not of the quick battery ({said})"])
    assert [each["scenario"] for each in bench.report["skipped"]] == BATTERY[3:]
    assert [each["scenario"] for each in bench.report["runs"]][:3] == QUICK
    assert not any(
        line for line in bench.log if line.startswith("open") and "broker_restart" in line and "_it" in line
    )


def test_quick_battery_of_a_baseline_that_failed(bench: Bench) -> None:
    """That comes first; and what repeats the baseline does not need the option."""
    result = bench.run(
        "@pytest.mark.chaos\ndef test_it(mqchaos):\n    mqchaos.lose(17)", "-rs", "--mqchaos-battery=quick"
    )
    result.assert_outcomes(failed=1, skipped=4)
    result.stdout.fnmatch_lines(["SKIPPED [[]4] *: the baseline failed: lost: 1 of 200 messages"])
    assert "battery" not in bench.report["runs"][0]["reproduce"]


def test_battery_of_another_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one line: on the command line at once, elsewhere when a chaos test is set up."""
    source = "@pytest.mark.chaos\ndef test_it(mqchaos): ..."
    result = bench.run(source, "--mqchaos-battery=some")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--mqchaos-battery: 'some' is not one of quick, full" in result.stderr.str()
    monkeypatch.setenv("PYTEST_MQCHAOS_BATTERY", "some")
    result = bench.run(None)
    result.assert_outcomes(errors=5)
    assert "PYTEST_MQCHAOS_BATTERY: 'some' is not one of quick, full" in result.stdout.str()


CANARIES = """
    from pytest_mqchaos import canary

    @pytest.mark.chaos(refuse(), connection_drop())
    def test_marked(mqchaos): ...

    def test_unmarked(mqchaos): ...

    @pytest.mark.chaos(canary(), baseline())
    def test_has_one(mqchaos): ...

    @pytest.mark.chaos(pytest.param(refuse(), id="canary"))
    def test_has_the_name(mqchaos): ...

    @pytest.mark.chaos
    def test_battery(mqchaos): ...

    @pytest.mark.parametrize("x", [1, 2])
    def test_with_parameters(mqchaos, x): ...

    def test_plain(): ...
"""


def test_a_canary_for_every_chaos_test(bench: Bench) -> None:
    """`--mqchaos-canary` adds one scenario to each that has none such, and leaves the ids of all others alone."""
    without, added = bench.ids(CANARIES), bench.ids(None, "--mqchaos-canary")
    assert [name for name in added if name in without] == without
    assert [name for name in added if name not in without] == [
        "test_marked[canary]",
        "test_unmarked[canary]",
        "test_has_the_name[canary-2]",
        "test_battery[canary]",
        "test_with_parameters[canary-1]",
        "test_with_parameters[canary-2]",
    ]


def test_a_canary_from_the_configuration_file(bench: Bench) -> None:
    """As every option."""
    bench.pytester.makeini("[pytest]\nmqchaos_canary = true\n")
    assert "test_marked[canary]" in bench.ids(CANARIES)


def test_a_canary_beside_a_producer(bench: Bench) -> None:
    """One that the option added is skipped with the reason; one that the mark names is an error, and so is all else."""
    source = """
        import pytest_mqchaos.errors
        from pytest_mqchaos import canary

        @pytest.mark.chaos(baseline())
        def test_option(mqchaos):
            mqchaos.producer()

        @pytest.fixture
        def billing(mqchaos):
            return mqchaos.producer()

        @pytest.mark.chaos(baseline())
        def test_fixture(billing, mqchaos):
            pass

        @pytest.mark.chaos(canary())
        def test_mark(mqchaos):
            mqchaos.producer()

        @pytest.mark.chaos(baseline())
        def test_other(mqchaos):
            if mqchaos.scenario == "canary":
                raise pytest_mqchaos.errors.NotPossible("broker_restart(): not ours")
    """
    result = bench.run(source, "--mqchaos-canary", "-rfs")
    result.assert_outcomes(passed=3, skipped=2, failed=2)
    why = "canary(): it chooses among messages that are known before they are sent"
    result.stdout.fnmatch_lines_random(
        [f"SKIPPED*test_orders.py:*: {why}*a producer's are not", f"FAILED*test_mark[[]canary] - {why}*",
         "FAILED*test_other[[]canary] - broker_restart(): not ours"]
    )  # fmt: skip


def test_an_assertion_of_the_tests_own_sees_a_canary(bench: Bench) -> None:
    """What it asserts of a run in which something is lost does not hold then: that is what the canary is for."""
    result = bench.run(
        """
        from pytest_mqchaos import canary

        @pytest.mark.chaos(canary(), baseline())
        def test_asserts(mqchaos):
            assert len(mqchaos.settle().effected) == 199, "nothing is lost"

        @pytest.mark.chaos(canary())
        def test_fails_otherwise(mqchaos):
            raise ValueError("no assertion")

        @pytest.mark.chaos(canary())
        def test_is_blind(mqchaos):
            mqchaos.lose(3)
            assert False

        @pytest.mark.chaos(canary())
        def test_has_nothing_to_judge(mqchaos):
            mqchaos.error = "nothing was published"
            assert False, "its own"
        """
    )
    result.assert_outcomes(passed=1, failed=4)
    result.stdout.fnmatch_lines_random(
        ["FAILED*test_asserts[[]baseline] - *", "FAILED*test_fails_otherwise* - ValueError*",
         "FAILED*test_is_blind* - lost: 1 of 200 messages",
         "FAILED*test_has_nothing_to_judge* - AssertionError: its own*"]
    )  # fmt: skip


def test_a_canary_stands_alone(bench: Bench) -> None:
    """It shows what a test sees where nothing else breaks."""
    result = bench.run(
        """
        from pytest_mqchaos import canary

        @pytest.mark.chaos(baseline())
        def test_it(mqchaos):
            with pytest.raises(Exception, match=r"combine\\(\\): canary\\(\\) stands alone"):
                combine(canary(), refuse())
        """
    )
    result.assert_outcomes(passed=1)


MARKED = """
    from pytest_mqchaos import sweep

    @pytest.mark.chaos(*sweep(consumer_crash, after=(delivery, ack), n=2), guarantee="exactly-once")
    def test_it(mqchaos): ...

    @pytest.mark.chaos
    def test_battery(mqchaos): ...
    def test_unmarked(mqchaos): ...
"""


def test_a_sweep_is_one_test_for_each_moment(bench: Bench) -> None:
    """Under the ids that the faults have by themselves."""
    assert bench.ids(MARKED, "-k", "test_it") == [
        "test_it[consumer_crash-after-delivery-1]",
        "test_it[consumer_crash-after-delivery-2]",
        "test_it[consumer_crash-after-ack-1]",
        "test_it[consumer_crash-after-ack-2]",
    ]


def test_a_sweep_that_was_not_unpacked(bench: Bench) -> None:
    """It is said how."""
    result = bench.run(
        "from pytest_mqchaos import sweep\n"
        "@pytest.mark.chaos(sweep(refuse, after=delivery))\ndef test_it(mqchaos): ..."
    )
    assert "a tuple is not a fault: unpack it with *" in result.stdout.str()


@pytest.mark.parametrize("where", ["command line", "environment", "ini"])
def test_other_scenarios_than_the_marks(bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """With `--mqchaos-scenario` marked tests run under those; one without the mark stays as it is."""
    words, args = "lost_ack:before=ack:2-3 baseline", []
    if where == "command line":
        args = [f"--mqchaos-scenario={words}"]
    elif where == "environment":
        monkeypatch.setenv("PYTEST_MQCHAOS_SCENARIO", words)
    else:
        bench.pytester.makeini(f"[pytest]\nmqchaos_scenario = {words}\n")
    ids = ["lost_ack-before-ack-2", "lost_ack-before-ack-3", "baseline"]
    assert bench.ids(MARKED, *args) == [
        *(f"test_it[{name}]" for name in ids),
        *(f"test_battery[{name}]" for name in ids),
        "test_unmarked",
    ]


def test_what_repeats_another_scenario(bench: Bench) -> None:
    """The command that repeats it has the option; with the canary there is one more."""
    words = "lost_ack:before=ack:2"
    args = [f"--mqchaos-scenario={words}", "--mqchaos-canary"]
    assert bench.ids(MARKED, *args, "-k", "test_it") == ["test_it[lost_ack-before-ack-2]", "test_it[canary]"]
    result = bench.run(
        "@pytest.mark.chaos(refuse())\ndef test_it(mqchaos):\n    mqchaos.lose(1)",
        f"--mqchaos-scenario={words}",
    )
    again = next(line for line in result.outlines if line.strip().startswith("again: "))
    assert "--mqchaos-scenario=lost_ack:before=ack:2" in shlex.split(again)
    assert "test_orders.py::test_it[lost_ack-before-ack-2]" in shlex.split(again)


def test_a_scenario_of_the_environment_that_cannot_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one line at each chaos test, and the marks are collected as ever."""
    monkeypatch.setenv("PYTEST_MQCHAOS_SCENARIO", "refuze")
    result = bench.run("@pytest.mark.chaos(refuse())\ndef test_it(mqchaos): ...")
    result.assert_outcomes(errors=1)
    said = "PYTEST_MQCHAOS_SCENARIO: 'refuze' is not a scenario: 'refuze': no fault 'refuze'; did you mean refuse?"
    assert said in result.stdout.str()
