#!/usr/bin/env python3
"""Listeners on datagrams of the real siotd: how they are configured, which addresses they answer
from, what strangers cost, and how they stop. The protocol is raw, since it is the least of all."""

import os
import re
import socket
import struct
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "daemon")]

import process  # noqa: E402
from proxy import Path, Proxy  # noqa: E402

IP_PKTINFO = 8


def is_sanitized():
    with open(process.PROGRAM, "rb") as program:
        return b"__asan_init" in program.read()


def config(port, address="127.0.0.1", rest="", protocol="raw", transport="udp"):
    return (f'listeners:\n  - name: udp\n    protocol: {protocol}\n    transport: {transport}\n'
            f'    bind: "{address}:{port}"\n    anonymous: true\n'
            + "".join(f"    {line}\n" for line in rest.split("\n") if line))


class Device:
    """A device that sends datagrams; connected, so that it hears answers from nowhere else."""

    def __init__(self, port, address="127.0.0.1", source=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                                    socket.SOCK_DGRAM)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0][4])
        self.socket.settimeout(process.WAIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, datagram):
        self.socket.send(datagram)
        return self.socket.recv(65535)

    def hears_nothing(self):
        self.socket.settimeout(0.2)
        try:
            return self.socket.recv(65535) == b""
        except socket.timeout:
            return True
        finally:
            self.socket.settimeout(process.WAIT_S)


def link_local():
    """A link-local address of this machine with its interface, or None."""
    if not os.path.exists("/proc/net/if_inet6"):
        return None
    with open("/proc/net/if_inet6", encoding="ascii") as addresses:
        for line in addresses:
            digits, _, _, scope, flags, interface = line.split()
            if scope == "20" and not int(flags, 16) & 0x48:  # tentative, or a double
                return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(digits)) + "%" + interface
    return None


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


