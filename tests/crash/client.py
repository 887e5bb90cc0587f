"""MQTT 3.1.1 clients that remember, on one selector: what a crash test needs of a device.

A client here is honest about QoS: it keeps what it has sent until it is answered, sends it again on
the next connection (PUBLISH with DUP, or PUBREL once PUBREC has come), remembers the QoS 2
identifiers it has received until they are released, and writes down what it was promised
(`acknowledged`) and what it was given (`received`). It never crashes itself: only the broker does.
"""

import collections
import errno
import selectors
import socket
import struct
import time

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK = 2, 3, 4, 5, 6, 7, 9
SERVER_UNAVAILABLE = 3


def text(value):
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def packet(head, body):
    size, length = bytearray(), len(body)
    while True:
        size.append(length & 127 | (128 if length > 127 else 0))
        length >>= 7
        if not length:
            return bytes([head]) + bytes(size) + body


def packets(buffer):
    """Cuts whole packets off the front of a bytearray: (first byte, body)."""
    at = 0
    while True:
        size, shift, end = 0, 0, at + 1
        while end < len(buffer):
            byte = buffer[end]
            size |= (byte & 127) << shift
            shift += 7
            end += 1
            if not byte & 128:
                break
        else:
            break
        if len(buffer) - end < size:
            break
        yield buffer[at], bytes(buffer[end:end + size])
        at = end + size
    del buffer[:at]


class Client:
    """One persistent session. `publishes` is asked for (topic, payload, qos, retain) or None when
    the window has room; without it the client only subscribes."""

    def __init__(self, name, subscriptions=(), publishes=None, window=20):
        self.name, self.subscriptions, self.publishes = name, subscriptions, publishes
        self.window = window
        self.socket, self.incoming, self.outgoing = None, bytearray(), bytearray()
        self.ready, self.subscribed = False, not subscriptions
        self.may_be_refused = False  # for want of memory or room
        self.present = None  # what the last CONNACK said of the session
        self.had_session = False
        self.next_id = 0
        self.sent = collections.OrderedDict()  # packet id: [topic, payload, qos, retain, released]
        self.acknowledged = []                 # (topic, payload, qos, retain), in order
        self.held = set()                      # QoS 2 ids received and not released
        self.received = []                     # (topic, payload, qos)

    # ---- the connection ----

    def connect(self, selector, port):
        self.drop(selector)
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.outgoing += packet(0x10, text("MQTT") + bytes([4, 0]) + struct.pack("!H", 600) +
                                text(self.name))
        selector.register(self.socket, selectors.EVENT_READ, self)

    def drop(self, selector):
        if self.socket:
            selector.unregister(self.socket)
            self.socket.close()
        self.socket, self.ready = None, False
        self.incoming.clear()
        self.outgoing.clear()

    def flush(self):
        """Sends what the kernel takes. False: the connection is gone."""
        if not self.outgoing:
            return True
        try:
            del self.outgoing[:self.socket.send(self.outgoing)]
        except OSError as error:
            return error.errno in (errno.EAGAIN, errno.EWOULDBLOCK)
        return True

    def read(self):
        """Takes in what has arrived and answers. False: the connection is gone."""
        try:
            data = self.socket.recv(65536)
        except OSError as error:
            return error.errno in (errno.EAGAIN, errno.EWOULDBLOCK)
        self.incoming += data
        for head, body in packets(self.incoming):
            self.take(head, body)
        return bool(data)

    # ---- sending ----

    def pump(self):
        while self.ready and self.publishes and len(self.sent) < self.window:
            item = self.publishes()
            if not item:
                return
            topic, payload, qos, retain = item
            self.next_id = self.next_id % 65535 + 1
            while self.next_id in self.sent:
                self.next_id = self.next_id % 65535 + 1
            self.sent[self.next_id] = [topic, payload, qos, retain, False]
            self.send_publish(self.next_id, False)

    def send_publish(self, packet_id, dup):
        topic, payload, qos, retain, _ = self.sent[packet_id]
        self.outgoing += packet(0x30 | dup << 3 | qos << 1 | retain,
                                text(topic) + struct.pack("!H", packet_id) + payload)

    def answer(self, kind, packet_id):
        self.outgoing += bytes([kind << 4 | (2 if kind == PUBREL else 0), 2, packet_id >> 8,
                                packet_id & 255])

    # ---- receiving ----

    def take(self, head, body):
        kind = head >> 4
        if kind == CONNACK:
            self.welcome(body)
        elif kind == PUBLISH:
            self.take_publish(head, body)
        elif kind == SUBACK:
            self.subscribed = True
        else:
            self.take_answer(kind, struct.unpack("!H", body[:2])[0])

    def welcome(self, body):
        if self.may_be_refused and body[1] == SERVER_UNAVAILABLE:
            return  # the broker closes the connection
        assert body[1] == 0, f"{self.name}: refused with {body[1]}"
        self.present = bool(body[0])
        assert self.present or not self.had_session, f"{self.name}: its session is lost"
        self.ready = self.had_session = True
        for packet_id, (_, _, _, _, released) in self.sent.items():
            if released:
                self.answer(PUBREL, packet_id)
            else:
                self.send_publish(packet_id, True)
        if not self.subscribed:
            body = struct.pack("!H", 65535)
            for pattern, qos in self.subscriptions:
                body += text(pattern) + bytes([qos])
            self.outgoing += packet(0x82, body)

    def take_publish(self, head, body):
        qos, size = head >> 1 & 3, struct.unpack("!H", body[:2])[0]
        topic, rest = body[2:2 + size].decode(), body[2 + size:]
        if qos == 0:
            self.received.append((topic, rest, 0))
            return
        packet_id = struct.unpack("!H", rest[:2])[0]
        if qos == 1 or packet_id not in self.held:
            self.received.append((topic, rest[2:], qos))
        if qos == 2:
            self.held.add(packet_id)
        self.answer(PUBACK if qos == 1 else PUBREC, packet_id)

    def take_answer(self, kind, packet_id):
        if kind == PUBREL:
            self.held.discard(packet_id)
            self.answer(PUBCOMP, packet_id)
            return
        item = self.sent.get(packet_id)
        if not item:
            if kind == PUBREC:  # answered on the connection before; let the broker finish
                self.answer(PUBREL, packet_id)
            return
        if kind == PUBREC:
            if not item[4]:
                self.acknowledged.append(tuple(item[:4]))  # the broker owns it from here on
            item[4] = True
            self.answer(PUBREL, packet_id)
        elif kind == (PUBACK if item[2] == 1 else PUBCOMP):
            if kind == PUBACK:
                self.acknowledged.append(tuple(item[:4]))
            del self.sent[packet_id]


class Fleet:
    """Clients on one selector."""

    def __init__(self, clients):
        self.clients, self.selector = list(clients), selectors.DefaultSelector()

    def connect(self, port, clients=None):
        for client in self.clients if clients is None else clients:
            client.connect(self.selector, port)

    def drop(self):
        for client in self.clients:
            client.drop(self.selector)

    def run(self, until):
        """Lets the clients work until `until(self)` is true or the time that it returns a number
        for has come; False when all connections were lost before."""
        while True:
            alive = [client for client in self.clients if client.socket]
            if not alive:
                return False
            for client in alive:
                client.pump()
                if not client.flush():
                    client.drop(self.selector)
            if until(self):
                return True
            for key, _ in self.selector.select(0.002):
                if key.data.socket and not key.data.read():
                    key.data.drop(self.selector)

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        return self.run(lambda fleet: time.monotonic() >= end)
