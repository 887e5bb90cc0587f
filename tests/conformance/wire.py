"""The MQTT wire format as a client sees it, for 3.1, 3.1.1 and 5.0.

This is a second, independent reading of the specifications: it shares nothing with siotd's own
codec, so that the two can disagree. It encodes what a client sends and decodes what a server
sends, strictly: whatever a server must not send is a Violation that names the clause.

A packet is a Packet: a type name and a dict of fields in the words of the specification. Texts
and payloads are bytes throughout, since what arrives need not be well-formed.
"""

LEVELS = {"3.1": 3, "3.1.1": 4, "5": 5}

TYPES = ["RESERVED", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
         "SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT",
         "AUTH"]
NUMBERS = {name: number for number, name in enumerate(TYPES)}

# Properties: identifier -> (name, form, packets a client or a server may put it in, may repeat).
_ACKS = ("PUBACK", "PUBREC", "PUBREL", "PUBCOMP")
_ANSWERS = _ACKS + ("CONNACK", "SUBACK", "UNSUBACK", "DISCONNECT", "AUTH")
PROPERTIES = {
    0x01: ("payload_format_indicator", "byte", ("PUBLISH", "WILL"), False),
    0x02: ("message_expiry_interval", "four", ("PUBLISH", "WILL"), False),
    0x03: ("content_type", "text", ("PUBLISH", "WILL"), False),
    0x08: ("response_topic", "text", ("PUBLISH", "WILL"), False),
    0x09: ("correlation_data", "binary", ("PUBLISH", "WILL"), False),
    0x0b: ("subscription_identifier", "varint", ("PUBLISH", "SUBSCRIBE"), True),
    0x11: ("session_expiry_interval", "four", ("CONNECT", "CONNACK", "DISCONNECT"), False),
    0x12: ("assigned_client_identifier", "text", ("CONNACK",), False),
    0x13: ("server_keep_alive", "two", ("CONNACK",), False),
    0x15: ("authentication_method", "text", ("CONNECT", "CONNACK", "AUTH"), False),
    0x16: ("authentication_data", "binary", ("CONNECT", "CONNACK", "AUTH"), False),
    0x17: ("request_problem_information", "byte", ("CONNECT",), False),
    0x18: ("will_delay_interval", "four", ("WILL",), False),
    0x19: ("request_response_information", "byte", ("CONNECT",), False),
    0x1a: ("response_information", "text", ("CONNACK",), False),
    0x1c: ("server_reference", "text", ("CONNACK", "DISCONNECT"), False),
    0x1f: ("reason_string", "text", _ANSWERS, False),
    0x21: ("receive_maximum", "two", ("CONNECT", "CONNACK"), False),
    0x22: ("topic_alias_maximum", "two", ("CONNECT", "CONNACK"), False),
    0x23: ("topic_alias", "two", ("PUBLISH",), False),
    0x24: ("maximum_qos", "byte", ("CONNACK",), False),
    0x25: ("retain_available", "byte", ("CONNACK",), False),
    0x26: ("user_property", "pair", _ANSWERS + ("CONNECT", "PUBLISH", "WILL", "SUBSCRIBE",
                                                "UNSUBSCRIBE"), True),
    0x27: ("maximum_packet_size", "four", ("CONNECT", "CONNACK"), False),
    0x28: ("wildcard_subscription_available", "byte", ("CONNACK",), False),
    0x29: ("subscription_identifier_available", "byte", ("CONNACK",), False),
    0x2a: ("shared_subscription_available", "byte", ("CONNACK",), False),
}
IDENTIFIERS = {row[0]: identifier for identifier, row in PROPERTIES.items()}

