"""A small MQTT-SN 1.2 client for the tests: messages as dictionaries, one socket per device.

    with Client(port) as device:
        device.connect("one")
        device.publish_short("ab", b"21.5", qos=1)
"""

import socket
import struct

TYPES = {
    0x00: "ADVERTISE", 0x01: "SEARCHGW", 0x02: "GWINFO", 0x04: "CONNECT", 0x05: "CONNACK",
    0x06: "WILLTOPICREQ", 0x07: "WILLTOPIC", 0x08: "WILLMSGREQ", 0x09: "WILLMSG",
    0x0A: "REGISTER", 0x0B: "REGACK", 0x0C: "PUBLISH", 0x0D: "PUBACK", 0x0E: "PUBCOMP",
    0x0F: "PUBREC", 0x10: "PUBREL", 0x12: "SUBSCRIBE", 0x13: "SUBACK", 0x14: "UNSUBSCRIBE",
    0x15: "UNSUBACK", 0x16: "PINGREQ", 0x17: "PINGRESP", 0x18: "DISCONNECT",
    0x1A: "WILLTOPICUPD", 0x1B: "WILLTOPICRESP", 0x1C: "WILLMSGUPD", 0x1D: "WILLMSGRESP"}
NUMBERS = {name: number for number, name in TYPES.items()}

# What siotd sends: the fields behind the type.
FIELDS = {
    "ADVERTISE": (">BH", ("gateway", "duration")), "GWINFO": (">B", ("gateway",)),
    "CONNACK": (">B", ("code",)), "REGISTER": (">HH", ("topic_id", "msg_id")),
    "REGACK": (">HHB", ("topic_id", "msg_id", "code")),
    "PUBLISH": (">BHH", ("flags", "topic_id", "msg_id")),
    "PUBACK": (">HHB", ("topic_id", "msg_id", "code")), "PUBREC": (">H", ("msg_id",)),
    "PUBREL": (">H", ("msg_id",)), "PUBCOMP": (">H", ("msg_id",)),
    "SUBACK": (">BHHB", ("flags", "topic_id", "msg_id", "code")), "UNSUBACK": (">H", ("msg_id",)),
    "WILLTOPICRESP": (">B", ("code",)), "WILLMSGRESP": (">B", ("code",))}

WILL, CLEAN, RETAIN, DUP = 0x08, 0x04, 0x10, 0x80
NORMAL, PREDEFINED, SHORT = 0, 1, 2


def pack(name, body=b""):
    """A whole message; three bytes of length where one is not enough."""
    size = len(body) + 2
    head = bytes([size]) if size <= 255 else b"\x01" + struct.pack(">H", size + 2)
    return head + bytes([NUMBERS[name]]) + body


def unpack(datagram):
    """A message as a dictionary, "type" and "text" (what is left) included."""
    body = datagram[1:] if datagram[0] != 1 else datagram[3:]
    length = datagram[0] if datagram[0] != 1 else struct.unpack(">H", datagram[1:3])[0]
    assert length == len(datagram), f"length {length} of {len(datagram)} bytes"
    message = {"type": TYPES[body[0]]}
    layout, names = FIELDS.get(message["type"], (">", ()))
    size = struct.calcsize(layout)
    message.update(zip(names, struct.unpack(layout, body[1:1 + size])))
    message["text"] = body[1 + size:]
    return message


class Client:
    """One device at one port."""

    def __init__(self, port, host="127.0.0.1", seen=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, port))
        self.seen = seen  # a list that gets every datagram: (whether from siotd, bytes)
        self.next_id = 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, name, body=b""):
        self.say_bytes(pack(name, body))

    def say_bytes(self, datagram):
        if self.seen is not None:
            self.seen.append((False, datagram))
        self.socket.send(datagram)

    def hear_bytes(self, seconds=10):
        """The next datagram, or None."""
        self.socket.settimeout(seconds)
        try:
            datagram = self.socket.recv(65536)
        except socket.timeout:
            return None
        if self.seen is not None:
            self.seen.append((True, datagram))
        return datagram

    def hear(self, seconds=10):
        """The next message, or None."""
        datagram = self.hear_bytes(seconds)
        return unpack(datagram) if datagram is not None else None

    def await_type(self, name, seconds=10):
        """The next message, which must be of that type."""
        message = self.hear(seconds)
        if message and message["type"] == "REGISTER" and name != "REGISTER":
            self.accept(message)  # it may come at any time
            message = self.hear(seconds)
        assert message and message["type"] == name, f"{message} instead of {name}"
        return message

    def answer_register(self, seconds=10):
        """The next message must be REGISTER; accepts it."""
        asked = self.await_type("REGISTER", seconds)
        self.accept(asked)
        return asked

    def accept(self, asked):
        self.say("REGACK", struct.pack(">HHB", asked["topic_id"], asked["msg_id"], 0))

    # --- dialogues ---

    def _id(self):
        self.next_id = self.next_id % 65535 + 1
        return self.next_id

    def connect(self, client_id, flags=CLEAN, duration=60, code=0):
        self.say("CONNECT", struct.pack(">BBH", flags, 1, duration) + client_id.encode())
        if flags & WILL:
            return
        assert self.await_type("CONNACK")["code"] == code

    def register(self, topic):
        self.say("REGISTER", struct.pack(">HH", 0, self._id()) + topic.encode())
        answer = self.await_type("REGACK")
        assert answer["code"] == 0, answer
        return answer["topic_id"]

    def subscribe(self, topic, qos=0, code=0):
        """SUBACK comes before anything else."""
        self.say("SUBSCRIBE", struct.pack(">BH", qos << 5, self._id()) + topic.encode())
        answer = self.hear()
        assert answer and answer["type"] == "SUBACK", answer
        assert answer["code"] == code, answer
        return answer["topic_id"]

    def prove(self, topic_id):
        """Shows siotd on udp that we are here: what we have published to a topic that we have
        subscribed to is announced by the REGISTER that asks for it. Returns that."""
        self.publish(topic_id, b"?")
        asked = self.answer_register()
        assert self.await_type("PUBLISH")["text"] == b"?"
        return asked

    def publish(self, topic_id, payload, qos=0, kind=NORMAL, flags=0, msg_id=None):
        """Returns the return code; None where nothing is answered."""
        msg_id = (msg_id or self._id()) if qos in (1, 2) else 0
        self.say("PUBLISH",
                 struct.pack(">BHH", flags | (qos & 3) << 5 | kind, topic_id, msg_id) + payload)
        if qos == 1:
            return self.await_type("PUBACK")["code"]
        if qos == 2:
            answer = self.hear()
            if answer["type"] == "PUBACK":
                return answer["code"]
            assert answer["type"] == "PUBREC" and answer["msg_id"] == msg_id, answer
            self.say("PUBREL", struct.pack(">H", msg_id))
            assert self.await_type("PUBCOMP")["msg_id"] == msg_id
            return 0
        return None

    def puback(self, message):
        self.say("PUBACK", struct.pack(">HHB", message["topic_id"], message["msg_id"], 0))

    def sleep(self, seconds):
        self.say("DISCONNECT", struct.pack(">H", seconds))
        self.await_type("DISCONNECT")

    def disconnect(self):
        self.say("DISCONNECT")
        self.await_type("DISCONNECT")


def short(name):
    """The topic id of a name of two bytes."""
    return struct.unpack(">H", name.encode())[0]
