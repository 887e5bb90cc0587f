"""DTLS and datagrams: openssl s_client and gnutls-cli say raw datagrams to siotd, and tshark judges
what goes over the wire: all of it well-formed, the payload to be read on udp and not on dtls.

One siotd of its own serves raw, CoAP and MQTT-SN, each on udp and dtls, and MQTT, over one topic
tree.
"""

import functools
import os
import re
import signal
import subprocess
import threading
import time

import tls_tools
from coap_tools import KEY
from harness import Failed, Program, Skipped, find_tool, free_port, run_case, same
from mosquitto_tools import Sub, send

CASES = []  # (name, function of a DatagramPlace)
PROTOCOLS = ("raw", "coap", "mqtt-sn")

TLS = """{{certificate: {server}.pem, key: {server}.key, ca: {ca}, crl: {crl}, \
client_certificate: optional, psk_file: {folder}/devices.psk}}"""


def case(name):
    def add(function):
        CASES.append((name, function))
        return function
    return add


# --- where the cases run -------------------------------------------------------------------------


class Siotd(tls_tools.Siotd):
    """A siotd for datagrams, with a PKI of siotctl's and a device with a key."""

    def __init__(self, program, folder):
        self.program, self.folder = program, os.path.join(folder, "dtls")
        os.mkdir(self.folder)
        self.siotctl = os.path.join(os.path.dirname(program), "siotctl")
        self.pki = os.path.join(self.folder, "pki")
        self.make_pki()
        with open(os.open(os.path.join(self.folder, "devices.psk"), os.O_CREAT | os.O_WRONLY,
                          0o600), "w", encoding="ascii") as file:
            file.write(f"ann:{KEY.encode().hex()}\n")
        self.plain = free_port()
        self.ports = {}
        lines = ["log: {level: debug}", "mqtt_sn: {search_gateway: true}", "listeners:",
                 "  - {name: mqtt, protocol: mqtt, transport: tcp, anonymous: true,"
                 f" bind: \"127.0.0.1:{self.plain}\"}}"]
        files = TLS.format(server=self.file("server"), ca=self.file("ca.pem"),
                           crl=self.file("ca.crl"), folder=self.folder)
        for protocol in PROTOCOLS:
            for transport in ("udp", "dtls"):
                self.ports[protocol, transport] = port = free_port()
                tls = f", tls: {files}" if transport == "dtls" else ""
                lines.append(f"  - {{name: {protocol}-{transport}, protocol: {protocol}, anonymous: "
                             f"true, transport: {transport}, bind: \"127.0.0.1:{port}\"{tls}}}")
        self.start("\n".join(lines) + "\n", [])


class DatagramPlace:
    """A case's place: siotd, and a topic that no other case uses."""

    def __init__(self, siotd, number, tools):
        self.siotd, self.tools, self.port = siotd, tools, siotd.plain
        self.topic = f"dtls{number}"

    def port_of(self, protocol, transport):
        return self.siotd.ports[protocol, transport]


# --- raw datagrams through other people's DTLS ---------------------------------------------------


class Dialogue:
    """A program that sends what it is given line by line or piece by piece, and prints what comes:
    one write, one record."""

    def __init__(self, command):
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.said, self.lock = b"", threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while piece := os.read(self.process.stdout.fileno(), 65536):
            with self.lock:
                self.said += piece
                self.lock.notify_all()

    def say(self, datagram):
        os.write(self.process.stdin.fileno(), datagram)

    def wait(self, words, limit_s=10):
        due = time.monotonic() + limit_s
        with self.lock:
            while words not in self.said:
                if time.monotonic() > due:
                    raise Failed(f"no {words} but {self.said[-400:]}")
                self.lock.wait(0.1)

    def end(self):
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()


def needed(tool):
    if find_tool(tool) is None:
        raise Skipped(f"{tool} is not installed")


def speaks_raw(place, command, ready, user):
    """Publishes to a plain MQTT client and gets a command of one."""
    sub = Sub(place, "mqttv5", "-t", f"{place.topic}/up", "-q", "1")
    device = Dialogue(command)
    try:
        if ready:
            device.wait(ready)
        device.say(f"SUB {place.topic}/down\n".encode())
        device.wait(b"OK")
        device.say(f"PUB {place.topic}/up id=5\n21.5".encode())
        device.wait(b"ACK 5")
        same(sub.next(), f"{place.topic}/up|1|0|21.5", "what MQTT hears")
        send(place, "mqttv5", f"{place.topic}/down", "-m", "blink", "-q", "0")
        device.wait(f"MSG {place.topic}/down\nblink".encode())
        place.siotd.logs(f'raw/dtls .*connected: raw, {user}', lambda: None)
    finally:
        device.end()
        sub.close()


def openssl(place, *more):
    needed("openssl")
    return ["openssl", "s_client", "-dtls1_2", "-quiet", "-connect",
            f"127.0.0.1:{place.port_of('raw', 'dtls')}", *more]


