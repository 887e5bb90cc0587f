#!/usr/bin/python3
"""Regression tests for past failures of other brokers, by their number in vuln.md.

    run.py --program build/bin/siotd [--stack tcp|unix] [NUMBER ...]

A number's tests are functions vuln_NN_what(case) in the modules beside this one, and transcripts
named tests/transcripts/vuln/vuln-NN-*.txt. The last line is "N passed, N failed".
"""

import argparse
import concurrent.futures
import importlib
import os
import re
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
sys.dont_write_bytecode = True

import runner  # noqa: E402
import transcript  # noqa: E402
from brokers import Unsupported  # noqa: E402
from case import Case  # noqa: E402

MODULES = ("memory", "malformed", "sequences", "storms", "process")


def find_cases():
    """Number -> test functions, in the order of their names."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(name)
        for attribute in sorted(vars(module)):
            match = re.fullmatch(r"vuln_(\d\d)_\w+", attribute)
            if match:
                found.setdefault(match[1], []).append(getattr(module, attribute))
    return found


def find_transcripts():
    """Number -> transcript files."""
    found = {}
    folder = os.path.join(runner.TRANSCRIPTS, "vuln")
    for name in sorted(os.listdir(folder)):
        match = re.fullmatch(r"vuln-(\d\d)-.*\.txt", name)
        if match:
            found.setdefault(match[1], []).append(os.path.join(folder, name))
    return found


def run_case(function, options):
    """One test function with a broker of its own making; returns passed, failed, skipped."""
    started = time.monotonic()
    case = Case(options)
    problem, outcome = None, "passed"
    try:
        function(case)
    except Unsupported as error:
        problem, outcome = str(error), "skipped"
    except Exception:    # whatever went wrong is the report
        problem, outcome = traceback.format_exc(limit=-3), "failed"
    fault = case.stop()
    if fault and outcome == "passed":
        problem, outcome = f"the broker: {fault}", "failed"
    title = (function.__doc__ or function.__name__).split("\n")[0]
    if outcome == "failed":
        print(f"{function.__name__}: {title}\n{problem}", flush=True)
    elif options.verbose:
        print(f"{outcome}: {function.__name__}: {title} ({time.monotonic() - started:.1f} s)",
              flush=True)
    return outcome


def run_transcripts(paths, options):
    ones = []
    for path in paths:
        ones += transcript.read_file(path, os.path.relpath(path, runner.TRANSCRIPTS)[:-4])
    ones = [one for one in ones if options.stack in one.header.get("stack", options.stack).split()]
    pool = runner.Pool(options, ones)
    outcomes = []
    with concurrent.futures.ThreadPoolExecutor(12) as workers:
        results = list(workers.map(lambda pair: runner.play_one(pair[1], pair[0], pool, options),
                                   enumerate(ones)))
    for outcome, report in results:
        outcomes.append("failed" if outcome == "unplayed" else outcome)
        if outcome == "failed":
            print(report, flush=True)
    for fault in pool.faults:
        print(f"the broker itself failed: {fault}")
        outcomes.append("failed")
    return outcomes


def main():
    parser = argparse.ArgumentParser(description="tests for past failures of other brokers")
    parser.add_argument("numbers", nargs="*", help="two digits each; all when none is given")
    parser.add_argument("--broker", choices=["siotd", "mosquitto"], default="siotd")
    parser.add_argument("--program")
    parser.add_argument("--stack", choices=["tcp", "unix"], default="tcp")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--slowness", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    default = {"siotd": os.path.join(HERE, "../../../build/bin/siotd"),
               "mosquitto": "/usr/sbin/mosquitto"}
    options.program = os.path.abspath(options.program or default[options.broker])
    cases, transcripts = find_cases(), find_transcripts()
    wanted = options.numbers or sorted(set(cases) | set(transcripts))
    outcomes = []
    for number in wanted:
        if number not in cases and number not in transcripts:
            parser.error(f"no test for {number}")
        outcomes += [run_case(function, options) for function in cases.get(number, [])]
        outcomes += run_transcripts(transcripts.get(number, []), options)
    skipped = outcomes.count("skipped")
    if skipped:
        print(f"{skipped} skipped")
    print(f"{outcomes.count('passed')} passed, {outcomes.count('failed')} failed")
    return 1 if "failed" in outcomes or "passed" not in outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
