"""siotctl as a process, for the tests of this folder: each test in a folder of its own.

Every test file ends with `main()`, which runs its tests against the program named on the command
line and prints "N passed, N failed".
"""

import contextlib
import getpass
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(1, os.path.join(os.path.dirname(HERE), "daemon"))
sys.dont_write_bytecode = True
import process  # noqa: E402
from process import FAULTS  # noqa: E402

PROGRAM = None


def run(*command, given="", folder=None):
    """Runs a command to its end: (exit status, standard output, standard error)."""
    done = subprocess.run(command, input=given.encode(), capture_output=True, timeout=120,
                          check=False, cwd=folder)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


BROKER = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
needs_mosquitto = unittest.skipUnless(BROKER and shutil.which("mosquitto_pub"),
                                      "mosquitto is not installed")


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="siotctl-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def read(self, *names):
        with open(self.path(*names), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def mode(self, *names):
        return stat.S_IMODE(os.stat(self.path(*names)).st_mode)

    def ctl(self, *arguments, given=""):
        status, out, err = run(PROGRAM, *arguments, given=given, folder=self.folder)
        self.assertFalse(any(fault in err for fault in FAULTS), err)
        self.assertIn(status, (0, 1, 2), err)
        return status, out, err

    def well(self, *arguments, given=""):
        """Its standard output, when it ends well."""
        status, out, err = self.ctl(*arguments, given=given)
        self.assertEqual(status, 0, err)
        return out

    def refused(self, *arguments, given="", status=1):
        """Why it did not do it; nothing may be on its standard output."""
        found, out, err = self.ctl(*arguments, given=given)
        self.assertEqual((found, out), (status, ""), err)
        return err

    @contextlib.contextmanager
    def mosquitto(self, settings):
        """A Mosquitto of these settings on a free port of 127.0.0.1, while the block runs; gives a
        function that says whether a mosquitto_pub of these options gets its message there."""
        port = str(process.free_port())
        self.write("conf", f"user {getpass.getuser()}\nlistener {port} 127.0.0.1\n{settings}\n")
        with open(self.path("broker.log"), "wb") as log:
            broker = subprocess.Popen([BROKER, "-c", self.path("conf")], stderr=log, stdout=log,
                                      cwd=self.folder)
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and broker.poll() is None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", int(port))) == 0:
                        break
                time.sleep(0.05)
            self.assertIsNone(broker.poll(), self.read("broker.log"))
            yield lambda *options: self.judge("mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-t",
                                              "t", "-m", "m", "-q", "1", *options)[0]
        finally:
            broker.terminate()
            broker.wait()

    def judge(self, *command, given=""):
        """What another program says: (whether it is content, all its output)."""
        status, out, err = run(*command, given=given, folder=self.folder)
        return status == 0, out + err


def main():
    global PROGRAM
    PROGRAM = process.program()
    # The test file is the main module; the cases read the program's name from this one.
    process.finish(unittest.main(module="__main__", exit=False, verbosity=1).result)
