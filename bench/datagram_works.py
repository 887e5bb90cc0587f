"""What bench/compare --datagrams measures: raw, MQTT-SN and CoAP on UDP and DTLS, beside libcoap's
own server where that can do the same."""

import shutil
import subprocess
import time

CPU, MEMORY, MAKING = "cpu_us_per_message", "memory_bytes_each", "made_cpu_us"
# What a server with the kernel's usual receive buffer can take at once: 8 devices, 16 requests each.
REQUESTS = ["--clients", "8", "--window", "16"]
KEY = "Z" * 32  # as text for libcoap, in hexadecimal for siotd
SOME, FEW = ["--clients", "2000"], ["--clients", "200"]


def works(work):
    """The rows; `work` makes one of them. Only P-256 is a group that libcoap's server agrees to."""
    for verb, target in (("get", 2.5), ("put", 2.5)):
        yield work(f"coap-{verb}", f"CoAP {verb.upper()}", [f"coap-{verb}"] + REQUESTS, CPU, "µs",
                   None, target, protocol="coap")
    yield work("mqtt-sn", "MQTT-SN QoS 0", ["mqtt-sn"], CPU, "µs", 3, protocol="mqtt-sn",
               only="siotd")
    yield work("raw", "raw PUB", ["raw"], CPU, "µs", 3, protocol="raw", only="siotd")
    for protocol, what in (("raw", "raw subscriber"), ("mqtt-sn", "MQTT-SN client"),
                           ("coap", "CoAP observer")):
        yield work(f"idle-{protocol}", f"memory per {what}", [f"idle-{protocol}"], MEMORY, "bytes",
                   400, quick=FEW, protocol=protocol, only="siotd")
    kinds = [("1.2-p256", "1.2, P-256 key and certificate", ["1.2", "P-256"], 160, "certificate",
              None),
             ("1.2-x25519", "1.2, X25519, P-256 certificate", ["1.2", "X25519"], 160, "certificate",
              "siotd"),
             ("1.2-psk", "1.2, PSK and X25519", ["1.2", "X25519"], None, "psk", None),
             ("1.3-x25519", "1.3, X25519, P-256 certificate", ["1.3", "X25519"], 160, "certificate",
              "siotd"),
             ("1.3-psk", "1.3, PSK and X25519", ["1.3", "X25519"], None, "psk", "siotd")]
    for name, label, (version, group), target, protection, only in kinds:
        arguments = ["dtls", "--tls-version", version, "--tls-groups", group] + SOME
        yield work(f"dtls-{name}", f"CPU per handshake, DTLS {label}", arguments, MAKING, "µs",
                   target, protocol="coap", protection=protection, only=only, quick=FEW)
    for version, only in (("1.2", None), ("1.3", "siotd")):
        yield work(f"dtls-idle-{version}", f"memory per silent device, DTLS {version}",
                   ["dtls", "--tls-version", version, "--tls-groups", "P-256"] + SOME, MEMORY,
                   "bytes", 6144, protocol="coap", protection="certificate", only=only, quick=FEW)
    flood = ["flood", "--rate", "50000"]
    for name, label, metric, unit in (
            ("flood-memory", "memory that 10⁶ hellos leave", "growth_kib", "KiB"),
            ("flood-bytes", "bytes sent for 100 bytes of hellos", "bytes_out_percent", "bytes"),
            ("flood-honest", "honest handshakes meanwhile, of 100", "honest_percent", "")):
        yield work(name, label, flood, metric, unit,
                   {"growth_kib": 1024, "bytes_out_percent": 100, "honest_percent": 99}[metric],
                   protocol="coap", protection="certificate", only="siotd",
                   quick=["--count", "50000"])


def libcoap(broker):
    """The class of libcoap's server, as a kind of `broker`."""

    class Libcoap(broker):
        """Up to a thousand resources, made by PUT; it listens for DTLS one port above."""

        name = "libcoap"

        def configuration(self):
            return ""

        def command(self, path):
            if not self.protection:
                plain = shutil.which("coap-server-notls") or self.program
                return [plain, "-A", "127.0.0.1", "-p", str(self.port), "-d", "1000", "-v", "0"]
            secret = (["-k", KEY] if self.protection == "psk" else
                      ["-c", self.file("pki/server.pem"), "-j", self.file("pki/server.key"), "-n"])
            return [self.program, "-A", "127.0.0.1", "-p", str(self.port - 1), "-d", "1000", "-v",
                    "0"] + secret

        def version(self):
            shown = subprocess.run([self.program, "-h"], capture_output=True, text=True, check=False)
            words = (shown.stdout + shown.stderr).split()
            return next((word[1:] for word in words if word.startswith("v4")), "unknown")

    return Libcoap


def wait(broker, seconds):
    """Waits until the process has a socket on its port; whether it has, in time."""
    wanted = f":{broker.port:04X} "
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and broker.process.poll() is None:
        with open("/proc/net/udp", encoding="ascii") as table:
            if any(wanted in line[:30] for line in table):
                return True
        time.sleep(0.05)
    return False
