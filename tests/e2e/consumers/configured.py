"""Consumers that take the broker's address otherwise than as a URL."""

import configparser
import contextlib
import os
import threading
import time

from consumers import correct, kit

_NAMES = ("HOST", "PORT", "USER", "PASSWORD", "VHOST")


def from_file(_url):
    """Take all of it from a file, as a service that is deployed with one does; then as `ack_after_work`."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(os.environ["CONFIG"])
    correct.ack_after_work(_joined(settings["broker"]))


def apart(_url):
    """Take host and port, and what else there is, from variables of its own; then as `ack_after_work`."""
    correct.ack_after_work(_apart())


def declares_apart(_url):
    """Take them apart likewise, and declare what it reads."""
    _, channel = kit.connect(_apart())
    channel.queue_declare("orders", auto_delete=True)
    channel.basic_consume("orders", lambda *_: None)
    channel.start_consuming()


def two_vhosts(url):
    """Read a queue of nobody's in `/` first, then as `apart`."""
    _, channel = kit.connect(url.rpartition("/")[0] + "/%2F")
    channel.basic_consume(channel.queue_declare("", exclusive=True).method.queue, lambda *_: None)
    threading.Thread(target=channel.start_consuming, daemon=True).start()
    apart(url)


def never_gives_up(_url):
    """Take them apart likewise, and try again as long as it is refused, without a word."""
    while True:
        with contextlib.suppress(kit.AMQPError):
            kit.connect(_apart())
        time.sleep(0.1)


def _apart():
    return _joined(
        {name.lower(): os.environ[f"RABBIT_{name}"] for name in _NAMES if f"RABBIT_{name}" in os.environ}
    )


def _joined(given):
    login = f"{given.get('user', 'guest')}:{given.get('password', 'guest')}"
    vhost = given.get("vhost", "/").replace("/", "%2F")
    return f"amqp://{login}@{given['host']}:{given['port']}/{vhost}"
