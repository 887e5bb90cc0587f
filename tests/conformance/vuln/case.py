"""What a vulnerability test works with: a broker of its own, clients, and its memory and time.

A Case starts the broker when first asked, and stops it at the end; a broker that then reports a
sanitizer's finding or a bad exit fails the test.
"""

import os
import random
import time

import wire
from brokers import Broker
from client import Client


class Case:
    """One test's broker and clients. random is seeded, so that a failure can be repeated."""

    def __init__(self, options):
        self.options, self.broker = options, None
        self.random = random.Random(options.seed)
        self.patience_s = 5.0 * options.slowness
        self._clients = []

    def start(self, *settings, limit=""):
        self.broker = Broker(self.options.broker, self.options.program, settings,
                             self.options.stack, limit, self.options.slowness)
        return self.broker

    def stop(self):
        for client in self._clients:
            client.drop()
        return self.broker.stop() if self.broker else None

    def sanitized(self):
        """Whether memory is a sanitizer's and says nothing about the broker."""
        with open(f"/proc/{self.broker.pid}/maps", encoding="ascii", errors="replace") as maps:
            return any("libasan" in line for line in maps) or self.options.slowness > 1

    def client(self, name="c"):
        made = Client(name, self.broker.connect)
        self._clients.append(made)
        return made

    def forget(self, client):
        client.drop()
        self._clients.remove(client)

    def connect(self, name="c", level=5, **fields):
        """A client whose CONNECT was accepted."""
        client = self.client(name)
        client.open()
        client.send_packet("CONNECT", {"level": level, "client_id": name.encode(), **fields})
        self.expect(client, "CONNACK", reason=0)
        return client

    def opened(self):
        """A connection that has said nothing yet."""
        client = self.client("raw")
        client.open()
        return client

    def expect(self, client, kind, **fields):
        packet = client.next_packet(self.patience_s)
        assert packet is not None, f"{client.name}: no {kind} in {self.patience_s} s, " + \
            ("closed" if client.closed else "silence") + f"; {client.history[-4:]}"
        assert packet.kind == kind, f"{client.name}: {packet}, not {kind}"
        for name, value in fields.items():
            assert packet.fields.get(name) == value, f"{client.name}: {packet}, not {name}={value}"
        return packet

    def subscribe(self, client, topic_filter, **options):
        fields = client.send_packet("SUBSCRIBE", {"filters": [(topic_filter, options)]})
        return self.expect(client, "SUBACK", id=fields["id"])

    def ends(self, client):
        """Read a client's connection to its end; the last packet, if any. Fails if it stays."""
        last, deadline = None, time.monotonic() + self.patience_s
        while True:
            packet = client.next_packet(max(0.01, deadline - time.monotonic()))
            if packet is None:
                assert client.closed, f"the connection stays open: {client.history[-4:]}"
                return last
            last = packet

    def still_serves(self):
        """A new client connects, and a message goes round."""
        probe = self.connect(f"probe{self.random.randrange(1 << 30)}")
        topic = b"probe/" + probe.name.encode()
        self.subscribe(probe, topic, qos=1)
        probe.send_packet("PUBLISH", {"topic": topic, "payload": b"?", "qos": 1})
        kinds = {self.expect_any(probe).kind, self.expect_any(probe).kind}
        assert kinds == {"PUBACK", "PUBLISH"}, kinds
        self.forget(probe)

    def expect_any(self, client):
        packet = client.next_packet(self.patience_s)
        assert packet is not None, f"{client.name}: nothing in {self.patience_s} s"
        return packet

    def rss_kib(self):
        """What the broker holds in memory now."""
        with open(f"/proc/{self.broker.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def grows_less_than(self, kib, before):
        if not self.sanitized():
            grown = self.rss_kib() - before
            assert grown < kib, f"the broker has grown by {grown} KiB, not less than {kib}"

    def cpu_s(self):
        """Processor time that the broker has used."""
        with open(f"/proc/{self.broker.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect_bytes(level=5, name=b"m", **fields):
    """The bytes of a CONNECT."""
    return wire.encode("CONNECT", level, {"client_id": name, **fields})
