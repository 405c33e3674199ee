"""Marks that are written wrongly: one line each, without our frames, and the other tests run."""

from __future__ import annotations

import pytest
from chaos_bench import Bench, block

OTHER = "\ndef test_other(mqchaos): ...\n"


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("garantee='exactly-once'", "garantee='exactly-once': no such option; did you mean guarantee?"),
        (
            "own=1",
            "own=1: no such option; there are guarantee, evidence, poison, allow, settle_timeout, "
            "effect_timeout, seed, own_broker",
        ),
        ("own_broker=1", "own_broker=1: True or False"),
        (
            "guarantee='always'",
            "guarantee='always': one of 'at-most-once', 'at-least-once', 'exactly-once'",
        ),
        (
            "guarantee=ordered('customer')",
            "guarantee=ordered('customer'): it refines a guarantee: "
            "write guarantee=at_least_once + ordered('customer')",
        ),
        (
            "exactly_once + within(5)",
            "exactly-once + within(5) is a guarantee, not a fault: write guarantee=exactly_once + within(5)",
        ),
        ("within(5)", "within(5) is a promise, not a fault: write guarantee=at_least_once + within(5)"),
        ("evidence='e'", "evidence='e': one of 'auto', 'effects', 'broker', 'any'"),
        ("poison='p'", "poison='p': one of 'auto', 'dead-letter', 'discard'"),
        ("settle_timeout=0", "settle_timeout=0: a number of seconds above 0"),
        ("effect_timeout='5'", "effect_timeout='5': a number of seconds above 0"),
        ("seed=-1", "seed=-1: a whole number from 0 on"),
        ("allow=3", "allow=3: names of findings, or a dict of name to reason"),
        ("allow='lots'", "allow='lots': no such finding or hazard; did you mean 'lost'?"),
        (
            "allow='lost:by_polcy'",
            "allow='lost:by_polcy': 'lost' has no such detail; did you mean 'by_policy'?",
        ),
        (
            "allow='redelivered:'",
            "allow='redelivered:': 'redelivered' has no such detail; there are explained, unexplained",
        ),
        ("allow='requeue_storm:x'", "allow='requeue_storm:x': 'requeue_storm' has no details"),
        ("allow='vacuous'", "allow='vacuous': nothing allows a run that proves nothing"),
        (
            "refuse(allow='duplicate')",
            "allow='duplicate': no such finding or hazard; did you mean 'duplicated'?",
        ),
        ("connection_drop, refuse()", "connection_drop: forgotten parentheses: write connection_drop()"),
        ("delivery(3)", "delivery(3) is a moment, not a fault: write connection_drop(after=delivery(3))"),
        ("[refuse()]", "a list is not a fault: unpack it with *"),
        ("'refuse'", "'refuse' is a text: write refuse()"),
        ("17", "17 is not a fault: write connection_drop(), baseline(), combine(...) or another"),
        ("pytest.param(refuse(), 2)", "pytest.param of 2 values: one fault or scenario"),
        ("exactly_once", "exactly-once is a guarantee, not a fault: write guarantee='exactly-once'"),
    ],
)
def test_one_line(bench: Bench, mark: str, said: str) -> None:
    """A wrong mark is one test that fails when it is set up, with one line that says what is wrong."""
    result = bench.run(
        "from pytest_mqchaos import exactly_once, ordered, within\n"
        f"@pytest.mark.chaos({mark})\ndef test_it(mqchaos): ...{OTHER}"
    )
    result.assert_outcomes(errors=1, passed=1)
    assert block(result, "ERROR at setup of test_it") == [f"chaos: {said}"]
    start = f"ERROR test_orders.py::test_it - chaos: {said}"
    assert [line for line in result.outlines if line[:60] == start[:60]]


def test_where_an_inherited_mark_stands(bench: Bench) -> None:
    """What is wrong with a mark of a class or module says whose mark it is."""
    result = bench.run("""
        @pytest.mark.chaos(seed="random")
        class TestOrders:
            @pytest.mark.chaos(refuse())
            def test_it(self, mqchaos): ...
    """)
    assert block(result, "ERROR at setup of TestOrders.test_it") == [
        "chaos: seed='random': a whole number from 0 on (the mark of test_orders.py::TestOrders)"
    ]


