"""One client connection of a transcript: a socket, what came over it, and the rules that hold always.

A Client never reads unless asked, and never acknowledges by itself: what a transcript does not
say does not happen. Every packet that arrives is checked against the rules that bind a server
whatever the scenario (size, quota, identifiers, aliases, who may hear a reason string); breaking
one is a wire.Violation, in whatever transcript it happens.
"""

import collections
import socket
import struct
import time

import wire


class Client:
    """A connection by its name in the transcript; stays closed until open() is called."""

    def __init__(self, name, connect_socket):
        self.name, self._connect_socket = name, connect_socket
        self.history = []
        self.socket = None
        self._reset()

    def _reset(self):
        self.level = 4
        self.received = bytearray()
        self.inbox = collections.deque()
        self.closed = self.accepted = self.told_to_go = False
        self.offer = {}
        self.unacknowledged = set()
        self.aliases = {}
        self.next_id = 1

    def open(self):
        self.drop()
        self._reset()
        self.socket = self._connect_socket()
        self.history.append(f"{self.name} opens")

    def drop(self, reset=False):
        """Close our end: in order, and wait until the broker has taken notice, so that what other
        clients do next comes after it; or with a reset as a crashed device would."""
        if self.socket is None:
            return
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self._await_end()
        self.socket.close()
        self.socket = None
        self.accepted = False
        self.history.append(f"{self.name} " + ("resets" if reset else "closes"))

    def _await_end(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(2)
            while self.socket.recv(65536):
                pass
        except OSError:
            pass    # it has ended already, or the broker does not answer in kind

    # ---- sending ----

    def send_packet(self, kind, fields):
        """Send one packet; a missing packet identifier is given the next one of this client."""
        if kind == "CONNECT":
            self.level = fields["level"]
            self.offer = fields
        numbered = kind in ("SUBSCRIBE", "UNSUBSCRIBE") or fields.get("qos", 0) > 0
        if numbered and "id" not in fields:
            fields["id"] = self.next_id
            self.next_id += 1
        fields = {k: v for k, v in fields.items() if k != "level"}
        self._note_acknowledgement(kind, fields)
        self.history.append(f"{self.name} > {wire.Packet(kind, fields)}")
        self._write(wire.encode(kind, self.level, fields))
        return fields

    def send_raw(self, content):
        self.history.append(f"{self.name} > {content[:40].hex(' ')}"
                            + (f" ... ({len(content)} bytes)" if len(content) > 40 else ""))
        if content[:1] == b"\x10" and not self.accepted:
            self.level = None
            for name, level in ((b"MQTT\x05", 5), (b"MQTT\x04", 4), (b"MQIsdp\x03", 3)):
                self.level = level if name in content[:14] else self.level
        if content[:2] in (b"\x40\x02", b"\x70\x02") and len(content) == 4:
            self.unacknowledged.discard(int.from_bytes(content[2:4], "big"))
        self._write(content)

    def _note_acknowledgement(self, kind, fields):
        done = kind in ("PUBACK", "PUBCOMP") or kind == "PUBREC" and fields.get("reason", 0) >= 0x80
        if done:
            self.unacknowledged.discard(fields["id"])

    def _write(self, content):
        try:
            self.socket.sendall(content)
        except (BrokenPipeError, ConnectionResetError):
            pass    # the server has closed: the expectation that follows says whether it may

    # ---- receiving ----

    def next_packet(self, timeout_s):
        """The next packet, or None when none came in time or the server has closed (see closed)."""
        if self.inbox:
            return self.inbox.popleft()
        return self._read_packet(time.monotonic() + timeout_s)

    def _read_packet(self, deadline):
        while True:
            if self.level is None and len(self.received) > 1:
                self.level = 4 if self.received[1] == 2 else 5  # by the shape of the CONNACK
            packet, size = wire.decode(bytes(self.received), self.level or 4)
            if packet:
                del self.received[:size]
                self.history.append(f"{self.name} < {packet}")
                self._check(packet)
                return packet
            if self.closed or self.socket is None:
                return None
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            self.socket.settimeout(remaining)
            try:
                piece = self.socket.recv(65536)
            except TimeoutError:
                return None
            except ConnectionError:
                piece = b""
            finally:
                self.socket.settimeout(30)
            if not piece:
                self.closed = True
                self.history.append(f"{self.name} < closed")
                if self.received:
                    raise wire.Violation("the server closed in the middle of a packet")
            self.received += piece

    def fence(self, timeout_s):
        """Read into the inbox all that the server has for us now: ping, and read until it answers.

        A server answers a PINGREQ after whatever it had queued for this client before.
        """
        if not self.accepted or self.closed or self.socket is None:
            return
        self._write(b"\xc0\x00")
        deadline = time.monotonic() + timeout_s
        waiting = []
        while True:
            packet = self.next_packet(0) if self.inbox else self._read_packet(deadline)
            if packet is None or packet.kind == "PINGRESP":
                break
            waiting.append(packet)
        self.inbox.extend(waiting)
        if packet is None and not self.closed:
            raise wire.Violation(f"no PINGRESP within {timeout_s} s [MQTT-3.12.4-1]")

    # ---- what binds a server always ----

    def _check(self, packet):
        kind, fields = packet.kind, packet.fields
        if self.told_to_go:
            raise wire.Violation(f"{kind} after DISCONNECT [MQTT-3.14.4-1]")
        if packet.size > self.offer.get("maximum_packet_size", 1 << 28):
            raise wire.Violation(f"{kind} of {packet.size} bytes is more than the client's "
                                 f"maximum packet size [MQTT-3.1.2-24]")
        if kind == "CONNACK":
            self._check_connack(fields)
        elif not self.accepted and kind != "AUTH":
            raise wire.Violation(f"{kind} before CONNACK [MQTT-3.2.0-1]")
        if kind == "AUTH" and "authentication_method" not in self.offer:
            raise wire.Violation("AUTH to a client that named no method [MQTT-4.12.0-6]")
        if kind not in ("PUBLISH", "CONNACK", "DISCONNECT"):
            if self.offer.get("request_problem_information") == 0:
                for name in ("reason_string", "user_property"):
                    if name in fields:
                        raise wire.Violation(f"{kind} with {name}, not asked for [MQTT-3.1.2-29]")
        if kind == "PUBLISH":
            self._check_publish(fields)
        self.told_to_go = self.told_to_go or kind == "DISCONNECT"

    def _check_connack(self, fields):
        if self.accepted:
            raise wire.Violation("a second CONNACK [MQTT-3.2.0-2]")
        self.accepted = fields["reason"] == 0
        if self.offer.get("clean_start", 1) and fields["session_present"]:
            raise wire.Violation("session present after a clean start [MQTT-3.2.2-2]")
        if "response_information" in fields and not self.offer.get("request_response_information"):
            raise wire.Violation("response information, not asked for [MQTT-3.1.2-28]")
        if self.level == 5 and fields["reason"] == 0:
            empty = self.offer.get("client_id") == b""
            if empty != ("assigned_client_identifier" in fields):
                raise wire.Violation("an assigned client identifier is owed to a client without "
                                     "one and to nobody else [MQTT-3.2.2-16]")
        if fields.get("receive_maximum") == 0 or fields.get("maximum_packet_size") == 0:
            raise wire.Violation("CONNACK with a maximum of 0")
        if fields.get("maximum_qos", 0) > 1:
            raise wire.Violation("CONNACK with a maximum QoS that is not 0 or 1")

    def _check_publish(self, fields):
        if "topic_alias" in fields:
            alias = fields["topic_alias"]
            if not 0 < alias <= self.offer.get("topic_alias_maximum", 0):
                raise wire.Violation(f"topic alias {alias} was not offered [MQTT-3.1.2-26]")
            fields["wire_topic"] = fields["topic"]
            if fields["topic"]:
                self.aliases[alias] = fields["topic"]
            elif alias not in self.aliases:
                raise wire.Violation(f"topic alias {alias} has no topic [MQTT-3.3.2-7]")
            fields["topic"] = self.aliases[alias]
        elif not fields["topic"]:
            raise wire.Violation("PUBLISH without a topic [MQTT-4.7.3-1]")
        if fields["qos"]:
            if fields["id"] in self.unacknowledged:
                raise wire.Violation(f"packet identifier {fields['id']} is in use [MQTT-2.2.1-4]")
            self.unacknowledged.add(fields["id"])
            if len(self.unacknowledged) > self.offer.get("receive_maximum", 65535):
                raise wire.Violation("more unacknowledged messages than the client's receive "
                                     "maximum [MQTT-3.3.4-9]")
