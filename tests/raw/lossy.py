"""Raw datagrams through a network that loses, repeats and reorders them: with ids all arrives, and
what a publisher repeats is published once."""

import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[1:1] = [HERE, os.path.join(os.path.dirname(HERE), "daemon"),
                 os.path.join(os.path.dirname(HERE), "datagram")]
sys.dont_write_bytecode = True
import process  # noqa: E402
import proxy  # noqa: E402
import udp  # noqa: E402

MESSAGES = 30
BAD = {"loss": 0.25, "duplicate": 0.2, "reorder": 0.2}


class Lossy(udp.Raw):
    options = "raw: {retry: 200ms, tries: 16}"

    def setUp(self):
        super().setUp()
        bad = proxy.Proxy(("127.0.0.1", self.port), seed=7, **BAD)
        bad.start()
        self.addCleanup(bad.stop)
        self.bad = bad

    def device(self):
        device = udp.Device(self.bad.address[1])
        self.addCleanup(device.socket.close)
        return device

    def insist(self, device, text, answers):
        """Says it until one of the answers is heard."""
        for _ in range(50):
            device.say(text)
            deadline = time.monotonic() + 0.2
            while time.monotonic() < deadline:
                heard = device.hear(0.1)
                if heard and heard.startswith(answers):
                    return heard
        raise AssertionError(f"no answer to {text!r}")

    def test_what_is_acknowledged_is_published_once(self):
        client, device = self.mqtt_client(b"a"), self.device()
        for number in range(MESSAGES):
            self.insist(device, f"PUB a id={number}\n{number}", f"ACK {number}")
        got = [int(client.packet()[5:]) for _ in range(MESSAGES)]
        self.assertEqual(got, list(range(MESSAGES)))
        self.assertGreater(self.bad.counts()["to_server"].lost, 0)
        client.socket.settimeout(0.3)
        self.assertRaises(TimeoutError, client.packet)

    def test_every_message_with_an_id_arrives(self):
        device, other = self.device(), udp.Device(self.port)
        self.addCleanup(other.socket.close)
        answer = self.insist(device, "SUB a qos=1\n" + udp.PADDING, "OK")
        while answer.startswith("OK id="):  # the ACK may be lost
            device.say("ACK " + answer[len("OK id="):])
            answer = self.insist(device, "SUB a qos=1\n" + udp.PADDING, "OK")
        for number in range(MESSAGES):
            self.assertEqual(other.tell(f"PUB a id={number}\n{number}"), f"ACK {number}")
        got, deadline = set(), time.monotonic() + 30
        while len(got) < MESSAGES and time.monotonic() < deadline:
            text = device.hear(1)
            if text and text.startswith("MSG a id="):
                line, payload = text.split("\n")
                device.say("ACK " + line[len("MSG a id="):])
                got.add(int(payload))
        self.assertEqual(got, set(range(MESSAGES)))


if __name__ == "__main__":
    # The tests of udp.py are run by itself.
    process.main()