# Reason codes a server may put in each packet (MQTT 5.0 sections 3.2.2.2 to 3.15.2.1).
SERVER_REASONS = {
    "CONNACK": {0, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
                0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F},
    "PUBACK": {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    "PUBREC": {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99},
    "PUBREL": {0, 0x92},
    "PUBCOMP": {0, 0x92},
    "SUBACK": {0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2},
    "UNSUBACK": {0, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91},
    "DISCONNECT": {0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x90, 0x93,
                   0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0,
                   0xA1, 0xA2},
    "AUTH": {0, 0x18},
}
# Fixed header flags of every packet but PUBLISH [MQTT-2.1.3-1].
FLAGS = {"PUBREL": 2, "SUBSCRIBE": 2, "UNSUBSCRIBE": 2}


class Violation(Exception):
    """The server sent what it must not send."""


class Packet:
    """One control packet: its type and its fields; size is what it took on the wire."""

    def __init__(self, kind, fields, size=0):
        self.kind, self.fields, self.size = kind, fields, size

    def __str__(self):
        return " ".join([self.kind] + [f"{k}={show(v)}" for k, v in self.fields.items()])


def show(value):
    """A field's value in the notation of the transcripts."""
    if isinstance(value, bytes):
        text = value if len(value) <= 60 else value[:57] + b"..."
        shown = "".join(chr(b) if 32 <= b < 127 else f"\\x{b:02x}" for b in text)
        return f'"{shown}"' + (f" ({len(value)} bytes)" if len(value) > 60 else "")
    if isinstance(value, tuple):
        return f"{show(value[0])}:{show(value[1])}"
    if isinstance(value, list):
        return "[" + ", ".join(show(v) for v in value) + "]"
    return f"0x{value:02x}" if isinstance(value, int) and value >= 0x80 else str(value)


# ---- encoding -------------------------------------------------------------------------------

def varint(number):
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def two(number):
    return number.to_bytes(2, "big")


def prefixed(content):
    """A string or binary field: two bytes of length, then the bytes."""
    return two(len(content)) + content


def encode_property(name, value):
    identifier = IDENTIFIERS[name]
    form = PROPERTIES[identifier][1]
    head = bytes([identifier])
    if form == "byte":
        return head + bytes([value])
    if form == "two":
        return head + two(value)
    if form == "four":
        return head + value.to_bytes(4, "big")
    if form == "varint":
        return head + varint(value)
    if form == "pair":
        return head + prefixed(value[0]) + prefixed(value[1])
    return head + prefixed(value)


def encode_properties(fields):
    """The property section for those of the fields that are properties, in their order."""
    content = b""
    for name, value in fields.items():
        if name in IDENTIFIERS:
            for one in value if isinstance(value, list) else [value]:
                content += encode_property(name, one)
    return varint(len(content)) + content


def frame(kind, flags, body):
    return bytes([NUMBERS[kind] << 4 | flags]) + varint(len(body)) + body


def encode_connect(level, fields):
    will = {k[5:]: v for k, v in fields.items() if k.startswith("will_")}
    if "delay_interval" in will:
        will["will_delay_interval"] = will.pop("delay_interval")
    flags = 2 if fields.get("clean_start", 1) else 0
    if "topic" in will:
        flags |= 4 | will.get("qos", 0) << 3 | (32 if will.get("retain") else 0)
    flags |= (64 if "password" in fields else 0) | (128 if "username" in fields else 0)
    body = prefixed(b"MQIsdp" if level == 3 else b"MQTT") + bytes([level, flags])
    body += two(fields.get("keep_alive", 60))
    if level == 5:
        body += encode_properties({k: v for k, v in fields.items() if not k.startswith("will_")})
    body += prefixed(fields["client_id"])
    if "topic" in will:
        if level == 5:
            body += encode_properties(will)
        body += prefixed(will["topic"]) + prefixed(will.get("payload", b""))
    for name in ("username", "password"):
        if name in fields:
            body += prefixed(fields[name])
    return frame("CONNECT", 0, body)


def encode(kind, level, fields):
    """The bytes of a packet a client sends. Fields that the version does not have are an error."""
    if level < 5 and kind != "CONNECT":
        strange = [n for n in fields if n in IDENTIFIERS]
        if strange:
            raise ValueError(f"{kind} of 3.x has no property {strange[0]}")
    if kind == "CONNECT":
        return encode_connect(level, fields)
    if kind in ("PINGREQ", "PINGRESP"):
        return frame(kind, 0, b"")
    if kind in ("DISCONNECT", "AUTH"):
        if level < 5 or (not fields):
            return frame(kind, 0, b"")
        body = bytes([fields.get("reason", 0)])
        if len(fields) > ("reason" in fields):
            body += encode_properties(fields)
        return frame(kind, 0, body)
    if kind == "PUBLISH":
        qos = fields.get("qos", 0)
        flags = (8 if fields.get("dup") else 0) | qos << 1 | (1 if fields.get("retain") else 0)
        body = prefixed(fields.get("topic", b""))
        body += two(fields["id"]) if qos else b""
        body += encode_properties(fields) if level == 5 else b""
        return frame(kind, flags, body + fields.get("payload", b""))
    body = two(fields["id"])
    if kind in _ACKS:
        more = [n for n in fields if n not in ("id", "reason")]
        if level == 5 and (fields.get("reason", 0) or more):
            body += bytes([fields.get("reason", 0)])
            body += encode_properties(fields) if more else b""
        return frame(kind, FLAGS.get(kind, 0), body)
    body += encode_properties(fields) if level == 5 else b""
    for topic_filter, options in fields["filters"]:
        body += prefixed(topic_filter)
        if kind == "SUBSCRIBE":
            body += bytes([options.get("qos", 0) | options.get("no_local", 0) << 2
                           | options.get("retain_as_published", 0) << 3
                           | options.get("retain_handling", 0) << 4])
    return frame(kind, FLAGS[kind], body)


# ---- decoding -------------------------------------------------------------------------------

class Reader:
    """A packet's bytes and how far they have been read; reading past the end is a Violation."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def left(self):
        return len(self.content) - self.at

    def take(self, count):
        if self.left() < count:
            raise Violation("a packet is shorter than its fields need")
        self.at += count
        return self.content[self.at - count:self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def binary(self):
        return self.take(self.number(2))

    def text(self):
        value = self.binary()
        try:
            well_formed = "\0" not in value.decode("utf-8")
        except UnicodeDecodeError:
            well_formed = False
        if not well_formed:
            raise Violation(f"a string is not well-formed: {show(value)} [MQTT-1.5.4-1]")
        return value

    def varint(self):
        value, size = read_varint(self.content, self.at)
        if value is None:
            raise Violation("a variable byte integer is cut short")
        self.at += size
        return value


def read_varint(content, at):
    """The value at an offset and its size; None while bytes are missing."""
    value = 0
    for size in range(1, 5):
        if at + size > len(content):
            return None, 0
        digit = content[at + size - 1]
        value |= (digit & 0x7F) << 7 * (size - 1)
        if digit < 0x80:
            if len(varint(value)) != size:
                raise Violation("a variable byte integer is longer than it need be "
                                "[MQTT-1.5.5-1]")
            return value, size
    raise Violation("a variable byte integer has more than four bytes")


def decode_properties(reader, kind, fields):
    section = Reader(reader.take(reader.varint()))
    while section.left():
        identifier = section.varint()
        if identifier not in PROPERTIES:
            raise Violation(f"{kind} has an unknown property 0x{identifier:02x}")
        name, form, packets, repeats = PROPERTIES[identifier]
        if kind not in packets or name == "session_expiry_interval" and kind == "DISCONNECT":
            raise Violation(f"a server must not put {name} in {kind}")
        if form in ("byte", "two", "four"):
            value = section.number({"byte": 1, "two": 2, "four": 4}[form])
        elif form == "varint":
            value = section.varint()
        elif form == "pair":
            value = (section.text(), section.text())
        else:
            value = section.text() if form == "text" else section.binary()
        if repeats:
            fields.setdefault(name, []).append(value)
        elif name in fields:
            raise Violation(f"{kind} has {name} twice")
        else:
            fields[name] = value


def decode_publish(flags, level, reader):
    fields = {"topic": reader.text(), "qos": flags >> 1 & 3, "retain": flags & 1,
              "dup": flags >> 3}
    if fields["qos"] == 3:
        raise Violation("PUBLISH with QoS 3 [MQTT-3.3.1-4]")
    if fields["dup"] and not fields["qos"]:
        raise Violation("PUBLISH with DUP and QoS 0 [MQTT-3.3.1-2]")
    if b"#" in fields["topic"] or b"+" in fields["topic"]:
        raise Violation("PUBLISH with a wildcard in its topic [MQTT-3.3.2-2]")
    if fields["qos"]:
        fields["id"] = reader.number(2)
    if level == 5:
        decode_properties(reader, "PUBLISH", fields)
    fields["payload"] = reader.take(reader.left())
    return fields


def decode_body(kind, flags, level, reader):
    if kind == "PUBLISH":
        return decode_publish(flags, level, reader)
    if flags != FLAGS.get(kind, 0):
        raise Violation(f"{kind} with flags {flags:x} [MQTT-2.1.3-1]")
    fields = {}
    if kind == "PINGRESP":
        return fields
    if kind == "CONNACK":
        fields["session_present"] = reader.number(1)
        if fields["session_present"] > 1:
            raise Violation("CONNACK with reserved flags set [MQTT-3.2.2-1]")
        fields["reason"] = reader.number(1)
        if fields["reason"] and fields["session_present"]:
            raise Violation("a refusing CONNACK says session present [MQTT-3.2.2-6]")
        if level == 5:
            decode_properties(reader, kind, fields)
        return fields
    if kind in _ACKS:
        fields["id"] = reader.number(2)
        fields["reason"] = reader.number(1) if level == 5 and reader.left() else 0
        if level == 5 and reader.left():
            decode_properties(reader, kind, fields)
        return fields
    if kind in ("SUBACK", "UNSUBACK"):
        fields["id"] = reader.number(2)
        if level == 5:
            decode_properties(reader, kind, fields)
        if kind == "SUBACK" or level == 5:
            fields["reasons"] = list(reader.take(reader.left()))
        return fields
    if kind in ("DISCONNECT", "AUTH") and level == 5:
        fields["reason"] = reader.number(1) if reader.left() else 0
        if reader.left():
            decode_properties(reader, kind, fields)
        return fields
    raise Violation(f"a server must not send {kind}")


def check_reasons(kind, level, fields):
    reasons = fields.get("reasons", [fields["reason"]] if "reason" in fields else [])
    if level == 5:
        allowed = SERVER_REASONS.get(kind, set())
    else:
        allowed = {"CONNACK": set(range(6)), "SUBACK": {0, 1, 2, 0x80}}.get(kind, {0})
        if level == 3 and kind == "SUBACK":
            allowed = {0, 1, 2, 0x80}
    for reason in reasons:
        if reason not in allowed:
            raise Violation(f"{kind} with reason 0x{reason:02x}, which it does not have")


def decode(content, level):
    """The first packet of the bytes and its size, or (None, 0) while bytes are missing."""
    if not content:
        return None, 0
    length, size = read_varint(content, 1)
    if length is None or len(content) < 1 + size + length:
        return None, 0
    kind, flags = TYPES[content[0] >> 4], content[0] & 15
    if kind == "RESERVED":
        raise Violation("a packet of type 0")
    reader = Reader(content[1 + size:1 + size + length])
    fields = decode_body(kind, flags, level, reader)
    if reader.left():
        raise Violation(f"{kind} has {reader.left()} bytes too many")
    if fields.get("id") == 0:
        raise Violation(f"{kind} with packet identifier 0 [MQTT-2.2.1-4]")
    check_reasons(kind, level, fields)
    return Packet(kind, fields, 1 + size + length), 1 + size + length
