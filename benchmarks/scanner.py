"""How fast the AMQP scanner is: `python benchmarks/scanner.py`.

Deliveries with an id in properties and header, acks, and publications with confirms, in reads as sockets give them;
then bodies larger than a read, where the figure to watch is that MB/s do not fall with the size.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from struct import pack

from pytest_mqchaos.wire.amqp import ConnectionScanner
from pytest_mqchaos.wire.amqp.events import Delivered

MESSAGES = 40_000
ROUNDS = 5
TAG = b"\x1bctag1.0123456789abcdef01234"


def frame(kind: int, payload: bytes) -> bytes:
    """Return one frame on channel 1."""
    return pack(">BHI", kind, 1, len(payload)) + payload + b"\xce"


def header(size: int) -> bytes:
    """Return a content header with the properties of a typical message of the plugin."""
    mine = b"run-k3f9-000017"
    table = b"\x0cx-mqchaos-idS" + pack(">I", len(mine)) + mine + b"\x06tenantS" + pack(">I", 4) + b"acme"
    fixed = b"\x10application/json" + pack(">I", len(table)) + table + b"\x02" + bytes([len(mine)]) + mine
    return frame(2, pack(">HHQH", 60, 0, size, 0xB080) + fixed)


def content(arguments: bytes, body: bytes, frame_max: int = 131_072) -> bytes:
    """Return the frames of one content."""
    step = frame_max - 8
    bodies = b"".join(frame(3, body[at : at + step]) for at in range(0, len(body), step))
    return frame(1, arguments) + header(len(body)) + bodies


def deliver(number: int, body: bytes) -> bytes:
    """Return one delivery."""
    return content(pack(">HH", 60, 60) + TAG + pack(">QB", number, 0) + b"\x00\x06orders", body)


def consuming() -> ConnectionScanner:
    """Return a scanner of a connection with a consumer and confirms."""
    scanner = ConnectionScanner()
    scanner.from_client(b"AMQP\x00\x00\x09\x01" + frame(1, pack(">HHB", 20, 10, 0)))
    scanner.from_server(frame(1, pack(">HHI", 20, 11, 0)))
    scanner.from_client(frame(1, pack(">HHH", 60, 20, 0) + b"\x06orders" + TAG + b"\x00" + bytes(4)))
    scanner.from_server(frame(1, pack(">HH", 60, 21) + TAG))
    scanner.from_client(frame(1, pack(">HHB", 85, 10, 1)))
    return scanner


def reads(data: bytes, size: int) -> list[bytes]:
    """Cut a stream into reads."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def best(run: Callable[[], None]) -> float:
    """Return the shortest of some runs, in seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def messages(size: int) -> None:
    """Print messages per second for small messages in reads of one size."""
    body = b"x" * 200
    delivered = reads(b"".join(deliver(number, body) for number in range(1, MESSAGES + 1)), size)
    acked = reads(b"".join(frame(1, pack(">HHQB", 60, 80, n, 0)) for n in range(1, MESSAGES + 1)), size)
    published = reads(content(pack(">HHH", 60, 40, 0) + b"\x00\x06orders\x00", body) * MESSAGES, size)
    confirmed = reads(b"".join(frame(1, pack(">HHQB", 60, 80, n, 0)) for n in range(1, MESSAGES + 1)), size)

    def deliveries(*, ids: bool = False, acks: bool = False) -> None:
        scanner = consuming()
        for data in delivered:
            for segment in scanner.from_server(data):
                if ids and isinstance(segment.event, Delivered):
                    _ = segment.event.properties.mqchaos_id or segment.event.properties.message_id
        for data in acked if acks else ():
            scanner.from_client(data)

    def publications(*, confirms: bool = False) -> None:
        scanner = consuming()
        for data in published:
            scanner.from_client(data)
        for data in confirmed if confirms else ():
            scanner.from_server(data)

    for name, run in (
        ("deliveries", deliveries),
        ("deliveries, id read", lambda: deliveries(ids=True)),
        ("deliveries and acks", lambda: deliveries(acks=True)),
        ("publications", publications),
        ("publications and confirms", lambda: publications(confirms=True)),
    ):
        print(f"{name:28} {size:>8} {MESSAGES / best(run):>12,.0f} msgs/s")


def bodies(size: int, read: int) -> None:
    """Print bytes per second for bodies of one size."""
    count = max(1, (32 << 20) // size)
    data = reads(b"".join(deliver(number, b"x" * size) for number in range(1, count + 1)), read)

    def run() -> None:
        scanner = consuming()
        for each in data:
            scanner.from_server(each)

    taken = best(run)
    print(f"{size:>12,} {read:>8} {count / taken:>12,.0f} msgs/s {count * size / taken / 1e6:>8,.0f} MB/s")


def main() -> None:
    """Print all figures."""
    print(f"{'200-byte messages':28} {'read':>8}")
    for read in (4096, 65_536, 262_144):
        messages(read)
    print(f"\n{'body':>12} {'read':>8}")
    for size in (10_000, 100_000, 1 << 20, 2 << 20, 16 << 20):
        for read in (4096, 65_536):
            bodies(size, read)


if __name__ == "__main__":
    main()
