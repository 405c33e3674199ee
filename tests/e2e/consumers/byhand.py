"""A consumer without a client library, as somebody might write it in an afternoon."""

import socket
import struct
import urllib.parse

from pamqp import commands, frame

from consumers import kit


def consume(url):
    """Consume `orders`, and hold that every read brings whole frames."""
    parts = urllib.parse.urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port)) as own:
        own.sendall(b"AMQP\x00\x00\x09\x01")
        _await(own, "Connection.Start")
        _say(own, 0, commands.Connection.StartOk({}, response=f"\0{parts.username}\0{parts.password}"))
        _await(own, "Connection.Tune")
        _say(own, 0, commands.Connection.TuneOk(2047, 131072, 0))
        _say(own, 0, commands.Connection.Open(urllib.parse.unquote(parts.path[1:]) or "/"))
        _await(own, "Connection.OpenOk")
        _say(own, 1, commands.Channel.Open())
        _await(own, "Channel.OpenOk")
        _say(own, 1, commands.Basic.Qos(0, kit.setting("PREFETCH", 3)))
        _await(own, "Basic.QosOk")
        _say(own, 1, commands.Basic.Consume(queue="orders"))
        delivery = header = None
        while data := own.recv(1 << 17):
            for each in _whole(data):
                if each.name == "Basic.Deliver":
                    delivery = each
                elif each.name == "ContentHeader":
                    header = each
                elif each.name == "ContentBody":
                    kit.work(header.properties, each.value)
                    _say(own, 1, commands.Basic.Ack(delivery.delivery_tag))


def _say(own, channel, method):
    own.sendall(frame.marshal(method, channel))


def _await(own, name):
    assert name in {each.name for each in _whole(own.recv(1 << 17))}


def _whole(data):
    """Return the frames that are whole; this is the bug: the rest of the last one is to come."""
    found = []
    while len(data) >= 8:
        kind, _, size = struct.unpack_from(">BHI", data)
        if kind not in (1, 2, 3, 8) or len(data) < size + 8:
            kit.diary("cut")
            break
        found.append(frame.unmarshal(data)[2])
        data = data[size + 8 :]
    return found
