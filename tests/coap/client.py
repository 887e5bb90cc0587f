"""A small CoAP client for the tests of this folder: datagrams in, datagrams out, nothing hidden."""

import os
import socket
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.dont_write_bytecode = True
import process  # noqa: E402

GET, POST, PUT, DELETE, FETCH, PATCH, IPATCH = range(1, 8)
CON, NON, ACK, RST = range(4)
(IF_MATCH, URI_HOST, ETAG, IF_NONE_MATCH, OBSERVE, URI_PORT, LOCATION_PATH) = (1, 3, 4, 5, 6, 7, 8)
(URI_PATH, CONTENT_FORMAT, MAX_AGE, URI_QUERY, ACCEPT, BLOCK2, BLOCK1, SIZE2, SIZE1, ECHO) = (
    11, 12, 14, 15, 17, 23, 27, 28, 60, 252)


def number(value):
    """A number as an option's value: as few bytes as it takes."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def block(num, more, szx):
    return number(num << 4 | more << 3 | szx)


def nibble(value):
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, (value - 269).to_bytes(2, "big")


class Message:
    """One CoAP message."""

    def __init__(self, code, kind=CON, mid=0, token=b"", options=(), payload=b""):
        self.code, self.kind, self.mid, self.token = code, kind, mid, token
        self.options, self.payload = list(options), payload

    def encode(self):
        length, extension = nibble(len(self.token))
        out = bytes([0x40 | self.kind << 4 | length, self.code]) + self.mid.to_bytes(2, "big")
        out += extension + self.token
        last = 0
        for which, value in sorted(self.options, key=lambda pair: pair[0]):
            delta, more = nibble(which - last)
            size, rest = nibble(len(value))
            out += bytes([delta << 4 | size]) + more + rest + value
            last = which
        return out + (b"\xff" + self.payload if self.payload else b"")

    @staticmethod
    def decode(data):
        def extended(value, at):
            if value == 13:
                return data[at] + 13, at + 1
            if value == 14:
                return int.from_bytes(data[at:at + 2], "big") + 269, at + 2
            assert value != 15
            return value, at
        assert data[0] >> 6 == 1
        length, at = extended(data[0] & 15, 4)
        message = Message(data[1], data[0] >> 4 & 3, int.from_bytes(data[2:4], "big"),
                          data[at:at + length])
        at += length
        last = 0
        while at < len(data) and data[at] != 0xff:
            head = data[at]
            delta, at = extended(head >> 4, at + 1)
            size, at = extended(head & 15, at)
            last += delta
            message.options.append((last, data[at:at + size]))
            at += size
            assert at <= len(data)
        message.payload = data[at + 1:]
        assert at == len(data) or message.payload
        return message

    def values(self, which):
        return [value for number_, value in self.options if number_ == which]

    def value(self, which):
        """The number of that option, or None without one."""
        found = self.values(which)
        return int.from_bytes(found[0], "big") if found else None

    @property
    def text(self):
        """The code as it is written: "2.05"."""
        return f"{self.code >> 5}.{self.code & 31:02}"


class Endpoint:
    """One address that speaks CoAP."""

    def __init__(self, port, family=socket.AF_INET):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1" if family == socket.AF_INET else "::1", port))
        self.mid = 1000

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, message):
        data = message if isinstance(message, bytes) else message.encode()
        self.socket.send(data)
        return len(data)

    def hear(self, seconds=10):
        """The next message, or None."""
        self.socket.settimeout(seconds)
        try:
            return Message.decode(self.socket.recv(65536))
        except socket.timeout:
            return None

    def request(self, code, path, payload=b"", options=(), kind=CON, token=b"", query=()):
        self.mid += 1
        levels = [(URI_PATH, level.encode()) for level in path.split("/")] if path else []
        queries = [(URI_QUERY, one.encode()) for one in query]
        return Message(code, kind, self.mid, token, levels + queries + list(options), payload)

    def ask(self, code, path, payload=b"", options=(), **rest):
        """Sends a request, proves the address when asked to, and returns the answer."""
        self.say(self.request(code, path, payload, options, **rest))
        answer = self.hear()
        assert answer is not None, f"no answer to {code} {path}"
        if answer.text == "4.01" and answer.values(ECHO):
            proof = [(ECHO, answer.values(ECHO)[0])]
            self.say(self.request(code, path, payload, list(options) + proof, **rest))
            answer = self.hear()
            assert answer is not None, f"no answer to {code} {path} with Echo"
        return answer

    def acknowledge(self, message, kind=ACK):
        self.say(Message(0, kind, message.mid))


def config(mqtt, coap, listener="anonymous: true", rest=""):
    """The text of a configuration with an MQTT listener and one of CoAP on udp."""
    lines = ["  - name: coap", "    protocol: coap", "    transport: udp",
             f"    bind: 127.0.0.1:{coap}", *("    " + line for line in listener.split("\n"))]
    return process.config(mqtt, rest=rest) + "".join(f"{line}\n" for line in lines)


def publish_packet(topic, payload, qos=0, retain=False, properties=b""):
    """An MQTT 5.0 PUBLISH."""
    body = len(topic).to_bytes(2, "big") + topic + (b"\x00\x07" if qos else b"")
    body += bytes([len(properties)]) + properties + payload
    length = bytearray()
    left = len(body)
    while True:
        length.append(left % 128 | (128 if left >= 128 else 0))
        left //= 128
        if not left:
            return bytes([0x30 | qos << 1 | retain]) + bytes(length) + body


def subscribe_packet(topic, qos=1):
    body = b"\x00\x01\x00" + len(topic).to_bytes(2, "big") + topic + bytes([qos])
    return bytes([0x82, len(body)]) + body
