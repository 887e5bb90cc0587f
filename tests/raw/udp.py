"""Raw datagrams on udp: what a device of three lines says, and what siotd answers."""

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.dont_write_bytecode = True
import process  # noqa: E402


PADDING = " " * 40  # room in a SUB for the id with which an address is proven


class Device:
    """One address that sends datagrams and waits for those of siotd."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, text):
        self.socket.send(text if isinstance(text, bytes) else text.encode())

    def hear(self, seconds=10):
        """The next datagram, or None."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(65536).decode()
        except socket.timeout:
            return None

    def tell(self, text):
        self.say(text)
        return self.hear()


def subscribe_packet(topic):
    body = b"\x00\x01" + len(topic).to_bytes(2, "big") + topic + b"\x00"
    return bytes([0x82, len(body)]) + body


class Raw(unittest.TestCase):
    listener = "anonymous: true"
    options = ""
    beside = ""  # another listener

    def setUp(self):
        self.mqtt, self.port = process.free_port(), process.free_port()
        text = process.config(self.mqtt, rest=self.options)
        text += "".join(f"{line}\n" for line in (
            "  - name: raw", "    protocol: raw", "    transport: udp",
            f"    bind: 127.0.0.1:{self.port}", *("    " + line for line in
                                                  self.listener.split("\n")))) + self.beside
        self.siotd = self.enterContext(process.Siotd(text)) if hasattr(self, "enterContext") \
            else self.enter(process.Siotd(text))

    def enter(self, thing):
        value = thing.__enter__()
        self.addCleanup(lambda: thing.__exit__(None, None, None))
        return value

    def device(self):
        device = Device(self.port)
        self.addCleanup(device.socket.close)
        return device

    def mqtt_client(self, topic=None):
        client = process.Client(("127.0.0.1", self.mqtt))
        self.addCleanup(client.socket.close)
        self.assertEqual(client.connack(version=4)[0], 0x20)
        if topic:
            client.send(subscribe_packet(topic))
            self.assertEqual(client.packet()[0], 0x90)
        return client

    def publish(self, client, topic, payload):
        body = len(topic).to_bytes(2, "big") + topic + payload
        client.send(bytes([0x30, len(body)]) + body)


    def prove(self, device, answer):
        """It was asked to prove its address, and does."""
        self.assertRegex(answer, r"^OK id=\d+$")
        device.say("ACK " + answer[len("OK id="):])


