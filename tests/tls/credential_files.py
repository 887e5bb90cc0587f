"""The server's own files, broken in every way: siotd does not start with them, a reload keeps what
was there, and nobody gets in who did not before. And no secret of theirs is ever told."""

import contextlib
import os
import re
import resource
import shutil
import ssl
import subprocess
import tempfile
import time
import unittest

import authority
import certificates
import client_certificates
import harness
import process
import tls12

CANARY = b"canary" * 5 + b"!!"  # the key of a device, to be found nowhere else
NAMES = {"certificate": "server.pem", "key": "server.key", "ca": "ca.pem", "crl": "ca.crl",
         "psk_file": "devices.psk"}


class Files:
    """A folder with all files of a listener, and the clients that tell what it grants."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="siotd-tls-")
        self.corpus = certificates.Corpus(self.folder.name)
        client_certificates.make_server(self.corpus, self.folder.name)
        self.write("ca.pem", self.corpus.root.pem())
        self.write("ca.crl", self.corpus.revocations())
        self.write("devices.psk", "device:" + CANARY.hex() + "\n")
        self.port = process.free_port()
        self.good = self.corpus.good[0][1]
        self.revoked = next(one for title, one, _ in self.corpus.bad if title == "revoked")
        self.stranger = next(one for title, one, _ in self.corpus.bad if title == "of another CA")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text, mode=0o600):
        authority.write(self.path(name), text, mode)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def config(self, **more):
        return harness.config([harness.tls(self.port, self.folder.name, client_certificate="required",
                                           **{**NAMES, **more})])

    def granted(self):
        """Who gets in: the good client, a revoked one, a stranger's, one without a certificate."""
        nobody = authority.Certificate(b"", b"", self.good.key)
        nobody.chain = list
        return [isinstance(client_certificates.show(self.port, one)[1], bytes)
                for one in (self.good, self.revoked, self.stranger, nobody)]

    def mistakes(self, name):
        """(what is wrong, a function that does it) for a file."""
        text = self.read(name)
        lines = text.splitlines(keepends=True)
        other = {"server.pem": self.read("ca.crl"), "ca.pem": self.read("server.key"),
                 "ca.crl": self.corpus.root.pem(), "devices.psk": "device;00\n"}

        def content(made):
            return lambda: self.write(name, made)
        path = self.path(name)
        yield "empty", content("")
        yield "only white space", content("\n \n\n")
        yield "cut in the middle", content(text[:len(text) // 2])
        yield "no text", content("".join(chr(at % 7 + 1) for at in range(500)))
        yield "another kind of file", content(other.get(name, self.corpus.root.pem()))
        yield "missing", lambda: os.unlink(path)
        yield "a folder", lambda: (os.unlink(path), os.mkdir(path))
        yield "a link to itself", lambda: (os.unlink(path), os.symlink(path, path))
        yield "a pipe", lambda: (os.unlink(path), os.mkfifo(path))
        yield "2 MiB", content(text + "#" * (2 << 20))
        if name != "devices.psk":
            yield "a letter wrong", content("".join(lines[:1] + [lines[1].swapcase()] + lines[2:]))
            yield "its last line missing", content("".join(lines[:-1]))
        if name == "server.key":
            stranger = self.corpus.keys["stranger"].path
            yield "another key", lambda: shutil.copy(stranger, path)
        if name == "devices.psk":
            for title, line in {"no key": "other:", "no identity": ":00112233445566778899aabbccddeeff",
                                "a short key": "other:00112233", "an odd digit": "other:" + "0" * 33,
                                "no hex digits": "other:" + "xyz0" * 8, "no colon": "other",
                                "twice": "device:" + "12" * 16, "NUL": "a\0b:" + "12" * 16,
                                "no UTF-8": "\udcff:" + "12" * 16}.items():
                yield title, lambda line=line: self.write_bytes(name, (text + line + "\n").encode(
                    errors="surrogateescape"))

    def write_bytes(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content)

    def mend(self, name, text):
        path = self.path(name)
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        elif os.path.lexists(path):
            os.unlink(path)
        self.write(name, text)


class CredentialFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = Files()

    @classmethod
    def tearDownClass(cls):
        cls.files.folder.cleanup()

    def for_each_mistake(self, check):
        """Calls check(name of the file) while it is broken, then mends it."""
        for name in NAMES.values():
            text = self.files.read(name)
            for title, make in self.files.mistakes(name):
                with self.subTest(f"{name}: {title}"):
                    make()
                    try:
                        check(name)
                    finally:
                        self.files.mend(name, text)

    def test_siotd_does_not_start_with_a_broken_file_and_names_it(self):
        path = self.files.path("siotd.yaml")
        authority.write(path, self.files.config())

        def check(name):
            for arguments in (["-t"], []):
                status, out, err = process.run("-c", path, *arguments)
                self.assertIn(status, (1, 3), err)
                self.assertIn(name, err + out)
                self.assertNotIn(CANARY.hex()[:12], err + out)
        self.for_each_mistake(check)

    def test_a_reload_with_a_broken_file_keeps_what_was_there(self):
        wanted = [True, False, False, False]
        with process.Siotd(self.files.config()) as siotd:
            self.assertEqual(self.files.granted(), wanted)
            self.for_each_mistake(lambda name: self.assertRegex(
                siotd.reload(), f"{name}.*\n(.*\n)*.*nothing has changed"))
            self.assertEqual(self.files.granted(), wanted)
            self.assertNotIn(CANARY.hex()[:12], siotd.log())

    def test_a_broken_file_grants_nobody_more_while_it_is_broken(self):
        with process.Siotd(self.files.config()) as siotd:
            def check(_):
                siotd.reload()
                self.assertEqual(self.files.granted()[1:], [False, False, False])
            self.for_each_mistake(check)

    def test_a_good_reload_takes_effect(self):
        text = self.files.read("ca.crl")
        with process.Siotd(self.files.config()) as siotd:
            serial = 0x600D
            good = self.files.corpus.leaf("soon-revoked", serial=serial)
            self.assertIsInstance(client_certificates.show(self.files.port, good)[1], bytes)
            self.files.write("ca.crl", authority.revocation_list(
                self.files.corpus.root, [serial, certificates.REVOKED], number=2))
            siotd.reload()
            self.assertNotIsInstance(client_certificates.show(self.files.port, good)[1], bytes)
            self.assertEqual(self.files.granted(), [True, False, False, False])
            self.files.write("ca.crl", text)

    def test_a_list_that_goes_out_of_date_lets_nobody_in_any_more(self):
        text = self.files.read("ca.crl")
        self.files.write("ca.crl", authority.revocation_list(
            self.files.corpus.root, [certificates.REVOKED], until=int(time.time()) + 4))
        with process.Siotd(self.files.config()):
            self.assertTrue(self.files.granted()[0])
            time.sleep(5)
            self.assertFalse(self.files.granted()[0])
        self.files.write("ca.crl", text)

    def test_a_reload_without_free_file_descriptors_changes_nothing(self):
        with process.Siotd(self.files.config()) as siotd:
            soft, hard = resource.prlimit(siotd.pid, resource.RLIMIT_NOFILE)
            used = len(os.listdir(f"/proc/{siotd.pid}/fd"))
            for spare in range(6):
                resource.prlimit(siotd.pid, resource.RLIMIT_NOFILE, (used + spare, hard))
                siotd.reload()
            resource.prlimit(siotd.pid, resource.RLIMIT_NOFILE, (soft, hard))
            self.assertEqual(self.files.granted(), [True, False, False, False])

    def test_two_files_are_taken_together_or_not_at_all(self):
        """A new certificate beside the old key is a mistake; with its key it is taken."""
        certificate, key = self.files.read("server.pem"), self.files.read("server.key")
        with process.Siotd(self.files.config()) as siotd:
            other = authority.Key(self.files.folder.name, "second")
            made = authority.issue(self.files.corpus.root, authority.name("second"), other,
                                   authority.as_server(authority.dns("localhost")))
            self.files.write("server.pem", made.pem())
            self.assertIn("nothing has changed", siotd.reload())
            self.assertNotEqual(self.shown(), made.encoded)
            with open(other.path, encoding="ascii") as file:
                self.files.write("server.key", file.read())
            siotd.reload()
            self.assertEqual(self.shown(), made.encoded)
        self.files.write("server.pem", certificate)
        self.files.write("server.key", key)

    def shown(self):
        """The certificate that the server shows."""
        with tls12.Client(self.files.port) as client:
            client.hello()
            return client.server[11][6:6 + int.from_bytes(client.server[11][3:6], "big")]

    def test_a_secret_that_others_may_read_is_warned_of(self):
        for name in ("server.key", "devices.psk"):
            with self.subTest(name):
                os.chmod(self.files.path(name), 0o644)
                with process.Siotd(self.files.config()) as siotd:
                    self.assertRegex(siotd.log(), f"warning .*{name}: others may read it")
                os.chmod(self.files.path(name), 0o600)

    def test_handshakes_and_the_certificate_s_end_are_among_the_figures(self):
        place = self.files.path("metrics.prom")
        with process.Siotd(f"metrics_file: {place}\nsys_interval: 1s\n" + self.files.config()) as siotd:
            self.assertEqual(self.files.granted(), [True, False, False, False])
            deadline, figures = time.monotonic() + process.WAIT_S, {}
            while figures.get("siotd_handshakes_failed_total") != 3:
                self.assertLess(time.monotonic(), deadline, figures)
                time.sleep(0.05)
                with contextlib.suppress(FileNotFoundError):
                    with open(place, encoding="utf-8") as file:
                        figures = {name: float(value) for name, value in re.findall(
                            r'^(\w+){listener="listener0",protocol="mqtt",transport="tls"} (\S+)$',
                            file.read(), re.M)}
            self.assertEqual(figures["siotd_handshakes_total"], 1)
            self.assertEqual(figures["siotd_handshakes_resumed_total"], 0)
            left_s = figures["siotd_certificate_expires_timestamp_seconds"] - time.time()
            for more_s, said in ((60, b"will expire"), (-60, b"will not expire")):
                judged = subprocess.run(["openssl", "x509", "-noout", "-in", self.files.path("server.pem"),
                                         "-checkend", str(int(left_s) + more_s)], capture_output=True,
                                        check=False)
                self.assertIn(said, judged.stdout)

    def test_secrets_are_told_nowhere(self):
        """The canary is the device's key; the private key's own text is looked for as well."""
        body = "".join(self.files.read("server.key").splitlines()[1:3])
        found = [CANARY, CANARY.hex().encode(), CANARY.hex().upper().encode(), body[:40].encode()]

        def assert_none(content, where):
            for secret in found:
                self.assertNotIn(secret, content, where)
        path = self.files.path("siotd.yaml")
        text = "log: {level: debug}\n" + self.files.config()
        authority.write(path, text)
        for arguments in (["-c", path, "-t"], ["--options"], ["-c", path, "-t", "-v"]):
            done = subprocess.run([process.PROGRAM, *arguments], capture_output=True, check=False)
            assert_none(done.stdout + done.stderr, arguments)
        with process.Siotd(text) as siotd:
            self.files.granted()
            status = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{self.files.port}", "-psk",
                 CANARY.hex(), "-psk_identity", "device", "-tls1_3"], input=b"Q\n",
                capture_output=True, timeout=20, check=False)
            self.assertIn(b"TLSv1.3", status.stdout)
            siotd.reload()
            for name in ("cmdline", "environ"):
                with open(f"/proc/{siotd.pid}/{name}", "rb") as file:
                    assert_none(file.read(), name)
        assert_none(siotd.log().encode(), "log")


if __name__ == "__main__":
    harness.main()
