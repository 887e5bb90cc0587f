"""MQTT-SN on udp: what devices and MQTT clients get from each other, and what siotd sends on the
wire, as another program's dissector reads it (tshark; left out where there is none)."""

import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.path.insert(1, HERE)
sys.dont_write_bytecode = True
import process  # noqa: E402
import socket  # noqa: E402
from client import CLEAN, PREDEFINED, RETAIN, SHORT, WILL, Client, pack, short, unpack  # noqa: E402


def mqtt_subscribe(topic, qos=0):
    body = b"\x00\x01" + len(topic).to_bytes(2, "big") + topic + bytes([qos])
    return bytes([0x82, len(body)]) + body


def mqtt_publish(topic, payload, retain=False):
    body = len(topic).to_bytes(2, "big") + topic + payload
    return bytes([0x31 if retain else 0x30, len(body)]) + body


class Sn(unittest.TestCase):
    listener = ["anonymous: true"]
    options = ["retry: 500ms", "retries: 2", 'predefined: ["* 1 known/one", "dev 1 known/dev"]']
    rest = []
    seen = None

    def setUp(self):
        self.mqtt, self.port = process.free_port(), process.free_port()
        rest = "\n".join(self.rest + ["mqtt_sn:"] + ["  " + line for line in self.options])
        text = process.config(self.mqtt, rest=rest) + "".join(
            f"{line}\n" for line in ["  - name: sn", "    protocol: mqtt-sn", "    transport: udp",
                                     f"    bind: 127.0.0.1:{self.port}",
                                     *("    " + line for line in self.listener)])
        self.siotd = self.enter(process.Siotd(text))

    def enter(self, thing):
        value = thing.__enter__()
        self.addCleanup(lambda: thing.__exit__(None, None, None))
        return value

    def device(self):
        return self.enter(Client(self.port, seen=self.seen))

    def mqtt_client(self, topic=None, qos=0):
        client = process.Client(("127.0.0.1", self.mqtt))
        self.addCleanup(client.socket.close)
        self.assertEqual(client.connack(version=4)[0], 0x20)
        if topic:
            client.send(mqtt_subscribe(topic, qos))
            self.assertEqual(client.packet()[0], 0x90)
        return client

    def connected(self, name="dev", **options):
        device = self.device()
        device.connect(name, **options)
        return device

    def subscribed(self, topic, qos=0, name="dev"):
        """A device that has proven its address."""
        device = self.connected(name)
        topic_id = device.subscribe(topic, qos)
        asked = device.prove(topic_id)
        self.assertEqual((asked["topic_id"], asked["text"]), (topic_id, topic.encode()))
        return device, topic_id


