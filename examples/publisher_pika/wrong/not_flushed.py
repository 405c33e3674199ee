"""The bug: orders go out in batches of eight, and the last batch, which is not full, never does."""

from publisher import COUNT, connect, note, send


def publish() -> None:
    """Publish all orders but the last few."""
    channel = connect()
    batch: list[int] = []
    for order in range(1, COUNT + 1):
        batch.append(order)
        note(order)
        if len(batch) == 8:
            for each in batch:
                send(channel, each)
            batch.clear()
    channel.connection.close()


if __name__ == "__main__":
    publish()