class Configuration(unittest.TestCase):
    def check(self, text):
        with process.tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            return process.run("-t", "-c", file.name)

    def test_a_protocol_and_a_transport_that_do_not_fit_are_named(self):
        status, _, said = self.check(config(process.free_port(), protocol="mqtt"))
        self.assertEqual(status, 3)
        self.assertIn("transport: mqtt needs a stream, and udp carries datagrams", said)
        status, _, said = self.check(config(process.free_port(), transport="tcp"))
        self.assertEqual(status, 3)
        self.assertIn("transport: raw needs datagrams, and tcp carries a stream", said)

    def test_there_are_no_unix_sockets_and_limits_have_limits(self):
        text = config(1).replace('"127.0.0.1:1"', "unix:/tmp/none")
        status, _, said = self.check(text)
        self.assertEqual(status, 3)
        self.assertIn("bind: udp has no unix sockets", said)
        status, _, said = self.check(config(process.free_port(), rest="idle_timeout: 1ms\n"
                                            "datagram_size: 70000\nhandshakes_per_prefix: 0"))
        self.assertEqual(status, 3)
        for name in ("idle_timeout", "datagram_size", "handshakes_per_prefix"):
            self.assertIn(name, said)

    def test_a_port_that_somebody_has_is_said_and_starts_nothing(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            port = other.getsockname()[1]
            status, out, _ = self.check(config(port))
            self.assertEqual(status, 0)
            self.assertRegex(out, rf"warning: udp: 127.0.0.1:{port}: .*in use")
            with process.tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(config(port))
                file.flush()
                status, _, said = process.run("-c", file.name)
            self.assertEqual(status, 1)
            self.assertRegex(said, rf"listener udp: 127.0.0.1:{port}: Address already in use")

    def test_a_stream_and_datagrams_may_have_the_same_port(self):
        port = process.free_port()
        text = config(port) + (f"  - {{name: mqtt, protocol: mqtt, transport: tcp, "
                               f"bind: 127.0.0.1:{port}, anonymous: true}}\n")
        with process.Siotd(text), Device(port) as device:
            self.assertEqual(device.ask(b"PUB a id=1\n1"), b"ACK 1")
            self.assertTrue(process.enters(port))


class Addresses(unittest.TestCase):
    def test_answers_leave_from_where_the_question_came_to(self):
        port = process.free_port()
        with process.Siotd(config(port, "*")):
            addresses = ["127.0.0.1", "127.0.0.2", "127.1.2.3"]
            addresses += ["::1"] if os.path.exists("/proc/net/if_inet6") else []
            for address in addresses:
                with self.subTest(address), Device(port, address) as device:
                    self.assertEqual(device.ask(b"PUB a id=1\n1"), b"ACK 1")

    def test_link_local_addresses_are_answered_on_their_interface(self):
        """From this machine to itself: nothing leaves it."""
        address = link_local()
        if not address:
            self.skipTest("this machine has no link-local address")
        for bind in ("[::]", f"[{address}]"):
            port = process.free_port()
            with process.Siotd(config(port, bind)) as siotd:
                with Device(port, address) as one, Device(port, address) as other:
                    self.assertEqual(one.ask(b"SUB a\n" + b" " * 40)[:5], b"OK id")
                    self.assertEqual(other.ask(b"PUB a id=1\nx"), b"ACK 1")
                    self.assertRegex(one.ask(b"PING"), rb"^MSG a id=\d+\nx$")
                siotd.await_log(r"raw/udp \[fe80:.*connected: raw, anonymous")

    def test_only_the_address_that_was_named_is_open(self):
        port = process.free_port()
        with process.Siotd(config(port, "127.0.0.3")):
            with Device(port, "127.0.0.3") as device:
                self.assertEqual(device.ask(b"PUB a id=1\n1"), b"ACK 1")
            with Device(port, "127.0.0.4") as device, self.assertRaises(ConnectionRefusedError):
                device.ask(b"PUB a id=1\n1")

    def test_an_inherited_socket_is_served(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as inherited:
            inherited.bind(("0.0.0.0", 0))
            port = inherited.getsockname()[1]
            os.set_inheritable(inherited.fileno(), True)
            launcher = ("sh", "-c", f"exec 3<&{inherited.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 "
                        "LISTEN_FDNAMES=udp; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; "
                        'exec "$@"', "sh")
            # An address that this machine has not: it is the inherited socket that counts.
            with process.Siotd(config(5600, "192.0.2.1"), launcher=launcher,
                               pass_fds=(inherited.fileno(),)) as siotd:
                self.assertIn("(inherited socket)", siotd.log())
                for address in ("127.0.0.1", "127.0.0.2"):
                    with Device(port, address) as device:
                        self.assertEqual(device.ask(b"PUB a id=1\n1"), b"ACK 1")


class Life(unittest.TestCase):
    def test_many_strangers_cost_nothing(self):
        port = process.free_port()
        with process.Siotd(config(port)) as siotd, Device(port) as device:
            def flood(count):
                for i in range(count):
                    source = struct.pack("I4s4s", 0, socket.inet_aton(
                        f"127.0.{i % 50000 // 250}.{i % 250 + 2}"), b"\0" * 4)
                    device.socket.sendmsg([b"PUB a/b\n21.5"],
                                          [(socket.IPPROTO_IP, IP_PKTINFO, source)])
                    if i % 100 == 99:  # nothing is missed that way
                        device.ask(b"PUB c id=%d\n1" % (i % 60000))
            flood(30000)  # by then all that is remembered of any has been filled
            before = resident_kib(siotd.pid)
            flood(60000)
            if not is_sanitized():  # whose own memory grows with what is freed
                self.assertLess(resident_kib(siotd.pid) - before, 128)

    def test_every_length_and_any_bytes_leave_it_alive(self):
        port = process.free_port()
        with process.Siotd(config(port)) as siotd, Device(port) as device:
            for length in (0, 1, 2, 1472, 1473, 9000, 65507):
                device.socket.send(b"\xff" * length)
                device.socket.send(b"PUB " + b"x" * (length if length < 65500 else 0))
            with Device(port) as other:
                self.assertEqual(other.ask(b"PUB a id=1\n1"), b"ACK 1")
            self.assertIsNone(siotd.process.poll())

    def test_a_reload_changes_what_may_change(self):
        port = process.free_port()
        with process.Siotd(config(port)) as siotd, Device(port) as device:
            said = siotd.reload(config(port, rest="idle_timeout: 1h\ndatagram_size: 508\n"
                                       "receive_buffer: 1MiB"))
            self.assertRegex(said, r"idle_timeout.*applied")
            self.assertRegex(said, r"datagram_size.*applied")
            self.assertRegex(said, r"receive_buffer.*restart")
            self.assertEqual(device.ask(b"PUB a id=1\n1"), b"ACK 1")

    def test_a_subscriber_hears_through_a_bad_network(self):
        port = process.free_port()
        with process.Siotd(config(port)), Proxy(
                ("127.0.0.1", port), seed=11, to_server=Path(loss=0.3, duplicate=0.2, reorder=0.2),
                to_client=Path(duplicate=0.2)) as proxy, Device(proxy.address[1]) as device:
            device.socket.settimeout(0.1)
            kept = set()
            for number in range(1, 51):
                for _ in range(100):  # at least once: until it is acknowledged
                    device.socket.send(b"PUB a id=%d\n1" % number)
                    try:
                        while device.socket.recv(100) != b"ACK %d" % number:
                            pass
                        kept.add(number)
                        break
                    except socket.timeout:
                        continue
            self.assertEqual(len(kept), 50)
            self.assertGreater(proxy.counts()["to_server"].lost, 5)


if __name__ == "__main__":
    process.main()
