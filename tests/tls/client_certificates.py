"""Every certificate of the corpus is shown to siotd: the bad ones get no CONNACK and one line of the
log that says why, the good ones get in."""

import os
import re
import ssl
import tempfile
import unittest

import authority
import certificates
import harness
import process
import tls12

PATIENCE_S = 20


LISTENERS = 40  # each logs so many failures per second only


class Place:
    """One siotd for all of the corpus: `open` listeners ask for certificates, `checked` has a CRL
    too."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="siotd-tls-")
        self.corpus = certificates.Corpus(self.folder.name)
        make_server(self.corpus, self.folder.name)
        self.write("ca.pem", self.corpus.root.pem())
        # A list can be checked only with its CA's certificate at hand.
        self.write("cas.pem", self.corpus.root.pem() +
                   "".join(one.pem() for one in self.corpus.listed))
        self.write("ca.crl", self.corpus.revocations() + self.corpus.other_revocations())
        self.all_open = [process.free_port() for _ in range(LISTENERS)]
        self.checked = process.free_port()
        asking = {"ca": "ca.pem", "client_certificate": "required"}
        self.siotd = process.Siotd(harness.config(
            [harness.tls(port, self.folder.name, **asking) for port in self.all_open] +
            [harness.tls(self.checked, self.folder.name, ca="cas.pem", crl="ca.crl",
                         client_certificate="required")]))

    @property
    def open(self):
        """A port of an open listener, another one each time."""
        self.all_open.append(self.all_open.pop(0))
        return self.all_open[0]

    def write(self, name, text):
        return authority.write(os.path.join(self.folder.name, name), text)

    def end(self):
        self.siotd.__exit__(None, None, None)
        self.folder.cleanup()


def make_server(corpus, folder):
    key = authority.Key(folder, "server")
    server = authority.issue(corpus.root, authority.name("siotd"), key,
                             authority.as_server(authority.dns("localhost"),
                                                 authority.ip(127, 0, 0, 1)))
    authority.write(os.path.join(folder, "server.pem"), server.pem())


def show(port, shown, **how):
    """Shows the certificate in TLS 1.2: (our address, the CONNACK or what was sent instead)."""
    with tls12.Client(port, PATIENCE_S) as client:
        try:
            client.shake_hands(shown.chain(), shown.key, **how)
            return client.address, client.exchange(process.connect_packet())
        except tls12.Refused as why:
            return client.address, str(why)


def show_with_python(port, folder, certificate, version):
    """The same with Python's TLS; None in place of an answer when it does not take the certificate
    itself."""
    try:
        again = authority.openssl("x509", "-inform", "DER", "-outform", "DER",
                                  given=certificate.encoded)
    except RuntimeError:
        again = None
    if again != certificate.encoded:
        return None, None  # it would mend what is to be shown
    path = os.path.join(folder, "shown.pem")
    authority.write(path, "".join(authority.pem("CERTIFICATE", one)
                                  for one in certificate.chain()))
    try:
        context = harness.client_context(version, certificate=path, key=certificate.key.path)
    except (ssl.SSLError, OSError):
        return None, None
    connection, address = tls12.connect(port, PATIENCE_S)
    with connection:
        try:
            with context.wrap_socket(connection) as client:
                client.sendall(process.connect_packet())
                return address, client.recv(1024) or "closed"
        except (ssl.SSLError, ConnectionError) as why:
            return address, str(why)


class ClientCertificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = Place()

    @classmethod
    def tearDownClass(cls):
        cls.place.end()

    def port(self, words):
        return self.place.checked if words == "revoked" else self.place.open

    def assert_refused(self, address, answer, words):
        self.assertNotIsInstance(answer, bytes, f"it was answered {answer}")
        lines = harness.about(self.place.siotd, address)
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], r"TLS handshake failed: ")
        self.assertRegex(lines[0].split("TLS handshake failed: ")[1], re.compile(words, re.I))

    def test_the_corpus_is_large(self):
        self.assertGreaterEqual(len(self.place.corpus.bad), 50)
        self.assertGreaterEqual(len(self.place.corpus.good), 10)

    def test_every_bad_one_is_refused(self):
        for title, certificate, words in self.place.corpus.bad:
            with self.subTest(title):
                self.assert_refused(*show(self.port(words), certificate), words)

    def test_every_bad_one_is_refused_in_tls_1_3_too(self):
        tried = 0
        for title, certificate, words in self.place.corpus.bad:
            with self.subTest(title):
                address, answer = show_with_python(self.port(words), self.place.folder.name,
                                                   certificate, ssl.TLSVersion.TLSv1_3)
                if address:
                    tried += 1
                    self.assert_refused(address, answer, words)
        self.assertGreaterEqual(tried, 50)

    def test_every_good_one_gets_in(self):
        for title, certificate in self.place.corpus.good:
            for port in (self.place.open, self.place.checked):
                with self.subTest(title):
                    _, answer = show(port, certificate)
                    self.assertEqual(answer[:1], b"\x20", answer)
                    self.assertEqual(answer[3], 0)
                    _, answer = show_with_python(port, self.place.folder.name, certificate,
                                                 ssl.TLSVersion.TLSv1_3)
                    self.assertEqual(answer[:1], b"\x20", answer)

    def test_a_bit_wrong_anywhere_is_refused(self):
        """The structure of a good certificate, an element after the other: its signature is wrong
        then at least, and mostly it cannot be read."""
        for title, certificate in self.place.corpus.flips():
            with self.subTest(title):
                self.assert_refused(*show(self.place.open, certificate), ".")

    def test_a_certificate_without_its_key_is_refused(self):
        good = self.place.corpus.good[0][1]
        stolen = authority.Certificate(good.encoded, good.subject,
                                       self.place.corpus.keys["stranger"])
        cases = {"no CertificateVerify": (good, {"verify": False}),
                 "signed with another key": (stolen, {}),
                 "an empty signature": (good, {"signature": b""}),
                 "a signature of nothing": (good, {"signature": b"\x30\x06\2\1\0\2\1\0"}),
                 "a signature of 70 random bytes": (good, {"signature": os.urandom(70)})}
        for title, (certificate, how) in cases.items():
            with self.subTest(title):
                self.assert_refused(*show(self.place.open, certificate, **how), ".")

    def test_no_certificate_is_refused(self):
        none = authority.Certificate(b"", b"", self.place.corpus.keys["client"])
        none.chain = list
        for how in ({}, {"certificate": False}):
            with self.subTest(how):
                self.assert_refused(*show(self.place.open, none, **how), ".")
        plain, address = tls12.connect(self.place.open, PATIENCE_S)
        with plain:
            context = harness.client_context(ssl.TLSVersion.TLSv1_3)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                with context.wrap_socket(plain) as client:
                    client.sendall(process.connect_packet())
                    if not client.recv(1024):
                        raise ConnectionError
        self.assert_refused(address, "", "no certificate")

    def test_others_still_get_in_after_all_that(self):
        _, answer = show(self.place.open, self.place.corpus.good[0][1])
        self.assertEqual(answer[:1], b"\x20")


class RevocationLists(unittest.TestCase):
    """With `crl:` a client gets in only when a list says that it may."""

    def answer(self, corpus, folder, text):
        authority.write(os.path.join(folder, "ca.crl"), text)
        port = process.free_port()
        with process.Siotd(harness.config([harness.tls(port, folder, ca="ca.pem", crl="ca.crl",
                                                       client_certificate="required")]),
                           await_ready=False) as siotd:
            try:
                siotd.await_log("siotd: ready")
            except AssertionError:
                self.assertNotEqual(siotd.wait(), 0)
                return "not started"
            return show(port, corpus.good[0][1])[1]

    def test_a_list_that_is_no_good_lets_nobody_in(self):
        now = int(process.time.time())
        with tempfile.TemporaryDirectory(prefix="siotd-tls-") as folder:
            corpus = certificates.Corpus(folder)
            make_server(corpus, folder)
            authority.write(os.path.join(folder, "ca.pem"), corpus.root.pem())
            other = authority.root("some other CA", corpus.keys["other"])
            stranger = corpus.keys["stranger"]
            bad = {"out of date": corpus.revocations(this=now - 9 * 86400, until=now - 60),
                   "of another CA": authority.revocation_list(other),
                   "signed by a stranger": corpus.revocations(key=stranger),
                   "empty": "", "cut": corpus.revocations()[:200], "no list": corpus.root.pem()}
            for title, text in bad.items():
                with self.subTest(title):
                    answer = self.answer(corpus, folder, text)
                    self.assertNotIsInstance(answer, bytes, answer)
            self.assertEqual(self.answer(corpus, folder, corpus.revocations())[:1], b"\x20")


if __name__ == "__main__":
    harness.main()