def test_marked_without_the_fixture(bench: Bench) -> None:
    """A marked function that does not use the fixture fails in one line; a mark that is inherited is ignored there."""
    result = bench.run("""
        pytestmark = pytest.mark.chaos

        @pytest.mark.chaos(refuse())
        def test_it(tmp_path): ...
        def test_inherits(): ...

        @pytest.mark.chaos
        class TestOrders:
            def test_in_class(self): ...
    """)
    result.assert_outcomes(errors=1, passed=2)
    assert block(result, "ERROR at setup of test_it") == [
        "marked `chaos` and does not use the fixture: write def test_it(mqchaos)"
    ]
    assert bench.log == []


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        (
            "@pytest.mark.chaos(connection_drop)\ndef test_it(mqchaos): ...",
            "    @pytest.mark.chaos(connection_drop)",
            "connection_drop(): forgotten parentheses: write connection_drop(), not connection_drop",
        ),
        (
            "@pytest.mark.chaos(refuse)\nclass TestIt:\n    def test_it(self, mqchaos): ...",
            "    @pytest.mark.chaos(refuse)",
            "refuse(): forgotten parentheses: write refuse(), not refuse",
        ),
        (
            "@pytest.mark.chaos(refuse(after=delivery))\ndef test_it(mqchaos): ...",
            "    @pytest.mark.chaos(refuse(after=delivery))",
            "refuse(): after=delivery: forgotten parentheses: write after=delivery(3)",
        ),
        (
            "@pytest.mark.chaos(refuse(duration=-1))\ndef test_it(mqchaos): ...",
            "    @pytest.mark.chaos(refuse(duration=-1))",
            "refuse(): duration=-1: a number above 0",
        ),
        (
            "from pytest_mqchaos import exactly_once, within\n"
            "@pytest.mark.chaos(guarantee=exactly_once + within)\ndef test_it(mqchaos): ...",
            "    @pytest.mark.chaos(guarantee=exactly_once + within)",
            "exactly-once + within: forgotten parentheses: write within(5.0)",
        ),
        (
            "from pytest_mqchaos import exactly_once, ordered\n"
            "@pytest.mark.chaos(guarantee=exactly_once + ordered())\ndef test_it(mqchaos): ...",
            "    @pytest.mark.chaos(guarantee=exactly_once + ordered())",
            'ordered(): by what? Name a JSON field, ordered("customer"), or give a function',
        ),
    ],
)
def test_while_the_module_is_imported(bench: Bench, source: str, line: str, said: str) -> None:
    """A fault that is written wrongly is an error of its module, which shows the user's line and none of ours."""
    bench.tests(OTHER, "test_else")
    result = bench.run(source, "--continue-on-collection-errors")
    result.assert_outcomes(errors=1, passed=1)
    shown = block(result, "ERROR collecting test_orders.py")
    assert shown[0].startswith("test_orders.py:")
    assert shown[0].endswith("in <module>")
    assert shown[1] == line
    assert shown[-1] == f"E   pytest_mqchaos.errors.UsageError: {said}"
    assert not [text for text in shown if "pytest_mqchaos/" in text]


@pytest.mark.parametrize(
    ("source", "owner"),
    [
        ("pytestmark = pytest.mark.chaos(refuse)\ndef test_it(mqchaos): ...", "test_orders.py"),
        ("pytestmark = [pytest.mark.chaos(refuse)]\ndef test_it(mqchaos): ...", "test_orders.py"),
        (
            "class TestIt:\n    pytestmark = pytest.mark.chaos(refuse)\n    def test_it(self, mqchaos): ...",
            "test_orders.py::TestIt",
        ),
    ],
)
def test_forgotten_parentheses_of_a_module(bench: Bench, source: str, owner: str) -> None:
    """`pytestmark = pytest.mark.chaos(refuse)` makes the function itself the mark; the error says what to write."""
    result = bench.run(source)
    result.assert_outcomes(errors=1)
    assert f"{owner}: chaos: refuse: forgotten parentheses: write refuse()" in result.outlines


def test_collect_only_shows_it(bench: Bench) -> None:
    """A test with a wrong mark is collected under its own name."""
    assert bench.ids("@pytest.mark.chaos(17)\ndef test_it(mqchaos): ...") == ["test_it"]
