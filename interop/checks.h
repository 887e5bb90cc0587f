/* checks: how an interop program in C reports what it has seen.
 *
 * Each check is one line, "ok NAME" or "FAILED NAME: why"; interop/run counts them. */
#ifndef SIOTD_INTEROP_CHECKS_H
#define SIOTD_INTEROP_CHECKS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int checks_failed;

/* Reports a check; `why` is told when it failed. */
static inline void check(const char *name, bool passed, const char *why)
{
    if (passed) {
        printf("ok %s\n", name);
    } else {
        printf("FAILED %s: %s\n", name, why);
        checks_failed++;
    }
    fflush(stdout);
}

/* Reports a check of a number. */
static inline void check_number(const char *name, long got, long wanted)
{
    char why[80];
    snprintf(why, sizeof(why), "expected %ld, got %ld", wanted, got);
    check(name, got == wanted, why);
}

/* The exit status of a program after its checks. */
static inline int checks_status(void)
{
    return checks_failed ? 1 : 0;
}

/* Milliseconds of a clock that only runs forward. */
static inline long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The arguments that every program takes, see interop/programs.py. */
struct arguments {
    const char *command; /* checks, sub or pub */
    int port;
    const char *prefix; /* checks: of topics and client ids */
    int version;        /* sub, pub: 3, 4 or 5 */
    const char *topic;  /* sub, pub */
    int count;          /* sub, pub: messages; pub: of each QoS */
};

/* Reads them, or ends the program with status 2. */
static inline struct arguments arguments_of(int argc, char **argv)
{
    struct arguments a = {0};
    if (argc == 4 && strcmp(argv[1], "checks") == 0) {
        a = (struct arguments){argv[1], atoi(argv[2]), argv[3], 0, NULL, 0};
    } else if (argc == 6 && (strcmp(argv[1], "sub") == 0 || strcmp(argv[1], "pub") == 0)) {
        a = (struct arguments){argv[1], atoi(argv[2]), NULL, atoi(argv[3]), argv[4], atoi(argv[5])};
    } else {
        fprintf(stderr, "usage: %s checks PORT PREFIX | sub|pub PORT VERSION TOPIC COUNT\n",
                argv[0]);
        exit(2);
    }
    return a;
}

#endif
