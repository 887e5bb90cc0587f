"""Starting and stopping the broker under test: siotd, or Mosquitto as a check of the transcripts.

A Broker is one process with one configuration, listening on a free loopback port or a unix
socket. Settings are written like "limits.inflight=4"; "listener." settings go to the listener.
"""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../daemon"))
from ports import free_port  # noqa: E402

READY_S = 20
FAULTS = ("ERROR: AddressSanitizer", "runtime error:", "ERROR: LeakSanitizer",
          "MemorySanitizer:", "ThreadSanitizer:")


class BrokerError(Exception):
    """The broker did not start, or did not stop as it should."""


class Unsupported(BrokerError):
    """This broker has no such setting."""


def yaml_lines(tree, depth=0):
    lines = []
    for key, value in tree.items():
        if isinstance(value, dict):
            lines += ["  " * depth + key + ":"] + yaml_lines(value, depth + 1)
        else:
            lines.append("  " * depth + f"{key}: {value}")
    return lines


def siotd_config(settings, bind):
    """siotd.yaml for a list of settings and one listener."""
    listener = {"protocol": "mqtt", "transport": "tcp", "bind": bind, "anonymous": "true"}
    tree = {"log": {"level": "info", "to": "stderr"}}
    for setting in settings:
        path, value = setting.split("=", 1)
        keys = path.split(".")
        if keys[0] == "listener":
            listener[keys[1]] = value
            continue
        branch = tree
        for key in keys[:-1]:
            branch = branch.setdefault(key, {})
        branch[keys[-1]] = value
    lines = yaml_lines(tree) + ["listeners:", "  - name: test"]
    return "\n".join(lines + [f"    {key}: {value}" for key, value in listener.items()]) + "\n"


def in_seconds(text):
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]
    return str(int(text[:-1]) * unit)


MOSQUITTO_SETTINGS = {
    "mqtt.max_qos": lambda v: f"max_qos {v}",
    "mqtt.retain": lambda v: f"retain_available {v}",
    "mqtt.keep_alive_max": lambda v: f"max_keepalive {in_seconds(v)}",
    "limits.queued_messages": lambda v: f"max_queued_messages {v}",
    "limits.packet_size": lambda v: f"max_packet_size {v}",
    "limits.inflight": lambda v: f"max_inflight_messages {v}",
    "listener.anonymous": lambda v: f"allow_anonymous {v}",
    "log.level": lambda v: "",
    "sys_interval": lambda v: f"sys_interval {in_seconds(v)}",
}


def mosquitto_config(settings, port, path):
    lines = [f"listener {0 if path else port} {path or '127.0.0.1'}", "log_dest stderr",
             "log_type all", "set_tcp_nodelay true"]
    if os.geteuid() == 0:
        lines.append("user root")
    if not any(s.startswith("listener.anonymous") for s in settings):
        lines.append("allow_anonymous true")
    for setting in settings:
        key, value = setting.split("=", 1)
        if key not in MOSQUITTO_SETTINGS:
            raise Unsupported(f"Mosquitto has no {key}")
        lines.append(MOSQUITTO_SETTINGS[key](value))
    return "\n".join(lines) + "\n"


PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def limits_for(text):
    """A function that, in the child, sets the resource limits named like "stack=64k", and has the
    child end with the thread that started it, so that a runner that is killed leaves nothing."""
    def apply():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for limit in text.split():
            name, value = limit.split("=")
            size = int(value.rstrip("km")) * {"k": 1024, "m": 1 << 20}.get(value[-1], 1)
            which = {"stack": resource.RLIMIT_STACK, "nofile": resource.RLIMIT_NOFILE}[name]
            resource.setrlimit(which, (size, size))
    return apply


class Broker:
    """One broker process. kind is siotd or mosquitto, stack is tcp or unix."""

    def __init__(self, kind, program, settings, stack, limit="", slowness=1.0):
        self.kind, self.slowness, self.stack = kind, slowness, stack
        self.folder = tempfile.TemporaryDirectory(prefix="siotd-transcripts-")
        self.path = os.path.join(self.folder.name, "s") if stack == "unix" else None
        self.port = free_port()
        config = os.path.join(self.folder.name, "broker.conf")
        with open(config, "w", encoding="utf-8") as out:
            if kind == "siotd":
                bind = f"unix:{self.path}" if self.path else f"127.0.0.1:{self.port}"
                out.write(siotd_config(settings, bind))
            else:
                out.write(mosquitto_config(settings, self.port, self.path))
        self._log, self._lock = bytearray(), threading.Lock()
        self.process = subprocess.Popen(
            [program, "-c", config], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, preexec_fn=limits_for(limit), cwd=self.folder.name)
        self.pid = self.process.pid
        threading.Thread(target=self._collect, daemon=True).start()
        self._await_ready()

    def _collect(self):
        while True:
            piece = os.read(self.process.stderr.fileno(), 65536)
            if not piece:
                return
            with self._lock:
                self._log += piece

    def _await_ready(self):
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline and self.running():
            try:
                self.connect().close()
                return
            except OSError:
                time.sleep(0.02)
        self.process.kill()
        raise BrokerError(f"{self.kind} is not ready: {self.log_text(0)[-2000:]}")

    def connect(self):
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(30)
            connection.connect(self.path)
            return connection
        connection = socket.create_connection(("127.0.0.1", self.port), 30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def running(self):
        return self.process.poll() is None

    def log_size(self):
        with self._lock:
            return len(self._log)

    def log_text(self, start):
        with self._lock:
            return bytes(self._log[start:]).decode("utf-8", "replace")

    def signal(self, name):
        self.process.send_signal(getattr(signal, name))

    def wait(self, timeout_s):
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self):
        """Stop it; returns what was wrong with its end, or None."""
        already = self.process.poll()
        if already is None:
            self.process.terminate()
            if self.wait(20) is None:
                self.process.kill()
                self.process.wait()
                return "it did not stop within 20 s of SIGTERM"
        time.sleep(0.05)
        log = self.log_text(0)
        self.folder.cleanup()
        for fault in FAULTS:
            if fault in log:
                return log[log.index(fault):][:4000]
        if self.process.returncode:
            return f"it ended with status {self.process.returncode}: {log[-1500:]}"
        return None
