"""A message that a consumer gives back for ever: a storm, and from RabbitMQ 4.0 on a loss where the limit ends it."""

import pytest
from consumers import kit
from e2e_kit import finding, numbers, text

from pytest_mqchaos import baseline


def gives_back(url):
    """Work, and give the third message back each time, by the `METHOD` of the environment."""

    def session(url):
        def handle(channel, method, properties, body):
            if properties.message_id.endswith("3"):
                getattr(channel, kit.setting("METHOD", "basic_nack"))(method.delivery_tag, requeue=True)
                return
            kit.work(properties, body)
            channel.basic_ack(method.delivery_tag)

        kit.consume(url, handle)

    kit.again_and_again(session, url)


@pytest.mark.parametrize("method", ["basic_nack", "basic_reject"])
@pytest.mark.chaos(baseline(), settle_timeout=3.0, allow="*")
def test_a_message_that_comes_back_for_ever(scene, mqchaos, method):
    """On a quorum queue it is a storm, and where the version's limit takes it away a loss by policy with its number."""
    scene.queue("quorum")
    scene.forked(gives_back, env={"WORK": 0.005, "METHOD": method, "PREFETCH": 1})
    scene.publish(count=5)
    account = mqchaos.settle()
    assert account.verdict == "fail", text(account)
    assert numbers(account.requeue_storm) == [3], text(account)
    version = tuple(map(int, mqchaos.broker.version.split(".")[:2]))
    gone = version >= (4, 0) and (version < (4, 3) or method == "basic_reject")
    assert numbers(account.lost) == ([3] if gone else []), text(account)
    if gone:
        lost = finding(account, "lost")
        assert lost.detail == "by_policy", text(account)
        assert "gives messages up after 20 returns" in lost.claim, text(account)
