"""Memory that grows by what somebody claims or repeats: 3, 16, 17, 18, 37."""

import select
import time

import wire
from case import connect_bytes


def vuln_03_claimed_length_before_connect(case):
    """A claimed length costs nothing before anything has arrived"""
    case.start()
    case.still_serves()
    before = case.rss_kib()
    held = []
    for number in range(400):
        client = case.opened()
        # below the limit for a CONNECT: it waits; above: it is closed
        client.send_raw(bytes.fromhex("10ff7f" if number % 2 else "10ffffff7f"))
        held.append(client)
    case.still_serves()
    case.grows_less_than(2500, before)
    for client in held[0::2]:
        case.ends(client)


def vuln_03_not_a_connect(case):
    """A length claimed by a first packet that is no CONNECT closes the connection"""
    case.start()
    for first in (0x30, 0x32, 0x82, 0x00, 0xf0):
        client = case.opened()
        client.send_raw(bytes([first]) + bytes.fromhex("ffffff7f"))
        assert case.ends(client) is None


def vuln_03_claimed_length_after_connect(case):
    """A length within the limit costs nothing before its bytes arrive"""
    case.start()
    clients = [case.connect(f"c{n}") for n in range(100)]
    case.still_serves()
    before = case.rss_kib()
    for client in clients:
        client.send_raw(bytes([0x30]) + wire.varint(1000000) + b"\x00\x01t\x00")
    case.still_serves()
    case.grows_less_than(8192, before)


def vuln_16_many_user_properties_are_linear(case):
    """The time for user properties grows with their number, not with its square"""
    case.start("mqtt.properties=10000", "mqtt.property_bytes=256KiB")
    case.connect("sink")
    client = case.connect("source")

    def cost(properties, packets):
        body = b"\x00\x01t" + wire.varint(properties * 7) + b"\x26\x00\x01k\x00\x01v" * properties
        packet = b"\x30" + wire.varint(len(body)) + body
        started = case.cpu_s()
        for _ in range(packets):
            client.send_raw(packet)
        client.fence(case.patience_s * 4)
        return case.cpu_s() - started

    few = cost(250, 3200)
    many = cost(8000, 100)    # the same number of properties altogether
    assert many < 4 * few + 0.2, f"{few:.2f} s in small packets, {many:.2f} s in large ones"
    case.still_serves()


def vuln_16_default_limits_refuse(case):
    """64 KiB of properties are refused by default, in CONNECT as in PUBLISH"""
    case.start()
    block = b"\x26\x00\x01k\x00\x01v" * 9000
    client = case.connect("p")
    body = b"\x00\x01t" + wire.varint(len(block)) + block
    client.send_raw(b"\x30" + wire.varint(len(body)) + body)
    assert case.ends(client).kind == "DISCONNECT"
    client = case.opened()
    body = b"\x00\x04MQTT\x05\x02\x00\x3c" + wire.varint(len(block)) + block + b"\x00\x01a"
    client.send_raw(b"\x10" + wire.varint(len(body)) + body)
    case.ends(client)
    case.still_serves()


def mutated_connects(case):
    """CONNECTs that fail late: each field that allocates is good, something behind it is not."""
    good = connect_bytes(5, b"leak", will_topic=b"w/t", will_payload=b"p" * 200,
                         will_user_property=[(b"k", b"v" * 50)], will_content_type=b"c" * 30,
                         username=b"u" * 30, password=b"s" * 30, user_property=[(b"a", b"b")])
    body = good[1 + len(wire.varint(len(good) - 3)):]
    for cut in range(11, len(body)):
        yield b"\x10" + wire.varint(cut) + body[:cut]
    for at in range(10, len(body)):
        yield b"\x10" + wire.varint(len(body)) + body[:at] + bytes([body[at] ^ 0xff]) + body[at + 1:]


def mutated_packets():
    """Packets of an established client that fail late."""
    for packet in (wire.encode("SUBSCRIBE", 5, {"id": 1, "filters": [(b"a/b", {}), (b"c/#", {})],
                                                "user_property": [(b"k", b"v")]}),
                   wire.encode("PUBLISH", 5, {"topic": b"t/x", "qos": 2, "id": 3, "retain": 1,
                                              "payload": b"p" * 50, "content_type": b"c" * 20,
                                              "user_property": [(b"k", b"v")]}),
                   wire.encode("DISCONNECT", 5, {"reason": 4, "reason_string": b"r" * 40})):
        for at in range(2, len(packet)):
            yield packet[:1] + wire.varint(at - 2) + packet[2:at]
            yield packet[:at] + bytes([packet[at] ^ 0xff]) + packet[at + 1:]


