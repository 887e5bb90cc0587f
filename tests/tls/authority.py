"""Keys, certificates and revocation lists for the tests, made in a moment and to any taste.

The structures are written here (der.py), so that they can be wrong in any way; keys and signatures
are OpenSSL's.
"""

import base64
import hashlib
import os
import subprocess
import time

import der

DAY_S = 86400

# name: (OID, with NULL parameters, digest for openssl)
ALGORITHMS = {
    "ecdsa-sha1": ("1.2.840.10045.4.1", False, "sha1"),
    "ecdsa-sha256": ("1.2.840.10045.4.3.2", False, "sha256"),
    "ecdsa-sha384": ("1.2.840.10045.4.3.3", False, "sha384"),
    "rsa-md5": ("1.2.840.113549.1.1.4", True, "md5"),
    "rsa-sha1": ("1.2.840.113549.1.1.5", True, "sha1"),
    "rsa-sha256": ("1.2.840.113549.1.1.11", True, "sha256"),
    "ed25519": ("1.3.101.112", False, None),
}
CN, ORGANISATION = "2.5.4.3", "2.5.4.10"
CLIENT_AUTH, SERVER_AUTH = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
DIGITAL_SIGNATURE, KEY_CERT_SIGN, CRL_SIGN = 0, 5, 6  # bits of keyUsage
KEY_KINDS = {
    "p192": ("EC", "ec_paramgen_curve:prime192v1"),
    "p256": ("EC", "ec_paramgen_curve:prime256v1"),
    "p384": ("EC", "ec_paramgen_curve:secp384r1"),
    "secp256k1": ("EC", "ec_paramgen_curve:secp256k1"),
    "rsa1024": ("RSA", "rsa_keygen_bits:1024"),
    "rsa2048": ("RSA", "rsa_keygen_bits:2048"),
    "ed25519": ("ED25519", None),
}


def openssl(*arguments, given=b""):
    done = subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout


def pem(kind, content):
    text = base64.encodebytes(content).decode().replace("\n", "")
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])


