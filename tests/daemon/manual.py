"""What the manual pages name is there, and what is there they name."""

import os
import re
import subprocess
import tempfile
import unittest

import process
from process import main, run

DOCS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "docs")
# A heading of siotd.yaml(5), and what the names below it begin with in --options.
BEGINNINGS = {"The daemon": "", "listeners": "listeners[].", "listeners, tls": "listeners[].tls."}


def page(name):
    with open(os.path.join(DOCS, name), encoding="utf-8") as file:
        return file.read()


def options():
    """name -> (default, range, whether a reload applies it), as siotd prints them."""
    status, out, _ = run("--options")
    assert status == 0
    rows = re.findall(r"(?m)^(\S+) +\S+ +(\S+) +(any text|\S+) +(reload|restart) ", out)
    assert len(rows) == len(out.splitlines()) - 1
    return {name: (default, values, change == "reload") for name, default, values, change in rows}


def in_words(values):
    """A range of --options as the page writes it; nothing where every text or a bool will do."""
    if values in ("any text", "true|false"):
        return ""
    words = values.split("|")
    if ".." in values:
        return words[0].replace("..", " to ") + ", or unlimited" * ("unlimited" in words)
    if len(words) == 2:
        return " or ".join(words)
    return "one of " + ", ".join(words[:-1]) + " or " + words[-1]


def described():
    """The same as options(), as siotd.yaml(5) has it; the ranges in words."""
    found = {}
    for heading, text in re.findall(r"(?ms)^\.Ss ([^\n]*)\n(.*?)(?=^\.S[sh] |\Z)",
                                    page("siotd.yaml.5")):
        beginning = BEGINNINGS.get(heading, heading + ".")
        for name, default, entry in re.findall(
                r"(?ms)^\.It Ic (\S+) : No (\S+)\n(.*?)(?=^\.It |^\.El)", text):
            assert beginning + name not in found
            last = re.search(r"(?m)^\.Pq (.*)\n\Z", entry)
            values = last.group(1) if last else ""
            start_only = "read at the start only"
            found[beginning + name] = (default.replace("\\(dq", '"'),
                                       values.replace(start_only, "").rstrip("; "),
                                       start_only not in values)
    return found


class Manual(unittest.TestCase):
    maxDiff = None

    def test_each_option_is_described_with_its_default_and_range_and_no_other(self):
        there = {name: (default, in_words(values), reload)
                 for name, (default, values, reload) in options().items()}
        self.assertGreater(len(there), 100)
        self.assertEqual(described(), there)

    def test_each_option_of_the_command_line_is_described_and_no_other(self):
        status, out, _ = run("-h")
        self.assertEqual(status, 0)
        text = page("siotd.8").replace("\\-", "-")
        named = {"-" + name for name in re.findall(r"(?m)^\.It Fl (\S+)", text)}
        self.assertEqual(named, set(re.findall(r"(?m)^  (-\S+)", out)))

    def test_the_example_of_a_configuration_is_valid(self):
        example = re.search(r"(?s)\.Bd -literal -offset indent\n(data_dir.*?)\.Ed",
                            page("siotd.yaml.5")).group(1)
        tool = os.path.join(os.path.dirname(process.PROGRAM), "siotctl")
        with tempfile.TemporaryDirectory() as folder:
            for words, said in ((["pki", "init"], ""), (["pki", "issue", "--server", "hub"], ""),
                                (["passwd", "--stdin", "passwords", "ann"], "secret\n")):
                subprocess.run([tool, *words], cwd=folder, input=said, text=True, check=True,
                               capture_output=True)
            path = os.path.join(folder, "siotd.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(example.replace("/var/lib/siotd", folder + "/state"))
            status, out, err = run("-t", "-c", path)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("mqtts: *:8883, mqtt over tls: open to who has a certificate or a password",
                      out)
        self.assertEqual(len(re.findall(r"siotd\.yaml:\d+: allow", out)), 4)


if __name__ == "__main__":
    main()