class Open(Raw):
    def test_a_publish_reaches_mqtt(self):
        client, device = self.mqtt_client(b"sensors/#"), self.device()
        device.say("PUB sensors/hall/temperature\n21.5")
        self.assertEqual(client.packet()[4:], b"sensors/hall/temperature21.5")

    def test_a_publish_with_an_id_is_acknowledged_each_time_and_published_once(self):
        client, device = self.mqtt_client(b"a"), self.device()
        for _ in range(3):
            self.assertEqual(device.tell("PUB a id=17\nx"), "ACK 17")
        self.assertEqual(client.packet()[4:], b"ax")
        client.socket.settimeout(0.3)
        self.assertRaises(socket.timeout, client.packet)

    def test_a_command_reaches_a_device_and_its_ack_opens_the_way(self):
        client, device = self.mqtt_client(), self.device()
        self.assertEqual(device.tell("SUB commands/hall/#"), "OK")
        self.publish(client, b"commands/hall/led", b"on")
        self.assertIsNone(device.hear(0.5))  # one datagram for its one
        first = re.fullmatch(r"MSG commands/hall/led id=(\d+)\non", device.hear(1))
        self.assertTrue(first)
        device.say(f"ACK {first.group(1)}")
        for text in (b"off", b"on", b"a rather long text about what the device may do now"):
            self.assertEqual(device.tell("PING"), "PONG")
            self.publish(client, b"commands/hall/led", text)
            self.assertEqual(device.hear(), "MSG commands/hall/led\n" + text.decode())

    def test_who_only_says_sub_gets_a_message_by_itself(self):
        client = self.mqtt_client()
        for wait in (0, 0.1, 3):
            device = self.device()
            self.assertEqual(device.tell("SUB commands/hall/#"), "OK")
            time.sleep(wait)
            self.publish(client, b"commands/hall/led", b"on")
            self.assertRegex(device.hear(0.5 if wait > 1 else 2), r"^MSG commands/hall/led id=\d+\non$")
            self.publish(client, b"commands/hall/led", b"off")
            self.assertIsNone(device.hear(1.5))  # nothing until it says something again
            self.assertRegex(device.tell("PING\n" + PADDING), r"^MSG commands/hall/led id=\d+\noff$")

    def test_a_message_of_qos_1_comes_by_itself_too(self):
        device, other = self.device(), self.device()
        self.assertEqual(device.tell("SUB commands/hall/# qos=1"), "OK")
        self.assertEqual(other.tell("PUB commands/hall/led id=1\non"), "ACK 1")
        self.assertRegex(device.hear(2), r"^MSG commands/hall/led id=\d+\non$")

    def test_what_is_not_acknowledged_comes_again(self):
        device, other = self.device(), self.device()
        self.prove(device, device.tell("SUB a qos=1\n" + PADDING))
        self.assertEqual(other.tell("PUB a id=1\nx"), "ACK 1")
        first = device.hear()
        device.say(first.split("\n")[0].replace("MSG a id=", "ACK "))
        other.tell("PUB a id=2\ny")
        second = device.hear()
        self.assertNotEqual(first, second)
        began = time.monotonic()
        self.assertEqual(device.hear(), second)
        self.assertGreater(time.monotonic() - began, 1.5)

    def test_a_retained_value_comes_with_the_subscription(self):
        device, other = self.device(), self.device()
        other.say("PUB state retain\non")
        time.sleep(0.2)
        self.assertEqual(device.tell("SUB state\n  "), "OK")
        self.assertIsNone(device.hear(0.5))
        self.assertRegex(device.hear(1), r"^MSG state id=\d+\non$")
        self.assertEqual(device.tell("PING"), "PONG")

    def test_a_retained_value_follows_the_proof_at_once(self):
        device, other = self.device(), self.device()
        other.say("PUB state retain\non")
        time.sleep(0.2)
        self.prove(device, device.tell("SUB state\n" + PADDING))
        self.assertEqual(device.hear(), "MSG state\non")

    def test_refusals_are_short_and_rare(self):
        device = self.device()
        self.assertEqual(device.tell("PUB $SYS/x\n12"), "ERR denied")
        device.say("PUB $SYS/x\n12")
        self.assertIsNone(device.hear(0.5))
        self.assertEqual(self.device().tell("SUB a/#/b"), "ERR")

    def test_noise_is_not_answered(self):
        device = self.device()
        for noise in (b"", b"\x00", b"hello", b"\xff" * 1000, b"OK", b"MSG a\nx", b"ERR x", b"ACK 1"):
            device.say(noise)
        self.assertIsNone(device.hear(0.5))
        self.assertEqual(device.tell("BYE"), "OK")

    def test_who_forges_an_address_multiplies_nothing(self):
        client = self.mqtt_client()
        self.publish(client, b"big", b"x" * 100)
        device = self.device()
        device.say("SUB #\n" + "x" * 20)
        for _ in range(20):
            self.publish(client, b"big", b"x" * 50)
        got, deadline = 0, time.monotonic() + 3
        while time.monotonic() < deadline:
            text = device.hear(0.3)
            got += len(text) if text else 0
        self.assertLessEqual(got, 3 * 26)

    def test_subscribers_hear_when_siotd_stops(self):
        with Device(self.port) as device:
            self.prove(device, device.tell("SUB a\n" + PADDING))
            self.assertEqual(device.tell("PING"), "PONG")
            self.siotd.signal(15)
            self.assertEqual(device.hear(), "BYE")
            self.assertEqual(self.siotd.wait(), 0)


