/* Tests base/log.c with base/log_entry.c and base/log_escape.c: what lines look like, what is
 * escaped, and that a sink that fails costs lines and nothing else. */
#include "base/log.h"
#include "base/log_entry.h"
#include "base/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/siotd-test-log-XXXXXX";
static char file[64], other[64];
static char content[1 << 16];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(file, sizeof(file), "%s/log", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void open_log(const char *to, enum log_level level, enum log_format format)
{
    struct log_settings settings = {level, format, to};
    assert_int_equal(log_open(&settings), 0);
}

static int after_each(void **state)
{
    (void)state;
    log_capture(NULL);
    open_log(other, LOG_INFO, LOG_TEXT);
    log_line(LOG_ERROR, "siotd", "this takes the news of lost lines along");
    log_close();
    unlink(file);
    unlink(other);
    return 0;
}

static const char *read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t len = fread(content, 1, sizeof(content) - 1, f);
    fclose(f);
    content[len] = 0;
    return content;
}

/* Compares one line behind its time, and the form of the time. */
static void expect_line(const char *line, const char *rest)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; form[i]; i++) {
        if (form[i] == 'd')
            assert_in_range(line[i], '0', '9');
        else
            assert_int_equal(line[i], form[i]);
    }
    assert_string_equal(line + sizeof(form) - 1, rest);
}

static void a_text_line_says_when_how_bad_whom_and_what(void **state)
{
    (void)state;
    open_log(file, LOG_INFO, LOG_TEXT);
    log_line(LOG_INFO, "mqtt/tcp 192.0.2.7:50112 \"sensor-7\"", "closed: keep-alive expired (%d s)",
             90);
    expect_line(read_file(file), "info mqtt/tcp 192.0.2.7:50112 \"sensor-7\": closed: keep-alive "
                                 "expired (90 s)\n");
}

static void json_has_the_same_fields(void **state)
{
    (void)state;
    open_log(file, LOG_DEBUG, LOG_JSON);
    log_line(LOG_WARNING, "mqtt/tcp \"\\x00\"", "a \"b\"\n%s", "\xff");
    static const char head[] = "{\"ts\":\"";
    read_file(file);
    assert_memory_equal(content, head, sizeof(head) - 1);
    assert_string_equal(content + sizeof(head) - 1 + sizeof("2026-11-21T10:00:00.123Z") - 1,
                        "\",\"level\":\"warning\",\"about\":\"mqtt/tcp \\\"\\\\x00\\\"\","
                        "\"msg\":\"a \\\"b\\\"\\n\xef\xbf\xbd\"}\n");
}

static void only_the_levels_asked_for_are_written(void **state)
{
    (void)state;
    for (int level = LOG_ERROR; level <= LOG_DEBUG; level++) {
        open_log(file, (enum log_level)level, LOG_TEXT);
        for (int l = LOG_ERROR; l <= LOG_DEBUG; l++) {
            assert_int_equal(log_enabled((enum log_level)l), l <= level);
            log_line((enum log_level)l, "siotd", "x");
        }
    }
    int lines = 0;
    for (const char *at = read_file(file); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 1 + 2 + 3 + 4);
    assert_non_null(strstr(content, " error siotd: x\n"));
    assert_non_null(strstr(content, " warning siotd: x\n"));
    assert_non_null(strstr(content, " info siotd: x\n"));
    assert_non_null(strstr(content, " debug siotd: x\n"));
}

static void the_time_is_the_present_in_utc(void **state)
{
    (void)state;
    open_log(file, LOG_INFO, LOG_TEXT);
    time_t before = time(NULL);
    log_line(LOG_INFO, "siotd", "now");
    time_t after = time(NULL);
    struct tm utc = {0};
    assert_non_null(strptime(read_file(file), "%Y-%m-%dT%H:%M:%S", &utc));
    assert_in_range(timegm(&utc), before, after);
}

