/* log_sink: where log lines go. */
#ifndef SIOTD_BASE_LOG_SINK_H
#define SIOTD_BASE_LOG_SINK_H

#include "base/log.h"
#include "base/writer.h"

#include <sys/un.h>

enum log_sink_kind { LOG_SINK_STREAM, LOG_SINK_SYSLOG, LOG_SINK_JOURNAL };

struct log_sink {
    enum log_sink_kind kind;
    int fd;
    bool waits;              /* a pipe, terminal or device: writing may block, so ask first */
    bool socket;             /* stderr may be one, under systemd */
    bool torn;               /* the last line was written in part */
    char *path;              /* owned; a log file's name, else NULL */
    struct sockaddr_un peer; /* syslog and journal */
};

/* LOG_LINE_MAX is PIPE_BUF: what a pipe takes whole or not at all. */
enum { LOG_LINE_MAX = 4096 };

/* The sockets of syslog and journal; other ones in a test. */
extern const char log_sink_syslog_path[], log_sink_journal_path[];

/* Opens the sink that struct log_settings.to names ("syslog" and "journal" at their usual
 * sockets). Returns 0 or -errno with *sink untouched: -EINVAL for a name that is neither a known
 * word nor an absolute path, -ENXIO for a FIFO that nobody reads. */
int log_sink_open(struct log_sink *sink, const char *to);

/* The same for one kind of datagram socket. */
int log_sink_open_socket(struct log_sink *sink, enum log_sink_kind kind, const char *path);

/* The standard error stream, always there. */
void log_sink_stderr(struct log_sink *sink);

/* Opens a file again under its name, and keeps the old one when that fails. Returns 0 (also for
 * sinks that are no file) or -errno. */
int log_sink_reopen(struct log_sink *sink);

/* Closes; stderr itself stays open. */
void log_sink_close(struct log_sink *sink);

/* Writes what this kind of sink wants before the entry, and after it. second: of the time, since
 * 1970. */
void log_sink_begin(const struct log_sink *sink, struct writer *line, enum log_level level,
                    uint64_t second);
void log_sink_end(const struct log_sink *sink, struct writer *line);

/* Hands one whole line to the kernel, without waiting. Returns 0, or -errno when the line is
 * lost: -EAGAIN when the sink is full. */
int log_sink_send(struct log_sink *sink, struct slice line);

#endif
