/* log: one line per thing that an operator would ask about.
 *
 * Stands beside the way of a message; whoever decides something says so here. This file holds the
 * process's one log: its settings, its sink, and the count of lines that the sink did not take.
 * How a line looks is log_entry.c, where it goes log_sink.c.
 *
 * Invariant: there is always a sink; before log_open and after log_close it is stderr. */
#include "base/log.h"
#include "base/log_entry.h"
#include "base/log_sink.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* The longest message that printf may make; the rest of a line is its time and whom it is about. */
enum { MESSAGE_MAX = 3072 };

static struct {
    enum log_level level;
    enum log_format format;
    struct log_sink sink;
    bool opened; /* the sink is set; before that, the first line takes stderr */
    void (*hook)(enum log_level level, const char *about, const char *message);

    uint64_t lost, untold; /* lines; those that no line has told of yet */
    int lost_err;          /* why the last of them was lost */

    char when[LOG_STAMP_SIZE];
    uint64_t second; /* that `when` shows */
} the_log = {.level = LOG_INFO};

static void need_sink(void)
{
    if (the_log.opened)
        return;
    log_sink_stderr(&the_log.sink);
    the_log.opened = true;
}

int log_open(const struct log_settings *settings)
{
    struct log_sink sink;
    int err = log_sink_open(&sink, settings->to);
    if (err)
        return err;
    if (the_log.opened)
        log_sink_close(&the_log.sink);
    the_log.sink = sink;
    the_log.opened = true;
    the_log.level = settings->level;
    the_log.format = settings->format;
    return 0;
}

int log_reopen(void)
{
    need_sink();
    return log_sink_reopen(&the_log.sink);
}

void log_close(void)
{
    if (the_log.opened)
        log_sink_close(&the_log.sink);
    the_log.opened = false;
}

bool log_enabled(enum log_level level)
{
    return level <= the_log.level;
}

uint64_t log_lost(void)
{
    return the_log.lost;
}

void log_capture(void (*hook)(enum log_level level, const char *about, const char *message))
{
    the_log.hook = hook;
}

static enum log_look look(void)
{
    if (the_log.format == LOG_JSON)
        return LOG_LOOK_JSON;
    return the_log.sink.kind == LOG_SINK_STREAM ? LOG_LOOK_LINE : LOG_LOOK_PLAIN;
}

/* Makes the line and sends it. Returns 0 or -errno. */
static int emit(enum log_level level, const char *about, const char *message)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    log_entry_stamp(the_log.when, &the_log.second, ms);

    uint8_t bytes[LOG_LINE_MAX];
    struct writer line = writer_of(bytes, sizeof(bytes) - 1); /* log_sink_end needs one */
    log_sink_begin(&the_log.sink, &line, level, the_log.second);
    struct log_entry entry = {the_log.when, level, about, message};
    log_entry_write(&line, &entry, look());
    line.end = bytes + sizeof(bytes);
    log_sink_end(&the_log.sink, &line);
    return log_sink_send(&the_log.sink, slice_of(bytes, writer_len(&line)));
}

/* When lines were lost, tells of them before anything else is written. Returns 0 or -errno. */
static int tell_lost(void)
{
    if (the_log.untold == 0)
        return 0;
    char message[128];
    snprintf(message, sizeof(message), "%llu log lines were lost here: %s",
             (unsigned long long)the_log.untold, strerror(the_log.lost_err));
    int err = emit(LOG_ERROR, "siotd", message);
    if (err == 0)
        the_log.untold = 0;
    return err;
}

/* Where printf ran out of room, ends the message with "..." and not inside a character. */
static void cut_message(char message[MESSAGE_MAX])
{
    size_t at = MESSAGE_MAX - sizeof("...");
    while (at > 0 && ((uint8_t)message[at] & 0xc0) == 0x80)
        at--;
    memcpy(message + at, "...", sizeof("..."));
}

void log_line(enum log_level level, const char *about, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    int saved = errno;
    char message[MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (len < 0)
        message[0] = 0;
    else if ((size_t)len >= sizeof(message))
        cut_message(message);

    if (the_log.hook) {
        the_log.hook(level, about, message);
    } else {
        need_sink();
        int err = tell_lost();
        if (err == 0)
            err = emit(level, about, message);
        if (err) {
            the_log.lost++;
            the_log.untold++;
            the_log.lost_err = -err;
        }
    }
    errno = saved;
}

bool log_rate_allows(struct log_rate *rate, uint64_t now_ms, uint32_t per_second, uint32_t *missed)
{
    *missed = 0;
    if (rate->second != now_ms / 1000) {
        rate->second = now_ms / 1000;
        rate->passed = 0;
    }
    if (rate->passed >= per_second) {
        rate->suppressed++;
        return false;
    }
    rate->passed++;
    *missed = rate->suppressed;
    rate->suppressed = 0;
    return true;
}
