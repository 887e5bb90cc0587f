"""Programs on other people's client libraries, one for each library, and all of them together.

Each program understands the same three commands, so that any of them can talk to any other:

    PROGRAM checks PORT PREFIX
        its own checks, with topics and client ids that begin with PREFIX; prints "ok NAME" or
        "FAILED NAME: why" for each
    PROGRAM sub PORT VERSION FILTER COUNT
        subscribes with QoS 2, prints "ready", then TOPIC|QOS|PAYLOAD for each message, ends after
        COUNT of them
    PROGRAM pub PORT VERSION TOPIC COUNT
        publishes COUNT messages with each QoS to TOPIC/0, TOPIC/1 and TOPIC/2, payloads 0, 1, ...

VERSION is 3 for MQTT 3.1, 4 for 3.1.1, 5 for 5.0.
"""

import functools
import json
import os
import shutil
import subprocess
import threading

from harness import Failed, Program, Skipped, run_case, run_checks, same

HERE = os.path.dirname(os.path.realpath(__file__))
MIXED_MESSAGES = 20  # of each QoS, by each publisher
# Debian's interpreter is the one that has Debian's Paho.
PYTHON = "/usr/bin/python3"

# name: (source, libraries, versions it speaks)
C_PROGRAMS = {
    "libmosquitto": ("libmosquitto_client.c", ["-lmosquitto"], (3, 4, 5)),
    "Paho C": ("paho_client.c", ["-lpaho-mqtt3c"], (3, 4, 5)),
    "Paho C asynchronous": ("paho_async_client.c", ["-lpaho-mqtt3a"], (3, 4, 5)),
}
C_FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]


class Tools:
    """The programs, made ready on first use; what cannot be had is told once, as a skip."""

    def __init__(self, build):
        self.build = build
        os.makedirs(build, exist_ok=True)

    def command(self, name):
        """(command, environment) that start the program, or raises Skipped."""
        if name in C_PROGRAMS:
            return self.c_program(name), None
        if name == "Paho Python":
            return self.paho_python(), None
        return self.mqttjs()

    def c_program(self, name):
        source, libraries, _ = C_PROGRAMS[name]
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise Skipped("there is no C compiler")
        header = {"-lmosquitto": "mosquitto.h"}.get(libraries[0], "MQTTAsync.h")
        probe = subprocess.run([compiler, "-E", "-x", "c", "-o", os.devnull, "-"],
                               input=f"#include <{header}>\n".encode(), capture_output=True,
                               check=False)
        if probe.returncode != 0:
            raise Skipped(f"<{header}> is not installed")
        program = os.path.join(self.build, source.removesuffix(".c"))
        made = f"{program}.{os.getpid()}"
        path = os.path.join(HERE, source)
        result = subprocess.run([compiler, *C_FLAGS, "-I", os.path.dirname(HERE), path, "-o", made,
                                 *libraries, "-lpthread"], capture_output=True, check=False)
        if result.returncode != 0:
            raise Failed(f"{source} does not compile:\n{result.stderr.decode()}")
        os.replace(made, program)
        return [program]

    def paho_python(self):
        probe = subprocess.run([PYTHON, "-c", "import paho.mqtt.client"], capture_output=True,
                               check=False)
        if probe.returncode != 0:
            raise Skipped("python3-paho-mqtt is not installed")
        return [PYTHON, "-B", os.path.join(HERE, "paho_python_client.py")]

    def mqttjs(self):
        return ["node", os.path.join(HERE, "mqttjs_client.js")], self.node("mqtt")

    def node(self, module):
        """The environment in which node finds a module. They lie outside the source tree, fetched
        once, in the versions that package.json says."""
        if shutil.which("node") is None or shutil.which("npm") is None:
            raise Skipped("node or npm is not installed")
        folder = os.path.join(self.build, "node")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(HERE, "package.json"), encoding="utf-8") as file:
            wanted = json.load(file)["dependencies"][module]
        if installed_version(folder, module) != wanted:
            shutil.copy(os.path.join(HERE, "package.json"), folder)
            try:
                result = subprocess.run(["npm", "install", "--no-package-lock", "--no-audit",
                                         "--no-fund", "--ignore-scripts", "--loglevel=error",
                                         "--fetch-retries=1", "--fetch-timeout=20000"], cwd=folder,
                                        stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
                                        check=False)
                said = (result.stderr or result.stdout).decode("utf-8", "replace")
            except subprocess.TimeoutExpired:
                said = "npm took more than 120 s"
            if installed_version(folder, module) != wanted:
                why = " ".join(said.split())[-300:]
                raise Skipped(f"{module} {wanted} for node cannot be fetched: {why}")
        return {"NODE_PATH": os.path.join(folder, "node_modules")}


