"""What survives: kept sessions, what waits for them and retained messages, over every kind of end;
and what is promised while the disk is full or broken."""

import contextlib
import glob
import os
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

from process import WAIT_S, Siotd, config, free_port, main, run

FAIL = os.environ.get("SIOTD_FAIL")  # the library tests/crash/fail.c
CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK = 2, 3, 4, 5, 6, 7, 9
UNAVAILABLE, QUOTA_EXCEEDED = 0x03, 0x97


def string(text):
    raw = text.encode() if isinstance(text, str) else text
    return len(raw).to_bytes(2, "big") + raw


def packet(first, body):
    length, left = b"", len(body)
    while True:
        left, low = divmod(left, 128)
        length += bytes([low | (128 if left else 0)])
        if not left:
            return bytes([first]) + length + body


class Device:
    """An MQTT client that says and hears packets; its session is kept."""

    def __init__(self, port, name, version=4, clean=False):
        self.version, self.bytes, self.next_id = version, b"", 1
        self.released = []  # QoS 2 ids whose PUBREL is to come
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        expiry = b"\x00\x00\x00\x00" if clean else b"\x00\x00\xff\xff"
        properties = b"\x05\x11" + expiry if version == 5 else b""
        self.say(packet(0x10, string("MQTT") + bytes([version, 2 if clean else 0, 0, 0]) +
                        properties + string(name)))
        kind, body = self.hear()
        assert kind >> 4 == CONNACK, (kind, body)
        assert body[1] == 0, f"CONNACK {body[1]}"
        self.present = body[0] == 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def say(self, raw):
        self.socket.sendall(raw)

    def hear(self, seconds=WAIT_S):
        """The next packet: (first byte, body)."""
        self.socket.settimeout(seconds)
        while True:
            length = shift = 0
            for at, byte in enumerate(self.bytes[1:5], 2):
                length |= (byte & 127) << shift
                shift += 7
                if not byte & 128:
                    if len(self.bytes) >= at + length:
                        first, body = self.bytes[0], self.bytes[at:at + length]
                        self.bytes = self.bytes[at + length:]
                        return first, body
                    break
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise ConnectionError("the other end has closed")
            self.bytes += piece

    def leave(self):
        self.say(packet(0xE0, b""))
        self.socket.close()

    def number(self):
        self.next_id = self.next_id % 65535 + 1
        return self.next_id.to_bytes(2, "big")

    def properties(self):
        return b"\x00" if self.version == 5 else b""

    def subscribe(self, topics, qos=1):
        self.say(packet(0x82, self.number() + self.properties() + string(topics) + bytes([qos])))
        kind, body = self.hear()
        assert kind >> 4 == SUBACK and body[-1] == qos, (kind, body)

    def publish(self, topic, payload, qos=1, retain=False, number=None, again=False):
        """Says PUBLISH; returns its id."""
        number = number or (self.number() if qos else b"")
        self.say(packet(0x30 | again << 3 | qos << 1 | retain,
                        string(topic) + number + self.properties() + payload))
        return number

    def answer(self, kind, number, seconds=WAIT_S):
        """Hears that acknowledgement; returns its reason."""
        got, body = self.hear(seconds)
        assert (got >> 4, body[:2]) == (kind, number), (got, body)
        return body[2] if len(body) > 2 else 0

    def publish_all(self, topic, payloads):
        """Each with QoS 1, all at once, and awaits all acknowledgements."""
        numbers = [self.publish(topic, payload) for payload in payloads]
        for number in numbers:
            assert self.answer(PUBACK, number) == 0

    def message(self, seconds=WAIT_S):
        """The payload of the next PUBLISH, which is acknowledged."""
        first, body = self.hear(seconds)
        while first >> 4 == PUBREL:
            self.released.remove(body[:2])
            self.say(packet(0x70, body[:2]))
            first, body = self.hear(seconds)
        assert first >> 4 == PUBLISH, first
        qos = first >> 1 & 3
        at = 2 + int.from_bytes(body[:2], "big")
        number = body[at:at + 2] if qos else b""
        if qos == 1:
            self.say(packet(0x40, number))
        elif qos == 2:
            self.say(packet(0x50, number))
            self.released += [number]
        return body[at + len(number) + len(self.properties()):]

    def hears_nothing(self, seconds=0.2):
        """No message; the rest of a QoS 2 exchange may come."""
        try:
            got = self.message(seconds)
        except (TimeoutError, socket.timeout):
            assert not self.released, self.released
            return
        raise AssertionError(f"heard {got}")

    def ping(self):
        """Returns when all before it has been dealt with."""
        self.say(b"\xc0\x00")
        kind, _ = self.hear()
        assert kind == 0xD0, kind


