"""What the interop cases stand on: a broker that runs, programs that are watched, cases that count.

A case is a function of a Place. It returns when what it claims was seen, and raises Failed (or
anything else) when not. A program that runs several checks of its own prints "ok NAME" or
"FAILED NAME: why" for each.
"""

import concurrent.futures
import getpass
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
sys.path.insert(1, os.path.join(ROOT, "tests/daemon"))
from ports import free_port  # noqa: E402


class Failed(Exception):
    """What was claimed was not seen."""


class Skipped(Exception):
    """What the case needs is not on this machine."""


def same(got, wanted, what):
    if got != wanted:
        raise Failed(f"{what}: expected {shortened(wanted)}, got {shortened(got)}")


def shortened(value):
    text = repr(value)
    return text if len(text) < 400 else text[:300] + f"... ({len(text)} characters)"


class Program:
    """A program whose lines of output are awaited; it never outlives the run."""

    running = set()
    lock = threading.Lock()

    def __init__(self, command, environment=None):
        self.command = [str(part) for part in command]
        self.lines = []
        self.arrived = queue.Queue()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        env={**os.environ, **(environment or {})})
        with Program.lock:
            Program.running.add(self)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            text = line.decode("utf-8", "backslashreplace").rstrip("\n")
            self.lines.append(text)
            self.arrived.put(text)
        self.arrived.put(None)

    def said(self):
        return f"{' '.join(self.command)[:300]} said {shortened(self.lines[-12:])}"

    def wait_line(self, pattern, limit_s=10):
        """The next line in which the pattern is found, as its match."""
        due = time.monotonic() + limit_s
        while True:
            try:
                line = self.arrived.get(timeout=max(0.01, due - time.monotonic()))
            except queue.Empty:
                raise Failed(f"no {pattern!r} within {limit_s} s; {self.said()}") from None
            if line is None:
                self.arrived.put(None)
                raise Failed(f"ended without {pattern!r}; {self.said()}")
            found = re.search(pattern, line)
            if found:
                return found

    def wait_end(self, limit_s=20):
        """Its exit status, when it ends in time; all its output has been read then."""
        try:
            status = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"still running after {limit_s} s; {self.said()}") from None
        self.reader.join(5)
        with Program.lock:
            Program.running.discard(self)
        return status

    def send(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with Program.lock:
            Program.running.discard(self)

    @classmethod
    def kill_all(cls):
        for program in list(cls.running):
            program.kill()


# --- brokers -------------------------------------------------------------------------------------

SIOTD_CONFIGURATION = """\
log:
  level: info
listeners:
  - {{name: mqtt, protocol: mqtt, transport: tcp, bind: "127.0.0.1:{port}", anonymous: true}}
  - {{name: six, protocol: mqtt, transport: tcp, bind: "[::1]:{port6}", anonymous: true}}
  - {{name: local, protocol: mqtt, transport: tcp, bind: "unix:{socket}", anonymous: true}}
  - {{name: closed, protocol: mqtt, transport: tcp, bind: "127.0.0.1:{closed}"}}
sys_interval: 1s
"""

MOSQUITTO_CONFIGURATION = """\
user {user}
per_listener_settings true
persistence false
sys_interval 1
listener {port} 127.0.0.1
allow_anonymous true
listener {port6} ::1
allow_anonymous true
listener 0 {socket}
allow_anonymous true
listener {closed} 127.0.0.1
allow_anonymous false
"""


class Broker:
    """The broker under test on ports of its own: open, open on IPv6, open on a unix socket, closed."""

    def __init__(self, kind, program, folder):
        self.kind = kind
        self.folder = folder
        self.socket = os.path.join(folder, "mqtt.sock")
        self.port = free_port()
        self.has_six = has_ipv6()
        self.port6 = free_port("::1") if self.has_six else 0
        self.closed = free_port()
        text = {"siotd": SIOTD_CONFIGURATION, "mosquitto": MOSQUITTO_CONFIGURATION}[kind]
        if not self.has_six:
            text = "\n".join(line for line in text.split("\n") if "::1" not in line)
        path = os.path.join(folder, "broker.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.format(port=self.port, port6=self.port6, socket=self.socket,
                                   closed=self.closed, user=getpass.getuser()))
        self.log_path = os.path.join(folder, "broker.log")
        with open(self.log_path, "wb") as log:
            # In a group of its own, so that an interrupt of the run leaves the stopping to us.
            self.process = subprocess.Popen([program, "-c", path], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True)
        self.wait_ready()

    def wait_ready(self):
        due = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.closed), 1).close()
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > due:
                    raise Failed(f"the broker does not start:\n{self.log()}") from None
                time.sleep(0.02)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="backslashreplace") as file:
            return "".join(file.readlines()[-60:])

    def stop(self):
        """Asks it to stop; what is wrong with how it did, or None."""
        if self.process.poll() is not None:
            return f"the broker ended by itself with status {self.process.returncode}"
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "the broker did not stop within 10 s of SIGTERM"
        with open(self.log_path, encoding="utf-8", errors="backslashreplace") as file:
            found = re.search(r".*(ERROR: \w+Sanitizer|runtime error:).*", file.read())
        if found:
            return found.group(0)
        return None if status == 0 else f"the broker's exit status is {status}"


