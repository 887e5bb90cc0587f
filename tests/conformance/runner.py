#!/usr/bin/python3
"""Runs wire transcripts against a live broker.

    runner.py --program build/bin/siotd [--stack tcp|unix] [--store] [FILE or FOLDER or word ...]
    runner.py --broker mosquitto            checks the transcripts against Debian's Mosquitto
    runner.py --list                        names every transcript and what it proves
    runner.py --coverage                    which clauses are proven, which are not

The last line is "N passed, N failed"; the exit status is 0 only when nothing failed.
The notation is described in tests/transcripts/FORMAT.md.
"""

import argparse
import concurrent.futures
import os
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import coverage  # noqa: E402
import notation  # noqa: E402
import transcript as reading  # noqa: E402
import wire  # noqa: E402
from brokers import Broker, BrokerError, Unsupported  # noqa: E402
from play import Failure, Play  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TRANSCRIPTS = os.path.join(os.path.dirname(HERE), "transcripts")


class Pool:
    """Broker processes by configuration: started when first needed, stopped after the last use."""

    def __init__(self, options, transcripts):
        self.options, self._lock = options, threading.Lock()
        self._brokers, self._left, self.faults = {}, {}, []
        self._starting = {}
        for one in transcripts:
            key = one.options()
            self._left[key] = self._left.get(key, 0) + 1
            self._starting.setdefault(key, threading.Lock())

    def borrow(self, key):
        with self._starting[key]:
            if key not in self._brokers:
                settings, limit, _ = key
                kept = ("data_dir=data",) if self.options.store else ()
                try:
                    self._brokers[key] = Broker(
                        self.options.broker, self.options.program, kept + tuple(settings),
                        self.options.stack,
                        limit, self.options.slowness)
                except BrokerError as error:
                    self._brokers[key] = error
            broker = self._brokers[key]
        if isinstance(broker, BrokerError):
            raise broker
        return broker

    def give_back(self, key):
        with self._lock:
            self._left[key] -= 1
            last = self._left[key] == 0
        broker = self._brokers.get(key)
        if last and isinstance(broker, Broker):
            fault = broker.stop()
            if fault:
                self.faults.append(f"{' '.join(key[0]) or 'default configuration'}: {fault}")


def play_one(one, number, pool, options):
    """Play a transcript; returns (outcome, report)."""
    key = one.options()
    play = None
    try:
        broker = pool.borrow(key)
        if not broker.running():
            return "unplayed", ""
        names = {"t": f"t{number}", "c": f"c{number}"}
        play = Play(one, broker, names, 4.0 * options.slowness)
        play.run()
        if not broker.running() and "broker exits" not in str([s.text for s in one.steps]):
            raise Failure("a broker that runs", broker.log_text(0)[-1500:])
        outcome, report = "passed", ""
    except Unsupported as error:
        outcome, report = "skipped", str(error)
    except (Failure, wire.Violation, notation.NotationError, BrokerError, ValueError,
            OSError) as error:
        outcome, report = "failed", describe(one, play, error)
    finally:
        pool.give_back(key)
    if outcome == "failed" and one.header.get("differs", "").startswith(options.broker):
        if not options.all:
            return "skipped", "differs: " + one.header["differs"]
    if "must-fail" in one.header and outcome != "skipped" and play:
        wanted = one.header["must-fail"]
        caught = outcome == "failed" and wanted in report
        outcome = "passed" if caught else "failed"
        report = "" if caught else f"{one.label()}: this had to fail with {wanted!r}\n{report}"
    return outcome, report


def describe(one, play, error):
    step = play.step if play else None
    where = f"{os.path.relpath(one.path)}:{step.number if step else 'end'}"
    lines = [f"{where}: {one.title} [{one.version}]"]
    if one.example:
        lines.append("  example:  " + ", ".join(f"{k}={v}" for k, v in one.example.items())[:300])
    lines.append(f"  line:     {step.text if step else '(the end)'}")
    if isinstance(error, Failure):
        lines += [f"  expected: {error.expected[:400]}", f"  got:      {error.got[:2000]}"]
    else:
        lines.append(f"  {type(error).__name__}: {error}")
    if play:
        lines += ["  before:"] + ["      " + line[:220] for line in play.history()]
    return "\n".join(lines)


