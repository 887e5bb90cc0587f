"""TLS: mosquitto's tools, openssl and other people's libraries against siotd, with certificates
that siotctl and openssl have made.

One siotd of its own serves four ports and one topic tree: plain MQTT, TLS, TLS for clients with a
certificate, TLS for clients with a pre-shared key.
"""

import functools
import getpass
import os
import re
import shutil
import signal
import subprocess
import time

import capture
from harness import Failed, Place, Program, Skipped, find_tool, free_port, run_case, same
from mosquitto_tools import VERSIONS, Sub, send
from programs import HERE, PYTHON

CASES = []  # (name, function of a TlsPlace)
PSK_KEY = "5ec7e700112233445566778899aabbccddeeff00112233445566778899aabbcc"

CONFIGURATION = """\
log: {{level: info}}
listeners:
  - {{name: mqtt, protocol: mqtt, transport: tcp, bind: "127.0.0.1:{plain}", anonymous: true}}
  - name: mqtts
    protocol: mqtt
    transport: tls
    bind: "127.0.0.1:{tls}"
    anonymous: true
    tls: {{certificate: {server}.pem, key: {server}.key}}
  - name: mutual
    protocol: mqtt
    transport: tls
    bind: "127.0.0.1:{mutual}"
    anonymous: true
    tls: {{certificate: {server}.pem, key: {server}.key, ca: {ca}, crl: {crl},
          client_certificate: required}}
  - name: psk
    protocol: mqtt
    transport: tls
    bind: "127.0.0.1:{psk}"
    anonymous: true
    tls: {{psk_file: {folder}/devices.psk}}
  - name: users
    protocol: mqtt
    transport: tls
    bind: "127.0.0.1:{users}"
    tls: {{certificate: {server}.pem, key: {server}.key}}
auth:
  password_file: {folder}/passwords
  acl:
    - {{allow: [publish, subscribe], topics: ["#"]}}
"""


def case(name):
    def add(function):
        CASES.append((name, function))
        return function
    return add


# --- where the cases run -------------------------------------------------------------------------


def checked(*command, given=None, where=None):
    done = subprocess.run([str(part) for part in command], input=given, cwd=where,
                          capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))[:200]}: {done.stderr.decode()[-300:]}")
    return done.stdout.decode()


