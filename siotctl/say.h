/* say: how siotctl ends, and what it says when that is not well. */
#ifndef SIOTD_SIOTCTL_SAY_H
#define SIOTD_SIOTCTL_SAY_H

enum { ENDED_WELL = 0, ENDED_FAILED = 1, ENDED_MISUSED = 2 };

/* Prints "siotctl: ..." as one line to the standard error stream; returns ENDED_FAILED. */
int say_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for a wrong command line; returns ENDED_MISUSED. */
int say_misused(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For the end of a verb that prints: ENDED_WELL when all of it has reached its file. */
int say_printed(void);

#endif
