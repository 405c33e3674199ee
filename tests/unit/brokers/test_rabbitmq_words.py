"""What a RabbitMQ that did not start is quoted with: its claim in one line."""

import pytest

from pytest_mqchaos.brokers.rabbitmq.words import boot_words, port_taken

LISTENER = """\
epmd: Sat Nov 21 07:56:11 2026: got partial packet only on file descriptor 5 (0)
2026-11-21 07:56:12.977727+00:00 [info] <0.223.0> Feature flags: list of feature flags found:

  Logs: /tmp/x/broker.log
        /tmp/x/upgrade.log
        <stdout>

  Config file(s): /tmp/x/rabbitmq.conf

  Starting broker...
BOOT FAILED
===========
Error during startup: {error,
                       {could_not_start_listener,"127.0.0.1",31213,
                                eaddrinuse}}
"""
DISTRIBUTION = """\

BOOT FAILED
2026-11-21 07:56:17.146650+00:00 [error] <0.132.0>\x20
2026-11-21 07:56:17.146650+00:00 [error] <0.132.0> BOOT FAILED
2026-11-21 07:56:17.146650+00:00 [error] <0.132.0> ===========
2026-11-21 07:56:17.146650+00:00 [error] <0.132.0> ERROR: could not bind to distribution port 30868 on host localhost.
2026-11-21 07:56:17.146650+00:00 [error] <0.132.0>\x20
===========
ERROR: could not bind to distribution port 30868 on host localhost.

2026-11-21 07:56:18.151341+00:00 [error] <0.132.0>     supervisor: {local,rabbit_prelaunch_sup}
Crash dump is being written to: /dev/null...done
"""


@pytest.mark.parametrize(
    ("output", "words", "taken"),
    [
        (
            LISTENER,
            'Error during startup: {error, | {could_not_start_listener,"127.0.0.1",31213, | eaddrinuse}}',
            True,
        ),
        (DISTRIBUTION, "ERROR: could not bind to distribution port 30868 on host localhost.", True),
        ("BOOT FAILED\ndisk is full\n", "disk is full", False),
        ("\x1b[31mno licence\x1b[0m\n\n", "no licence", False),
        ("", "none", False),
    ],
)
def test_the_claim_is_quoted(output, words, taken):
    """Behind all the chatter of a boot stands what went wrong, and whether it is a port."""
    assert boot_words(output) == words
    assert port_taken(output) is taken


def test_a_tree_of_terms_is_cut():
    """A line has an end, however long Erlang's reason is."""
    assert len(boot_words("Error during startup: " + "{term,[" * 400)) == 300


def test_epmd_without_ipv6_is_no_word_of_the_broker() -> None:
    """It tries ::1 besides, and says so where the machine has none; a container writes that into the same log."""
    output = """\
epmd: Sat Nov 21 11:07:18 2026: failed to bind on ipaddr ::1: Cannot assign requested address
disk is full
"""
    assert boot_words(output) == "disk is full"