@case("raw over openssl s_client -dtls1_2, as nobody")
def openssl_nobody(place):
    speaks_raw(place, openssl(place, "-CAfile", place.siotd.file("ca.pem"),
                              "-verify_return_error"), b"verify return:1", "anonymous")


@case("raw over openssl s_client -dtls1_2, with a certificate")
def openssl_certificate(place):
    speaks_raw(place, openssl(place, "-CAfile", place.siotd.file("ca.pem"), "-cert",
                              place.siotd.file("device.pem"), "-key",
                              place.siotd.file("device.key")), b"verify return:1",
               'user "device"')


@case("raw over openssl s_client -dtls1_2, with a pre-shared key")
def openssl_key(place):
    speaks_raw(place, openssl(place, "-psk", KEY.encode().hex(), "-psk_identity", "ann", "-cipher",
                              "ECDHE-PSK-CHACHA20-POLY1305:PSK"), None, 'user "ann"')


def gnutls(place, *more):
    needed("gnutls-cli")
    return ["stdbuf", "-o0", "gnutls-cli", "--udp", "--x509cafile", place.siotd.file("ca.pem"),
            *more, "-p", place.port_of("raw", "dtls"), "localhost"]


@case("raw over gnutls-cli --udp, as nobody")
def gnutls_nobody(place):
    speaks_raw(place, gnutls(place), b"Simple Client Mode", "anonymous")


@case("raw over gnutls-cli --udp, with a certificate")
def gnutls_certificate(place):
    speaks_raw(place, gnutls(place, "--x509certfile", place.siotd.file("device.pem"),
                             "--x509keyfile", place.siotd.file("device.key")),
               b"Simple Client Mode", 'user "device"')


@case("gnutls-cli --udp shakes hands with a pre-shared key")
def gnutls_key(place):
    # Its version 3.7.9 breaks off with a fault of its own when it is to print about such a session.
    def shake():
        device = Dialogue(gnutls(place, "--priority", "NORMAL:-KX-ALL:+ECDHE-PSK:-GROUP-ALL:"
                                 "+GROUP-SECP256R1", "--pskusername", "ann", "--pskkey",
                                 KEY.encode().hex()))
        device.process.wait(10)
        device.end()
    place.siotd.logs("raw/dtls .*: DTLSv1.2, ECDHE-PSK-[A-Z0-9-]*, SECP256R1", shake)


# --- what somebody on the wire sees --------------------------------------------------------------


# Echo and Request-Tag (RFC 9175) are younger than tshark 4.0.
UNKNOWN_TO_TSHARK = r"Invalid Option Number (252|292)\]|^ *\[Group: Malformed\]$"


class Capture:
    """tshark listening to one udp port of the loopback interface; `end` gives the recording."""

    def __init__(self, place, port, dissector):
        needed("tshark")
        self.port, self.dissector = port, dissector
        self.path = os.path.join(place.siotd.folder, f"{place.topic}-{port}.pcap")
        # Other addresses of the interface are other people's, whatever their ports.
        mine = " or ".join(f"({end} host 127.0.0.1 and udp {end} port {port})"
                           for end in ("src", "dst"))
        self.tshark = Program(["tshark", "-q", "-i", "lo", "-f", mine, "-w", self.path],
                              {"HOME": place.siotd.folder})
        try:
            self.tshark.wait_line("Capture started")
        except Failed:
            self.tshark.kill()
            raise Skipped(f"tshark may not capture here; {self.tshark.said()}") from None

    def end(self, wanted):
        """The text of all packets, of which there are at least `wanted`, none malformed."""
        time.sleep(1)  # what the kernel still holds is handed over several times per second
        self.tshark.send(signal.SIGINT)
        self.tshark.wait_end()
        done = subprocess.run(["tshark", "-r", self.path, "-d",
                               f"udp.port=={self.port},{self.dissector}", "-V"],
                              capture_output=True, timeout=60, check=False)
        text = done.stdout.decode("utf-8", "replace")
        if done.returncode:
            raise Failed(f"tshark -r: {done.stderr.decode()[-300:]}")
        count = len(re.findall(r"^Frame \d+", text, re.M))
        same(count >= wanted, True, f"{count} packets recorded")
        found = [line.strip() for line in text.split("\n")
                 if re.search(r"(?i)malformed|\[expert info \((warning|error)", line)
                 and not re.search(UNKNOWN_TO_TSHARK, line)]
        same(found, [], "what the dissector finds wrong")
        return text

    def content(self):
        with open(self.path, "rb") as file:
            return file.read()


