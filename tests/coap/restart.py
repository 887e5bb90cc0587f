"""CoAP and a store: who observed a siotd that is killed goes on to observe it, without asking."""

import os
import sqlite3
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import client  # noqa: E402
import process  # noqa: E402
from client import (ACCEPT, CON, DELETE, GET, NON, OBSERVE, POST, PUT, RST, BLOCK2, block,
                    number)  # noqa: E402

RULES = "auth:\n  acl:\n    - {allow: [all], anonymous: true, topics: [%s]}\n"


class Restart(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.mqtt, self.port = process.free_port(), process.free_port()
        self.siotd = None
        self.start()
        self.addCleanup(lambda: self.siotd.__exit__(None, None, None))

    def config(self, rules=""):
        return client.config(self.mqtt, self.port,
                             rest=f"data_dir: {self.folder.name}/state\n{rules}")

    def start(self, text=None):
        self.siotd = process.Siotd(text or self.config())

    def restart(self, text=None, kill=True):
        if kill:
            self.siotd.process.kill()
            self.siotd.wait()
        self.siotd.__exit__(None, None, None)
        self.start(text)

    def endpoint(self):
        endpoint = client.Endpoint(self.port)
        self.addCleanup(endpoint.socket.close)
        return endpoint

    def observer(self, path, token=b"t", options=()):
        observer = self.endpoint()
        answer = observer.ask(GET, path, token=token, options=[(OBSERVE, b""), *options])
        self.assertEqual(answer.text, "2.05")
        self.assertIsNotNone(answer.value(OBSERVE))
        return observer, answer

    def publish(self, *payloads, topic=b"a", qos=0, retain=False):
        with process.Client(("127.0.0.1", self.mqtt)) as mqtt:
            self.assertEqual(mqtt.connack(client_id=b"pub")[3], 0)
            for payload in payloads:
                mqtt.send(client.publish_packet(topic, payload, qos, retain))
                if qos:
                    self.assertEqual(mqtt.packet()[0], 0x40)
            mqtt.send(b"\xc0\x00")
            self.assertEqual(mqtt.packet(), b"\xd0\x00")

    def notes(self):
        """How many relations are on disk, a moment later at most."""
        with sqlite3.connect(f"{self.folder.name}/state/siotd.db") as database:
            return database.execute("SELECT count(*) FROM notes WHERE instr(key, ?) = 1",
                                    (b"coap observe\0",)).fetchone()[0]

    def await_notes(self, wanted):
        deadline = time.monotonic() + 5
        while self.notes() != wanted:
            self.assertLess(time.monotonic(), deadline, f"{self.notes()} notes, not {wanted}")
            time.sleep(0.02)

    def probe(self, observer, payload, token=b"t"):
        """The first notification after a restart asks whether anybody is there."""
        asked = observer.hear()
        self.assertEqual((asked.text, asked.kind, asked.token, asked.payload),
                         ("2.05", CON, token, payload))
        return asked

    def test_an_observer_goes_on_after_a_kill_and_numbers_rise(self):
        self.publish(b"before", retain=True)
        observer, answer = self.observer("ps/a")
        last = answer.value(OBSERVE)
        self.publish(*(b"%d" % n for n in range(150)), retain=True)  # faster than the clock
        heard = None
        while heard is None or heard.payload != b"149":
            heard = observer.hear()
            self.assertGreater(heard.value(OBSERVE), last)
            last = heard.value(OBSERVE)
        self.restart()
        self.siotd.await_log("observations that go on after the restart: 1")
        asked = self.probe(observer, b"149")
        self.assertGreater(asked.value(OBSERVE), last)
        self.assertLess(asked.value(OBSERVE) - last, 1 << 23)
        observer.acknowledge(asked)
        self.publish(b"after")
        heard = observer.hear()
        self.assertEqual((heard.text, heard.kind, heard.payload), ("2.05", NON, b"after"))
        self.assertGreater(heard.value(OBSERVE), asked.value(OBSERVE))
        self.restart()
        observer.acknowledge(self.probe(observer, b"149"))

    def test_what_is_published_first_asks_as_well(self):
        observer, _ = self.observer("ps/a")
        self.restart()
        self.publish(b"at once")
        observer.acknowledge(self.probe(observer, b"at once"))
        self.publish(b"then")
        self.assertEqual(observer.hear().kind, NON)
        self.assertIsNone(observer.hear(1.3))

    def test_a_stop_in_good_order_is_no_end_either(self):
        observer, _ = self.observer("ps/a")
        self.restart(kill=False)
        observer.acknowledge(self.probe(observer, b""))
        self.await_notes(1)

    def test_who_has_gone_is_let_go(self):
        observer, _ = self.observer("ps/a")
        self.restart()
        observer.acknowledge(self.probe(observer, b""), RST)
        self.await_notes(0)
        self.restart()
        self.assertNotIn("observations", self.siotd.log())
        self.assertIsNone(observer.hear(1.3))

    def test_what_has_ended_does_not_come_back_and_what_comes_and_goes_leaves_nothing(self):
        observer, _ = self.observer("ps/a")
        for _ in range(20):
            observer.ask(GET, "ps/a", token=b"t", options=[(OBSERVE, b"")])
            observer.ask(GET, "ps/b", token=b"u", options=[(OBSERVE, b"")])
            observer.ask(GET, "ps/b", token=b"u", options=[(OBSERVE, b"\1")])
        self.await_notes(1)
        observer.ask(GET, "ps/a", token=b"t", options=[(OBSERVE, b"\1")])
        self.assertEqual(self.notes(), 0)  # it has been answered
        other, _ = self.observer("ps/a")
        self.publish(b"x", retain=True)
        other.hear()
        observer.ask(DELETE, "ps/a")
        last = other.hear()
        self.assertEqual(last.text, "4.04")
        other.acknowledge(last)
        self.await_notes(0)

    def test_block_size_and_format_are_still_what_they_were(self):
        observer, _ = self.observer("ps/a", options=[(ACCEPT, number(0)),
                                                     (BLOCK2, block(0, 0, 1))])
        self.publish(b"x" * 40, retain=True)
        self.assertEqual(len(observer.hear().payload), 32)
        self.restart()
        asked = self.probe(observer, b"x" * 32)
        self.assertEqual(asked.value(BLOCK2), 0 << 4 | 1 << 3 | 1)
        observer.acknowledge(asked)
        device = self.endpoint()
        device.ask(PUT, "ps/a", b"{}", [(client.CONTENT_FORMAT, number(50))])
        last = observer.hear()
        self.assertEqual(last.text, "4.06")
        observer.acknowledge(last)
        self.await_notes(0)

    def test_a_created_topic_counts_its_observers_as_before(self):
        device = self.endpoint()
        created = device.ask(POST, "ps", bytes.fromhex("a3006174") + b"\x02\x6ccore.ps.data"
                             + b"\x06\x01", [(client.CONTENT_FORMAT, number(606))])
        self.assertEqual(created.text, "2.01")
        self.publish(b"v", topic=b"t", retain=True)
        observer, _ = self.observer("ps/t")
        self.restart()
        observer.acknowledge(self.probe(observer, b"v"))
        answer = self.endpoint().ask(GET, "ps/t", token=b"x", options=[(OBSERVE, b"")])
        self.assertEqual((answer.text, answer.value(OBSERVE)), ("2.05", None))

    def test_rules_are_asked_again(self):
        observer, _ = self.observer("ps/a")
        other, _ = self.observer("ps/b")
        self.restart(self.config(RULES % '"b"'))
        last = observer.hear()
        self.assertEqual((last.text, last.kind, last.token), ("4.03", NON, b"t"))
        other.acknowledge(self.probe(other, b""))
        self.await_notes(1)
        self.assertEqual(self.siotd.log().count("do not go on after the restart: 1"), 1)

    def test_without_its_listener_an_observation_ends_with_one_line(self):
        for topic in "ps/a", "ps/b":
            self.observer(topic)
        self.restart(self.config().replace("name: coap", "name: other"))
        log = self.siotd.log()
        self.assertEqual(log.count("do not go on after the restart: 2"), 1)
        self.await_notes(0)


if __name__ == "__main__":
    process.main()
