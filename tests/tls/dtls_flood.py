"""ClientHellos that nobody means, from ever other ports, on a DTLS listener: siotd sees every one of
them, keeps nothing, sends back less than it got, and those who mean it shake hands meanwhile."""

import os
import re
import select
import socket
import subprocess
import tempfile
import threading
import unittest

import dtls
import harness
import process

PORTS, BURST, ROUNDS, WARM = 960, 32, 30, 4  # 28,800 hellos behind the first ones
HONEST = 8
ANSWER_S = 10
GROWTH_KIB = 1024


def vector(content, size):
    return len(content).to_bytes(size, "big") + content


def extension(number, content):
    return number.to_bytes(2, "big") + vector(content, 2)


def hello(version_13):
    """A ClientHello without a cookie, as a device says it, in one datagram."""
    groups = extension(10, vector(b"\x00\x1d\x00\x17", 2))
    signatures = extension(13, vector(b"\x04\x03\x08\x04", 2))
    if version_13:
        suites = b"\x13\x01"
        share = b"\x00\x1d" + vector(os.urandom(32), 2)
        more = (extension(43, vector(b"\xfe\xfc", 1)) + extension(51, vector(share, 2)) +
                extension(21, bytes(60)))  # a cookie of 1.3 is not put into less than it takes
    else:
        suites, more = b"\xc0\x2b\xcc\xa9", extension(23, b"") + extension(11, b"\x01\x00")
    body = (b"\xfe\xfd" + os.urandom(32) + vector(b"", 1) + vector(b"", 1) + vector(suites, 2) +
            vector(b"\x00", 1) + vector(groups + signatures + more, 2))
    size = len(body).to_bytes(3, "big")
    message = b"\x01" + size + b"\x00\x00" + bytes(3) + size + body
    return b"\x16\xfe\xfd" + bytes(8) + vector(message, 2)


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def is_sanitized():
    with open(process.PROGRAM, "rb") as program:
        return b"__asan_init" in program.read()


class Flood(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="siotd-flood-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        dtls.make_files(self.folder)
        self.port, self.plain = process.free_port(), process.free_port()
        text = ("sys_interval: 1s\n" + dtls.config(self.port, self.folder).replace(
            "level: debug", "level: info") +
                f'  - name: plain\n    protocol: mqtt\n    transport: tcp\n'
                f'    bind: "127.0.0.1:{self.plain}"\n    anonymous: true\n')
        self.siotd = self.enterContext(process.Siotd(text))
        self.sockets = []
        self.sent = self.bytes_out = self.bytes_back = self.longest = 0

    def enterContext(self, context):  # unittest has it from Python 3.11 on
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def open(self):
        for _ in range(PORTS):
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.addCleanup(one.close)
            one.connect(("127.0.0.1", self.port))
            one.setblocking(False)
            self.sockets.append(one)

    def burst(self, sockets):
        """One hello from each, and the answer to each: so siotd has seen them all."""
        waiting = set(sockets)
        for n, one in enumerate(sockets):
            asked = hello((self.sent + n) % 2)
            one.send(asked)
            self.bytes_out += len(asked)
        self.sent += len(sockets)
        while waiting:
            ready, _, _ = select.select(waiting, [], [], ANSWER_S)
            self.assertTrue(ready, f"{len(waiting)} of {len(sockets)} hellos are not answered")
            for one in ready:
                answer = one.recv(2000)
                self.bytes_back += len(answer)
                self.longest = max(self.longest, len(answer))
            waiting.difference_update(ready)

    def storm(self, rounds):
        for _ in range(rounds):
            for first in range(0, PORTS, BURST):
                self.burst(self.sockets[first:first + BURST])

    def shake_hands(self):
        """An honest client: whether its handshake went well."""
        done = subprocess.run(
            ["timeout", "30", "openssl", "s_client", "-dtls1_2", "-connect",
             f"127.0.0.1:{self.port}", "-CAfile", os.path.join(self.folder, "ca.pem"),
             "-verify_return_error"], input=b"Q\n", capture_output=True, check=False)
        return b"Verify return code: 0 (ok)" in done.stdout

    def received(self):
        """How many datagrams siotd has counted."""
        topic = b"$SYS/broker/datagrams/received"
        with process.Client(("127.0.0.1", self.plain)) as client:
            client.connack()
            client.send(b"\x82" + bytes([6 + len(topic)]) + b"\x00\x01\x00\x00" +
                        bytes([len(topic)]) + topic + b"\x00")
            counts = []
            while len(counts) < 2 or counts[-1] != counts[-2]:  # it is said once a second
                packet = client.packet()
                self.assertTrue(packet)
                if topic in packet:
                    counts.append(int(packet.split(topic)[1][1:]))  # behind no properties
        return counts[-1]

    def test_a_flood_leaves_nothing_and_keeps_nobody_out(self):
        self.open()
        self.assertTrue(self.shake_hands())
        self.storm(WARM)
        before_kib, before = resident_kib(self.siotd.pid), self.received()
        self.sent = self.bytes_out = self.bytes_back = 0
        good = []
        honest = threading.Thread(
            target=lambda: good.extend(self.shake_hands() for _ in range(HONEST)))
        honest.start()
        self.storm(ROUNDS)
        honest.join()
        grown = resident_kib(self.siotd.pid) - before_kib
        counted = self.received() - before
        self.assertEqual(self.sent, PORTS * ROUNDS)
        self.assertGreaterEqual(counted, self.sent)  # and what the honest have said
        self.assertLess(self.bytes_back, self.bytes_out)
        self.assertLess(self.longest, 200)
        self.assertEqual(good, [True] * HONEST)
        if not is_sanitized():  # whose own memory grows with what is freed
            self.assertLess(grown, GROWTH_KIB)


if __name__ == "__main__":
    harness.main()
