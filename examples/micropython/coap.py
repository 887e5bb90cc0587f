"""A DHT22 and an LED on CoAP (RFC 7252): readings are PUT, the command is observed (RFC 7641).

Small enough to read: confirmable requests, one under way at a time, answers in the acknowledgement
or apart, Echo when siotd asks whether we are where we say (RFC 9175). In the clear."""

import os
import settings
import socket
import time

import board

CON, NON, ACK, RST = 0, 1, 2, 3
GET, PUT = 1, 3
OBSERVE, URI_PATH, ECHO = 6, 11, 252
RETRY_MS = 2000
TRIES = 5
REFRESH_MS = 60000  # an observation is asked for again, in case siotd has lost it


def option(number, last, value):
    """One option: its number as a distance from the last one, its length, its value."""
    def nibble(size):
        if size < 13:
            return size, b""
        if size < 269:
            return 13, bytes([size - 13])
        return 14, (size - 269).to_bytes(2, "big")
    first, more = nibble(number - last)
    length, length_more = nibble(len(value))
    return bytes([first << 4 | length]) + more + length_more + value


def options_of(message, at):
    """{number: value} and where the payload begins."""
    found, number = {}, 0
    while at < len(message) and message[at] != 0xFF:
        sizes = [message[at] >> 4, message[at] & 15]
        at += 1
        for i in range(2):
            if sizes[i] == 13:
                sizes[i] = message[at] + 13
                at += 1
            elif sizes[i] == 14:
                sizes[i] = int.from_bytes(message[at:at + 2], "big") + 269
                at += 2
        number += sizes[0]
        found[number] = message[at:at + sizes[1]]
        at += sizes[1]
    return found, at + 1


class Coap:
    def __init__(self, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(address)
        self.socket.setblocking(False)
        self.id = int.from_bytes(os.urandom(2), "big")
        self.command_token = os.urandom(4)
        self.echo = b""
        self.queue = []      # [code, token, topic, payload], the first one is under way
        self.datagram = None
        self.tries = self.sent_ms = 0
        self.seen = None     # message id of the last command

    def request(self, code, token, topic, payload=b""):
        if len(self.queue) < 8:
            self.queue.append([code, token, topic, payload])

    def encode(self, code, token, topic, payload):
        self.id = self.id + 1 & 0xFFFF
        text, last = bytes([1 << 6 | CON << 4 | len(token), code]), 0
        text += self.id.to_bytes(2, "big") + token
        if code == GET:
            text += option(OBSERVE, last, b"")
            last = OBSERVE
        for level in ("ps/" + topic).split("/"):
            text += option(URI_PATH, last, level.encode())
            last = URI_PATH
        if self.echo:
            text += option(ECHO, last, self.echo)
        return text + b"\xff" + payload if payload else text

    def send(self):
        """The first request that waits, again when it is time."""
        now = time.ticks_ms()
        if not self.queue:
            return
        if self.datagram is None:
            self.datagram, self.tries = self.encode(*self.queue[0]), 0
        elif time.ticks_diff(now, self.sent_ms) < RETRY_MS << self.tries - 1:
            return
        if self.tries == TRIES:
            self.done()
            return
        self.tries += 1
        self.sent_ms = now
        self.socket.send(self.datagram)

    def done(self):
        self.queue.pop(0)
        self.datagram = None

    def hear(self):
        while True:
            try:
                message = self.socket.recv(1500)
            except OSError:
                return  # nothing there
            if len(message) >= 4 and message[0] >> 6 == 1:
                self.take(message)

    def take(self, message):
        kind, token_len = message[0] >> 4 & 3, message[0] & 15
        code, number = message[1], message[2:4]
        token = message[4:4 + token_len]
        if kind == CON:
            self.socket.send(bytes([1 << 6 | ACK << 4, 0]) + number)
        if code >> 5 < 2:
            return
        options, at = options_of(message, 4 + token_len)
        if token == self.command_token and code >> 5 == 2 and number != self.seen:
            self.seen = number
            board.obey(message[at:])
        if self.queue and token == self.queue[0][1]:
            if code == 0x81 and ECHO in options and options[ECHO] != self.echo:
                self.echo = options[ECHO]
                self.datagram = None  # the same once more, with what was asked for
            else:
                self.done()
            if code >> 5 > 2 and code != 0x81:
                print("coap: %d.%02d" % (code >> 5, code & 31))


def main():
    board.join()
    coap = Coap(socket.getaddrinfo(settings.BROKER, settings.PORT or 5683)[0][-1])
    readings, refresh = board.Interval(settings.INTERVAL_MS), board.Interval(REFRESH_MS)
    while True:
        try:
            coap.hear()
            if refresh.is_over():
                coap.request(GET, coap.command_token, board.command_topic())
            if readings.is_over():
                for topic, text in board.measure():
                    coap.request(PUT, os.urandom(4), topic, text.encode())
            coap.send()
        except OSError as error:
            print("coap:", error)
            time.sleep_ms(1000)
        time.sleep_ms(50)


if __name__ == "__main__":
    main()
