"""Runs the test suites and counts what they ran; started by scripts/test.

A suite is a function that returns a Count. What a program under test ran is read from its own
closing line, either "N passed, N failed[, N skipped]" or cmocka's; a program without one counts as
one test. Nothing counts that did not run: a build that fails is a failed test, and what needed it
is not run.

Two lanes share the machine. In front, one after the other, are the suites that mostly wait for
processes of theirs and care when things happen. Behind them, and giving way to them, the other
builds are made and then the suites run that only need the processor. So a suite may only say
what it has to say with say(): it is printed when the suite is over.
"""

import argparse
import atexit
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import xml.etree.ElementTree

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
CORES = os.cpu_count() or 1
FUZZ_SECONDS = 10
VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--show-leak-kinds=all", "--errors-for-leak-kinds=definite,possible"]
# Suites that valgrind looks at: the pure rooms, whose every path the unit tests walk, and what of
# the store does not write thousands of files.
VALGRIND_TESTS = re.compile(r"unit/((base|broker|protocols)/|store/(store|latency)$)")
# What sanitizers and other compilers have nothing to say about: what looks at sources and units,
# what tests the tests, and a model of ours in another tool.
NOT_ABOUT_CODE = "^(style|systemd|not-siotd)$"
AT_ONCE = 2 * CORES  # tests of ctest: most of the time they wait

SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1"
                    ":strict_string_checks=1:check_initialization_order=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


class Count:
    """How many tests passed, failed and were skipped."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed = passed
        self.failed = failed
        self.skipped = skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def line(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


# --- saying and running --------------------------------------------------------------------------


here = threading.local()  # lines: what this thread's suite has said; behind: whether it gives way
alive = set()             # processes that we have started
ending = threading.Event()


def say(*lines):
    here.lines.extend(lines)


@atexit.register
def end_all():
    ending.set()
    for process in list(alive):
        end_group(process)


def end_group(process):
    """Ends a process and whatever it has left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(command, limit_s, environment=None):
    """Runs a command in a process group of its own, which ends with it; (exit status, output)."""
    if ending.is_set():
        raise SystemExit(1)
    if getattr(here, "behind", True):  # also in a thread of a suite from behind
        command = ["nice", "-n", "19", *command]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(environment or {})},
                                   stdin=subprocess.DEVNULL, start_new_session=True, stdout=output,
                                   stderr=subprocess.STDOUT)
        alive.add(process)
        late = ""
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            status = -1
            late = f"\nstopped after {limit_s} s"
        finally:
            end_group(process)
            process.wait()
            alive.discard(process)
        output.seek(0)
        return status, output.read().decode("utf-8", "replace") + late


def indented(text, lines=60):
    kept = text.rstrip().split("\n")[-lines:]
    return "\n".join("    " + line for line in kept)


