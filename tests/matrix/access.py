"""One set of rules over all protocols and transports: who proves himself by certificate or by
pre-shared key is the same user everywhere, who does not is the anonymous; a refusal shows in each
protocol's own words. And what is particular about datagrams: QoS -1, wills of MQTT-SN, devices
that change their address."""

import socket
import unittest

from devices import LEGS, PROTECTED, House, Refused, Tunnel, process, sn

RULES = """\
auth:
  acl:
    - {allow: [publish, subscribe], user: root, topics: ["#"]}
    - {allow: [publish, subscribe], user: device, topics: ["own/%u/#"]}
    - {deny: [publish, subscribe, receive], topics: ["open/secret/#"]}
    - {allow: [publish, subscribe], topics: ["open/#"]}
"""
# Everybody may subscribe to everything, and receive what is open.
READING = RULES + """\
    - {deny: [receive], topics: ["#"]}
    - {allow: [subscribe], topics: ["#"]}
"""
# What each protocol says to a publisher and to a subscriber who may not.
DENIED = {"mqtt": "0x87", "raw": "ERR denied", "mqtt-sn": "code 3", "coap": "4.03"}
ON_DTLS = tuple(leg for leg in LEGS if leg.endswith("/dtls"))


class InHouse(unittest.TestCase):
    rest, anonymous = "", True

    def setUp(self):
        self.house = House(self.rest, self.anonymous)
        self.addCleanup(self.house.close)
        self.device = self.house.device

    def denied(self, leg, answer):
        """`leg` may say more behind a blank when who asks has proven himself."""
        wanted = DENIED[leg.split("/")[0]]
        if leg == "coap/dtls":
            wanted = "4.01"  # the anonymous could prove himself there (RFC 7252 section 5.9.2.2)
        self.assertEqual(answer, wanted)

    def proven(self, who):
        """Everybody who can be that user: (leg, by what)."""
        yield "mqtt/tls", self.device("mqtt/tls", who)
        for leg in ON_DTLS:
            for how in ("psk", "certificate"):
                yield f"{leg} by {how}", self.device(leg, who, how)


class Rules(InHouse):
    rest = RULES

    def after_proofs(self, device):
        """The next message but those with which addresses are proven, and $SYS."""
        while True:
            heard = device.hear()
            if not heard or not heard.topic.startswith(("$SYS", "open/proof/")):
                return heard

    def test_the_anonymous_publish_where_they_may_and_nowhere_else(self):
        root = self.device("mqtt/tls", "root")
        root.subscribe("#")
        for leg in LEGS:
            device = self.device(leg)
            for topic in ("open/secret/a", "own/device/a", "own//a", "elsewhere", "$SYS/a"):
                answer = device.publish(topic, b"no", 1)
                if topic == "$SYS/a" and leg.startswith("mqtt/"):
                    self.assertIsNotNone(answer)
                else:
                    self.denied(leg, answer)
            self.assertIsNone(device.publish("open/a", b"yes", 1))
            heard = self.after_proofs(root)
            self.assertEqual((heard.topic, heard.payload), ("open/a", b"yes"), leg)

    def test_without_an_answer_a_denied_publish_is_dropped_all_the_same(self):
        root = self.device("mqtt/tls", "root")
        root.subscribe("open/#")
        root.subscribe("elsewhere/#")
        for leg in LEGS:
            device = self.device(leg)
            device.publish("open/secret/a", b"no", 0)
            if leg.startswith("mqtt-sn"):
                device.turn(2)  # PUBACK says so even for QoS 0
            device.publish("elsewhere/a", b"no", 0)
            device.publish("open/b", b"yes", 0)
            heard = self.after_proofs(root)
            self.assertEqual((heard.topic, heard.payload), ("open/b", b"yes"), leg)

    def test_the_anonymous_subscribe_where_they_may_and_nowhere_else(self):
        root = self.device("mqtt/tls", "root")
        for leg in LEGS:
            device = self.device(leg)
            for topic in ("open/secret/a", "own/device/a", "elsewhere"):
                self.denied(leg, device.subscribe(topic))
            self.assertIsNone(device.subscribe("open/c"))
            for topic in ("open/secret/a", "own/device/a", "elsewhere", "open/c"):
                self.assertIsNone(root.publish(topic, topic.encode(), 1))
            self.assertEqual(device.hear().topic, "open/c")

    def test_a_proven_device_is_the_same_user_on_every_transport(self):
        root = self.device("mqtt/tls", "root")
        root.subscribe("own/#")
        for leg, device in self.proven("device"):
            with self.subTest(leg=leg):
                self.assertIsNone(device.subscribe("own/device/down"))
                self.assertIsNone(device.publish("own/device/up", leg.encode(), 1))
                self.assertEqual(root.hear().payload, leg.encode())
                root.publish("own/device/down", b"do", 1)
                self.assertEqual(root.hear().payload, b"do")
                self.assertEqual(device.hear().payload, b"do")
                for topic in ("own/root/up", "own/other", "elsewhere", "open/secret/a"):
                    self.denied(leg, device.publish(topic, b"no", 1))
                    self.denied(leg, device.subscribe(topic))
                device.close()

    def test_an_operator_reaches_everything_from_everywhere(self):
        for leg, device in self.proven("root"):
            with self.subTest(leg=leg):
                self.assertIsNone(device.subscribe("open/secret/root"))
                self.assertIsNone(device.publish("open/secret/root", b"1", 1))
                self.assertEqual(device.hear().payload, b"1")
                device.close()