class Tree(Sn):
    def test_messages_of_every_qos_and_kind_of_id_reach_mqtt(self):
        client, device = self.mqtt_client(b"#"), self.connected()
        topic_id = device.register("sensors/hall/temperature")
        for qos in (0, 1, 2):
            answer = device.publish(topic_id, b"21.5", qos)
            self.assertEqual(answer, None if qos == 0 else 0)
            self.assertEqual(client.packet()[4:], b"sensors/hall/temperature21.5")
        device.publish(1, b"p", kind=PREDEFINED)
        self.assertEqual(client.packet()[4:], b"known/devp")
        device.publish(short("ab"), b"s", kind=SHORT)
        self.assertEqual(client.packet()[4:], b"abs")

    def test_a_command_of_mqtt_reaches_a_device(self):
        device, topic_id = self.subscribed("commands/led", 1)
        self.mqtt_client().send(mqtt_publish(b"commands/led", b"on"))
        message = device.await_type("PUBLISH")
        self.assertEqual((message["topic_id"], message["text"]), (topic_id, b"on"))

    def test_wildcards_register_each_topic_once(self):
        device, _ = self.subscribed("rooms/1")
        self.assertEqual(device.subscribe("rooms/#"), 0)
        client = self.mqtt_client()
        for _ in range(2):
            client.send(mqtt_publish(b"rooms/2", b"x"))
        asked = device.answer_register()
        self.assertEqual(asked["text"], b"rooms/2")
        for _ in range(2):
            self.assertEqual(device.await_type("PUBLISH")["topic_id"], asked["topic_id"])

    def test_retained_values_come_after_suback(self):
        first = self.connected("first")
        first.publish(short("rv"), b"kept", qos=1, kind=SHORT, flags=RETAIN)
        device = self.connected("second")
        device.subscribe("rv")
        message = device.await_type("PUBLISH")
        self.assertEqual((message["flags"], message["text"]), (RETAIN, b"kept"))

    def test_a_large_message_has_a_long_length_both_ways(self):
        device, topic_id = self.subscribed("large")
        device.publish(topic_id, b"x" * 1000)
        self.assertEqual(device.await_type("PUBLISH")["text"], b"x" * 1000)

    def test_a_message_that_nobody_acknowledges_comes_again_and_then_the_will(self):
        client, device = self.mqtt_client(b"wills/#"), self.device()
        device.connect("one", WILL | CLEAN)
        device.await_type("WILLTOPICREQ")
        device.say("WILLTOPIC", b"\x00wills/one")
        device.await_type("WILLMSGREQ")
        device.say("WILLMSG", b"gone")
        device.await_type("CONNACK")
        device.subscribe("down", 1)
        other = self.connected("other")
        other.publish(other.register("down"), b"x", qos=1)
        first = device.await_type("PUBLISH")
        for _ in range(2):
            again = device.await_type("PUBLISH")
            self.assertEqual(again["flags"], first["flags"] | 0x80)
            self.assertEqual(again["msg_id"], first["msg_id"])
        device.await_type("DISCONNECT")
        self.assertEqual(client.packet()[4:], b"wills/onegone")

    def test_a_sleeper_gets_what_was_queued_between_pingreq_and_pingresp(self):
        device, topic_id = self.subscribed("down", 1)
        device.sleep(60)
        other = self.connected("other")
        other_id = other.register("down")
        for text in (b"a", b"b", b"c"):
            self.assertEqual(other.publish(other_id, text, qos=1), 0)
        self.assertIsNone(device.hear(0.7))
        device.say("PINGREQ", b"dev")
        for text in (b"a", b"b", b"c"):
            message = device.await_type("PUBLISH")
            self.assertEqual((message["topic_id"], message["text"]), (topic_id, text))
            device.puback(message)
        device.await_type("PINGRESP")
        device.connect("dev", flags=0)

    def test_who_does_not_wake_is_lost(self):
        device = self.connected()
        device.sleep(1)
        self.siotd.await_log(r'"dev": lost: has not woken in time')
        device.say("PINGREQ", b"dev")
        device.await_type("DISCONNECT")

    def test_clients_behind_a_forwarder_get_their_answers_wrapped(self):
        forwarder = self.device()
        for node in (b"\x0a", b"\x0b\x0c"):
            wrap = bytes([3 + len(node), 0xFE, 0]) + node
            forwarder.say_bytes(wrap + pack("CONNECT", struct.pack(">BBH", CLEAN, 1, 60) + node.hex().encode()))
            self.assertEqual(forwarder.hear_bytes(), wrap + b"\x03\x05\x00")
        forwarder.say_bytes(b"\x04\xfe\x00\x0a" + pack("PINGREQ"))
        self.assertEqual(forwarder.hear_bytes(), b"\x04\xfe\x00\x0a\x02\x17")

    def test_noise_is_not_answered_and_harms_nobody(self):
        device, noise = self.connected(), self.device()
        for text in (b"", b"\x00", b"\x02", b"\xff" * 300, b"\x01\xff\xff\x0c", b"GET / HTTP/1.1\r\n\r\n",
                     bytes(range(256)), b"\x03\xfe\x00\x03\xfe\x00\x02\x16"):
            noise.say_bytes(text)
        self.assertIsNone(noise.hear(0.5))
        device.say("PINGREQ")
        device.await_type("PINGRESP")

    def test_a_client_that_siotd_does_not_know_is_told_so(self):
        device = self.device()
        device.publish(short("ab"), b"x", kind=SHORT)
        device.await_type("DISCONNECT")

    def test_qos_minus_1_is_off(self):
        client, device = self.mqtt_client(b"#"), self.device()
        device.publish(1, b"x", qos=3, kind=PREDEFINED)
        self.assertIsNone(device.hear(0.3))
        client.socket.settimeout(0.3)
        self.assertRaises(socket.timeout, client.packet)


