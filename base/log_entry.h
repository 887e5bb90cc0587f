/* log_entry: how a log line looks. */
#ifndef SIOTD_BASE_LOG_ENTRY_H
#define SIOTD_BASE_LOG_ENTRY_H

#include "base/log.h"
#include "base/writer.h"

struct log_entry {
    const char *when; /* log_entry_stamp */
    enum log_level level;
    const char *about, *message;
};

enum log_look {
    LOG_LOOK_LINE,  /* 2026-11-21T10:00:00.123Z info siotd: ready */
    LOG_LOOK_PLAIN, /* siotd: ready; for a sink that keeps time and level itself */
    LOG_LOOK_JSON /* {"ts":"2026-11-21T10:00:00.123Z","level":"info","about":"siotd","msg":"ready"}
                   */
};

enum { LOG_STAMP_SIZE = sizeof("2026-11-21T10:00:00.123Z") };

/* Writes the time of `ms` milliseconds since 1970, UTC, with a NUL. `to` is kept by the caller
 * from call to call together with *second, the second it shows (0 before the first call): within
 * one second only the milliseconds are written anew. */
void log_entry_stamp(char to[LOG_STAMP_SIZE], uint64_t *second, uint64_t ms);

/* Writes one entry without a newline, and with none inside. What does not fit is cut with "..."
 * between two characters, and JSON stays JSON; `to` needs room for 512 bytes. */
void log_entry_write(struct writer *to, const struct log_entry *entry, enum log_look look);

#endif
