#!/usr/bin/env python3
"""Tests of proxy.py: what it promises to the tests that use it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from proxy import Path, Proxy  # noqa: E402

passed = failed = 0


def check(name, right, seen=""):
    global passed, failed
    print(("ok " if right else "FAILED ") + name + ("" if right else f": {seen}"))
    passed += bool(right)
    failed += not right


class Echo:
    """A server that sends everything back, and writes down what came from where."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.seen = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            datagram, sender = self.socket.recvfrom(65535)
            self.seen.append((datagram, sender))
            self.socket.sendto(datagram, sender)


def client_of(address):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    client.connect(address)
    client.settimeout(0.3)
    return client


def receive_all(client):
    got = []
    while True:
        try:
            got.append(client.recv(65535))
        except socket.timeout:
            return got


def numbered(count):
    return [b"%06d" % i for i in range(count)]


def send_all(client, datagrams):
    for i, datagram in enumerate(datagrams):
        client.send(datagram)
        if i % 50 == 49:
            time.sleep(0.01)


def through(count, **conditions):
    """What comes back of numbered datagrams through such a proxy, and what it has counted."""
    echo = Echo()
    with Proxy(echo.address, **conditions) as proxy:
        client = client_of(proxy.address)
        send_all(client, numbered(count))
        got = receive_all(client)
        return got, proxy.counts(), echo


def test_nothing_happens_by_itself():
    got, counts, _ = through(300)
    check("without conditions everything passes, in order", got == numbered(300), len(got))
    check("and is counted", counts["to_server"].received == counts["to_client"].sent == 300, counts)


def test_loss():
    got, counts, echo = through(1000, to_server=Path(loss=0.3), seed=5)
    check("of 1000 with a loss of 0.3 about 700 arrive", 640 < len(got) < 760, len(got))
    check("the losses are counted", counts["to_server"].lost == 1000 - len(got), counts)
    again, _, _ = through(1000, to_server=Path(loss=0.3), seed=5)
    check("the same seed loses the same", again == got)
    other, _, _ = through(1000, to_server=Path(loss=0.3), seed=6)
    check("another seed loses others", other != got)
    nothing, _, echo = through(20, loss=1.0)
    check("a loss of 1 lets nothing through", nothing == [] and echo.seen == [])


def test_duplicates():
    got, counts, _ = through(500, to_server=Path(duplicate=0.5))
    check("duplicates arrive twice", len(got) == 500 + counts["to_server"].duplicated, len(got))
    check("about half of them", 200 < counts["to_server"].duplicated < 300, counts)
    check("and nothing else changes", sorted(set(got)) == numbered(500))


def test_order_and_delay():
    got, _, _ = through(200, to_client=Path(reorder=0.2))
    check("reordered datagrams all arrive", sorted(got) == numbered(200))
    check("in another order", got != numbered(200))
    begin = time.monotonic()
    echo = Echo()
    with Proxy(echo.address, delay_s=0.1) as proxy:
        client = client_of(proxy.address)
        client.send(b"x")
        client.recv(10)
    took = time.monotonic() - begin
    check("a delay in both directions is waited for twice", 0.2 <= took < 1.0, took)


def test_length():
    echo = Echo()
    with Proxy(echo.address, mtu=1000) as proxy:
        client = client_of(proxy.address)
        client.send(b"x" * 1001)
        client.send(b"y" * 1000)
        got = receive_all(client)
    check("what is longer than the mtu is lost", got == [b"y" * 1000], len(got))


def test_addresses():
    echo = Echo()
    with Proxy(echo.address) as proxy:
        a, b = client_of(proxy.address), client_of(proxy.address)
        for client in (a, b):
            client.send(b"1")
            client.recv(10)
        check("each client is an endpoint", len({sender for _, sender in echo.seen}) == 2)
        before = proxy.addresses()
        check("which the proxy knows", before == [sender for _, sender in echo.seen])
        proxy.rebind()
        a.send(b"2")
        check("a client with a new address is answered", a.recv(10) == b"2")
        check("and the server sees another one", echo.seen[-1][1] not in before)
        echo.socket.sendto(b"late", before[0])
        check("what goes to the former one is lost", receive_all(a) == [])
        former = proxy.addresses()[0]
        proxy.rebind(keep_former=True)
        echo.socket.sendto(b"late", former)
        check("unless it is kept", receive_all(a) == [b"late"])
    echo = Echo()
    with Proxy(echo.address, rebind_every=10) as proxy:
        client = client_of(proxy.address)
        send_all(client, numbered(40))
        got = receive_all(client)
        check("a new address every ten datagrams: four", len({at for _, at in echo.seen}) == 4)
        check("and nothing is lost by that", sorted(got) == numbered(40), len(got))


def test_change():
    echo = Echo()
    with Proxy(echo.address) as proxy:
        client = client_of(proxy.address)
        client.send(b"1")
        client.recv(10)
        proxy.set(to_server=Path(loss=1.0))
        client.send(b"2")
        check("conditions may change", receive_all(client) == [])
        proxy.set(loss=0.0)
        client.send(b"3")
        check("and change back", receive_all(client) == [b"3"])


def test_command():
    echo = Echo()
    here = os.path.join(os.path.dirname(os.path.realpath(__file__)), "proxy.py")
    command = [sys.executable, here, "--to", "127.0.0.1:%d" % echo.address[1], "--loss", "0.5",
               "--seed", "3", "--rebind-every", "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:
        port = int(process.stdout.readline().rpartition(":")[2])
        client = client_of(("127.0.0.1", port))
        send_all(client, numbered(100))
        got = receive_all(client)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    lost = sum(int(n) for n in re.findall(r"'lost': (\d+)", said))
    check("as a command it does the same and says what it did", lost == 100 - len(got), said)


def main():
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            test()
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
