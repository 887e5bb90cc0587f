"""MQTT-SN and a store: a siotd that is killed and started again still has a device's session, its
topic ids, its will, and the messages that were acknowledged to their publisher."""

import os
import struct
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.path.insert(1, HERE)
sys.dont_write_bytecode = True
import process  # noqa: E402
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

    def test_a_sleepers_messages_and_ids_outlive_a_kill(self):
        with process.Siotd(self.text) as siotd:
            sleeper = self.device("sleeper", 0)
            up = sleeper.register("up/of/the/sleeper")
            down = sleeper.subscribe("down", 2)
            sleeper.sleep(600)
            sender = self.device("sender")
            topic_id = sender.register("down")
            wanted = [b"%d" % number for number in range(10)]
            for number, payload in enumerate(wanted):
                self.assertEqual(sender.publish(topic_id, payload, qos=1 + number % 2), 0)
            self.kill(siotd)
        with process.Siotd(self.text) as siotd:
            sleeper.say("PINGREQ", b"sleeper")
            sleeper.await_type("DISCONNECT")  # whoever that is: connect again
            sleeper.connect("sleeper", flags=0)
            asked = sleeper.answer_register()
            self.assertEqual((asked["topic_id"], asked["text"]), (down, b"down"))
            got = []
            for number in range(10):
                message = sleeper.await_type("PUBLISH")
                self.assertEqual(message["topic_id"], down)
                got.append(message["text"])
                if number % 2 == 0:
                    sleeper.puback(message)
                else:
                    sleeper.say("PUBREC", struct.pack(">H", message["msg_id"]))
                    sleeper.await_type("PUBREL")
                    sleeper.say("PUBCOMP", struct.pack(">H", message["msg_id"]))
            self.assertEqual(got, wanted)
            self.assertEqual(sleeper.publish(up, b"x", qos=1), 0)
            self.assertEqual(sleeper.register("up/of/the/sleeper"), up)
            self.assertEqual(sleeper.register("another"), max(up, down) + 1)

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
            reader.connect("reader", flags=0)
            reader.answer_register()
            message = reader.await_type("PUBLISH")
            reader.say("PUBREC", struct.pack(">H", message["msg_id"]))
            reader.await_type("PUBREL")
            reader.say("PUBCOMP", struct.pack(">H", message["msg_id"]))
            self.assertIsNone(reader.hear(0.5))


if __name__ == "__main__":
    process.main()
