/* log_entry: how a log line looks.
 *
 * Stands between log.c, which knows what happened, and log_sink.c, which knows where lines go.
 * Pure: the time comes from log.c. */
#include "base/log_entry.h"
#include "base/json.h"
#include "base/log_escape.h"

#include <stdio.h>
#include <time.h>

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

void log_entry_stamp(char to[LOG_STAMP_SIZE], uint64_t *second, uint64_t ms)
{
    if (*second != ms / 1000 || *second == 0) {
        time_t seconds = (time_t)(ms / 1000);
        struct tm utc;
        gmtime_r(&seconds, &utc);
        strftime(to, LOG_STAMP_SIZE, "%Y-%m-%dT%H:%M:%S.000Z", &utc);
        *second = ms / 1000;
    }
    char *digits = to + sizeof("2026-11-21T10:00:00.") - 1;
    digits[0] = (char)('0' + ms % 1000 / 100);
    digits[1] = (char)('0' + ms % 100 / 10);
    digits[2] = (char)('0' + ms % 10);
}

static void put(struct writer *to, const char *text)
{
    writer_bytes(to, slice_of_str(text));
}

/* Writes as much of `text` as leaves `reserve` bytes for what must follow it, then "..." if that
 * was not all of it. */
static void put_cut(struct writer *to, const char *text, size_t reserve, enum log_look look)
{
    struct slice from = slice_of_str(text);
    size_t left = (size_t)(to->end - to->at), kept = reserve + sizeof("...") - 1;
    struct writer part = writer_of(to->at, left > kept ? left - kept : 0);
    if (look == LOG_LOOK_JSON)
        json_escape(&part, from);
    else
        log_escape_to(&part, from, LOG_ESCAPE_CONTROLS);
    to->at = part.at;
    if (part.overflow)
        put(to, "...");
}

static void write_json(struct writer *to, const struct log_entry *entry)
{
    static const char before_msg[] = "\",\"msg\":\"", end[] = "\"}";
    put(to, "{\"ts\":\"");
    put(to, entry->when);
    put(to, "\",\"level\":\"");
    put(to, level_names[entry->level]);
    put(to, "\",\"about\":\"");
    put_cut(to, entry->about, sizeof(before_msg) + sizeof(end) + sizeof("..."), LOG_LOOK_JSON);
    put(to, before_msg);
    put_cut(to, entry->message, sizeof(end), LOG_LOOK_JSON);
    put(to, end);
}

void log_entry_write(struct writer *to, const struct log_entry *entry, enum log_look look)
{
    if (look == LOG_LOOK_JSON) {
        write_json(to, entry);
        return;
    }
    if (look == LOG_LOOK_LINE) {
        put(to, entry->when);
        put(to, " ");
        put(to, level_names[entry->level]);
        put(to, " ");
    }
    put_cut(to, entry->about, sizeof(": ..."), look);
    put(to, ": ");
    put_cut(to, entry->message, 0, look);
}
