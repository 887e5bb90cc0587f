"""Many at once: 36 (takeover storm), 43 (everybody reconnects)."""

import resource
import select
import time

import wire
from case import connect_bytes

CONNACK = b"\x20"


def vuln_36_takeover_storm(case):
    """One client identifier, taken over again and again while it publishes: it always ends well"""
    case.start()
    held = []
    publish = wire.encode("PUBLISH", 5, {"topic": b"storm", "qos": 1, "id": 1, "payload": b"x"})
    subscribe = wire.encode("SUBSCRIBE", 5, {"id": 2, "filters": [(b"storm", {"qos": 1})]})
    for turn in range(2000):
        client = case.opened()
        client.send_raw(connect_bytes(5, b"same", clean_start=turn % 2,
                                      session_expiry_interval=turn % 3,
                                      will_topic=b"storm", will_payload=b"w") + subscribe + publish)
        client.history.clear()
        held.append(client)
        if len(held) > 12:
            victim = held.pop(case.random.randrange(len(held)))
            victim.drop(reset=case.random.random() < 0.5)
            case.forget(victim)
    started = time.monotonic()
    last = case.connect("same", clean_start=1)
    assert time.monotonic() - started < 5 * case.options.slowness, "wedged"
    case.subscribe(last, b"after", qos=1)
    last.send_packet("PUBLISH", {"topic": b"after", "qos": 1, "payload": b"x"})
    assert {case.expect_any(last).kind, case.expect_any(last).kind} == {"PUBACK", "PUBLISH"}
    case.still_serves()


def vuln_36_two_fight_for_one_name(case):
    """Two devices with one identifier reconnect as soon as they are thrown out: the broker lives on"""
    case.start()
    bystander = case.connect("bystander")
    first = case.connect("fought-for")
    for _ in range(300):
        second = case.connect("fought-for")
        assert case.ends(first).fields["reason"] == 0x8e
        case.forget(first)
        first = second
    bystander.fence(case.patience_s)
    assert not bystander.closed


def storm(case, count, packet):
    """Connect so many at once; the seconds until the last one was accepted."""
    started = time.monotonic()
    waiting = {}
    for number in range(count):
        client = case.opened()
        client.send_raw(packet(number))
        client.history.clear()
        waiting[client.socket] = client
    sockets, deadline = list(waiting.values()), time.monotonic() + 30 * case.options.slowness
    poll = select.poll()
    by_number = {}
    for connection in waiting:
        poll.register(connection, select.POLLIN)
        by_number[connection.fileno()] = waiting[connection]
    while by_number and time.monotonic() < deadline:
        for number, _ in poll.poll(1000):
            client = by_number.pop(number)
            poll.unregister(number)
            reply = client.socket.recv(4096)
            assert reply[:1] == CONNACK and reply[3] == 0, reply
    assert not by_number, f"{len(by_number)} of {count} were not accepted"
    return time.monotonic() - started, sockets


def vuln_43_everybody_reconnects(case):
    """Thousands of clients drop and reconnect at once: all of them are back soon"""
    count = 3000
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20000), most))
    count = min(count, most // 2 - 100)
    case.start("listener.max_connections=20000")
    for turn in range(3):
        took, sockets = storm(case, count, lambda n: connect_bytes(
            5, b"fleet%d" % n, clean_start=0, session_expiry_interval=100,
            will_topic=b"fleet/%d" % n, will_payload=b"gone"))
        assert took < 15 * case.options.slowness, f"turn {turn}: {took:.1f} s for {count}"
        for client in sockets:
            client.drop(reset=turn == 1)
        case._clients.clear()
    case.still_serves()