class Minimal(Sn):
    """A client that says SUBSCRIBE once, reads the answer to what it has said, and then answers
    REGISTER and PUBLISH, as Eclipse Paho's embedded client does."""

    def serve(self, device, seconds):
        """What it gets in that time."""
        got, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            message = device.hear(max(0.01, end - time.monotonic()))
            if message and message["type"] == "REGISTER":
                device.accept(message)
            elif message:
                self.assertEqual(message["type"], "PUBLISH")
                got.append(message["text"])
        return got

    def test_a_message_right_after_suback_reaches_it(self):
        client, device = self.mqtt_client(), self.connected()
        device.subscribe("commands/#")
        client.send(mqtt_publish(b"commands/led", b"on"))
        self.assertIsNone(device.hear(0.7))  # one datagram for its one
        self.assertEqual(self.serve(device, 1), [b"on"])
        client.send(mqtt_publish(b"commands/led", b"off"))
        self.assertEqual(self.serve(device, 0.5), [b"off"])

    def test_a_message_after_three_seconds_reaches_it_at_once(self):
        client, device = self.mqtt_client(), self.connected()
        device.subscribe("commands/led")
        self.assertIsNone(device.hear(3))
        client.send(mqtt_publish(b"commands/led", b"on"))
        self.assertEqual(self.serve(device, 0.5), [b"on"])

    def test_a_retained_value_and_then_a_live_one_reach_it(self):
        client, device = self.mqtt_client(), self.connected()
        client.send(mqtt_publish(b"commands/led", b"on", retain=True))
        time.sleep(0.2)
        device.subscribe("commands/led")
        self.assertEqual(self.serve(device, 2), [b"on"])
        client.send(mqtt_publish(b"commands/led", b"off"))
        self.assertEqual(self.serve(device, 0.5), [b"off"])

    def test_pingresp_is_the_answer_to_pingreq_whatever_waits(self):
        client, device = self.mqtt_client(), self.connected()
        device.subscribe("commands/led")
        client.send(mqtt_publish(b"commands/led", b"on"))
        time.sleep(0.2)
        device.say("PINGREQ")
        self.assertEqual(device.hear()["type"], "PINGRESP")
        self.assertEqual(self.serve(device, 2), [b"on"])


class QosMinus1(Sn):
    options = ["qos_minus_1: true", 'predefined: ["* 1 known/one", "* 2 secret/one"]']
    rest = ["auth:", "  acl:", '    - {allow: [all], topics: ["known/#"]}']

    def test_rules_hold_for_it(self):
        client, device = self.mqtt_client(b"known/#"), self.device()
        device.publish(2, b"x", qos=3, kind=PREDEFINED)
        device.publish(1, b"y", qos=3, kind=PREDEFINED)
        self.assertEqual(client.packet()[4:], b"known/oney")
        self.siotd.await_log(r'publish to "secret/one" refused: not authorized')


class Mountpoints(Sn):
    def setUp(self):
        self.port, self.beside = process.free_port(), process.free_port()
        self.siotd = self.enter(process.Siotd("listeners:\n" + "".join(
            f"  - {{name: {name}, protocol: mqtt-sn, transport: udp, bind: 127.0.0.1:{port},"
            f" anonymous: true, mountpoint: {name}/}}\n"
            for name, port in (("one", self.port), ("two", self.beside)))))

    def test_a_name_said_behind_another_mountpoint_gets_nothing_of_a_sleeping_clients_session(self):
        device, publisher = self.device(), self.connected("publisher")
        device.connect("dev", flags=0)
        device.subscribe("secret", 1)
        device.say("DISCONNECT", struct.pack(">H", 600))
        device.await_type("DISCONNECT")
        stranger = self.enter(Client(self.beside))
        stranger.connect("dev", flags=0)
        publisher.publish(publisher.register("secret"), b"of one", 1)
        self.assertIsNone(stranger.hear(2))


class Closed(Sn):
    listener = ["anonymous: false"]

    def test_nobody_unproven_is_let_in(self):
        self.device().connect("one", code=3)


