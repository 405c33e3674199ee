"""Gives an order up after one failure, though the next try would go well."""

import worker

if __name__ == "__main__":
    worker.TRIES = 1
    worker.consume()
