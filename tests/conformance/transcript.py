"""Reading transcript files: from text to Transcript objects, one per version and example row.

A file holds one or more transcripts. Each begins with "== Title sentence", then header lines
(proves:, versions:, config:, ...; see FORMAT.md), then steps, one a line; indented steps belong
to the block above them. Nothing is checked against a broker here: see play.py.
"""

import re

HEADERS = ("proves", "proves-3", "versions", "config", "stack", "differs", "limit", "alone", "examples",
           "must-fail", "slow")
ALL_VERSIONS = ["3.1", "3.1.1", "5"]


class TranscriptError(Exception):
    """A file that cannot be read as transcripts; says file and line."""


class Step:
    """One line: its number, its text, and the steps of the block it opens."""

    def __init__(self, number, text):
        self.number, self.text, self.block = number, text, []


class Transcript:
    """One scenario for one version of MQTT, ready to be played."""

    def __init__(self, path, name, title, header, version, example, steps):
        self.path, self.name, self.title = path, name, title
        self.header, self.version, self.example, self.steps = header, version, example, steps
        self.proves = header.get("proves", "").replace(",", " ").split()

    def options(self):
        """The configuration it asks for: what decides which broker process it can share."""
        settings = tuple(self.header.get("config", "").split())
        alone = self.name + self.version if "alone" in self.header else ""
        return settings, self.header.get("limit", ""), alone

    def label(self):
        shown = f"{self.name} [{self.version}]"
        return shown + (f" ({self.example_name()})" if self.example else "")

    def example_name(self):
        return next(iter(self.example.values())) if self.example else ""


def strip_comment(line):
    """The line without its comment: a # at the start or after a space, outside of quotes."""
    quoted = False
    for at, char in enumerate(line):
        if char == '"' and (at == 0 or line[at - 1] != "\\"):
            quoted = not quoted
        elif char == "#" and not quoted and (at == 0 or line[at - 1].isspace()):
            return line[:at].rstrip()
    return line.rstrip()


def read_blocks(lines, path):
    """Steps with their blocks, from (number, text) pairs, by indentation."""
    top = []
    stack = [(-1, top)]
    for number, line in lines:
        text = strip_comment(line)
        if not text.strip():
            continue
        depth = len(text) - len(text.lstrip())
        while depth <= stack[-1][0]:
            stack.pop()
        step = Step(number, text.strip())
        stack[-1][1].append(step)
        stack.append((depth, step.block))
    return top


def read_examples(lines, path):
    """The rows of an examples: table as dicts by the names of its first row."""
    rows = [(number, [cell.strip() for cell in re.split(r"\s\|\s", line.strip())])
            for number, line in lines]
    if len(rows) < 2:
        raise TranscriptError(f"{path}: examples without rows")
    names = rows[0][1]
    examples = []
    for number, cells in rows[1:]:
        if len(cells) != len(names):
            raise TranscriptError(f"{path}:{number}: {len(cells)} cells, not {len(names)}")
        examples.append(dict(zip(names, cells)))
    return examples


def read_header(lines, path):
    """Header and example rows off the front of a transcript's lines; returns the rest too."""
    header, examples = {}, []
    at = 0
    while at < len(lines):
        number, line = lines[at]
        match = re.match(r"([a-z0-9-]+):(?:\s+(.*))?$", strip_comment(line))
        if strip_comment(line) and not match:
            break
        at += 1
        if not match:
            continue
        key, value = match[1], (match[2] or "").strip()
        if key not in HEADERS:
            raise TranscriptError(f"{path}:{number}: unknown header {key}")
        if key == "examples":
            table = []
            while at < len(lines) and (not lines[at][1].strip() or lines[at][1][0] == " "):
                if strip_comment(lines[at][1]).strip():
                    table.append((lines[at][0], strip_comment(lines[at][1])))
                at += 1
            examples = read_examples(table, path)
        else:
            header[key] = (header[key] + " " + value) if key in header else value
    return header, examples, lines[at:]


def read_file(path, name):
    """All transcripts of a file, times versions, times example rows."""
    with open(path, encoding="utf-8") as source:
        lines = list(enumerate(source.read().split("\n"), 1))
    starts = [i for i, (_, line) in enumerate(lines) if line.startswith("== ")]
    if not starts:
        raise TranscriptError(f"{path}: no transcript (a line that begins with ==)")
    found = []
    for order, start in enumerate(starts):
        end = starts[order + 1] if order + 1 < len(starts) else len(lines)
        title = lines[start][1][3:].strip()
        header, examples, rest = read_header(lines[start + 1:end], path)
        steps = read_blocks(rest, path)
        if not steps:
            raise TranscriptError(f"{path}:{lines[start][0]}: a transcript without steps")
        versions = header.get("versions", "5").replace(",", " ").split()
        if versions == ["all"]:
            versions = ALL_VERSIONS
        for version in versions:
            if version not in ALL_VERSIONS:
                raise TranscriptError(f"{path}: unknown version {version}")
            for example in examples or [{}]:
                number = f"{name}:{lines[start][0]}"
                found.append(Transcript(path, number, title, header, version, example, steps))
    return found
