"""siotctl pub and sub: every protocol on every transport, against the siotd of this build.

    pubsub.py SIOTCTL SIOTD [TEST...]
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.dont_write_bytecode = True
import process  # noqa: E402
import tool  # noqa: E402

KEY = "00112233445566778899aabbccddeeff"
WAIT_S = "15"  # for what does come
# protocol, whether over DTLS or TLS
ROADS = [(protocol, secure) for protocol in ("mqtt", "raw", "mqtt-sn", "coap")
         for secure in (False, True)]


class World:
    """One siotd with a listener for each protocol on each of its transports, and a PKI."""

    def __init__(self, folder, rest=""):
        self.folder = os.path.join(folder, "pki")  # as pki makes it
        for words in (("init",), ("issue", "--server", "--san", "IP:127.0.0.1", "server"),
                      ("issue", "sensor-7"), ("issue", "lost"), ("revoke", "lost")):
            status, _, err = tool.run(tool.PROGRAM, "pki", *words, folder=folder)
            assert status == 0, err
        with open(self.file("keys"), "w", encoding="utf-8") as file:
            file.write(f"hall:{KEY}\n")
        self.ports = {}
        lines = [rest, "listeners:"]
        for protocol, secure in ROADS:
            stream = protocol == "mqtt"
            port = process.free_port()
            self.ports[protocol, secure] = str(port)
            transport = (("tls" if secure else "tcp") if stream else ("dtls" if secure else "udp"))
            lines += [f"  - name: {protocol}-{transport}", f"    protocol: {protocol}",
                      f"    transport: {transport}", f"    bind: 127.0.0.1:{port}",
                      "    anonymous: true"]
            if secure:
                lines += ["    tls:", *(f"      {name}: {value}" for name, value in (
                    ("certificate", self.file("server.pem")), ("key", self.file("server.key")),
                    ("ca", self.file("ca.pem")), ("crl", self.file("ca.crl")),
                    ("client_certificate", "optional"), ("psk_file", self.file("keys"))))]
        self.siotd = process.Siotd("\n".join(lines) + "\n")

    def file(self, name):
        return os.path.join(self.folder, name)

    def road(self, protocol, secure):
        """The options that lead there; anonymous, the broker's certificate verified."""
        words = ["--protocol", protocol, "-p", self.ports[protocol, secure]]
        if secure:
            words += ["--tls" if protocol == "mqtt" else "--dtls", "--cafile", self.file("ca.pem")]
        return words

    def keyed(self, protocol):
        return ["--protocol", protocol, "-p", self.ports[protocol, True],
                "--tls" if protocol == "mqtt" else "--dtls", "--psk", KEY, "--psk-identity", "hall"]