def find_files(wanted):
    """Transcript files, in order: all, or those under or containing what was named."""
    files = []
    for folder, _, names in os.walk(TRANSCRIPTS):
        files += [os.path.join(folder, n) for n in names
                  if n.endswith(".txt") and n != "CMakeLists.txt"]
    files.sort()
    if not wanted:
        return files
    paths = [os.path.abspath(w) for w in wanted]
    return [f for f in files if any(f == p or f.startswith(p + "/") for p in paths)
            or any(w in os.path.relpath(f, TRANSCRIPTS) for w in wanted)]


def load(options):
    found = []
    for path in find_files(options.wanted):
        name = os.path.relpath(path, TRANSCRIPTS)[:-4]
        found += reading.read_file(path, name)
    if options.version:
        found = [one for one in found if one.version == options.version]
    return [one for one in found
            if options.stack in one.header.get("stack", options.stack).split()]


def run(options, transcripts):
    started = time.monotonic()
    pool = Pool(options, transcripts)
    counts = {"passed": 0, "failed": 0, "skipped": 0, "unplayed": 0}
    order = sorted(enumerate(transcripts), key=lambda pair: "slow" not in pair[1].header)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as workers:
        waiting = {workers.submit(play_one, one, number, pool, options): one
                   for number, one in order}
        for done in concurrent.futures.as_completed(waiting):
            outcome, report = done.result()
            counts[outcome] += 1
            if outcome == "failed":
                print(report + "\n", flush=True)
            elif options.verbose:
                print(f"{outcome}: {waiting[done].label()} {report}", flush=True)
    for fault in pool.faults:
        print(f"the broker itself failed: {fault}\n")
        counts["failed"] += 1
    if counts["unplayed"]:
        print(f"{counts['unplayed']} transcripts were not played: their broker had ended")
        counts["failed"] += counts["unplayed"]
    print(f"{options.broker} over {options.stack}{' with a store' if options.store else ''}: "
          f"{counts['skipped']} skipped, "
          f"{time.monotonic() - started:.1f} s")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] or not counts["passed"] else 0


def main():
    parser = argparse.ArgumentParser(description="runs wire transcripts against a live broker")
    parser.add_argument("wanted", nargs="*", help="files, folders or parts of names; all by default")
    parser.add_argument("--broker", choices=["siotd", "mosquitto"], default="siotd")
    parser.add_argument("--program", help="the broker's executable")
    parser.add_argument("--stack", choices=["tcp", "unix"], default="tcp")
    parser.add_argument("--store", action="store_true",
                        help="with a store: what is acknowledged has been written")
    parser.add_argument("--version", choices=["3.1", "3.1.1", "5"], help="only this version")
    parser.add_argument("--jobs", type=int, default=24, help="transcripts at the same time")
    parser.add_argument("--slowness", type=float, default=1.0,
                        help="stretch timeouts, for a broker under a sanitizer")
    parser.add_argument("--all", action="store_true", help="report also what is marked differs:")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--coverage", action="store_true")
    options = parser.parse_args()
    default = {"siotd": os.path.join(HERE, "../../build/bin/siotd"),
               "mosquitto": "/usr/sbin/mosquitto"}
    options.program = os.path.abspath(options.program or default[options.broker])
    transcripts = load(options)
    if options.list:
        for one in transcripts:
            print(f"{one.label()}: {one.title} {' '.join(one.proves)}")
        return 0
    if options.coverage:
        return coverage.report(transcripts)
    return run(options, transcripts)


if __name__ == "__main__":
    sys.exit(main())
