/* Reads /proc and the process clocks. Nothing here disturbs the broker, but for smaps_rollup, which
 * holds its memory map for a moment: memory is never read while a message is timed. */
#include "bench/gauge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * 1000000000ull + (uint64_t)time->tv_nsec;
}

int gauge_cpu(pid_t pid, uint64_t *ns)
{
    clockid_t clock;
    struct timespec time;
    int failure = clock_getcpuclockid(pid, &clock);

    if (failure)
        return -failure;
    if (clock_gettime(clock, &time) < 0)
        return -errno;
    *ns = ns_of(&time);
    return 0;
}

uint64_t gauge_own_cpu_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return ns_of(&time);
}

static FILE *open_proc(pid_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return fopen(path, "re");
}

int gauge_ticks(pid_t pid, uint64_t *user, uint64_t *system)
{
    char line[1024];
    FILE *file = open_proc(pid, "stat");

    if (!file)
        return -errno;
    char *read = fgets(line, sizeof line, file);
    fclose(file);
    /* The second field is the program's name in parentheses, and may hold any of both. */
    char *after = read ? strrchr(line, ')') : NULL;
    if (!after ||
        sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64, user,
               system) != 2)
        return -EIO;
    return 0;
}

int gauge_memory(pid_t pid, struct gauge_memory *memory)
{
    char line[256];
    uint64_t kib;
    int found = 0;
    FILE *file = open_proc(pid, "smaps_rollup");

    if (!file)
        return -errno;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "Rss: %" SCNu64, &kib) == 1) {
            memory->rss = kib * 1024;
            found++;
        } else if (sscanf(line, "Pss: %" SCNu64, &kib) == 1) {
            memory->pss = kib * 1024;
            found++;
        } else if (sscanf(line, "Anonymous: %" SCNu64, &kib) == 1) {
            memory->anonymous = kib * 1024;
            found++;
        }
    }
    fclose(file);
    return found == 3 ? 0 : -EIO;
}

uint64_t gauge_open_files(pid_t pid)
{
    char line[256];
    uint64_t limit = 0;
    FILE *file = open_proc(pid, "limits");

    if (!file)
        return 0;
    while (fgets(line, sizeof line, file) && sscanf(line, "Max open files %" SCNu64, &limit) != 1)
        ;
    fclose(file);
    return limit;
}
