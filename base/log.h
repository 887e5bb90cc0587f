/* log: one line per thing that an operator would ask about.
 *
 * A line says when, how bad, whom it is about, and what happened:
 *   2026-11-21T10:00:00.123Z info mqtt/tcp 192.0.2.7:50112 "sensor-7": closed: keep-alive expired
 * (90 s) Nothing that a stranger sent reaches a line unescaped (log_escape), no payload and no
 * secret reaches one at all. As JSON the same fields are ts, level, about, msg. */
#ifndef SIOTD_BASE_LOG_H
#define SIOTD_BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

struct log_settings {
    enum log_level level;
    enum log_format format;
    const char *to; /* "stderr", "syslog", "journal" or an absolute path; copied */
};

/* Opens the sink of `settings`; the former one stays in use when that fails. Returns 0 or -errno.
 */
int log_open(const struct log_settings *settings);

/* Opens a log file again under its name (after logrotate; SIGUSR1). Returns 0 or -errno. */
int log_reopen(void);

/* Flushes and closes; lines after that go to stderr. */
void log_close(void);

/* Whether lines of that level are written; worth asking before costly arguments are made. */
bool log_enabled(enum log_level level);

/* Writes one line with one system call, for the loop's thread only. `about` is whom it concerns,
 * already escaped ("siotd" for the daemon itself). Lines are cut at 4096 bytes; control characters
 * and ill-formed UTF-8 that got into the message are escaped, so a line stays one line. Leaves
 * errno alone. Never waits for a sink: a line that it does not take at once (full disk, full pipe,
 * nobody reading) is lost and counted, and the next line that gets through is preceded by one that
 * says how many were. */
void log_line(enum log_level level, const char *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Lines that the sink did not take since the process started. */
uint64_t log_lost(void);

/* Where lines go in tests; NULL restores the sink. The hook gets the line without its time. */
void log_capture(void (*hook)(enum log_level level, const char *about, const char *message));

/* Room that log_escape never exceeds. */
enum { LOG_ESCAPE_INPUT_MAX = 128, LOG_ESCAPED_SIZE = 4 * LOG_ESCAPE_INPUT_MAX + 4 };

/* What a stranger sent, made safe to print: bytes below 0x20, 0x7f, '"', '\\', the bytes of
 * U+0080..U+009F (terminals obey them) and anything that is not well-formed UTF-8 become \xNN; cut
 * at 128 bytes of input, or where `to` ends, with "..." and never inside a character. Writes at
 * most `size` bytes with a NUL, returns `to`. */
char *log_escape(char *to, size_t size, struct slice from);

/* A rate limit for lines that a stranger can cause: at most `per_second` lines pass in each
 * second; when the second is over, `suppressed` says how many did not. All zero at first. */
struct log_rate {
    uint64_t second;
    uint32_t passed, suppressed;
};

/* Whether one more line may be written at now_ms. When it returns true and *missed is not 0, the
 * caller adds "(N more like this were not logged)". */
bool log_rate_allows(struct log_rate *rate, uint64_t now_ms, uint32_t per_second, uint32_t *missed);

#endif