class Configuration(unittest.TestCase):
    def test_a_wrong_table_is_refused_with_its_place(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "siotd.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write('mqtt_sn:\n  predefined: ["* 1 a", "* 1 b"]\n')
                file.write("listeners:\n  - {name: sn, protocol: mqtt-sn, transport: udp,"
                           " bind: 127.0.0.1:1884, anonymous: true}\n")
            status, _, errors = process.run("-t", "-c", path)
        self.assertEqual(status, 3)
        self.assertRegex(errors, r"siotd\.yaml:2:15: .*predefined: entry 2 has an id")

    def test_a_stream_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "siotd.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write("listeners:\n  - {name: sn, protocol: mqtt-sn, transport: tcp,"
                           " bind: 127.0.0.1:1884, anonymous: true}\n")
            status, _, _ = process.run("-t", "-c", path)
        self.assertEqual(status, 3)


@unittest.skipUnless(shutil.which("tshark") and shutil.which("text2pcap"), "no tshark here")
class Dissected(Sn):
    options = ["retry: 500ms", "retries: 2", "search_gateway: true", 'predefined: ["* 1 known/one"]']

    def setUp(self):
        self.seen = []
        super().setUp()

    def dialogue(self):
        """Has siotd send every type of message that it has."""
        device = self.device()
        device.say("SEARCHGW", b"\x01")
        device.await_type("GWINFO")
        device.connect("one", WILL)
        device.await_type("WILLTOPICREQ")
        device.say("WILLTOPIC", b"\x20wills/one")
        device.await_type("WILLMSGREQ")
        device.say("WILLMSG", b"gone")
        device.await_type("CONNACK")
        topic_id = device.subscribe("down", 2)
        other = device.register("up")
        for qos in (0, 1, 2):
            device.publish(other, b"payload in the clear", qos)
        device.publish(topic_id, b"x" * 400)
        device.await_type("PUBLISH")
        sender = self.connected("sender")
        sender.publish(sender.register("down"), b"two", 1)
        device.puback(device.await_type("PUBLISH"))
        device.say("WILLTOPICUPD", b"\x00wills/other")
        device.await_type("WILLTOPICRESP")
        device.say("WILLMSGUPD", b"other")
        device.await_type("WILLMSGRESP")
        device.say("UNSUBSCRIBE", struct.pack(">BH", 0, 99) + b"down")
        device.await_type("UNSUBACK")
        device.say("PINGREQ")
        device.await_type("PINGRESP")
        device.disconnect()

    def qos_2_down(self):
        device = self.connected("two", flags=CLEAN)
        device.subscribe("q2", 2)
        self.seen_publish(device)
        message = device.await_type("PUBLISH")
        device.say("PUBREC", struct.pack(">H", message["msg_id"]))
        device.await_type("PUBREL")
        device.say("PUBCOMP", struct.pack(">H", message["msg_id"]))
        device.disconnect()

    def seen_publish(self, device):
        other = self.connected("three")
        self.assertEqual(other.publish(short("q2"), b"z", 2, SHORT), 0)
        other.disconnect()

    def test_every_message_is_dissected_without_complaint(self):
        self.dialogue()
        self.qos_2_down()
        sent = {unpack(datagram)["type"] for ours, datagram in self.seen if ours}
        self.assertEqual(sent, {
            "GWINFO", "CONNACK", "WILLTOPICREQ", "WILLMSGREQ", "REGISTER", "REGACK", "PUBLISH",
            "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBACK", "UNSUBACK", "PINGRESP", "DISCONNECT",
            "WILLTOPICRESP", "WILLMSGRESP"})
        with tempfile.TemporaryDirectory() as folder:
            text, capture = os.path.join(folder, "text"), os.path.join(folder, "pcap")
            with open(text, "w", encoding="ascii") as file:
                for _, datagram in self.seen:
                    file.write("0000 " + " ".join(f"{byte:02x}" for byte in datagram) + "\n")
            subprocess.run(["text2pcap", "-q", "-u", "1884,1884", text, capture], check=True,
                           capture_output=True)
            shown = subprocess.run(
                ["tshark", "-r", capture, "-d", "udp.port==1884,mqttsn", "-V"],
                capture_output=True, text=True, check=True).stdout
        self.assertEqual(len(re.findall("^MQ Telemetry Transport Protocol for Sensor Networks",
                                        shown, re.M)), len(self.seen))
        self.assertNotRegex(shown, r"(?i)malformed|expert info|unreassembled")
        self.assertIn("Return Code: Accepted", shown)


if __name__ == "__main__":
    process.main()
