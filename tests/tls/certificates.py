"""The corpus: client certificates that siotd must take, and those that it must not.

`Corpus(folder)` makes them all. A good one is (name, certificate); a bad one (name, certificate,
words): the log's line about it must match `words`, a regular expression. Where wolfSSL has a cause
of its own for a fault, the words are that cause; for many it has none, and the words ask only that it
was the certificate: those cases show that it is refused, not why.
"""

import time

import der
from authority import (
    CLIENT_AUTH, CN, CODE_SIGNING, CRL_SIGN, DAY_S, DIGITAL_SIGNATURE, KEY_CERT_SIGN, ORGANISATION,
    SERVER_AUTH, Certificate, Keys, alternatives, as_ca, as_client, basic, constraints, directory, dns,
    extension, ip, issue, mail, name, openssl, purposes, revocation_list, root, uri, usage)

KINDS = {"p384": "p384", "p192": "p192", "secp256k1": "secp256k1", "ed25519": "ed25519",
         "rsa1024": "rsa1024", "rsa2048": "rsa2048", "weak-ca": "rsa1024", "rsa-ca": "rsa2048"}
REVOKED = 0x1D5E0
UNKNOWN = "1.3.6.1.4.1.99999.1"
BROKEN = "Buffer error|too large|certificate"
MALFORMED = BROKEN + "|ASN|Key Use"


