"""MQTT-SN and a store: a siotd that is killed and started again still has a device's session, its
topic ids, its will, the messages that were acknowledged to their publisher, and knows who sleeps."""

import os
import random
import struct
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.path.insert(1, HERE)
sys.dont_write_bytecode = True
import process  # noqa: E402
import client  # noqa: E402
from client import CLEAN, RETAIN, WILL, Client  # noqa: E402


class Restart(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.port = process.free_port()
        self.text = process.config(process.free_port(), rest="\n".join((
            f"data_dir: {folder.name}/state", "mqtt_sn:",
            "  trust_sources: true"))) + "\n".join((
                "  - name: sn", "    protocol: mqtt-sn", "    transport: udp",
                f"    bind: 127.0.0.1:{self.port}", "    anonymous: true", ""))

    def device(self, name, flags=CLEAN):
        device = Client(self.port)
        self.addCleanup(device.socket.close)
        device.connect(name, flags)
        return device

    @staticmethod
    def kill(siotd):
        siotd.process.kill()
        siotd.process.wait()
        siotd.ended = True

    def take(self, device, topic_id):
        """The next message, acknowledged in full: its payload."""
        message = device.await_type("PUBLISH")
        self.assertEqual(message["topic_id"], topic_id)
        if message["flags"] & 0x60 == 0x20:
            device.puback(message)
        elif message["flags"] & 0x60 == 0x40:
            device.say("PUBREC", struct.pack(">H", message["msg_id"]))
            device.await_type("PUBREL")
            device.say("PUBCOMP", struct.pack(">H", message["msg_id"]))
        return message["text"]

    def publish(self, *payloads, topic="down"):
        """Acknowledged when it returns, QoS 1 and 2 in turn."""
        sender = self.device("sender")
        topic_id = sender.register(topic)
        for number, payload in enumerate(payloads):
            self.assertEqual(sender.publish(topic_id, payload, qos=1 + number % 2), 0)

    def wake(self, device, name, topic_id, wanted):
        """It wakes, gets exactly these, in order, and sleeps on."""
        device.say("PINGREQ", name)
        got = [self.take(device, topic_id) for _ in wanted]
        device.await_type("PINGRESP")
        self.assertEqual(got, wanted)

    def test_a_sleeper_wakes_after_a_kill_as_if_nothing_had_happened(self):
        wanted = [b"%d" % number for number in range(10)]
        with process.Siotd(self.text) as siotd:
            sleeper = self.device("sleeper", 0)
            up = sleeper.register("up/of/the/sleeper")
            down = sleeper.subscribe("down", 2)
            sleeper.sleep(600)
            self.publish(*wanted)
            self.kill(siotd)
        with process.Siotd(self.text) as siotd:
            self.wake(sleeper, b"sleeper", down, wanted)
            self.publish(b"later")
            self.assertIsNone(sleeper.hear(0.3))
            siotd.await_log("sleeps on, after a restart")
            self.kill(siotd)
        with process.Siotd(self.text):
            self.wake(sleeper, b"sleeper", down, [b"later"])
            sleeper.say("PINGREQ")  # I am here, and sleep on
            sleeper.await_type("PINGRESP")
            sleeper.connect("sleeper", flags=0)
            self.assertEqual(sleeper.publish(up, b"x", qos=1), 0)
            self.assertEqual(sleeper.register("up/of/the/sleeper"), up)
            self.assertEqual(sleeper.register("another"), max(up, down) + 1)

    def publish_until_killed(self, siotd, after_s):
        """Publishes at QoS 1 until siotd, killed meanwhile, answers no more. What was acknowledged,
        and what may have been."""
        sender, done, tried = self.device("sender"), [], []
        topic_id = sender.register("down")
        killer = threading.Timer(after_s, siotd.process.kill)
        killer.start()
        while True:
            tried.append(os.urandom(8))
            sender.say("PUBLISH", struct.pack(">BHH", 1 << 5, topic_id, len(tried)) + tried[-1])
            try:
                answer = sender.hear(0.5)
            except ConnectionRefusedError:
                answer = None
            if not answer:
                break
            done.append(tried[-1])
        killer.join()
        self.kill(siotd)
        return done, tried

    def test_a_sleeper_gets_all_that_was_acknowledged_whenever_siotd_is_killed(self):
        acknowledged = 0
        with process.Siotd(self.text) as siotd:
            sleeper = self.device("sleeper", 0)
            sleeper.subscribe("down", 1)
            sleeper.sleep(600)
            done, tried = self.publish_until_killed(siotd, 0.05)
        for _ in range(8):
            with process.Siotd(self.text) as siotd:
                got = []
                sleeper.say("PINGREQ", b"sleeper")
                message = sleeper.hear()
                while message["type"] == "PUBLISH":
                    got.append(message["text"])
                    sleeper.puback(message)
                    message = sleeper.hear()
                self.assertEqual(message["type"], "PINGRESP")
                self.assertEqual([one for one in got if one in done], done)
                self.assertLessEqual(set(got), set(tried))
                acknowledged += len(done)
                done, tried = self.publish_until_killed(siotd, random.uniform(0.005, 0.1))
        self.assertGreater(acknowledged, 0)

    def test_a_sleeper_outlives_a_stop_in_good_order_too(self):
        with process.Siotd(self.text):
            sleeper = self.device("sleeper", WILL)
            sleeper.await_type("WILLTOPICREQ")
            sleeper.say("WILLTOPIC", bytes([RETAIN]) + b"wills/sleeper")
            sleeper.await_type("WILLMSGREQ")
            sleeper.say("WILLMSG", b"gone")
            sleeper.await_type("CONNACK")
            down = sleeper.subscribe("down", 1)
            sleeper.sleep(600)
            self.publish(b"a")
        with process.Siotd(self.text):
            self.wake(sleeper, b"sleeper", down, [b"a"])
            reader = self.device("reader")
            reader.subscribe("wills/#")
            self.assertIsNone(reader.hear(0.3))

    def test_a_clean_client_is_kept_while_it_sleeps_and_no_longer(self):
        with process.Siotd(self.text) as siotd:
            sleeper = self.device("sleeper")
            down = sleeper.subscribe("down", 1)
            sleeper.sleep(600)
            self.publish(b"a")
            self.kill(siotd)
        with process.Siotd(self.text) as siotd:
            self.wake(sleeper, b"sleeper", down, [b"a"])
            sleeper.connect("sleeper", flags=0)  # active again: still the clean session
            self.publish(b"b")
            self.assertEqual(self.take(sleeper, down), b"b")
            self.kill(siotd)
        with process.Siotd(self.text):
            sleeper.say("PINGREQ", b"sleeper")
            sleeper.await_type("DISCONNECT")
            sleeper.connect("sleeper", flags=0)
            self.publish(b"c")
            self.assertIsNone(sleeper.hear(0.3))

    def test_who_does_not_wake_in_time_is_lost_at_its_time_over_a_kill(self):
        with process.Siotd(self.text) as siotd:
            sleeper = self.device("sleeper", WILL)
            sleeper.await_type("WILLTOPICREQ")
            sleeper.say("WILLTOPIC", b"\0wills/sleeper")
            sleeper.await_type("WILLMSGREQ")
            sleeper.say("WILLMSG", b"gone")
            sleeper.await_type("CONNACK")
            sleeper.sleep(2)
            asleep = time.monotonic()
            self.kill(siotd)
        time.sleep(1)
        with process.Siotd(self.text):
            reader = self.device("reader")
            reader.subscribe("wills/sleeper")
            self.assertEqual(reader.await_type("PUBLISH")["text"], b"gone")
            self.assertAlmostEqual(time.monotonic() - asleep, 3, delta=0.9)
            sleeper.say("PINGREQ", b"sleeper")
            sleeper.await_type("DISCONNECT")

    def test_a_stranger_wakes_nobody_after_a_kill(self):
        with process.Siotd(self.text) as siotd:
            sleeper = self.device("sleeper", 0)
            down = sleeper.subscribe("down", 1)
            sleeper.sleep(600)
            self.publish(b"a")
            self.kill(siotd)
        with process.Siotd(self.text):
            with Client(self.port) as stranger:
                stranger.say("PINGREQ", b"sleeper")
                stranger.await_type("DISCONNECT")
                stranger.say("PINGREQ")
                stranger.await_type("DISCONNECT")
                stranger.say("DISCONNECT", struct.pack(">H", 600))
                self.assertIsNone(stranger.hear(0.3))
            sleeper.say("PINGREQ", b"another")  # from where it is, under another name
            self.assertIsNone(sleeper.hear(0.3))
            self.wake(sleeper, b"sleeper", down, [b"a"])

    def test_sleepers_behind_a_forwarder_are_told_apart_after_a_kill(self):
        def wrap(node, *message):
            return bytes([3 + len(node), 0xFE, 0]) + node + client.pack(*message)

        def heard(device):
            data = device.hear_bytes()
            return data[3:data[0]], client.unpack(data[data[0]:])
        nodes = b"n1", b"n2"
        forwarder = Client(self.port)
        self.addCleanup(forwarder.socket.close)
        with process.Siotd(self.text) as siotd:
            for node in nodes:
                for message, answer in (
                        (("CONNECT", struct.pack(">BBH", 0, 1, 60) + b"id-" + node), "CONNACK"),
                        (("SUBSCRIBE", struct.pack(">BH", 0x20, 7) + b"to/" + node), "SUBACK"),
                        (("DISCONNECT", struct.pack(">H", 600)), "DISCONNECT")):
                    forwarder.say_bytes(wrap(node, *message))
                    self.assertEqual(heard(forwarder)[1]["type"], answer)
            self.publish(b"for n2", topic="to/n2")
            self.kill(siotd)
        with process.Siotd(self.text):
            forwarder.say_bytes(wrap(b"n1", "PINGREQ", b"id-n1"))
            self.assertEqual(heard(forwarder), (b"n1", {"type": "PINGRESP", "text": b""}))
            forwarder.say_bytes(wrap(b"n2", "PINGREQ", b"id-n2"))
            node, message = heard(forwarder)
            self.assertEqual((node, message["text"]), (b"n2", b"for n2"))

    def test_who_was_active_is_told_to_connect_again_and_has_its_session(self):
        with process.Siotd(self.text) as siotd:
            device = self.device("device", 0)
            down = device.subscribe("down", 1)
            self.kill(siotd)
        with process.Siotd(self.text):
            self.publish(b"a")
            device.say("PUBLISH", struct.pack(">BHH", 1 << 5, down, 7) + b"x")
            device.await_type("DISCONNECT")
            device.connect("device", flags=0)
            asked = device.answer_register()
            self.assertEqual((asked["topic_id"], asked["text"]), (down, b"down"))
            self.assertEqual(self.take(device, down), b"a")

    def test_a_will_outlives_a_kill(self):
        with process.Siotd(self.text) as siotd:
            device = self.device("device", WILL)
            device.await_type("WILLTOPICREQ")
            device.say("WILLTOPIC", bytes([RETAIN]) + b"wills/device")
            device.await_type("WILLMSGREQ")
            device.say("WILLMSG", b"gone")
            device.await_type("CONNACK")
            device.say("WILLMSGUPD", b"really gone")
            self.assertEqual(device.await_type("WILLMSGRESP")["code"], 0)
            self.kill(siotd)
        with process.Siotd(self.text):
            reader = self.device("reader")
            reader.subscribe("wills/device")
            self.assertEqual(reader.await_type("PUBLISH")["text"], b"really gone")

    def test_a_qos_2_message_that_comes_again_after_a_kill_is_published_once(self):
        with process.Siotd(self.text) as siotd:
            reader = self.device("reader", 0)
            reader.subscribe("down", 2)
            reader.sleep(600)
            device = self.device("device", 0)
            topic_id = device.register("down")
            body = struct.pack(">BHH", 2 << 5, topic_id, 7) + b"x"
            device.say("PUBLISH", body)
            device.await_type("PUBREC")
            self.kill(siotd)
        with process.Siotd(self.text):
            device.connect("device", flags=0)
            device.say("PUBLISH", bytes([body[0] | 0x80]) + body[1:])
            device.await_type("PUBREC")
            device.say("PUBREL", struct.pack(">H", 7))
            device.await_type("PUBCOMP")
            self.wake(reader, b"reader", 1, [b"x"])
            self.assertIsNone(reader.hear(0.5))


if __name__ == "__main__":
    process.main()
