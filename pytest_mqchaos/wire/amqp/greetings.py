"""The first bytes of the client: the protocol header of AMQP 0-9-1, or something else."""

from __future__ import annotations

from typing import Final

from pytest_mqchaos.wire.amqp.protocol import GREETING, GREETINGS

__all__ = ["wrong_greeting"]

_NAME: Final = GREETING[:4]
_VERSIONS: Final = {
    b"\x00\x01\x00\x00": "AMQP 1.0",
    b"\x02\x01\x00\x00": "AMQP 1.0 over TLS",
    b"\x03\x01\x00\x00": "AMQP 1.0 with SASL",
}


def wrong_greeting(data: bytes) -> str | None:
    """Say what a stream that begins with these bytes is, if it is not AMQP 0-9-1.

    None means that it is, or, for fewer than eight bytes, that it may still be. A stranger is known at the
    first byte that differs, so that nobody waits for bytes that never come; the answer does not depend on
    the sizes of reads.
    """
    name = data[:4]
    if name == _NAME:
        if len(data) < len(GREETING) or data.startswith(GREETINGS):
            return None
        version = data[4:8]
        return f"the protocol header is that of {_VERSIONS.get(version, f'another version: {version.hex()}')}"
    if _NAME.startswith(name):
        return None
    if name[0] == 0x16:
        return "the stream begins with a TLS handshake"
    differs = next(index for index, octet in enumerate(name) if octet != _NAME[index])
    return f"the stream begins with {data[: differs + 1]!r} instead of an AMQP protocol header"
