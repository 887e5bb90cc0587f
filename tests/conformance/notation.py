"""The notation of values in a transcript: raw bytes, packet fields, and patterns to match.

Raw bytes:  3f      one byte in hex            "abc"   the text's bytes
            s"abc"  a string with its length   { ... } two bytes of length, then the content
            [ ... ] a variable byte integer of length, then the content
            x*5     x five times               ( ... ) grouping
Fields:     name=value, where a value is 5, 0x82, "text", "text"*3, <raw bytes>, "key":"value",
            [value, value] or $variable; in an expectation also * (anything), absent,
            a|b (one of), 3..5 (between).
A # outside of quotes, after a space, begins a comment.
"""

import re

import wire

TOKEN = re.compile(r"""
    (?P<space>\s+) | (?P<comment>\#.*)
  | (?P<text>s?"(?:[^"\\]|\\.)*")
  | (?P<name>[a-z][a-z_0-9]*)=
  | (?P<range>(?:0x[0-9a-fA-F]+|\d+)\.\.(?:0x[0-9a-fA-F]+|\d+))
  | (?P<number>0x[0-9a-fA-F]+|\d+(?![0-9a-fA-F]))
  | (?P<variable>\$[a-z_]+)
  | (?P<word>absent)
  | (?P<mark>[*|:,<>\[\]])
""", re.VERBOSE)
RAW = re.compile(r"""
    (?P<space>\s+) | (?P<comment>\#.*) | (?P<text>s?"(?:[^"\\]|\\.)*")
  | (?P<times>\*\d+) | (?P<hex>[0-9a-fA-F]{2}) | (?P<mark>[\[\]{}()])
""", re.VERBOSE)


class NotationError(Exception):
    """A transcript does not follow the notation."""


class Anything:
    """* : present, with any value."""


class Absent:
    """absent: must not be there, said for the reader's sake."""


class Variable:
    """$name: takes the value when met first in an expectation, afterwards stands for it."""

    def __init__(self, name):
        self.name = name


class OneOf:
    """a|b"""

    def __init__(self, choices):
        self.choices = choices


class Between:
    """low..high, both included"""

    def __init__(self, low, high):
        self.low, self.high = low, high


def unquote(token):
    """The bytes of a quoted text; s"..." gets its two-byte length in front."""
    escapes = {"n": b"\n", "t": b"\t", "r": b"\r", "0": b"\0", '"': b'"', "\\": b"\\"}

    def piece(match):
        escape = match.group(1)
        if escape[0] == "x":
            return bytes([int(escape[1:], 16)])
        if escape[0] == "u":
            return chr(int(escape[1:].strip("{}"), 16)).encode("utf-8", "surrogatepass")
        return escapes[escape]

    body = token[token.index('"') + 1:-1]
    out, at = b"", 0
    for match in re.finditer(r'\\(x[0-9a-fA-F]{2}|u\{[0-9a-fA-F]+\}|.)', body):
        out += body[at:match.start()].encode() + piece(match)
        at = match.end()
    out += body[at:].encode()
    return wire.prefixed(out) if token[0] == "s" else out


# ---- raw bytes ----

def parse_raw(text):
    """The bytes that a line of raw notation stands for."""
    stack = [("", [])]
    at = 0
    while at < len(text):
        match = RAW.match(text, at)
        if not match:
            raise NotationError(f"not raw bytes: {text[at:at + 20]!r}")
        at = match.end()
        if match["comment"]:
            break
        if match["hex"]:
            stack[-1][1].append(bytes([int(match["hex"], 16)]))
        elif match["text"]:
            stack[-1][1].append(unquote(match["text"]))
        elif match["times"]:
            stack[-1][1][-1] *= int(match["times"][1:])
        elif match["mark"] and match["mark"] in "[{(":
            stack.append((match["mark"], []))
        elif match["mark"]:
            opener, pieces = stack.pop()
            if opener + match["mark"] not in ("[]", "{}", "()"):
                raise NotationError(f"brackets do not match in {text!r}")
            content = b"".join(pieces)
            head = {"[": wire.varint(len(content)), "{": wire.two(len(content) & 0xFFFF),
                    "(": b""}[opener]
            stack[-1][1].append(head + content)
    if len(stack) != 1:
        raise NotationError(f"an open bracket in {text!r}")
    return b"".join(stack[0][1])


# ---- fields ----