def installed_version(folder, module):
    try:
        with open(os.path.join(folder, "node_modules", module, "package.json"),
                  encoding="utf-8") as file:
            return json.load(file)["version"]
    except (OSError, ValueError, KeyError):
        return None


# --- all of them together ------------------------------------------------------------------------

VERSION_NAMES = {3: "3.1", 4: "3.1.1", 5: "5.0"}
PROGRAMS = {**{name: entry[2] for name, entry in C_PROGRAMS.items()},
            "Paho Python": (3, 4, 5), "MQTT.js": (3, 4, 5)}


class Mixed:
    """Every program publishes in every version; every program hears all of it in every version."""

    def __init__(self, tally, broker, tools):
        self.tally = tally
        self.port = broker.port
        # Mosquitto 2.0.11 lets QoS 2 messages of one publisher overtake each other.
        self.loose = broker.kind == "mosquitto"
        self.tools = tools
        self.topic = "mixed"
        self.ready = {}
        self.lock = threading.Lock()

    def start(self, name):
        """Tells whether the program can be had, and remembers how it is started."""
        try:
            command = self.tools.command(name)
        except Skipped as reason:
            self.tally.report(f"programs on {name}", skipped=str(reason))
        except Failed as failure:
            self.tally.report(f"programs on {name}", failure=str(failure))
        else:
            with self.lock:
                self.ready[name] = command

    def program(self, name, *arguments):
        command, environment = self.ready[name]
        return Program([*command, *arguments], environment)

    def wanted(self):
        """What every subscriber is to hear: {topic: payloads in order}."""
        numbers = [str(number) for number in range(MIXED_MESSAGES)]
        return {f"{self.topic}/{index}/{version}/{qos}": (qos, numbers)
                for index, name in enumerate(PROGRAMS) if name in self.ready
                for version in PROGRAMS[name] for qos in (0, 1, 2)}

    def hear(self):
        wanted = self.wanted()
        count = sum(len(numbers) for _, numbers in wanted.values())
        subs = {(name, version): self.program(name, "sub", self.port, version, f"{self.topic}/#", count)
                for name in self.ready for version in PROGRAMS[name]}
        for key, sub in list(subs.items()):
            try:
                sub.wait_line("^ready$", 20)
            except Failed as failure:
                self.tally.report(f"{key[0]} in MQTT {VERSION_NAMES[key[1]]} hears all",
                                  failure=str(failure))
                sub.kill()
                del subs[key]
        for index, name in enumerate(PROGRAMS):
            pubs = {version: self.program(name, "pub", self.port, version,
                                          f"{self.topic}/{index}/{version}", MIXED_MESSAGES)
                    for version in PROGRAMS[name] if name in self.ready}
            for version, pub in pubs.items():
                run_case(self.tally, f"{name} publishes with each QoS in MQTT {VERSION_NAMES[version]}",
                         lambda _, pub=pub: same(pub.wait_end(), 0, pub.said()), None)
        for key, sub in subs.items():
            run_case(self.tally, f"{key[0]} in MQTT {VERSION_NAMES[key[1]]} hears what all publish",
                     lambda _, sub=sub: self.compare(sub, wanted), None)

    def compare(self, sub, wanted):
        try:
            sub.wait_end(20)
        except Failed:
            pass  # the comparison says better what is missing
        heard = {}
        for line in sub.lines:
            if line.count("|") == 2:
                topic, qos, payload = line.split("|")
                heard.setdefault((topic, int(qos)), []).append(payload)
        for topic, (qos, numbers) in wanted.items():
            got = heard.get((topic, qos))
            if self.loose and qos == 2 and got:
                got = sorted(got, key=int)
            same(got, numbers, f"{topic} with QoS {qos}; {sub.said()}")
        same(len(heard), len(wanted), "topics and QoS heard")


def checks(mixed, name, number):
    mixed.start(name)
    if name in mixed.ready:
        run_checks(mixed.tally, name, mixed.program(name, "checks", mixed.port, f"p{number}"))


def jobs(tally, broker, only, tools):
    """First what each program checks by itself; when all are through, all of them together."""
    mixed = Mixed(tally, broker, tools)
    left = len(PROGRAMS)

    def one(name, number):
        nonlocal left
        if only in name or only in "together":
            checks(mixed, name, number)
        with mixed.lock:
            left -= 1
            last = left == 0
        if last and only in "together" and len(mixed.ready) > 0:
            mixed.hear()

    return [functools.partial(one, name, number) for number, name in enumerate(PROGRAMS)]