def vuln_17_error_paths_leak_nothing(case):
    """Connections that end in an error leave nothing behind (LSan looks, too, where it is built in)"""
    case.start()

    def all_of_them():
        for packet in mutated_connects(case):
            client = case.opened()
            client.send_raw(packet)
            client.socket.shutdown(1)
            while client.socket.recv(4096):
                pass
            case.forget(client)
        for packet in mutated_packets():
            client = case.opened()
            client.send_raw(connect_bytes(5, b"leak") + packet)
            client.socket.shutdown(1)
            while client.socket.recv(4096):
                pass
            case.forget(client)

    all_of_them()
    before = case.rss_kib()
    for _ in range(3):
        all_of_them()
    case.grows_less_than(1024, before)
    case.still_serves()


def vuln_18_same_identifier_for_ever(case):
    """QoS 2 messages under one identifier, never released, are one message"""
    case.start()
    client = case.connect("rude")
    packet = wire.encode("PUBLISH", 5, {"topic": b"t", "qos": 2, "id": 5, "payload": b"x" * 100})
    again = bytes([packet[0] | 8]) + packet[1:]

    def flood(count):
        for _ in range(count // 50):
            client.send_raw(again * 50)
            for _ in range(50):
                case.expect(client, "PUBREC", id=5)
            client.history.clear()

    flood(2000)
    before = case.rss_kib()
    flood(20000)
    case.grows_less_than(512, before)


def vuln_18_many_identifiers(case):
    """QoS 2 messages under many identifiers, never released, end at the Receive Maximum"""
    case.start("limits.inflight=20")
    client = case.connect("rude")
    for number in range(1, 21):
        client.send_packet("PUBLISH", {"topic": b"t", "qos": 2, "id": number, "payload": b"x"})
        case.expect(client, "PUBREC", id=number)
    client.send_packet("PUBLISH", {"topic": b"t", "qos": 2, "id": 21, "payload": b"x"})
    assert case.ends(client).fields["reason"] == 0x93


def vuln_18_a_receiver_that_never_answers(case):
    """A subscriber that acknowledges nothing costs a bounded queue"""
    case.start("limits.queued_messages=500", "limits.queue_full=drop")
    silent = case.connect("silent")
    case.subscribe(silent, b"t", qos=2)
    source = case.connect("source")

    def flood(count):
        for _ in range(count // 20):
            first = source.next_id
            for _ in range(20):
                source.send_packet("PUBLISH", {"topic": b"t", "qos": 1, "payload": b"x" * 100})
            for number in range(first, first + 20):
                case.expect(source, "PUBACK", id=number)
            source.next_id = 1 if source.next_id > 60000 else source.next_id
            source.history.clear()

    flood(3000)
    before = case.rss_kib()
    flood(12000)
    case.grows_less_than(512, before)
    case.still_serves()


def vuln_37_flood_past_a_reader_that_stops(case):
    """A flood that nobody reads is bounded, and the others are served meanwhile"""
    case.start()
    lazy = case.connect("lazy")
    case.subscribe(lazy, b"flood", qos=0)
    source = case.connect("source")
    other = case.connect("other")
    case.still_serves()
    before = case.rss_kib()
    piece = wire.encode("PUBLISH", 5, {"topic": b"flood", "payload": b"x" * 10000}) * 20
    source.socket.setblocking(False)
    sent, slowest = 0, 0.0
    deadline = time.monotonic() + 20 * case.options.slowness
    while sent < 150 << 20 and time.monotonic() < deadline:
        _, writable, _ = select.select([], [source.socket], [], 0.2)
        if not writable:
            break    # back-pressure is as good as dropping
        sent += source.socket.send(piece[sent % len(piece):])
        if sent >> 24 != (sent - len(piece)) >> 24:
            started = time.monotonic()
            other.fence(case.patience_s)
            slowest = max(slowest, time.monotonic() - started)
    case.grows_less_than(32768, before)
    assert slowest < 2.0 * case.options.slowness, f"another client waited {slowest:.1f} s"
    case.still_serves()


def vuln_37_flood_of_qos_1_from_many(case):
    """Many publishers at full speed into one subscriber: everything is bounded, nothing stands still"""
    case.start("limits.queue_full=drop")
    sink = case.connect("sink")
    case.subscribe(sink, b"in/#", qos=1)
    sources = [case.connect(f"s{n}", level=4) for n in range(20)]
    for source in sources:
        block = b"".join(wire.encode("PUBLISH", 4, {"topic": b"in/x", "qos": 1, "id": n,
                                                    "payload": b"x" * 200}) for n in range(1, 501))
        source.send_raw(block)
    for source in sources:
        for number in range(1, 501):
            case.expect(source, "PUBACK", id=number)
    case.still_serves()
