/* log_sink: where log lines go.
 *
 * Stands at the very end of the way of a log line. A line is one system call, so that two
 * processes writing to one sink never mix within a line, and no call may wait: a broker must not
 * stop because nobody reads its log. What a sink does not take at once is lost; log.c counts.
 *
 * Syslog and journal are datagrams to well-known sockets, sent by address each time, so that a
 * restarted daemon there is found again without any state here. */
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const char log_sink_syslog_path[] = "/dev/log";
const char log_sink_journal_path[] = "/run/systemd/journal/socket";

/* RFC 5424 section 6.2.1; the journal's PRIORITY= is the same scale. */
static const int severities[] = {
    [LOG_ERROR] = 3,
    [LOG_WARNING] = 4,
    [LOG_INFO] = 6,
    [LOG_DEBUG] = 7,
};
enum { FACILITY_DAEMON = 3 };

static void look_at_stream(struct log_sink *sink)
{
    struct stat st;
    bool known = fstat(sink->fd, &st) == 0;
    sink->socket = known && S_ISSOCK(st.st_mode);
    sink->waits = !known || !(S_ISREG(st.st_mode) || sink->socket);
}

void log_sink_stderr(struct log_sink *sink)
{
    *sink = (struct log_sink){.kind = LOG_SINK_STREAM, .fd = STDERR_FILENO};
    look_at_stream(sink);
}

/* O_NONBLOCK so that neither opening a FIFO nor writing to one can wait; a file ignores it. */
static int open_path(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    return fd < 0 ? -errno : fd;
}

static int open_file(struct log_sink *sink, const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    int fd = open_path(path);
    if (fd < 0) {
        free(copy);
        return fd;
    }
    *sink = (struct log_sink){.kind = LOG_SINK_STREAM, .fd = fd, .path = copy};
    look_at_stream(sink);
    return 0;
}

/* Connecting only finds out whether somebody is there. */
int log_sink_open_socket(struct log_sink *sink, enum log_sink_kind kind, const char *path)
{
    struct sockaddr_un peer = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(peer.sun_path))
        return -ENAMETOOLONG;
    memcpy(peer.sun_path, path, len + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    *sink = (struct log_sink){.kind = kind, .fd = fd, .peer = peer};
    return 0;
}

int log_sink_open(struct log_sink *sink, const char *to)
{
    if (strcmp(to, "syslog") == 0)
        return log_sink_open_socket(sink, LOG_SINK_SYSLOG, log_sink_syslog_path);
    if (strcmp(to, "journal") == 0)
        return log_sink_open_socket(sink, LOG_SINK_JOURNAL, log_sink_journal_path);
    if (to[0] == '/')
        return open_file(sink, to);
    if (strcmp(to, "stderr") != 0)
        return -EINVAL;
    log_sink_stderr(sink);
    return 0;
}

int log_sink_reopen(struct log_sink *sink)
{
    if (!sink->path)
        return 0;
    int fd = open_path(sink->path);
    if (fd < 0)
        return fd;
    close(sink->fd);
    sink->fd = fd;
    sink->torn = false;
    look_at_stream(sink);
    return 0;
}

void log_sink_close(struct log_sink *sink)
{
    if (sink->kind != LOG_SINK_STREAM || sink->path)
        close(sink->fd);
    free(sink->path);
    *sink = (struct log_sink){.kind = LOG_SINK_STREAM, .fd = -1};
}

static void put(struct writer *to, const char *text)
{
    writer_bytes(to, slice_of_str(text));
}

/* Local time without a zone, which is what RFC 3164 section 4.1.2 asks for. */
static void begin_syslog(struct writer *line, int severity, uint64_t second)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)second;
    struct tm here;
    localtime_r(&seconds, &here);
    char head[64];
    snprintf(head, sizeof(head),
             "<%d>%s %2d %02d:%02d:%02d siotd[%ld]: ", FACILITY_DAEMON * 8 + severity,
             months[here.tm_mon], here.tm_mday, here.tm_hour, here.tm_min, here.tm_sec,
             (long)getpid());
    put(line, head);
}

/* The journal's native protocol: NAME=value lines, where a value holds no newline. */
static void begin_journal(struct writer *line, int severity)
{
    put(line, "PRIORITY=");
    writer_u8(line, (uint8_t)('0' + severity));
    put(line, "\nSYSLOG_IDENTIFIER=siotd\nMESSAGE=");
}

void log_sink_begin(const struct log_sink *sink, struct writer *line, enum log_level level,
                    uint64_t second)
{
    if (sink->kind == LOG_SINK_SYSLOG)
        begin_syslog(line, severities[level], second);
    else if (sink->kind == LOG_SINK_JOURNAL)
        begin_journal(line, severities[level]);
    else if (sink->torn)
        put(line, "\n"); /* this line starts on a line of its own */
}

void log_sink_end(const struct log_sink *sink, struct writer *line)
{
    if (sink->kind != LOG_SINK_SYSLOG)
        put(line, "\n");
}

/* Whether writing would not wait. Of a pipe that nobody reads, poll tells too: there a write would
 * raise SIGPIPE. */
static int ready(int fd)
{
    struct pollfd asked = {.fd = fd, .events = POLLOUT};
    if (poll(&asked, 1, 0) < 0)
        return -errno;
    if (asked.revents & POLLNVAL)
        return -EBADF;
    if (asked.revents & (POLLERR | POLLHUP))
        return -EPIPE;
    return asked.revents & POLLOUT ? 0 : -EAGAIN;
}

static ssize_t send_once(const struct log_sink *sink, struct slice line)
{
    if (sink->kind != LOG_SINK_STREAM)
        return sendto(sink->fd, line.at, line.len, MSG_NOSIGNAL | MSG_DONTWAIT,
                      (const struct sockaddr *)&sink->peer, sizeof(sink->peer));
    if (sink->socket)
        return send(sink->fd, line.at, line.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return write(sink->fd, line.at, line.len);
}

int log_sink_send(struct log_sink *sink, struct slice line)
{
    int err = sink->waits ? ready(sink->fd) : 0;
    if (err)
        return err;
    ssize_t sent;
    do {
        sent = send_once(sink, line);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return -errno;
    if ((size_t)sent < line.len) {
        sink->torn = sink->torn || sent > 0;
        return -ENOSPC;
    }
    sink->torn = false;
    return 0;
}
