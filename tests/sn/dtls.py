"""MQTT-SN on dtls, with OpenSSL as the device: the pre-shared key's identity is the user, and a
sleeping client comes back on a new association. Skipped where siotd or OpenSSL has no DTLS."""

import os
import select
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.path.insert(1, HERE)
sys.dont_write_bytecode = True
import process  # noqa: E402
from client import CLEAN, Client  # noqa: E402
from udp import mqtt_publish, mqtt_subscribe  # noqa: E402

KEYS = {"dev": "00112233445566778899aabbccddeeff", "other": "ffeeddccbbaa99887766554433221100"}


class DtlsClient(Client):
    """A device whose datagrams are DTLS records; one write of OpenSSL's input is one of them."""

    def __init__(self, port, identity):  # pylint: disable=super-init-not-called
        self.seen, self.next_id, self.rest = None, 1, b""
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-nocommands", "-dtls1_2", "-cipher",
             "PSK-AES128-GCM-SHA256:ECDHE-PSK-CHACHA20-POLY1305", "-psk", KEYS[identity],
             "-psk_identity", identity, "-connect", f"127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def say_bytes(self, datagram):
        self.process.stdin.write(datagram)

    def hear_bytes(self, seconds=10):
        while not self.rest or len(self.rest) < self.rest[0]:
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                return None
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                return None
            self.rest += part
        datagram, self.rest = self.rest[:self.rest[0]], self.rest[self.rest[0]:]
        return datagram


class Dtls(unittest.TestCase):
    def setUp(self):
        self.mqtt, self.port = process.free_port(), process.free_port()
        self.folder = self.enter(tempfile.TemporaryDirectory())
        keys = os.path.join(self.folder, "keys")
        with open(keys, "w", encoding="ascii") as file:
            file.writelines(f"{name}:{key}\n" for name, key in KEYS.items())
        os.chmod(keys, 0o600)
        self.text = process.config(self.mqtt, rest="\n".join((
            f"data_dir: {self.folder}/state", "auth:", "  acl:",
            '    - {allow: [all], user: dev, topics: ["dev/#"]}',
            '    - {allow: [all], anonymous: true, topics: ["#"]}'))) + "\n".join((
                "  - name: sns", "    protocol: mqtt-sn", "    transport: dtls",
                f"    bind: 127.0.0.1:{self.port}", "    tls:", f"      psk_file: {keys}", ""))
        self.siotd = process.Siotd(self.text)
        self.addCleanup(lambda: self.siotd.__exit__(None, None, None))

    def enter(self, thing):
        value = thing.__enter__()
        self.addCleanup(lambda: thing.__exit__(None, None, None))
        return value

    def device(self, identity="dev"):
        return self.enter(DtlsClient(self.port, identity))

    def mqtt_client(self, topic=None):
        client = process.Client(("127.0.0.1", self.mqtt))
        self.addCleanup(client.socket.close)
        self.assertEqual(client.connack(version=4)[0], 0x20)
        if topic:
            client.send(mqtt_subscribe(topic))
            self.assertEqual(client.packet()[0], 0x90)
        return client

    def test_the_keys_identity_is_the_user_that_rules_know(self):
        client, device = self.mqtt_client(b"#"), self.device()
        device.connect("dev")
        self.siotd.await_log(r'"dev": connected: MQTT-SN 1.2, user "dev"')
        self.assertEqual(device.publish(device.register("dev/up"), b"x", 1), 0)
        self.assertEqual(client.packet()[4:], b"dev/upx")
        self.assertEqual(device.publish(device.register("other/up"), b"x", 1), 3)
        device.subscribe("other/down", code=3)

    def test_a_proven_address_gets_its_messages_at_once(self):
        device = self.device()
        device.connect("dev")
        topic_id = device.subscribe("dev/down")
        self.mqtt_client().send(mqtt_publish(b"dev/down", b"on"))
        message = device.await_type("PUBLISH")
        self.assertEqual((message["topic_id"], message["text"]), (topic_id, b"on"))

    def test_a_sleeper_wakes_on_a_new_association_and_nobody_else_as_it(self):
        device = self.device()
        device.connect("dev", flags=0)
        device.subscribe("dev/down", 1)
        device.sleep(60)
        sender = self.device()
        sender.connect("sender", flags=CLEAN)
        self.assertEqual(sender.publish(sender.register("dev/down"), b"on", 1), 0)
        thief = self.device("other")
        thief.say("PINGREQ", b"dev")
        thief.await_type("DISCONNECT")
        again = self.device()
        again.say("PINGREQ", b"dev")
        message = again.await_type("PUBLISH")
        self.assertEqual(message["text"], b"on")
        again.puback(message)
        again.await_type("PINGRESP")
        self.siotd.await_log(r'"dev": woke at another address')

    def test_a_kill_of_siotd_makes_no_difference_to_that(self):
        device = self.device()
        device.connect("dev", flags=0)
        topic_id = device.subscribe("dev/down", 1)
        device.sleep(60)
        sender = self.device()
        sender.connect("sender", flags=CLEAN)
        self.assertEqual(sender.publish(sender.register("dev/down"), b"on", 1), 0)
        self.siotd.process.kill()
        self.siotd.wait()
        self.siotd.__exit__(None, None, None)
        self.siotd = process.Siotd(self.text)
        thief = self.device("other")
        thief.say("PINGREQ", b"dev")
        thief.await_type("DISCONNECT")
        again = self.device()
        again.say("PINGREQ", b"dev")
        message = again.await_type("PUBLISH")
        self.assertEqual((message["topic_id"], message["text"]), (topic_id, b"on"))
        again.puback(message)
        again.await_type("PINGRESP")

    def test_nobody_takes_the_place_of_another_identity(self):
        device, thief = self.device(), self.device("other")
        device.connect("dev")
        thief.connect("dev", code=3)
        device.say("PINGREQ")
        device.await_type("PINGRESP")


if __name__ == "__main__":
    if not shutil.which("openssl"):
        print("0 passed, 0 failed, 1 skipped")
        sys.exit(77)
    process.main()
