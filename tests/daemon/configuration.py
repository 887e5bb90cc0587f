"""Configurations that are wrong, odd or damaged, against the real program."""

import os
import random
import re
import tempfile
import unittest

from process import Client, Siotd, config, connect_packet, enters, free_port, main, run

# Client certificates, which the tests of TLS go through.
NEEDS_CA = (("client_certificate", "optional"), ("client_certificate", "required"))
UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000,
         "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "": 1}


def number(text):
    """ "16KiB" -> 16384; "2s" -> 2000."""
    digits, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", text).groups()
    return int(digits) * UNITS[unit]


def options():
    """(section, name, type, default, range) of every row of --options."""
    for line in run("--options")[1].splitlines()[1:]:
        name, kind, default, span = line.split()[:4]
        section, _, key = name.rpartition(".")
        yield section, key, kind, default, span


def transports():
    """Those of this build: "tcp, tls"."""
    return re.search(r"(?m)^listeners\[\]\.transport +text +required +(\S+)",
                     run("--options")[1])[1].replace("|", ", ")


def with_option(port, section, key, value, psk_file="devices.psk"):
    """A configuration in which one option is set; TLS is by pre-shared key."""
    if section.startswith("listeners[].tls"):
        inner = section.split(".")[2:]  # a map inside tls:
        option = f"{inner[0]}: {{{key}: {value}}}" if inner else f"{key}: {value}"
        return config(port, f"anonymous: true\ntls: {{psk_file: {psk_file}, {option}}}").replace(
            "transport: tcp", "transport: tls")
    if section == "listeners[]":
        return config(port, f"anonymous: true\n{key}: {value}" if key != "anonymous"
                      else f"anonymous: {value}")
    if section == "":
        place = "data_dir: data\n" if key == "durability" else ""
        return config(port, rest=f"{place}{key}: {value}")
    return config(port, rest=f"{section}:\n  {key}: {value}")


def values(kind, span):
    """What is worth trying in a range: (values inside, values outside)."""
    unlimited = "|unlimited" in span
    span = span.replace("|unlimited", "")
    if kind in ("count", "size", "duration"):
        low, high = (number(text) for text in span.split(".."))
        unit = "ms" if kind == "duration" else ""
        inside = [f"{low}{unit}", f"{high}{unit}"] + (["unlimited"] if unlimited else [])
        outside = [f"{high + 1}{unit}", f"{low - 1}{unit}"]
        return inside, outside
    if kind in ("bool", "choice"):
        return span.split("|"), ["neither"]
    return [], []


def traffic(port):
    """A bit of everything; whatever the answer, the broker must live."""
    with Client(("127.0.0.1", port)) as client:
        client.send(connect_packet())
        first = client.packet()
        if first[:1] != b"\x20" or first[3] != 0:
            return
        client.send(b"\x82\x0c\x00\x01\x00\x00\x06a/b/c/" b"\x02" +
                    b"\x82\x0e\x00\x02\x00\x00\x08$share/" b"g\x01" +
                    b"\x31\x07\x00\x01t\x00xyz" +
                    b"\x33\x09\x00\x01t\x00\x05\x00xyz" +
                    b"\x35\x09\x00\x01t\x00\x06\x00xyz" + b"\x62\x02\x00\x06" +
                    b"\x82\x07\x00\x03\x00\x00\x01#" b"\x02" + b"\xc0\x00")
        while True:
            packet = client.packet()
            if packet in (b"", b"\xd0\x00"):
                return