def counted(text, succeeded):
    """The Count that a program's output tells of; one test where it tells of none."""
    count = Count()
    own = re.findall(r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", text, re.M)
    if own:
        count = Count(*(int(number or 0) for number in own[-1]))
    else:
        for kind, number in re.findall(r"\[  (PASSED|FAILED|SKIPPED) +\] (\d+) test\(s\)", text):
            field = kind.lower()
            setattr(count, field, getattr(count, field) + int(number))
        if count.passed + count.failed + count.skipped == 0:
            return Count(passed=int(succeeded), failed=int(not succeeded))
    if not succeeded and count.failed == 0:
        count.failed = 1  # it counted none, and yet it failed: a crash or a leak at the end
    return count


# --- ctest ---------------------------------------------------------------------------------------


def labels_of(build):
    """{name of a test: the label that says its kind} of a build folder."""
    status, text = run(["ctest", "--test-dir", build, "--show-only=json-v1"], 60)
    if status != 0:
        return {}
    labels = {}
    for test in json.loads(text)["tests"]:
        properties = {item["name"]: item["value"] for item in test.get("properties", [])}
        # A regression test also bears the number of the failure that it is about.
        kinds = [label for label in properties.get("LABELS", [])
                 if not label.startswith("vuln-") and label != "not-siotd"]
        labels[test["name"]] = (kinds + ["other"])[0]
    return labels


def commands_of(build, wanted):
    """(name, command) of the tests of a build folder whose name is wanted."""
    _, text = run(["ctest", "--test-dir", build, "--show-only=json-v1"], 60)
    return [(test["name"], test["command"]) for test in json.loads(text)["tests"]
            if wanted.match(test["name"])]


def ctest(build, title, selection, limit_s=1500, environment=None):
    """Runs the selected tests of a build folder; one closing line per label."""
    labels = labels_of(build)
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.xml")
        status, text = run(["ctest", "--test-dir", build, "-j", str(AT_ONCE), "--output-junit", report,
                            "--test-output-size-passed", "4000000",
                            "--test-output-size-failed", "4000000", *selection],
                           limit_s, environment)
        try:
            cases = xml.etree.ElementTree.parse(report).getroot().findall("testcase")
        except (OSError, xml.etree.ElementTree.ParseError) as error:
            say(f"FAILED ctest of {build}: {error}\n{indented(text)}")
            return Count(failed=1)
    by_label = {}
    for case in cases:
        output = case.findtext("system-out") or ""
        count = by_label.setdefault(labels.get(case.get("name"), "other"), Count())
        if case.get("status") == "run":
            count.add(counted(output, True))
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            reason = re.search(r"^SKIP.*", output, re.M)
            count.skipped += 1
            # A test that could not be started is no test that was skipped.
            if reason is None:
                count.skipped -= 1
                count.failed += 1
            say(f"{reason.group(0) if reason else 'FAILED (not run)'} [{case.get('name')}]")
        else:
            failure = case.find("failure")
            why = failure.get("message", "") if failure is not None else ""
            say(f"FAILED {case.get('name')} {why}\n{indented(output)}")
            count.add(counted(output, False))
    total = Count()
    for label, count in sorted(by_label.items()):
        say(f"{title + '-' if title else ''}{label}: {count.line()}")
        total.add(count)
    if status != 0 and total.failed == 0:
        say(f"FAILED ctest of {build} says {status}\n{indented(text)}")
        total.failed += 1
    if not cases:
        say(f"FAILED ctest of {build} ran nothing\n{indented(text)}")
        total.failed += 1
    return total


# --- builds --------------------------------------------------------------------------------------

builds = {}   # kind: the future (whether it worked, seconds, text)
told = set()  # kinds whose build has been counted


def build(kind):
    """Builds a kind."""
    start = time.monotonic()
    status, text = run([os.path.join(ROOT, "scripts/build"), "--" + kind], 1800)
    builds[kind].set_result((status == 0, time.monotonic() - start, text))


def built(kind):
    """Waits until a kind is built; whether it worked, and the Count of the build for its first
    suite."""
    worked, seconds, text = builds[kind].result()
    if kind in told:
        return worked, Count()
    told.add(kind)
    if not worked:
        say(f"FAILED scripts/build --{kind}\n{indented(text)}")
        return False, Count(failed=1)
    say(f"scripts/build --{kind}: {seconds:.0f} s")
    return True, Count(passed=1)


def folder(kind):
    return os.path.join(ROOT, "build" if kind == "release" else "build-" + kind)


def with_build(kind, then):
    """The Count of a build and, when it worked, of what it is for."""
    worked, count = built(kind)
    if worked:
        count.add(then(folder(kind)))
    return count


def skipped_without(program, what):
    """A Count when a program that a suite needs is missing, else None."""
    if shutil.which(program):
        return None
    say(f"SKIP {what}: {program} is not installed")
    return Count(skipped=1)


# --- suites --------------------------------------------------------------------------------------


def labelled(label):
    return lambda: with_build("release", lambda where: ctest(where, "", ["-L", f"^{label}$"]))


def suite_all_of_release():
    return with_build("release", lambda where: ctest(where, "", []))


def interop(where, title, environment=None):
    status, text = run([os.path.join(ROOT, "interop/run"), "--siotd", os.path.join(where, "bin/siotd")],
                       300, environment)
    count = counted(text, status == 0)
    shown = [line for line in text.split("\n") if line.startswith("SKIP")]
    if status != 0:
        shown += [line for line in text.split("\n") if line.startswith("FAILED")] + [indented(text)]
    say("\n".join(shown + [f"{title}: {count.line()}"]))
    return count


def suite_interop():
    return with_build("release", lambda where: interop(where, "interop"))


def suite_asan():
    def then(where):
        count = ctest(where, "asan", ["-LE", NOT_ABOUT_CODE], 1500, SANITIZER_ENVIRONMENT)
        count.add(interop(where, "asan-interop", SANITIZER_ENVIRONMENT))
        return count
    return with_build("asan", then)


def suite_clang():
    missing = skipped_without("clang", "the other compiler")
    return missing or with_build("clang", lambda where: ctest(where, "clang", ["-L", "^unit$"]))


def one_under_valgrind(test):
    name, command = test
    status, text = run(VALGRIND + command, 600, {"SIOTD_TEST_SLOW_MACHINE": "1"})
    return name, status, text


def suite_valgrind():
    missing = skipped_without("valgrind", "unit tests under valgrind")
    if missing:
        return missing

    def then(where):
        total = Count()
        tests = commands_of(where, VALGRIND_TESTS)
        with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
            for name, status, text in pool.map(one_under_valgrind, tests):
                if status != 0:
                    say(f"FAILED {name} under valgrind\n{indented(text)}")
                total.add(counted(text, status == 0))
        say(f"valgrind: {total.line()}")
        return total
    return with_build("release", then)


def one_fuzzed(target):
    name = os.path.basename(target)
    corpus = os.path.join(ROOT, "tests/fuzz/corpus", name.removesuffix("_fuzz"))
    with tempfile.TemporaryDirectory() as found:
        folders = [found] + [path for path in (corpus,) if os.path.isdir(path)]
        status, text = run([target, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10",
                            "-rss_limit_mb=2048", f"-artifact_prefix={found}/", *folders],
                           FUZZ_SECONDS + 60, SANITIZER_ENVIRONMENT)
        kept = []
        for artifact in os.listdir(found) if status != 0 else []:
            if artifact.startswith(("crash-", "leak-", "timeout-", "oom-")):
                kept.append(os.path.join(folder("asan"), f"{name}-{artifact}"))
                shutil.copy(os.path.join(found, artifact), kept[-1])
    runs = re.search(r"Done (\d+) runs", text)
    return name, status, text, int(runs.group(1)) if runs else 0, kept


def suite_fuzz():
    def then(where):
        bin_folder = os.path.join(where, "bin")
        with open(os.path.join(where, "CMakeCache.txt"), encoding="utf-8") as cache:
            if "SIOTD_FUZZ:BOOL=ON" not in cache.read():
                say("SKIP fuzzing: there is no clang with its libFuzzer run time")
                return Count(skipped=1)
        total = Count()
        targets = sorted(os.path.join(bin_folder, name) for name in os.listdir(bin_folder)
                         if name.endswith("_fuzz"))
        with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
            for name, status, text, runs, kept in pool.map(one_fuzzed, targets):
                worked = status == 0 and runs > 0
                total.add(Count(passed=int(worked), failed=int(not worked)))
                say(f"{'ok' if worked else 'FAILED'} {name}: {runs} inputs in {FUZZ_SECONDS} s")
                if not worked:
                    say(indented(text), *(f"    kept: {path}" for path in kept))
        if not targets:
            say("FAILED no fuzz target was built")
            total.failed += 1
        say(f"fuzz: {total.line()}")
        return total
    return with_build("asan", then)


# By name: (builds that it needs, lane, function), in the order of a whole run; the first one covers
# those that it is made of.
SUITES = {
    "release": ("release", "front", suite_all_of_release),
    "interop": ("release", "front", suite_interop),
    "asan": ("asan", "front", suite_asan),
    "clang": ("clang", "front", suite_clang),
    "valgrind": ("release", "behind", suite_valgrind),
    "fuzz": ("asan", "behind", suite_fuzz),
}
PARTS = {label: ("release", "front", labelled(label))
         for label in ("unit", "daemon", "datagram", "fuzz-corpus", "style", "conformance", "coap", "raw", "sn",
                       "matrix", "siotctl", "examples", "systemd", "tls", "crash")}


# --- lanes ---------------------------------------------------------------------------------------

printing = threading.Lock()


def run_suite(name, suite, behind):
    """Runs one to its end and prints what it has said."""
    here.lines, here.behind = [], behind
    with printing:
        print(f"{name} begins", flush=True)
    began = time.monotonic()
    try:
        count = suite()
    except Exception:  # a mistake of ours is a failed test, and the others go on
        say(f"FAILED {name}: {traceback.format_exc()}")
        count = Count(failed=1)
    with printing:
        print(f"== {name}", *here.lines, f"   {time.monotonic() - began:.0f} s", sep="\n",
              flush=True)
    return count


def run_lanes(suites):
    """All the suites: {name: (build, lane, function)}."""
    builds.update({needs: concurrent.futures.Future() for needs, _, _ in suites.values()})
    counts = []

    def run_lane(lane):
        for name, (_, where, suite) in suites.items():
            if where == lane:
                counts.append(run_suite(name, suite, lane == "behind"))

    def run_behind():
        for place, kind in enumerate(list(builds)):
            here.behind = place > 0  # everybody waits for the first
            build(kind)
        run_lane("behind")

    other = threading.Thread(target=run_behind, daemon=True)
    other.start()
    run_lane("front")
    other.join()
    total = Count()
    for count in counts:
        total.add(count)
    return total


def main():
    parser = argparse.ArgumentParser(prog="scripts/test", description="Runs siotd's tests.")
    parser.add_argument("suite", nargs="*", help="suites to run; all of them when none is named")
    parser.add_argument("--quick", action="store_true", help="the release build and its own tests")
    parser.add_argument("--list", action="store_true", help="name the suites")
    arguments = parser.parse_args()
    known = {**SUITES, **PARTS}
    known.update({name: ("release", "front", labelled(name)) for name in arguments.suite
                  if re.match(r"vuln-\w+$", name)})
    if arguments.list:
        print("\n".join([*SUITES, *(f"{name} (part of release)" for name in PARTS),
                         "vuln-NN (the regression test of that number)"]))
        return 0
    unknown = [name for name in arguments.suite if name not in known]
    if unknown:
        parser.error(f"no such suite: {', '.join(unknown)}; there are {', '.join(known)}")
    wanted = arguments.suite or (["release"] if arguments.quick else list(SUITES))

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    start = time.monotonic()
    total = run_lanes({name: known[name] for name in wanted})
    print(f"all suites took {time.monotonic() - start:.0f} s")
    if total.passed + total.failed == 0:
        print("no test ran")
        total.failed += 1
    print(total.line())
    return 1 if total.failed else 0


sys.exit(main())
