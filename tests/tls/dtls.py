"""DTLS with other people's clients: openssl s_client and gnutls-cli, by certificate and by key, and
what a datagram that is no ClientHello gets."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

import authority
import harness
import process

KEY = "00112233445566778899aabbccddeeff"
PATIENCE_S = 15


def make_files(folder):
    root = authority.root("siotd test CA", authority.Key(folder, "root"))
    server = authority.issue(root, authority.name("siotd"), authority.Key(folder, "server"),
                             authority.as_server(authority.dns("localhost"),
                                                 authority.ip(127, 0, 0, 1)))
    client = authority.issue(root, authority.name("device-7"), authority.Key(folder, "client"),
                             authority.as_client(authority.dns("device-7")))
    for name, one in (("ca", root), ("server", server), ("client", client)):
        authority.write(os.path.join(folder, name + ".pem"), one.pem())
    authority.write(os.path.join(folder, "devices.psk"), f"device-8:{KEY}\n", 0o600)


def config(port, folder):
    path = lambda name: os.path.join(folder, name)  # noqa: E731
    return (f"log:\n  level: debug\nlisteners:\n  - name: devices\n    protocol: raw\n"
            f'    transport: dtls\n    bind: "127.0.0.1:{port}"\n    anonymous: true\n    tls:\n'
            f"      certificate: {path('server.pem')}\n      key: {path('server.key')}\n"
            f"      ca: {path('ca.pem')}\n      client_certificate: optional\n"
            f"      psk_file: {path('devices.psk')}\n")


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="siotd-dtls-")
        make_files(cls.folder.name)
        cls.port = process.free_port()
        cls.siotd = process.Siotd(config(cls.port, cls.folder.name))

    @classmethod
    def tearDownClass(cls):
        cls.siotd.__exit__(None, None, None)
        cls.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def talk(self, *command):
        """Subscribes and publishes to itself through that client; what it has printed by then."""
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as client:
            seen = b""
            try:
                for line, answer in ((b"SUB there/#", rb"OK"),
                                     (b"PUB there/now\n21.5", rb"MSG there/now\s*21\.5")):
                    client.stdin.write(line)
                    client.stdin.flush()
                    while not re.search(answer, seen):
                        more = os.read(client.stdout.fileno(), 4096)
                        if not more:
                            return seen
                        seen += more
            finally:
                client.kill()
        return seen

    def s_client(self, *more):
        return self.talk("timeout", str(PATIENCE_S), "openssl", "s_client", "-dtls1_2", "-quiet",
                         "-connect", f"127.0.0.1:{self.port}", *more)

    def test_openssl_without_a_name(self):
        seen = self.s_client("-CAfile", self.path("ca.pem"), "-verify_return_error")
        self.assertIn(b"MSG there/now", seen)
        self.assertIn(b"21.5", seen)

    def test_openssl_with_a_certificate(self):
        seen = self.s_client("-CAfile", self.path("ca.pem"), "-cert", self.path("client.pem"),
                             "-key", self.path("client.key"))
        self.assertIn(b"21.5", seen)
        self.siotd.await_log(r'user "device-7"')

    def test_openssl_with_a_key(self):
        seen = self.s_client("-psk_identity", "device-8", "-psk", KEY, "-cipher", "PSK")
        self.assertIn(b"21.5", seen)
        self.siotd.await_log(r'user "device-8"')

    def test_openssl_with_small_datagrams(self):
        seen = self.s_client("-CAfile", self.path("ca.pem"), "-cert", self.path("client.pem"),
                             "-key", self.path("client.key"), "-mtu", "600")
        self.assertIn(b"21.5", seen)

    def test_a_wrong_key_and_an_unknown_name_get_nowhere(self):
        for identity, key in (("device-8", KEY[::-1]), ("device-9", KEY)):
            with self.subTest(identity):
                done = subprocess.run(
                    ["timeout", "3", "openssl", "s_client", "-dtls1_2", "-connect",
                     f"127.0.0.1:{self.port}", "-psk_identity", identity, "-psk", key, "-cipher",
                     "PSK"], input=b"", capture_output=True, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertNotIn(b"Verify return code: 0 (ok)", done.stdout.split(b"---")[-1])

    def test_the_log_says_who_was_refused_and_why(self):
        for words, why in ((("-dtls1", "-cipher", "ALL@SECLEVEL=0"), "client offered only older "),
                           (("-dtls1_2", "-cipher", "AES128-GCM-SHA256"), "no cipher suite ")):
            subprocess.run(["timeout", "5", "openssl", "s_client", *words, "-connect",
                            f"127.0.0.1:{self.port}"], input=b"", capture_output=True, check=False)
            self.siotd.await_log(rf"dtls 127\.0\.0\.1:[0-9]+: TLS handshake failed: {why}")

    @unittest.skipUnless(shutil.which("gnutls-cli"), "no gnutls-cli")
    def test_gnutls(self):
        seen = self.talk("timeout", str(PATIENCE_S), "gnutls-cli", "--udp", "--x509cafile",
                         self.path("ca.pem"), "-p", str(self.port), "localhost")
        self.assertIn(b"21.5", seen)

    def test_what_is_no_hello_gets_silence(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.connect(("127.0.0.1", self.port))
            stranger.settimeout(0.3)
            for first in range(256):
                for size in (1, 13, 14, 60, 400):
                    stranger.send(bytes([first, 0xFE, 0xFD] + [0] * 10 + [0xAA] * 400)[:size])
            stranger.send(b"PUB there/now\n21.5")
            stranger.send(b"\x15\xfe\xfd" + bytes(9) + b"\x02\x02\x28")
            with self.assertRaises(socket.timeout):
                stranger.recv(2000)


if __name__ == "__main__":
    harness.main()