def coap_dialogue(place, client, proof, scheme, port):
    """Has siotd read and send all that coap-client can say."""
    def coap(*arguments):
        program = Program([client, "-B", "10", *proof, *arguments])
        same(program.wait_end(20), 0, f"the end of {program.said()}")
        return "\n".join(program.lines)
    base = f"{scheme}://127.0.0.1:{port}"
    uri = f"{base}/ps/{place.topic}"
    body = os.path.join(place.siotd.folder, f"{place.topic}.body")
    with open(body, "w", encoding="ascii") as file:
        file.write("a long body " * 400)
    coap("-m", "put", "-t", "0", "-e", "The vault is open", uri)
    coap("-N", "-m", "put", "-e", "not confirmable", uri)
    coap("-m", "post", "-e", "not to be kept", uri)
    coap("-m", "put", "-t", "0", "-O", "14,0x3c", "-e", "The vault is open", uri)
    same(coap(uri), "The vault is open", "the value")
    coap("-m", "get", f"{base}/.well-known/core")
    coap("-m", "fetch", "-e", "x", uri)
    coap("-m", "ipatch", "-e", "x", uri)
    coap("-m", "put", "-f", body, f"{uri}/long")
    coap("-b", "64", f"{uri}/long")
    coap("-K", "1", "-s", "3", uri)  # observes, says ping (empty CON), cancels
    coap("-m", "delete", uri)
    coap(uri)


@case("tshark finds nothing wrong in CoAP, and reads its payload on udp")
def wire_coap(place):
    needed("coap-client-notls")
    port = place.port_of("coap", "udp")
    capture = Capture(place, port, "coap")
    coap_dialogue(place, "coap-client-notls", [], "coap", port)
    text = capture.end(60)
    for words in ("The vault is open", "2.01 Created", "2.04 Changed", "2.05 Content",
                  "2.02 Deleted", "4.04 Not Found", "2.31 Continue", "Observe", "Max-age"):
        same(words.lower() in text.lower(), True, f"whether tshark sees {words!r}")


@case("tshark finds nothing wrong in DTLS 1.2 that carries CoAP, and reads none of it")
def wire_coaps(place):
    needed("coap-client-openssl")
    port = place.port_of("coap", "dtls")
    capture = Capture(place, port, "dtls")
    coap_dialogue(place, "coap-client-openssl", ["-u", "ann", "-k", KEY], "coaps", port)
    text = capture.end(60)
    for words in ("Hello Verify Request", "Server Hello", "Application Data"):
        same(words in text, True, f"whether tshark sees {words!r}")
    content = capture.content()
    same([word for word in (b"vault", b"long body", place.topic.encode()) if word in content], [],
         "words of the messages in the recording")


def run_raw(place, transport, arguments, payload):
    """siotctl subscribes and publishes raw datagrams."""
    siotctl, port = place.siotd.siotctl, place.port_of("raw", transport)
    common = ["--protocol", "raw", "-p", port, "-h", "127.0.0.1", *arguments]
    sub = Sub(place, "mqttv5", "-t", place.topic, "-q", "1")
    program = Program([siotctl, "pub", *common, "-t", place.topic, "-q", "1", "-m", payload])
    same(program.wait_end(20), 0, f"the end of {program.said()}")
    same(sub.next(), f"{place.topic}|1|0|{payload}", "what MQTT hears")
    sub.close()


def add_secrecy():
    for version in ("1.2", "1.3"):
        def hidden(place, version=version):
            port = place.port_of("raw", "dtls")
            capture = Capture(place, port, "dtls")
            # tshark 4.0 does not know a HelloRetryRequest of DTLS when it sees one, and finds no key
            # where that names a group; so the group is one for which none is needed.
            run_raw(place, "dtls", ["--dtls", "--dtls-version", version, "--psk", KEY.encode().hex(),
                                    "--psk-identity", "ann", "--groups", "X25519"],
                    "The vault is open")
            text = capture.end(5)
            if version == "1.3":  # other cases speak 1.2 at the same port
                found = re.search(r"Supported Version: (Unknown \(0xfefc\)|DTLS 1\.3)", text)
                same(bool(found), True, "whether DTLS 1.3 was agreed on")
            content = capture.content()
            same([word for word in (b"vault", place.topic.encode()) if word in content], [],
                 "words of the message in the recording")
        CASES.append((f"nothing of a raw datagram is to be read under DTLS {version}", hidden))

    def shown(place):
        capture = Capture(place, place.port_of("raw", "udp"), "data")
        run_raw(place, "udp", [], "The vault is open")
        capture.end(2)
        same(b"The vault is open" in capture.content(), True, "whether the payload is there")
    CASES.append(("a raw datagram is to be read on udp", shown))


add_secrecy()


# --- all of it -----------------------------------------------------------------------------------


def run(tally, program, folder, only, tools, run_all, width):
    """Runs the cases whose name contains `only`, with a siotd of their own."""
    cases = [(f"datagrams: {name}", function) for name, function in CASES
             if only in f"datagrams: {name}"]
    why = tls_tools.missing(program)
    if not cases:
        return
    if why or find_tool("mosquitto_pub") is None:
        tally.report("datagrams", skipped=why or "mosquitto-clients is not installed")
        return
    siotd, failed = Siotd(program, folder), tally.failed
    try:
        jobs = [functools.partial(run_case, tally, name, function,
                                  DatagramPlace(siotd, number, tools))
                for number, (name, function) in enumerate(cases)]
        run_all(tally, jobs, min(width, 6))
    finally:
        wrong = siotd.stop()
    if tally.failed > failed:
        print(f"its last words:\n{siotd.log()[-4000:]}")
    tally.report("datagrams: siotd serves all of this and stops when told to", failure=wrong)
