"""Bytes that are no MQTT: 14 (every type in every state), 35 (cut at every byte), 42 (UTF-8)."""

import wire
from case import connect_bytes

BODIES = (b"", b"\x00", b"\x00\x01", b"\x00\x00", b"\x00\x01\x00", b"\x00\x01a\x00\x01",
          b"\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01z", b"\xff" * 20)
SERVER_ONLY = (2, 9, 11, 13)


def fresh(case, level):
    return case.opened()


def connected(case, level):
    return case.connect("state", level)


def receiving(case, level):
    """A QoS 2 message of ours waits for PUBREL."""
    client = case.connect("state", level)
    client.send_packet("PUBLISH", {"topic": b"s", "qos": 2, "id": 1, "payload": b"x"})
    case.expect(client, "PUBREC", id=1)
    return client


def delivering(case, level):
    """A QoS 2 message to us waits for PUBREC, and has its identifier 1."""
    client = case.connect("state", level)
    case.subscribe(client, b"s", qos=2)
    source = case.connect("source", level)
    source.send_packet("PUBLISH", {"topic": b"s", "qos": 2, "id": 1, "payload": b"x"})
    case.expect(source, "PUBREC", id=1)
    source.send_packet("PUBREL", {"id": 1})
    case.expect(source, "PUBCOMP", id=1)
    case.forget(source)
    case.expect(client, "PUBLISH")
    return client


def releasing(case, level):
    """The same, and it waits for PUBCOMP."""
    client = delivering(case, level)
    client.send_packet("PUBREC", {"id": 1})
    case.expect(client, "PUBREL", id=1)
    return client


def half_connected(case, level):
    """Half of a CONNECT has arrived."""
    client = case.opened()
    client.send_raw(connect_bytes(level, b"state")[:9])
    return client


def vuln_14_every_type_in_every_state(case):
    """All 16 packet types, with odd bodies, in each state: no crash, and none that only a server
    may send is taken"""
    case.start()
    for state in (fresh, connected, receiving, delivering, releasing, half_connected):
        for level in (3, 4, 5):
            for kind in range(16):
                for body in BODIES:
                    client = state(case, level)
                    flags = 2 if kind in (6, 8, 10) else 0
                    client.send_raw(bytes([kind << 4 | flags, len(body)]) + body)
                    reached = state not in (half_connected,)
                    if reached and (kind in SERVER_ONLY or kind == 0):
                        last = case.ends(client)
                        if level == 5 and state is not fresh:
                            assert last and last.kind == "DISCONNECT", f"{kind} {body}: {last}"
                    case.forget(client)
    case.still_serves()


def corpus(level):
    """One good packet of each kind that a client sends."""
    new = level == 5
    extra = {"user_property": [(b"k", b"v")]} if new else {}
    will = {"will_topic": b"w", "will_payload": b"p", "will_qos": 1}
    if new:
        will.update(will_delay_interval=5, will_content_type=b"c", session_expiry_interval=9,
                    receive_maximum=5, maximum_packet_size=1000, topic_alias_maximum=2)
    yield "CONNECT", connect_bytes(level, b"cut", username=b"u", password=b"p", **will)
    yield "PUBLISH", wire.encode("PUBLISH", level, {"topic": b"t/u", "payload": b"xy"})
    yield "PUBLISH", wire.encode("PUBLISH", level, {"topic": b"t", "qos": 2, "id": 1, **extra})
    if new:
        yield "PUBLISH", wire.encode("PUBLISH", 5, {
            "topic": b"t", "topic_alias": 1, "message_expiry_interval": 9,
            "payload_format_indicator": 1, "response_topic": b"r", "correlation_data": b"c"})
        yield "DISCONNECT", wire.encode("DISCONNECT", 5, {"reason": 4, "reason_string": b"r"})
        yield "AUTH", wire.encode("AUTH", 5, {"reason": 0x19, "authentication_method": b"m"})
    for kind in ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP"):
        yield kind, wire.encode(kind, level, {"id": 1, **({"reason": 0, **extra} if new else {})})
    yield "SUBSCRIBE", wire.encode("SUBSCRIBE", level, {"id": 2, "filters": [
        (b"a/+", {"qos": 1}), (b"#", {"qos": 2})], **extra})
    yield "UNSUBSCRIBE", wire.encode("UNSUBSCRIBE", level, {"id": 3, "filters": [(b"a", {})],
                                                           **extra})


