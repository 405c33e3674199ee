"""How the tests run the consumer: as a task of their own loop, with a book in memory."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from bookings import Bookings
from pytest_mqchaos import Chaos

Start = Callable[..., AbstractAsyncContextManager["Shelf"]]


class Shelf:
    """A book in memory. The unique index of a table is a dict here."""

    def __init__(self) -> None:
        self.orders: list[str] = []

    async def add(self, order: str) -> None:
        """Book an order, once."""
        await asyncio.sleep(0.005)  # the work
        if order not in self.orders:
            self.orders.append(order)


class Pile(Shelf):
    """The bug of a book without an index: what comes twice is booked twice."""

    async def add(self, order: str) -> None:
        """Book an order."""
        await asyncio.sleep(0.005)
        self.orders.append(order)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let what aiormq leaves of a connection that was cut while it was made complain in its own test."""
    yield
    gc.collect()


@pytest.fixture
def start(mqchaos: Chaos) -> Start:
    """Run a consumer on a link of its own, as long as the block lasts."""

    @asynccontextmanager
    async def start(
        consumer: type[Bookings] = Bookings,
        book: Callable[[], Shelf] = Shelf,
        *,
        link: str = "in-process",
        prefetch: int = 10,
    ) -> AsyncIterator[Shelf]:
        mqchaos.queue("orders")
        orders = book()
        if link == "in-process":
            mqchaos.effects(lambda: list(orders.orders))
        task = asyncio.create_task(consumer(mqchaos.link(link).url, orders, prefetch=prefetch).run())
        try:
            yield orders
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return start


@pytest.fixture
def pile() -> type[Shelf]:
    """A book that is not idempotent."""
    return Pile
