"""Consumers that take the broker's address otherwise than as a URL."""

import configparser
import os

from consumers import correct


def from_file(_url):
    """Take all of it from a file, as a service that is deployed with one does; then as `ack_after_work`."""
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(os.environ["CONFIG"])
    correct.ack_after_work(_joined(settings["broker"]))


def _joined(given):
    login = f"{given.get('user', 'guest')}:{given.get('password', 'guest')}"
    vhost = given.get("vhost", "/").replace("/", "%2F")
    return f"amqp://{login}@{given['host']}:{given['port']}/{vhost}"
