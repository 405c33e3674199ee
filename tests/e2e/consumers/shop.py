"""An application that knows nothing of tests: its handlers, some of them methods or async, and a worker for each."""

import asyncio
import json
import os


class Invalid(ValueError):
    """An order that cannot be booked."""


def _note(order):
    if order["n"] % 10 == 0 and os.environ.get("FAILS"):
        raise Invalid(order)


def book(order_id, note=""):
    """Book one order by its number."""
    _note({"n": order_id})


def book_order(order):
    """Book one order, a dict."""
    _note(order)


async def book_later(order):
    """Book one order in a task."""
    await asyncio.sleep(0)
    _note(order)


class Booker:
    """Books orders."""

    def book(self, order):
        """Book one."""
        _note(order)

    @classmethod
    def book_all(cls, body):
        """Book what stands in a body."""
        _note(json.loads(body))

    @staticmethod
    async def book_aside(order):
        """Book one in a task."""
        await asyncio.sleep(0)
        _note(order)


def orders():
    """A generator, which nobody can wait for."""
    yield 1


LIMIT = 5