def has_ipv6():
    try:
        free_port("::1")
        return True
    except OSError:
        return False


# Cases that are right and that Debian's Mosquitto fails all the same.
MOSQUITTO_FAILS = {
    "Paho C asynchronous: no local keeps a client's own messages away":
        "Mosquitto 2.0.11 keeps a subscription's old options when it is made again",
    "Paho Python: a shared subscription with no local is refused or closed":
        "Mosquitto 2.0.11 accepts it",
    "libmosquitto in MQTT 5.0 hears what all publish":
        "Mosquitto 2.0.11 sends more than libmosquitto's receive maximum of 20",
}


# --- cases ---------------------------------------------------------------------------------------


class Place:
    """Where a case runs: the broker, and names that no other case uses."""

    def __init__(self, broker, number, tools):
        self.broker = broker
        self.port = broker.port
        self.topic = f"case{number}"
        self.id = f"c{number}"
        self.tools = tools


class Tally:
    """Counts and reports, from several threads."""

    def __init__(self, known=None):
        self.known = known or {}  # {name of a case: why this broker fails it}
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()

    def report(self, name, failure=None, skipped=None):
        with self.lock:
            if failure and name in self.known:
                skipped = self.known[name]
            if skipped:
                self.skipped += 1
                print(f"SKIP {name}: {skipped}", flush=True)
            elif failure:
                self.failed += 1
                print(f"FAILED {name}: {failure}", flush=True)
            else:
                self.passed += 1
                print(f"ok {name}", flush=True)


def run_case(tally, name, function, place):
    try:
        function(place)
    except Skipped as reason:
        tally.report(name, skipped=str(reason))
    except Exception as error:  # a case that breaks is a case that fails
        tally.report(name, failure=str(error) if isinstance(error, Failed) else repr(error))
    else:
        tally.report(name)


def run_checks(tally, name, program, limit_s=60):
    """Runs a program that reports its own checks; its end must agree with what it said."""
    try:
        status = program.wait_end(limit_s)
    except Failed as late:
        tally.report(name, failure=str(late))
        return
    seen = failed = 0
    for line in program.lines:
        found = re.match(r"(?:ok|FAILED) (.*?)(?:: (.*))?$", line)
        if found:
            seen += 1
            failed += line.startswith("FAILED")
            tally.report(f"{name}: {found.group(1)}",
                         failure=found.group(2) or "no" if line.startswith("FAILED") else None)
    if status != (1 if failed else 0) or seen == 0:
        tally.report(name, failure=f"exit status {status} after {seen} checks; {program.said()}")


def run_all(tally, jobs, width):
    """Runs jobs (functions without arguments), as many as `width` at a time."""
    with concurrent.futures.ThreadPoolExecutor(width) as pool:
        for future in [pool.submit(job) for job in jobs]:
            future.result()


def find_tool(name):
    """A program's path, or None; brokers live in sbin, which may not be on the PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