class Reading(InHouse):
    """Who may subscribe to all and receive a part of it."""

    rest = READING

    def test_a_wildcard_brings_only_what_may_be_received(self):
        root = self.device("mqtt/tls", "root")
        for leg in LEGS:
            if leg.startswith("coap"):
                continue  # knows no wildcards
            with self.subTest(leg=leg):
                device = self.device(leg)
                self.assertIsNone(device.subscribe("#"))
                for topic in ("open/secret/a", "elsewhere", "open/a"):
                    root.publish(topic, b"x", 1)
                heard = device.hear()
                self.assertEqual(heard.topic, "open/a")
                device.close()

    def test_retained_values_are_read_by_the_same_rule(self):
        root = self.device("mqtt/tls", "root")
        for topic in ("open/secret/kept", "open/kept"):
            root.publish(topic, b"x", 1, retain=True)
        for leg in LEGS:
            with self.subTest(leg=leg):
                device = self.device(leg)
                refusal = device.subscribe("open/secret/kept")
                if refusal:
                    self.denied(leg, refusal)
                self.assertIsNone(device.hear(0.1))
                device.subscribe("open/kept")
                self.assertEqual(device.hear().topic, "open/kept")
                device.close()


class Closed(InHouse):
    """Listeners that let in whom they know: nobody on udp, devices on tls and dtls."""

    anonymous = False

    def test_the_unproven_stay_outside_everywhere(self):
        for leg in ("mqtt/tcp", "mqtt/tls"):
            with self.subTest(leg=leg), self.assertRaises(AssertionError):
                self.device(leg)
        tunnel = Tunnel(self.house.ports["mqtt-sn/dtls"], self.house.proof(None, None))
        self.addCleanup(tunnel.vanish)
        for port in (self.house.ports["mqtt-sn/udp"], tunnel.port):
            with sn.Client(port) as stranger:
                stranger.say("CONNECT", bytes([sn.CLEAN, 1, 0, 60]) + b"stranger")
                answer = stranger.hear(1)
                self.assertNotEqual(answer and answer.get("code"), 0)
        listener = self.device("mqtt/tls", "root")
        listener.subscribe("a")
        for leg, refusal in (("coap/udp", "4.01"), ("coap/dtls", "4.01"),
                             ("raw/dtls", "ERR denied")):
            with self.subTest(leg=leg):
                self.assertEqual(self.device(leg).publish("a", b"x", 1), refusal)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect(("127.0.0.1", self.house.ports["raw/udp"]))
            stranger.send(b"PUB a id=1\nx")
            stranger.settimeout(5)
            self.assertEqual(stranger.recv(100), b"ERR denied")
        self.assertIsNone(listener.hear(0.1))

    def test_the_proven_come_in(self):
        for leg, device in self.proven("device"):
            with self.subTest(leg=leg):
                self.assertIsNone(device.publish("a", b"x", 1))
                device.close()

    def test_a_wrong_key_gets_nowhere(self):
        key = self.house.keys["device"]
        self.house.keys["device"] = "00" * 32
        try:
            for version in ("1.2", "1.3"):
                with self.subTest(version=version), self.assertRaises(Refused):
                    Tunnel(self.house.ports["raw/dtls"], ["--patience", "3"]
                           + self.house.proof("device", "psk", version))
        finally:
            self.house.keys["device"] = key


class Versions(InHouse):
    """Every protocol over DTLS 1.2 and 1.3, with key, with certificate, as nobody."""

    def test_both_ways(self):
        plain = self.device("mqtt/tcp")
        plain.subscribe("up")
        for leg in ON_DTLS:
            for version in ("1.2", "1.3"):
                for who, how in (("device", "psk"), ("device", "certificate"), (None, None)):
                    with self.subTest(leg=leg, version=version, how=how):
                        device = self.device(leg, who, how, version)
                        device.subscribe("down")
                        for payload in (b"x", b"x" * 900):
                            self.assertIsNone(device.publish("up", payload, 1))
                            self.assertEqual(plain.hear().payload, payload)
                            plain.publish("down", payload, 1)
                            self.assertEqual(device.hear_payload(payload).payload, payload)
                        device.close()


