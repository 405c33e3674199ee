"""Each wrong publisher passes an ordinary test. Here what proves its bug, and what is found.

`allow="*"` leaves the verdict to the test, which says what it expects of the account. `17 in account.lost` speaks of a
message by its number, which is its place in the order of publishing.
"""

import pytest
from pytest_mqchaos import Chaos, baseline, connection_reset, publish

pytestmark = pytest.mark.chaos(allow="*", settle_timeout=2.0, effect_timeout=2.0)


@pytest.mark.chaos(baseline())
@pytest.mark.parametrize("module", ["wrong.no_confirms", "wrong.ignores_refusals", "wrong.not_mandatory"])
def test_looks_well_on_a_clean_run(mqchaos: Chaos, start, module: str) -> None:
    """Nothing is lost as long as nothing breaks."""
    start(module)

    assert not mqchaos.settle().lost


@pytest.mark.chaos(connection_reset(before=publish(17)))
def test_no_confirms(mqchaos: Chaos, start) -> None:
    """What was on its way when the connection broke is lost, the 17th order for one."""
    start("wrong.no_confirms")

    account = mqchaos.settle()

    assert 17 in account.lost
    assert account.violations[0].detail == "by_publisher"


@pytest.mark.chaos(baseline())
def test_a_full_queue(mqchaos: Chaos, start) -> None:
    """What a full queue refuses is lost."""
    start("wrong.ignores_refusals", arguments={"x-max-length": 3, "x-overflow": "reject-publish"}, work=0.05)

    account = mqchaos.settle()

    assert account.lost
    assert "refused" in account.violations[0].claim


@pytest.mark.chaos(baseline())
@pytest.mark.parametrize("module", ["wrong.ignores_refusals", "wrong.not_mandatory"])
def test_a_queue_that_is_not_there(mqchaos: Chaos, start, module: str) -> None:
    """What no queue takes is lost, whether the broker says so or nobody asked it to."""
    start(module, queue="ordres")

    account = mqchaos.settle()

    assert len(account.lost) == 40
    assert account.violations[0].detail == "by_publisher"


@pytest.mark.chaos(baseline())
def test_not_flushed(mqchaos: Chaos, start) -> None:
    """The last six orders stay in the process; no fault is needed."""
    start("wrong.not_flushed", count=38)

    account = mqchaos.settle()

    assert len(account.lost) == 6
    assert "never left the process" in account.violations[0].claim
