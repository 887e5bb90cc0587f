"""siotd as a process, for the tests of this folder: started with a configuration of the test's own,
watched by its log, and made to end cleanly.

Every test file ends with `main()`, which runs its tests against the program named on the command
line and prints "N passed, N failed".
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from ports import free_port  # noqa: F401: for those who import this

WAIT_S = 20
FAULTS = ("AddressSanitizer", "runtime error:", "LeakSanitizer", "Assertion")
PROGRAM = None
# Before a command: it ends with who started it, even if that is killed. (With the thread, in fact.)
TIED = ("setpriv", "--pdeathsig", "KILL", "--")


def config(port, listener="anonymous: true", rest=""):
    """The text of a configuration with one MQTT listener."""
    return (f"{rest}\nlisteners:\n  - name: mqtt\n    protocol: mqtt\n    transport: tcp\n"
            f"    bind: 127.0.0.1:{port}\n" + "".join(f"    {line}\n" for line in listener.split("\n")))


def run(*arguments, **options):
    """Runs siotd to its end: (exit status, stdout, stderr)."""
    done = subprocess.run([PROGRAM, *arguments], stdin=subprocess.DEVNULL, timeout=60,
                          capture_output=True, check=False, **options)
    text = done.stderr.decode()
    assert not any(fault in text for fault in FAULTS), text
    return done.returncode, done.stdout.decode(), text


class Siotd:
    """One running siotd, in a folder of its own. Use it with `with`: leaving checks that it ends
    with status 0 on SIGTERM, unless the test has waited for its end itself."""

    def __init__(self, text, arguments=(), environment=None, launcher=(), pass_fds=(),
                 await_ready=True):
        self.folder = tempfile.TemporaryDirectory(prefix="siotd-process-")
        self.path = os.path.join(self.folder.name, "siotd.yaml")
        self.write(text)
        self.ended = False  # and its status given to the test
        self._log, self._lock = bytearray(), threading.Condition()
        variables = dict(os.environ)
        variables.update(environment or {})
        self.process = subprocess.Popen(
            [*(TIED if threading.current_thread() is threading.main_thread() else ()),
             *launcher, PROGRAM, "-c", self.path, *arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=variables, pass_fds=pass_fds,
            cwd=self.folder.name)
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()
        if await_ready:
            self.await_log(r"siotd: ready")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if self.ended:
                return
            self.process.send_signal(signal.SIGKILL if kind else signal.SIGTERM)
            status = self.wait()
            if not kind:
                assert status == 0, f"ended with {status}:\n{self.log()}"
        finally:
            self.process.stderr.close()
            self.folder.cleanup()

    def _collect(self):
        while True:
            piece = os.read(self.process.stderr.fileno(), 65536)
            with self._lock:
                self._log += piece
                self._lock.notify_all()
            if not piece:
                return

    def await_port(self, port):
        """Waits until the port is open: for a log that does not say ready."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < deadline and self.process.poll() is None, self.log()
                time.sleep(0.005)

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as out:
            out.write(text)

    def log(self):
        with self._lock:
            return self._log.decode("utf-8", "replace")

    def mark(self):
        """A position in the log, to look only at what comes after it."""
        with self._lock:
            return len(self._log)

    def await_log(self, pattern, since=0, seconds=WAIT_S):
        """Waits for a line; returns the log from `since` on."""
        deadline = time.monotonic() + seconds
        with self._lock:
            while True:
                text = self._log[since:].decode("utf-8", "replace")
                if re.search(pattern, text):
                    return text
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"the log has no {pattern!r}:\n{text}")
                self._lock.wait(min(left, 0.2))

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, text=None):
        """Writes the file, asks to have it read; returns what the log says about it."""
        if text is not None:
            self.write(text)
        since = self.mark()
        self.signal(signal.SIGHUP)
        return self.await_log(r"reload: (done|nothing has changed)", since)

    def wait(self, seconds=WAIT_S):
        """Waits for the end; the exit status."""
        status = self.process.wait(seconds)
        self.ended = True
        self._reader.join(seconds)
        assert not any(fault in self.log() for fault in FAULTS), self.log()
        return status


def connect_packet(client_id=b"c", version=5):
    body = b"\x00\x04MQTT" + bytes([version, 2, 0, 60]) + (b"\x00" if version == 5 else b"")
    body += len(client_id).to_bytes(2, "big") + client_id
    return bytes([0x10, len(body)]) + body


class Client:
    """The least of an MQTT client: sends bytes, cuts packets."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(address)
        self.bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, packet):
        self.socket.sendall(packet)

    def packet(self):
        """The next packet, its length in one byte; b"" when the connection has ended."""
        while len(self.bytes) < 2 or len(self.bytes) < 2 + self.bytes[1]:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return b""
            self.bytes += piece
        end = 2 + self.bytes[1]
        packet, self.bytes = self.bytes[:end], self.bytes[end:]
        return packet

    def connack(self, **options):
        """Connects; returns the CONNACK."""
        self.send(connect_packet(**options))
        return self.packet()


def enters(port):
    """Whether an anonymous client is let in."""
    with Client(("127.0.0.1", port)) as client:
        answer = client.connack()
        return len(answer) > 3 and answer[0] == 0x20 and answer[3] == 0


@contextlib.contextmanager
def busy_port():
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def finish(done, more=0):
    """Ends a test program: prints the sum of a unittest result as scripts/test reads it. `more` tests ran
    inside others. What fails before any test of a class runs is a failure without a test."""
    failed, skipped = len(done.failures) + len(done.errors), len(done.skipped)
    passed = max(0, done.testsRun + more - failed - skipped)
    print(f"{passed} passed, {failed} failed{f', {skipped} skipped' if skipped else ''}")
    sys.exit(1 if failed or done.testsRun == 0 else 0)


def program():
    """The program to be tested, from the command line of a test file; without it there is no test."""
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} PROGRAM [TEST...]")
    return os.path.abspath(sys.argv.pop(1))


def main():
    global PROGRAM
    PROGRAM = program()
    finish(unittest.main(module="__main__", exit=False, verbosity=1).result)
