"""bench/compare --durable: what it costs to keep what was acknowledged.

The works, the kinds of brokers that are compared, a broker's death and return, and how fast the
disk is. `Work` and the classes of brokers are compare's own and are handed in.
"""

import os
import tempfile
import time

RATE, CPU = "delivered_per_s", "cpu_us_per_message"
KEEPERS = ("siotd flush", "siotd write")
BROKERS = "mosquitto stored,siotd memory,siotd write,siotd flush"
PAIR = ("siotd flush", "siotd memory")  # whose ratio is shown
FLUSHES = 300


def row(label, section, metric, unit, target=None, ratio=None):
    """One line of the table; a work has several."""
    return label, section, (metric, unit, target, ratio)


def works(kind):
    """Sessions that outlive their connections, here and away."""
    for qos, ratio in ((1, 0.5), (2, None)):
        label = f"QoS {qos} pairs, sessions kept"
        work = kind(f"kept-pairs-qos{qos}", label,
                    ["pairs", "--qos", str(qos), "--session", "kept"], RATE, "1/s")
        work.rows = [row(label, "pairs", RATE, "1/s", None, ratio),
                     row("the same, CPU", "pairs", CPU, "µs"),
                     row("the same, loop lag p99.9", "pairs", "loop_lag_p999_ms", "ms", 20)]
        yield work
    work = kind("queues", "into queues", ["offline", "--qos", "1", "--count", "20000"],
                "queued_per_s", "1/s", quick=["--count", "5000"])
    work.rows = [row("20,000 into 100 queues, QoS 1", "offline", "queued_per_s", "1/s"),
                 row("the same, CPU", "offline", "queued_cpu_us", "µs")]
    yield work
    work = kind("million", "a million", ["offline", "--qos", "1", "--count", "1000000"],
                "queued_per_s", "1/s", quick=["--count", "20000"], only=KEEPERS)
    work.killed = True
    work.rows = [row("10^6 into 100 queues, QoS 1", "offline", "queued_per_s", "1/s", 50000),
                 row("the same, CPU", "offline", "queued_cpu_us", "µs"),
                 row("memory they take", "offline", "memory_grown_mib", "MiB"),
                 row("loop lag p99.9 meanwhile", "offline", "loop_lag_p999_ms", "ms", 20),
                 row("killed; lets clients in again after", "restart", "restart_s", "s", 3),
                 row("of which CPU", "restart", "restart_cpu_s", "s"),
                 row("memory then", "restart", "restart_memory_mib", "MiB"),
                 row("fetched by their clients", "fetch", "fetched_per_s", "1/s"),
                 row("the same, CPU", "fetch", "fetched_cpu_us", "µs")]
    yield work


def kinds(siotd, mosquitto):
    """The brokers of BROKERS, by name."""

    class Stored(mosquitto):
        """Writes and flushes all that it has after each turn with changes, which is as near as it
        gets: what the turn acknowledged has left before."""

        name = "mosquitto stored"

        def persistence(self):
            return ["persistence true", f"persistence_location {self.folder}/",
                    "autosave_interval 1", "autosave_on_changes true"]

    def keeping(durability):
        return type("Kept", (siotd,), {"name": f"siotd {durability}", "durability": durability})

    found = [Stored] + [keeping(each) for each in ("memory", "write", "flush")]
    return {each.name: each for each in found}


def run(work, broker, quick, generate):
    """One run of a work; generate(arguments) runs siotd-bench. Returns all sections and a note."""
    extra = work.quick if quick else []
    watch = ["--watch", "1"] if broker.name.startswith("siotd") else []
    sections, note = generate(work.arguments + extra + watch)
    if getattr(work, "killed", False):
        sections["restart"] = return_from_death(broker)
        fetched, more = generate(["fetch"] + work.arguments[1:] + extra)
        sections.update(fetched)
        note = note or more
    return sections, note


def return_from_death(broker):
    """Kills the broker and starts it again; what that took, until a client was let in."""
    broker.process.kill()
    broker.process.wait()
    begun = time.monotonic()
    broker.launch()
    took = time.monotonic() - begun
    with open(f"/proc/{broker.process.pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    with open(f"/proc/{broker.process.pid}/smaps_rollup", encoding="ascii") as file:
        pss_kib = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    ticks = int(fields[11]) + int(fields[12])
    return {"restart_s": took, "restart_cpu_s": ticks / os.sysconf("SC_CLK_TCK"),
            "restart_memory_mib": pss_kib / 1024}


def slower(siotd, flush_us):
    """The environment that makes a broker's flushes take longer."""
    if not flush_us:
        return {}
    module = os.path.join(os.path.dirname(siotd), "slow_flush.so")
    return {"LD_PRELOAD": module, "SLOW_FLUSH_US": str(flush_us)}


def measure_flush(flush_us):
    """What a flush of 4 KiB that were appended takes, in ms, as the brokers have it."""
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(FLUSHES):
            file.write(b"\x5a" * 4096)
            file.flush()
            begun = time.monotonic()
            os.fdatasync(file.fileno())
            took.append((time.monotonic() - begun) * 1e3 + flush_us / 1e3)
    took.sort()
    return {"median_ms": took[FLUSHES // 2], "p99_ms": took[FLUSHES * 99 // 100],
            "added_ms": flush_us / 1e3}