class Corpus:
    def __init__(self, folder):
        self.folder = folder
        self.keys = Keys(folder, KINDS)
        self.root = root("siotd test CA", self.keys["root"], path_length=2)
        self.good, self.bad = [], []
        self.listed = []
        self.make_good()
        self.make_dates_and_signers()
        self.make_purposes()
        self.make_chains()
        self.make_constrained()
        self.make_weak()
        self.make_names()
        self.make_structures()
        self.make_damaged()

    # -- short hands --

    def leaf(self, subject, issuer=None, key="client", extensions=None, **more):
        """A client's certificate, good but for what the arguments say."""
        if extensions is None:
            extensions = as_client(dns(subject if isinstance(subject, str) else "device"))
        return issue(issuer or self.root, subject if isinstance(subject, bytes) else name(subject),
                     self.keys[key], extensions, **more)

    def between(self, subject, *more, key=None, issuer=None, extensions=None, **options):
        """A CA below the root, with a key of its own."""
        return issue(issuer or self.root, name(subject), self.keys[key or subject],
                     as_ca(*more) if extensions is None else extensions, **options)

    def refuse(self, title, certificate, words="certificate"):
        self.bad.append((title, certificate, words))

    def welcome(self, title, certificate):
        self.good.append((title, certificate))

    def revocations(self, **options):
        """The list of the root."""
        return revocation_list(self.root, [REVOKED], **options)

    def other_revocations(self):
        """Empty lists of those CAs below it whose clients meet a listener with `crl:`."""
        return "".join(revocation_list(one) for one in self.listed)

    # -- good ones --

    def make_good(self):
        between = self.between("good CA")
        below = self.between("good lower CA", issuer=between)
        self.welcome("EC P-256", self.leaf("good-p256"))
        self.welcome("EC P-384", self.leaf("good-p384", key="p384"))
        self.welcome("RSA 2048", self.leaf("good-rsa", key="rsa2048"))
        self.welcome("Ed25519", self.leaf("good-ed25519", key="ed25519"))
        self.welcome("below an intermediate CA", self.leaf("good-between", between))
        self.welcome("below two intermediate CAs", self.leaf("good-below", below))
        self.welcome("named by a URI", self.leaf("good", extensions=as_client(
            uri("urn:dev:mac:0024befffe804ff1"))))
        self.welcome("named by a mail address", self.leaf("good", extensions=as_client(
            mail("hall@example.org"))))
        self.welcome("a subject in many scripts", self.leaf("Küche 温度 😀", extensions=as_client(
            dns("good-scripts"))))
        self.welcome("for clients and servers", self.leaf("good", extensions=[
            basic(False), usage(DIGITAL_SIGNATURE), purposes(SERVER_AUTH, CLIENT_AUTH),
            alternatives(dns("good-both"))]))
        self.welcome("a serial number of 20 bytes", self.leaf("good-serial", serial=(1 << 158) + 7))
        self.welcome("an unknown extension that is not critical", self.leaf(
            "good", extensions=as_client(dns("good-unknown")) + [extension(UNKNOWN, b"\5\0")]))
        self.welcome("until the year 2070", self.leaf("good-long", not_after=der.year(2070)))
        self.welcome("signed with SHA-384", self.leaf("good-sha384", algorithm="ecdsa-sha384"))
        fenced = self.between("fenced CA", constraints([dns("example.org")]))
        self.listed += [between, below, fenced]
        self.welcome("inside its CA's name constraints", self.leaf(
            "hall.example.org", fenced))
        self.welcome("an empty subject with a critical alternative name", issue(
            self.root, name(), self.keys["client"],
            as_client()[:3] + [alternatives(dns("good-nameless"), critical=True)]))

    # -- bad ones --

    def make_dates_and_signers(self):
        now, root_ca = int(time.time()), self.root
        self.refuse("expired a day ago", self.leaf("bad", not_before=now - 9 * DAY_S,
                                                   not_after=now - DAY_S), "expired")
        self.refuse("expired in 1999", self.leaf("bad", not_before=der.year(1998),
                                                 not_after=der.year(1999)), "expired")
        self.refuse("expired a minute ago", self.leaf("bad", not_after=now - 60), "expired")
        self.refuse("not valid before tomorrow", self.leaf("bad", not_before=now + DAY_S),
                    "not valid")
        self.refuse("not valid before 2060", self.leaf("bad", not_before=der.year(2060),
                                                       not_after=der.year(2061)), "not valid")
        self.refuse("ends before it begins", self.leaf("bad", not_before=now + DAY_S,
                                                       not_after=now - DAY_S))
        self.refuse("signs itself", issue(None, name("bad"), self.keys["client"],
                                          as_client(dns("bad"))))
        other = root("some other CA", self.keys["other"])
        self.refuse("of another CA", self.leaf("bad", other))
        twin = root("siotd test CA", self.keys["other"])
        self.refuse("of another CA of the same name", self.leaf("bad", twin))
        sent = self.leaf("bad", other)
        sent.above = [other.encoded]
        self.refuse("of another CA, which is sent along", sent)
        self.refuse("signed by a stranger in the CA's name", self.leaf(
            "bad", signer=self.keys["stranger"]))
        good = self.leaf("bad")
        spoilt = bytearray(good.encoded)
        spoilt[-4] ^= 1
        self.refuse("a bit of the signature is wrong", Certificate(bytes(spoilt), name("bad"),
                                                                   self.keys["client"]))
        content = good.encoded.replace(b"\x0c\x03bad", b"\x0c\x03god")
        self.refuse("the subject was changed afterwards", Certificate(content, name("god"),
                                                                      self.keys["client"]))
        self.refuse("names an issuer that there is not", self.leaf(
            "bad", issuer_name=name("nobody")))
        self.refuse("the CA's own certificate, of which the client has no key", Certificate(
            root_ca.encoded, root_ca.subject, self.keys["client"]))
        self.refuse("revoked", self.leaf("bad", serial=REVOKED), "revoked")

    def make_purposes(self):
        def leaf(title, *extensions):
            self.refuse(title, self.leaf("bad", extensions=[*extensions, alternatives(dns("bad"))]))
        leaf("for servers only", basic(False), usage(DIGITAL_SIGNATURE), purposes(SERVER_AUTH))
        leaf("for code signing only", basic(False), usage(DIGITAL_SIGNATURE),
             purposes(CODE_SIGNING))
        leaf("may not make signatures", basic(False), usage(2), purposes(CLIENT_AUTH))
        leaf("an unknown purpose only", basic(False), usage(DIGITAL_SIGNATURE), purposes(UNKNOWN))
        leaf("for signing certificates only", basic(False), usage(KEY_CERT_SIGN),
             purposes(CLIENT_AUTH))

    def make_chains(self):
        def chain(title, extensions, words="certificate", **options):
            above = self.between(f"CA: {title}", extensions=extensions, **options)
            self.refuse(title, self.leaf("bad", above), words)
            if words == "revoked":
                self.listed.append(above)
        chain("its CA has no keyCertSign", [basic(True), usage(CRL_SIGN)])
        chain("its CA is none (CA:FALSE)", [basic(False), usage(KEY_CERT_SIGN, CRL_SIGN)])
        chain("its CA has no basicConstraints", [usage(KEY_CERT_SIGN, CRL_SIGN)])
        chain("its CA has expired", as_ca(), not_before=der.year(2020), not_after=der.year(2021))
        chain("its CA is not valid yet", as_ca(), not_before=int(time.time()) + DAY_S)
        chain("its CA is revoked", as_ca(), "revoked", serial=REVOKED)
        chain("its CA has an unknown critical extension",
              as_ca(extension(UNKNOWN, b"\5\0", True)))
        chain("its CA is signed by a stranger", as_ca(), signer=self.keys["stranger"])
        client = self.leaf("a client")
        self.refuse("issued by a client", self.leaf("bad", client))
        last = self.between("last CA", extensions=as_ca(path_length=0))
        below = self.between("too low CA", issuer=last)
        self.refuse("below a CA that may have no CA below it", self.leaf("bad", below))
        lost = self.leaf("bad", self.between("unsent CA"))
        lost.above = []
        self.refuse("its CA is not sent along", lost)
        lower = None
        for number in ("first", "second", "third", "fourth"):
            lower = self.between(f"{number} CA", issuer=lower)
        self.refuse("below more CAs than the root allows", self.leaf("bad", lower))
        long = self.leaf("bad")
        long.above = [self.between(f"CA {number}").encoded for number in range(12)]
        self.refuse("twelve certificates too many", long, "chain|certificate")
        loop_name = name("loop CA")
        loop = issue(None, loop_name, self.keys["between"], as_ca())
        looped = self.leaf("bad", loop)
        self.refuse("below a CA that signs itself", looped)
        empty = self.leaf("bad")
        empty.above = [b""]
        self.refuse("an empty certificate in the chain", empty, BROKEN)

    def make_constrained(self):
        """Each below a CA whose constraints its name breaks."""
        def constrained(title, rules, *names, subject="bad"):
            above = self.between(f"CA of {title}", constraints(*rules))
            self.refuse(title, self.leaf(subject, above, extensions=as_client(*names)))
        constrained("a DNS name that is not permitted", [[dns("example.org")]], dns("example.com"))
        constrained("a DNS name that only ends alike", [[dns("example.org")]],
                    dns("badexample.org"))
        constrained("a DNS name that is excluded", [[], [dns("example.org")]],
                    dns("hall.example.org"))
        constrained("one of two DNS names is not permitted", [[dns("example.org")]],
                    dns("hall.example.org"), dns("example.com"))
        constrained("a mail address that is not permitted", [[mail("example.org")]],
                    mail("hall@example.com"))
        constrained("a mail address that is excluded", [[], [mail("hall@example.org")]],
                    mail("hall@example.org"))
        constrained("a URI that is not permitted", [[uri("example.org")]],
                    uri("https://example.com/hall"))
        constrained("a URI that is excluded", [[], [uri(".example.org")]],
                    uri("https://hall.example.org/"))
        constrained("an address that is not permitted", [[ip(192, 0, 2, 0, 255, 255, 255, 0)]],
                    dns("bad"), ip(198, 51, 100, 7))
        constrained("an address that is excluded", [[], [ip(192, 0, 2, 0, 255, 255, 255, 0)]],
                    dns("bad"), ip(192, 0, 2, 7))
        wanted = name((ORGANISATION, der.UTF8, b"Good"))
        constrained("a subject that is not permitted", [[directory(wanted)]], dns("bad"))
        constrained("a subject that is excluded", [[], [directory(name("bad"))]], dns("bad"))

    def make_weak(self):
        self.refuse("RSA 1024", self.leaf("bad", key="rsa1024"), "certificate|key|RSA")
        self.refuse("EC P-192", self.leaf("bad", key="p192"), "certificate|key|ECC|curve")
        self.refuse("EC secp256k1", self.leaf("bad", key="secp256k1"), "certificate|key|ECC|curve")
        self.refuse("signed with SHA-1", self.leaf("bad", algorithm="ecdsa-sha1"))
        weak = self.between("weak CA", key="weak-ca")
        self.refuse("its CA has RSA 1024", self.leaf("bad", weak), "certificate|key|RSA")
        rsa = self.between("RSA CA", key="rsa-ca")
        self.refuse("signed with RSA and SHA-1", self.leaf("bad", rsa, algorithm="rsa-sha1"))
        self.refuse("signed with RSA and MD5", self.leaf("bad", rsa, algorithm="rsa-md5"))
        self.refuse("an intermediate CA signed with SHA-1", self.leaf(
            "bad", self.between("old CA", algorithm="ecdsa-sha1")))

    def make_names(self):
        def named(title, *names, subject="bad"):
            self.refuse(title, self.leaf(subject, extensions=as_client(*names)))
        named("a DNS name with NUL", dns(b"sensor-7\0.example.org"))
        named("a DNS name that begins with NUL", dns(b"\0sensor-7"))
        named("a DNS name of invalid UTF-8", dns(b"sensor\xff7"))
        named("a DNS name of overlong UTF-8", dns(b"sensor\xc0\xaf7"))
        named("a DNS name with a surrogate", dns(b"sensor\xed\xa0\x807"))
        named("a DNS name with a control character", dns(b"sensor\n7"))
        named("a DNS name of nothing", dns(b""))
        named("a DNS name of 300 bytes", dns(b"x" * 300))
        named("a URI with NUL", uri(b"urn:dev:1\0:2"))
        named("a URI of invalid UTF-8", uri(b"urn:dev:\xfe"))
        named("no name but an address", ip(192, 0, 2, 7))
        self.refuse("no alternative name", self.leaf("bad", extensions=as_client()[:3]))
        self.refuse("no name at all", issue(self.root, name(), self.keys["client"],
                                            as_client()[:3]))

    def make_structures(self):
        client = as_client(dns("bad"))

        def built(title, words=MALFORMED, **options):
            self.refuse(title, self.leaf("bad", **options), words)
        built("an unknown critical extension",
              extensions=client + [extension(UNKNOWN, b"\5\0", True)])
        built("the same extension twice", extensions=client + [purposes(SERVER_AUTH)])
        built("the alternative name twice", extensions=client + [alternatives(dns("root"))])
        built("extensions in a version 1 certificate", version=0)
        built("a version 1 certificate", version=0, extensions=())
        built("a version that there is not", version=7)
        built("a negative serial number", serial=-5)
        built("the serial number 0", serial=0)
        built("a serial number of 40 bytes", serial=1 << 318)
        built("two signature algorithms that differ", outer="ecdsa-sha384")
        built("a date in the 13th month", dates=der.sequence(
            der.tlv(der.UTC_TIME, b"251301000000Z"), der.tlv(der.UTC_TIME, b"491301000000Z")))
        built("dates of letters", dates=der.sequence(
            der.tlv(der.UTC_TIME, b"hellohello12Z"), der.tlv(der.UTC_TIME, b"zzzzzzzzzzzzZ")))
        built("dates that are empty", dates=der.sequence(
            der.tlv(der.UTC_TIME), der.tlv(der.UTC_TIME)))
        built("something behind the extensions", tail=der.octets(b"more"))
        built("an alternative name that is no list", extensions=client[:3] + [
            extension("2.5.29.17", b"\x0c\3bad")])
        built("an alternative name longer than its extension", extensions=client[:3] + [
            extension("2.5.29.17", b"\x30\x20\x82\3bad")])
        built("a basicConstraints of rubbish", extensions=client[1:] + [
            extension("2.5.29.19", b"\x30\x7f", True)])
        built("an empty list of extensions", extensions=())

    def make_damaged(self):
        """Encodings that are cut or bent; none of them is what was signed."""
        good = self.leaf("bad").encoded

        def damaged(title, encoded, words=MALFORMED):
            self.refuse(title, Certificate(bytes(encoded), name("bad"), self.keys["client"]), words)
        for at in (1, 2, 4, 20, 100, len(good) // 2, len(good) - 1):
            damaged(f"cut after {at} bytes", good[:at])
        damaged("nothing", b"")
        damaged("bytes behind it", good + b"\0\0\0\0")
        damaged("a megabyte of lengths", b"\x30\x83\x0f\xff\xff" + good)
        damaged("a length of 2^32 - 1", b"\x30\x84\xff\xff\xff\xff" + good[4:])
        damaged("a length of unknown size", b"\x30\x80" + good[4:] + b"\0\0")
        damaged("random bytes", bytes((at * 167 + 13) & 0xFF for at in range(600)))
        damaged("text", openssl("x509", "-inform", "DER", "-outform", "PEM", given=good))
        damaged("60,000 bytes of nested lists", b"".join(
            b"\x30\x82" + (60000 - at).to_bytes(2, "big") for at in range(4, 60000, 4)), BROKEN)
        huge = self.leaf("bad", extensions=as_client(dns("bad")) + [
            extension(UNKNOWN, b"\4\x82\xc3\x50" + bytes(50000))])
        self.refuse("50,000 bytes of an extension", huge, BROKEN)

    def flips(self):
        """The certificate with one bit wrong at the tag and the length of each of its elements."""
        good = self.leaf("bad").encoded
        for at, _ in der.elements(good):
            for place, bit in ((at, 0x01), (at, 0x20), (at + 1, 0x01), (at + 1, 0x80)):
                bent = bytearray(good)
                bent[place] ^= bit
                yield f"byte {place} ^ {bit:#x}", Certificate(bytes(bent), name("bad"),
                                                              self.keys["client"])
