"""umqtt.simple of MicroPython: the same names, written for these tests (MQTT 3.1.1)."""

import select
import socket


class MQTTException(Exception):
    pass


def text(value):
    return len(value).to_bytes(2, "big") + value


class MQTTClient:
    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0, ssl=None):
        assert user is None and password is None  # no example has one
        self.client_id, self.server, self.port = client_id.encode(), server, port
        self.keepalive, self.ssl, self.number = keepalive, ssl, 0
        self.taken = self.socket = None

    def set_callback(self, taken):
        self.taken = taken

    def connect(self):
        self.socket = socket.create_connection((self.server, self.port), 10)
        if self.ssl:
            self.socket = self.ssl.wrap_socket(self.socket, server_hostname=self.server)
        body = text(b"MQTT") + b"\x04\x02" + self.keepalive.to_bytes(2, "big")
        self.send(0x10, body + text(self.client_id))
        first, packet = self.packet()
        if first != 0x20 or packet[1]:
            raise MQTTException(packet[1])

    def send(self, first, body):
        size, length = b"", len(body)
        while True:
            size += bytes([length & 127 | (128 if length > 127 else 0)])
            length >>= 7
            if not length:
                break
        self.socket.sendall(bytes([first]) + size + body)

    def take(self, count):
        got = b""
        while len(got) < count:
            piece = self.socket.recv(count - len(got))
            if not piece:
                raise OSError(-1)
            got += piece
        return got

    def packet(self):
        first, length, shift = self.take(1)[0], 0, 0
        while True:
            byte = self.take(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first, self.take(length)

    def publish(self, topic, message, retain=False, qos=0):
        assert qos == 0
        self.send(0x30 | retain, text(topic) + message)

    def subscribe(self, topic, qos=0):
        self.number += 1
        self.send(0x82, self.number.to_bytes(2, "big") + text(topic) + bytes([qos]))
        while True:
            first, packet = self.packet()
            if first == 0x90:
                if packet[2] == 0x80:
                    raise MQTTException(packet[2])
                return
            self.deal(first, packet)

    def ping(self):
        self.send(0xC0, b"")

    def check_msg(self):
        pending = self.ssl and self.socket.pending()
        if pending or select.select([self.socket], [], [], 0)[0]:
            self.deal(*self.packet())

    def deal(self, first, packet):
        if first & 0xF0 != 0x30:
            return
        end = 2 + int.from_bytes(packet[:2], "big")
        qos, payload = first >> 1 & 3, end
        if qos:
            self.send(0x40, packet[end:end + 2])
            payload = end + 2
        self.taken(packet[2:end], packet[payload:])