@unittest.skipUnless(shutil.which("nc"), "no nc here")
class Netcat(Raw):
    """A device of three lines: what a person types into nc."""

    def setUp(self):
        super().setUp()
        self.nc = subprocess.Popen(["nc", "-u", "127.0.0.1", str(self.port)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.nc.stdout.close)
        self.addCleanup(self.nc.stdin.close)
        self.addCleanup(self.nc.wait)
        self.addCleanup(self.nc.kill)

    def types(self, text):
        self.nc.stdin.write(text.encode() + b"\n")
        self.nc.stdin.flush()
        time.sleep(0.3)  # what nc reads at once is one datagram

    def shows(self, pattern):
        """What it prints next; datagrams do not end with a line end."""
        seen, end = "", time.monotonic() + 10
        while time.monotonic() < end:
            if select.select([self.nc.stdout], [], [], 0.1)[0]:
                seen += os.read(self.nc.stdout.fileno(), 4096).decode()
            found = re.fullmatch(pattern, seen)
            if found:
                return found
        raise AssertionError(f"{seen!r} instead of {pattern}")

    def test_a_publish_in_one_go(self):
        client = self.mqtt_client(b"sensors/#")
        subprocess.run(["nc", "-u", "-w1", "127.0.0.1", str(self.port)], check=True,
                       input=b"PUB sensors/hall/temperature\n21.5")
        self.assertEqual(client.packet()[4:], b"sensors/hall/temperature21.5")

    def test_who_types_sub_sees_what_is_published_then(self):
        client = self.mqtt_client()
        self.types("SUB commands/hall/#")
        self.shows("OK")
        self.publish(client, b"commands/hall/led", b"on")
        self.shows(r"MSG commands/hall/led id=\d+\non")

    def test_who_types_sub_sees_what_is_published_later(self):
        client = self.mqtt_client()
        self.types("SUB commands/hall/#")
        self.shows("OK")
        time.sleep(3)
        self.publish(client, b"commands/hall/led", b"on")
        self.shows(r"MSG commands/hall/led id=\d+\non")

    def test_a_retained_value_comes_after_a_second_and_the_rest_after_the_proof(self):
        client, other = self.mqtt_client(), self.device()
        self.assertEqual(other.tell("PUB commands/hall/led retain id=1\non"), "ACK 1")
        self.types("SUB commands/hall/#")
        number = self.shows(r"OKMSG commands/hall/led id=(\d+)\non").group(1)
        self.publish(client, b"commands/hall/led", b"off")
        self.types(f"ACK {number}")
        self.shows("MSG commands/hall/led\noff")
        for text in ("on", "off"):
            self.types("PING")
            self.shows("PONG")  # so the ACK has come
            self.publish(client, b"commands/hall/led", text.encode())
            self.shows("MSG commands/hall/led\n" + text)


class Trusting(Raw):
    options = "raw: {trust_sources: true, idle_timeout: 2s}"

    def test_a_device_that_never_acknowledges_gets_everything(self):
        device, other = self.device(), self.device()
        self.assertEqual(device.tell("SUB #"), "OK")
        for number in range(50):
            other.say(f"PUB a/b\n{number} and what belongs to it")
            self.assertEqual(device.hear(), f"MSG a/b\n{number} and what belongs to it")

    def test_silence_ends_a_subscriber(self):
        device = self.device()
        self.assertEqual(device.tell("SUB a"), "OK")
        time.sleep(1.5)
        self.assertEqual(device.tell("PING"), "PONG")
        self.siotd.await_log(r"raw/udp .*closed: nothing was heard for idle_timeout")
        self.assertEqual(device.tell("PING"), "ERR")


class Payloads(Raw):
    listener = "anonymous: true\ntopic: field/all"

    def test_a_payload_without_a_verb_goes_to_the_topic(self):
        client, device = self.mqtt_client(b"field/#"), self.device()
        device.say("21.5")
        self.assertEqual(client.packet()[4:], b"field/all21.5")


class TwoListeners(Raw):
    """One socket of a device that speaks to two listeners is two devices for siotd."""

    listener = "anonymous: true\nmountpoint: one/"

    def setUp(self):
        self.other_port = process.free_port()
        self.beside = ("  - {name: beside, protocol: raw, transport: udp, anonymous: true,"
                       f" mountpoint: two/, bind: \"127.0.0.1:{self.other_port}\"}}\n")
        super().setUp()

    def test_each_has_its_own_subscriptions(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.settimeout(10)
            for port in (self.port, self.other_port):
                device.sendto(b"SUB a\n" + b" " * 40, ("127.0.0.1", port))
                answer = device.recvfrom(1000)
                self.assertEqual(answer[1][1], port)
                device.sendto(b"ACK " + answer[0][len(b"OK id="):], answer[1])
            client = self.mqtt_client()
            for topic, port in ((b"one/a", self.port), (b"two/a", self.other_port)):
                self.publish(client, topic, topic)
                text, place = device.recvfrom(1000)
                self.assertEqual((text, place[1]), (b"MSG a\n" + topic, port))


class Closed(Raw):
    listener = "anonymous: false"

    def test_nobody_unproven_takes_part(self):
        self.assertEqual(self.device().tell("PUB a id=1\nx"), "ERR denied")
        self.assertEqual(self.device().tell("SUB abcdefg"), "ERR denied")


if __name__ == "__main__":
    process.main()
