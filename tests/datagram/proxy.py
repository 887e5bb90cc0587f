#!/usr/bin/env python3
"""A UDP proxy that does to datagrams what bad networks do: loses, duplicates, delays, reorders, and
gives a client a new address.

    tests/datagram/proxy.py --listen 127.0.0.1:0 --to 127.0.0.1:5683 --loss 0.2 --reorder 0.1 ...

prints the address it listens on and runs until it is stopped. Other tests use the class:

    with Proxy(("127.0.0.1", port), loss=0.2, seed=7) as proxy:
        client.connect(proxy.address)
        proxy.rebind()              # from now on the server sees other ports
        proxy.set(to_server=Path(loss=1.0))
        print(proxy.counts())

Towards the server each client has a socket of its own, so that to the server each is an endpoint.
What happens to the n-th datagram of a client in one direction is decided by the seed, the client's
number, the direction and n alone: a run can be repeated, whatever the machine's clock does.
"""

import argparse
import dataclasses
import heapq
import random
import selectors
import socket
import sys
import threading
import time


@dataclasses.dataclass(frozen=True)
class Path:
    """What happens in one direction. Probabilities of 0 to 1, times in seconds."""

    loss: float = 0.0        # never arrives
    duplicate: float = 0.0   # arrives twice
    reorder: float = 0.0     # arrives `reorder_s` later, behind what came after it
    delay_s: float = 0.0     # arrives later, for all
    jitter_s: float = 0.0    # and up to this much more
    reorder_s: float = 0.02
    mtu: int = 65535         # longer ones are lost, as where fragments are not passed on

    def fates(self, seed, client, direction, number, length):
        """When the datagram arrives: a list of delays, empty when it is lost."""
        dice = random.Random(f"{seed} {client} {direction} {number}")
        lost, again, late, shake, shake_again = (dice.random() for _ in range(5))
        if length > self.mtu or lost < self.loss:
            return []
        first = self.delay_s + shake * self.jitter_s + (self.reorder_s if late < self.reorder else 0)
        if again < self.duplicate:
            return [first, first + self.reorder_s * shake_again]
        return [first]


@dataclasses.dataclass
class Counts:
    """Of one direction, over all clients."""

    received: int = 0
    lost: int = 0
    duplicated: int = 0
    sent: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0


class Client:
    """Whoever sends to the proxy from one address."""

    def __init__(self, number, address, upstream):
        self.number = number
        self.address = address
        self.upstream = upstream
        self.seen = {"to_server": 0, "to_client": 0}


