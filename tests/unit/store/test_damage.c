/* The store among hostile files, other processes and disks that are full or fail. */
#include "base/log.h"
#include "shelf.h"
#include "store/checksum.h"
#include "store/schema.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

static int make(void **state)
{
    *state = shelf_make();
    return 0;
}

static int end(void **state)
{
    shelf_free(*state);
    return 0;
}

/* A store with one of each, closed. */
static void keep_some(struct shelf *shelf)
{
    shelf_open(shelf);
    shelf_put(shelf, ROW_SESSION, 1, 0, 0, "", "alice", NULL);
    shelf_put(shelf, ROW_SUBSCRIPTION, 1, 0, 0, "a/#", "qos 1", NULL);
    for (uint64_t i = 1; i <= 100; i++)
        shelf_queue(shelf, 1, i, i);
    shelf_put(shelf, ROW_RETAINED, 0, 0, 7, "a/b", "", NULL);
    shelf_put(shelf, ROW_NOTE, 0, 0, 0, "mqtt:x", "note", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    shelf_close(shelf);
}

static int count_rows(const struct shelf *shelf)
{
    int rows = 0;
    for (const char *at = shelf->rows; (at = strchr(at, '\n')); at++)
        rows++;
    return rows;
}

static struct store_counts counts_of(struct shelf *shelf)
{
    struct store_counts counts;
    store_count(shelf->store, &counts);
    return counts;
}

static unsigned mode_of(const struct shelf *shelf, const char *name)
{
    struct stat status;
    assert_int_equal(stat(shelf_path(shelf, name), &status), 0);
    return status.st_mode & 07777;
}

/* ---- who may touch it (vuln-22) ---- */

static void a_missing_folder_is_made_for_us_alone(void **state)
{
    struct shelf *shelf = *state;
    char folder[64];
    strcpy(folder, shelf->folder);
    strcat(shelf->folder, "/inner");
    shelf_open(shelf);
    shelf_queue(shelf, 1, 1, 1);
    shelf_commit(shelf);
    assert_int_equal(mode_of(shelf, "."), 0700);
    assert_int_equal(mode_of(shelf, "siotd.db"), 0600);
    assert_int_equal(mode_of(shelf, "siotd.db-wal"), 0600);
    assert_int_equal(mode_of(shelf, "siotd.db-shm"), 0600);
    assert_int_equal(mode_of(shelf, "siotd.lock"), 0600);
    shelf_close(shelf);
    strcpy(shelf->folder, folder);
}

static void files_that_others_could_read_are_closed_to_them(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    shelf_queue(shelf, 1, 1, 1);
    shelf_commit(shelf);
    shelf_crash(shelf);
    shelf_shell(shelf, "chmod 644 siotd.db siotd.db-wal");
    shelf_open(shelf);
    assert_int_equal(mode_of(shelf, "siotd.db"), 0600);
    assert_int_equal(mode_of(shelf, "siotd.db-wal"), 0600);
}

static void a_folder_that_others_may_write_to_is_refused(void **state)
{
    struct shelf *shelf = *state;
    shelf_shell(shelf, "chmod 770 .");
    assert_int_equal(shelf_try_open(shelf), -EPERM);
    assert_non_null(strstr(shelf->why, "others may write to it (mode 0770)"));
    shelf_shell(shelf, "chmod 707 .");
    assert_int_equal(shelf_try_open(shelf), -EPERM);
    shelf_shell(shelf, "chmod 755 .");
    shelf_open(shelf);
}

static void a_database_that_is_a_link_is_refused(void **state)
{
    struct shelf *shelf = *state;
    shelf_shell(shelf, "touch other; ln -s other siotd.db");
    assert_int_equal(shelf_try_open(shelf), -ELOOP);
    shelf_shell(shelf, "rm siotd.db; ln other siotd.db");
    assert_int_equal(shelf_try_open(shelf), -EPERM);
    shelf_shell(shelf, "rm siotd.db; mkdir siotd.db");
    assert_int_not_equal(shelf_try_open(shelf), 0);
}

static void a_folder_without_a_parent_is_refused(void **state)
{
    struct shelf *shelf = *state;
    char folder[64];
    strcpy(folder, shelf->folder);
    strcat(shelf->folder, "/a/b");
    assert_int_equal(shelf_try_open(shelf), -ENOENT);
    strcpy(shelf->folder, folder);
    shelf_shell(shelf, "touch file");
    strcat(shelf->folder, "/file");
    assert_int_equal(shelf_try_open(shelf), -ENOTDIR);
    strcpy(shelf->folder, folder);
}

static void a_second_siotd_is_refused(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    struct store *first = shelf->store;
    assert_int_equal(shelf_try_open(shelf), -EBUSY);
    assert_non_null(strstr(shelf->why, "already in use by another siotd"));
    assert_null(shelf->store);
    shelf->store = first;
    shelf_queue(shelf, 1, 1, 1);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    shelf_close(shelf);
    shelf_open(shelf);
}

/* ---- versions and strangers ---- */

static void write_version(struct shelf *shelf, int version, int in_header)
{
    char command[256];
    struct kept row = {.kind = SCHEMA_KIND, .number = (uint64_t)version};
    snprintf(command, sizeof(command),
             "sqlite3 siotd.db 'UPDATE store SET version = %d, sum = %lld;"
             " PRAGMA user_version = %d'",
             version, (long long)checksum_row(&row), in_header);
    assert_string_equal(shelf_shell(shelf, command), "");
}

static void a_newer_store_is_refused_and_left_as_it_is(void **state)
{
    struct shelf *shelf = *state;
    keep_some(shelf);
    write_version(shelf, 3, 3);
    char before[128];
    strcpy(before, shelf_shell(shelf, "cksum siotd.db"));
    assert_int_equal(shelf_try_open(shelf), -EINVAL);
    assert_non_null(strstr(shelf->why, "is of a newer siotd (version 3, this one knows 2)"));
    assert_string_equal(shelf_shell(shelf, "cksum siotd.db"), before);
}

static void a_version_that_only_the_header_says_is_damage(void **state)
{
    struct shelf *shelf = *state;
    keep_some(shelf);
    write_version(shelf, 2, 258);
    shelf_open(shelf);
    assert_int_equal(count_rows(shelf), 204);
    assert_int_equal(counts_of(shelf).set_aside, 1);
    assert_int_equal(counts_of(shelf).salvaged, 204);
}

static void somebody_elses_database_is_refused_and_left_as_it_is(void **state)
{
    struct shelf *shelf = *state;
    shelf_shell(shelf, "sqlite3 siotd.db 'CREATE TABLE recipes (name TEXT)'");
    char before[128];
    strcpy(before, shelf_shell(shelf, "cksum siotd.db"));
    assert_int_equal(shelf_try_open(shelf), -EINVAL);
    assert_non_null(strstr(shelf->why, "not siotd's"));
    assert_string_equal(shelf_shell(shelf, "cksum siotd.db"), before);
}

static enum sql_result add_colour(struct sql *sql)
{
    return sql_run(sql, "ALTER TABLE sessions ADD COLUMN colour TEXT");
}

static enum sql_result stumble(struct sql *sql)
{
    sql_run(sql, "DELETE FROM sessions");
    return SQL_FAILED;
}

static void an_older_store_is_brought_up_in_one_step_or_not_at_all(void **state)
{
    struct shelf *shelf = *state;
    struct sql *sql;
    int64_t number;
    keep_some(shelf);
    assert_int_equal(sql_open(shelf_path(shelf, "siotd.db"), SQL_WRITE, &sql), SQL_DONE);
    const struct schema_step broken[] = {{NULL}, {NULL}, {add_colour}, {stumble}};
    assert_int_equal(schema_migrate(sql, broken, 4, 2), SQL_FAILED);
    assert_int_equal(sql_ask(sql, "PRAGMA user_version", &number), SQL_DONE);
    assert_int_equal(number, 2);
    assert_int_equal(sql_ask(sql, "SELECT count(*) FROM sessions", &number), SQL_DONE);
    assert_int_equal(number, 1);
    const struct schema_step steps[] = {{NULL}, {NULL}, {add_colour}};
    assert_int_equal(schema_migrate(sql, steps, 3, 2), SQL_DONE);
    assert_int_equal(sql_ask(sql, "SELECT version FROM store", &number), SQL_DONE);
    assert_int_equal(number, 3);
    sql_close(sql);
    assert_int_equal(shelf_try_open(shelf), -EINVAL); /* newer than we are */
}

/* As version 1 has made it, which did not count. */
static void make_version_1(struct shelf *shelf)
{
    keep_some(shelf);
    assert_string_equal(shelf_shell(shelf, "sqlite3 siotd.db 'DROP TABLE named'"), "");
    write_version(shelf, 1, 1);
}

static void a_store_of_version_1_is_brought_up_with_all_it_has(void **state)
{
    struct shelf *shelf = *state;
    make_version_1(shelf);
    shelf_open(shelf);
    assert_int_equal(count_rows(shelf), 204);
    assert_int_equal(counts_of(shelf).set_aside, 0);
    shelf_put(shelf, ROW_NAMED, 0, 2, 1, "", "", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    shelf_reopen(shelf);
    assert_int_equal(count_rows(shelf), 205);
    shelf_close(shelf);
    assert_string_equal(shelf_shell(shelf, "sqlite3 siotd.db 'PRAGMA user_version'"), "2\n");
}

static void a_damaged_store_of_version_1_is_salvaged(void **state)
{
    struct shelf *shelf = *state;
    make_version_1(shelf);
    write_version(shelf, 1, 257);
    shelf_open(shelf);
    assert_int_equal(count_rows(shelf), 204);
    assert_int_equal(counts_of(shelf).salvaged, 204);
}

/* ---- damage (vuln-23) ---- */

static void what_is_no_database_is_set_aside(void **state)
{
    struct shelf *shelf = *state;
    shelf_shell(shelf,
                "head -c 100000 /dev/urandom > siotd.db; head -c 9000 /dev/urandom > siotd.db-wal");
    shelf_open(shelf);
    assert_string_equal(shelf->rows, "");
    assert_int_equal(counts_of(shelf).set_aside, 1);
    assert_string_equal(shelf_shell(shelf, "ls siotd.db.damaged-*Z | wc -l"), "1\n");
    assert_string_equal(shelf_shell(shelf, "ls siotd.db.new siotd.db.graft 2>/dev/null"), "");
    shelf_queue(shelf, 1, 1, 1);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
}

static void a_file_that_was_cut_gives_what_is_left(void **state)
{
    struct shelf *shelf = *state;
    keep_some(shelf);
    for (int pages = 24; pages >= 0; pages--) {
        char command[64];
        shelf_shell(shelf, "cp siotd.db whole; rm -f siotd.db.damaged*");
        snprintf(command, sizeof(command), "truncate -s %d siotd.db",
                 pages * 4096 - (pages ? 96 : 0));
        shelf_shell(shelf, command);
        shelf_open(shelf);
        assert_true(count_rows(shelf) <= 204);
        shelf_close(shelf);
        shelf_shell(shelf, "mv whole siotd.db");
    }
    shelf_open(shelf);
    assert_int_equal(count_rows(shelf), 204);
}

static void overwrite_page(struct shelf *shelf, int page)
{
    char command[128];
    snprintf(command, sizeof(command),
             "head -c 4096 /dev/urandom | dd of=siotd.db bs=4096 seek=%d conv=notrunc status=none",
             page);
    assert_string_equal(shelf_shell(shelf, command), "");
}

static void each_page_that_is_garbage_costs_only_what_was_on_it(void **state)
{
    struct shelf *shelf = *state;
    keep_some(shelf);
    int pages = atoi(shelf_shell(shelf, "sqlite3 siotd.db 'PRAGMA page_count'"));
    assert_true(pages >= 10);
    shelf_shell(shelf, "cp siotd.db whole");
    for (int page = 0; page < pages; page++) {
        shelf_shell(shelf, "rm -f siotd.db*; cp whole siotd.db; chmod 600 siotd.db");
        overwrite_page(shelf, page);
        shelf_open(shelf);
        if (page == 0) /* all others are there */
            assert_int_equal(count_rows(shelf), 204);
        shelf_queue(shelf, 9, 9, 999);
        assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
        shelf_close(shelf);
    }
}

static void a_hole_in_the_middle_is_gone_around(void **state)
{
    struct shelf *shelf = *state;
    shelf_open(shelf);
    for (uint64_t i = 1; i <= 2000; i++) {
        shelf_queue(shelf, 1 + i / 1000, i, i);
        if (i % 200 == 0)
            shelf_commit(shelf);
    }
    shelf_close(shelf);
    int middle = atoi(shelf_shell(
        shelf, "sqlite3 siotd.db \"SELECT pageno FROM dbstat WHERE name = 'messages' AND"
               " pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 10\""));
    assert_true(middle > 0);
    overwrite_page(shelf, middle - 1);
    shelf_open(shelf);
    int rows = count_rows(shelf); /* the shelf's core takes queued rows without their message */
    assert_true(rows < 4000 && rows > 3800);
    assert_non_null(strstr(shelf->rows, "message 0 0 1 "));
    assert_non_null(strstr(shelf->rows, "message 0 0 2000 "));
    assert_int_equal(counts_of(shelf).set_aside, 1);
}

static void a_row_with_a_wrong_sum_is_never_given(void **state)
{
    struct shelf *shelf = *state;
    keep_some(shelf);
    shelf_shell(shelf,
                "sqlite3 siotd.db \"UPDATE messages SET payload = x'00' WHERE message = 5\"");
    shelf_open(shelf);
    assert_null(strstr(shelf->rows, "message 0 0 5 "));
    assert_int_equal(counts_of(shelf).damaged_rows, 1);
    assert_int_equal(counts_of(shelf).set_aside, 0);
    /* One that is damaged while siotd runs is left out when it is fetched. */
    shelf_shell(shelf, "sqlite3 siotd.db \"UPDATE queued SET body = x'00' WHERE number = 8\"");
    assert_string_equal(shelf_fetch(shelf, 1, 7, 2), "7 7 qos 1|head 7|payload 7\n"
                                                     "9 9 qos 1|head 9|payload 9\n");
    assert_int_equal(counts_of(shelf).damaged_rows, 2);
    /* Where SQLite does not check the order of rows, all is rebuilt. */
    shelf_reopen(shelf);
    assert_int_equal(counts_of(shelf).set_aside, 1);
    assert_null(strstr(shelf->rows, "queued 1 8 "));
    assert_non_null(strstr(shelf->rows, "queued 1 9 "));
}

static void a_replacement_that_was_interrupted_is_finished(void **state)
{
    struct shelf *shelf = *state;
    keep_some(shelf);
    shelf_shell(shelf, "mv siotd.db siotd.db.new; echo log of the old one > siotd.db-wal");
    shelf_open(shelf);
    assert_int_equal(count_rows(shelf), 204);
    assert_string_equal(shelf_shell(shelf, "cat siotd.db.damaged-*-wal"), "log of the old one\n");
    shelf_close(shelf);
    shelf_shell(shelf, "echo half > siotd.db.new");
    shelf_open(shelf);
    assert_int_equal(count_rows(shelf), 204);
    assert_string_equal(shelf_shell(shelf, "ls siotd.db.new 2>/dev/null"), "");
}

static void damage_under_way_ends_all_trust(void **state)
{
    struct shelf *shelf = *state;
    keep_some(shelf);
    shelf_open(shelf);
    shelf_shell(shelf, "sqlite3 siotd.db 'DROP TABLE notes'");
    shelf_put(shelf, ROW_NOTE, 0, 0, 0, "n", "v", NULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_FAILED);
    assert_int_equal(shelf->failed, 1);
    assert_non_null(strstr(shelf->failed_why, "a batch could not be committed"));
    assert_int_equal(shelf_commit(shelf), COMMIT_FAILED);
    assert_int_equal(shelf->failed, 1);
    shelf_fetch(shelf, 1, 0, 1);
    assert_true(shelf->unreadable);
    shelf_reopen(shelf);
    assert_int_equal(count_rows(shelf), 203);
    assert_int_equal(counts_of(shelf).set_aside, 1);
}

/* ---- the log of a siotd that was killed ---- */

enum { LOG_FRAME = 4120, LOG_HEAD = 32 };

/* Ten commits that are only in the log; returns the number of its frames. */
static int leave_a_log(struct shelf *shelf)
{
    shelf_open(shelf);
    for (uint64_t i = 1; i <= 10; i++) {
        shelf_queue(shelf, 1, i, i);
        assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    }
    shelf_crash(shelf);
    return (atoi(shelf_shell(shelf, "stat -c %s siotd.db-wal")) - LOG_HEAD) / LOG_FRAME;
}

static void overwrite_byte(struct shelf *shelf, int at)
{
    char command[128];
    snprintf(command, sizeof(command),
             "printf '\\125' | dd of=siotd.db-wal bs=1 seek=%d conv=notrunc status=none", at);
    assert_string_equal(shelf_shell(shelf, command), "");
}

static void a_log_that_was_cut_at_its_end_is_no_damage(void **state)
{
    struct shelf *shelf = *state;
    int frames = leave_a_log(shelf);
    shelf_shell(shelf, "mkdir whole; cp siotd.db* whole");
    for (int cut = 1; cut <= 3; cut++) {
        char command[128];
        snprintf(command, sizeof(command),
                 "rm -f siotd.db*; cp whole/* .; truncate -s -%d siotd.db-wal",
                 cut * LOG_FRAME - 100);
        shelf_shell(shelf, command);
        shelf_open(shelf);
        assert_int_equal(counts_of(shelf).lost_commits, 0);
        assert_true(count_rows(shelf) >= 2 * (10 - 2 * cut) && count_rows(shelf) < 20);
        shelf_close(shelf);
    }
    assert_true(frames > 10);
}

static void a_log_that_is_damaged_before_its_end_is_told_of(void **state)
{
    struct shelf *shelf = *state;
    int frames = leave_a_log(shelf);
    overwrite_byte(shelf, LOG_HEAD + frames * 2 / 3 * LOG_FRAME + 4000);
    shelf_open(shelf);
    uint64_t lost = counts_of(shelf).lost_commits;
    assert_true(lost >= 2 && lost <= 7);
    assert_in_range(count_rows(shelf), 20 - 2 * (int)lost - 2, 20 - 2 * (int)lost);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    shelf_close(shelf);
    shelf_open(shelf);
    assert_int_equal(counts_of(shelf).lost_commits, 0);
}

static void a_log_whose_head_is_damaged_is_told_of(void **state)
{
    struct shelf *shelf = *state;
    leave_a_log(shelf);
    overwrite_byte(shelf, 17);
    shelf_open(shelf);
    assert_int_equal(counts_of(shelf).lost_commits, 1);
}

/* ---- space ---- */

static void a_full_disk_refuses_and_is_got_over(void **state)
{
    struct shelf *shelf = *state;
    struct rlimit before, small;
    char payload[20001];
    memset(payload, 'x', 20000);
    payload[20000] = '\0';
    signal(SIGXFSZ, SIG_IGN); /* the write fails instead */
    getrlimit(RLIMIT_FSIZE, &before);
    keep_some(shelf);
    shelf_open(shelf);
    small = (struct rlimit){200000, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    for (uint64_t i = 0; i < 20; i++)
        shelf_put(shelf, ROW_MESSAGE, 0, 0, 1000 + i, "", "", payload);
    shelf_put(shelf, ROW_NOTE, 0, 0, 0, "mqtt:new", "note", NULL);
    shelf_commit(shelf);
    assert_string_equal(shelf->failed_why, "");
    assert_int_equal(shelf->outcome, COMMIT_FULL);
    assert_int_equal(shelf_commit(shelf), COMMIT_FULL);
    assert_true(counts_of(shelf).full);
    assert_string_equal(shelf_fetch(shelf, 1, 1, 1), "1 1 qos 1|head 1|payload 1\n");
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_false(counts_of(shelf).full);
    assert_int_equal(shelf->failed, 0);
    shelf_reopen(shelf);
    assert_non_null(strstr(shelf->rows, "mqtt:new"));
}

/* ---- other processes ---- */

static void whoever_holds_the_lock_delays_but_breaks_nothing(void **state)
{
    struct shelf *shelf = *state;
    struct sql *other;
    shelf_open(shelf);
    assert_int_equal(sql_open(shelf_path(shelf, "siotd.db"), SQL_WRITE, &other), SQL_DONE);
    assert_int_equal(sql_run(other, "BEGIN IMMEDIATE"), SQL_DONE);
    shelf_queue(shelf, 1, 1, 1);
    assert_int_equal(shelf_commit(shelf), COMMIT_FULL);
    assert_int_equal(sql_run(other, "ROLLBACK"), SQL_DONE);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    sql_close(other);
    assert_int_equal(shelf->failed, 0);
}

static void a_reader_sees_its_own_moment_and_holds_nobody_up(void **state)
{
    struct shelf *shelf = *state;
    struct sql *other;
    int64_t rows;
    keep_some(shelf);
    shelf_open(shelf);
    assert_int_equal(sql_open(shelf_path(shelf, "siotd.db"), SQL_READ, &other), SQL_DONE);
    assert_int_equal(sql_run(other, "BEGIN"), SQL_DONE);
    assert_int_equal(sql_ask(other, "SELECT count(*) FROM queued", &rows), SQL_DONE);
    shelf_queue(shelf, 1, 1000, 1000);
    assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
    assert_int_equal(sql_ask(other, "SELECT count(*) FROM queued", &rows), SQL_DONE);
    assert_int_equal(rows, 100);
    assert_int_equal(sql_run(other, "COMMIT"), SQL_DONE);
    assert_int_equal(sql_ask(other, "SELECT count(*) FROM queued", &rows), SQL_DONE);
    assert_int_equal(rows, 101);
    sql_close(other);
}

static void keep_line(void *to, const char *line)
{
    char *lines = to;
    size_t length = strlen(lines);
    snprintf(lines + length, 4096 - length, "%s\n", line);
}

static void a_store_can_be_copied_while_it_is_used(void **state)
{
    struct shelf *shelf = *state;
    static const char *const ways[] = {
        "rm -rf copy; mkdir copy; sqlite3 siotd.db '.backup copy/siotd.db'",
        "rm -rf copy; mkdir copy; sqlite3 siotd.db \"VACUUM INTO 'copy/siotd.db'\""};
    keep_some(shelf);
    shelf_open(shelf);
    for (int i = 0; i < 2; i++) {
        char lines[4096] = "";
        uint64_t number = 200 + (uint64_t)i;
        shelf_queue(shelf, 1, number, number);
        assert_int_equal(shelf_commit(shelf), COMMIT_DONE);
        assert_string_equal(shelf_shell(shelf, ways[i]), "");
        assert_int_equal(store_verify(shelf_path(shelf, "copy"), keep_line, lines), 0);
        assert_int_equal(strtol(lines, NULL, 10), 206 + 2 * i);
        shelf_shell(shelf, "rm -rf restored; cp -r copy restored; chmod 700 restored");
        struct shelf other = *shelf;
        strcat(other.folder, "/restored");
        other.rows = strdup("");
        shelf_open(&other);
        assert_int_equal(count_rows(&other), 206 + 2 * i);
        shelf_close(&other);
        free(other.rows);
    }
}

/* ---- verification ---- */

static void verification_says_what_is_wrong_and_changes_nothing(void **state)
{
    struct shelf *shelf = *state;
    char lines[4096] = "", before[256];
    keep_some(shelf);
    assert_int_equal(store_verify(shelf->folder, keep_line, lines), 0);
    assert_string_equal(lines, "204 rows, 0 findings: clean\n");
    shelf_shell(shelf, "sqlite3 siotd.db \"UPDATE messages SET body = x'01' WHERE message = 3;"
                       " DELETE FROM messages WHERE message = 4; DELETE FROM sessions\"");
    strcpy(before, shelf_shell(shelf, "cksum siotd.db"));
    lines[0] = '\0';
    assert_int_equal(store_verify(shelf->folder, keep_line, lines), 1);
    assert_string_equal(lines,
                        "messages: wrong sum: session 0, number 0, message 3\n"
                        "queued without its message: session 1, number 4\n"
                        "queued for a session that is not there: session 1, number 0\n"
                        "a subscription of a session that is not there: session 1, number 0\n"
                        "202 rows, 4 findings: damaged\n");
    assert_string_equal(shelf_shell(shelf, "cksum siotd.db"), before);
}

static void verification_sees_damaged_pages(void **state)
{
    struct shelf *shelf = *state;
    char lines[4096] = "";
    keep_some(shelf);
    int pages = atoi(shelf_shell(shelf, "sqlite3 siotd.db 'PRAGMA page_count'"));
    overwrite_page(shelf, pages - 1);
    assert_int_equal(store_verify(shelf->folder, keep_line, lines), 1);
    shelf_shell(shelf, "head -c 20000 /dev/urandom > siotd.db");
    assert_int_equal(store_verify(shelf->folder, keep_line, lines), 1);
    shelf_shell(shelf, "rm siotd.db");
    assert_int_equal(store_verify(shelf->folder, keep_line, lines), -ENOENT);
}

static void verification_reads_what_only_the_log_has(void **state)
{
    struct shelf *shelf = *state;
    char lines[4096] = "";
    shelf_open(shelf);
    shelf_put(shelf, ROW_SESSION, 1, 0, 0, "", "s", NULL);
    shelf_queue(shelf, 1, 1, 1);
    shelf_commit(shelf);
    assert_int_equal(store_verify(shelf->folder, keep_line, lines), 0);
    shelf_crash(shelf);
    assert_int_equal(store_verify(shelf->folder, keep_line, lines), 0);
    assert_string_equal(lines, "3 rows, 0 findings: clean\n3 rows, 0 findings: clean\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, end)
    const struct CMUnitTest tests[] = {
        TEST(a_missing_folder_is_made_for_us_alone),
        TEST(files_that_others_could_read_are_closed_to_them),
        TEST(a_folder_that_others_may_write_to_is_refused),
        TEST(a_database_that_is_a_link_is_refused),
        TEST(a_folder_without_a_parent_is_refused),
        TEST(a_second_siotd_is_refused),
        TEST(a_newer_store_is_refused_and_left_as_it_is),
        TEST(a_version_that_only_the_header_says_is_damage),
        TEST(a_store_of_version_1_is_brought_up_with_all_it_has),
        TEST(a_damaged_store_of_version_1_is_salvaged),
        TEST(somebody_elses_database_is_refused_and_left_as_it_is),
        TEST(an_older_store_is_brought_up_in_one_step_or_not_at_all),
        TEST(what_is_no_database_is_set_aside),
        TEST(a_file_that_was_cut_gives_what_is_left),
        TEST(each_page_that_is_garbage_costs_only_what_was_on_it),
        TEST(a_hole_in_the_middle_is_gone_around),
        TEST(a_row_with_a_wrong_sum_is_never_given),
        TEST(a_replacement_that_was_interrupted_is_finished),
        TEST(damage_under_way_ends_all_trust),
        TEST(a_log_that_was_cut_at_its_end_is_no_damage),
        TEST(a_log_that_is_damaged_before_its_end_is_told_of),
        TEST(a_log_whose_head_is_damaged_is_told_of),
        TEST(a_full_disk_refuses_and_is_got_over),
        TEST(whoever_holds_the_lock_delays_but_breaks_nothing),
        TEST(a_reader_sees_its_own_moment_and_holds_nobody_up),
        TEST(a_store_can_be_copied_while_it_is_used),
        TEST(verification_says_what_is_wrong_and_changes_nothing),
        TEST(verification_sees_damaged_pages),
        TEST(verification_reads_what_only_the_log_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