static void the_stamp_follows_seconds_and_milliseconds(void **state)
{
    (void)state;
    char when[LOG_STAMP_SIZE];
    uint64_t second = 0;
    log_entry_stamp(when, &second, 0);
    assert_string_equal(when, "1970-01-01T00:00:00.000Z");
    log_entry_stamp(when, &second, 1795255200123);
    assert_string_equal(when, "2026-11-21T10:00:00.123Z");
    log_entry_stamp(when, &second, 1795255200999);
    assert_string_equal(when, "2026-11-21T10:00:00.999Z");
    log_entry_stamp(when, &second, 1795255201000);
    assert_string_equal(when, "2026-11-21T10:00:01.000Z");
    log_entry_stamp(when, &second, 1795255199007); /* the wall clock may go back */
    assert_string_equal(when, "2026-11-21T09:59:59.007Z");
}

static void a_message_cannot_begin_a_second_line(void **state)
{
    (void)state;
    open_log(file, LOG_INFO, LOG_TEXT);
    log_line(LOG_INFO, "a\rb",
             "one\n2026-11-21T10:00:00.000Z info siotd: forged \x1b[31m \xc2\x9b");
    expect_line(read_file(file),
                "info a\\x0db: one\\x0a2026-11-21T10:00:00.000Z info siotd: forged "
                "\\x1b[31m \\xc2\\x9b\n");
}

static void a_long_line_is_cut_and_stays_one_line(void **state)
{
    (void)state;
    static char e_acute[8192], newlines[8192], about[6000];
    for (size_t i = 0; i + 2 < sizeof(e_acute); i += 2)
        memcpy(e_acute + i, "\xc3\xa9", 3);
    memset(newlines, '\n', sizeof(newlines) - 1);
    memset(about, '"', sizeof(about) - 1);
    static const char *const messages[] = {e_acute, newlines, "short"};
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        for (int i = 0; i < 6; i++) {
            unlink(file);
            open_log(file, LOG_INFO, (enum log_format)format);
            log_line(LOG_INFO, i < 3 ? "siotd" : about, "%s%s", i % 2 ? "x" : "", messages[i % 3]);
            size_t len = strlen(read_file(file));
            assert_in_range(len, i == 2 ? 20 : 2000, 4096);
            assert_ptr_equal(strchr(content, '\n'), content + len - 1);
            assert_true(utf8_well_formed(slice_of(content, len)));
            const char *end = format == LOG_JSON ? "\"}\n" : "\n";
            assert_string_equal(content + len - strlen(end), end);
            if (i != 2 && !(i == 5 && format == LOG_TEXT)) /* the short one fits, or not even it */
                assert_non_null(strstr(content, "..."));
        }
    }
}

static void a_sink_that_cannot_be_opened_leaves_the_former_one(void **state)
{
    (void)state;
    open_log(file, LOG_INFO, LOG_TEXT);
    struct log_settings bad = {LOG_DEBUG, LOG_JSON, "/nonexistent/siotd/log"};
    assert_int_equal(log_open(&bad), -ENOENT);
    bad.to = "stdout";
    assert_int_equal(log_open(&bad), -EINVAL);
    bad.to = folder;
    assert_int_equal(log_open(&bad), -EISDIR);
    assert_false(log_enabled(LOG_DEBUG));
    log_line(LOG_INFO, "siotd", "still here");
    expect_line(read_file(file), "info siotd: still here\n");
}

static void reopening_follows_a_rotated_name(void **state)
{
    (void)state;
    open_log(file, LOG_INFO, LOG_TEXT);
    log_line(LOG_INFO, "siotd", "one");
    assert_int_equal(rename(file, other), 0);
    log_line(LOG_INFO, "siotd", "two");
    assert_int_equal(log_reopen(), 0);
    log_line(LOG_INFO, "siotd", "three");
    expect_line(read_file(file), "info siotd: three\n");
    read_file(other);
    assert_non_null(strstr(content, "one\n"));
    assert_non_null(strstr(content, "two\n"));

    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(log_reopen(), -EISDIR); /* goes on with what it had */
    uint64_t lost = log_lost();
    log_line(LOG_INFO, "siotd", "four");
    assert_int_equal(log_lost(), lost);
    assert_int_equal(rmdir(file), 0);
}

