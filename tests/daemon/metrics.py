"""metrics_file: what Prometheus reads of siotd. It is read here by a parser that takes nothing but the
text format, version 0.0.4, and where there are Prometheus's own tools, by them."""

import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
import unittest

from process import WAIT_S, Client, Siotd, config, connect_packet, free_port, main, run

GUIDE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../docs/metrics.md")
METRIC = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(rf"({METRIC})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9]+(?:\.[0-9]+)?)")
LABELS = {"listener", "protocol", "transport", "qos", "reason", "version"}
QOS_0 = (("qos", "0"),)


def parse(text):
    """{(name, labels): value} of a text in the format; whatever is not in order is an error."""
    values, heads, name = {}, {}, None
    assert text.endswith("\n") and "\r" not in text, text[-50:]
    for line in text[:-1].split("\n"):
        head = re.fullmatch(rf"# (HELP|TYPE) ({METRIC}) (.+)", line)
        if head and head.group(1) == "HELP":
            name = head.group(2)
            assert name not in heads, f"{name} has a second family"
            heads[name] = None
        elif head:
            assert head.group(2) == name and heads[name] is None, line
            assert head.group(3) in ("counter", "gauge"), line
            assert (head.group(3) == "counter") == name.endswith("_total"), line
            heads[name] = head.group(3)
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample.group(1) == name and heads[name], f"{line} stands apart from its family"
            labels = re.findall(LABEL, sample.group(2) or "")
            assert len(dict(labels)) == len(labels), line
            key = name, tuple(sorted(labels))
            assert key not in values, f"{line} a second time"
            values[key] = float(sample.groups()[-1])
    assert all(any(name == key[0] for key in values) for name in heads), "a family without samples"
    return values


def publish(topic, payload, qos=0, retain=False):
    """Of MQTT 5.0, without properties."""
    body = len(topic).to_bytes(2, "big") + topic + (b"\x00\x07" if qos else b"") + b"\x00" + payload
    return bytes([0x30 | qos << 1 | retain, len(body)]) + body


class Parser(unittest.TestCase):
    def test_the_parser_can_say_no(self):
        good = '# HELP a_total A.\n# TYPE a_total counter\na_total{b="c\\"d",e=""} 1\na_total 2.5\n'
        self.assertEqual(parse(good), {("a_total", (("b", 'c\\"d'), ("e", ""))): 1,
                                       ("a_total", ()): 2.5})
        for bad in (good[:-1], good + "\n", good + "a_total 3\n", good + "b 3\n", good.replace("2.5", "x"),
                    good.replace("counter", "gauge"), good.replace('\\"', '"'), good + good,
                    good.replace(",e", ";e"), good + "# HELP b B.\n# TYPE b gauge\n",
                    good.replace("a_total 2.5", " a_total 2.5"), good.replace(" 2.5", ",2.5")):
            with self.assertRaises(AssertionError, msg=bad):
                parse(bad)


