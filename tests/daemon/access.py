"""Users and rules over real connections: who gets in, who may do what, and how soon a change of
either reaches those who are in."""

import base64
import hashlib
import os
import resource
import signal
import ssl
import subprocess
import tempfile
import time
import unittest

import process
from process import Client, Siotd, free_port, main

ACCEPTED, BAD_V3, DENIED_V3, BAD, DENIED = 0, 4, 5, 0x86, 0x87


def record(password):
    """What mosquitto_passwd writes for it."""
    salt = b"0123456789ab"
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return "$7$101$%s$%s" % tuple(base64.b64encode(x).decode() for x in (salt, digest))


def users(**passwords):
    return "".join(f"{name}:{record(password)}\n" for name, password in passwords.items())


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return len(value).to_bytes(2, "big") + value


def packet(first, body):
    assert len(body) < 128
    return bytes([first, len(body)]) + body


class Mqtt(Client):
    """MQTT in either version, with as many words as these tests need."""

    def __init__(self, port, version=5):
        super().__init__(("127.0.0.1", port))
        self.version = version
        self.five = b"\x00" if version == 5 else b""

    def enter(self, name, user=None, password=None, clean=True, will=None, expiry=0):
        """Connects; returns reason and whether a session was there."""
        flags = (2 if clean else 0) | (0x80 if user is not None else 0) | \
            (0x40 if password is not None else 0) | (4 if will else 0)
        properties = b"\x05\x11" + expiry.to_bytes(4, "big") if expiry and self.five else self.five
        body = text("MQTT") + bytes([self.version, flags, 0, 60]) + properties + text(name)
        if will:
            body += self.five + text(will[0]) + text(will[1])
        for value in (user, password):
            if value is not None:
                body += text(value)
        self.send(packet(0x10, body))
        answer = self.packet()
        assert answer[:1] == b"\x20", answer
        return answer[3], answer[2]

    def subscribe(self, topic):
        """The reason code."""
        self.send(packet(0x82, b"\x00\x07" + self.five + text(topic) + b"\x01"))
        answer = self.packet()
        assert answer[:1] == b"\x90", answer
        return answer[-1]

    def publish(self, topic, payload, retain=False):
        """With QoS 1; the reason code, 0 in version 3."""
        self.send(packet(0x33 if retain else 0x32, text(topic) + b"\x00\x09" + self.five +
                         payload.encode()))
        answer = self.packet()
        assert answer[:1] == b"\x40", answer
        return answer[4] if len(answer) > 4 else 0

    def messages(self):
        """Topics of what has arrived, up to the answer to a ping; acknowledges nothing."""
        self.send(b"\xc0\x00")
        topics = []
        while True:
            one = self.packet()
            if one[:1] == b"\xd0" or not one:
                return topics
            size = int.from_bytes(one[2:4], "big")
            topics.append(one[4:4 + size].decode())

    def goodbye(self, seconds=1.0):
        """How the broker ended the connection: the reason of DISCONNECT, or None for none."""
        self.socket.settimeout(seconds)
        last = self.packet()
        if last[:1] == b"\xe0":
            return last[2]
        assert last == b"", last
        return None


