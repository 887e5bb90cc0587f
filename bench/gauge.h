/* gauge: what the broker and the generator cost, as the kernel counts it. */
#ifndef SIOTD_BENCH_GAUGE_H
#define SIOTD_BENCH_GAUGE_H

#include <stdint.h>
#include <sys/types.h>

/* User and system time of all threads of a process, those that have ended included, in
 * nanoseconds. Returns 0 or -errno. */
int gauge_cpu(pid_t pid, uint64_t *ns);

/* The same for this process. */
uint64_t gauge_own_cpu_ns(void);

/* User and system time in clock ticks: coarse, but apart. Returns 0 or -errno. */
int gauge_ticks(pid_t pid, uint64_t *user, uint64_t *system);

struct gauge_memory {
    uint64_t rss, pss, anonymous; /* bytes */
};

/* From /proc/PID/smaps_rollup. Returns 0 or -errno. */
int gauge_memory(pid_t pid, struct gauge_memory *memory);

/* How many files the process may open, by /proc/PID/limits; 0 when that cannot be read. */
uint64_t gauge_open_files(pid_t pid);

#endif