class Listener:
    """siotctl sub while it runs."""

    def __init__(self, *words):
        self.process = subprocess.Popen([tool.PROGRAM, "sub", *words], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def end(self):
        """Its status, output and errors."""
        out, err = self.process.communicate(timeout=60)
        err = err.decode()
        assert not any(fault in err for fault in tool.FAULTS), err
        return self.process.returncode, out.decode(), err


class Case(unittest.TestCase):
    world = None
    rest = ""

    @classmethod
    def setUpClass(cls):
        cls.folder = tool.tempfile.TemporaryDirectory(prefix="siotctl-")
        cls.world = World(cls.folder.name, cls.rest)

    @classmethod
    def tearDownClass(cls):
        cls.world.siotd.__exit__(None, None, None)
        cls.folder.cleanup()

    def pub(self, *words, given=""):
        status, out, err = tool.run(tool.PROGRAM, "pub", *words, given=given)
        self.assertFalse(any(fault in err for fault in tool.FAULTS), err)
        return status, out, err

    def well(self, *words, given=""):
        status, out, err = self.pub(*words, given=given)
        self.assertEqual((status, out), (0, ""), err)

    def listener(self, *words):
        """A subscriber that is there: it has got what is retained under `ready/...`."""
        topic = words[words.index("-t") + 1]
        since = self.world.siotd.mark()
        listener = Listener(*words, "-W", WAIT_S)
        self.addCleanup(listener.process.stderr.close)
        self.addCleanup(listener.process.stdout.close)
        self.addCleanup(lambda: listener.process.poll() is None and listener.process.kill())
        self.world.siotd.await_log(r"connected: |: observes\b", since, 10)
        time.sleep(0.15)
        self.assertIsNone(listener.process.poll(), topic)
        return listener

    def hears(self, listener, wanted):
        self.assertEqual(listener.end(), (0, wanted, ""))


class Everywhere(Case):
    def test_each_hears_each(self):
        for number, (to, secure_to) in enumerate(ROADS):
            # CoAP has no wildcards, so each pair has one topic.
            topic = f"matrix/{number}"
            listener = self.listener(*self.world.road(to, secure_to), "-t", topic, "-C",
                                     str(len(ROADS)), "-q", "1")
            wanted = ""
            for protocol, secure in ROADS:
                with self.subTest(to=to, secure_to=secure_to, protocol=protocol, secure=secure):
                    if to == "coap":
                        time.sleep(0.05)  # observers coalesce: only the newest is promised
                    self.well(*self.world.road(protocol, secure), "-t", topic, "-q", "1", "-m",
                              f"from {protocol} {secure}")
                    wanted += f"from {protocol} {secure}\n"
            with self.subTest(to=to, secure_to=secure_to):
                self.hears(listener, wanted)

    def test_a_retained_value_is_heard_later(self):
        for protocol, secure in ROADS:
            topic = f"kept/{protocol}/{secure}"
            self.well(*self.world.road(protocol, secure), "-t", topic, "-q", "1", "-r", "-m", "last")
            for other, other_secure in ROADS:
                with self.subTest(protocol=protocol, secure=secure, other=other,
                                  other_secure=other_secure):
                    listener = Listener(*self.world.road(other, other_secure), "-t", topic, "-C",
                                        "1", "-v", "-W", WAIT_S)
                    status, out, err = listener.end()
                    self.assertEqual((status, out), (0, f"{topic} last\n"), err)

    def test_qos_0_and_2(self):
        for protocol, secure in ROADS:
            for qos in ("0", "2"):
                if qos == "2" and protocol in ("raw", "coap"):
                    continue
                with self.subTest(protocol=protocol, secure=secure, qos=qos):
                    topic = f"qos/{qos}/{protocol}"
                    listener = self.listener(*self.world.road(protocol, secure), "-t", topic, "-C",
                                             "1", "-q", qos)
                    self.well(*self.world.road(protocol, secure), "-t", topic, "-q", qos, "-m", "x")
                    self.hears(listener, "x\n")

    def test_lines_and_standard_input(self):
        for protocol in ("mqtt", "raw", "mqtt-sn", "coap"):
            with self.subTest(protocol=protocol):
                road = self.world.road(protocol, True)
                listener = self.listener(*self.world.road("mqtt", False), "-t", f"in/{protocol}",
                                         "-C", "4", "-q", "1")
                self.well(*road, "-t", f"in/{protocol}", "-q", "1", "-l", given="one\ntwo\n\n")
                self.well(*road, "-t", f"in/{protocol}", "-q", "1", "-s", given="all\nof it")
                self.hears(listener, "one\ntwo\n\nall\nof it\n")

    def test_a_large_value_on_coap_goes_in_blocks(self):
        text = "".join(f"{number:07} " for number in range(700))
        self.well(*self.world.road("coap", False), "-t", "large", "-q", "1", "-r", "-s", given=text)
        for secure in (False, True):
            with self.subTest(secure=secure):
                listener = Listener(*self.world.road("coap", secure), "-t", "large", "-C", "1",
                                    "-W", WAIT_S)
                self.assertEqual(listener.end(), (0, text + "\n", ""))

    def test_several_topics_and_the_topic_in_front(self):
        for protocol in ("mqtt", "raw", "mqtt-sn", "coap"):
            with self.subTest(protocol=protocol):
                listener = self.listener(*self.world.road(protocol, False), "-t", "one/a", "-t",
                                         "one/b", "-v", "-C", "2", "-q", "1")
                time.sleep(0.5)
                for name in "ab":
                    self.well(*self.world.road("mqtt", False), "-t", f"one/{name}", "-q", "1", "-m",
                              name)
                self.hears(listener, "one/a a\none/b b\n")

    def test_wildcards(self):
        for protocol in ("mqtt", "raw", "mqtt-sn"):
            with self.subTest(protocol=protocol):
                listener = self.listener(*self.world.road(protocol, True), "-t", "wild/+/#", "-v",
                                         "-C", "1")
                self.well(*self.world.road("mqtt", False), "-t", "wild/a/b", "-q", "1", "-m", "x")
                self.hears(listener, "wild/a/b x\n")


class Secrets(Case):
    def test_commands_reach_a_device_with_a_key(self):
        for protocol in ("raw", "mqtt-sn", "coap", "mqtt"):
            for version in ("1.2", "1.3"):
                with self.subTest(protocol=protocol, version=version):
                    since = self.world.siotd.mark()
                    listener = self.listener(*self.world.keyed(protocol), "--dtls-version", version,
                                             "-t", "commands/hall/led", "-C", "1", "-q", "1")
                    self.well(*self.world.road("mqtt", False), "-t", "commands/hall/led", "-q", "1",
                              "-m", "on")
                    self.hears(listener, "on\n")
                    self.world.siotd.await_log(r'user "hall"|coap:hall', since)

    def test_certificates_of_their_own(self):
        for protocol in ("raw", "mqtt"):
            for version in ("1.2", "1.3"):
                for name, status in (("sensor-7", 0), ("lost", 1)):
                    with self.subTest(protocol=protocol, version=version, name=name):
                        found, _, err = self.pub(
                            *self.world.road(protocol, True), "--tls-version", version, "--cert",
                            self.world.file(f"{name}.pem"), "--key",
                            self.world.file(f"{name}.key"), "-t", "t", "-m", "x", "-q", "1")
                        self.assertEqual(found, status, err)

    def test_connection_ids_groups_and_small_datagrams(self):
        for version in ("1.2", "1.3"):
            for more in (["--cid"], ["--groups", "X25519MLKEM768,X25519"], ["--groups", "P-256"],
                         ["--groups", "X25519", "--mtu", "600"]):
                with self.subTest(version=version, more=more):
                    self.well(*self.world.road("raw", True), "--dtls-version", version, *more,
                              "-t", "t", "-m", "x", "-q", "1")

    def test_the_hybrid_group_in_small_datagrams(self):
        for mtu in ("256", "576", "600", "650", "900", "1280"):
            for more in ([], ["--cid"]):
                with self.subTest(mtu=mtu, more=more):
                    self.well(*self.world.road("raw", True), "--dtls-version", "1.3", "--groups",
                              "X25519MLKEM768", "--mtu", mtu, *more, "-t", "t", "-m", "x", "-q",
                              "1")

    def test_datagrams_longer_than_those_that_are_sent_are_read(self):
        text = "x" * 1000
        for version in ("1.2", "1.3"):
            with self.subTest(version=version):
                listener = self.listener(*self.world.road("raw", True), "--dtls-version", version,
                                         "--mtu", "256", "-t", "long", "-C", "1", "-q", "1")
                self.well(*self.world.road("raw", True), "-t", "long", "-q", "1", "-m", text)
                self.hears(listener, text + "\n")

    def test_a_broker_that_proves_nothing_is_refused(self):
        with tool.tempfile.TemporaryDirectory() as folder:
            tool.run(tool.PROGRAM, "pki", "init", folder=folder)
            for protocol in ("mqtt", "raw"):
                words = self.world.road(protocol, True)
                words[words.index("--cafile") + 1] = os.path.join(folder, "pki", "ca.pem")
                with self.subTest(protocol=protocol):
                    status, _, err = self.pub(*words, "-t", "t", "-m", "x")
                    self.assertEqual(status, 1)
                    self.assertRegex(err, "^siotctl: 127.0.0.1:[0-9]+: the handshake failed: "
                                          "the broker's certificate is not signed by --cafile")

    def test_a_name_that_the_certificate_does_not_have_is_refused(self):
        for protocol in ("mqtt", "raw"):
            with self.subTest(protocol=protocol):
                status, _, err = self.pub("-h", "localhost", *self.world.road(protocol, True), "-t",
                                          "t", "-m", "x")
                self.assertEqual(status, 1, err)
                self.assertIn("handshake failed: the broker's certificate is for another name", err)

    def test_a_wrong_key_is_refused(self):
        for protocol, version in (("mqtt", "1.2"), ("mqtt", "1.3"), ("raw", "1.3")):
            with self.subTest(protocol=protocol, version=version):
                words = self.world.keyed(protocol)
                words[words.index("--psk") + 1] = KEY[::-1]
                words += ["--tls-version" if protocol == "mqtt" else "--dtls-version", version]
                status, _, err = self.pub(*words, "-t", "t", "-m", "x")
                self.assertEqual(status, 1)
                self.assertIn("the handshake failed: the broker says: it does not know that "
                              "identity, or not with this key", err)

    def test_silence_to_a_wrong_key_is_explained(self):
        words = self.world.keyed("raw")
        words[words.index("--psk") + 1] = KEY[::-1]
        status, _, err = self.pub(*words, "--dtls-version", "1.2", "-t", "t", "-m", "x")
        self.assertEqual(status, 1)
        self.assertIn("no answer to the handshake; a wrong key or identity may get none", err)


class Refused(Case):
    rest = "auth: {acl: [{allow: [publish, subscribe], anonymous: true, topics: [\"open/#\"]}]}"

    def test_what_is_not_permitted_fails_with_a_sentence(self):
        for protocol in ("mqtt-sn", "coap"):
            with self.subTest(protocol=protocol):
                road = self.world.road(protocol, False)
                self.well(*road, "-t", "open/a", "-q", "1", "-m", "x")
                status, _, err = self.pub(*road, "-t", "shut/a", "-q", "1", "-m", "x")
                self.assertEqual((status, err[:9], err.count("\n")), (1, "siotctl: ", 1), err)

    def test_raw_is_told_why(self):
        status, _, err = self.pub(*self.world.road("raw", False), "-t", "shut/a", "-q", "1", "-m",
                                  "x" * 20)
        self.assertEqual((status, err), (1, "siotctl: the broker refuses: denied\n"))

    def test_a_subscription_that_is_not_permitted(self):
        for protocol in ("mqtt", "raw", "mqtt-sn", "coap"):
            with self.subTest(protocol=protocol):
                listener = Listener(*self.world.road(protocol, False), "-t", "shut/a", "-W", WAIT_S)
                status, out, err = listener.end()
                self.assertEqual((status, out, err.count("\n")), (1, "", 1), err)


class Alone(unittest.TestCase):
    """Without a broker."""

    def ends(self, *words, verb="pub"):
        return tool.run(tool.PROGRAM, verb, *words)

    def test_wrong_words(self):
        for words in (["-t", "a"], ["-m", "x"], ["-t", "a", "-m", "x", "-n"], ["-t", "a", "-m"],
                      ["-t", "a", "-m", "x", "-q", "3"], ["-t", "a", "-m", "x", "y"],
                      ["-t", "a", "-m", "x", "--protocol", "cap"], ["-t", "a", "-m", "x", "--tls"],
                      ["-t", "a", "-m", "x", "-q", "2", "--protocol", "raw"],
                      ["-t", "a", "-m", "x", "--dtls", "--protocol", "mqtt", "--insecure"],
                      ["-t", "a", "-m", "x", "--psk", "00", "--psk-identity", "i"],
                      ["-t", "a", "-m", "x", "--dtls", "--psk", "0g", "--psk-identity", "i"],
                      ["-t", "a", "-m", "x", "--dtls", "--psk", "00"],
                      ["-t", "a", "-m", "x", "--tls", "--insecure", "--groups", "X448"],
                      ["-t", "a", "-m", "x", "-p", "65536"], ["-t", "", "-m", "x"],
                      ["-t", "a/+", "-m", "x"], ["-t", "#", "-m", "x", "--protocol", "raw"],
                      ["-t", "a", "-t", "b", "-m", "x"], ["-t", "a", "-m", "x", "-C", "1"]):
            with self.subTest(words=words):
                status, out, err = self.ends(*words)
                self.assertEqual((status, out), (2, ""), err)
                self.assertNotEqual(err, "")

    def test_help(self):
        for verb in ("pub", "sub"):
            status, out, err = self.ends("--help", verb=verb)
            self.assertEqual((status, err), (0, ""))
            self.assertIn("--protocol", out)

    def test_nobody_there(self):
        port = str(process.free_port())
        status, _, err = self.ends("-p", port, "-t", "a", "-m", "x")
        self.assertEqual((status, err), (1, f"siotctl: 127.0.0.1:{port}: Connection refused\n"))

    def test_a_name_that_is_none(self):
        status, _, err = self.ends("-h", "no.such.host.invalid", "-t", "a", "-m", "x")
        self.assertEqual(status, 1)
        self.assertRegex(err, r"^siotctl: no\.such\.host\.invalid: .+\n$")

    def test_a_datagram_is_sent_again_until_it_is_answered(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as broker:
            broker.bind(("127.0.0.1", 0))
            broker.settimeout(20)
            heard = []

            def answer():
                for _ in range(2):
                    datagram, sender = broker.recvfrom(2048)
                    heard.append(datagram)
                number = heard[0].split(b"id=")[1].split(b"\n")[0]
                broker.sendto(b"ACK 1", sender)  # of something else
                broker.sendto(b"ACK " + number, sender)
            thread = threading.Thread(target=answer)
            thread.start()
            status, _, err = self.ends("--protocol", "raw", "-p", str(broker.getsockname()[1]), "-t",
                                       "a", "-m", "x", "-q", "1")
            thread.join()
            self.assertEqual(status, 0, err)
            self.assertEqual(heard[0], heard[1])

    def test_an_mqtt_sn_message_says_when_it_is_sent_again(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as broker:
            broker.bind(("127.0.0.1", 0))
            broker.settimeout(20)
            heard = []

            def gateway():
                """Answers each message when it has come twice."""
                answers = {0x04: b"\x03\x05\x00", 0x0a: b"\x07\x0b\x00\x09%b\x00",
                           0x0c: b"\x07\x0d\x00\x09%b\x00"}
                for number in range(6):
                    datagram, sender = broker.recvfrom(2048)
                    heard.append(datagram)
                    if number % 2:
                        kind = datagram[1]
                        msg_id = datagram[4:6] if kind == 0x0a else datagram[5:7]
                        reply = answers[kind]
                        broker.sendto(reply % msg_id if b"%b" in reply else reply, sender)
            thread = threading.Thread(target=gateway)
            thread.start()
            status, _, err = self.ends("--protocol", "mqtt-sn", "-p", str(broker.getsockname()[1]),
                                       "-t", "a", "-m", "x", "-q", "1")
            thread.join()
        self.assertEqual(status, 0, err)
        self.assertEqual(heard[0], heard[1])  # CONNECT
        self.assertEqual(heard[2], heard[3])  # REGISTER
        self.assertEqual((heard[4][1], heard[4][2]), (0x0c, 0x20))  # PUBLISH, QoS 1
        self.assertEqual(heard[5], heard[4][:2] + b"\xa0" + heard[4][3:])  # the same with DUP


class Waiting(Case):
    def test_nothing_in_time(self):
        for protocol, secure in ROADS:
            with self.subTest(protocol=protocol, secure=secure):
                listener = Listener(*self.world.road(protocol, secure), "-t", "never", "-W", "1")
                self.assertEqual(listener.end(), (3, "", ""))

    def test_an_interrupted_subscriber_says_goodbye(self):
        for protocol, secure in ROADS:
            with self.subTest(protocol=protocol, secure=secure):
                listener = self.listener(*self.world.road(protocol, secure), "-t", "never")
                listener.process.send_signal(signal.SIGINT)
                self.assertEqual(listener.end(), (0, "", ""))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} SIOTCTL SIOTD [TEST...]")
    process.PROGRAM = os.path.abspath(sys.argv.pop(2))
    tool.main()
