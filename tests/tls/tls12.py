"""A TLS 1.2 client of our own, for certificates that no library would send.

Speaks one suite (ECDHE-ECDSA with ChaCha20-Poly1305) over P-256 with the extended master secret,
and is as insecure as can be: its share of the key exchange is the curve's base point, so that the
secret is the server's own public value. Good for talking to a server under test, and nothing else.
"""

import hashlib
import hmac
import itertools
import os
import socket
import struct

SUITE = 0xCCA9
BASE_POINT = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
CHANGE, ALERT, HANDSHAKE, CONTENT = 20, 21, 22, 23
HELLO_DONE, SERVER_KEY, REQUEST = 14, 12, 13
# (TLS code, openssl's digest) of a CertificateVerify by kind of key
SIGNATURES = {"p256": (0x0403, "ecdsa-sha256"), "p384": (0x0503, "ecdsa-sha384"),
              "ed25519": (0x0807, "ed25519"), "rsa2048": (0x0401, "rsa-sha256"),
              "rsa1024": (0x0401, "rsa-sha256"), "secp256k1": (0x0403, "ecdsa-sha256"),
              "p192": (0x0403, "ecdsa-sha256")}


sources = itertools.count(1)


class Refused(Exception):
    """The server has sent an alert or gone."""


# --- ChaCha20-Poly1305, RFC 8439 -----------------------------------------------------------------


def chacha_block(key, counter, nonce):
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *struct.unpack("<8I", key), counter,
             *struct.unpack("<3I", nonce)]
    state = start[:]

    def quarter(a, b, c, d):
        for first, second, third, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[first] = state[first] + state[second] & 0xFFFFFFFF
            mixed = state[third] ^ state[first]
            state[third] = (mixed << turn | mixed >> 32 - turn) & 0xFFFFFFFF

    for _ in range(10):
        for column in range(4):
            quarter(column, column + 4, column + 8, column + 12)
        for column in range(4):
            quarter(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(state, start)))


