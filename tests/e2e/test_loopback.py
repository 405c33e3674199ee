"""Every socket that a run listens at is one of loopback: nobody on the network can reach into a test."""

import json
import os
import socket
import sys
import urllib.request

import pytest
from consumers import correct, kit
from ends_kit import LOOPBACK, family, listeners

from pytest_mqchaos import ack, call, consumer_crash, effect

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def bills(url):
    """Call a service for each order, and ack."""

    def handle(channel, method, properties, body):
        data = json.dumps({"id": properties.message_id}).encode()
        urllib.request.urlopen(os.environ["MQCHAOS_BILLING_URL"], data).close()
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)


def all_on_loopback(scene, mqchaos, consumer, **options):
    """Look at all sockets while a consumer works: of publisher, consumer, a service, and one more."""
    scene.queue("classic")
    with socket.create_server(("127.0.0.1", 0)) as service:  # a link to what nobody runs refuses
        mqchaos.link("pg", upstream=f"127.0.0.1:{service.getsockname()[1]}")
        scene.forked(consumer, **options)
        scene.publish(count=5)
        mqchaos.wait(ack(5))
        ours = listeners({os.getpid()})
        assert len(ours) >= 5, ours
        assert {address for address, _ in ours | listeners(family(os.getpid()))} <= LOOPBACK
        scene.publish(count=5)


@linux
@pytest.mark.chaos(consumer_crash(before=effect(9)))
def test_links_and_the_gate_of_probes(scene, mqchaos):
    """Neither links nor the gate at which probes ask are open to other hosts."""
    all_on_loopback(scene, mqchaos, correct.ack_after_work, env={"PROBE": 1, "PREFETCH": 1})


@linux
@pytest.mark.chaos(consumer_crash(before=call(9)))
def test_a_service_that_we_stand_in_for(scene, mqchaos):
    """Nor is a service that the plugin stands in for."""
    mqchaos.http(name="billing", key="id")
    all_on_loopback(scene, mqchaos, bills, env={"PREFETCH": 1})
