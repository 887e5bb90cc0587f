/* Tests base/log_sink.c: what syslog and the journal are sent, at sockets of the test's own, and
 * stderr being a socket. */
#include "base/log_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/siotd-test-sink-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/socket", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int listen_at_path(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, path, strlen(path) + 1);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* Sends one entry as log.c does and returns what arrived. */
static const char *send_one(struct log_sink *sink, enum log_level level, const char *entry,
                            uint64_t second, int receiver)
{
    static char arrived[LOG_LINE_MAX + 1];
    uint8_t bytes[LOG_LINE_MAX];
    struct writer line = writer_of(bytes, sizeof(bytes));
    log_sink_begin(sink, &line, level, second);
    writer_bytes(&line, slice_of_str(entry));
    log_sink_end(sink, &line);
    assert_false(line.overflow);
    assert_int_equal(log_sink_send(sink, slice_of(bytes, writer_len(&line))), 0);
    ssize_t len = recv(receiver, arrived, sizeof(arrived) - 1, 0);
    assert_true(len > 0);
    arrived[len] = 0;
    return arrived;
}

static void the_journal_gets_priority_identifier_and_message(void **state)
{
    (void)state;
    int receiver = listen_at_path();
    struct log_sink sink;
    assert_int_equal(log_sink_open_socket(&sink, LOG_SINK_JOURNAL, path), 0);
    static const char *const priorities[] = {"3", "4", "6", "7"};
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        char expected[128];
        snprintf(expected, sizeof(expected),
                 "PRIORITY=%s\nSYSLOG_IDENTIFIER=siotd\nMESSAGE=siotd: ready\n", priorities[level]);
        assert_string_equal(send_one(&sink, (enum log_level)level, "siotd: ready", 0, receiver),
                            expected);
    }
    log_sink_close(&sink);
    close(receiver);
}

static void syslog_gets_facility_time_and_process(void **state)
{
    (void)state;
    int receiver = listen_at_path();
    struct log_sink sink;
    assert_int_equal(log_sink_open_socket(&sink, LOG_SINK_SYSLOG, path), 0);
    setenv("TZ", "CET-1", 1);
    tzset();
    char expected[128]; /* daemon is 3 * 8; the day is padded with a blank (RFC 3164, 4.1.2) */
    snprintf(expected, sizeof(expected), "<28>Nov  1 11:00:00 siotd[%ld]: siotd: hot",
             (long)getpid());
    assert_string_equal(send_one(&sink, LOG_WARNING, "siotd: hot", 1793527200, receiver), expected);
    unsetenv("TZ");
    tzset();
    log_sink_close(&sink);
    close(receiver);
}

static void a_restarted_journal_is_found_again(void **state)
{
    (void)state;
    int receiver = listen_at_path();
    struct log_sink sink;
    assert_int_equal(log_sink_open_socket(&sink, LOG_SINK_JOURNAL, path), 0);
    close(receiver);
    assert_int_equal(log_sink_send(&sink, SLICE("lost")), -ECONNREFUSED);
    unlink(path);
    assert_int_equal(log_sink_send(&sink, SLICE("lost")), -ENOENT);
    receiver = listen_at_path();
    assert_non_null(strstr(send_one(&sink, LOG_INFO, "siotd: again", 0, receiver), "again"));
    log_sink_close(&sink);
    close(receiver);
}

static void a_journal_that_does_not_read_makes_nobody_wait(void **state)
{
    (void)state;
    int receiver = listen_at_path(), sent = 0;
    struct log_sink sink;
    assert_int_equal(log_sink_open_socket(&sink, LOG_SINK_JOURNAL, path), 0);
    while (sent < 100000 && log_sink_send(&sink, SLICE("MESSAGE=x\n")) == 0)
        sent++;
    assert_in_range(sent, 1, 99999);
    assert_int_equal(log_sink_send(&sink, SLICE("MESSAGE=x\n")), -EAGAIN);
    log_sink_close(&sink);
    close(receiver);
}

static void a_socket_that_is_not_there_is_an_error(void **state)
{
    (void)state;
    struct log_sink sink = {.fd = 77};
    unlink(path);
    assert_int_equal(log_sink_open_socket(&sink, LOG_SINK_SYSLOG, path), -ENOENT);
    char endless[300];
    memset(endless, 'x', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = 0;
    assert_int_equal(log_sink_open_socket(&sink, LOG_SINK_SYSLOG, endless), -ENAMETOOLONG);
    assert_int_equal(sink.fd, 77);
}

/* Under systemd, stderr is a stream socket to the journal; it must not be made non-blocking, for
 * it is shared, and yet nothing may wait for it. */
static void stderr_as_a_socket_never_waits(void **state)
{
    (void)state;
    int pair[2], kept = dup(STDERR_FILENO), sent = 0, err = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    dup2(pair[0], STDERR_FILENO);
    struct log_sink sink;
    log_sink_stderr(&sink);
    while (sent < 100000 && err == 0) {
        err = log_sink_send(&sink, SLICE("siotd: a line\n"));
        sent += err == 0;
    }
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    close(pair[1]);
    int err_gone = log_sink_send(&sink, SLICE("siotd: a line\n")); /* and raises no SIGPIPE */
    log_sink_close(&sink);
    bool open_still = fcntl(STDERR_FILENO, F_GETFD) >= 0;
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(pair[0]);
    assert_int_equal(err, -EAGAIN);
    assert_in_range(sent, 1, 99999);
    assert_int_equal(flags & O_NONBLOCK, 0);
    assert_true(err_gone == -EPIPE || err_gone == -ECONNRESET);
    assert_true(open_still);
}

static void stderr_that_is_closed_is_an_error_and_no_more(void **state)
{
    (void)state;
    int kept = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    struct log_sink sink;
    log_sink_stderr(&sink);
    int err = log_sink_send(&sink, SLICE("x\n"));
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(err, -EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_journal_gets_priority_identifier_and_message),
        cmocka_unit_test(syslog_gets_facility_time_and_process),
        cmocka_unit_test(a_restarted_journal_is_found_again),
        cmocka_unit_test(a_journal_that_does_not_read_makes_nobody_wait),
        cmocka_unit_test(a_socket_that_is_not_there_is_an_error),
        cmocka_unit_test(stderr_as_a_socket_never_waits),
        cmocka_unit_test(stderr_that_is_closed_is_an_error_and_no_more),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