static void a_log_file_is_not_for_everybody(void **state)
{
    (void)state;
    mode_t mask = umask(0);
    open_log(file, LOG_INFO, LOG_TEXT);
    umask(mask);
    struct stat st;
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void a_full_disk_costs_lines_and_is_told_of_later(void **state)
{
    (void)state;
    uint64_t lost = log_lost();
    open_log("/dev/full", LOG_INFO, LOG_TEXT);
    errno = EDOM;
    log_line(LOG_INFO, "siotd", "one");
    log_line(LOG_INFO, "siotd", "two");
    assert_int_equal(errno, EDOM);
    assert_int_equal(log_lost() - lost, 2);
    open_log(file, LOG_INFO, LOG_TEXT);
    log_line(LOG_INFO, "siotd", "three");
    log_line(LOG_INFO, "siotd", "four");
    assert_int_equal(log_lost() - lost, 2);
    read_file(file);
    assert_non_null(strstr(content, "2 log lines were lost here: No space left on device\n"));
    assert_non_null(strstr(content, "info siotd: three\n"));
    assert_null(strstr(strstr(content, "three"), "lost"));
}

/* The end of the allowed file size stands for the end of the disk: part of the line is written. */
static void a_torn_line_does_not_spoil_the_next(void **state)
{
    (void)state;
    open_log(file, LOG_INFO, LOG_TEXT);
    log_line(LOG_INFO, "siotd", "first");
    off_t size = (off_t)strlen(read_file(file));
    struct rlimit before, little;
    void (*former)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little = before;
    little.rlim_cur = (rlim_t)size + 10;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    uint64_t lost = log_lost();
    log_line(LOG_INFO, "siotd", "second");
    log_line(LOG_INFO, "siotd", "third");
    uint64_t lost_then = log_lost();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, former);
    assert_int_equal(lost_then - lost, 2);

    log_line(LOG_INFO, "siotd", "fourth");
    read_file(file);
    assert_int_equal(content[size + 10], '\n');
    char *told = content + size + 11, *end = strchr(told, '\n');
    *end = 0;
    expect_line(told, "error siotd: 2 log lines were lost here: File too large");
    expect_line(end + 1, "info siotd: fourth\n");
}

static void a_fifo_that_nobody_reads_is_no_sink(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(file, 0600), 0);
    struct log_settings settings = {LOG_INFO, LOG_TEXT, file};
    assert_int_equal(log_open(&settings), -ENXIO);
}

/* SIGPIPE is not ignored here: raising it would end the test. */
static void a_reader_that_is_slow_or_gone_stops_nothing(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(file, 0600), 0);
    int reader = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    open_log(file, LOG_INFO, LOG_TEXT);
    uint64_t lost = log_lost();
    for (int i = 0; i < 3000; i++)
        log_line(LOG_INFO, "siotd", "line %d %0100d", i, 0);
    uint64_t lost_full = log_lost() - lost;
    assert_in_range(lost_full, 1000, 2999); /* a pipe holds 64 KiB, fewer lines than that */
    while (read(reader, content, sizeof(content)) > 0)
        continue;
    log_line(LOG_INFO, "siotd", "after");
    ssize_t len = read(reader, content, sizeof(content) - 1);
    assert_true(len > 0);
    content[len] = 0;
    assert_non_null(strstr(content, "log lines were lost here"));
    assert_non_null(strstr(content, "info siotd: after\n"));
    close(reader);
    log_line(LOG_INFO, "siotd", "to nobody");
    assert_int_equal(log_lost() - lost, lost_full + 1);
}

/* Runs `lines` with stderr being the end of a pipe that keeps each write apart, and reads them. */
static void capture_stderr(void (*lines)(void), char out[4][256])
{
    int ends[2], kept = dup(STDERR_FILENO);
    assert_int_equal(pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
    dup2(ends[1], STDERR_FILENO);
    lines();
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[1]);
    for (int i = 0; i < 4; i++) {
        ssize_t len = read(ends[0], out[i], 255);
        out[i][len > 0 ? len : 0] = 0;
    }
    close(ends[0]);
}

static void two_lines_after_closing(void)
{
    log_close();
    log_line(LOG_INFO, "siotd", "one");
    log_line(LOG_ERROR, "siotd", "two");
    log_close();
}