class Siotd:
    """A siotd with TLS listeners and a PKI of siotctl's; `listen` says where."""

    def __init__(self, program, folder, more=(), name="tls"):
        self.program, self.folder = program, os.path.join(folder, name)
        os.mkdir(self.folder)
        self.siotctl = os.path.join(os.path.dirname(program), "siotctl")
        self.pki = os.path.join(self.folder, "pki")
        self.plain, self.tls, self.mutual, self.psk, self.users = (free_port() for _ in range(5))
        self.make_pki()
        self.make_users()
        self.ca, self.crl = self.file("ca.pem"), self.file("ca.crl")
        with open(os.open(os.path.join(self.folder, "devices.psk"), os.O_CREAT | os.O_WRONLY,
                          0o600), "w", encoding="ascii") as file:
            file.write(f"device:{PSK_KEY}\n")
        self.start(CONFIGURATION.format(
            plain=self.plain, tls=self.tls, mutual=self.mutual, psk=self.psk, users=self.users,
            ca=self.ca, crl=self.crl, server=self.file("server"), folder=self.folder), more)

    def start(self, text, more):
        """Runs it until it says that it is ready."""
        path = os.path.join(self.folder, "siotd.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.path = os.path.join(self.folder, "siotd.log")
        with open(self.path, "wb") as log:
            self.process = subprocess.Popen([self.program, "-c", path, *more], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL,
                                            start_new_session=True)
        due = time.monotonic() + 10
        while "siotd: ready" not in self.log():
            if self.process.poll() is not None or time.monotonic() > due:
                self.stop()
                raise Failed(f"siotd does not start:\n{self.log()}")
            time.sleep(0.02)

    def ctl(self, *arguments):
        return checked(self.siotctl, "pki", *arguments, "--dir", self.pki)

    def make_pki(self):
        self.ctl("init", "--name", "interop CA")
        self.ctl("issue", "server", "--server", "--san", "DNS:localhost", "--san", "IP:127.0.0.1")
        for name in ("device", "stolen"):
            self.ctl("issue", name)
        for end in (".pem", ".key"):  # what is revoked is put away
            shutil.copy(self.file(f"stolen{end}"), self.file(f"thief{end}"))
        self.ctl("revoke", "stolen")

    def make_users(self):
        """ann by siotctl, and by Mosquitto's own tool, where there is one, bob."""
        path = os.path.join(self.folder, "passwords")
        checked(self.siotctl, "passwd", path, "ann", "--stdin", given=b"open sesame\n")
        if find_tool("mosquitto_passwd"):
            checked(find_tool("mosquitto_passwd"), "-b", path, "bob", "open sesame")

    def file(self, name):
        return os.path.join(self.pki, name)

    def log(self):
        with open(self.path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def logs(self, pattern, action):
        """Does something that siotd is to log. Only so many failed handshakes per second are
        logged, and other cases fail some too: so it may take several times."""
        for _ in range(8):
            action()
            due = time.monotonic() + 1
            while time.monotonic() < due:
                if re.search(pattern, self.log()):
                    return
                time.sleep(0.02)
        raise Failed(f"the log has no {pattern!r}:\n{self.log()[-1500:]}")

    def stop(self):
        """What is wrong with how it ends, or None."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "siotd did not stop within 10 s"
        found = re.search(r".*(ERROR: \w+Sanitizer|runtime error:).*", self.log())
        return found.group(0) if found else None if status == 0 else f"exit status {status}"


class TlsPlace(Place):
    """A case's place; `where` tells mosquitto's tools how to reach a listener."""

    def __init__(self, siotd, number, tools):
        self.siotd, self.tools = siotd, tools
        self.topic, self.id = f"tls{number}", f"t{number}"
        self.plain = ["-h", "127.0.0.1", "-p", siotd.plain]
        self.tls = ["-h", "localhost", "-p", siotd.tls, "--cafile", siotd.ca]
        self.psk = ["-h", "127.0.0.1", "-p", siotd.psk, "--psk", PSK_KEY, "--psk-identity", "device"]

    def user(self, name, password="open sesame"):
        return ["-h", "localhost", "-p", self.siotd.users, "--cafile", self.siotd.ca, "-u", name,
                "-P", password]

    def mutual(self, name="device"):
        return ["-h", "localhost", "-p", self.siotd.mutual, "--cafile", self.siotd.ca, "--cert",
                self.siotd.file(f"{name}.pem"), "--key", self.siotd.file(f"{name}.key")]


def refused(where, topic, version="mqttv311"):
    """mosquitto_pub that must not get in."""
    program = Program(["mosquitto_pub", *where, "-V", version, "-t", topic, "-m", "x", "-q", "1"])
    if program.wait_end() == 0:
        raise Failed(f"it was let in; {program.said()}")


# --- mosquitto's tools ---------------------------------------------------------------------------


def both_ways(place, where, version, qos):
    """What goes in by TLS comes out plain, and back."""
    for going, coming in ((where, place.plain), (place.plain, where)):
        sub = Sub(place, version, "-t", place.topic, "-q", qos, where=coming)
        send(place, version, place.topic, "-q", qos, "-m", "21.5", where=going)
        same(sub.next(), f"{place.topic}|{qos}|0|21.5", "message")
        sub.close()


def add_both_ways():
    ways = {"--cafile": lambda place: place.tls, "-u and -P": lambda place: place.user("ann"),
            "--cert and --key": lambda place: place.mutual(),
            "--psk": lambda place: place.psk}
    for way, where in ways.items():
        for name, version in VERSIONS.items():
            for qos in (0, 1, 2):
                CASES.append((f"mosquitto_pub and mosquitto_sub with {way}, to a plain one and "
                              f"back, MQTT {name}, QoS {qos}",
                              lambda place, w=where, v=version, q=qos:
                              both_ways(place, w(place), v, q)))


add_both_ways()


@case("a large message goes through TLS unchanged")
def large(place):
    path = os.path.join(place.siotd.folder, f"{place.topic}.bin")
    content = os.urandom(300_000)
    with open(path, "wb") as file:
        file.write(content)
    for going, coming in ((place.tls, place.plain), (place.plain, place.tls)):
        sub = Sub(place, "mqttv311", "-t", place.topic, "-q", 1, where=coming, layout="%x")
        send(place, "mqttv311", place.topic, "-q", 1, "-f", path, where=going)
        same(sub.next() == content.hex(), True, "the message is the same")
        sub.close()


@case("without a certificate, with a revoked one or with another CA's nobody gets in")
def bad_certificates(place):
    none = ["-h", "localhost", "-p", place.siotd.mutual, "--cafile", place.siotd.ca]
    place.siotd.logs("client showed no certificate", lambda: refused(none, place.topic))
    place.siotd.logs("certificate of CN=stolen is revoked",
                     lambda: refused(place.mutual("thief"), place.topic))
    made = os.path.join(place.siotd.folder, place.topic)
    checked("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=stranger", "-keyout",
            f"{made}.key", "-out", f"{made}.pem")
    where = place.mutual()
    where[where.index("--cert") + 1], where[where.index("--key") + 1] = f"{made}.pem", f"{made}.key"
    place.siotd.logs("certificate of CN=stranger", lambda: refused(where, place.topic))


@case("mosquitto_pub refuses siotd when it does not know its CA")
def unknown_server(place):
    where = place.tls.copy()
    where[where.index("--cafile") + 1] = place.siotd.file("device.pem")
    place.siotd.logs("TLS handshake failed: .*(unknown_ca|gave up)",
                     lambda: refused(where, place.topic))


@case("a wrong pre-shared key and an unknown identity look alike and get nowhere")
def bad_keys(place):
    said = []
    for key, identity in (("00" * 32, "device"), (PSK_KEY, "nobody")):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{place.siotd.psk}",
                               "-psk", key, "-psk_identity", identity, "-tls1_2"], input=b"Q\n",
                              capture_output=True, timeout=20, check=False)
        said.append(re.findall(rb"alert [a-z ]+", done.stderr))
        where = place.psk.copy()
        where[where.index("--psk") + 1], where[-1] = key, identity
        refused(where, place.topic)
    same(bool(said[0]), True, "an alert comes")
    same(said[0], said[1], "the alerts")


@case("a wrong password, an unknown user and nobody at all stay outside")
def bad_users(place):
    for where in (place.user("ann", "open"), place.user("eve"), place.user("ann")[:-4]):
        refused(where, place.topic)
        refused(where, place.topic, "mqttv5")


@case("a user that mosquitto_passwd has made comes in")
def users_of_mosquitto(place):
    if not find_tool("mosquitto_passwd"):
        raise Skipped("mosquitto_passwd is not installed")
    both_ways(place, place.user("bob"), "mqttv311", 1)


# --- certificates across brokers -----------------------------------------------------------------


@case("siotctl's certificates and CRL in a mosquitto broker")
def in_mosquitto(place):
    broker = find_tool("mosquitto")
    if broker is None:
        raise Skipped("mosquitto is not installed")
    port, siotd = free_port(), place.siotd
    path = os.path.join(siotd.folder, f"{place.topic}.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"user {getpass.getuser()}\npersistence false\nlistener {port} 127.0.0.1\n"
                   f"allow_anonymous true\ncafile {siotd.ca}\ncrlfile {siotd.crl}\n"
                   f"certfile {siotd.file('server.pem')}\nkeyfile {siotd.file('server.key')}\n"
                   "require_certificate true\n")
    program = Program([broker, "-c", path, "-v"])
    try:
        program.wait_line("running")
        where = place.mutual()
        where[where.index("-p") + 1] = port
        send(place, "mqttv311", place.topic, "-q", 1, "-m", "x", where=where)
        where[where.index("--cert") + 1] = siotd.file("thief.pem")
        where[where.index("--key") + 1] = siotd.file("thief.key")
        refused(where, place.topic)
    finally:
        program.kill()


@case("a device makes its own key and request, siotctl signs, siotd lets it in")
def signed_request(place):
    made = os.path.join(place.siotd.folder, place.topic)
    checked("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={place.topic}",
            "-keyout", f"{made}.key", "-out", f"{made}.csr")
    place.siotd.ctl("sign", f"{made}.csr", "--name", place.topic)
    where = place.mutual(place.topic)
    where[where.index("--key") + 1] = f"{made}.key"
    both_ways(place, where, "mqttv5", 1)


# --- openssl s_client ----------------------------------------------------------------------------


def s_client(place, *arguments, port=None):
    """What openssl says about a connection of its own."""
    done = subprocess.run(["openssl", "s_client", "-connect",
                           f"localhost:{port or place.siotd.tls}", "-CAfile", place.siotd.ca,
                           *arguments], input=b"Q\n", capture_output=True, timeout=20, check=False)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def connected(text, *patterns):
    for pattern in ("Verify return code: 0", *patterns):
        if not re.search(pattern, text):
            raise Failed(f"openssl does not say {pattern!r}: {text[-600:]}")


def add_versions():
    for option, name in (("-tls1", "TLS 1.0"), ("-tls1_1", "TLS 1.1")):
        def old(place, option=option, name=name):
            place.siotd.logs(f"client offered only {name}", lambda: same(
                "Cipher is (NONE)" in s_client(place, option, "-cipher", "ALL:@SECLEVEL=0"), True,
                "no cipher was agreed on"))
        CASES.append((f"{name} is refused, and the log says why", old))
    for option, name in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        CASES.append((f"{name} is spoken with openssl", lambda place, o=option, n=name:
                      connected(s_client(place, o), f"{n}, Cipher is ")))
    for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
                  "ECDHE-ECDSA-CHACHA20-POLY1305"):
        CASES.append((f"TLS 1.2 with {suite}", lambda place, s=suite: connected(
            s_client(place, "-tls1_2", "-cipher", s), f"Cipher is {s}",
            "Extended master secret: yes")))
    for suite in ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                  "TLS_CHACHA20_POLY1305_SHA256"):
        CASES.append((f"TLS 1.3 with {suite}", lambda place, s=suite: connected(
            s_client(place, "-tls1_3", "-ciphersuites", s), f"Cipher is {s}")))
    for suite in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256",
                  "ECDHE-ECDSA-AES128-SHA256", "eNULL", "aNULL"):
        def weak(place, suite=suite):
            text = s_client(place, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
            same("Cipher is (NONE)" in text or "no cipher match" in text, True, "none is agreed on")
        CASES.append((f"TLS 1.2 with {suite} is refused", weak))
    for group, words in (("X25519", "X25519"), ("P-256", "P-256|prime256v1")):
        for option in ("-tls1_2", "-tls1_3"):
            CASES.append((f"key exchange over {group} with {option[1:]}",
                          lambda place, g=group, w=words, o=option: connected(
                              s_client(place, o, "-groups", g), f"Server Temp Key: .*({w})")))


add_versions()


@case("X25519MLKEM768 is agreed on with a client that offers it")
def post_quantum(place):
    bench = os.path.join(os.path.dirname(place.siotd.program), "siotd-bench")
    known = subprocess.run([bench, "--help"], capture_output=True, check=False).stdout \
        if os.path.exists(bench) else b""
    if b"--tls-groups" not in known:
        raise Skipped("siotd-bench, whose TLS knows it, is not built")
    checked(bench, "idle", "--tls", place.siotd.ca, "--tls-groups", "X25519MLKEM768",
            "--port", place.siotd.tls, "--clients", "10")


@case("ALPN: mqtt is chosen, another protocol is refused, none is needed")
def alpn(place):
    connected(s_client(place, "-alpn", "http/1.1,mqtt"), "ALPN protocol: mqtt")
    connected(s_client(place), "No ALPN negotiated")
    place.siotd.logs("client wants another application protocol", lambda: same(
        "no application protocol" in s_client(place, "-alpn", "http/1.1"), True,
        "the alert no_application_protocol"))


@case("SNI may name any host")
def server_name(place):
    for name in ("localhost", "broker.example.org"):
        connected(s_client(place, "-servername", name))


def add_resumption():
    for option in ("-tls1_2", "-tls1_3"):
        def resume(place, option=option):
            path = os.path.join(place.siotd.folder, f"{place.topic}.session")
            # With TLS 1.3 the ticket comes after the handshake: the client has to stay a little.
            with subprocess.Popen(["openssl", "s_client", "-connect",
                                   f"localhost:{place.siotd.tls}", "-CAfile", place.siotd.ca, option,
                                   "-sess_out", path], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
                due = time.monotonic() + 10
                while not os.path.exists(path) and time.monotonic() < due:
                    time.sleep(0.02)
                time.sleep(0.2)
                first.communicate(b"Q\n", timeout=10)
            same("Reused, TLS" in s_client(place, option, "-sess_in", path), True,
                 "the session was resumed")
            text = s_client(place, option, "-sess_in", path, port=place.siotd.mutual)
            same("Reused, TLS" in text, False, "resumed with a listener that asks for certificates")
        CASES.append((f"a session is resumed with openssl {option}, on its own listener only",
                      resume))


add_resumption()


# --- other people's libraries --------------------------------------------------------------------

LIBRARIES = {"Paho C": "paho_tls_client.c", "Paho Python": "paho_python_tls_client.py",
             "MQTT.js": "mqttjs_tls_client.js"}


def library_command(place, name):
    tools = place.tools
    if name == "Paho C":
        tools.command("Paho C")  # or Skipped
        program = os.path.join(tools.build, f"paho_tls_client.{os.getpid()}")
        checked("cc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I",
                os.path.dirname(HERE), os.path.join(HERE, LIBRARIES[name]), "-o", program,
                "-lpaho-mqtt3cs", "-lpthread")
        return [program], None
    if name == "Paho Python":
        tools.paho_python()
        return [PYTHON, "-B", os.path.join(HERE, LIBRARIES[name])], None
    command, environment = tools.mqttjs()
    return [command[0], os.path.join(HERE, LIBRARIES[name])], environment


def library(place, name):
    """The program subscribes and publishes over TLS; a plain client talks to it both ways."""
    command, environment = library_command(place, name)
    siotd = place.siotd
    for port, more in ((siotd.tls, []), (siotd.mutual, [siotd.file("device.pem"),
                                                       siotd.file("device.key")])):
        plain = Sub(place, "mqttv311", "-t", f"{place.topic}/out", "-q", 1, where=place.plain)
        program = Program([*command, port, place.topic, siotd.ca, *more], environment)
        try:
            program.wait_line("^ready$", 20)
            same(plain.next(), f"{place.topic}/out|1|0|from TLS", "what it published")
            send(place, "mqttv311", f"{place.topic}/in", "-q", 1, "-m", "from plain",
                 where=place.plain)
            program.wait_line("^heard from plain$")
            same(program.wait_end(), 0, "its exit status")
        finally:
            program.kill()
            plain.close()
    if name == "Paho C":
        os.unlink(command[0])


for library_name in LIBRARIES:
    CASES.append((f"{library_name} over TLS, with and without a certificate, to a plain client and "
                  "back", functools.partial(library, name=library_name)))


# --- all of it -----------------------------------------------------------------------------------


def missing(program):
    """Why there is no TLS to test, or None."""
    options = subprocess.run([program, "--options"], capture_output=True, check=False).stdout
    if b"tls.certificate" not in options:
        return "siotd is built without TLS"
    siotctl = os.path.join(os.path.dirname(program), "siotctl")
    if not os.access(siotctl, os.X_OK):
        return "siotctl is not built"
    return "openssl is not installed" if find_tool("openssl") is None else None


def run(tally, program, folder, only, tools, run_all, width):
    """Runs the cases whose name contains `only`, with a siotd of their own."""
    cases = [(f"TLS: {name}", function) for name, function in [*CASES, *capture.CASES]
             if only in f"TLS: {name}"]
    why = missing(program)
    if not cases:
        return
    if why or find_tool("mosquitto_pub") is None:
        tally.report("MQTT over TLS", skipped=why or "mosquitto-clients is not installed")
        return
    siotd = Siotd(program, folder, capture.arguments(folder))
    try:
        jobs = [functools.partial(run_case, tally, name, function, TlsPlace(siotd, number, tools))
                for number, (name, function) in enumerate(cases)]
        run_all(tally, jobs, width)
    finally:
        wrong = siotd.stop()
    tally.report("siotd serves all this TLS and stops when told to", failure=wrong)