def chacha(key, nonce, content):
    stream = b"".join(chacha_block(key, 1 + at, nonce) for at in range((len(content) + 63) // 64))
    return bytes(a ^ b for a, b in zip(content, stream))


def tag_of(key, nonce, secret, added):
    once = chacha_block(key, 0, nonce)
    factor = int.from_bytes(once[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    text = b"".join(part + bytes(-len(part) % 16) for part in (added, secret))
    text += struct.pack("<QQ", len(added), len(secret))
    total = 0
    for at in range(0, len(text), 16):
        total = (total + int.from_bytes(text[at:at + 16] + b"\1", "little")) * factor % (2**130 - 5)
    return (total + int.from_bytes(once[16:32], "little") & 2**128 - 1).to_bytes(16, "little")


class Direction:
    """The keys of one direction of a connection."""

    def __init__(self, key, start):
        self.key, self.start, self.count = key, start, 0

    def parts(self, kind, length):
        number = self.count.to_bytes(12, "big")
        self.count += 1
        nonce = bytes(a ^ b for a, b in zip(self.start, number))
        return nonce, number[4:] + bytes([kind, 3, 3]) + length.to_bytes(2, "big")

    def seal(self, kind, content):
        nonce, added = self.parts(kind, len(content))
        secret = chacha(self.key, nonce, content)
        return secret + tag_of(self.key, nonce, secret, added)

    def open(self, kind, record):
        nonce, added = self.parts(kind, len(record) - 16)
        if tag_of(self.key, nonce, record[:-16], added) != record[-16:]:
            raise ValueError("the server's record does not fit the keys")
        return chacha(self.key, nonce, record[:-16])


def derive(secret, label, seed, length):
    """The PRF of RFC 5246 section 5 with SHA-256."""
    seed, made = label + seed, b""
    link = seed
    while len(made) < length:
        link = hmac.digest(secret, link, "sha256")
        made += hmac.digest(secret, link + seed, "sha256")
    return made[:length]


# --- messages ------------------------------------------------------------------------------------


def vector(content, size):
    return len(content).to_bytes(size, "big") + content


def message(kind, content):
    return bytes([kind]) + vector(content, 3)


def client_hello(random, versions=None):
    """Offers TLS 1.2 only."""
    def extension(number, content):
        return struct.pack(">H", number) + vector(content, 2)
    signatures = struct.pack(">6H", 0x0403, 0x0503, 0x0807, 0x0804, 0x0401, 0x0203)
    extensions = (extension(10, vector(b"\0\x17", 2)) + extension(11, vector(b"\0", 1)) +
                  extension(13, vector(signatures, 2)) + extension(23, b"") +
                  extension(0xFF01, b"\0") + (extension(43, versions) if versions else b""))
    return message(1, b"\3\3" + random + vector(b"", 1) +
                   vector(struct.pack(">H", SUITE), 2) + vector(b"\0", 1) +
                   vector(extensions, 2))


def connect(port, seconds=20):
    """A connection from a loopback address that no other has: siotd logs only so many lines per
    second and source. Returns it, and how the log calls it."""
    number = next(sources)
    source = f"127.1.{number >> 8}.{number & 0xFF}"
    made = socket.create_connection(("127.0.0.1", port), seconds, (source, 0))
    return made, "%s:%d" % made.getsockname()


class Client:
    """One connection. Use it with `with`; what the server does not like raises Refused."""

    def __init__(self, port, seconds=20):
        self.socket, self.address = connect(port, seconds)
        self.spoken = b""  # all handshake messages
        self.arrived = b""
        self.sending = self.receiving = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # -- records --

    def send(self, kind, content):
        try:
            for at in range(0, len(content), 16384) or [0]:
                piece = content[at:at + 16384]
                if self.sending:
                    piece = self.sending.seal(kind, piece)
                self.socket.sendall(bytes([kind, 3, 3]) + vector(piece, 2))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer, if it can still be read, says why

    def say(self, *messages):
        self.spoken += b"".join(messages)
        self.send(HANDSHAKE, b"".join(messages))

    def take(self, length):
        while len(self.arrived) < length:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Refused("closed")
            self.arrived += piece
        taken, self.arrived = self.arrived[:length], self.arrived[length:]
        return taken

    def record(self):
        header = self.take(5)
        kind, content = header[0], self.take(int.from_bytes(header[3:], "big"))
        if self.receiving and kind != CHANGE:
            content = self.receiving.open(kind, content)
        if kind == ALERT:
            raise Refused(f"alert {content[1]}")
        return kind, content

    # -- the handshake --

    def hello(self):
        """As far as the server's HelloDone; what it asked for and its messages by kind."""
        self.random = os.urandom(32)
        self.say(client_hello(self.random))
        self.server, waiting = {}, b""
        while HELLO_DONE not in self.server:
            kind, content = self.record()
            assert kind == HANDSHAKE, kind
            waiting += content
            while len(waiting) >= 4 and len(waiting) >= 4 + int.from_bytes(waiting[1:4], "big"):
                end = 4 + int.from_bytes(waiting[1:4], "big")
                self.server[waiting[0]] = waiting[4:end]
                self.spoken += waiting[:end]
                waiting = waiting[end:]
        return REQUEST in self.server

    def make_keys(self):
        """After the ClientKeyExchange has been said: RFC 7627 section 4."""
        point = self.server[SERVER_KEY][4:69]
        shared = point[1:33]  # our secret number is 1
        digest = hashlib.sha256(self.spoken).digest()
        self.master = derive(shared, b"extended master secret", digest, 48)
        block = derive(self.master, b"key expansion", self.server[2][2:34] + self.random, 88)
        self.keys = [Direction(block[:32], block[64:76]), Direction(block[32:64], block[76:88])]

    def finish(self):
        """Both Finished; from then on there is content."""
        self.send(CHANGE, b"\1")
        self.sending = self.keys[0]
        digest = hashlib.sha256(self.spoken).digest()
        self.say(message(20, derive(self.master, b"client finished", digest, 12)))
        while True:
            kind, content = self.record()
            if kind == CHANGE:
                self.receiving = self.keys[1]
            elif self.receiving and content[0] == 20:
                digest = hashlib.sha256(self.spoken).digest()
                assert content[4:] == derive(self.master, b"server finished", digest, 12)
                return

    def shake_hands(self, chain, key=None, signature=None, verify=True, certificate=True):
        """The whole handshake with a chain of encoded certificates. The CertificateVerify is signed
        by `key`, is `signature` when one is given, and is left out with verify=False."""
        asked = self.hello()
        assert asked, "the server asks for no certificate"
        messages = []
        if certificate:
            entries = b"".join(vector(one, 3) for one in chain)
            messages.append(message(11, vector(entries, 3)))
        self.say(*messages, message(16, vector(BASE_POINT, 1)))
        self.make_keys()
        if verify and chain:
            code, algorithm = SIGNATURES[key.kind]
            made = key.sign(self.spoken, algorithm) if signature is None else signature
            self.say(message(15, struct.pack(">H", code) + vector(made, 2)))
        self.finish()

    def exchange(self, content):
        """Sends content, returns the content of the answer."""
        self.send(CONTENT, content)
        while True:
            kind, answer = self.record()
            if kind == CONTENT:
                return answer