class Tokens:
    """The tokens of a line, read one at a time."""

    def __init__(self, line):
        self.line, self.at = line, 0
        self._skip()

    def _skip(self):
        while True:
            match = re.compile(r"\s+|#.*").match(self.line, self.at)
            if not match:
                return
            self.at = match.end()

    def peek(self, kind, text=None):
        match = TOKEN.match(self.line, self.at)
        found = match and match.lastgroup == kind and (text is None or match[kind] == text)
        return match if found else None

    def take(self, kind, text=None):
        match = self.peek(kind, text)
        if match:
            self.at = match.end()
            self._skip()
            return match[kind]
        return None

    def raw_group(self):
        """The content of <...>; a > inside of quotes does not end it."""
        match = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^">])*)>').match(self.line, self.at)
        if not match:
            raise NotationError(f"no end of <...> in {self.line!r}")
        self.at = match.end()
        self._skip()
        return parse_raw(match[1])

    def done(self):
        return self.at >= len(self.line)

    def fail(self):
        raise NotationError(f"cannot read {self.line[self.at:]!r}")


def parse_single(tokens):
    number = tokens.take("number")
    if number:
        return int(number, 0)
    text = tokens.take("text")
    if text:
        content = unquote(text)
        if tokens.take("mark", "*"):
            content *= int(tokens.take("number") or tokens.fail())
        if tokens.take("mark", ":"):
            return content, unquote(tokens.take("text") or tokens.fail())
        return content
    between = tokens.take("range")
    if between:
        low, high = between.split("..")
        return Between(int(low, 0), int(high, 0))
    variable = tokens.take("variable")
    if variable:
        return Variable(variable[1:])
    if tokens.take("word", "absent"):
        return Absent()
    if tokens.take("mark", "*"):
        return Anything()
    if tokens.peek("mark", "<"):
        return tokens.raw_group()
    if tokens.take("mark", "["):
        values = []
        while not tokens.take("mark", "]"):
            values.append(parse_value(tokens))
            tokens.take("mark", ",")
        return values
    return tokens.fail()


def parse_value(tokens):
    choices = [parse_single(tokens)]
    while tokens.take("mark", "|"):
        choices.append(parse_single(tokens))
    return choices[0] if len(choices) == 1 else OneOf(choices)


def parse_fields(text):
    """A packet's fields; bare texts are topic filters, what follows one up to the next are its
    options."""
    tokens, fields = Tokens(text), {}
    while not tokens.done():
        if tokens.peek("text") or tokens.peek("mark", "<"):
            topic_filter = parse_single(tokens)
            fields.setdefault("filters", []).append((topic_filter, {}))
            tokens.take("mark", ",")
            continue
        name = tokens.take("name") or tokens.fail()
        value = parse_value(tokens)
        if "filters" in fields:
            fields["filters"][-1][1][name] = value
        elif isinstance(value, Absent):
            fields[name] = value
        elif name in ("user_property", "subscription_identifier", "will_user_property"):
            fields.setdefault(name, [])
            fields[name] += value if isinstance(value, list) else [value]
        elif name in fields:
            raise NotationError(f"{name} is given twice")
        else:
            fields[name] = value
        tokens.take("mark", ",")
    return fields


# ---- matching ----

def resolve(value, variables):
    """A value to send: variables replaced by what they stand for."""
    if isinstance(value, Variable):
        if value.name not in variables:
            raise NotationError(f"${value.name} has no value yet")
        return variables[value.name]
    if isinstance(value, list):
        return [resolve(v, variables) for v in value]
    return value


def matches(pattern, value, variables):
    """Whether a field's value fits; a variable met first takes the value."""
    if isinstance(pattern, Anything):
        return value is not None
    if isinstance(pattern, Absent):
        return value is None
    if isinstance(pattern, Variable):
        if value is not None:
            variables.setdefault(pattern.name, value)
        return variables.get(pattern.name) == value and value is not None
    if isinstance(pattern, OneOf):
        return any(matches(choice, value, variables) for choice in pattern.choices)
    if isinstance(pattern, Between):
        return isinstance(value, int) and pattern.low <= value <= pattern.high
    if isinstance(pattern, list) and isinstance(value, list):
        return len(pattern) == len(value) and all(
            matches(p, v, variables) for p, v in zip(pattern, value))
    return pattern == value


def show_pattern(pattern):
    """A pattern in the words of the transcript, for a report."""
    if isinstance(pattern, Anything):
        return "*"
    if isinstance(pattern, Absent) or pattern is None:
        return "absent"
    if isinstance(pattern, Variable):
        return "$" + pattern.name
    if isinstance(pattern, OneOf):
        return "|".join(show_pattern(c) for c in pattern.choices)
    if isinstance(pattern, Between):
        return f"{pattern.low}..{pattern.high}"
    if isinstance(pattern, list):
        return "[" + ", ".join(show_pattern(v) for v in pattern) + "]"
    return wire.show(pattern)
