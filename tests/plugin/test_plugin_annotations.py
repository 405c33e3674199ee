"""Annotations in a GitHub job: at the line of the fault in the mark, and nowhere else."""

from __future__ import annotations

import re

import pytest
from chaos_bench import IMPORTS, Bench

ABOVE = len(IMPORTS.splitlines())
SOURCE = """
FAULTS = [refuse()]
pytestmark = [pytest.mark.slow, pytest.mark.chaos(
    connection_drop(after=delivery(3)),
)]

@pytest.mark.chaos(guarantee="at-least-once")
@pytest.mark.chaos(
    baseline(),
    consumer_crash(after=ack(17)),  # 10
    combine(
        connection_reset(),
        refuse(),
    ),
    pytest.param(
        malformed_payload(), id="bad"
    ),
)
def test_it(mqchaos):
    if mqchaos.scenario == LOSING:
        mqchaos.lose(17)

@pytest.mark.chaos(*FAULTS)  # 23
def test_unpacked(mqchaos):
    if mqchaos.scenario == LOSING: mqchaos.find("a")

@pytest.mark.chaos(broker_restart())  # 27
class TestIt:
    def test_it(self): ...

    def test_inner(self, mqchaos):
        if mqchaos.scenario == LOSING: mqchaos.find("b")
"""


def annotated(bench: Bench, losing: str, *args: str, **options: bool) -> list[tuple[str, str, int]]:
    """Return level, file and line of the annotations of a run in which one scenario loses a message."""
    source = SOURCE.replace("LOSING", repr(losing))
    result = bench.run(
        source, "-o", "markers=slow", "-W", "ignore", *args,
        plugins=["xdist"] if "-n2" in args else [], **options,
    )  # fmt: skip
    assert ("failed" in result.parseoutcomes()) == (losing != "none of them")
    found = [re.match(r"::(\w+) file=([^,]*),line=(\d+),title=", line) for line in result.outlines]
    return [(each[1], each[2], int(each[3]) - ABOVE) for each in found if each]


@pytest.fixture
def job(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A directory in a job of GitHub Actions."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(bench.path))
    return bench


@pytest.mark.parametrize(
    ("losing", "line"),
    [
        ("connection_drop-after-delivery-3", 4),
        ("consumer_crash-after-ack-17", 10),
        ("connection_reset+refuse", 11),
        ("bad", 15),
        ("baseline", 9),
        ("refuse", 23),
        ("broker_restart", 27),
    ],
)
def test_the_line_of_the_fault(job: Bench, losing: str, line: int) -> None:
    """The line is that of the argument, else of the mark, whichever of function, class and module bears it."""
    assert set(annotated(job, losing)) == {("error", "test_orders.py", line)}


def test_under_xdist(job: Bench) -> None:
    """The place crosses from the worker; the controller prints."""
    pytest.importorskip("xdist")
    assert annotated(job, "consumer_crash-after-ack-17", "-n2", subprocess=True) == [
        ("error", "test_orders.py", 10)
    ]


def test_only_on_github(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere nothing is printed, and nothing when all is well."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert annotated(bench, "bad") == []
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert annotated(bench, "none of them") == []


def test_at_most_three(job: Bench) -> None:
    """Five causes are three annotations; a test without a mark is named by its own line."""
    result = job.run("".join(f"def test_{n}(mqchaos):\n    mqchaos.find('{n * 'x'}')\n" for n in range(1, 6)))
    lines = [line for line in result.outlines if line.startswith("::")]
    assert len(lines) == 3
    assert lines[0].startswith(f"::error file=test_orders.py,line={ABOVE + 1},title=test_1 under baseline::")


def test_a_workspace_above(job: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub wants paths from its workspace, wherever the root directory is below it."""
    monkeypatch.setenv("GITHUB_WORKSPACE", str(job.path.parent))
    assert annotated(job, "bad") == [("error", f"{job.path.name}/test_orders.py", 15)]


def test_source_that_cannot_be_read(job: Bench) -> None:
    """Where a mark was made elsewhere, the test's own line has to do, and no verdict suffers."""
    job.pytester.makeconftest(
        'pytest_plugins = ["fake_mqchaos"]\n'
        "import pytest\n"
        "from pytest_mqchaos import refuse\n"
        "def pytest_itemcollected(item):\n"
        "    item.add_marker(pytest.mark.chaos(refuse()))\n"
    )
    result = job.run("\ndef test_it(mqchaos):\n    mqchaos.lose(17)\n")
    assert result.parseoutcomes() == {"failed": 1}
    (line,) = [line for line in result.outlines if line.startswith("::")]
    assert f"file=test_orders.py,line={ABOVE + 2}," in line


def test_without_a_summary(job: Bench) -> None:
    """`--no-summary` is for readers: the annotations are there, once."""
    assert annotated(job, "refuse", "--no-summary") == annotated(job, "refuse") != []
