"""SIGHUP: all of the file or nothing of it, and the log says which."""

import os
import resource
import socket
import time
import unittest

from process import Client, Siotd, config, enters, free_port, main


def receive_maximum(port):
    """What a new client is told by its CONNACK (property 0x21)."""
    with Client(("127.0.0.1", port)) as client:
        properties = client.connack()[5:]
        at = properties.index(0x21)
        return int.from_bytes(properties[at + 1:at + 3], "big")


def about(log):
    """The reload lines of a log, without time and level."""
    return [line.split(" siotd: reload: ")[1] for line in log.splitlines() if " reload: " in line]


class Reload(unittest.TestCase):
    def test_a_broken_file_changes_nothing_and_says_why(self):
        port = free_port()
        with Siotd(config(port, rest="limits: {inflight: 20}")) as siotd:
            log = siotd.reload(config(port, "anonymous: maybe", rest="limits:\n  inflight: 0\n"
                                                                     "  packetsize: 5KiB\n"))
            self.assertEqual(about(log), [
                f"{siotd.path}:2:13: inflight: 0 is below 1",
                f"{siotd.path}:3:3: packetsize: unknown key; did you mean packet_size?",
                f"{siotd.path}:10:16: anonymous: maybe is neither true nor false",
                "nothing has changed, the old configuration stays"])
            self.assertTrue(enters(port))
            self.assertEqual(receive_maximum(port), 20)
            for text in ("", "listeners: [", config(port, "anonymous: [true")):
                self.assertIn("nothing has changed, the old configuration stays",
                              about(siotd.reload(text)))
            os.unlink(siotd.path)
            self.assertEqual(about(siotd.reload()), [
                f"{siotd.path}: cannot be read: No such file or directory",
                "nothing has changed, the old configuration stays"])
            self.assertEqual(receive_maximum(port), 20)

    def test_a_good_file_is_applied_key_by_key(self):
        port, other = free_port(), free_port()
        with Siotd(config(port, rest="limits: {inflight: 20}")) as siotd:
            log = siotd.reload(config(port, "anonymous: true\nmountpoint: a/\nmax_connections: 7",
                                      "sys_interval: 1m\nlimits: {inflight: 64}") +
                               f"  - {{name: b, protocol: mqtt, transport: tcp, "
                               f"bind: '127.0.0.1:{other}'}}\n")
            self.assertEqual(about(log), [
                "sys_interval: 10s -> 1m applied",
                "limits.inflight: 20 -> 64 applied",
                'listeners.mqtt.mountpoint: "" -> a/ needs restart',
                "listeners.mqtt.max_connections: 100000 -> 7 applied",
                "listeners.b: absent -> present needs restart",
                "done, 5 keys differed"])
            self.assertEqual(receive_maximum(port), 64)
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", other))
            # What needs a restart still differs; what was applied does not.
            self.assertEqual(about(siotd.reload()), [
                'listeners.mqtt.mountpoint: "" -> a/ needs restart',
                "listeners.b: absent -> present needs restart",
                "done, 2 keys differed"])

    def test_a_listener_is_closed_to_strangers_at_once(self):
        port = free_port()
        with Siotd(config(port)) as siotd:
            self.assertTrue(enters(port))
            self.assertIn("listeners.mqtt.anonymous: true -> false applied",
                          about(siotd.reload(config(port, "anonymous: false"))))
            self.assertFalse(enters(port))
            siotd.reload(config(port))
            self.assertTrue(enters(port))

    def test_connections_survive(self):
        port = free_port()
        with Siotd(config(port)) as siotd, Client(("127.0.0.1", port)) as client:
            client.connack()
            for inflight in range(1, 20):
                siotd.reload(config(port, rest=f"limits: {{inflight: {inflight}}}"))
            client.send(b"\xc0\x00")
            self.assertEqual(client.packet(), b"\xd0\x00")

    def test_max_connections_is_applied(self):
        port = free_port()
        with Siotd(config(port)) as siotd, Client(("127.0.0.1", port)) as client:
            client.connack()
            siotd.reload(config(port, "anonymous: true\nmax_connections: 1"))
            with Client(("127.0.0.1", port)) as second:
                self.assertEqual(second.connack(client_id=b"d"), b"")

    def test_the_broker_s_own_figures_start_and_stop(self):
        port, topic = free_port(), b"$SYS/broker/uptime"
        with Siotd(config(port, rest="sys_interval: unlimited")) as siotd, \
                Client(("127.0.0.1", port)) as client:
            client.connack()
            client.send(b"\x82" + bytes([6 + len(topic)]) + b"\x00\x01\x00\x00" +
                        bytes([len(topic)]) + topic + b"\x00")
            self.assertEqual(client.packet()[:1], b"\x90")
            client.send(b"\xc0\x00")
            self.assertEqual(client.packet(), b"\xd0\x00")  # and nothing retained before it
            siotd.reload(config(port, rest="sys_interval: 1s"))
            for _ in range(2):
                self.assertIn(topic, client.packet())
            siotd.reload(config(port, rest="sys_interval: unlimited"))
            client.socket.settimeout(1.5)
            with self.assertRaises(TimeoutError):
                while True:
                    client.packet()

    def test_without_descriptors_the_old_rules_stay(self):
        """vuln-04: a reload that cannot open its file must not leave the door open."""
        port = free_port()
        with Siotd(config(port, "anonymous: false")) as siotd:
            full = len(os.listdir(f"/proc/{siotd.pid}/fd"))
            hard = resource.prlimit(siotd.pid, resource.RLIMIT_NOFILE)[1]
            siotd.write(config(port, "anonymous: false\nmax_connections: 5"))
            for room in range(0, 3):
                resource.prlimit(siotd.pid, resource.RLIMIT_NOFILE, (full + room, hard))
                log = about(siotd.reload())
                if room == 0:
                    self.assertEqual(log, [f"{siotd.path}: cannot be read: Too many open files",
                                           "nothing has changed, the old configuration stays"])
                resource.prlimit(siotd.pid, resource.RLIMIT_NOFILE, (hard, hard))
                self.assertFalse(enters(port))
            self.assertEqual(log, ["done, 0 keys differed"])  # an earlier round had room enough

    def test_the_log_can_be_moved_and_a_bad_place_refuses_all(self):
        port = free_port()
        with Siotd(config(port, rest="limits: {inflight: 20}")) as siotd:
            log = siotd.reload(config(port, rest="log: {to: /nowhere/at/all}\n"
                                                 "limits: {inflight: 30}"))
            self.assertEqual(about(log), [
                "log.to: /nowhere/at/all: No such file or directory",
                "nothing has changed, the old configuration stays"])
            self.assertEqual(receive_maximum(port), 20)
            path = os.path.join(siotd.folder.name, "log")
            siotd.write(config(port, rest=f"log: {{to: {path}, level: error}}"))
            siotd.signal(1)
            deadline = time.monotonic() + 20
            while receive_maximum(port) != 32:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)
            self.assertTrue(os.path.exists(path))
            siotd.reload(config(port, rest="limits: {inflight: 40}"))  # and back to stderr
            self.assertEqual(receive_maximum(port), 40)

    def test_a_secretless_log_has_old_and_new_level(self):
        port = free_port()
        with Siotd(config(port)) as siotd:
            self.assertEqual(about(siotd.reload(config(port, rest="log: {level: debug}"))), [
                "log.level: info -> debug applied", "done, 1 key differed"])


if __name__ == "__main__":
    main()
