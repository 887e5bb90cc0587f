"""CoAP: libcoap's coap-client, plain and with its two DTLS libraries, and node-coap against siotd.

One siotd of its own serves MQTT, CoAP on udp (once asking for proof of addresses, once not) and
CoAP on dtls, over one topic tree.
"""

import functools
import os
import signal
import subprocess
import time

from harness import (Failed, Program, Skipped, find_tool, free_port, run_case, run_checks, same)
from mosquitto_tools import Sub, send
from programs import HERE

CASES = []  # (name, function of a CoapPlace)
KEY = "a-key-of-32-bytes-for-the-tests!"
DTLS_CLIENTS = ("coap-client-openssl", "coap-client-gnutls")

CONFIGURATION = """\
log: {{level: info}}
coap: {{echo: {echo}}}
listeners:
  - {{name: mqtt, protocol: mqtt, transport: tcp, bind: "127.0.0.1:{mqtt}", anonymous: true}}
  - {{name: coap, protocol: coap, transport: udp, bind: "127.0.0.1:{udp}", anonymous: true}}
  - name: coaps
    protocol: coap
    transport: dtls
    bind: "127.0.0.1:{dtls}"
    tls: {{certificate: {pki}/server.pem, key: {pki}/server.key, ca: {pki}/ca.pem,
          client_certificate: optional, psk_file: {folder}/devices.psk}}
auth:
  acl:
    - {{deny: [publish, subscribe], topics: ["locked/#"], anonymous: true}}
    - {{allow: [publish, subscribe], topics: ["own/%u/#", "open/#", "locked/#"]}}
"""


