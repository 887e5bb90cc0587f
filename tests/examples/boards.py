"""The programs of examples/ on stubs of a board: their readings arrive, and commands are obeyed.

    boards.py SIOTD SIOTCTL SKETCH... [-- TEST...]
"""

import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.dont_write_bytecode = True
import process  # noqa: E402

SIOTCTL = None
SKETCHES = {}
# name of the example: (protocol, transport)
EXAMPLES = {"mqtt": ("mqtt", "tcp"), "mqtt_tls": ("mqtt", "tls"), "raw_udp": ("raw", "udp"),
            "coap": ("coap", "udp")}
TLS = ("certificate: {0}/server.pem", "key: {0}/server.key", "ca: {0}/ca.pem",
       "client_certificate: required")


class Board:
    """One program while it runs; what it sets its pins to is read along."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL,
                                        env={**os.environ, **environment})
        self.lines, self.changed = [], threading.Condition()
        threading.Thread(target=self.collect, daemon=True).start()

    def collect(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode().strip())
                self.changed.notify_all()

    def await_line(self, line, seconds=20):
        with self.changed:
            return self.changed.wait_for(lambda: line in self.lines, seconds)

    def end(self):
        """What it had to say."""
        self.process.kill()
        _, err = self.process.communicate()
        return err.decode()


class Watcher(process.Client):
    """An MQTT client that has subscribed to the readings."""

    def __init__(self, port):
        super().__init__(("127.0.0.1", port))
        assert self.connack(version=4)[3] == 0
        topic = b"sensors/#"
        body = b"\x00\x01" + len(topic).to_bytes(2, "big") + topic + b"\x00"
        self.send(bytes([0x82, len(body)]) + body)
        assert self.packet()[0] == 0x90

    def readings(self, wanted, seconds=20):
        """{topic: all its texts} once each topic has had the text that is wanted of it."""
        found, deadline = {}, time.monotonic() + seconds
        while time.monotonic() < deadline:
            packet = self.packet()
            end = 4 + int.from_bytes(packet[2:4], "big")
            topic = packet[4:end].decode()
            found.setdefault(topic, set()).add(packet[end:].decode())
            if all(text in found.get(topic, ()) for topic, text in wanted.items()):
                return found
        raise AssertionError(f"only {found}")

    def command(self, text):
        topic = b"commands/hall/led"
        body = len(topic).to_bytes(2, "big") + topic + text
        self.send(bytes([0x30, len(body)]) + body)


class Boards(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="examples-")
        cls.pki = os.path.join(cls.folder.name, "pki")
        for words in (("init",), ("issue", "--server", "--san", "IP:127.0.0.1", "server"),
                      ("issue", "--san", "URI:urn:example:hall", "hall")):
            subprocess.run([SIOTCTL, "pki", *words], cwd=cls.folder.name, check=True,
                           stdout=subprocess.DEVNULL)
        with open(os.path.join(cls.pki, "ca.pem"), encoding="ascii") as pem, \
                open(os.path.join(cls.pki, "ca.der"), "wb") as der:
            der.write(ssl.PEM_cert_to_DER_cert(pem.read()))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def config(self, example, watched, port):
        protocol, transport = EXAMPLES[example]
        lines = [f"  - name: board", f"    protocol: {protocol}", f"    transport: {transport}",
                 f"    bind: 127.0.0.1:{port}", "    anonymous: true"]
        if transport == "tls":
            lines += ["    tls:", *("      " + line.format(self.pki) for line in TLS)]
        return process.config(watched) + "".join(line + "\n" for line in lines)

    def command_line(self, kind, example):
        """How it is started; it reads its own settings from the environment."""
        if kind == "sketch":
            return [SKETCHES[example]]
        return [sys.executable, os.path.join(HERE, "micropython", "run.py"),
                os.path.join(ROOT, "examples", "micropython", example + ".py")]

    def play(self, kind, example):
        watched, port = process.free_port(), process.free_port()
        environment = {"BROKER_PORT": str(port)}
        if example == "mqtt_tls":
            environment.update({
                "BROKER_CA": os.path.join(self.pki, "ca.pem" if kind == "sketch" else "ca.der"),
                "BOARD_CERTIFICATE": os.path.join(self.pki, "hall.pem"),
                "BOARD_KEY": os.path.join(self.pki, "hall.key")})
        with process.Siotd(self.config(example, watched, port)), Watcher(watched) as watcher:
            board = Board(self.command_line(kind, example), environment)
            try:
                # The second reading fails, the third one is another.
                found = watcher.readings({"sensors/hall/temperature": "22.5",
                                          "sensors/hall/humidity": "48.0"})
                self.assertIn("21.5", found["sensors/hall/temperature"])
                for text, line in ((b"on", "pin 2 = 1"), (b"off", "pin 2 = 0")):
                    deadline = time.monotonic() + 20
                    watcher.command(b"something else")
                    watcher.command(text)
                    self.assertTrue(board.await_line(line, deadline - time.monotonic()), board.lines)
                self.assertEqual(set(board.lines), {"pin 2 = 1", "pin 2 = 0"})
            finally:
                said = board.end()
            self.assertNotRegex(said, r"Traceback|Sanitizer")

    def test_scripts(self):
        for example in EXAMPLES:
            with self.subTest(example=example):
                self.play("script", example)

    def test_sketches(self):
        if not SKETCHES:
            self.skipTest("there is no C++ compiler")
        for example in EXAMPLES:
            with self.subTest(example=example):
                self.play("sketch", example)

    def test_who_comes_back_after_a_restart_of_siotd(self):
        for kind in ("script", "sketch") if SKETCHES else ("script",):
            for example in ("mqtt", "raw_udp"):
                with self.subTest(kind=kind, example=example):
                    watched, port = process.free_port(), process.free_port()
                    text = self.config(example, watched, port)
                    board = Board(self.command_line(kind, example), {"BROKER_PORT": str(port)})
                    try:
                        for _ in range(2):
                            with process.Siotd(text), Watcher(watched) as watcher:
                                watcher.readings({"sensors/hall/humidity": "48.0"})
                    finally:
                        board.end()

    def test_the_settings_have_the_same_names(self):
        names = []
        for path in ("examples/micropython/settings.py", "tests/examples/micropython/settings.py"):
            with open(os.path.join(ROOT, path), encoding="utf-8") as file:
                names.append(re.findall(r"^([A-Z_]+) =", file.read(), re.M))
        self.assertEqual(*names)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} SIOTD SIOTCTL SKETCH... [-- TEST...]")
    SIOTCTL = os.path.abspath(sys.argv.pop(2))
    while len(sys.argv) > 2 and sys.argv[2] != "--":
        path = os.path.abspath(sys.argv.pop(2))
        SKETCHES[os.path.basename(path).removeprefix("sketch_")] = path
    if len(sys.argv) > 2:
        sys.argv.pop(2)
    process.main()
