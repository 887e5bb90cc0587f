"""The command line: what siotd prints, and the exit statuses 0, 1, 2, 3."""

import os
import subprocess
import tempfile
import unittest

import process
from process import busy_port, config, free_port, main, run


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="siotd-process-")
        self.path = os.path.join(self.folder.name, "siotd.yaml")

    def tearDown(self):
        self.folder.cleanup()

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as out:
            out.write(text)

    def test_wrong_usage_is_status_2(self):
        for arguments in ((), ("-x",), ("-c",), ("-t",), ("-c", self.path, "more"), ("--nonsense",),
                          ("--verify-store",), ("--verify-store", "a", "b"),
                          ("--verify-store", "-c", self.path, "a")):
            status, out, err = run(*arguments)
            self.assertEqual((status, out), (2, ""), arguments)
            self.assertIn("usage: siotd -c FILE", err)

    def test_version_and_help(self):
        for option in ("-V", "--version"):
            status, out, err = run(option)
            self.assertEqual((status, err), (0, ""))
            self.assertRegex(out, r"^siotd \d+\.\d+\.\d+ \(libuv \d+\.\d+\.\d+\)\n$")
        for option in ("-h", "--help"):
            status, out, err = run(option)
            self.assertEqual((status, err), (0, ""))
            for word in ("-c FILE", "-t ", "-v ", "-V ", "--options"):
                self.assertIn(word, out)

    def test_options_lists_every_row_in_columns(self):
        status, out, err = run("--options")
        self.assertEqual((status, err), (0, ""))
        lines = out.splitlines()
        self.assertRegex(lines[0], r"^OPTION +TYPE +DEFAULT +RANGE +CHANGE +MEANING$")
        self.assertGreater(len(lines), 30)
        starts = [lines[0].index(word) for word in ("TYPE", "DEFAULT", "RANGE", "CHANGE", "MEANING")]
        for line in lines[1:]:
            for start in starts:
                self.assertEqual(line[start - 1], " ", line)
                self.assertNotEqual(line[start], " ", line)
        self.assertRegex(out, r"(?m)^limits\.inflight +count +32 +1\.\.65535 +reload +\S")
        self.assertRegex(out, r"(?m)^listeners\[\]\.anonymous +bool +false +true\|false +reload +\S")
        self.assertRegex(out, r"(?m)^listeners\[\]\.protocol +text +required +mqtt(?:\|\S+)? +restart +\S")
        self.assertRegex(out, r"(?m)^listeners\[\]\.transport +text +required +tcp(?:\|\S+)? +restart +\S")

    def test_what_cannot_be_printed_is_status_1(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([process.PROGRAM, "--options"], stdout=full, check=False)
        self.assertEqual(done.returncode, 1)

    def test_check_says_who_may_enter_where(self):
        port, closed = free_port(), free_port()
        self.write(config(port) +
                   f"  - {{name: quiet, protocol: mqtt, transport: tcp, bind: '[::]:{closed}'}}\n"
                   f"  - {{name: local, protocol: mqtt, transport: tcp, anonymous: true, "
                   f"bind: 'unix:{self.folder.name}/s'}}\n")
        status, out, err = run("-t", "-c", self.path)
        self.assertEqual((status, err), (0, ""))
        lines = [line for line in out.splitlines() if not line.startswith("warning: quiet")]
        self.assertEqual(lines, [
            f"mqtt: 127.0.0.1:{port}, mqtt over tcp: open to everybody on this machine, "
            "without credentials",
            f"quiet: [::]:{closed}, mqtt over tcp: closed to everybody: anonymous is false, there "
            "are no users",
            f"local: unix:{self.folder.name}/s, mqtt over tcp: open to every process that may "
            "write to the socket file, without credentials",
            "rules: none, and no users: whoever is let in may do everything",
            "memory only: nothing survives a restart",
            f"{self.path}: ok"])
        self.assertEqual(os.listdir(self.folder.name), ["siotd.yaml"])  # the probe leaves nothing

    def test_check_warns_of_what_is_in_the_way(self):
        with busy_port() as port:
            self.write(config(port))
            status, out, err = run("-t", "-c", self.path)
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, rf"(?m)^warning: mqtt: .*127\.0\.0\.1:{port}.*in use")
        self.assertTrue(out.endswith(": ok\n"))

    def test_check_refuses_a_log_that_cannot_be_opened(self):
        for log, why in (("/nowhere/at/all.log", "No such file or directory"),
                         (self.folder.name, "Is a directory")):
            self.write(config(free_port(), rest=f"log: {{to: {log}}}"))
            status, out, err = run("-t", "-c", self.path)
            self.assertEqual((status, err), (3, f"{self.path}: log.to: {log}: {why}\n"))
            self.assertNotIn(": ok", out)
        self.write(config(free_port(), rest=f"log: {{to: {self.folder.name}/new.log}}"))
        self.assertEqual(run("-t", "-c", self.path)[0], 0)
        self.assertEqual(os.listdir(self.folder.name), ["siotd.yaml"])  # and nothing is left

    def test_check_of_a_bad_file_is_status_3(self):
        self.write("nonsense: 1\n" + config(free_port()))
        for arguments in (("-t", "-c", self.path), ("-c", self.path)):
            status, out, err = run(*arguments)
            self.assertEqual((status, out), (3, ""))
            self.assertEqual(err, f"{self.path}:1:1: nonsense: unknown key; "
                                  "siotd --options lists all\n")
        status, out, err = run("-c", self.folder.name + "/none")
        self.assertEqual(status, 3)
        self.assertEqual(err, f"{self.folder.name}/none: cannot be read: No such file or "
                              "directory\n")


if __name__ == "__main__":
    main()
