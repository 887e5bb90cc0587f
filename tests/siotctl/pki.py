#!/usr/bin/env python3
"""siotctl pki: OpenSSL and GnuTLS judge the certificates, requests come from OpenSSL."""

import base64
import concurrent.futures
import os
import re
import resource
import shutil
import subprocess

import tool
from tool import main, needs, needs_mosquitto

KINDS = ([], ["--ed25519"], ["--rsa", "2048"], ["--rsa", "3072"])


@needs("openssl")
class Pki(tool.Case):
    def init(self, *options):
        return self.well("pki", "init", *options)

    def verify(self, file, purpose):
        """What OpenSSL says at its strictest: (content, output)."""
        return self.judge("openssl", "verify", "-x509_strict", "-check_ss_sig", "-crl_check",
                          "-purpose", purpose, "-CAfile", "pki/ca.pem", "-CRLfile", "pki/ca.crl", file)

    def text(self, file):
        content, output = self.judge("openssl", "x509", "-in", file, "-noout", "-text")
        self.assertTrue(content, output)
        return output

    def request(self, name, *options, key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
        content, output = self.judge("openssl", "req", "-new", "-nodes", "-newkey", *key, "-keyout",
                                     f"{name}.key", "-subj", f"/CN={name}", "-out", f"{name}.csr",
                                     *options)
        self.assertTrue(content, output)
        return f"{name}.csr"

    def files(self):
        return sorted(os.listdir(self.path("pki")))

    def test_every_kind_of_key_makes_chains_that_openssl_accepts(self):
        for number, kind in enumerate(KINDS):
            with self.subTest(kind=kind):
                os.mkdir(self.path(str(number)))
                self.folder, outer = self.path(str(number)), self.folder
                self.init(*kind)
                self.well("pki", "issue", "hub", "--server", *kind)
                self.well("pki", "issue", "sensor-7", *kind)
                self.assertEqual(self.verify("pki/hub.pem", "sslserver")[0], True)
                self.assertEqual(self.verify("pki/sensor-7.pem", "sslclient")[0], True)
                self.assertFalse(self.verify("pki/hub.pem", "sslclient")[0])
                self.assertFalse(self.verify("pki/sensor-7.pem", "sslserver")[0])
                content, output = self.judge("openssl", "crl", "-in", "pki/ca.crl", "-CAfile",
                                             "pki/ca.pem", "-noout")
                self.assertTrue(content and "verify OK" in output, output)
                for name in ("hub", "sensor-7"):
                    keys = [self.judge("openssl", *command)[1] for command in (
                        ("x509", "-in", f"pki/{name}.pem", "-noout", "-pubkey"),
                        ("pkey", "-in", f"pki/{name}.key", "-pubout"))]
                    self.assertEqual(*keys)
                    self.well("pki", "verify", name)
                self.folder = outer

    @needs("certtool")
    def test_gnutls_accepts_the_chain_and_refuses_the_revoked(self):
        for number, kind in enumerate(KINDS[:3]):
            os.mkdir(self.path(str(number)))
            self.folder, outer = self.path(str(number)), self.folder
            self.init(*kind)
            self.well("pki", "issue", "hub", "--server", *kind)
            command = ("certtool", "--verify", "--verify-profile", "medium",
                       "--load-ca-certificate", "pki/ca.pem", "--load-crl", "pki/ca.crl", "--infile")
            self.assertEqual(self.judge(*command, "pki/hub.pem")[0], True)
            serial = re.search(r"[0-9a-f]{32}", self.well("pki", "revoke", "hub")).group(0)
            content, output = self.judge(*command, f"pki/revoked/hub-{serial}.pem")
            self.assertFalse(content)
            self.assertIn("revoked", output)
            self.folder = outer

    def test_the_authority_may_sign_certificates_and_lists_and_nothing_else(self):
        self.init()
        text = self.text("pki/ca.pem")
        self.assertRegex(text, r"Basic Constraints: critical\s+CA:TRUE, pathlen:0\n")
        self.assertRegex(text, r"Key Usage: critical\s+Certificate Sign, CRL Sign\n")
        self.assertIn("Subject Key Identifier", text)
        self.assertIn("ASN1 OID: prime256v1", text)

    def test_a_certificate_may_do_what_it_is_for(self):
        self.init()
        self.well("pki", "issue", "hub", "--server", "--san", "DNS:*.example.org", "--san",
                  "IP:192.0.2.7", "--san", "IP:2001:db8::1", "--san", "URI:urn:siotd:hub")
        self.well("pki", "issue", "sensor-7")
        self.well("pki", "issue", "192.0.2.9", "--server")
        hub, sensor = self.text("pki/hub.pem"), self.text("pki/sensor-7.pem")
        self.assertIn("DNS:*.example.org, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:1, "
                      "URI:urn:siotd:hub", hub)
        self.assertIn("IP Address:192.0.2.9\n", self.text("pki/192.0.2.9.pem"))
        self.assertRegex(sensor, r"Subject Alternative Name: *\n\s+DNS:sensor-7\n")
        self.assertIn("TLS Web Client Authentication\n", sensor)
        for text in (hub, sensor):
            self.assertRegex(text, r"Basic Constraints: critical\s+CA:FALSE\n")
            self.assertRegex(text, r"Key Usage: critical\s+Digital Signature\n")
            self.assertIn("Authority Key Identifier", text)
            self.assertIn("Version: 3", text)

    def test_serial_numbers_are_long_and_never_the_same(self):
        self.init()
        serials = {re.search(r"Serial Number:\s+(\S+)", self.text("pki/ca.pem")).group(1)}
        for number in range(5):
            self.well("pki", "issue", f"d{number}")
            serials.add(re.search(r"Serial Number:\s+(\S+)", self.text(f"pki/d{number}.pem")).group(1))
        self.assertEqual(len(serials), 6)
        for serial in serials:
            self.assertEqual(len(serial.split(":")), 16)

    def test_files_are_for_their_owner_only(self):
        os.umask(0)
        self.init()
        self.well("pki", "issue", "a")
        self.well("pki", "revoke", "a")
        self.well("pki", "issue", "a")
        self.assertEqual((self.mode("pki"), self.mode("pki", "revoked")), (0o700, 0o700))
        for folder, _, names in os.walk(self.path("pki")):
            for name in names:
                self.assertEqual(self.mode(folder, name), 0o600, name)

    def test_nothing_is_overwritten(self):
        self.init()
        self.well("pki", "issue", "a")
        before = {name: self.read("pki", name) for name in ("ca.pem", "ca.key", "a.pem", "a.key")}
        self.assertIn("exists", self.refused("pki", "init"))
        self.assertIn("exists", self.refused("pki", "issue", "a"))
        self.request("b")
        self.well("pki", "sign", "b.csr")
        self.assertIn("exists", self.refused("pki", "sign", "b.csr"))
        os.remove(self.path("pki/b.pem"))
        self.assertIn("already", self.refused("pki", "sign", "b.csr"))
        self.assertEqual(before, {name: self.read("pki", name) for name in before})
        self.write("loose.key", "x")
        os.symlink("../loose.key", self.path("pki/c.key"))
        self.refused("pki", "issue", "c")
        self.assertEqual(self.read("loose.key"), "x")

    def test_a_request_is_signed_without_its_key(self):
        self.init()
        for name, key in (("p256", ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")),
                          ("p384", ("ec", "-pkeyopt", "ec_paramgen_curve:P-384")),
                          ("ed", ("ed25519",)), ("rsa", ("rsa:2048",))):
            self.request(name, key=key)
            self.well("pki", "sign", f"{name}.csr")
            self.assertTrue(self.verify(f"pki/{name}.pem", "sslclient")[0])
            self.assertNotIn(f"{name}.key", self.files())
            self.well("pki", "verify", name)

    def test_a_weak_key_gets_no_certificate(self):
        self.init()
        for name, key in (("rsa", ("rsa:1024",)),
                          ("koblitz", ("ec", "-pkeyopt", "ec_paramgen_curve:secp256k1")),
                          ("p192", ("ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"))):
            self.request(name, key=key)
            self.refused("pki", "sign", f"{name}.csr")
        self.assertEqual(self.files(), ["ca.crl", "ca.key", "ca.pem", "index"])

    def test_a_request_that_was_changed_anywhere_is_refused(self):
        self.init()
        text = self.read(self.request("a"))
        der = bytearray(base64.b64decode("".join(text.split("\n")[1:-2])))
        for at in range(0, len(der), 7):
            changed = bytearray(der)
            changed[at] ^= 1
            self.write("b.csr", "-----BEGIN CERTIFICATE REQUEST-----\n" +
                       base64.encodebytes(bytes(changed)).decode() +
                       "-----END CERTIFICATE REQUEST-----\n")
            self.refused("pki", "sign", "b.csr", "--name", "b")
        for cut in range(0, len(text) - 30, 41):
            self.write("b.csr", text[:cut])
            self.refused("pki", "sign", "b.csr", "--name", "b")
        self.assertEqual(self.files(), ["ca.crl", "ca.key", "ca.pem", "index"])

    def test_a_request_gets_no_more_than_is_granted(self):
        self.init()
        self.request("a", "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
                     "keyUsage=keyCertSign", "-addext", "extendedKeyUsage=serverAuth")
        self.well("pki", "sign", "a.csr")
        text = self.text("pki/a.pem")
        self.assertIn("CA:FALSE", text)
        self.assertNotIn("Certificate Sign", text)
        self.assertNotIn("Server Authentication", text)
        self.request("b", "-addext", "subjectAltName=DNS:b,DNS:hub")
        self.assertIn("--san", self.refused("pki", "sign", "b.csr"))
        self.well("pki", "sign", "b.csr", "--san", "DNS:b2")
        self.assertRegex(self.text("pki/b.pem"), r"Alternative Name: *\n\s+DNS:b2\n")
        self.request("c", "-addext", "subjectAltName=DNS:c")
        self.well("pki", "sign", "c.csr")

    def test_a_request_cannot_take_the_name_of_another(self):
        self.init()
        self.well("pki", "issue", "hub", "--server")
        self.request("x")
        self.assertIn("exists", self.refused("pki", "sign", "x.csr", "--name", "hub"))
        content, output = self.judge("openssl", "req", "-new", "-key", "x.key", "-subj", "/CN=..%2fhub",
                                     "-out", "evil.csr")
        self.assertTrue(content, output)
        self.assertIn("--name", self.refused("pki", "sign", "evil.csr"))
        self.judge("openssl", "req", "-new", "-key", "x.key", "-subj", "/CN=a b", "-out", "blank.csr")
        self.refused("pki", "sign", "blank.csr")
        self.well("pki", "sign", "blank.csr", "--name", "blank")

    def test_names_that_are_unsafe_are_a_wrong_command_line(self):
        self.init()
        for name in ("../a", "a/b", "", "a b", "a+", "#", ".a", "ca", "x" * 64, "\u00fc"):
            self.refused("pki", "issue", name, status=2)
        self.assertEqual(self.files(), ["ca.crl", "ca.key", "ca.pem", "index"])

    def test_who_is_revoked_is_on_the_list_and_the_name_is_free_again(self):
        self.init()
        self.well("pki", "issue", "a")
        self.well("pki", "issue", "b")
        serial = re.search(r"[0-9a-f]{32}", self.well("pki", "revoke", "a")).group(0)
        content, output = self.verify(f"pki/revoked/a-{serial}.pem", "sslclient")
        self.assertFalse(content)
        self.assertIn("certificate revoked", output)
        self.assertIn("revoked", self.refused("pki", "verify", f"pki/revoked/a-{serial}.pem"))
        self.assertTrue(self.verify("pki/b.pem", "sslclient")[0])
        self.well("pki", "issue", "a")
        self.assertTrue(self.verify("pki/a.pem", "sslclient")[0])
        by_serial = re.search(r"valid .* ([0-9a-f]{32})  b\n", self.well("pki", "list")).group(1)
        self.well("pki", "revoke", by_serial)
        self.assertNotIn("b.pem", self.files())
        self.assertIn("was already", self.well("pki", "revoke", by_serial))
        self.assertIn("nothing of that name", self.refused("pki", "revoke", "nobody"))
        states = [line.split()[0] for line in self.well("pki", "list").splitlines()]
        self.assertEqual(sorted(states), ["revoked", "revoked", "valid"])

    def test_the_lists_number_rises_each_time(self):
        self.init()
        numbers = []
        for command in (["crl"], ["issue", "a"], ["revoke", "a"], ["crl", "--crl-days", "3"]):
            self.well("pki", *command)
            text = self.judge("openssl", "crl", "-in", "pki/ca.crl", "-noout", "-text")[1]
            numbers.append(int(re.search(r"CRL Number: *\n\s+(\d+)", text).group(1)))
            self.assertIn("Version 2", text)
            self.assertIn("Authority Key Identifier", text)
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_many_may_be_revoked(self):
        self.init()
        names = [f"d{number}" for number in range(40)]
        for name in names:
            self.well("pki", "issue", name)
            self.well("pki", "revoke", name)
        text = self.judge("openssl", "crl", "-in", "pki/ca.crl", "-CAfile", "pki/ca.pem", "-noout",
                          "-text")[1]
        self.assertEqual(text.count("Serial Number:"), 40)
        self.assertIn("verify OK", text)

    def test_several_at_once_do_not_lose_each_others_work(self):
        self.init()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda n: self.ctl("pki", "issue", f"d{n // 2}"), range(24)))
        self.assertEqual(sorted(status for status, _, _ in done), [0] * 12 + [1] * 12)
        listed = self.well("pki", "list").splitlines()
        self.assertEqual(len({line.split()[-1] for line in listed}), 12)
        self.assertFalse([name for name in self.files() if name.startswith(".")])

    def test_days_are_kept_and_nothing_outlives_the_authority(self):
        self.init("--days", "100")
        self.well("pki", "issue", "a", "--days", "10")
        self.well("pki", "issue", "b")
        self.refused("pki", "issue", "c", "--days", "101")
        ends = [self.judge("openssl", "x509", "-in", f"pki/{name}.pem", "-noout", "-enddate")[1]
                for name in ("ca", "b")]
        self.assertEqual(*ends)
        self.assertTrue(self.judge("openssl", "x509", "-in", "pki/a.pem", "-checkend",
                                   str(10 * 86400 - 600))[0])
        self.assertFalse(self.judge("openssl", "x509", "-in", "pki/a.pem", "-checkend",
                                    str(10 * 86400 + 600))[0])
        self.well("pki", "init", "--dir", "late", "--days", "36500")
        self.assertRegex(self.text("late/ca.pem"), r"Not After : \w+ +\d+ [\d:]+ 21\d\d GMT")

    def test_broken_files_are_named_and_nothing_is_done(self):
        self.init()
        self.well("pki", "issue", "a")
        for name in ("ca.pem", "ca.key", "index"):
            whole = self.read("pki", name)
            for broken in ("", whole[:len(whole) // 2], "x\n" + whole.replace("A", "B")):
                self.write(os.path.join("pki", name), broken)
                self.assertIn(name, self.refused("pki", "issue", "b"))
                self.assertNotIn("b.key", self.files())
            os.remove(self.path("pki", name))
            self.assertIn(name, self.refused("pki", "revoke", "a"))
            self.write(os.path.join("pki", name), whole)
        self.well("pki", "init", "--dir", "other")
        self.write("pki/ca.key", self.read("other/ca.key"))
        self.assertIn("is not the key", self.refused("pki", "issue", "b"))

    def without_room(self, *arguments):
        """Runs siotctl where no file may have more than a number of bytes: why it failed."""
        size, *words = arguments
        done = subprocess.run([tool.PROGRAM, *words], cwd=self.folder, capture_output=True,
                              timeout=60, check=False, restore_signals=False,  # SIGXFSZ is ignored
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"File too large", done.stderr)

    def test_without_room_on_the_disk_everything_stays_as_it_was(self):
        for size in (0, 100, 300):  # no key, half a key, no certificate
            self.without_room(size, "pki", "init")
            self.assertEqual(self.files(), [])
        self.init()
        self.well("pki", "issue", "a")
        before = {name: self.read("pki", name) for name in self.files()}
        for size in (0, 100):
            self.without_room(size, "pki", "issue", "b")
            self.without_room(size, "pki", "revoke", "a")
            self.assertEqual({name: self.read("pki", name) for name in self.files()}, before)
        self.well("pki", "issue", "b")
        self.well("pki", "revoke", "a")

    def test_verify_sees_a_wrong_key_and_a_wrong_authority(self):
        self.init()
        self.well("pki", "init", "--dir", "other")
        self.well("pki", "issue", "a")
        self.well("pki", "issue", "b")
        self.refused("pki", "verify", "pki/a.pem", "--dir", "other")
        self.well("pki", "verify", "pki/a.pem")
        os.replace(self.path("pki/b.key"), self.path("pki/a.key"))
        self.assertIn("is not the key", self.refused("pki", "verify", "a"))

    @needs_mosquitto
    def test_mosquitto_and_its_clients_believe_each_other_until_revoked(self):
        self.init()
        self.well("pki", "issue", "hub", "--server", "--san", "IP:127.0.0.1", "--san", "DNS:localhost")
        self.well("pki", "issue", "elsewhere", "--server")
        self.well("pki", "issue", "made")
        self.well("pki", "sign", self.request("own"))
        self.request("lost")
        self.well("pki", "sign", "lost.csr")
        shutil.copy(self.path("pki/lost.pem"), self.path("lost.pem"))
        self.well("pki", "revoke", "lost")
        settings = ("cafile pki/ca.pem\ncrlfile pki/ca.crl\nrequire_certificate true\n"
                    "use_identity_as_username true\ncertfile pki/{0}.pem\nkeyfile pki/{0}.key")

        def client(certificate, key):
            return "--cafile", "pki/ca.pem", "--cert", certificate, "--key", key
        with self.mosquitto(settings.format("hub")) as enters:
            self.assertTrue(enters(*client("pki/made.pem", "pki/made.key")))
            self.assertTrue(enters(*client("pki/own.pem", "own.key")))
            self.assertFalse(enters(*client("lost.pem", "lost.key")))
            self.assertFalse(enters(*client("pki/hub.pem", "pki/hub.key")))  # not for clients
            self.assertFalse(enters("--cafile", "pki/ca.pem"))
        with self.mosquitto(settings.format("elsewhere")) as enters:  # a wrong name for 127.0.0.1
            self.assertFalse(enters(*client("pki/made.pem", "pki/made.key")))
            self.assertTrue(enters("--insecure", *client("pki/made.pem", "pki/made.key")))

    def test_a_wrong_command_line_is_explained(self):
        for words in (["pki"], ["pki", "isue"], ["pki", "issue"], ["pki", "issue", "a", "b"],
                      ["pki", "list", "--server"], ["pki", "init", "--rsa", "1024"],
                      ["pki", "init", "--days", "0"], ["pki", "init", "--days", "1x"],
                      ["pki", "issue", "a", "--san", "x"], ["nothing"], []):
            self.assertNotEqual(self.refused(*words, status=2), "")
        self.assertIn("usage", self.well("pki", "--help"))
        self.assertIn("usage: siotctl pki init", self.well("pki", "init", "--help"))
        self.assertIn("usage", self.well("--help"))
        self.assertIn("pki init", self.refused("pki", "list"))


main()
