"""What somebody on the wire sees: the payload of a plain message, nothing of one under TLS, and all
of that again with the key log of `siotd --tls-keylog`. tshark is the somebody."""

import os
import signal
import subprocess
import time

from harness import Failed, Program, Skipped, find_tool, same
from mosquitto_tools import Sub, send

KEY_LOG = "keys.log"


def arguments(folder):
    """What siotd is started with so that the cases can read along."""
    return ["--tls-keylog", os.path.join(folder, KEY_LOG)]


class Capture:
    """tshark listening on the loopback interface to one port; `end` gives the recording."""

    def __init__(self, place, port):
        self.port = port
        self.path = os.path.join(place.siotd.folder, f"{place.topic}-{port}.pcap")
        self.tshark = Program(["tshark", "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", self.path],
                              {"HOME": place.siotd.folder})
        try:
            self.tshark.wait_line("Capture started")
        except Failed:
            self.tshark.kill()
            raise Skipped(f"tshark may not capture here; {self.tshark.said()}") from None

    def end(self, wanted):
        """Stops; returns the recording, which has at least so many packets with content."""
        time.sleep(1)  # what the kernel still holds is handed over several times per second
        self.tshark.send(signal.SIGINT)
        self.tshark.wait_end()
        packets = fields(self.path, self.port, "tcp.payload")
        same(len(packets) >= wanted, True, f"{len(packets)} packets recorded")
        return self.path


def fields(path, port, field, *options):
    """The values of a field in all packets of a recording."""
    done = subprocess.run(["tshark", "-r", path, *options, "-d", f"tcp.port=={port},tls"
                           if options else f"tcp.port=={port},mqtt", "-Y", field, "-T", "fields",
                           "-e", field], capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise Failed(f"tshark -r: {done.stderr.decode()[-300:]}")
    return done.stdout.decode().split()


def recorded(place, where, port, payload):
    """A recording of one message that goes in and comes out by `where`."""
    capture = Capture(place, port)
    try:
        sub = Sub(place, "mqttv5", "-t", place.topic, "-q", 1, where=where)
        send(place, "mqttv5", place.topic, "-q", 1, "-m", payload, where=where)
        same(sub.next(), f"{place.topic}|1|0|{payload}", "message")
        sub.close()
    except BaseException:
        capture.tshark.kill()
        raise
    return capture.end(6)


def secrecy(place, tls_option):
    if find_tool("tshark") is None:
        raise Skipped("tshark is not installed")
    siotd, payload = place.siotd, f"The vault is open {os.urandom(8).hex()}"
    secret = payload.encode().hex()

    def seen(path, port):
        return secret in "".join(fields(path, port, "tcp.payload"))
    plain = recorded(place, place.plain, siotd.plain, payload)
    same(seen(plain, siotd.plain), True, "the plain port shows the payload")
    hidden = recorded(place, [*place.tls, "--tls-version", tls_option], siotd.tls, payload)
    same(seen(hidden, siotd.tls), False, "the TLS port shows the payload")
    with open(hidden, "rb") as file:
        content = file.read()
    same(any(word.encode() in content for word in (payload, payload[:12], place.topic)), False,
         "the recording holds words of the message")
    keys = os.path.join(os.path.dirname(siotd.folder), KEY_LOG)
    read = fields(hidden, siotd.tls, "mqtt.msg", "-o", f"tls.keylog_file:{keys}", "-d",
                  f"tls.port=={siotd.tls},mqtt")
    # Other cases use the port as well; this message went in once and came out once.
    same(read.count(secret), 2, "times that the key log lets tshark read the message")


CASES = [
    (f"tshark sees a plain message, nothing of one under {name}, and all of it with the key log",
     lambda place, option=option: secrecy(place, option))
    for option, name in (("tlsv1.2", "TLS 1.2"), ("tlsv1.3", "TLS 1.3"))]