static void after_closing_lines_go_to_stderr_one_write_each(void **state)
{
    (void)state;
    char out[4][256];
    open_log(file, LOG_INFO, LOG_TEXT);
    capture_stderr(two_lines_after_closing, out);
    expect_line(out[0], "info siotd: one\n");
    expect_line(out[1], "error siotd: two\n");
    assert_string_equal(out[2], "");
    assert_string_equal(read_file(file), "");
}

static char captured[256];

static void remember(enum log_level level, const char *about, const char *message)
{
    snprintf(captured, sizeof(captured), "%d|%s|%s", level, about, message);
}

static void a_test_can_listen(void **state)
{
    (void)state;
    open_log(file, LOG_INFO, LOG_TEXT);
    log_capture(remember);
    log_line(LOG_DEBUG, "siotd", "not asked for");
    log_line(LOG_WARNING, "raw/udp", "%s %d", "message", 7);
    assert_string_equal(captured, "1|raw/udp|message 7");
    log_capture(NULL);
    log_line(LOG_INFO, "siotd", "to the file");
    expect_line(read_file(file), "info siotd: to the file\n");
}

static void expect_escaped(struct slice from, const char *to)
{
    char room[LOG_ESCAPED_SIZE];
    assert_ptr_equal(log_escape(room, sizeof(room), from), room);
    assert_string_equal(room, to);
}

static void what_a_stranger_sent_is_made_printable(void **state)
{
    (void)state;
    expect_escaped(SLICE_EMPTY, "");
    expect_escaped(SLICE("sensor-7"), "sensor-7");
    expect_escaped(SLICE("a\nb\0c\x1f\x7f"), "a\\x0ab\\x00c\\x1f\\x7f");
    expect_escaped(SLICE("\"q\" \\n"), "\\x22q\\x22 \\x5cn");
    expect_escaped(SLICE("gr\xc3\xbc\xc3\x9f \xe2\x82\xac"), "gr\xc3\xbc\xc3\x9f \xe2\x82\xac");
    expect_escaped(SLICE("\xc3(\xff\xed\xa0\x80"), "\\xc3(\\xff\\xed\\xa0\\x80");
    expect_escaped(SLICE("\xc2\x80\xc2\x9f\xc2\xa0"), "\\xc2\\x80\\xc2\\x9f\xc2\xa0");
}

static void what_turns_the_line_around_is_escaped(void **state)
{
    (void)state;
    static const uint16_t runes[] = {0x061c, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202b, 0x202c,
                                     0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069, 0xfeff};
    for (size_t i = 0; i < sizeof(runes) / sizeof(runes[0]); i++) {
        uint8_t text[3] = {(uint8_t)(0xe0 | runes[i] >> 12), (uint8_t)(0x80 | (runes[i] >> 6 & 63)),
                           (uint8_t)(0x80 | (runes[i] & 63))};
        size_t skip = runes[i] < 0x800; /* two bytes only */
        text[skip] |= skip ? 0x40 : 0;
        char shown[13];
        snprintf(shown, sizeof(shown), "\\x%02x\\x%02x\\x%02x", text[0], text[1], text[2]);
        expect_escaped(slice_of(text + skip, 3 - skip), shown + 4 * skip);
    }
    /* Their neighbours are text. */
    expect_escaped(SLICE("\u200d\u2010\u2027\u202f\u2065\ufefe"),
                   "\u200d\u2010\u2027\u202f\u2065\ufefe");
}

static void every_single_byte_comes_out_printable(void **state)
{
    (void)state;
    for (int b = 0; b <= 255; b++) {
        uint8_t byte = (uint8_t)b;
        char room[8], hex[8];
        bool plain = b >= 0x20 && b < 0x7f && b != '"' && b != '\\';
        snprintf(hex, sizeof(hex), plain ? "%c" : "\\x%02x", b);
        assert_string_equal(log_escape(room, sizeof(room), slice_of(&byte, 1)), hex);
    }
}

