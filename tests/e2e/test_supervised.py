"""A consumer under a supervisor is never judged by a moment at which its restart is still to come."""

import pytest
from consumers import correct
from e2e_kit import numbers, text
from ends_kit import until

from pytest_mqchaos import baseline, connection_drop, consumer_crash, delivery, refuse

COUNT = 25


def supervised(scene, mqchaos, *, meanwhile=lambda: None, **options):
    """Assert that a consumer that ends with each connection does all of its work under its supervisor."""
    scene.queue("classic", dead_letter="orders.dead")
    scene.forked(correct.ack_after_work_once, env={"WORK": 0.005}, restart="always", **options)
    scene.publish(count=COUNT)
    meanwhile()
    account = mqchaos.settle()
    assert account.verdict == "pass", text(account)
    assert set(numbers(account.confirmed)) & set(range(1, COUNT + 1)) <= set(numbers(account.effected))


@pytest.mark.chaos(baseline())
def test_an_outage_longer_than_all_its_restarts(scene, mqchaos):
    """Ends at refused connections are not counted: it is started again until the broker can be reached."""
    outage = mqchaos.inject(refuse(after=delivery(9), duration=120))

    def meanwhile():
        until("its 22nd end", 90, lambda: len(scene.diary("lost")) > 21)
        outage.heal()

    supervised(scene, mqchaos, meanwhile=meanwhile)


@pytest.mark.chaos(connection_drop(after=delivery(9)), consumer_crash(after=delivery(9)), settle_timeout=1)
def test_a_restart_later_than_the_time_out(scene, mqchaos):
    """A declared delay extends the time-out, as the wait in a retry queue does."""
    supervised(scene, mqchaos, restart_delay=2)
