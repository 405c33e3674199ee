"""The bug: a plain connection, which stays lost. The task does not notice: nothing awaits the connection."""

import aio_pika
from bookings import Bookings


class NeverReconnects(Bookings):
    """Connects once."""

    async def connect(self) -> aio_pika.abc.AbstractConnection:
        """Connect, for as long as it lasts."""
        return await aio_pika.connect(self._url)
