"""The numbers of AMQP 0-9-1 as RabbitMQ speaks it, and the model of one connection.

A connection is two byte streams. The client opens its own with a protocol header; everything after it, and
all that the server sends, are frames. A frame belongs to a channel and is a method, the header or a part of
the body of a content, or a heartbeat. Publish, deliver, get-ok and return are followed by a content on the
same channel; frames of other channels may stand in between. What a method means often depends on an earlier
one in the other direction (a delivery names a consumer tag, not a queue), so both directions share one
state.

    client ── header, method frames, publish + content ──►  Lane ─► segments with events ─► server
                                                             │
                              ClientMethods ─► Connection ◄─ ServerMethods
                                                             │
    client ◄─ segments with events ◄─ Lane  ◄── method frames, deliver + content ────────── server

A `Lane` cuts one direction into frames, holds back what is not complete, and never changes the order of
bytes. `ClientMethods` and `ServerMethods` say what a frame means; `Connection` is what they remember. The
source of all numbers is the AMQP 0-9-1 specification with RabbitMQ's extensions (nack, confirm, blocked).
"""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "FRAME_END",
    "FRAME_OVERHEAD",
    "GREETING",
    "GREETINGS",
    "HELD_BODY",
    "HELD_BYTES",
    "LARGEST_METHOD",
    "FrameKind",
    "Method",
]

GREETING = b"AMQP\x00\x00\x09\x01"
GREETINGS = (GREETING, b"AMQP\x01\x01\x00\x09")
"""What RabbitMQ takes for 0-9-1: the header of 0-9, too, which some clients send (`rabbit_reader`)."""
FRAME_END = 0xCE
FRAME_OVERHEAD = 8
"""Octets of a frame besides its payload: type, channel, length, and the end octet."""

HELD_BODY = 1 << 20
"""Bodies up to this size are held back until complete; larger ones stream behind their event."""
LARGEST_METHOD = 16 << 20
"""A method or header frame beyond this is no AMQP: it would be held in memory until its end."""
HELD_BYTES = 16 << 20
"""When more than this waits behind an incomplete content, the stream is no longer scanned."""


class FrameKind(IntEnum):
    """The type octet of a frame."""

    METHOD = 1
    HEADER = 2
    BODY = 3
    HEARTBEAT = 8


class Method(IntEnum):
    """The methods that mean something here: class number in the upper 16 bits, method number in the lower."""

    CONNECTION_START = 10 << 16 | 10
    CONNECTION_START_OK = 10 << 16 | 11
    CONNECTION_TUNE_OK = 10 << 16 | 31
    CONNECTION_OPEN = 10 << 16 | 40
    CONNECTION_OPEN_OK = 10 << 16 | 41
    CONNECTION_CLOSE = 10 << 16 | 50
    CONNECTION_CLOSE_OK = 10 << 16 | 51
    CONNECTION_BLOCKED = 10 << 16 | 60
    CONNECTION_UNBLOCKED = 10 << 16 | 61
    CHANNEL_OPEN = 20 << 16 | 10
    CHANNEL_OPEN_OK = 20 << 16 | 11
    CHANNEL_CLOSE = 20 << 16 | 40
    CHANNEL_CLOSE_OK = 20 << 16 | 41
    EXCHANGE_DECLARE = 40 << 16 | 10
    EXCHANGE_DECLARE_OK = 40 << 16 | 11
    EXCHANGE_DELETE = 40 << 16 | 20
    EXCHANGE_DELETE_OK = 40 << 16 | 21
    EXCHANGE_BIND = 40 << 16 | 30
    EXCHANGE_BIND_OK = 40 << 16 | 31
    EXCHANGE_UNBIND = 40 << 16 | 40
    EXCHANGE_UNBIND_OK = 40 << 16 | 51
    QUEUE_DECLARE = 50 << 16 | 10
    QUEUE_DECLARE_OK = 50 << 16 | 11
    QUEUE_BIND = 50 << 16 | 20
    QUEUE_BIND_OK = 50 << 16 | 21
    QUEUE_PURGE = 50 << 16 | 30
    QUEUE_PURGE_OK = 50 << 16 | 31
    QUEUE_DELETE = 50 << 16 | 40
    QUEUE_DELETE_OK = 50 << 16 | 41
    QUEUE_UNBIND = 50 << 16 | 50
    QUEUE_UNBIND_OK = 50 << 16 | 51
    BASIC_QOS = 60 << 16 | 10
    BASIC_QOS_OK = 60 << 16 | 11
    BASIC_CONSUME = 60 << 16 | 20
    BASIC_CONSUME_OK = 60 << 16 | 21
    BASIC_CANCEL = 60 << 16 | 30
    BASIC_CANCEL_OK = 60 << 16 | 31
    BASIC_PUBLISH = 60 << 16 | 40
    BASIC_RETURN = 60 << 16 | 50
    BASIC_DELIVER = 60 << 16 | 60
    BASIC_GET = 60 << 16 | 70
    BASIC_GET_OK = 60 << 16 | 71
    BASIC_GET_EMPTY = 60 << 16 | 72
    BASIC_ACK = 60 << 16 | 80
    BASIC_REJECT = 60 << 16 | 90
    BASIC_RECOVER_ASYNC = 60 << 16 | 100
    BASIC_RECOVER = 60 << 16 | 110
    BASIC_NACK = 60 << 16 | 120
    CONFIRM_SELECT = 85 << 16 | 10
    CONFIRM_SELECT_OK = 85 << 16 | 11
    TX_SELECT = 90 << 16 | 10
    TX_SELECT_OK = 90 << 16 | 11
    TX_COMMIT = 90 << 16 | 20
    TX_COMMIT_OK = 90 << 16 | 21
    TX_ROLLBACK = 90 << 16 | 30
    TX_ROLLBACK_OK = 90 << 16 | 31