static void escaping_stops_after_128_bytes(void **state)
{
    (void)state;
    uint8_t from[200];
    char room[LOG_ESCAPED_SIZE];
    memset(from, 'a', sizeof(from));
    assert_int_equal(strlen(log_escape(room, sizeof(room), slice_of(from, 128))), 128);
    assert_int_equal(strlen(log_escape(room, sizeof(room), slice_of(from, 129))), 131);
    assert_string_equal(room + 128, "...");
    memset(from, 0, sizeof(from));
    assert_int_equal(strlen(log_escape(room, sizeof(room), slice_of(from, 200))), 128 * 4 + 3);
    memset(from, 'a', sizeof(from));
    memcpy(from + 127, "\xc3\xa9", 2); /* would be half in, half out */
    log_escape(room, sizeof(room), slice_of(from, sizeof(from)));
    assert_int_equal(strlen(room), 127 + 3);
}

static void escaping_never_leaves_the_room_it_is_given(void **state)
{
    (void)state;
    static const struct slice from = {(const uint8_t *)"ab\n\xc3\xa9", 5}; /* 8 characters */
    static const char *const shown[] = {"",     "",      "",      "",      "...",
                                        "a...", "ab...", "ab...", "ab...", "ab\\x0a\xc3\xa9"};
    assert_null(log_escape(NULL, 0, from));
    for (size_t size = 1; size <= 9; size++) {
        char *room = malloc(size); /* exact, for the sanitizer */
        assert_string_equal(log_escape(room, size, from), shown[size]);
        free(room);
    }
}

static void a_rate_lets_so_many_lines_pass_each_second(void **state)
{
    (void)state;
    struct log_rate rate = {0};
    uint32_t missed = 99;
    for (int i = 0; i < 25; i++) {
        assert_int_equal(log_rate_allows(&rate, 5000 + (uint64_t)i, 10, &missed), i < 10);
        assert_int_equal(missed, 0);
    }
    assert_true(log_rate_allows(&rate, 6000, 10, &missed));
    assert_int_equal(missed, 15);
    assert_true(log_rate_allows(&rate, 6001, 10, &missed));
    assert_int_equal(missed, 0);
    assert_false(log_rate_allows(&rate, 9000, 0, &missed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_text_line_says_when_how_bad_whom_and_what, after_each),
        cmocka_unit_test_teardown(json_has_the_same_fields, after_each),
        cmocka_unit_test_teardown(only_the_levels_asked_for_are_written, after_each),
        cmocka_unit_test_teardown(the_time_is_the_present_in_utc, after_each),
        cmocka_unit_test(the_stamp_follows_seconds_and_milliseconds),
        cmocka_unit_test_teardown(a_message_cannot_begin_a_second_line, after_each),
        cmocka_unit_test_teardown(a_long_line_is_cut_and_stays_one_line, after_each),
        cmocka_unit_test_teardown(a_sink_that_cannot_be_opened_leaves_the_former_one, after_each),
        cmocka_unit_test_teardown(reopening_follows_a_rotated_name, after_each),
        cmocka_unit_test_teardown(a_log_file_is_not_for_everybody, after_each),
        cmocka_unit_test_teardown(a_full_disk_costs_lines_and_is_told_of_later, after_each),
        cmocka_unit_test_teardown(a_torn_line_does_not_spoil_the_next, after_each),
        cmocka_unit_test_teardown(a_fifo_that_nobody_reads_is_no_sink, after_each),
        cmocka_unit_test_teardown(a_reader_that_is_slow_or_gone_stops_nothing, after_each),
        cmocka_unit_test_teardown(after_closing_lines_go_to_stderr_one_write_each, after_each),
        cmocka_unit_test_teardown(a_test_can_listen, after_each),
        cmocka_unit_test(what_a_stranger_sent_is_made_printable),
        cmocka_unit_test(what_turns_the_line_around_is_escaped),
        cmocka_unit_test(every_single_byte_comes_out_printable),
        cmocka_unit_test(escaping_stops_after_128_bytes),
        cmocka_unit_test(escaping_never_leaves_the_room_it_is_given),
        cmocka_unit_test(a_rate_lets_so_many_lines_pass_each_second),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