class Key:
    """A private key in a file of its own."""

    def __init__(self, folder, name, kind="p256"):
        self.path = os.path.join(folder, f"{name}.key")
        self.kind = kind
        algorithm, option = KEY_KINDS[kind]
        pkcs8 = openssl("genpkey", "-algorithm", algorithm,
                        *(["-pkeyopt", option] if option else []))
        with open(os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            file.write(pkcs8)
        self.public = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        self.identifier = hashlib.sha256(self.public).digest()[:20]

    def algorithm(self):
        """The usual algorithm of its signatures."""
        if self.kind.startswith("rsa"):
            return "rsa-sha256"
        return {"ed25519": "ed25519", "p384": "ecdsa-sha384"}.get(self.kind, "ecdsa-sha256")

    def sign(self, content, algorithm):
        digest = ALGORITHMS[algorithm][2]
        if digest:
            return openssl("dgst", f"-{digest}", "-sign", self.path, given=content)
        # Ed25519 wants a file, not a pipe.
        path = f"{self.path}.{time.monotonic_ns()}"
        with open(path, "wb") as file:
            file.write(content)
        try:
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", path)
        finally:
            os.unlink(path)


def algorithm_identifier(name):
    number, parameters, _ = ALGORITHMS[name]
    return der.sequence(der.oid(number), der.tlv(der.NULL) if parameters else b"")


# --- names ---------------------------------------------------------------------------------------


def name(*attributes):
    """A distinguished name of (OID, tag, bytes); a plain text is a common name."""
    parts = [(CN, der.UTF8, one.encode()) if isinstance(one, str) else one for one in attributes]
    return der.sequence(*(der.tlv(der.SET, der.sequence(der.oid(number), der.tlv(tag, value)))
                          for number, tag, value in parts))


def mail(value):
    return der.tlv(0x81, value if isinstance(value, bytes) else value.encode())


def dns(value):
    return der.tlv(0x82, value if isinstance(value, bytes) else value.encode())


def directory(value):
    return der.tlv(0xA4, value)


def uri(value):
    return der.tlv(0x86, value if isinstance(value, bytes) else value.encode())


def ip(*value):
    return der.tlv(0x87, bytes(value))


# --- extensions ----------------------------------------------------------------------------------


def extension(number, content, critical=False):
    return der.sequence(der.oid(number), der.boolean(True) if critical else b"",
                        der.octets(content))


def basic(ca, path_length=None, critical=True):
    return extension("2.5.29.19", der.sequence(
        der.boolean(True) if ca else b"",
        der.integer(path_length) if path_length is not None else b""), critical)


def usage(*positions):
    value = 0
    for position in positions:
        value |= 0x8000 >> position
    octet = value >> 8
    unused = (octet & -octet).bit_length() - 1 if octet else 0
    return extension("2.5.29.15", der.bits(bytes([octet]), unused), True)


def purposes(*numbers):
    return extension("2.5.29.37", der.sequence(*(der.oid(one) for one in numbers)))


def alternatives(*names, critical=False):
    return extension("2.5.29.17", der.sequence(*names), critical)


def constraints(permitted=(), excluded=()):
    def trees(tag, names):
        return der.tlv(tag, *(der.sequence(one) for one in names)) if names else b""
    return extension("2.5.29.30", der.sequence(trees(0xA0, permitted), trees(0xA1, excluded)), True)


# --- certificates --------------------------------------------------------------------------------


class Certificate:
    """A certificate that has been made, and who can make others with it."""

    def __init__(self, encoded, subject, key, above=()):
        self.encoded, self.subject, self.key = encoded, subject, key
        self.above = list(above)  # encoded certificates between this one and the root

    def chain(self):
        """What a client sends."""
        return [self.encoded, *self.above]

    def pem(self):
        return pem("CERTIFICATE", self.encoded)


def as_ca(*more, path_length=None):
    return [basic(True, path_length), usage(KEY_CERT_SIGN, CRL_SIGN), *more]


def as_client(*names):
    return [basic(False), usage(DIGITAL_SIGNATURE), purposes(CLIENT_AUTH), alternatives(*names)]


def as_server(*names):
    return [basic(False), usage(DIGITAL_SIGNATURE), purposes(SERVER_AUTH), alternatives(*names)]


def to_be_signed(subject, issuer, public, algorithm, extensions, *, version=2, serial=None,
                 not_before=None, not_after=None, dates=None, tail=b""):
    now = int(time.time())
    return der.sequence(
        der.tlv(0xA0, der.integer(version)) if version else b"",
        der.integer(int.from_bytes(os.urandom(8), "big") | 1 if serial is None else serial),
        algorithm_identifier(algorithm), issuer,
        dates or der.sequence(der.date(now - DAY_S if not_before is None else not_before),
                              der.date(now + 30 * DAY_S if not_after is None else not_after)),
        subject, public,
        der.tlv(0xA3, der.sequence(*extensions)) if extensions is not None else b"", tail)


def signed(content, key, algorithm, outer=None):
    return der.sequence(content, algorithm_identifier(outer or algorithm),
                        der.bits(key.sign(content, algorithm)))


def issue(issuer, subject, key, extensions, *, algorithm=None, outer=None, signer=None,
          issuer_name=None, **more):
    """A certificate for `key`; issuer None: it signs itself."""
    signer = signer or (issuer.key if issuer else key)
    algorithm = algorithm or signer.algorithm()
    named = issuer_name or (issuer.subject if issuer else subject)
    if extensions:
        above_key = issuer.key if issuer else key
        extensions = [*extensions, extension("2.5.29.14", der.octets(key.identifier)),
                      extension("2.5.29.35", der.sequence(der.tlv(0x80, above_key.identifier)))]
    content = to_be_signed(subject, named, key.public, algorithm, extensions, **more)
    above = issuer.chain() if issuer and not getattr(issuer, "trusted", False) else []
    return Certificate(signed(content, signer, algorithm, outer), subject, key, above)


def root(subject, key, *more, path_length=None, **options):
    made = issue(None, name(subject), key, as_ca(*more, path_length=path_length), **options)
    made.trusted = True  # clients need not send it
    return made


def revocation_list(issuer, serials=(), *, this=None, until=None, number=1, key=None):
    """A CRL (version 2) in PEM."""
    now = int(time.time())
    key = key or issuer.key
    algorithm = key.algorithm()
    this = now - 3600 if this is None else this
    until = now + DAY_S if until is None else until
    entries = [der.sequence(der.integer(one), der.date(this)) for one in serials]
    content = der.sequence(
        der.integer(1), algorithm_identifier(algorithm), issuer.subject, der.date(this),
        der.date(until), der.sequence(*entries) if entries else b"",
        der.tlv(0xA0, der.sequence(extension("2.5.29.20", der.integer(number)))))
    return pem("X509 CRL", signed(content, key, algorithm))


class Keys(dict):
    """Keys by name, made when they are first asked for: EC P-256 unless `kinds` says otherwise."""

    def __init__(self, folder, kinds):
        super().__init__()
        self.folder, self.kinds = folder, kinds

    def __missing__(self, wanted):
        self[wanted] = Key(self.folder, f"key{len(self)}", self.kinds.get(wanted, "p256"))
        return self[wanted]


def write(path, text, mode=0o600):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "w",
              encoding="utf-8") as file:
        file.write(text)
    return path
