"""From start to stop: ports, log, signals, exit status."""

import os
import signal
import socket
import time
import unittest

import process
from process import Client, Siotd, busy_port, config, enters, free_port, main


class Life(unittest.TestCase):
    def test_the_log_says_what_is_open_and_then_ready(self):
        port = free_port()
        with Siotd(config(port)) as siotd:
            log = siotd.log()
            self.assertRegex(log, rf"siotd: mqtt: 127\.0\.0\.1:{port}, mqtt over tcp: open to "
                                  "everybody on this machine, without credentials\n")
            self.assertIn("siotd: memory only: nothing survives a restart\n", log)
            self.assertTrue(log.endswith("siotd: ready: 1 listener\n"), log)
            self.assertTrue(enters(port))

    def test_verbose_is_debug_whatever_the_file_says(self):
        port = free_port()
        with Siotd(config(port, rest="log: {level: error}"), ("-v",)) as siotd:
            self.assertIn(" info siotd: ready", siotd.log())

    def test_port_0_is_chosen_by_the_kernel_and_logged(self):
        with Siotd(config(0)) as siotd:
            port = int(siotd.log().split("mqtt: 127.0.0.1:")[1].split(",")[0])
            self.assertTrue(enters(port))

    def test_a_unix_socket_is_opened_and_removed(self):
        with Siotd(config(free_port())) as other:
            path = os.path.join(other.folder.name, "s")
            with Siotd("listeners:\n  - {name: u, protocol: mqtt, transport: tcp, anonymous: true, "
                       f"bind: 'unix:{path}'}}\n"):
                with Client(path) as client:
                    self.assertEqual(client.connack()[:1], b"\x20")
            self.assertFalse(os.path.exists(path))

    def test_sigterm_and_sigint_say_goodbye_and_end_with_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            port = free_port()
            with Siotd(config(port)) as siotd, Client(("127.0.0.1", port)) as five, \
                    Client(("127.0.0.1", port)) as three:
                five.connack(client_id=b"five")
                three.connack(client_id=b"three", version=4)
                siotd.signal(number)
                goodbye = five.packet()
                self.assertEqual(goodbye[:1] + goodbye[2:3], b"\xe0\x8b")
                self.assertEqual(five.packet(), b"")
                self.assertEqual(three.packet(), b"")
                self.assertEqual(siotd.wait(), 0)
                self.assertIn(f"stopping: {signal.Signals(number).name}\n", siotd.log())
                self.assertTrue(siotd.log().endswith("siotd: stopped\n"))
            with socket.socket() as again:
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.bind(("127.0.0.1", port))

    def test_a_client_that_does_not_read_cannot_hold_the_stop_up(self):
        port = free_port()
        with Siotd(config(port)) as siotd, Client(("127.0.0.1", port)) as client:
            client.connack()
            client.send(b"\x82\x07\x00\x01\x00\x00\x01#\x00")
            client.packet()
            message = b"\x30\xff\x7f\x00\x01t\x00" + bytes(16383 - 4)
            try:
                client.socket.settimeout(2)
                for _ in range(2000):  # to itself, unread, until no buffer has room left
                    client.send(message)
            except (TimeoutError, socket.timeout):
                pass
            start = time.monotonic()
            siotd.signal(signal.SIGTERM)
            self.assertEqual(siotd.wait(15), 0)
            self.assertLess(time.monotonic() - start, 10)

    def test_a_second_sigterm_ends_at_once(self):
        port = free_port()
        with Siotd(config(port)) as siotd, Client(("127.0.0.1", port)) as client:
            client.connack()
            siotd.signal(signal.SIGTERM)
            siotd.await_log("stopping: SIGTERM")
            siotd.signal(signal.SIGTERM)
            self.assertEqual(siotd.wait(), 0)

    def test_no_number_of_signals_spoils_a_clean_end(self):
        for _ in range(10):
            with Siotd(config(free_port())) as siotd:
                while siotd.process.poll() is None:
                    siotd.signal(signal.SIGTERM)
                    siotd.signal(signal.SIGHUP)
                self.assertEqual(siotd.wait(), 0)

    def test_a_port_in_use_is_named_and_is_status_1(self):
        with busy_port() as one, busy_port() as two:
            text = config(one) + (f"  - {{name: second, protocol: mqtt, transport: tcp, "
                                  f"bind: '127.0.0.1:{two}'}}\n"
                                  f"  - {{name: third, protocol: mqtt, transport: tcp, "
                                  f"bind: '127.0.0.1:{free_port()}'}}\n")
            with Siotd(text, await_ready=False) as siotd:
                self.assertEqual(siotd.wait(), 1)
                log = siotd.log()
                self.assertRegex(log, rf"error .*mqtt.*127\.0\.0\.1:{one}.*in use")
                self.assertRegex(log, rf"error .*second.*127\.0\.0\.1:{two}.*in use")
                self.assertNotIn("siotd: ready", log)

    def test_silent_strangers_keep_nobody_out(self):
        """They take a fifth of the descriptors; the oldest gives way."""
        port = free_port()
        with Siotd(config(port), launcher=("prlimit", "--nofile=64:64")) as siotd:
            silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
            begin = time.monotonic()
            self.assertTrue(enters(port))
            self.assertLess(time.monotonic() - begin, 3)
            self.assertIn("the oldest gives way", siotd.log())
            for connection in silent:
                connection.close()

    def test_a_log_that_cannot_be_opened_is_status_1(self):
        with Siotd(config(free_port(), rest="log: {to: /nowhere/at/all}"),
                   await_ready=False) as siotd:
            self.assertEqual(siotd.wait(), 1)
            self.assertEqual(siotd.log(),
                             f"{siotd.path}: log.to: /nowhere/at/all: No such file or directory\n")

    def test_sigusr1_opens_the_log_file_again(self):
        with Siotd(config(free_port())) as other:
            path = os.path.join(other.folder.name, "log")

            def lines(name):
                with open(name, encoding="utf-8") as file:
                    return file.read()

            def await_line(name, text):
                deadline = time.monotonic() + process.WAIT_S
                while not os.path.exists(name) or text not in lines(name):
                    self.assertLess(time.monotonic(), deadline, f"{name} has no {text}")
                    time.sleep(0.01)

            with Siotd(config(free_port(), rest=f"log: {{to: {path}, format: json}}"),
                       await_ready=False) as siotd:
                await_line(path, '"msg":"ready: 1 listener"')
                os.rename(path, path + ".1")
                siotd.signal(signal.SIGUSR1)
                await_line(path, "log reopened")
                self.assertNotIn("log reopened", lines(path + ".1"))
            self.assertIn("stopped", lines(path))

    def test_many_sighups_at_once_are_survived(self):
        with Siotd(config(free_port())) as siotd:
            for _ in range(50):
                siotd.signal(signal.SIGHUP)
            siotd.await_log("reload: done")
            self.assertIsNone(siotd.process.poll())


if __name__ == "__main__":
    main()
