"""Playing one transcript against a running broker.

A Play owns the transcript's clients and variables. Steps that send happen at once; steps that
expect read the named client's next packet and compare it field by field: what the line names must
fit, what it does not name must be absent or neutral. At the end every client that is still
connected is asked (with a PINGREQ) whether anything is left that no line expected.
"""

import re
import time

import notation
import wire
from client import Client
from notation import Anything

# What a field is taken to be when an expectation does not name it.
NEUTRAL = {
    "CONNACK": {"session_present": 0, "reason": 0},
    "PUBLISH": {"qos": 0, "retain": 0, "dup": 0, "payload": b""},
    "PUBACK": {"reason": 0}, "PUBREC": {"reason": 0}, "PUBREL": {"reason": 0},
    "PUBCOMP": {"reason": 0},
}
# Fields that may be there without being named: a server's own business.
FREE = {kind: {"reason_string", "user_property"} for kind in
        ("CONNACK", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBACK", "UNSUBACK", "DISCONNECT")}
FREE["CONNACK"] |= {"receive_maximum", "maximum_qos", "retain_available", "maximum_packet_size",
                    "topic_alias_maximum", "wildcard_subscription_available",
                    "subscription_identifier_available", "shared_subscription_available",
                    "server_keep_alive", "session_expiry_interval", "assigned_client_identifier"}
FREE["PUBLISH"] = {"wire_topic"}
REQUIRED = {"PUBLISH": ("topic",), "SUBACK": ("id", "reasons"), "UNSUBACK": ("id",),
            "DISCONNECT": ("reason",), "PUBACK": ("id",), "PUBREC": ("id",), "PUBREL": ("id",),
            "PUBCOMP": ("id",)}
SUCCESS = notation.OneOf([0, 0x10])


class Failure(Exception):
    """A step did not come out as the transcript says."""

    def __init__(self, expected, got):
        super().__init__(expected)
        self.expected, self.got = expected, got


class Play:
    """One run of one transcript. names holds what ${...} stands for."""

    def __init__(self, transcript, broker, names, patience_s):
        self.transcript, self.broker, self.patience_s = transcript, broker, patience_s
        self.names = {**transcript.example, **names, "v": transcript.version}
        self.clients, self.variables = {}, {}
        self.step = None
        self.acted_at = time.monotonic()
        self.log_start = broker.log_size()

    def run(self):
        try:
            for step in self.transcript.steps:
                self.do(step)
            self.step = None
            self._nothing_left()
        finally:
            for client in self.clients.values():
                self._leave(client)

    def history(self):
        lines = []
        for client in dict.fromkeys(self.clients.values()):
            lines += client.history[-8:]
        return lines

    def _leave(self, client):
        if client.socket and client.accepted and not client.closed:
            client.socket.settimeout(1)
            try:
                client.socket.sendall(b"\xe0\x00")
            except OSError:
                pass
        client.drop()

    def _nothing_left(self):
        if not self.broker.running():
            return
        for client in set(self.clients.values()):
            if client.socket is None or getattr(client, "excused", False):
                continue
            client.fence(self.patience_s)
            if client.inbox:
                raise Failure("nothing more at the end", f"{client.name} < {client.inbox[0]}")
            if client.closed and not getattr(client, "closing_seen", False):
                raise Failure("a connection that stays open", f"{client.name} < closed")

    # ---- steps ----

    def do(self, step):
        self.step = step
        text = step.text
        when = re.match(r"\((3|3\.1|3\.1\.1|5)\)\s+", text)
        if when:
            version = self.transcript.version
            if version != when[1] and not (when[1] == "3" and version.startswith("3")):
                return
            text = text[when.end():]
        text = self.substitute(text)
        for pattern, method in self.FORMS:
            match = re.fullmatch(pattern, text, re.DOTALL)
            if match:
                method(self, *match.groups(), block=step.block)
                return
        raise notation.NotationError(f"what is this: {text!r}")

    def substitute(self, text):
        for _ in range(3):
            text = re.sub(r"\$\{(\w+)\}", lambda m: str(self._named(m[1])), text)
        return text

    def _named(self, name):
        if name in self.names:
            return self.names[name]
        if name in self.variables:
            return self.variables[name]
        raise notation.NotationError(f"${{{name}}} stands for nothing")

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = Client(name, self.broker.connect)
        return self.clients[name]

    def fields(self, text):
        parsed = notation.parse_fields(text)
        return {k: notation.resolve(v, self.variables) if k != "filters" else
                [(notation.resolve(f, self.variables), o) for f, o in v]
                for k, v in parsed.items()}

    def acted(self):
        self.acted_at = time.monotonic()

    # ---- sending ----

    def send(self, name, kind, text, block=None):
        client, fields = self.client(name), self.fields(text)
        if kind == "CONNECT":
            fields = self._connect_fields(name, fields)
            if client.socket is None or client.closed or client.accepted:
                if client.accepted and not client.closed and client.socket:
                    client.send_packet(kind, fields)    # a second CONNECT on one connection
                    return self.acted()
                client.open()
        elif client.socket is None:
            client.open()
        client.send_packet(kind, fields)
        return self.acted()

    def _connect_fields(self, name, fields):
        version = {3: "3.1", 4: "3.1.1", 5: "5"}.get(fields.pop("version", None),
                                                     self.transcript.version)
        level = wire.LEVELS[version]
        out = {"level": level, "client_id": f"{self.names['c']}{self.clients[name].name}".encode()}
        if fields.pop("persistent", 0):
            out["clean_start"] = 0
            if level == 5:
                out["session_expiry_interval"] = 300
        out.update(fields)
        return out

    def send_raw(self, name, text, block=None):
        client = self.client(name)
        if client.socket is None:
            client.open()
        client.send_raw(notation.parse_raw(text))
        self.acted()

    def drips(self, name, text, block=None):
        """Raw bytes one at a time, each in a segment of its own."""
        client = self.client(name)
        for byte in notation.parse_raw(text):
            client.send_raw(bytes([byte]))
            time.sleep(0.002)
        self.acted()

    def opens(self, name, block=None):
        self.client(name).open()
        self.acted()

    def closes(self, name, block=None):
        self.client(name).drop()
        self.acted()

    def resets(self, name, block=None):
        self.client(name).drop(reset=True)
        self.acted()

    def wait(self, seconds, block=None):
        time.sleep(float(seconds))
        self.acted()

    def shutdown(self, name, block=None):
        self.client(name).socket.shutdown(1)
        self.acted()

    # ---- expecting ----

    def _timing(self, text):
        """Split off 'after 1s' and 'within 3s' from the end of an expectation."""
        after_s, within_s = 0.0, self.patience_s
        while True:
            match = re.fullmatch(r"(.*?)\s+(after|within) ([\d.]+)s", text, re.DOTALL)
            if not match:
                return text, after_s, within_s
            text = match[1]
            if match[2] == "after":
                after_s = float(match[3])
                within_s = max(within_s, after_s + self.patience_s)
            else:
                within_s = float(match[3]) * self.broker.slowness

    def _next(self, client, expected, within_s):
        if client.socket is None:
            raise Failure(expected, f"{client.name} is not connected")
        remaining = max(0.05, self.acted_at + within_s - time.monotonic())
        packet = client.next_packet(remaining)
        if packet is None:
            raise Failure(expected, "closed" if client.closed else
                          f"nothing within {within_s:g} s")
        return packet

    def _check_time(self, expected, after_s):
        early = time.monotonic() - self.acted_at
        if early < after_s:
            raise Failure(f"{expected} not before {after_s:g} s", f"it after {early:.2f} s")

    def expect(self, name, kind, text, block=None):
        expected = f"{name} < {kind} {text}".rstrip()
        text, after_s, within_s = self._timing(" " + text)
        try:
            packet = self._next(self.client(name), expected, within_s)
        except Failure as failure:
            if failure.got == "closed" and self._may_be_silent(kind, text):
                return None
            raise
        self._compare(kind, notation.parse_fields(text), packet, expected)
        self._check_time(expected, after_s)
        return packet

    def _may_be_silent(self, kind, text):
        """The standard lets a server close without saying why; siotd says it, Mosquitto may not."""
        if self.broker.kind == "siotd" or kind not in ("CONNACK", "DISCONNECT"):
            return False
        return not notation.matches(notation.parse_fields(text).get("reason", 0), 0, {})

    def _compare(self, kind, fields, packet, expected):
        wrong = self.differences(kind, fields, packet)
        if wrong:
            raise Failure(expected, f"{packet}\n              ({'; '.join(wrong)})")

    def differences(self, kind, fields, packet):
        if packet.kind != kind:
            return [f"{packet.kind}, not {kind}"]
        for name in REQUIRED.get(kind, ()):
            if name not in fields:
                raise notation.NotationError(f"an expected {kind} must name {name}")
        fields = {**NEUTRAL.get(kind, {}), **fields}
        if kind == "PUBLISH" and packet.fields["qos"] and "id" not in fields:
            fields["id"] = Anything()
        if kind == "UNSUBACK" and self.transcript.version != "5":
            fields.pop("reasons", None)
        wrong = []
        for name, pattern in fields.items():
            value = packet.fields.get(name)
            if name == "subscription_identifier" and value and isinstance(pattern, list):
                value, pattern = sorted(value), sorted(pattern, key=str)
            if not notation.matches(pattern, value, self.variables):
                wrong.append(f"{name} is {'absent' if value is None else wire.show(value)}, "
                             f"not {notation.show_pattern(pattern)}")
        for name, value in packet.fields.items():
            if name not in fields and name not in FREE.get(kind, ()):
                wrong.append(f"{name}={wire.show(value)} is unexpected")
        return wrong

    def expect_closed(self, name, rest, block=None):
        _, after_s, within_s = self._timing(" closed" + (rest or ""))
        client = self.client(name)
        try:
            packet = self._next(client, f"{name} < closed", within_s)
        except Failure as failure:
            if failure.got != "closed":
                raise
            client.closing_seen = True
            self._check_time(f"{name} < closed", after_s)
            return
        raise Failure(f"{name} < closed", str(packet))

    def expect_refused(self, name, reasons, block=None):
        """A protocol error after CONNACK: 5.0 hears why, 3.x is closed."""
        if self.client(name).level == 5:
            self.expect(name, "DISCONNECT", f"reason={reasons}")
        self.expect_closed(name, "")

    def expect_nothing(self, name, seconds, block=None):
        client = self.client(name)
        if seconds:
            packet = client.next_packet(float(seconds))
            self.acted()
            if packet or client.closed:
                raise Failure(f"{name} < nothing", str(packet or "closed"))
            return
        for other in set(self.clients.values()):
            if other is not client:
                other.fence(self.patience_s)
        client.fence(self.patience_s)
        if client.inbox or client.closed or client.socket is None:
            raise Failure(f"{name} < nothing",
                          str(client.inbox[0]) if client.inbox else "closed")

    def expect_anything(self, name, block=None):
        client = self.client(name)
        client.excused = True
        client.fence(self.patience_s)
        client.inbox.clear()

    def any_order(self, block=None):
        """Each line of the block is met by one packet of its client, in whatever order."""
        waiting = {}
        for step in block:
            match = re.fullmatch(r"(\w+) < ([A-Z]+)\s*(.*)", self.substitute(step.text))
            if not match:
                raise notation.NotationError("only expected packets can be in any order")
            waiting.setdefault(match[1], []).append((match[2], match[3], step))
        for name, lines in waiting.items():
            while lines:
                expected = " or ".join(f"{name} < {kind} {text}" for kind, text, _ in lines)
                packet = self._next(self.client(name), expected, self.patience_s)
                for line in lines:
                    kept = dict(self.variables)
                    if not self.differences(line[0], notation.parse_fields(line[1]), packet):
                        lines.remove(line)
                        break
                    self.variables = kept
                else:
                    raise Failure(expected, str(packet))

    def either(self, block=None):
        """Alternatives by their first expectation; the steps of the one that fits are done."""
        failures = []
        for branch in block:
            first = branch.block[0]
            match = re.match(r"(\w+) <", re.sub(r"^\([\d.]+\)\s+", "", first.text))
            client = self.client(match[1])
            kept = client.next_packet(0) if client.inbox else client.next_packet(self.patience_s)
            if kept:
                client.inbox.appendleft(kept)
            variables = dict(self.variables)
            try:
                self.do(first)
            except Failure as failure:
                failures.append(failure)
                self.variables = variables
                if kept and (not client.inbox or client.inbox[0] is not kept):
                    client.inbox.appendleft(kept)
                continue
            for step in branch.block[1:]:
                self.do(step)
            return
        raise Failure(" or ".join(f.expected for f in failures), failures[-1].got)

    def one_of_clients(self, names, text, winner, loser, block=None):
        """One of several members gets the message; the names after 'as' and 'else' tell who."""
        clients = [self.client(n) for n in re.split(r",\s*|\s+or\s+", names)]
        deadline = time.monotonic() + self.patience_s
        expected = f"{names} < PUBLISH {text}"
        while True:
            for client in clients:
                client.fence(self.patience_s)
            holders = [c for c in clients if c.inbox]
            if holders or time.monotonic() > deadline:
                break
        if len(holders) != 1:
            raise Failure(expected, f"{len(holders)} of them have something")
        packet = holders[0].inbox.popleft()
        self._compare("PUBLISH", notation.parse_fields(text), packet, expected)
        others = [c for c in clients if c is not holders[0]]
        if winner:
            self.clients[winner] = holders[0]
        if loser:
            self.clients[loser] = others[0]

    def shared_out(self, names, count, text, least, block=None):
        """So many messages go to the members together, and to each at least so many."""
        clients = [self.client(n) for n in re.split(r",\s*", names)]
        deadline = time.monotonic() + self.patience_s
        while True:
            for client in clients:
                client.fence(self.patience_s)
            counts = [len(c.inbox) for c in clients]
            if sum(counts) >= int(count) or time.monotonic() > deadline:
                break
        expected = f"{count} messages for {names}, each at least {least or 0}"
        if sum(counts) != int(count) or min(counts) < int(least or 0):
            raise Failure(expected, f"{counts}")
        for client in clients:
            while client.inbox:
                self._compare("PUBLISH", notation.parse_fields(text), client.inbox.popleft(),
                              expected)

    # ---- sentences: several packets in one line ----

    def _answer(self, client, kind, text):
        """The answer to what was just asked; messages that come before it are kept for later."""
        kept = []
        while True:
            packet = self._next(client, f"{client.name} < {kind} {text}", self.patience_s)
            if packet.kind != "PUBLISH":
                break
            kept.append(packet)
        client.inbox.extend(kept)
        self._compare(kind, notation.parse_fields(text), packet, f"{client.name} < {kind} {text}")
        return packet

    def connects(self, name, how, text, block=None):
        client = self.client(name)
        if client.accepted and client.socket is not None and not client.closed:
            client.drop()
        resumes = how == "resumes"
        self.send(name, "CONNECT", text + (" persistent=1" if resumes else ""))
        # 3.1 has no session present flag: the byte is reserved there, and 0.
        present = int(resumes and client.level > 3)
        self.expect(name, "CONNACK", f"session_present={present}")

    def subscribes(self, name, text, block=None):
        client = self.client(name)
        fields = client.send_packet("SUBSCRIBE", self.fields(text))
        self.acted()
        granted = ", ".join(str(options.get("qos", 0)) for _, options in fields["filters"])
        self._answer(client, "SUBACK", f"id={fields['id']} reasons=[{granted}]")

    def unsubscribes(self, name, text, block=None):
        client = self.client(name)
        fields = client.send_packet("UNSUBSCRIBE", self.fields(text))
        self.acted()
        removed = ", ".join("0" for _ in fields["filters"])
        self._answer(client, "UNSUBACK", f"id={fields['id']} reasons=[{removed}]")

    def publishes(self, name, text, block=None):
        """Publish and see the acknowledgement through to its end."""
        client = self.client(name)
        fields = client.send_packet("PUBLISH", self.fields(text))
        self.acted()
        if fields.get("qos", 0) == 0:
            client.fence(self.patience_s)
        elif fields["qos"] == 1:
            self._answer(client, "PUBACK", f"id={fields['id']} reason=0|0x10")
        else:
            self._answer(client, "PUBREC", f"id={fields['id']} reason=0|0x10")
            client.send_packet("PUBREL", {"id": fields["id"]})
            self._answer(client, "PUBCOMP", f"id={fields['id']}")

    def takes(self, name, text, block=None):
        """Receive a message and acknowledge it to the end."""
        client = self.client(name)
        packet = self.expect(name, "PUBLISH", text)
        if packet.fields["qos"] == 1:
            client.send_packet("PUBACK", {"id": packet.fields["id"]})
        elif packet.fields["qos"] == 2:
            client.send_packet("PUBREC", {"id": packet.fields["id"]})
            self._answer(client, "PUBREL", f"id={packet.fields['id']}")
            client.send_packet("PUBCOMP", {"id": packet.fields["id"]})
        self.acted()

    # ---- blocks, log, broker ----

    def repeat(self, count, variable, block=None):
        count = count.strip()
        number = self.variables[count[1:]] if count.startswith("$") else int(count)
        for turn in range(1, number + 1):
            if variable:
                self.names[variable] = turn
            for step in block:
                self.do(step)

    def log(self, how, text, block=None):
        wanted = notation.unquote(text).decode()
        deadline = time.monotonic() + (self.patience_s if how == "contains" else 0)
        while True:
            found = wanted in self.broker.log_text(self.log_start)
            if found or time.monotonic() >= deadline:
                break
            time.sleep(0.02)
        if found != (how == "contains"):
            raise Failure(f"log {how} {text}", "the log: " +
                          self.broker.log_text(self.log_start)[-1500:])

    def forget(self, name, block=None):
        self.variables.pop(name, None)

    def broker_signal(self, name, block=None):
        self.broker.signal(name)
        self.acted()

    def broker_exits(self, status, block=None):
        got = self.broker.wait(self.patience_s * 2)
        if got != int(status):
            raise Failure(f"the broker exits with {status}", f"status {got}")

    NAME = r"([A-Z]\w*)"
    FORMS = [
        (NAME + r" > ([A-Z]{4,})\s*(.*)", send),
        (NAME + r" > (.*)", send_raw),
        (NAME + r" < closed( .*)?", expect_closed),
        (NAME + r" < refused (.*)", expect_refused),
        (NAME + r" < nothing(?: for ([\d.]+)s)?", expect_nothing),
        (NAME + r" < anything", expect_anything),
        (NAME + r" < ([A-Z]{4,})\s*(.*)", expect),
        (r"([A-Z]\w*(?: or [A-Z]\w*)+) < PUBLISH (.*?)(?: as ([A-Z]\w*))?(?: else ([A-Z]\w*))?",
         one_of_clients),
        (r"([A-Z]\w*(?:, [A-Z]\w*)+) < (\d+) PUBLISH (.*?)(?: each at least (\d+))?", shared_out),
        (NAME + r" drips (.*)", drips),
        (NAME + r" opens", opens),
        (NAME + r" closes", closes),
        (NAME + r" resets", resets),
        (NAME + r" finishes sending", shutdown),
        (NAME + r" (connects|resumes)\s*(.*)", connects),
        (NAME + r" subscribes (.*)", subscribes),
        (NAME + r" unsubscribes (.*)", unsubscribes),
        (NAME + r" publishes (.*)", publishes),
        (NAME + r" takes (.*)", takes),
        (r"wait ([\d.]+)s", wait),
        (r"in any order:?", any_order),
        (r"either:?", either),
        (r"repeat (\S+)(?: as (\w+))?:", repeat),
        (r"log (contains|lacks) (\".*\")", log),
        (r"forget (\w+)", forget),
        (r"broker receives (\w+)", broker_signal),
        (r"broker exits with (\d+)", broker_exits),
    ]