class Proxy:
    """Runs in a thread of its own from start() or `with` on."""

    def __init__(self, server, listen=("127.0.0.1", 0), seed=1, to_server=None, to_client=None,
                 rebind_every=0, **both):
        """`both` are fields of Path for both directions, to_server and to_client one of each.
        `rebind_every`: a client gets a new address after so many datagrams to the server; 0:
        never."""
        self.server = server
        self.seed = seed
        self.rebind_every = rebind_every
        self._paths = {"to_server": to_server or Path(**both), "to_client": to_client or Path(**both)}
        self._counts = {"to_server": Counts(), "to_client": Counts()}
        self._clients = {}
        self._former = []          # sockets of addresses that clients have had
        self._late = []            # heap of (when, order, send, direction)
        self._order = 0
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        self._socket = self._open(listen)
        self.address = self._socket.getsockname()[:2]
        self._waker, self._wake = socket.socketpair()
        self._selector.register(self._socket, selectors.EVENT_READ, None)
        self._selector.register(self._waker, selectors.EVENT_READ, "wake")
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _open(self, bind):
        opened = socket.socket(self._family, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        opened.setblocking(False)
        opened.bind(bind)
        return opened

    # ---- what tests ask ----

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stopped = True
        self._wake.send(b"x")
        self._thread.join()
        sockets = [client.upstream for client in self._clients.values()]
        for one in sockets + self._former + [self._socket, self._waker, self._wake]:
            one.close()
        self._selector.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def set(self, to_server=None, to_client=None, **both):
        """Other conditions from now on; what is under way arrives as it was decided."""
        with self._lock:
            if both:
                self._paths = {"to_server": Path(**both), "to_client": Path(**both)}
            self._paths["to_server"] = to_server or self._paths["to_server"]
            self._paths["to_client"] = to_client or self._paths["to_client"]

    def rebind(self, keep_former=False):
        """Every client gets a new address towards the server, as after a NAT has forgotten it.
        What the server sends to the former one is lost, unless it is kept."""
        with self._lock:
            for client in self._clients.values():
                self._rebind(client, keep_former)

    def addresses(self):
        """The addresses at which the server sees its clients now, in order of their arrival."""
        with self._lock:
            return [client.upstream.getsockname()[:2] for client in self._clients.values()]

    def counts(self):
        """{"to_server": Counts, "to_client": Counts}, as of now."""
        with self._lock:
            return {name: dataclasses.replace(one) for name, one in self._counts.items()}

    # ---- the thread ----

    def _rebind(self, client, keep_former):
        former = client.upstream
        if keep_former:
            self._former.append(former)
        else:
            self._selector.unregister(former)
            former.close()
        client.upstream = self._upstream(client)

    def _upstream(self, client):
        opened = self._open(("::1" if self._family == socket.AF_INET6 else "127.0.0.1", 0))
        opened.connect(self.server)
        self._selector.register(opened, selectors.EVENT_READ, client)
        return opened

    def _client(self, address):
        client = self._clients.get(address)
        if client is None:
            client = Client(len(self._clients), address, None)
            client.upstream = self._upstream(client)
            self._clients[address] = client
        return client

    def _decide(self, client, direction, datagram):
        counts = self._counts[direction]
        fates = self._paths[direction].fates(self.seed, client.number, direction,
                                             client.seen[direction], len(datagram))
        client.seen[direction] += 1
        counts.received += 1
        counts.bytes_received += len(datagram)
        counts.lost += not fates
        counts.duplicated += len(fates) > 1
        for delay in fates:
            if delay <= 0:
                self._send(client, direction, datagram)
                continue
            self._order += 1
            heapq.heappush(self._late, (time.monotonic() + delay, self._order, client, direction,
                                        datagram))

    def _send(self, client, direction, datagram):
        try:
            if direction == "to_server":
                client.upstream.send(datagram)
            else:
                self._socket.sendto(datagram, client.address)
        except OSError:  # nobody there, or no room: that is what networks are like
            return
        self._counts[direction].sent += 1
        self._counts[direction].bytes_sent += len(datagram)

    def _read(self, ready, client):
        while True:
            try:
                datagram, sender = ready.recvfrom(65535)
            except BlockingIOError:
                return
            except OSError:  # the server's port is closed, says ICMP
                continue
            if client is not None:
                self._decide(client, "to_client", datagram)
                continue
            arrived = self._client(sender)
            self._decide(arrived, "to_server", datagram)
            if self.rebind_every and arrived.seen["to_server"] % self.rebind_every == 0:
                self._rebind(arrived, True)

    def _run(self):
        while not self._stopped:
            with self._lock:
                wait = self._late[0][0] - time.monotonic() if self._late else None
            for key, _ in self._selector.select(wait if wait is None or wait > 0 else 0):
                with self._lock:
                    if key.data == "wake":
                        continue
                    if key.fileobj.fileno() >= 0:  # or it has just been rebound
                        self._read(key.fileobj, key.data)
            with self._lock:
                while self._late and self._late[0][0] <= time.monotonic():
                    _, _, client, direction, datagram = heapq.heappop(self._late)
                    self._send(client, direction, datagram)


# ---- as a command ----


def address_of(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def main():
    parser = argparse.ArgumentParser(description="A UDP proxy that behaves like a bad network.")
    parser.add_argument("--listen", type=address_of, default=("127.0.0.1", 0))
    parser.add_argument("--to", type=address_of, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rebind-every", type=int, default=0)
    for field in dataclasses.fields(Path):
        parser.add_argument("--" + field.name.replace("_", "-"), type=type(field.default),
                            default=field.default)
    given = vars(parser.parse_args())
    server, listen = given.pop("to"), given.pop("listen")
    proxy = Proxy(server, listen=listen, **given)
    print("%s:%d" % proxy.address, flush=True)
    with proxy:
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
    for name, counts in proxy.counts().items():
        print(name, dataclasses.asdict(counts), file=sys.stderr)


if __name__ == "__main__":
    main()