class Configuration(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="siotd-process-")
        self.path = os.path.join(self.folder.name, "siotd.yaml")

    def tearDown(self):
        self.folder.cleanup()

    def check(self, text):
        with open(self.path, "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())
        return run("-t", "-c", self.path)

    def test_five_mistakes_are_five_located_errors(self):
        status, out, err = self.check("sys_interval: 10\n"
                                      "limits:\n"
                                      "  inflihgt: 20\n"
                                      "mqtt:\n"
                                      "  keep_alive_max: 90000s\n"
                                      "listeners:\n"
                                      "  - name: mqtt\n"
                                      "    protocol: mqtt\n"
                                      "    transport: carrier-pigeon\n"
                                      "    bind: localhost:1883\n")
        self.assertEqual((status, out), (3, ""))
        self.assertEqual(err.splitlines(), [self.path + text for text in (
            ":1:15: sys_interval: 10 is not a duration: write a whole number and ms, s, m, h or d, "
            "or unlimited",
            ":3:3: inflihgt: unknown key; did you mean inflight?",
            ":5:19: keep_alive_max: 90000s is above 65535s",
            ":9:16: transport: there is no transport carrier-pigeon; known: " + transports(),
            ":10:11: bind: localhost:1883 is no numeric address: write 127.0.0.1:port, "
            "[::1]:port, *:port or unix:/path")])

    def test_options_out_of_range_are_refused_where_they_stand(self):
        tried = 0
        for section, key, kind, _, span in options():
            for value in values(kind, span)[1]:
                status, _, err = self.check(with_option(1, section, key, value))
                self.assertEqual(status, 3, f"{section}.{key}: {value}")
                inside = re.sub(r"^.*?(tls\.|$)", r"\1", f"{section}.")  # of the map: "tls."
                self.assertRegex(err, rf"^{re.escape(self.path)}:\d+:\d+: {inside}{key}: .*\n$")
                tried += 1
        self.assertGreater(tried, 50)

    def test_every_option_at_the_ends_of_its_range(self):
        """vuln-39: odd but valid values, with traffic (without TLS; a broken handshake with)."""
        tried = 0
        psk_file = os.path.join(self.folder.name, "devices.psk")
        with open(psk_file, "w", encoding="ascii", opener=lambda path, flags: os.open(
                path, flags, 0o600)) as out:
            out.write(f"device:{'5a' * 32}\n")
        for section, key, kind, _, span in options():
            for value in values(kind, span)[0]:
                if (key, value) in NEEDS_CA:
                    continue
                port = free_port()
                with self.subTest(option=f"{section}.{key}: {value}"):
                    with Siotd(with_option(port, section, key, value, psk_file),
                               await_ready=False) as siotd:
                        siotd.await_port(port)
                        traffic(port)
                        self.assertIsNone(siotd.process.poll())
                tried += 1
        self.assertGreater(tried, 60)

    def test_all_options_at_the_same_end(self):
        """vuln-39: together they must not add up to anything either."""
        for end in (0, 1):
            sections = {}
            for section, key, kind, _, span in options():
                inside = values(kind, span)[0]
                if inside and key not in ("level", "format") and ".tls" not in section:
                    sections.setdefault(section, []).append(f"{key}: {inside[end]}")
            port = free_port()
            rest = "\n".join(["data_dir: data"] + sections.pop("")) + "\n"
            listener = "\n".join(sections.pop("listeners[]"))
            listener = re.sub(r"anonymous: \w+", "anonymous: true", listener)
            for section, lines in sections.items():
                rest += f"{section}:\n" + "".join(f"  {line}\n" for line in lines)
            with Siotd(config(port, listener, rest)):
                traffic(port)

    def test_nobody_is_let_in_unless_the_file_says_so(self):
        """vuln-05, vuln-07: nothing left out, empty or said elsewhere opens a listener."""
        for listener in ("max_connections: 5", "anonymous: false"):
            port = free_port()
            with Siotd(config(port, listener)):
                self.assertFalse(enters(port))
        for text in ("", "#\n", "listeners:\n", "listeners: []\n", "anonymous: true\n",
                     "anonymous: true\n" + config(1, "max_connections: 5"),
                     "limits: {anonymous: true}\n" + config(1, "max_connections: 5"),
                     config(1, "anonymous:"), config(1, "anonymous: [true]")):
            self.assertEqual(self.check(text)[0], 3, text)

    def test_a_listener_of_its_own_does_not_open_another(self):
        """vuln-07: what one listener allows says nothing about the next."""
        first, second = free_port(), free_port()
        with Siotd(config(first) + f"  - {{name: b, protocol: mqtt, transport: tcp, "
                                   f"bind: '127.0.0.1:{second}'}}\n"):
            self.assertTrue(enters(first))
            self.assertFalse(enters(second))

    def test_damaged_files_never_crash_and_never_open(self):
        """vuln-06, vuln-51: 500 mutations of a good file, whose second listener is closed."""
        good = (config(free_port(), rest="log:\n  level: info\nlimits: {inflight: 5}\n") +
                "  - name: closed\n    protocol: mqtt\n    transport: tcp\n"
                f"    bind: 127.0.0.1:{free_port()}\n    max_connections: 5\n").encode()
        chance, accepted = random.Random(6), 0
        for _ in range(500):
            text = bytearray(good)
            for _ in range(chance.randint(1, 4)):
                at = chance.randrange(len(text))
                kind = chance.randrange(4)
                if kind == 0:
                    text[at] = chance.randrange(256)
                elif kind == 1:
                    del text[at:at + chance.randint(1, 8)]
                elif kind == 2:
                    text[at:at] = chance.choice([b"\n", b" ", b"&a ", b"*a", b"{", b"[", b"- ", b": ",
                                                 b"\t", b"\0", b"!!x ", b"\xff", b"'", b"|\n"])
                else:
                    del text[at:]
                if not text:
                    break
            status, out, err = self.check(bytes(text))
            self.assertIn(status, (0, 3), bytes(text))
            if status == 3:
                self.assertTrue(err.startswith(self.path + ":"), err)
                self.assertEqual(out, "")
                continue
            accepted += 1
            entries = re.findall(r"(?m)^(\S+): \S+, mqtt over tcp: (open|closed)", out)
            # "anonymous: true" stands once: at most one listener is open.
            self.assertLessEqual([how for _, how in entries].count("open"), 1, out)
        self.assertGreater(accepted, 10)
        self.assertLess(accepted, 490)


if __name__ == "__main__":
    main()
