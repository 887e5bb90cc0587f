"""siotd under a service manager: readiness, reload, stop, watchdog, inherited sockets.

The manager is this test: it listens on a NOTIFY_SOCKET and hands over sockets as systemd does."""

import os
import re
import signal
import socket
import sys
import time
import unittest

from process import Client, Siotd, WAIT_S, config, enters, free_port, main

# Puts the descriptors argv[1] (comma-separated) at 3, 4, ... and becomes the program behind them.
LAUNCHER = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
copies = [os.dup(fd) for fd in fds]
while min(copies) < 3 + len(fds):
    copies = [os.dup(fd) for fd in copies]
for at, fd in enumerate(copies):
    os.dup2(fd, 3 + at, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """A NOTIFY_SOCKET, by path or in the abstract namespace."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(WAIT_S)

    def close(self):
        self.socket.close()
        if not self.name.startswith("@"):
            os.unlink(self.name)

    def message(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().split("\n"))


def inherited(sockets, names=None):
    """Arguments for Siotd that hand over these sockets."""
    fds = [s.fileno() for s in sockets]
    environment = {"LISTEN_FDNAMES": names} if names else {}
    return {"launcher": [sys.executable, "-c", LAUNCHER, ",".join(map(str, fds))],
            "pass_fds": fds, "environment": environment}


def listening(host="127.0.0.1"):
    s = socket.socket()
    s.bind((host, 0))
    s.listen()
    return s, s.getsockname()[1]


class ServiceManager(unittest.TestCase):
    def follow(self, name):
        """A whole life, as the manager sees it."""
        port = free_port()
        manager = Manager(name)
        try:
            with Siotd(config(port), environment={"NOTIFY_SOCKET": name}) as siotd:
                self.assertEqual(manager.message(), {"READY": "1", "STATUS": "ready: 1 listener"})
                before = time.monotonic_ns() // 1000
                siotd.reload()
                message = manager.message()
                self.assertEqual(message["RELOADING"], "1")
                self.assertLessEqual(before, int(message["MONOTONIC_USEC"]))
                self.assertLessEqual(int(message["MONOTONIC_USEC"]), time.monotonic_ns() // 1000)
                self.assertEqual(manager.message(), {
                    "READY": "1", "STATUS": "running, configuration reloaded"})
                siotd.reload("nonsense")
                self.assertEqual(manager.message()["RELOADING"], "1")
                self.assertEqual(manager.message(), {
                    "READY": "1", "STATUS": "running, the last reload failed"})
                siotd.signal(signal.SIGTERM)
                self.assertEqual(manager.message(), {"STOPPING": "1", "STATUS": "stopping"})
        finally:
            manager.close()

    def test_the_manager_is_told_by_path(self):
        self.follow(f"/tmp/siotd-notify-{os.getpid()}")

    def test_the_manager_is_told_by_abstract_name(self):
        self.follow(f"@siotd-notify-{os.getpid()}")

    def test_ready_means_that_everybody_may_come_in(self):
        port = free_port()
        manager = Manager(f"@siotd-ready-{os.getpid()}")
        with Siotd(config(port), environment={"NOTIFY_SOCKET": manager.name}, await_ready=False):
            self.assertEqual(manager.message()["READY"], "1")
            self.assertTrue(enters(port))
        manager.close()

    def test_a_start_that_fails_is_never_ready(self):
        taken, port = listening()
        manager = Manager(f"@siotd-failed-{os.getpid()}")
        with taken, Siotd(config(port), environment={"NOTIFY_SOCKET": manager.name},
                          await_ready=False) as siotd:
            self.assertEqual(siotd.wait(), 1)
        manager.socket.setblocking(False)
        with self.assertRaises(BlockingIOError):
            manager.message()
        manager.close()

    def test_the_loop_feeds_the_watchdog_and_starves_it_when_it_stands_still(self):
        manager = Manager(f"@siotd-watchdog-{os.getpid()}")
        with Siotd(config(free_port()), environment={"NOTIFY_SOCKET": manager.name,
                                                     "WATCHDOG_USEC": "400000"}) as siotd:
            seen = [manager.message() for _ in range(4)]
            self.assertEqual(sorted(map(tuple, seen)), [("READY", "STATUS")] +
                             [("WATCHDOG",)] * 3)
            start = time.monotonic()
            for _ in range(6):
                self.assertEqual(manager.message(), {"WATCHDOG": "1"})
            self.assertLess(time.monotonic() - start, 2.0)  # 0.6 on an idle machine
            siotd.signal(signal.SIGSTOP)
            time.sleep(0.3)
            manager.socket.setblocking(False)
            try:
                while True:
                    manager.message()  # what was sent before
            except BlockingIOError:
                pass
            time.sleep(0.6)
            with self.assertRaises(BlockingIOError):
                manager.message()
            siotd.signal(signal.SIGCONT)
            manager.socket.settimeout(WAIT_S)
            self.assertEqual(manager.message(), {"WATCHDOG": "1"})
        manager.close()

    def test_a_socket_goes_to_the_listener_of_its_name(self):
        one, port_one = listening()
        two, port_two = listening()
        text = (config(1, "anonymous: true") +
                "  - {name: quiet, protocol: mqtt, transport: tcp, bind: '127.0.0.1:2'}\n")
        with one, two, Siotd(text, **inherited([one, two], "quiet:mqtt")) as siotd:
            # Ports 1 and 2 are only what the file says: what is open is what was inherited.
            self.assertRegex(siotd.log(), rf"mqtt: 127\.0\.0\.1:{port_two}, .*\(inherited socket\)")
            self.assertTrue(enters(port_two))
            self.assertFalse(enters(port_one))

    def test_a_socket_without_a_name_goes_by_its_address(self):
        one, port = listening()
        with one, Siotd(config(port), **inherited([one], "siotd.socket")) as siotd:
            self.assertIn("(inherited socket)", siotd.log())
            self.assertTrue(enters(port))

    def test_a_unix_socket_is_inherited_and_left_in_place(self):
        path = f"/tmp/siotd-inherit-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path)
            one.listen()
            text = ("listeners:\n  - {name: u, protocol: mqtt, transport: tcp, anonymous: true, "
                    f"bind: 'unix:{path}'}}\n")
            with Siotd(text, **inherited([one])):
                with Client(path) as client:
                    self.assertEqual(client.connack()[:1], b"\x20")
            self.assertTrue(os.path.exists(path))  # it is the manager's
        os.unlink(path)

    def test_clients_wait_in_the_socket_while_siotd_is_restarted(self):
        one, port = listening()
        with one:
            with Siotd(config(port), **inherited([one])):
                self.assertTrue(enters(port))
            with Client(("127.0.0.1", port)) as early:
                with Siotd(config(port), **inherited([one])):
                    self.assertEqual(early.connack()[:1], b"\x20")

    def test_a_socket_that_nobody_wants_is_closed_and_named(self):
        one, _ = listening()
        port = free_port()
        with one, Siotd(config(port), **inherited([one], "stray")) as siotd:
            self.assertRegex(siotd.log(), r'warning siotd: the inherited socket "stray" belongs to '
                                          r"no listener; it is closed\n")
            self.assertTrue(enters(port))

    def test_a_socket_that_cannot_serve_ends_the_start(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.bind(("127.0.0.1", 0))
            with Siotd(config(free_port()), await_ready=False,
                       **inherited([datagrams], "mqtt")) as siotd:
                self.assertEqual(siotd.wait(), 1)
                self.assertRegex(siotd.log(), r"(?m) error siotd: .*mqtt")

    def test_sockets_meant_for_another_process_are_left_alone(self):
        port = free_port()
        with Siotd(config(port), environment={"LISTEN_PID": "1", "LISTEN_FDS": "1"}) as siotd:
            self.assertNotIn("inherited", siotd.log())
            self.assertTrue(enters(port))

    def test_nothing_of_it_is_passed_on(self):
        name = f"@siotd-environment-{os.getpid()}"
        manager = Manager(name)
        with Siotd(config(free_port()), environment={"NOTIFY_SOCKET": name}) as siotd:
            with open(f"/proc/{siotd.pid}/fdinfo/2", encoding="utf-8"):
                pass  # the process can be looked at
            flags = []
            for fd in os.listdir(f"/proc/{siotd.pid}/fd"):
                with open(f"/proc/{siotd.pid}/fdinfo/{fd}", encoding="utf-8") as info:
                    flags.append((int(fd), int(re.search(r"flags:\s*(\d+)", info.read()).group(1), 8)))
            left = [fd for fd, flag in flags if fd > 2 and not flag & os.O_CLOEXEC]
            self.assertEqual(left, [])
        manager.close()


if __name__ == "__main__":
    main()
