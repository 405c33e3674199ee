"""The fixtures of the end-to-end tests: consumers, queues, and the tests' own evidence."""

import os
import zlib
from pathlib import Path

import pytest
from e2e_kit import Scene
from house_kit import House

TOOLS = Path(__file__).parents[2] / ".tools" / "bin"
if TOOLS.is_dir():
    os.environ["PATH"] = f"{os.environ['PATH']}{os.pathsep}{TOOLS}"


PART = os.environ.get("MQCHAOS_E2E_PART", "")
MANY = {
    "test_already_gone.py",
    "test_before_effect.py",
    "test_compositions.py",
    "test_http.py",
    "test_in_process.py",
    "test_network_faults.py",
    "test_no_false_alarm.py",
    "test_outlets.py",
    "test_payload_faults.py",
    "test_planted_network_bugs.py",
    "test_process_and_broker_faults.py",
    "test_producer.py",
    "test_promises.py",
    "test_several_no_false_alarm.py",
    "test_sweep.py",
    "test_tls_clients.py",
    "test_transactions.py",
}
"""Files whose tests are one thing under many faults."""


ALIKE = (
    (
        "test_bad_input.py",
        "test_clients.py",
        "test_contract.py",
        "test_late_hands.py",
        "test_other_addresses.py",
        "test_outlets_misused.py",
        "test_probe_on_its_own.py",
        "test_publisher.py",
        "test_same_bodies.py",
        "test_second_broker.py",
        "test_supervised.py",
    ),
    (
        "test_declare.py",
        "test_effect_after.py",
        "test_faults.py",
        "test_hostile_names.py",
        "test_in_process_ends.py",
        "test_other_services.py",
        "test_networks_that_lie.py",
        "test_planted_hand_on_bugs.py",
        "test_producer_errors.py",
        "test_two_connections.py",
        "test_waiting.py",
    ),
)
"""Files whose tests say the same whatever the servers are; a file as a whole, for what its tests share."""
STARTING = {
    "test_canary.py",
    "test_companions.py",
    "test_definitions.py",
    "test_docker_image.py",
    "test_ends.py",
    "test_long_sessions.py",
    "test_sharing.py",
    "test_try.py",
}
"""Files of which a fifth is enough: of many cases, or of tests each of which starts servers of its own."""
EXTERNAL = {
    "test_external.py",
    "test_external_docker.py",
    "test_external_producer.py",
    "test_hostile.py",
}
"""Files of which one half is enough: each of their tests starts a broker."""
SHARES = dict.fromkeys(STARTING, 5) | dict.fromkeys(EXTERNAL, 2)


def left_out(item, part, parts):
    """Whether a part of the tests does without one."""
    if item.path.name in MANY | SHARES.keys():
        of = SHARES.get(item.path.name, parts)
        return zlib.crc32(item.nodeid.encode()) % of != part % of
    return item.path.name in ALIKE[part % 2]


def pytest_collection_modifyitems(config, items):
    """With `MQCHAOS_E2E_PART=2/20` keep a twentieth of the tests that are one thing under many faults.

    Of those that say the same on all servers an even part keeps one half, and an odd part the other; of those that
    start servers of their own each part keeps a fifth, or a half, the next one another. Our CI runs one part on
    process servers and the next one on docker servers; without the variable all tests run.
    """
    if not PART:
        return
    part, parts = map(int, PART.split("/"))
    other = {item for item in items if left_out(item, part, parts)}
    config.hook.pytest_deselected(items=list(other))
    items[:] = [item for item in items if item not in other]


@pytest.fixture
def scene(mqchaos, tmp_path):
    """The test's own view of a chaos test: starts consumers with a diary, declares queues."""
    return Scene(mqchaos, tmp_path)


@pytest.fixture
def house(tmp_path):
    """Return a house for sessions, of which nothing stays."""
    house = House(tmp_path)
    yield house
    house.close()
