"""Devices of every protocol on every transport, all with the same few verbs, for the tests of this
folder.

    device.publish(topic, payload, qos=0, retain=False, content_type=None, expiry=None)
    device.subscribe(topic, qos=2)      both return None, or what the refusal says
    device.unsubscribe(topic)
    device.hear(seconds)                the next message as Heard, or None
    device.close()                      an orderly end; device.vanish() without a word

What a protocol has no word for is left out: the class attributes say which words it has. On dtls
the same Python speaks plain UDP to a tunnel (dtls_tunnel.c), which is the device's DTLS.
"""

import collections
import os
import re
import secrets
import socket
import ssl
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
for folder in ("daemon", "conformance"):
    sys.path.insert(1, os.path.join(os.path.dirname(HERE), folder))
sys.dont_write_bytecode = True
import process  # noqa: E402
import wire  # noqa: E402


def load(folder, name):
    """Another folder's module under a name of its own: several are called client."""
    import importlib.util
    path = os.path.join(os.path.dirname(HERE), folder, "client.py")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sn = load("sn", "sn_client")
coap = load("coap", "coap_client")

WAIT_S = 10
Heard = collections.namedtuple("Heard", "topic payload qos retain content_type expiry")


class Refused(Exception):
    """The handshake has failed."""


class Tunnel:
    """DTLS for one device: plain datagrams to 127.0.0.1:port."""

    def __init__(self, port, arguments):
        program = os.path.join(os.path.dirname(process.PROGRAM), "dtls_tunnel")
        self.process = subprocess.Popen([program, "--connect", f"127.0.0.1:{port}", *arguments],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        words = self.line().split()
        if words[:1] != ["ready"]:
            self.end()
            raise Refused(" ".join(words))
        self.port = int(words[1])

    def line(self):
        return self.process.stdout.readline().decode().strip()

    def order(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def rebind(self):
        """The device has another address from now on."""
        self.order("rebind")
        answer = self.line()
        assert answer.startswith("rebound"), answer

    def end(self):
        """Says goodbye."""
        if self.process.stdin.closed:
            return
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        self.process.wait(WAIT_S)
        self.process.stdout.close()

    def vanish(self):
        """Ends without a word."""
        if not self.process.stdin.closed:
            try:
                self.order("vanish")
            except BrokenPipeError:
                pass  # it has ended by itself
            self.end()


class Device:
    """What all devices share: messages that arrived while something else was awaited."""

    levels = (0, 1)      # of QoS that it can say
    hears = 1            # the highest QoS that it can tell
    tells_type = False   # knows content types and message expiry
    always_retains = False
    knows_retain = True  # says whether what it hears was retained

    def __init__(self, name):
        self.name = name
        self.inbox = collections.deque()
        self.tunnel = None

    def hear(self, seconds=WAIT_S):
        end = time.monotonic() + seconds
        while not self.inbox:
            left = end - time.monotonic()
            if left <= 0 or not self.turn(left):
                break
        return self.inbox.popleft() if self.inbox else None

    def hear_payload(self, payload, seconds=WAIT_S):
        """The message with that payload; what comes before it is not looked at."""
        while True:
            heard = self.hear(seconds)
            if heard is None or heard.payload == payload:
                return heard

    def close(self):
        self.leave()
        if self.tunnel:
            self.tunnel.end()

    def vanish(self):
        self.socket.close()
        if self.tunnel:
            self.tunnel.vanish()


class Mqtt(Device):
    levels, hears, tells_type = (0, 1, 2), 2, True

    def __init__(self, name, port, context=None, client_id=None, **connect):
        super().__init__(name)
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.received, self.answers, self.last_id = b"", {}, 0
        self.send("CONNECT", client_id=(client_id or name).encode(), **connect)
        assert self.answer("CONNACK")["reason"] == 0

    def send(self, kind, **fields):
        self.socket.sendall(wire.encode(kind, 5, {**fields, "level": 5} if kind == "CONNECT" else
                                        fields))

    def turn(self, seconds):
        packet, size = wire.decode(self.received, 5)
        if packet is None:
            self.socket.settimeout(seconds)
            try:
                piece = self.socket.recv(65536)
            except (socket.timeout, ssl.SSLWantReadError):
                return False
            if not piece:
                self.answers["DISCONNECT"] = {}
                return False
            self.received += piece
            return True
        self.received = self.received[size:]
        fields = packet.fields
        if packet.kind != "PUBLISH":
            self.answers[packet.kind] = fields
            if packet.kind == "PUBREL":
                self.send("PUBCOMP", id=fields["id"])
            return True
        if fields["qos"]:
            self.send("PUBACK" if fields["qos"] == 1 else "PUBREC", id=fields["id"])
        self.inbox.append(Heard(fields["topic"].decode(), fields["payload"], fields["qos"],
                                bool(fields["retain"]),
                                fields.get("content_type", b"").decode() or None,
                                fields.get("message_expiry_interval")))
        return True

    def answer(self, kind):
        end = time.monotonic() + WAIT_S
        while kind not in self.answers:
            left = end - time.monotonic()
            assert left > 0 and self.turn(left), f"{self.name}: no {kind} but {self.answers}"
        return self.answers.pop(kind)

    def next_id(self):
        self.last_id += 1
        return self.last_id

    def publish(self, topic, payload, qos=0, retain=False, content_type=None, expiry=None):
        fields = {"topic": topic.encode(), "payload": payload, "qos": qos, "retain": retain}
        if qos:
            fields["id"] = self.next_id()
        if expiry is not None:
            fields["message_expiry_interval"] = expiry
        if content_type:
            fields["content_type"] = content_type.encode()
        self.send("PUBLISH", **fields)
        if qos == 0:
            return None
        reason = self.answer("PUBACK" if qos == 1 else "PUBREC")["reason"]
        if qos == 2 and reason < 0x80:
            self.send("PUBREL", id=fields["id"])
            self.answer("PUBCOMP")
        return None if reason < 0x80 else f"0x{reason:02x}"

    def subscribe(self, topic, qos=2):
        self.send("SUBSCRIBE", id=self.next_id(), filters=[(topic.encode(), {"qos": qos})])
        reason = self.answer("SUBACK")["reasons"][0]
        return None if reason < 0x80 else f"0x{reason:02x}"

    def unsubscribe(self, topic):
        self.send("UNSUBSCRIBE", id=self.next_id(), filters=[(topic.encode(), {})])
        self.answer("UNSUBACK")

    def leave(self):
        self.send("DISCONNECT")
        self.socket.close()


class Datagrams(Device):
    """A device that says datagrams to a port, or into a tunnel."""

    def __init__(self, name, port, tunnel=None):
        super().__init__(name)
        self.tunnel = tunnel
        self.port = tunnel.port if tunnel else port


class Raw(Datagrams):
    # An id of siotd's is a QoS above 0; the line has no word for retained.
    knows_retain = False

    def __init__(self, name, port, tunnel=None):
        super().__init__(name, port, tunnel)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", self.port))
        self.answers = []
        if not tunnel:
            self.prove()

    def prove(self):
        """Answers one MSG: then siotd knows that we receive what it sends here."""
        topic = f"open/proof/{secrets.token_hex(4)}"
        self.subscribe(topic)
        self.publish(topic, b"?", 1)
        self.socket.send(b"PING\n" + b" " * 40)  # pays for it
        assert self.hear(), "no MSG to prove the address with"

    def turn(self, seconds):
        self.socket.settimeout(seconds)
        try:
            line, _, payload = self.socket.recv(65536).partition(b"\n")
        except socket.timeout:
            return False
        found = re.fullmatch(r"MSG (\S+)(?: id=(\d+))?", line.decode())
        if not found:
            self.answers.append(line.decode())
            return True
        if found.group(2):
            self.socket.send(b"ACK " + found.group(2).encode())
        self.inbox.append(Heard(found.group(1), payload, int(bool(found.group(2))), None, None,
                                None))
        return True

    def tell(self, text, payload=b"", wanted="OK"):
        """Says it until there is an answer: siotd refuses only once a second."""
        self.answers.clear()
        for _ in range(WAIT_S):
            self.socket.send(text.encode() + b"\n" + payload)
            end = time.monotonic() + 1
            while not self.answers and self.turn(max(0.01, end - time.monotonic())):
                pass
            if self.answers:
                return None if self.answers[0] == wanted else self.answers[0]
        raise AssertionError(f"{self.name}: no answer to {text}")

    def publish(self, topic, payload, qos=0, retain=False, content_type=None, expiry=None):
        line = f"PUB {topic}" + (" retain" if retain else "")
        if qos == 0:
            self.socket.send(line.encode() + b"\n" + payload)
            return None
        number = secrets.randbits(32)
        return self.tell(f"{line} id={number}", payload, f"ACK {number}")

    def subscribe(self, topic, qos=1):
        return self.tell(f"SUB {topic}" + (" qos=1" if qos else ""), b" " * 40)

    def unsubscribe(self, topic):
        self.tell(f"UNSUB {topic}")

    def leave(self):
        self.tell("BYE")
        self.socket.close()


class MqttSn(Datagrams):
    levels, hears = (0, 1, 2), 2

    def __init__(self, name, port, tunnel=None, client_id=None, duration=60, will=None):
        super().__init__(name, port, tunnel)
        self.device = sn.Client(self.port)
        self.socket = self.device.socket
        self.answers, self.topics, self.ids, self.unreleased = {}, {}, {}, {}
        self.client_id = client_id or name.replace("/", "-")
        self.device.connect(self.client_id, sn.CLEAN | (sn.WILL if will else 0), duration)
        if will:
            self.device.await_type("WILLTOPICREQ")
            self.device.say("WILLTOPIC", bytes([will[2] << 5]) + will[0].encode())
            self.device.await_type("WILLMSGREQ")
            self.device.say("WILLMSG", will[1])
            assert self.device.await_type("CONNACK")["code"] == 0

    def turn(self, seconds):
        message = self.device.hear(seconds)
        if message is None:
            return False
        kind = message["type"]
        if kind == "REGISTER":
            self.topics[message["topic_id"]] = message["text"].decode()
            self.device.say("REGACK", struct.pack(">HHB", message["topic_id"], message["msg_id"],
                                                  0))
        elif kind == "PUBREL":
            self.device.say("PUBCOMP", struct.pack(">H", message["msg_id"]))
            self.unreleased.pop(message["msg_id"], None)
        elif kind != "PUBLISH":
            self.answers[kind] = message
        else:
            self.take(message)
        return True

    def take(self, message):
        flags = message["flags"]
        qos = flags >> 5 & 3
        if qos == 1:
            self.device.puback(message)
        if qos == 2:
            self.device.say("PUBREC", struct.pack(">H", message["msg_id"]))
            if message["msg_id"] in self.unreleased:
                return
            self.unreleased[message["msg_id"]] = True
        number = message["topic_id"]
        topic = {sn.SHORT: lambda: struct.pack(">H", number).decode(),
                 sn.PREDEFINED: lambda: f"predefined {number}",
                 sn.NORMAL: lambda: self.topics[number]}[flags & 3]()
        self.inbox.append(Heard(topic, message["text"], qos, bool(flags & sn.RETAIN), None, None))

    def answer(self, *kinds):
        end = time.monotonic() + WAIT_S
        while not any(kind in self.answers for kind in kinds):
            left = end - time.monotonic()
            assert left > 0 and self.turn(left), f"{self.name}: no {kinds} but {self.answers}"
        return self.answers.pop(next(kind for kind in kinds if kind in self.answers))

    def topic_id(self, topic):
        if topic not in self.ids:
            self.device.say("REGISTER", struct.pack(">HH", 0, self.device._id()) + topic.encode())
            answer = self.answer("REGACK")
            if answer["code"]:
                return None, f"code {answer['code']}"
            self.ids[topic] = answer["topic_id"]
            self.topics[answer["topic_id"]] = topic
        return self.ids[topic], None

    def publish(self, topic, payload, qos=0, retain=False, content_type=None, expiry=None):
        number, refusal = self.topic_id(topic)
        if refusal:
            return refusal
        msg_id = self.device._id() if qos else 0
        self.device.say("PUBLISH", struct.pack(">BHH", qos << 5 | (sn.RETAIN if retain else 0),
                                               number, msg_id) + payload)
        if qos == 0:
            return None
        answer = self.answer("PUBACK", "PUBREC")
        if answer["type"] == "PUBREC":
            self.device.say("PUBREL", struct.pack(">H", msg_id))
            self.answer("PUBCOMP")
            return None
        return f"code {answer['code']}" if answer["code"] else None

    def subscribe(self, topic, qos=2):
        self.device.say("SUBSCRIBE", struct.pack(">BH", qos << 5, self.device._id())
                        + topic.encode())
        answer = self.answer("SUBACK")
        if answer["code"]:
            return f"code {answer['code']}"
        self.topics[answer["topic_id"]] = topic
        return None

    def unsubscribe(self, topic):
        self.device.say("UNSUBSCRIBE", struct.pack(">BH", 0, self.device._id()) + topic.encode())
        self.answer("UNSUBACK")

    def leave(self):
        self.device.say("DISCONNECT")
        self.answer("DISCONNECT")
        self.socket.close()


class Coap(Datagrams):
    tells_type = always_retains = True

    FORMATS = {"text/plain": 0, "application/octet-stream": 42, "application/json": 50,
               "application/cbor": 60}

    def __init__(self, name, port, tunnel=None):
        super().__init__(name, port, tunnel)
        self.endpoint = coap.Endpoint(self.port)
        self.socket = self.endpoint.socket
        self.topics, self.answers = {}, {}

    def turn(self, seconds):
        message = self.endpoint.hear(seconds)
        if message is None:
            return False
        if message.kind == coap.CON:
            self.endpoint.acknowledge(message)
        topic = self.topics.get(message.token)
        if topic is not None and message.code >> 5 != 2:
            del self.topics[message.token]  # the observation has ended
        elif topic is not None and message.kind != coap.ACK:
            self.take(topic, message, int(message.kind == coap.CON), False)
        elif message.code:
            self.answers[message.token] = message
        return True

    def take(self, topic, message, qos, retain):
        form = message.value(coap.CONTENT_FORMAT)
        name = next((name for name, number in self.FORMATS.items() if number == form), form)
        self.inbox.append(Heard(topic, message.payload, qos, retain, name,
                                message.value(coap.MAX_AGE)))

    def ask(self, code, topic, payload=b"", options=(), kind=coap.CON, token=None):
        token = token or secrets.token_bytes(4)
        options = list(options)
        for _ in range(2):
            self.endpoint.say(self.endpoint.request(code, f"ps/{topic}", payload, options, kind,
                                                    token))
            end = time.monotonic() + WAIT_S
            while token not in self.answers:
                left = end - time.monotonic()
                assert left > 0 and self.turn(left), f"{self.name}: no answer about {topic}"
            answer = self.answers.pop(token)
            if answer.text != "4.01" or not answer.values(coap.ECHO):
                return answer
            options.append((coap.ECHO, answer.values(coap.ECHO)[0]))
        return answer

    def publish(self, topic, payload, qos=0, retain=True, content_type=None, expiry=None):
        options = []
        if content_type:
            options.append((coap.CONTENT_FORMAT, coap.number(self.FORMATS[content_type])))
        if expiry is not None:
            options.append((coap.MAX_AGE, coap.number(expiry)))
        answer = self.ask(coap.PUT, topic, payload, options, coap.CON if qos else coap.NON)
        return None if answer.code >> 5 == 2 else answer.text

    def subscribe(self, topic, qos=1):
        token = secrets.token_bytes(4)
        answer = self.ask(coap.GET, topic, options=[(coap.OBSERVE, b"")], token=token)
        if answer.code >> 5 != 2:
            return answer.text
        assert answer.value(coap.OBSERVE) is not None, "the answer to Observe has no Observe"
        self.topics[token] = topic
        if answer.payload:
            self.take(topic, answer, None, True)
        return None

    def unsubscribe(self, topic):
        token = next((token for token, name in self.topics.items() if name == topic), None)
        if token is None:
            return
        del self.topics[token]
        self.ask(coap.GET, topic, options=[(coap.OBSERVE, b"\x01")], token=token)

    def leave(self):
        for topic in list(self.topics.values()):
            self.unsubscribe(topic)
        self.socket.close()


CLASSES = {"mqtt": Mqtt, "raw": Raw, "mqtt-sn": MqttSn, "coap": Coap}
LEGS = ("mqtt/tcp", "mqtt/tls", "raw/udp", "raw/dtls", "mqtt-sn/udp", "mqtt-sn/dtls", "coap/udp",
        "coap/dtls")
PROTECTED = tuple(leg for leg in LEGS if leg.endswith("tls"))


class House:
    """A siotd with a listener for each leg, and whom it knows."""

    def __init__(self, rest="", anonymous=True, listener=""):
        """`rest`: more of the configuration; `listener`: more of every listener."""
        import tempfile
        self.folder = tempfile.TemporaryDirectory(prefix="siotd-matrix-")
        self.pki = os.path.join(self.folder.name, "pki")
        self.ctl("pki", "init", "--dir", self.pki)
        self.ctl("pki", "issue", "localhost", "--server", "--san", "DNS:localhost", "--san",
                 "IP:127.0.0.1", "--dir", self.pki)
        for name in ("device", "root"):
            self.ctl("pki", "issue", name, "--dir", self.pki)
        self.keys = {}
        for name in ("device", "root"):
            self.ctl("psk", self.file("keys.psk"), name)
        with open(self.file("keys.psk"), encoding="utf-8") as file:
            self.keys = dict(line.strip().split(":") for line in file if line.strip())
        self.ports, lines = {}, [rest, "listeners:"]
        for leg in LEGS:
            protocol, transport = leg.split("/")
            self.ports[leg] = process.free_port()
            lines += [f"  - name: {protocol}-{transport}", f"    protocol: {protocol}",
                      f"    transport: {transport}", f"    bind: 127.0.0.1:{self.ports[leg]}",
                      f"    anonymous: {str(anonymous).lower()}"]
            if transport.endswith("tls"):
                lines += ["    tls:", f"      certificate: {self.pki}/localhost.pem",
                          f"      key: {self.pki}/localhost.key", f"      ca: {self.pki}/ca.pem",
                          f"      crl: {self.pki}/ca.crl", "      client_certificate: optional",
                          "      identity: cn", f"      psk_file: {self.file('keys.psk')}"]
        self.siotd = process.Siotd("\n".join(lines) + "\n")
        self.number = 0
        self.open = []

    def file(self, name):
        return os.path.join(self.folder.name, name)

    def ctl(self, *arguments):
        program = os.path.join(os.path.dirname(process.PROGRAM), "siotctl")
        subprocess.run([program, *arguments], check=True, capture_output=True, timeout=60)

    def proof(self, who, how, version="1.3"):
        """What the tunnel is to prove: who, by "psk" or "certificate"; None is nobody."""
        more = ["--version", version, "--cid"]
        if how == "psk" and who:
            return more + ["--psk", f"{who}:{self.keys[who]}"]
        more += ["--ca", f"{self.pki}/ca.pem"]
        return more + (["--cert", f"{self.pki}/{who}.pem", "--key", f"{self.pki}/{who}.key"]
                       if who else [])

    def context(self, who):
        context = ssl.create_default_context(cafile=f"{self.pki}/ca.pem")
        if who:
            context.load_cert_chain(f"{self.pki}/{who}.pem", f"{self.pki}/{who}.key")
        return context

    def device(self, leg, who=None, how=None, version="1.3", **more):
        """A device at a leg. On tls and dtls it is `who`, proven as `how` says."""
        self.number += 1
        protocol, transport = leg.split("/")
        name = f"{protocol}-{transport}-{self.number}"
        port = self.ports[leg]
        if transport == "tls":
            more["context"] = self.context(who)
        if transport == "dtls":
            more["tunnel"] = Tunnel(port, self.proof(who, how or "certificate", version))
        device = CLASSES[protocol](name, port, **more)
        self.open.append(device)
        return device

    def close(self):
        try:
            for device in self.open:
                device.vanish()
        finally:
            self.siotd.__exit__(None, None, None)
            self.folder.cleanup()
