"""Workers of the shop: each reads orders and calls one of its handlers."""

import asyncio
import contextlib
import json
import os

from consumers import kit, telling
from consumers.shop import Booker, Invalid, book, book_later, book_order

CALLS = {
    "tell": lambda body: telling.tell(json.loads(body)["n"]),
    "book": lambda body: book(json.loads(body)["n"]),
    "book_order": lambda body: book_order(json.loads(body)),
    "book_later": lambda body: asyncio.run(book_later(json.loads(body))),
    "Booker.book": lambda body: Booker().book(json.loads(body)),
    "Booker.book_all": lambda body: Booker.book_all(body),  # noqa: PLW0108 - looked up when called
    "Booker.book_aside": lambda body: asyncio.run(Booker.book_aside(json.loads(body))),
}


def work(url):
    """Call the handler of the environment, note it besides if it says so, then ack, whatever came of it."""
    call = CALLS[os.environ["CALL"]]

    def handle(channel, method, properties, body):
        with contextlib.suppress(Invalid):
            call(body)
        if "WRITES" in os.environ:
            with open(os.environ["MQCHAOS_EFFECTS"], "a") as effects:  # noqa: PTH123 - as one would
                effects.write(f"{json.loads(body)['n']}\n")
        channel.basic_ack(method.delivery_tag)

    kit.again_and_again(lambda url: kit.consume(url, handle), url)
