/* Tests daemon/metrics_file.c, in a folder of its own, on a loop that is run by hand. */
#include "daemon/metrics_file.h"

#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64], place[128], other[128], beside[128], log_path[128];
static uv_loop_t loop;
static struct metrics_file file;

static int start(void **unused)
{
    (void)unused;
    snprintf(folder, sizeof(folder), "/tmp/siotd-metrics-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(place, sizeof(place), "%s/a.prom", folder);
    snprintf(other, sizeof(other), "%s/b.prom", folder);
    snprintf(beside, sizeof(beside), "%s/a.prom.new", folder);
    snprintf(log_path, sizeof(log_path), "%s/log", folder);
    const struct log_settings settings = {.level = LOG_INFO, .to = log_path};
    assert_int_equal(log_open(&settings), 0);
    uv_loop_init(&loop);
    metrics_file_open(&file, &loop, place);
    return 0;
}

static int stop(void **unused)
{
    (void)unused;
    metrics_file_close(&file);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    log_close();
    unlink(log_path);
    assert_int_equal(rmdir(folder), 0); /* nothing has been left behind */
    return 0;
}

static void begin(const char *text)
{
    struct buffer taken = {0};
    buffer_append(&taken, slice_of_str(text));
    metrics_file_write(&file, &taken);
    assert_null(taken.at);
}

static void write_it(const char *text)
{
    begin(text);
    uv_run(&loop, UV_RUN_DEFAULT);
}

static void read_file(const char *path, char to[4096])
{
    int fd = open(path, O_RDONLY);
    ssize_t got = fd < 0 ? 0 : read(fd, to, 4095);
    to[got < 0 ? 0 : got] = '\0';
    if (fd >= 0)
        close(fd);
}

static void expect(const char *path, const char *text)
{
    char got[4096];
    read_file(path, got);
    assert_string_equal(got, text);
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static size_t lines_of_log(const char *text)
{
    char got[4096];
    size_t count = 0;
    read_file(log_path, got);
    for (const char *at = got; (at = strstr(at, text)); at++)
        count++;
    return count;
}

static void it_is_written_whole_and_for_the_group(void **unused)
{
    (void)unused;
    struct stat status;
    mode_t mask = umask(077);
    write_it("siotd_a 1\n");
    umask(mask);
    expect(place, "siotd_a 1\n");
    assert_int_equal(stat(place, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    assert_false(is_there(beside));
    /* who has the former one open goes on to read it whole */
    char got[100];
    int fd = open(place, O_RDONLY);
    write_it("siotd_a 2\nsiotd_b 3\n");
    assert_int_equal(read(fd, got, sizeof(got)), 10);
    assert_memory_equal(got, "siotd_a 1\n", 10);
    close(fd);
    expect(place, "siotd_a 2\nsiotd_b 3\n");
    assert_int_equal(lines_of_log("metrics_file"), 0);
}

static void it_is_removed_at_the_end(void **unused)
{
    (void)unused;
    write_it("siotd_a 1\n");
    metrics_file_close(&file);
    assert_false(is_there(place));
    begin("siotd_a 2\n"); /* nobody wants it any more */
    assert_null(file.under_way);
}

static void what_is_under_way_at_the_end_leaves_nothing(void **unused)
{
    (void)unused;
    begin("siotd_a 1\n");
    assert_non_null(file.under_way);
    metrics_file_close(&file);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_null(file.under_way);
    assert_false(is_there(place));
}

static void one_is_written_at_a_time(void **unused)
{
    (void)unused;
    begin("siotd_a 1\n");
    write_it("siotd_a 2\n"); /* it came too early */
    expect(place, "siotd_a 1\n");
    write_it("siotd_a 3\n");
    expect(place, "siotd_a 3\n");
}

static void it_moves(void **unused)
{
    (void)unused;
    write_it("siotd_a 1\n");
    metrics_file_move(&file, other);
    assert_false(is_there(place));
    write_it("siotd_a 2\n");
    expect(other, "siotd_a 2\n");
    begin("siotd_a 3\n");
    metrics_file_move(&file, place); /* while one is written for the former place */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_false(is_there(other));
    assert_false(is_there(place));
    write_it("siotd_a 4\n");
    expect(place, "siotd_a 4\n");
    static char again[128]; /* borrowed until the end */
    snprintf(again, sizeof(again), "%s", place);
    metrics_file_move(&file, again); /* the same, in other words */
    expect(place, "siotd_a 4\n");
}

static void what_fails_is_said_once_until_it_works_again(void **unused)
{
    (void)unused;
    assert_int_equal(mkdir(place, 0700), 0);
    for (int i = 0; i < 3; i++)
        write_it("siotd_a 1\n");
    assert_int_equal(lines_of_log("a.prom: Is a directory; siotd goes on"), 1);
    assert_false(is_there(beside));
    assert_int_equal(rmdir(place), 0);
    for (int i = 0; i < 3; i++)
        write_it("siotd_a 2\n");
    expect(place, "siotd_a 2\n");
    assert_int_equal(lines_of_log("a.prom is written again"), 1);
    assert_int_equal(lines_of_log("metrics_file"), 2);
}

static void what_lies_in_the_way_is_not_followed(void **unused)
{
    (void)unused;
    char victim[128];
    snprintf(victim, sizeof(victim), "%s/victim", folder);
    close(open(victim, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(symlink(victim, beside), 0);
    assert_int_equal(symlink(victim, place), 0);
    write_it("siotd_a 1\n");
    expect(victim, "");
    expect(place, "siotd_a 1\n");
    struct stat status;
    assert_int_equal(lstat(place, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    unlink(victim);
}

static void a_place_that_cannot_be_is_known_beforehand(void **unused)
{
    (void)unused;
    char below[160];
    assert_int_equal(metrics_file_check(place), 0);
    assert_int_equal(metrics_file_check("a.prom"), 0); /* of the current folder */
    assert_int_equal(metrics_file_check(folder), -EISDIR);
    assert_int_equal(metrics_file_check("/nowhere/at/all.prom"), -ENOENT);
    snprintf(below, sizeof(below), "%s/log/a.prom", folder);
    assert_int_equal(metrics_file_check(below), -ENOTDIR);
    assert_false(is_there(place));
}

static int check_after(struct slice text)
{
    FILE *out = fopen(place, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text.at, 1, text.len, out), text.len);
    fclose(out);
    int error = metrics_file_check(place);
    unlink(place);
    return error;
}

static void only_figures_are_replaced(void **unused)
{
    (void)unused;
    assert_int_equal(check_after(SLICE("")), 0);
    assert_int_equal(check_after(SLICE("\0\0\0\0")), 0);
    assert_int_equal(check_after(SLICE("# HELP siotd_build_info Always 1.\n")), 0);
    assert_int_equal(check_after(SLICE("# HELP siotd")), -EEXIST);
    assert_int_equal(check_after(SLICE("# HELP node_load1 1m load average.\n")), -EEXIST);
    assert_int_equal(check_after(SLICE("listeners:\n")), -EEXIST);
    assert_int_equal(mkfifo(place, 0600), 0);
    assert_int_equal(metrics_file_check(place), -EEXIST);
    unlink(place);
    assert_int_equal(symlink("/dev/null", place), 0);
    assert_int_equal(metrics_file_check(place), -EEXIST);
    unlink(place);
    assert_int_equal(metrics_file_check("/dev/null"), -EEXIST);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(it_is_written_whole_and_for_the_group),
        T(it_is_removed_at_the_end),
        T(what_is_under_way_at_the_end_leaves_nothing),
        T(one_is_written_at_a_time),
        T(it_moves),
        T(what_fails_is_said_once_until_it_works_again),
        T(what_lies_in_the_way_is_not_followed),
        T(a_place_that_cannot_be_is_known_beforehand),
        T(only_figures_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
