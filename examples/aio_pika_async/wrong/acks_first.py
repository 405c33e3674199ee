"""The bug: the ack goes out before the work is done, so a crash in between loses the order."""

import json

from aio_pika.abc import AbstractIncomingMessage
from bookings import Bookings, acknowledge


class AcksFirst(Bookings):
    """Acknowledges, and then books."""

    async def on_order(self, message: AbstractIncomingMessage) -> None:
        """Promise what is not done yet."""
        await acknowledge(message)
        await self._book.add(json.loads(message.body)["order"])