def vuln_35_every_packet_cut_at_every_byte(case):
    """Each packet is cut at each byte: with a length that says so, and with a length that promises more"""
    case.start()
    for level in (3, 4, 5):
        for kind, packet in corpus(level):
            body = packet[2:]
            assert len(packet) < 130
            for cut in range(len(body)):
                for length in (cut, len(body)):
                    client = case.opened()
                    if kind != "CONNECT":
                        client.send_raw(connect_bytes(level, b"cut"))
                    client.send_raw(packet[:1] + bytes([length]) + body[:cut])
                    client.socket.shutdown(1)
                    case.ends(client)
                    case.forget(client)
    case.still_serves()


def vuln_35_length_beyond_the_packet(case):
    """Lengths inside a packet that point behind its end are refused"""
    case.start()
    for packet in (b"\x30\x03\x00\x05a", b"\x32\x05\x00\x03t\x00\x01", b"\x82\x05\x00\x01\x00\x00\x09",
                   b"\xa2\x05\x00\x01\x00\x00\x02", b"\x30\x05\x00\x01t\x7f\x01",
                   b"\x82\x06\x00\x01\x00\x00\x01a", b"\x40\x04\x00\x01\x00\x05"):
        client = case.connect("cut")
        client.send_raw(packet)
        last = case.ends(client)
        assert last and last.kind == "DISCONNECT" and last.fields["reason"] == 0x81, last
        case.forget(client)


def sequences():
    """Two- and three-byte sequences around every boundary of UTF-8."""
    for first in range(0x01, 0x100):
        for second in (0x01, 0x41, 0x7f, 0x80, 0x84, 0x85, 0x9f, 0xa0, 0xbf, 0xc0, 0xff):
            yield bytes([first, second])
    for first in (0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf4):
        for second in (0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xb7, 0xbf, 0xc0):
            for third in (0x41, 0x7f, 0x80, 0x90, 0xaf, 0xbe, 0xbf, 0xc0):
                yield bytes([first, second, third])
    for first in (0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8):
        for second in (0x80, 0x8f, 0x90, 0xbf):
            for last in (0x7f, 0x80, 0xbd, 0xbe, 0xbf):
                yield bytes([first, second, 0x80, last])
                yield bytes([first, second, 0xbf, last])


def acceptable(content):
    """Well-formed, and without the characters that MQTT lets a receiver refuse."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    for char in map(ord, text):
        if char < 0x20 or 0x7f <= char <= 0x9f or 0xfdd0 <= char <= 0xfdef or char & 0xfffe == 0xfffe:
            return False
    return not set(text) & set("+#")


def vuln_42_utf8_by_the_table(case):
    """Which byte sequences are taken for a topic agrees with Python's decoder"""
    case.start()
    good, bad = [], []
    for content in sequences():
        (good if acceptable(content) else bad).append(content)
    client = case.connect("good")
    for content in good:
        client.send_packet("PUBLISH", {"topic": b"u/" + content})
    client.fence(case.patience_s)
    assert not client.closed, f"one of {len(good)} good topics was refused: {client.inbox}"
    for content in bad:
        client = case.opened()
        packet = wire.encode("PUBLISH", 5, {"topic": b"u/" + content})
        client.send_raw(connect_bytes(5, b"bad") + packet)
        last = case.ends(client)
        assert last and last.kind == "DISCONNECT", f"{content.hex(' ')} was taken: {last}"
        case.forget(client)
    assert len(good) > 400 and len(bad) > 1500, (len(good), len(bad))