class Durability(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory(prefix="siotd-durability-")
        self.folder = os.path.join(self.place.name, "data")
        self.port = free_port()

    def tearDown(self):
        self.place.cleanup()

    def start(self, rest="", folder=None, **options):
        text = f"data_dir: {folder or self.folder}\nsys_interval: 1s\n{rest}"
        return Siotd(config(self.port, rest=text), **options)

    def device(self, name, **options):
        return Device(self.port, name, **options)

    def end(self, siotd, number):
        siotd.signal(number)
        self.assertEqual(siotd.wait(), 0 if number == signal.SIGTERM else -number)

    # --- over every kind of end ---

    def check_thousand(self, number):
        payloads = [b"%d" % i for i in range(1000)]
        with self.start() as siotd:
            with self.device("s") as away:
                away.subscribe("sensors/#")
            with self.device("p", clean=True) as device:
                device.publish_all("sensors/a", payloads)
            self.end(siotd, number)
        with self.start() as siotd:
            with self.device("s") as back:
                self.assertTrue(back.present)
                self.assertEqual([back.message() for _ in payloads], payloads)
                back.ping()
                time.sleep(0.3)  # nobody waits for the news that they have arrived
            self.end(siotd, number)
        with self.start(), self.device("s") as back:
            self.assertTrue(back.present)
            back.hears_nothing()

    def test_a_kept_session_survives_a_kill(self):
        self.check_thousand(signal.SIGKILL)

    def test_a_kept_session_survives_a_stop(self):
        self.check_thousand(signal.SIGTERM)

    def test_a_session_that_is_not_to_be_kept_is_not(self):
        with self.start() as siotd:
            with self.device("s", clean=True) as device:
                device.subscribe("a")
                self.end(siotd, signal.SIGKILL)
        with self.start(), self.device("s") as back:
            self.assertFalse(back.present)

    def test_a_subscription_that_has_ended_stays_so(self):
        with self.start() as siotd, self.device("s") as device:
            device.subscribe("a")
            device.subscribe("b")
            number = device.number()
            device.say(packet(0xA2, number + string("a")))
            self.assertEqual(device.hear(), (0xB0, number))
            self.end(siotd, signal.SIGKILL)
        with self.start(), self.device("s") as back, self.device("p", clean=True) as device:
            device.publish_all("a", [b"gone"])
            device.publish_all("b", [b"kept"])
            self.assertEqual(back.message(), b"kept")
            back.hears_nothing()

    def test_retained_messages_survive(self):
        for number in (signal.SIGKILL, signal.SIGTERM):
            with self.start() as siotd:
                with self.device("p", clean=True) as device:
                    for topic, payload in (("r/a", b"first"), ("r/a", b"second"), ("r/b", b"x"),
                                           ("r/b", b"")):
                        asked = device.publish(topic, payload, retain=True)
                        self.assertEqual(device.answer(PUBACK, asked), 0)
                self.end(siotd, number)
            with self.start(), self.device("s", clean=True) as device:
                device.subscribe("r/#")
                self.assertEqual(device.message(), b"second")
                device.hears_nothing()

    def test_a_qos_2_message_is_published_once_whatever_happens_between(self):
        with self.start() as siotd:
            with self.device("s") as away:
                away.subscribe("a", qos=2)
            with self.device("p") as device:
                number = device.publish("a", b"once", qos=2)
                device.answer(PUBREC, number)
                self.end(siotd, signal.SIGKILL)
        with self.start() as siotd:
            with self.device("p") as device:
                self.assertTrue(device.present)
                device.publish("a", b"once", qos=2, number=number, again=True)
                device.answer(PUBREC, number)
                device.say(packet(0x62, number))
                device.answer(PUBCOMP, number)
                self.end(siotd, signal.SIGKILL)
        with self.start() as siotd:
            with self.device("p") as device:  # the id is free again: this one is new
                device.publish("a", b"twice", qos=2, number=number)
                device.answer(PUBREC, number)
                self.end(siotd, signal.SIGKILL)
        with self.start(), self.device("s") as back:
            self.assertEqual([back.message(), back.message()], [b"once", b"twice"])
            back.hears_nothing()

    def test_write_survives_the_process(self):
        with self.start("durability: write") as siotd:
            self.assertIn("siotd: write: what is acknowledged survives the process, not the "
                          f"machine; kept in {self.folder}\n", siotd.log())
            with self.device("s") as device:
                device.subscribe("a")
            self.end(siotd, signal.SIGKILL)
        with self.start("durability: write"), self.device("s") as back:
            self.assertTrue(back.present)

    def test_memory_leaves_the_folder_alone(self):
        with self.start("durability: memory") as siotd:
            self.assertIn("siotd: memory only: nothing survives a restart\n", siotd.log())
        self.assertFalse(os.path.exists(self.folder))

    # --- the folder ---

    def test_nobody_else_may_read_what_is_kept(self):
        old = os.umask(0)
        try:
            with self.start() as siotd, self.device("s") as device:
                device.subscribe("a")
                self.assertIn("siotd: flush: what is acknowledged survives power loss; kept in "
                              f"{self.folder}\n", siotd.log())
                self.assertEqual(stat.S_IMODE(os.stat(self.folder).st_mode), 0o700)
                names = os.listdir(self.folder)
                self.assertIn("siotd.db", names)
                for name in names:
                    mode = stat.S_IMODE(os.stat(os.path.join(self.folder, name)).st_mode)
                    self.assertEqual(mode, 0o600, name)
        finally:
            os.umask(old)

    def test_two_siotd_do_not_share_a_folder(self):
        with self.start():
            text = config(free_port(), rest=f"data_dir: {self.folder}")
            path = os.path.join(self.place.name, "second.yaml")
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
            status, _, err = run("-c", path)
            self.assertEqual(status, 1)
            self.assertRegex(err, r"siotd: data_dir: .*already")
            self.assertNotIn("siotd: ready", err)
            self.assertEqual(run("-t", "-c", path)[0], 0)  # looking is harmless

    def test_a_folder_that_cannot_be_made_is_said_so(self):
        path = os.path.join(self.place.name, "siotd.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(config(self.port, rest="data_dir: siotd.yaml/data"))
        status, _, err = run("-c", path)
        self.assertEqual(status, 1)
        self.assertRegex(err, r"siotd: data_dir: .*Not a directory")
        status, out, err = run("-t", "-c", path)
        self.assertRegex(out, r"(?m)^warning: data_dir: .*Not a directory$")

    def test_a_damaged_store_is_set_aside_and_siotd_starts(self):
        with self.start(), self.device("s") as device:
            device.subscribe("a")
        path = os.path.join(self.folder, "siotd.db")
        with open(path, "r+b") as file:
            file.write(b"no database at all")
        self.assertEqual(run("--verify-store", self.folder)[0], 1)
        with self.start() as siotd:
            self.assertRegex(siotd.log(), r"error store: .*damaged")
            self.assertEqual(len(glob.glob(path + ".damaged-*")), 1)
            with self.device("s") as device:
                device.subscribe("a")
        with self.start() as siotd, self.device("s") as device:
            self.assertNotRegex(siotd.log(), "damaged")
            self.assertTrue(device.present)

    def test_a_store_is_copied_while_siotd_runs(self):
        copy = os.path.join(self.place.name, "copy")
        os.mkdir(copy, 0o700)
        with self.start() as siotd, self.device("p", clean=True) as device:
            with self.device("s") as away:
                away.subscribe("a")
            device.publish_all("a", [b"x"] * 100)
            subprocess.run(["sqlite3", os.path.join(self.folder, "siotd.db"),
                            f".backup {copy}/siotd.db"], check=True, timeout=WAIT_S)
            device.publish_all("a", [b"y"] * 100)
            os.chmod(os.path.join(copy, "siotd.db"), 0o600)
            self.assertEqual(run("--verify-store", self.folder)[0], 0)  # also while it runs
            self.assertNotIn("error", siotd.log())
        self.assertEqual(run("--verify-store", copy)[0], 0)
        with self.start(folder=copy), self.device("s") as back:
            self.assertEqual([back.message() for _ in range(100)], [b"x"] * 100)
            back.hears_nothing()

    def test_verify_store_says_what_is_wrong(self):
        with self.start() as siotd, self.device("p", clean=True) as device:
            with self.device("s") as away:
                away.subscribe("a")
            device.publish_all("a", [b"a payload to be found"] * 10)
            configuration = siotd.path
            self.assertEqual(run("--verify-store", "-c", configuration)[0], 0)
        self.assertEqual(run("--verify-store", self.folder)[0], 0)
        path = os.path.join(self.folder, "siotd.db")
        with open(path, "rb") as file:
            raw = bytearray(file.read())
        raw[raw.index(b"a payload to be found")] ^= 1
        with open(path, "wb") as file:
            file.write(raw)
        status, out, err = run("--verify-store", self.folder)
        self.assertEqual((status, err), (1, ""))
        self.assertRegex(out, "messages: wrong sum")
        self.assertEqual(run("--verify-store", os.path.join(self.place.name, "nowhere"))[0], 1)
        with self.start(), self.device("s") as back:
            got = []
            with contextlib.suppress(TimeoutError, socket.timeout):
                while True:
                    got.append(back.message(0.3))
            self.assertTrue(set(got) <= {b"a payload to be found"}, got)

    def test_sys_tells_of_the_store(self):
        with self.start(), self.device("s", clean=True) as device:
            for name in ("batches", "commit/p99_us", "file/bytes", "set_aside"):
                device.subscribe(f"$SYS/broker/store/{name}", qos=0)
                self.assertRegex(device.message(), rb"^\d+$", name)

    # --- a disk that is broken, or full ---

    def test_a_flush_that_fails_ends_siotd_without_another_acknowledgement(self):
        if not FAIL:
            self.skipTest("nothing is preloaded into this build")
        sign = os.path.join(self.place.name, "fail")
        broken = {"LD_PRELOAD": FAIL, "FAIL_SET": "flush", "FAIL_HOW": "always", "FAIL_FROM": sign}
        with self.start(environment=broken) as siotd:
            with self.device("s") as away:
                away.subscribe("a")
            with self.device("p", clean=True) as device:
                device.publish_all("a", [b"%d" % i for i in range(10)])
                with open(sign, "w", encoding="utf-8"):
                    pass
                device.publish("a", b"lost")
                began = time.monotonic()
                with self.assertRaises((ConnectionError, ConnectionResetError)):
                    device.hear()
            self.assertEqual(siotd.wait(), 70)
            self.assertLess(time.monotonic() - began, 1)
            self.assertRegex(siotd.log(), r"error siotd: the store cannot be trusted any more: .*70")
        with self.start(), self.device("s") as back:
            for i in range(10):
                self.assertEqual(back.message(), b"%d" % i)
            # What was not acknowledged may have been written all the same.
            with contextlib.suppress(TimeoutError, socket.timeout):
                self.assertEqual(back.message(0.2), b"lost")

    def fill(self, device, most):
        """Publishes until somebody says no; how many were acknowledged."""
        for i in range(most):
            number = device.publish("kept", b"%08d" % i + b"x" * 8000)
            try:
                reason = device.answer(PUBACK, number, 3)
            except (TimeoutError, socket.timeout):
                return i  # it waits for the disk
            if reason == QUOTA_EXCEEDED:
                return i
            self.assertEqual(reason, 0)
        raise AssertionError("never full")

    def check_full(self, siotd, make_room):
        """A disk that is full: what would have to be kept is not acknowledged, the rest goes on."""
        with self.device("s") as away:
            away.subscribe("kept")
        for version in (4, 5):
            with self.device(f"back{version}", version=version) as back:
                back.subscribe("back")
        with self.device("live", clean=True) as live, \
                self.device("p", version=5, clean=True) as device:
            live.subscribe("live", qos=0)
            taken = self.fill(device, 5000)
            self.assertGreater(taken, 10)
            siotd.await_log(r"error siotd: the store is full")
            with self.device("q", version=5, clean=True) as other:
                number = other.publish("kept", b"no")
                self.assertEqual(other.answer(PUBACK, number), QUOTA_EXCEEDED)
                other.publish("live", b"QoS 0", qos=0)
                self.assertEqual(live.message(), b"QoS 0")
                for version in (4, 5):  # who is known comes back, and nobody new is promised anything
                    with self.device(f"back{version}", version=version) as back:
                        self.assertTrue(back.present)
                        other.publish("back", b"QoS 0", qos=0)
                        self.assertEqual(back.message(), b"QoS 0")
                for version, reason in ((4, UNAVAILABLE), (5, QUOTA_EXCEEDED)):
                    with self.assertRaisesRegex(AssertionError, f"CONNACK {reason}$"):
                        self.device("new", version=version)
            make_room()
            began = time.monotonic()
            siotd.await_log(r"info siotd: the store has room again", seconds=10)
            with self.device("r", version=5, clean=True) as other:
                number = other.publish("kept", b"end")
                self.assertEqual(other.answer(PUBACK, number), 0)
            self.assertLess(time.monotonic() - began, 5)
        self.end(siotd, signal.SIGKILL)
        return taken

    def expect_kept(self, taken, **options):
        with self.start("limits: {queued_messages: 100000, queued_bytes: 1GiB}", **options), \
                self.device("s") as back:
            got = []
            while not got or got[-1] != b"end":
                got.append(back.message())
            self.assertEqual([int(payload[:8]) for payload in got[:taken]], list(range(taken)))

    def test_a_full_disk_stops_acknowledgements_until_there_is_room(self):
        disk = os.path.join(self.place.name, "disk")
        os.mkdir(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], check=False,
                          stderr=subprocess.DEVNULL).returncode:
            self.skipTest("a small disk can only be mounted by root")
        try:
            filler = os.path.join(disk, "filler")
            with open(filler, "wb") as file:
                file.write(bytes(3 << 20))
            folder = os.path.join(disk, "data")
            with self.start("limits: {queued_messages: 100000, queued_bytes: 1GiB}",
                            folder=folder) as siotd:
                taken = self.check_full(siotd, lambda: os.unlink(filler))
            self.expect_kept(taken, folder=folder)
        finally:
            subprocess.run(["umount", disk], check=False)

    def test_at_its_size_limit_a_store_refuses_until_somebody_has_fetched_his_messages(self):
        rest = "store: {size_limit: 1MiB}\nlimits: {queued_messages: unlimited, queued_bytes: 1GiB}"
        with self.start(rest) as siotd:
            with self.device("s") as away:
                away.subscribe("kept")
            with self.device("p", version=5, clean=True) as device:
                taken = self.fill(device, 1000)
                self.assertGreater(taken, 10)
                siotd.await_log(r"error siotd: the store is full")
            with self.device("s") as back:
                for i in range(taken):
                    self.assertEqual(int(back.message()[:8]), i)
                siotd.await_log(r"info siotd: the store has room again", seconds=5)
            with self.device("p", version=5, clean=True) as device:
                number = device.publish("kept", b"end")
                self.assertEqual(device.answer(PUBACK, number), 0)
            self.end(siotd, signal.SIGKILL)
        with self.start(rest), self.device("s") as back:
            while back.message() != b"end":
                pass


if __name__ == "__main__":
    main()