class Addresses(InHouse):
    """A device behind a NAT that forgets: its connection id finds its session."""

    def test_a_connection_id_outlives_an_address(self):
        plain = self.device("mqtt/tcp")
        plain.subscribe("up")
        for leg in ON_DTLS:
            for version in ("1.2", "1.3"):
                with self.subTest(leg=leg, version=version):
                    device = self.device(leg, "device", "psk", version)
                    device.subscribe(f"down/{leg}/{version}")
                    for number in range(3):
                        device.tunnel.rebind()
                        payload = f"{leg} {version} {number}".encode()
                        self.assertIsNone(device.publish("up", payload, 1))
                        self.assertEqual(plain.hear().payload, payload)
                        plain.publish(f"down/{leg}/{version}", payload, 1)
                        self.assertEqual(device.hear().payload, payload)
                    device.close()


class Minus(InHouse):
    rest = RULES + ("mqtt_sn:\n  qos_minus_1: true\n"
                    "  predefined: [\"* 1 open/known\", \"* 2 elsewhere/known\"]\n")

    def say(self, port, number, kind, payload):
        """PUBLISH with QoS -1 from somebody who has not connected."""
        with sn.Client(port) as stranger:
            stranger.publish(number, payload, qos=3, kind=kind)

    def test_qos_minus_1_reaches_all_and_the_rules_hold(self):
        root = self.device("mqtt/tls", "root")
        root.subscribe("open/known")
        root.subscribe("elsewhere/known")
        root.subscribe("ab")
        listeners = {leg: self.device(leg, "root") if leg in PROTECTED else None for leg in LEGS}
        for device in filter(None, listeners.values()):
            self.assertIsNone(device.subscribe("open/known"))
        self.say(self.house.ports["mqtt-sn/udp"], 2, sn.PREDEFINED, b"denied")
        self.say(self.house.ports["mqtt-sn/udp"], sn.short("ab"), sn.SHORT, b"denied")
        self.say(self.house.ports["mqtt-sn/udp"], 1, sn.PREDEFINED, b"anonymous")
        self.assertEqual(root.hear().payload, b"anonymous")
        for leg, device in listeners.items():
            if device:
                self.assertEqual(device.hear().payload, b"anonymous", leg)

    def test_on_dtls_it_is_the_proven_one_who_says_it(self):
        root = self.device("mqtt/tls", "root")
        root.subscribe("elsewhere/known")
        for version in ("1.2", "1.3"):
            for who, arrives in (("device", False), ("root", True)):
                tunnel_owner = self.device("mqtt-sn/dtls", who, "psk", version)
                self.say(tunnel_owner.tunnel.port, 2, sn.PREDEFINED, who.encode())
                heard = root.hear(5 if arrives else 0.3)
                self.assertEqual(heard and heard.payload, b"root" if arrives else None)
                tunnel_owner.vanish()


class MinusOff(InHouse):
    def test_qos_minus_1_is_off_by_default(self):
        plain = self.device("mqtt/tcp")
        plain.subscribe("ab")
        with sn.Client(self.house.ports["mqtt-sn/udp"]) as stranger:
            stranger.publish(sn.short("ab"), b"x", qos=3, kind=sn.SHORT)
            self.assertIsNone(plain.hear(0.3))
            self.assertIsNone(stranger.hear(0.1))


class Wills(InHouse):
    """A will that a device of MQTT-SN leaves is heard wherever there are listeners."""

    def test_it_reaches_all(self):
        listeners = {leg: self.device(leg) for leg in LEGS}
        for leg, listener in listeners.items():
            self.assertIsNone(listener.subscribe("wills/sn"), leg)
        for leg in ("mqtt-sn/udp", "mqtt-sn/dtls"):
            device = self.device(leg, duration=1, will=("wills/sn", leg.encode(), 1))
            device.vanish()
            for coming, listener in listeners.items():
                heard = listener.hear()
                self.assertIsNotNone(heard, f"{coming} hears nothing of {leg}")
                self.assertEqual((heard.payload, heard.qos), (leg.encode(), 1))

    def test_who_says_goodbye_leaves_none(self):
        plain = self.device("mqtt/tcp")
        plain.subscribe("wills/none")
        for leg in ("mqtt-sn/udp", "mqtt-sn/dtls"):
            device = self.device(leg, duration=1, will=("wills/none", b"x", 1))
            device.close()
        self.assertIsNone(plain.hear(2.5))


if __name__ == "__main__":
    process.main()