class Access(unittest.TestCase):
    def broker(self, passwords, acl, anonymous="true"):
        self.port = free_port()
        self.files = tempfile.TemporaryDirectory(prefix="siotd-access-")
        self.addCleanup(self.files.cleanup)
        self.put("passwords", passwords)
        self.put("acl", acl)
        folder = self.files.name
        return Siotd(f"auth:\n  password_file: {folder}/passwords\n  acl_file: {folder}/acl\n"
                     f"listeners:\n  - {{name: m, protocol: mqtt, transport: tcp, "
                     f"bind: '127.0.0.1:{self.port}', anonymous: {anonymous}}}\n", ["-v"])

    def put(self, name, content):
        path = os.path.join(self.files.name, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(content)
        os.chmod(path, 0o600)

    def client(self, name, user=None, password=None, version=5, **options):
        client = Mqtt(self.port, version)
        self.addCleanup(client.socket.close)
        self.assertEqual(client.enter(name, user, password, **options)[0], ACCEPTED)
        return client

    def refusal(self, version, user, password):
        with Mqtt(self.port, version) as client:
            return client.enter("c", user, password)[0]

    def test_half_a_credential_is_none_and_no_secret_is_told(self):
        """vuln-25, vuln-29: every combination, on an open and on a closed listener."""
        for anonymous in ("true", "false"):
            with self.broker(users(ann="canary-right"), "", anonymous) as siotd:
                for version in (3, 5):
                    version = 4 if version == 3 else 5
                    bad, denied = (BAD_V3, DENIED_V3) if version == 4 else (BAD, DENIED)
                    rows = [("ann", "canary-right", ACCEPTED), ("ann", "canary-wrong", bad),
                            ("bob", "canary-wrong", bad), ("ann", "", bad), ("ann", None, bad),
                            ("", "canary-right", bad), ("", None, bad),
                            (None, None, ACCEPTED if anonymous == "true" else denied)]
                    if version == 5:
                        rows.append((None, "canary-right", bad))
                    for user, password, reason in rows[:4] + rows[-2:]:
                        with self.subTest(anonymous=anonymous, version=version, user=user,
                                          password=password):
                            self.assertEqual(self.refusal(version, user, password), reason)
                    with self.subTest(anonymous=anonymous, version=version):
                        self.assertEqual(self.refusal(version, "ann", None), bad)
                log = siotd.log()
                self.assertRegex(log, r'auth failed: user "bob" from 127\.0\.0\.1\n')
                self.assertNotIn("canary", log)
                self.assertNotIn(record("canary-right")[8:], log)

    def test_a_source_that_fails_waits_longer(self):
        with self.broker(users(ann="x"), "") as _:
            began = time.monotonic()
            for _ in range(5):
                self.refusal(5, "ann", "wrong")
            self.assertGreater(time.monotonic() - began, 0.7)  # 0.25 s and 0.5 s

    def test_rules_hold_on_every_way(self):
        acl = ("user ann\ntopic readwrite a/#\ntopic write will/ann\n"
               "user bob\ntopic read a/#\ntopic deny a/secret\ntopic read will/#\n")
        with self.broker(users(ann="x", bob="y"), acl):
            bob = self.client("bob", "bob", "y")
            self.assertEqual(bob.subscribe("b/#"), DENIED)
            self.assertEqual(bob.subscribe("#"), 1)
            self.assertEqual(bob.subscribe("$share/g/a/s"), 1)
            ann = self.client("ann", "ann", "x", will=("will/ann", "gone"))
            self.assertEqual(ann.publish("b/1", "no"), DENIED)
            self.assertEqual(ann.publish("a/1", "yes", retain=True), 0)
            self.assertIn(ann.publish("a/secret", "no", retain=True), (0, 0x10))
            self.assertEqual(bob.messages(), ["a/1"])
            ann.socket.close()
            time.sleep(0.2)
            self.assertEqual(bob.messages(), ["will/ann"])
            again = self.client("again", "bob", "y")
            self.assertEqual(again.subscribe("a/#"), 1)
            time.sleep(0.2)
            self.assertEqual(again.messages(), ["a/1"])  # retained, but not a/secret
            self.assertEqual(self.client("n").subscribe("a/#"), DENIED)

    def test_who_is_removed_is_out_within_a_second(self):
        acl = "user ann\ntopic readwrite #\nuser bob\ntopic readwrite #\n"
        for version in (4, 5):
            with self.subTest(version=version), self.broker(users(ann="x", bob="y"), acl) as siotd:
                bob = self.client("bob", "bob", "y", version)
                self.assertEqual(bob.subscribe("will"), 1)
                ann = self.client("ann", "ann", "x", version, will=("will", "gone"))
                other = self.client("other", "ann", "x", version)
                self.put("passwords", users(bob="y"))
                siotd.reload()
                for client in (ann, other):
                    self.assertEqual(client.goodbye(), DENIED if version == 5 else None)
                siotd.await_log(r'"ann": closed: its right to be here has ended')
                self.assertEqual(bob.messages(), [])  # the will of who is removed is not said
                self.assertEqual(self.refusal(version, "ann", "x"), BAD if version == 5 else BAD_V3)
                self.put("passwords", users(bob="changed"))
                siotd.reload()
                self.assertEqual(bob.goodbye(), DENIED if version == 5 else None)

    def test_a_permission_that_ends_closes_what_was_subscribed(self):
        for version in (4, 5):
            with self.subTest(version=version), \
                    self.broker(users(ann="x"), "user ann\ntopic readwrite a/#\n") as siotd:
                ann = self.client("ann", "ann", "x", version)
                idle = self.client("idle", "ann", "x", version)
                self.assertEqual(ann.subscribe("a/#"), 1)
                self.put("acl", "user ann\ntopic write a/#\n")
                siotd.reload()
                self.assertEqual(ann.goodbye(), DENIED if version == 5 else None)
                self.assertEqual(idle.messages(), [])  # who has lost nothing stays

    def test_a_session_that_is_away_loses_what_it_may_not_have(self):
        """vuln-11: subscriptions and queued messages of a durable session."""
        open_acl = "user ann\ntopic readwrite a/#\nuser bob\ntopic readwrite #\n"
        with self.broker(users(ann="x", bob="y"), open_acl) as siotd:
            for name in ("quick", "slow"):
                client = self.client(name, "ann", "x", clean=False, expiry=600)
                self.assertEqual(client.subscribe("a/#"), 1)
                client.send(b"\xe0\x00")
                client.packet()
            bob = self.client("bob", "bob", "y")
            self.assertEqual(bob.publish("a/1", "queued"), 0)
            self.put("acl", "user ann\ntopic write a/#\nuser bob\ntopic readwrite #\n")
            siotd.reload()
            quick = Mqtt(self.port)
            self.addCleanup(quick.socket.close)
            self.assertEqual(quick.enter("quick", "ann", "x", clean=False, expiry=600), (0, 1))
            self.assertEqual(quick.messages(), [])
            self.put("acl", open_acl)
            siotd.reload()
            self.assertEqual(bob.publish("a/2", "later"), 0x10)  # nobody is subscribed any more
            slow = Mqtt(self.port)
            self.addCleanup(slow.socket.close)
            self.assertEqual(slow.enter("slow", "ann", "x", clean=False, expiry=600), (0, 1))
            self.assertEqual(slow.messages(), [])

    def test_a_retained_value_does_not_outlive_the_right_to_set_it(self):
        """vuln-10"""
        acl = "user ann\ntopic write a\nuser bob\ntopic read #\n"
        with self.broker(users(ann="x", bob="y"), acl) as siotd:
            ann = self.client("ann", "ann", "x")
            self.assertIn(ann.publish("a", "1", retain=True), (0, 0x10))

            def seen():
                with self.client("b", "bob", "y") as bob:
                    self.assertEqual(bob.subscribe("#"), 1)
                    time.sleep(0.1)
                    return bob.messages()
            self.assertEqual(seen(), ["a"])
            self.put("acl", "user bob\ntopic read #\n")
            siotd.reload()
            self.assertEqual(seen(), [])
            self.put("acl", acl)
            siotd.reload()
            self.assertEqual(seen(), ["a"])
            self.put("passwords", users(bob="y"))
            siotd.reload()
            self.assertEqual(seen(), [])

    def test_a_reload_that_fails_leaves_everything_as_it_was(self):
        """vuln-04, vuln-06, vuln-30: broken, missing, unreadable files, and no descriptor free."""
        acl = "user ann\ntopic readwrite a\n"
        good = users(ann="x")
        with self.broker(good, acl, "false") as siotd:
            ann = self.client("ann", "ann", "x")
            for passwords, rules in ((good + "bob\n", acl), (good + ":" + record("q"), acl),
                                     (good[:-20], acl), (good, "topic read a/#/b\n"),
                                     (good, acl + "user\n"), ("\0" * 64, acl), (good, None),
                                     (None, acl)):
                for name, content in (("passwords", passwords), ("acl", rules)):
                    if content is None:
                        os.unlink(os.path.join(self.files.name, name))
                    else:
                        self.put(name, content)
                self.assertIn("nothing has changed", siotd.reload())
                self.assertEqual(ann.publish("a", "1"), 0x10)
                self.assertEqual(ann.publish("b", "1"), DENIED)
                self.assertEqual(self.refusal(5, "", "q"), BAD)
                self.assertEqual(self.refusal(5, None, None), DENIED)
                time.sleep(0.1)
            self.put("passwords", good)
            self.put("acl", acl)
            limits = resource.prlimit(siotd.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(siotd.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
            self.assertIn("nothing has changed", siotd.reload())
            resource.prlimit(siotd.pid, resource.RLIMIT_NOFILE, limits)
            self.assertEqual(ann.publish("b", "1"), DENIED)
            self.assertEqual(self.refusal(5, None, None), DENIED)
            self.assertIn("done", siotd.reload())

    def test_five_hundred_fall_within_a_second(self):
        acl = "user ann\ntopic readwrite #\nuser bob\ntopic readwrite #\n"
        with self.broker(users(ann="x", bob="y"), acl) as siotd:
            bob = self.client("bob", "bob", "y")
            crowd = [self.client(f"c{i}", "ann", "x") for i in range(500)]
            for client in crowd:
                self.assertEqual(client.subscribe("t/#"), 1)
            self.put("passwords", users(bob="y"))
            began = time.monotonic()
            siotd.signal(signal.SIGHUP)
            for client in crowd:
                self.assertEqual(client.goodbye(), DENIED)
            self.assertLess(time.monotonic() - began, 1.0)
            self.assertEqual(bob.messages(), [])

    def test_a_revoked_certificate_falls_within_a_second(self):
        tool = os.path.join(os.path.dirname(process.PROGRAM), "siotctl")
        if not os.path.exists(tool):
            self.skipTest("without TLS")
        port, clients = free_port(), {}
        with tempfile.TemporaryDirectory(prefix="siotd-access-") as folder:
            def pki(*words):
                subprocess.run([tool, "pki", *words, "--dir", folder], check=True,
                               stdout=subprocess.DEVNULL)
            pki("init")
            pki("issue", "server", "--server", "--san", "IP:127.0.0.1")
            for name in ("good", "bad"):
                pki("issue", name)
            find = {name: os.path.join(root, name) for root, _, names in os.walk(folder)
                    for name in names}
            with Siotd(f"listeners:\n  - name: s\n    protocol: mqtt\n    transport: tls\n"
                       f"    bind: '127.0.0.1:{port}'\n    tls:\n"
                       f"      certificate: {find['server.pem']}\n      key: {find['server.key']}\n"
                       f"      ca: {find['ca.pem']}\n      crl: {find['ca.crl']}\n"
                       f"      client_certificate: required\n") as siotd:
                for name in ("good", "bad"):
                    context = ssl.create_default_context(cafile=find["ca.pem"])
                    context.load_cert_chain(find[f"{name}.pem"], find[f"{name}.key"])
                    client = Mqtt(port)
                    client.socket = context.wrap_socket(client.socket,
                                                        server_hostname="127.0.0.1")
                    self.addCleanup(client.socket.close)
                    self.assertEqual(client.enter(name)[0], ACCEPTED)
                    clients[name] = client
                pki("revoke", "bad")
                siotd.reload()
                self.assertEqual(clients["bad"].goodbye(), DENIED)
                self.assertEqual(clients["good"].messages(), [])


if __name__ == "__main__":
    main()
