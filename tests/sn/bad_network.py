"""MQTT-SN over a network that loses, doubles and reorders datagrams (tests/datagram/proxy.py): QoS 2
arrives once, QoS 1 at least once, a sleeper gets everything, and an address that changes does
not give a session away."""

import os
import struct
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
for folder in ("daemon", "datagram"):
    sys.path.insert(1, os.path.join(os.path.dirname(HERE), folder))
sys.path.insert(1, HERE)
sys.dont_write_bytecode = True
import process  # noqa: E402
from client import CLEAN, Client  # noqa: E402
from proxy import Path, Proxy  # noqa: E402
from udp import Sn  # noqa: E402

AGAIN_S, PATIENCE_S = 0.2, 60


class Patient(Client):
    """A client that sends again what is not answered, and answers what it is sent."""

    def __init__(self, address):
        super().__init__(address[1], address[0])
        self.got = []        # payloads delivered, in order
        self.open_ids = set()  # QoS 2 messages received and not released
        self.over = []         # and those released last: one of their datagrams may come late
        self.number = 0

    def _answer(self, message):
        kind, msg_id = message["type"], message.get("msg_id")
        if kind == "REGISTER":
            self.say("REGACK", struct.pack(">HHB", message["topic_id"], msg_id, 0))
        elif kind == "PUBLISH":
            qos = message["flags"] >> 5 & 3
            if qos == 2 and (msg_id in self.open_ids or msg_id in self.over):
                self.say("PUBREC", struct.pack(">H", msg_id))
                return
            self.got.append(message["text"])
            if qos == 1:
                self.puback(message)
            elif qos == 2:
                self.open_ids.add(msg_id)
                self.say("PUBREC", struct.pack(">H", msg_id))
        elif kind == "PUBREL":
            if msg_id in self.open_ids:
                self.open_ids.discard(msg_id)
                self.over = self.over[-7:] + [msg_id]
            self.say("PUBCOMP", struct.pack(">H", msg_id))

    def ask(self, name, body, answers, msg_id=None, dup=False):
        """Says that until one of the answers has come."""
        until, due = time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < until:
            now = time.monotonic()
            if now >= due:
                self.say(name, body)
                if dup:
                    body, dup = bytes([body[0] | 0x80]) + body[1:], False
                due = now + AGAIN_S
            message = self.hear(max(0.01, due - time.monotonic()))
            if not message:
                continue
            if message["type"] in answers and message.get("msg_id") == msg_id:
                return message
            self._answer(message)
        raise AssertionError(f"{name} is not answered")

    def idle(self, done, seconds=PATIENCE_S):
        """Answers what comes until done() holds."""
        until = time.monotonic() + seconds
        while not done() and time.monotonic() < until:
            message = self.hear(0.1)
            if message:
                self._answer(message)
        assert done(), self.got

    def rest(self):
        """Answers what is still on its way: a PINGRESP that comes late is none to the next PINGREQ."""
        while True:
            message = self.hear(0.5)
            if not message:
                return
            self._answer(message)

    def enter(self, name, flags=CLEAN):
        self.ask("CONNECT", struct.pack(">BBH", flags, 1, 300) + name.encode(), ("CONNACK",))

    def number_of(self, topic):
        self.number += 1
        return self.ask("REGISTER", struct.pack(">HH", 0, self.number) + topic.encode(),
                        ("REGACK",), self.number)["topic_id"]

    def follow(self, topic, qos):
        self.number += 1
        self.ask("SUBSCRIBE", struct.pack(">BH", qos << 5, self.number) + topic.encode(),
                 ("SUBACK",), self.number)

    def hand_over(self, topic_id, payload, qos):
        self.number += 1
        body = struct.pack(">BHH", qos << 5, topic_id, self.number) + payload
        answer = self.ask("PUBLISH", body, ("PUBACK", "PUBREC"), self.number, dup=True)
        assert answer.get("code", 0) == 0, answer
        if qos == 2:
            self.ask("PUBREL", struct.pack(">H", self.number), ("PUBCOMP",), self.number)


class BadNetwork(Sn):
    options = ["retry: 200ms", "retries: 50", "trust_sources: true"]
    count = 25

    def patient(self, path, seed):
        proxy = self.enter(Proxy(("127.0.0.1", self.port), seed=seed))
        proxy.set(to_server=path, to_client=path)
        return proxy, self.enter(Patient(proxy.address))

    def through(self, qos):
        path = Path(loss=0.2, duplicate=0.1, reorder=0.1)
        _, receiver = self.patient(path, 1)
        _, sender = self.patient(path, 2)
        receiver.enter("receiver")
        receiver.follow("numbers", qos)
        sender.enter("sender")
        topic_id = sender.number_of("numbers")
        wanted = [b"%d" % number for number in range(self.count)]
        for payload in wanted:
            sender.hand_over(topic_id, payload, qos)
        receiver.idle(lambda: wanted[-1] in receiver.got)
        return wanted, receiver

    def test_qos_2_arrives_once_and_in_order(self):
        wanted, receiver = self.through(2)
        self.assertEqual(receiver.got, wanted)

    def test_qos_1_arrives_at_least_once(self):
        wanted, receiver = self.through(1)
        self.assertEqual(set(receiver.got), set(wanted))

    def test_a_sleeper_gets_everything(self):
        path = Path(loss=0.2, duplicate=0.1)
        _, sleeper = self.patient(path, 3)
        sleeper.enter("sleeper", flags=0)
        sleeper.follow("numbers", 2)
        sender = self.enter(Patient(("127.0.0.1", self.port)))
        sender.enter("sender")
        topic_id = sender.number_of("numbers")
        wanted = [b"%d" % number for number in range(15)]
        for start in range(0, 15, 5):
            sleeper.ask("DISCONNECT", struct.pack(">H", 60), ("DISCONNECT",))
            for payload in wanted[start:start + 5]:
                sender.hand_over(topic_id, payload, 2)
            sleeper.rest()
            sleeper.ask("PINGREQ", b"sleeper", ("PINGRESP",))
        self.assertEqual(sleeper.got, wanted)

    def test_a_new_address_does_not_give_the_session_away(self):
        proxy, device = self.patient(Path(), 4)
        device.enter("device", flags=0)
        device.follow("secret", 1)
        device.say("DISCONNECT", struct.pack(">H", 60))
        device.await_type("DISCONNECT")
        sender = self.enter(Patient(("127.0.0.1", self.port)))
        sender.enter("sender")
        sender.hand_over(sender.number_of("secret"), b"x", 1)
        proxy.rebind()
        device.say("PINGREQ", b"device")
        device.await_type("DISCONNECT")
        device.enter("device", flags=0)  # CONNECT may, as the guide says
        device.idle(lambda: device.got == [b"x"])


del Sn  # it has no tests of its own

if __name__ == "__main__":
    process.main()