class Metrics(unittest.TestCase):
    def read(self, siotd, until=lambda values: True, name="m.prom"):
        """Reads until the figures are so; returns them."""
        deadline = time.monotonic() + WAIT_S
        path = os.path.join(siotd.folder.name, name)
        while True:
            try:
                with open(path, encoding="utf-8") as file:
                    self.values = parse(file.read())
                if until(self.values):
                    return self.values
            except FileNotFoundError:
                pass
            self.assertLess(time.monotonic(), deadline, getattr(self, "values", "no file"))
            time.sleep(0.02)

    def text(self, rest="", listener="anonymous: true"):
        self.port = free_port()
        return config(self.port, listener, f"metrics_file: m.prom\nsys_interval: 1s\n{rest}")

    def test_it_counts_what_happens(self):
        with Siotd(self.text()) as siotd:
            first = self.read(siotd)
            mqtt = (("listener", "mqtt"), ("protocol", "mqtt"), ("transport", "tcp"))
            self.assertEqual(first["siotd_listener_connections", mqtt], 0)
            self.assertEqual(first["siotd_build_info", (("version", run("-V")[1].split()[1]),)], 1)
            path = os.path.join(siotd.folder.name, "m.prom")
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
            with Client(("127.0.0.1", self.port)) as client, Client(("127.0.0.1", self.port)) as other:
                client.connack()
                other.connack(client_id=b"d")
                client.send(publish(b"nobody/hears", b"1234") + publish(b"kept", b"56", retain=True))
                values = self.read(siotd, lambda v: v["siotd_publish_received_total", QOS_0] == 2)
                self.assertEqual(values["siotd_clients_connected", ()], 2)
                self.assertEqual(values["siotd_listener_connections", mqtt], 2)
                self.assertEqual(values["siotd_listener_accepted_total", mqtt], 2)
                self.assertEqual(values["siotd_publish_received_bytes_total", ()], 6)
                self.assertEqual(values["siotd_retained_messages", ()], 1)
                self.assertGreater(values["siotd_received_bytes_total", ()], 40)
            self.read(siotd, lambda v: v["siotd_clients_connected", ()] == 0)
            later = self.read(siotd, lambda v: v["siotd_uptime_seconds", ()] >= 2)
            self.assertEqual(set(later), set(first))  # no series comes or goes
            self.assertNotIn("metrics_file", siotd.log())
        self.assertFalse(os.path.exists(path))

    def test_drops_have_reasons(self):
        with Siotd(self.text("limits: {queued_messages: 1, queue_full: drop}")) as siotd:
            with Client(("127.0.0.1", self.port)) as away:
                away.send(b"\x10\x13\x00\x04MQTT\x05\x02\x00\x00\x05\x11\x00\x00\x00\xff\x00\x01a")
                away.packet()
                away.send(b"\x82\x07\x00\x01\x00\x00\x01t\x01")
                self.assertEqual(away.packet()[0], 0x90)
            with Client(("127.0.0.1", self.port)) as client:
                client.connack()
                self.read(siotd, lambda v: v["siotd_clients_connected", ()] == 1)
                for _ in range(4):
                    client.send(publish(b"t", b"x", qos=1))
                    self.assertEqual(client.packet()[0], 0x40)
                full = ("siotd_publish_dropped_total", (("reason", "queue_full"),))
                values = self.read(siotd, lambda v: v[full] == 3)
                self.assertEqual(values["siotd_queued_messages", ()], 1)
                self.assertEqual([values["siotd_publish_received_total", (("qos", qos),)]
                                  for qos in "012"], [0, 4, 0])
                self.assertEqual([values["siotd_publish_sent_total", (("qos", qos),)]
                                  for qos in "012"], [0, 0, 0])
                self.assertEqual(values["siotd_sessions", ()], 2)
                reasons = [dict(labels)["reason"] for name, labels in values
                           if name == "siotd_publish_dropped_total"]
                self.assertGreater(len(reasons), 5)

    def test_a_store_is_counted_where_there_is_one(self):
        with Siotd(self.text()) as siotd:
            self.assertFalse([name for name, _ in self.read(siotd) if "_store_" in name])
        with Siotd(self.text("data_dir: store")) as siotd:
            with Client(("127.0.0.1", self.port)) as client:
                client.connack()
                client.send(publish(b"t", b"x" * 50, qos=1, retain=True))
                self.assertEqual(client.packet()[0], 0x40)
            values = self.read(siotd, lambda v: v["siotd_store_batches_total", ()] >= 1)
            self.assertGreaterEqual(values["siotd_store_rows_written_total", ()], 1)
            self.assertGreaterEqual(values["siotd_store_batch_rows_maximum", ()], 1)
            self.assertGreater(values["siotd_store_commit_maximum_seconds", ()], 0)
            self.assertGreater(values["siotd_store_file_bytes", ()], 0)
            self.assertEqual(values["siotd_store_rows_damaged_total", ()], 0)
            self.assertEqual(values["siotd_store_full", ()], 0)

    def test_datagrams_are_counted_by_listener(self):
        ports = free_port(), free_port()
        text = self.text() + "".join(
            f"  - {{name: raw-{n}, protocol: raw, transport: udp, bind: '127.0.0.1:{port}', "
            f"anonymous: true}}\n" for n, port in enumerate(ports))
        with Siotd(text) as siotd:
            one = (("listener", "raw-1"), ("protocol", "raw"), ("transport", "udp"))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
                for _ in range(3):
                    device.sendto(b"PUB a/topic\n21.5", ("127.0.0.1", ports[1]))
                values = self.read(siotd, lambda v: v["siotd_datagrams_received_total", one] == 3)
            self.assertEqual(values["siotd_publish_received_total", QOS_0], 3)
            missed = tuple(sorted(one + (("reason", "missed"),)))
            self.assertEqual(values["siotd_datagrams_dropped_total", missed], 0)
            received = {dict(labels)["listener"]: value for (name, labels), value in values.items()
                        if name == "siotd_datagrams_received_total"}
            self.assertEqual(received, {"raw-0": 0, "raw-1": 3})

    def test_every_name_stands_in_the_guide_and_no_label_but_those(self):
        with Siotd(self.text("data_dir: store") +
                   f"  - {{name: raw, protocol: raw, transport: udp, bind: '127.0.0.1:{free_port()}', "
                   f"anonymous: true}}\n") as siotd:
            values = self.read(siotd)
        with open(GUIDE, encoding="utf-8") as file:
            guide = set(re.findall(r"`(siotd_\w+)[`{]", file.read()))
        names = {name for name, _ in values}
        self.assertEqual(names - guide, set())
        # Those of TLS are there only with a certificate (tests/tls).
        self.assertEqual({name for name in guide - names
                          if "handshake" not in name and "certificate" not in name}, set())
        self.assertLessEqual({label for _, labels in values for label, _ in labels}, LABELS)

    def test_a_place_that_cannot_be_is_told_at_the_start_and_by_the_check(self):
        for place, why in (("/nowhere/at/all.prom", "No such file or directory"),
                           ("/tmp", "Is a directory"), ("/dev/null/m.prom", "Not a directory"),
                           ("/dev/null", "File exists"), (__file__, "File exists")):
            text = config(free_port(), rest=f"metrics_file: {place}")
            with Siotd(text, await_ready=False) as siotd:
                self.assertEqual(siotd.wait(), 1)
                self.assertIn(f"siotd: metrics_file: {place}: {why}\n", siotd.log())
                status, _, said = run("-t", "-c", siotd.path)
                self.assertEqual((status, said),
                                 (3, f"{siotd.path}: metrics_file: {place}: {why}\n"))

    def test_a_reload_moves_it_and_refuses_what_cannot_be(self):
        with Siotd(self.text()) as siotd:
            self.read(siotd)
            path, base = os.path.join(siotd.folder.name, "m.prom"), config(self.port)
            log = siotd.reload("sys_interval: 1s\nmetrics_file: /nowhere/m.prom\n" + base)
            self.assertIn("reload: metrics_file: /nowhere/m.prom: No such file or directory", log)
            self.assertIn("nothing has changed", log)
            log = siotd.reload("sys_interval: 1s\nmetrics_file: n.prom\n" + base)
            self.assertRegex(log, r"reload: metrics_file: \S+/m.prom -> \S+/n.prom applied")
            self.read(siotd, name="n.prom")
            self.assertFalse(os.path.exists(path))
            log = siotd.reload("sys_interval: 1s\n" + base)
            self.assertRegex(log, r"reload: metrics_file: \S+/n.prom -> \S+ applied")
            self.assertFalse(os.path.exists(os.path.join(siotd.folder.name, "n.prom")))
            siotd.reload("sys_interval: 1s\nmetrics_file: m.prom\n" + base)
            self.read(siotd)

    def test_a_failure_stops_nothing(self):
        with Siotd(self.text()) as siotd:
            self.read(siotd)
            path = os.path.join(siotd.folder.name, "m.prom")
            os.unlink(path)
            os.mkdir(path)  # not even root can move a file there
            siotd.await_log(r"error siotd: metrics_file: \S+: Is a directory")
            with Client(("127.0.0.1", self.port)) as client:
                client.send(connect_packet())
                self.assertEqual(client.packet()[0], 0x20)
            time.sleep(2.2)  # two more intervals
            self.assertEqual(siotd.log().count("metrics_file"), 1)
            os.rmdir(path)
            siotd.await_log(r"info siotd: metrics_file: \S+ is written again")
            self.read(siotd)

    def test_what_a_killed_siotd_has_left_is_replaced(self):
        with Siotd(self.text()) as siotd:
            self.read(siotd)
            siotd.signal(signal.SIGKILL)
            self.assertEqual(siotd.wait(), -signal.SIGKILL)
            path = os.path.join(siotd.folder.name, "m.prom")
            with open(path, "a", encoding="utf-8") as file:
                file.write("no figures\n")
            with Siotd(config(self.port, rest=f"metrics_file: {path}")) as again:
                again.await_log("ready")
                deadline = time.monotonic() + WAIT_S
                while "no figures" in pathlib.Path(path).read_text(encoding="utf-8"):
                    self.assertLess(time.monotonic(), deadline)  # the file is written behind ready
                    time.sleep(0.02)
                self.read(siotd, lambda v: v["siotd_uptime_seconds", ()] < 1)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed (package prometheus)")
    def test_promtool_has_nothing_to_complain_about(self):
        with Siotd(self.text("data_dir: store") +
                   f"  - {{name: raw, protocol: raw, transport: udp, bind: '127.0.0.1:{free_port()}', "
                   f"anonymous: true}}\n") as siotd:
            self.read(siotd)
            with open(os.path.join(siotd.folder.name, "m.prom"), encoding="utf-8") as file:
                done = subprocess.run(["promtool", "check", "metrics"], stdin=file, timeout=60,
                                      capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))

    def test_prometheus_s_own_parser_reads_the_same(self):
        try:
            from prometheus_client.parser import text_string_to_metric_families
        except ImportError:
            self.skipTest("python3-prometheus-client is not installed")
        with Siotd(self.text("data_dir: store")) as siotd:
            values = self.read(siotd)
            with open(os.path.join(siotd.folder.name, "m.prom"), encoding="utf-8") as file:
                text = file.read()
        theirs = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
                  for family in text_string_to_metric_families(text) for sample in family.samples}
        self.assertEqual(set(theirs), set(values))


if __name__ == "__main__":
    main()
