"""A DHT22 and an LED on raw datagrams: no library, no connection. docs/raw.md has the language.

Readings carry an id and are sent again until siotd says ACK. Commands carry one too, and are
acknowledged here. In the clear: for a network that is trusted."""

import settings
import socket
import time

import board

PING_MS = 20000   # keeps the subscription, and the way back through a router
RETRY_MS = 2000
TRIES = 5


class Raw:
    def __init__(self, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(address)
        self.socket.setblocking(False)
        self.next_id = time.ticks_ms() % 1000000 * 1000  # not the ids of before a restart
        self.waiting = {}  # id: [datagram, tries, when it was sent]

    def subscribe(self):
        # What stands behind the line makes room for an id in the answer (docs/raw.md).
        self.socket.send(b"SUB " + board.command_topic().encode() + b" qos=1\n" + b" " * 24)

    def publish(self, topic, text):
        self.next_id += 1
        line = "PUB %s retain id=%d\n%s" % (topic, self.next_id, text)
        self.waiting[self.next_id] = [line.encode(), 0, 0]
        self.resend()

    def resend(self):
        now = time.ticks_ms()
        for number, sent in list(self.waiting.items()):
            if sent[1] and time.ticks_diff(now, sent[2]) < RETRY_MS:
                continue
            if sent[1] == TRIES:
                del self.waiting[number]  # the next reading is worth more
                continue
            sent[1] += 1
            sent[2] = now
            self.socket.send(sent[0])

    def hear(self):
        """Deals with what has come."""
        while True:
            try:
                datagram = self.socket.recv(1500)
            except OSError:
                return  # nothing there
            line, _, payload = datagram.partition(b"\n")
            words = line.split(b" ")
            if words[-1].startswith(b"id="):  # of MSG, and of OK while we are unknown
                self.socket.send(b"ACK " + words[-1][3:])
            if words[0] == b"MSG" and words[1] == board.command_topic().encode():
                board.obey(payload)
            elif words[0] == b"ACK":
                self.waiting.pop(int(words[1]), None)
            elif words[0] in (b"ERR", b"BYE"):
                print("raw:", line)
                self.subscribe()  # siotd has been restarted, or has forgotten us


def main():
    board.join()
    raw = Raw(socket.getaddrinfo(settings.BROKER, settings.PORT or 5600)[0][-1])
    readings, pings = board.Interval(settings.INTERVAL_MS), board.Interval(PING_MS)
    raw.subscribe()
    while True:
        try:
            raw.hear()
            if readings.is_over():
                for topic, text in board.measure():
                    raw.publish(topic, text)
            raw.resend()
            if pings.is_over():
                raw.socket.send(b"PING")
        except OSError as error:
            print("raw:", error)
            time.sleep_ms(1000)
        time.sleep_ms(50)


if __name__ == "__main__":
    main()