class Siotd:
    """A siotd with CoAP listeners and a PKI of siotctl's."""

    def __init__(self, program, folder, echo):
        self.folder = os.path.join(folder, f"coap-{echo}")
        self.pki = os.path.join(self.folder, "pki")
        os.mkdir(self.folder)
        self.mqtt, self.udp, self.dtls = free_port(), free_port(), free_port()
        self.siotctl = os.path.join(os.path.dirname(program), "siotctl")
        self.ctl("init", "--name", "interop CA")
        self.ctl("issue", "server", "--server", "--san", "DNS:localhost", "--san", "IP:127.0.0.1")
        self.ctl("issue", "device")
        with open(os.open(os.path.join(self.folder, "devices.psk"), os.O_CREAT | os.O_WRONLY,
                          0o600), "w", encoding="ascii") as file:
            file.write(f"ann:{KEY.encode().hex()}\n")
        path, self.path = os.path.join(self.folder, "siotd.yaml"), os.path.join(self.folder, "log")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(echo=echo, mqtt=self.mqtt, udp=self.udp,
                                            dtls=self.dtls, pki=self.pki, folder=self.folder))
        with open(self.path, "wb") as log:
            self.process = subprocess.Popen([program, "-c", path], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        due = time.monotonic() + 10
        while "siotd: ready" not in self.log():
            if self.process.poll() is not None or time.monotonic() > due:
                self.stop()
                raise Failed(f"siotd does not start:\n{self.log()}")
            time.sleep(0.02)

    def ctl(self, *arguments):
        done = subprocess.run([self.siotctl, "pki", *arguments, "--dir", self.pki],
                              capture_output=True, timeout=60, check=False)
        if done.returncode:
            raise Failed(f"siotctl pki: {done.stderr.decode()[-300:]}")

    def log(self):
        with open(self.path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def stop(self):
        """What is wrong with how it ends, or None."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        return None if status == 0 else f"siotd ended with {status}:\n{self.log()[-2000:]}"


class CoapPlace:
    """Where a case runs: siotd, and a topic that no other case uses."""

    def __init__(self, siotd, number, folder, tools):
        self.siotd, self.tools = siotd, tools
        self.port = siotd.mqtt
        self.topic = f"open/coap{number}"
        self.scratch = os.path.join(folder, f"coap-scratch-{number}")
        os.mkdir(self.scratch)

    def uri(self, topic=None, secure=False):
        scheme, port = ("coaps", self.siotd.dtls) if secure else ("coap", self.siotd.udp)
        return f"{scheme}://127.0.0.1:{port}/ps/{topic or self.topic}"


def case(name, clients=("coap-client-notls",)):
    """One case for each client, which the function takes as its second argument."""
    def add(function):
        for client in clients:
            CASES.append((f"{name}, {client}",
                          lambda place, c=client: function(place, needed(c))))
        return function
    return add


def needed(client):
    if find_tool(client) is None:
        raise Skipped("libcoap3-bin is not installed")
    return client


def coap(client, *arguments, limit_s=15):
    """Runs coap-client to its end; what it printed."""
    program = Program([client, *arguments])
    status = program.wait_end(limit_s)
    if status != 0:
        raise Failed(f"ended with {status}; {program.said()}")
    return "\n".join(program.lines)


def secrets(place, how):
    """The arguments that prove who somebody is."""
    if how == "psk":
        return ["-u", "ann", "-k", KEY]
    pki = place.siotd.pki
    return ["-c", f"{pki}/device.pem", "-j", f"{pki}/device.key", "-C", f"{pki}/ca.pem"]


# --- libcoap on udp ------------------------------------------------------------------------------


@case("a PUT reaches MQTT, a GET reads it")
def put_and_get(place, client):
    sub = Sub(place, "mqttv5", "-t", place.topic, "-q", "1")
    same(coap(client, "-m", "put", "-e", "22", place.uri()), "", "what a PUT prints")
    same(sub.next(), f"{place.topic}|1|0|22", "what MQTT hears")
    same(coap(client, place.uri()), "22", "the value")
    same(coap(client, "-N", "-m", "put", "-e", "23", place.uri()), "", "what a NON PUT prints")
    same(sub.next(), f"{place.topic}|0|0|23", "what MQTT hears of it")
    coap(client, "-m", "delete", place.uri())
    same("4.04" in coap(client, place.uri()), True, "whether it is gone")


@case("an observer follows what MQTT publishes")
def observe(place, client):
    observer = Program(["stdbuf", "-oL", client, "-w", "-s", "10", place.uri()])
    due = time.monotonic() + 10
    while ": observes" not in place.siotd.log() and time.monotonic() < due:
        time.sleep(0.02)
    time.sleep(0.5)  # its own answer is on the way
    for number, qos in enumerate(("0", "1", "2")):
        send(place, "mqttv5", place.topic, "-m", f"value {number}", "-q", qos)
        observer.wait_line(f"^value {number}$")
    observer.kill()


@case("a body of 20 kB goes in blocks both ways")
def blocks(place, client):
    body = os.path.join(place.scratch, "body")
    back = os.path.join(place.scratch, "back")
    with open(body, "wb") as file:
        file.write(os.urandom(20000))
    coap(client, "-m", "put", "-f", body, place.uri())
    for size in ("1024", "64"):
        coap(client, "-b", size, "-o", back, place.uri())
        with open(body, "rb") as one, open(back, "rb") as two:
            same(two.read() == one.read(), True, f"whether it came back in blocks of {size}")


@case("discovery and a topic of the draft")
def discovery(place, client):
    base = f"coap://127.0.0.1:{place.siotd.udp}"
    same("rt=\"core.ps core.ps.coll\"" in coap(client, f"{base}/.well-known/core"), True, "the list")
    create = os.path.join(place.scratch, "create")
    name = place.topic.encode()
    with open(create, "wb") as file:
        file.write(b"\xa2\x00" + bytes([0x60 + len(name)]) + name + b"\x02\x6ccore.ps.data")
    same("core.ps.data" in coap(client, "-m", "post", "-t", "606", "-f", create, f"{base}/ps"), True,
         "whether a topic was created")
    links = coap(client, f"{base}/ps?rt=core.ps.data")
    same(links.startswith("</ps/data/+"), True, f"the link to its value in {links!r}")
    path = links.split(">")[0].lstrip("<")
    coap(client, "-m", "put", "-e", "1", base + path)
    same(coap(client, place.uri()), "1", "the value by its topic")


@case("a lossy network")
def lossy(place, client):
    # By number, since chance loses all five of an exchange now and then.
    for lost in ("1", "1,2"):
        coap(client, "-l", lost, "-m", "put", "-e", lost, place.uri(), limit_s=60)
        same(coap(client, "-l", lost, place.uri(), limit_s=60), lost, "the value")


# --- libcoap on dtls -----------------------------------------------------------------------------


def over_dtls(place, client, how, user):
    proof = secrets(place, how)
    topic = f"own/{user}/{os.path.basename(place.topic)}"
    coap(client, *proof, "-m", "put", "-e", how, place.uri(topic, True))
    same(coap(client, *proof, place.uri(topic, True)), how, "the value")
    answer = coap(client, *proof, "-m", "put", "-e", how, place.uri("own/somebody/x", True))
    same("4.03" in answer, True, f"whether another's topic is refused: {answer!r}")
    observer = Program(["stdbuf", "-oL", client, "-w", "-s", "10", *proof,
                        place.uri(place.topic, True)])
    due = time.monotonic() + 10
    while f"coap:{user}@" not in place.siotd.log() and time.monotonic() < due:
        time.sleep(0.02)
    time.sleep(0.5)
    send(place, "mqttv5", place.topic, "-m", "a command", "-q", "1")
    observer.wait_line("^a command$")
    observer.kill()


@case("a pre-shared key is who one is", DTLS_CLIENTS)
def psk(place, client):
    over_dtls(place, client, "psk", "ann")


@case("a certificate is who one is", DTLS_CLIENTS)
def certificate(place, client):
    over_dtls(place, client, "certificate", "device")


@case("a wrong key does not get in", DTLS_CLIENTS)
def wrong_key(place, client):
    program = Program([client, "-B", "3", "-u", "ann", "-k", "some-other-key-of-32-bytes-today",
                       "-m", "put", "-e", "thief", place.uri("locked/thief", True)])
    program.wait_end(30)
    same(coap(client, *secrets(place, "certificate"), place.uri("locked/thief", True)), "4.04",
         "what a wrong key has left")


# --- all of them ---------------------------------------------------------------------------------


def node_coap(tally, siotd, tools):
    try:
        environment = tools.node("coap")
    except Skipped as reason:
        tally.report("node-coap", skipped=str(reason))
        return
    program = Program(["node", os.path.join(HERE, "coap_client.js"), siotd.udp], environment)
    run_checks(tally, "node-coap", program)


def run(tally, program, folder, only, tools, run_all, width):
    """Starts siotd, runs the cases whose name contains `only`, and stops it."""
    wanted = [(name, function) for name, function in CASES if only in f"CoAP: {name}"]
    if not os.access(os.path.join(os.path.dirname(program), "siotctl"), os.X_OK):
        tally.report("CoAP", skipped="siotd is built without TLS: there is no siotctl")
        return
    if wanted:
        siotd = Siotd(program, folder, "true")
        jobs = []
        for number, (name, function) in enumerate(wanted):
            place = CoapPlace(siotd, number, folder, tools)
            jobs.append(functools.partial(run_case, tally, f"CoAP: {name}", function, place))
        try:
            run_all(tally, jobs, min(width, 6))
        finally:
            tally.report("CoAP: siotd serves all of this and stops when told to",
                         failure=siotd.stop())
    if only in "node-coap":
        siotd = Siotd(program, folder, "false")
        try:
            node_coap(tally, siotd, tools)
        finally:
            tally.report("node-coap: siotd stops when told to", failure=siotd.stop())
