"""What is not TLS, on the port for TLS: a close, a counted reason, and no memory kept."""

import os
import random
import re
import ssl
import tempfile
import unittest

import certificates
import client_certificates
import harness
import process
import tls12

LISTENERS = 40  # each logs so many failures per second only
NOISE = 1 << 20  # bytes
RANDOM = random.Random(20261121)


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def say(port, content, end=True):
    """Says it and, with `end`, that there is no more; (our address, all that was answered)."""
    connection, address = tls12.connect(port)
    answer = b""
    with connection:
        try:
            connection.sendall(content)
            if end:
                connection.shutdown(process.socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except (BrokenPipeError, ConnectionResetError):
            pass
    return address, answer


class Garbage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="siotd-tls-")
        corpus = certificates.Corpus(cls.folder.name)
        client_certificates.make_server(corpus, cls.folder.name)
        cls.ports = [process.free_port() for _ in range(LISTENERS)]
        cls.unread = process.free_port()  # for those whose lines nobody looks for
        cls.siotd = process.Siotd(harness.config(
            [harness.tls(port, cls.folder.name) for port in [*cls.ports, cls.unread]]))

    @classmethod
    def tearDownClass(cls):
        cls.siotd.__exit__(None, None, None)
        cls.folder.cleanup()

    def port(self):
        self.ports.append(self.ports.pop(0))
        return self.ports[0]

    def assert_one_line(self, address, words):
        lines = harness.about(self.siotd, address)
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], words)

    def assert_serves(self):
        context = harness.client_context(ssl.TLSVersion.TLSv1_3)
        connection, _ = tls12.connect(self.port())
        with connection, context.wrap_socket(connection) as client:
            client.sendall(process.connect_packet())
            self.assertEqual(client.recv(1024)[:1], b"\x20")

    def assert_no_growth(self, again, times=300):
        """Memory after many more times is what it was after a few."""
        for _ in range(50):
            again()
        before = resident_kib(self.siotd.pid)
        for _ in range(times):
            again()
        grown = resident_kib(self.siotd.pid) - before
        self.assertLess(grown, 512, f"{grown} KiB more after {times} connections")

    def test_other_protocols_are_named(self):
        others = {"MQTT": process.connect_packet(),
                  "MQTT, 3.1.1": process.connect_packet(version=4),
                  "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                  "HTTP, POST": b"POST /mqtt HTTP/1.1\r\n\r\n"}
        for name, content in others.items():
            with self.subTest(name):
                address, answer = say(self.port(), content, end=False)
                self.assertNotIn(b"HTTP", answer)
                self.assertLess(len(answer), 8)
                self.assert_one_line(address, f"the client speaks {name.split(',')[0]} without TLS")

    def test_noise_is_not_tls(self):
        for name, content in {"a megabyte of noise": RANDOM.randbytes(NOISE),
                              "a megabyte of zeros": bytes(NOISE),
                              "a megabyte of 0xff": b"\xff" * NOISE,
                              "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
                              "a ClientHello of SSL 2": bytes.fromhex(
                                  "802e010002001500000010010080020080030080040080050080060040"
                                  "0700c0") + bytes(16)}.items():
            with self.subTest(name):
                address, answer = say(self.port(), content)
                self.assertLess(len(answer), 8)
                self.assert_one_line(address, "closed|failed")
        self.assert_serves()

    def test_noise_behind_a_good_beginning(self):
        hello = tls12.client_hello(bytes(32))
        record = b"\x16\3\1" + len(hello).to_bytes(2, "big") + hello
        for name, content in {
                "noise behind a ClientHello": record + RANDOM.randbytes(NOISE),
                "a record of noise": b"\x16\3\3\x40\0" + RANDOM.randbytes(NOISE),
                "a handshake message of 16 MiB": b"\x16\3\1\x40\0\1\xff\xff\xff" + bytes(NOISE),
                "content before the handshake": b"\x17\3\3\0\x20" + RANDOM.randbytes(32),
                "a record longer than any": b"\x16\3\3\xff\xff" + RANDOM.randbytes(65535),
                "alerts": b"\x15\3\3\0\2\1\0" * 5000,
                "empty records": b"\x16\3\3\0\0" * 5000,
                "changes of cipher": b"\x14\3\3\0\1\1" * 5000}.items():
            with self.subTest(name):
                address, _ = say(self.port(), content)
                self.assert_one_line(address, "closed|failed")
        self.assert_serves()

    def test_a_hello_cut_at_every_byte(self):
        hello = tls12.client_hello(bytes(32))
        record = b"\x16\3\1" + len(hello).to_bytes(2, "big") + hello
        for length in range(len(record)):
            with self.subTest(length):
                _, answer = say(self.unread, record[:length])  # returns when it is closed
                self.assertLess(len(answer), 8)
        self.assert_serves()

    def test_a_hello_with_any_byte_wrong_does_no_harm(self):
        hello = tls12.client_hello(bytes(32))
        record = b"\x16\3\1" + len(hello).to_bytes(2, "big") + hello
        for at in range(len(record)):
            bent = bytearray(record)
            bent[at] ^= 0xFF
            say(self.unread, bytes(bent))
        self.assert_serves()

    def test_memory_does_not_grow(self):
        hello = tls12.client_hello(bytes(32))
        record = b"\x16\3\1" + len(hello).to_bytes(2, "big") + hello
        noise = RANDOM.randbytes(16384)
        for name, content in {"MQTT": process.connect_packet(), "noise": noise,
                              "a ClientHello": record, "half of one": record[:60],
                              "noise behind one": record + noise}.items():
            with self.subTest(name):
                if "ASAN_OPTIONS" in os.environ:
                    self.skipTest("a sanitizer keeps what is freed")
                self.assert_no_growth(lambda: say(self.unread, content))

    def test_a_silent_client_is_closed_in_time(self):
        port = process.free_port()
        settings = harness.tls(port, self.folder.name, handshake_timeout="300ms")
        with process.Siotd(harness.config([settings])) as siotd:
            hello = tls12.client_hello(bytes(32))
            for name, content in {"nothing": b"", "one byte": b"\x16", "a hello": b"\x16\3\1" +
                                  len(hello).to_bytes(2, "big") + hello}.items():
                with self.subTest(name):
                    address, _ = say(port, content, end=False)
                    lines = harness.about(siotd, address)
                    self.assertEqual(len(lines), 1, lines)
                    self.assertIn("not done within 300 ms", lines[0])

    def test_half_open_handshakes_are_bounded(self):
        port = process.free_port()
        settings = harness.tls(port, self.folder.name, half_open=10)
        with process.Siotd(harness.config([settings])):
            waiting = [tls12.connect(port)[0] for _ in range(10)]
            process.time.sleep(0.2)
            self.assertEqual(say(port, b"")[1], b"")
            for connection in waiting:
                connection.close()
            process.time.sleep(0.2)
            with tls12.Client(port) as client:
                self.assertFalse(client.hello())


if __name__ == "__main__":
    harness.main()
