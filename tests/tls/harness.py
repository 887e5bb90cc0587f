"""siotd behind TLS, for the tests of this folder; they end as those of tests/daemon do."""

import os
import re
import ssl
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.dont_write_bytecode = True
import authority  # noqa: E402
import process  # noqa: E402


FILES = ("certificate", "key", "ca", "crl", "psk_file")


def tls(port, folder, certificate="server.pem", key="server.key", **more):
    """The settings of a TLS listener; files are those of `folder`, None leaves a setting out."""
    settings = {"certificate": certificate, "key": key, **more}
    return port, {name: os.path.join(folder, value) if name in FILES else value
                  for name, value in settings.items() if value is not None}


def config(listeners, plain=None, rest=""):
    """The text of a configuration: listeners made by tls(), and a plain one if a port is given."""
    lines = [rest] if rest else []
    lines.append("listeners:")
    for number, (port, settings) in enumerate([*listeners, *([(plain, None)] if plain else [])]):
        lines += [f"  - name: listener{number}", "    protocol: mqtt",
                  f"    transport: {'tcp' if settings is None else 'tls'}",
                  f'    bind: "127.0.0.1:{port}"', "    anonymous: true"]
        if settings is not None:
            lines += ["    tls:", *(f"      {name}: {value}" for name, value in settings.items())]
    return "\n".join(lines) + "\n"


def without_tls():
    """Whether this siotd was built without TLS; says so as ctest wants to hear it."""
    done = subprocess.run([process.PROGRAM, "--options"], capture_output=True, check=False)
    if b"tls.certificate" in done.stdout:
        return False
    print("SKIP siotd is built without TLS")
    return True


def about(siotd, address, seconds=10):
    """All log lines about a peer, once its connection is over; not those that stand beside them and
    count what was not logged of others."""
    siotd.await_log(re.escape(address) + r"\b.*(closed|failed|refused)", seconds=seconds)
    return [line for line in siotd.log().splitlines()
            if re.search(re.escape(address) + r"(?!\d)", line) and "were not logged" not in line]


def client_context(version, ca=None, certificate=None, key=None):
    """A client of Python's own TLS library that takes nothing too weak to be shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ca:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(certificate, key)
    return context


class Counting(unittest.TextTestResult):
    """Every sub-test is a test: a corpus of 100 counts as 100."""

    parts = 0

    def addSubTest(self, test, subtest, err):
        self.parts += 1
        super().addSubTest(test, subtest, err)

    def addSkip(self, test, reason):
        self.parts += not isinstance(test, unittest.TestCase) or hasattr(test, "test_case")
        super().addSkip(test, reason)


def main():
    process.PROGRAM = process.program()
    if without_tls():
        sys.exit(77)
    done = unittest.main(module="__main__", exit=False,
                         testRunner=unittest.TextTestRunner(resultclass=Counting)).result
    process.finish(done, done.parts)
